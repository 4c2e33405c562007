//! Buffers that plugins write to, with canaries on both sides that show a write outside.

use std::mem::size_of;

use super::limits::GUARD_ELEMENTS;
use super::view::{Axis, DType, View, ViewError, row_major};

/// Memory for one tensor that a plugin writes, filled with zeros, between two rows of canaries.
///
/// The loop takes its gradient buffers from here and wraps them as tensors by [`data`](GuardedBuffer::data),
/// [`shape`](GuardedBuffer::shape) and [`strides`](GuardedBuffer::strides).
pub struct GuardedBuffer<T: Element> {
    memory: Vec<T>,
    start: usize,
    elements: usize,
    shape: Vec<i64>,
    strides: Vec<i64>,
    axes: Vec<Axis>,
}

impl<T: Element> GuardedBuffer<T> {
    /// Zeros of this view's shape and, where the view has neither gaps nor overlaps (channels-last is such a layout), of its
    /// strides; else row-major.
    #[must_use]
    pub fn like(view: &View<'_>) -> GuardedBuffer<T> {
        let strides = if is_dense(view) { view.strides().to_vec() } else { row_major(view.shape()) };
        GuardedBuffer::with_strides(view.shape(), strides, view.axes())
    }

    /// Row-major zeros of this shape, whose sizes are not negative.
    #[must_use]
    pub fn zeros(shape: &[i64], axes: &[Axis]) -> GuardedBuffer<T> {
        GuardedBuffer::with_strides(shape, row_major(shape), axes)
    }

    fn with_strides(shape: &[i64], strides: Vec<i64>, axes: &[Axis]) -> GuardedBuffer<T> {
        let elements =
            usize::try_from(shape.iter().product::<i64>()).expect("the caller's shape has no negative size");
        // Cache lines of 64 bytes: a kernel may like its first element on one.
        let line = 64 / size_of::<T>();
        let mut memory = vec![T::CANARY; elements + 2 * GUARD_ELEMENTS + line];
        let offset = memory[GUARD_ELEMENTS..].as_ptr().align_offset(64).min(line);
        let start = GUARD_ELEMENTS + offset;
        memory[start..start + elements].fill(T::default());
        GuardedBuffer { memory, start, elements, shape: shape.to_vec(), strides, axes: axes.to_vec() }
    }

    /// Sets every element to zero; the canaries stay.
    pub fn zero(&mut self) {
        self.values_mut().fill(T::default());
    }

    /// Whether the canaries are as they were; false means that something was written outside of the buffer.
    #[must_use]
    pub fn check(&self) -> bool {
        let (before, rest) = self.memory.split_at(self.start);
        before.iter().chain(&rest[self.elements..]).all(|value| value.same_bits(T::CANARY))
    }

    /// The tensor in the buffer.
    ///
    /// # Errors
    /// As [`View::from_raw`]: where the shape is none that a plugin may see.
    pub fn view(&mut self) -> Result<View<'_>, ViewError> {
        let data = self.values_mut().as_mut_ptr().cast();
        // SAFETY: the strides reach exactly `elements` elements from `start` on (row-major, or dense by `is_dense`), which
        // `memory` holds and which stay mutably borrowed as long as the view.
        unsafe { View::from_raw(data, T::DTYPE, &self.shape, &self.strides, &self.axes) }
    }

    /// The elements, in the order of memory.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.memory[self.start..self.start + self.elements]
    }

    /// The elements, in the order of memory.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.elements]
    }

    /// The first element; valid while the buffer lives and is not moved out of.
    pub fn data(&mut self) -> *mut T {
        self.values_mut().as_mut_ptr()
    }

    /// Its sizes.
    #[must_use]
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Its strides, in elements.
    #[must_use]
    pub fn strides(&self) -> &[i64] {
        &self.strides
    }
}

/// Whether the elements fill one block of memory, each once, in whatever order of axes.
pub(super) fn is_dense(view: &View<'_>) -> bool {
    dense_block(view.shape(), view.strides())
}

/// As [`is_dense`], for a part of a view.
pub(super) fn dense_block(shape: &[i64], strides: &[i64]) -> bool {
    let mut axes: Vec<(i64, i64)> =
        strides.iter().copied().zip(shape.iter().copied()).filter(|&(_, size)| size > 1).collect();
    axes.sort_unstable();
    let mut expected = 1;
    axes.into_iter().all(|(stride, size)| {
        let fits = stride == expected;
        expected *= size;
        fits
    })
}

/// An element type of a buffer: `f32` or `f64`.
pub trait Element: Copy + Default + Send + Sync + 'static + sealed::Sealed {
    /// Its name among the element types.
    const DTYPE: DType;
    /// A NaN whose payload no arithmetic produces.
    const CANARY: Self;
    /// Whether both have the same bits.
    fn same_bits(self, other: Self) -> bool;
    /// Neither NaN nor infinite.
    fn finite(self) -> bool;
    /// The sum, for adding a staged gradient to the caller's.
    #[must_use]
    fn plus(self, other: Self) -> Self;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
    const CANARY: f32 = f32::from_bits(0x7fd5_ca4e);
    fn same_bits(self, other: f32) -> bool {
        self.to_bits() == other.to_bits()
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
    fn plus(self, other: f32) -> f32 {
        self + other
    }
}

impl Element for f64 {
    const DTYPE: DType = DType::F64;
    const CANARY: f64 = f64::from_bits(0x7ffd_ca4e_5ca4_e5ca);
    fn same_bits(self, other: f64) -> bool {
        self.to_bits() == other.to_bits()
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
    fn plus(self, other: f64) -> f64 {
        self + other
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: [Axis; 2] = [Axis::Batch, Axis::Channel];

    #[test]
    fn a_write_on_either_side_is_seen() {
        for outside in [-1_isize, 6] {
            let mut buffer = GuardedBuffer::<f32>::zeros(&[2, 3], &AXES);
            assert!(buffer.check());
            // SAFETY: the canaries lie on both sides of the six elements.
            unsafe { buffer.data().offset(outside).write(0.0) };
            assert!(!buffer.check(), "element {outside}");
        }
    }

    #[test]
    fn channels_last_keeps_its_strides_and_gaps_do_not() {
        let axes = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];
        let mut data = vec![0.0_f32; 4 * 64];
        let shape = [2, 3, 4, 5];
        for (strides, kept) in [([60, 1, 15, 3], true), ([60, 20, 5, 1], true), ([64, 1, 16, 3], false)] {
            // SAFETY: the farthest element is below 128.
            let view =
                unsafe { View::from_raw(data.as_mut_ptr().cast(), DType::F32, &shape, &strides, &axes) };
            let buffer = GuardedBuffer::<f32>::like(&view.expect("a valid view"));
            assert_eq!(buffer.strides() == strides, kept, "{strides:?}");
        }
    }
}
