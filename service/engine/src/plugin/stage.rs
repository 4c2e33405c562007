//! Row-major copies for terms that take no strides: a tap is copied before the call, a gradient is added back after it.

use std::ffi::c_void;

use super::check::for_each_offset;
use super::guard::{Element, GuardedBuffer};
use super::view::{DType, View};

/// A row-major copy of a view, or a buffer of zeros of its shape, in guarded memory of the view's type.
pub(super) enum Staged {
    F32(GuardedBuffer<f32>),
    F64(GuardedBuffer<f64>),
}

impl Staged {
    /// Zeros of the view's shape.
    pub fn zeros(view: &View<'_>) -> Staged {
        match view.dtype() {
            DType::F32 => Staged::F32(GuardedBuffer::zeros(view.shape(), view.axes())),
            DType::F64 => Staged::F64(GuardedBuffer::zeros(view.shape(), view.axes())),
        }
    }

    /// A copy of the view's elements.
    pub fn copy(view: &View<'_>) -> Staged {
        let mut staged = Staged::zeros(view);
        match &mut staged {
            Staged::F32(buffer) => gather(view, buffer.values_mut()),
            Staged::F64(buffer) => gather(view, buffer.values_mut()),
        }
        staged
    }

    /// Its first element.
    pub fn data(&mut self) -> *mut c_void {
        match self {
            Staged::F32(buffer) => buffer.data().cast(),
            Staged::F64(buffer) => buffer.data().cast(),
        }
    }

    /// Its strides, in elements: row-major.
    pub fn strides(&self) -> &[i64] {
        match self {
            Staged::F32(buffer) => buffer.strides(),
            Staged::F64(buffer) => buffer.strides(),
        }
    }

    /// Whether its canaries are intact.
    pub fn check(&self) -> bool {
        match self {
            Staged::F32(buffer) => buffer.check(),
            Staged::F64(buffer) => buffer.check(),
        }
    }

    /// Adds its elements to those of a view of the same shape and type.
    pub fn add_to(&self, view: &View<'_>) {
        match self {
            Staged::F32(buffer) => scatter(buffer.values(), view, f32::plus),
            Staged::F64(buffer) => scatter(buffer.values(), view, f64::plus),
        }
    }

    /// Writes its elements over those of a view of the same shape and type.
    pub fn copy_to(&self, view: &View<'_>) {
        match self {
            Staged::F32(buffer) => scatter(buffer.values(), view, |_, new| new),
            Staged::F64(buffer) => scatter(buffer.values(), view, |_, new| new),
        }
    }
}

fn gather<T: Element>(view: &View<'_>, values: &mut [T]) {
    let data = view.data().cast::<T>();
    let mut values = values.iter_mut();
    for_each_offset(view.shape(), view.strides(), |offset| {
        if let Some(value) = values.next() {
            // SAFETY: the view's promise covers every offset of its shape and strides, and its type is `T`.
            *value = unsafe { *data.add(offset) };
        }
    });
}

fn scatter<T: Element>(values: &[T], view: &View<'_>, merge: impl Fn(T, T) -> T) {
    let data = view.data().cast::<T>();
    let mut values = values.iter();
    for_each_offset(view.shape(), view.strides(), |offset| {
        if let Some(&value) = values.next() {
            // SAFETY: as in `gather`; a view that a plugin may write is one that nothing else reads meanwhile.
            unsafe { *data.add(offset) = merge(*data.add(offset), value) };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::view::Axis;

    #[test]
    fn a_copy_is_row_major_and_comes_back() {
        let mut data: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let axes = [Axis::Batch, Axis::Channel, Axis::Width];
        // SAFETY: the strides reach element 11.
        let view =
            unsafe { View::from_raw(data.as_mut_ptr().cast(), DType::F32, &[2, 3, 2], &[6, 1, 3], &axes) };
        let view = view.expect("a valid view");
        let staged = Staged::copy(&view);
        assert_eq!(staged.strides(), [6, 2, 1]);
        let Staged::F32(buffer) = &staged else { panic!("the view's type") };
        assert_eq!(buffer.values(), [0., 3., 1., 4., 2., 5., 6., 9., 7., 10., 8., 11.]);
        staged.add_to(&view);
        assert_eq!(data[3..7], [6., 8., 10., 12.]);
    }
}
