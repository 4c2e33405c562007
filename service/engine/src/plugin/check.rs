//! Checks of what a plugin leaves behind after a call: its error message, its values, its gradients.

use std::ffi::c_char;

use unitscope_sdk::abi::{US_ERROR_PANICKED, us_error};

use super::guard::{Element, dense_block};
use super::library::lossy;
use super::limits::ERROR_BYTES;
use super::view::{DType, View};

/// The buffer that a plugin writes its message to, with canaries behind it.
pub(super) struct ErrorBuffer {
    raw: us_error,
    bytes: Vec<u8>,
}

impl ErrorBuffer {
    const CANARY: u8 = 0xca;
    /// Room for a message that ignores the buffer's size by a line or two.
    const GUARD: usize = 1 << 10;

    pub fn new() -> ErrorBuffer {
        let raw =
            us_error { buf: std::ptr::null_mut(), cap: ERROR_BYTES as u64, len: 0, parameter: -1, flags: 0 };
        ErrorBuffer { raw, bytes: vec![ErrorBuffer::CANARY; ERROR_BYTES + ErrorBuffer::GUARD] }
    }

    /// What the plugin is given; valid until the buffer is used otherwise.
    pub fn raw(&mut self) -> *mut us_error {
        self.raw.buf = self.bytes.as_mut_ptr().cast::<c_char>();
        &raw mut self.raw
    }

    /// Whether nothing was written behind the message's room.
    pub fn intact(&self) -> bool {
        self.bytes[ERROR_BYTES..].iter().all(|&byte| byte == ErrorBuffer::CANARY)
    }

    pub fn panicked(&self) -> bool {
        self.raw.flags & US_ERROR_PANICKED != 0
    }

    /// The position of the parameter at fault, if the plugin gave one that the term has.
    pub fn parameter(&self, params: usize) -> Option<usize> {
        usize::try_from(self.raw.parameter).ok().filter(|&position| position < params)
    }

    /// The message; whatever length the plugin claims, no more than the buffer holds.
    pub fn message(&self) -> String {
        let len = self.raw.len.min(ERROR_BYTES as u64);
        // SAFETY: `bytes` holds at least `ERROR_BYTES` bytes.
        let text = unsafe { lossy(self.bytes.as_ptr().cast(), len) };
        if text.is_empty() { "it gave no reason".to_owned() } else { text }
    }
}

/// The first image with a value that is NaN or infinite.
pub(super) fn first_non_finite(view: &View<'_>) -> Option<usize> {
    match view.dtype() {
        DType::F32 => first_non_finite_of::<f32>(view),
        DType::F64 => first_non_finite_of::<f64>(view),
    }
}

fn first_non_finite_of<T: Element>(view: &View<'_>) -> Option<usize> {
    let (shape, strides) = (&view.shape()[1..], &view.strides()[1..]);
    let elements = view.elements() / view.images();
    let dense = dense_block(shape, strides);
    (0..view.images()).find(|&image| {
        // SAFETY: the view's promise: its data reaches every image's first element.
        let first = unsafe { view.data().cast::<T>().add(image * view.strides()[0] as usize) };
        if dense {
            // SAFETY: the view's promise, and `dense_block` says that the image's elements are one block from its first on.
            let values = unsafe { std::slice::from_raw_parts(first, elements) };
            // Without an early exit the loop is a plain reduction, which the compiler can vectorize.
            return !values.iter().fold(true, |finite, value| finite & value.finite());
        }
        let mut finite = true;
        // SAFETY: `for_each_offset` yields offsets inside the view's shape and strides only.
        for_each_offset(shape, strides, |offset| finite &= unsafe { *first.add(offset) }.finite());
        !finite
    })
}

/// Calls `f` with the offset of each element, in row-major order of the shape.
pub(super) fn for_each_offset(shape: &[i64], strides: &[i64], mut f: impl FnMut(usize)) {
    let mut index = vec![0_i64; shape.len()];
    let mut offset = 0_i64;
    loop {
        f(offset as usize);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            offset -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::view::Axis;

    const AXES: [Axis; 3] = [Axis::Batch, Axis::Channel, Axis::Width];

    #[test]
    fn the_first_bad_image_is_found_in_every_layout() {
        for strides in [[6, 2, 1], [6, 1, 3], [8, 4, 1]] {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut data = vec![1.0_f32; 24];
                data[strides[0] as usize + strides[1] as usize] = bad;
                // SAFETY: the strides reach at most element 17.
                let view = unsafe {
                    View::from_raw(data.as_mut_ptr().cast(), DType::F32, &[2, 3, 2], &strides, &AXES)
                };
                assert_eq!(first_non_finite(&view.expect("a valid view")), Some(1), "{strides:?}");
            }
        }
    }

    #[test]
    fn gaps_are_not_read() {
        let mut data = vec![f64::NAN; 16];
        for_each_offset(&[2, 3, 2], &[8, 2, 1], |offset| data[offset] = 0.0);
        // SAFETY: the strides reach at most element 13.
        let view =
            unsafe { View::from_raw(data.as_mut_ptr().cast(), DType::F64, &[2, 3, 2], &[8, 2, 1], &AXES) };
        assert_eq!(first_non_finite(&view.expect("a valid view")), None);
    }
}
