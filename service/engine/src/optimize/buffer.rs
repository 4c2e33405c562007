//! Tensors as plugins see them: borrowed views, and gradient buffers with guards on both sides. `unsafe` lives here.

use crate::model;
use crate::plugin::{Axis, DType, GuardedBuffer, TermError, View};
use tch::{Device, Kind, TchError, Tensor};

/// A zeroed float32 tensor on the CPU whose memory ends in guards that show a write past it.
pub struct Buffer {
    guarded: GuardedBuffer<f32>,
    /// Shares the memory of `guarded`, whose heap block does not move.
    tensor: Tensor,
}

impl Buffer {
    /// A buffer for the gradient of `like`, a float32 tensor on the CPU, in its layout where that has neither gaps nor overlaps.
    pub fn like(like: &Tensor, axes: &[Axis]) -> Result<Self, TchError> {
        let mut guarded = GuardedBuffer::<f32>::like(&view(like, axes)?);
        // SAFETY: the pointer is to as many floats as shape and dense strides reach, on the heap, where they stay until `guarded`
        // is dropped; `tensor` and what is cut from it never leave the struct that holds the buffer.
        let tensor = unsafe {
            Tensor::f_from_blob(
                guarded.data().cast(),
                guarded.shape(),
                guarded.strides(),
                Kind::Float,
                Device::Cpu,
            )
        }?;
        Ok(Self { guarded, tensor })
    }

    /// Whether a tensor of the same layout as `like` was given to [`Buffer::like`].
    pub fn fits(&self, like: &Tensor) -> bool {
        like.size() == self.guarded.shape() && like.stride() == self.guarded.strides()
    }

    /// Sets every element to zero.
    pub fn clear(&mut self) {
        self.guarded.zero();
    }

    /// Whether the guards are as they were made.
    pub fn intact(&self) -> bool {
        self.guarded.check()
    }

    /// The buffer as a tensor that shares its memory.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

/// A plugin's view of `tensor`, which is float32 or float64 on the CPU.
pub fn view<'a>(tensor: &'a Tensor, axes: &[Axis]) -> Result<View<'a>, TchError> {
    let dtype = if tensor.kind() == Kind::Double { DType::F64 } else { DType::F32 };
    // SAFETY: the tensor is borrowed for the view's life and on the CPU, and libtorch's sizes and strides describe
    // memory that it, or a `Buffer` of the caller, owns. Nobody else touches it meanwhile: the loop runs on one thread.
    let view = unsafe { View::from_raw(tensor.data_ptr(), dtype, &tensor.size(), &tensor.stride(), axes) };
    view.map_err(|error| TchError::Shape(error.to_string()))
}

/// The plugins' roles for a layer's axes, of which the first is the batch.
pub fn roles(axes: &[model::Axis]) -> Vec<Axis> {
    let role = |axis: &model::Axis| match axis {
        model::Axis::Batch => Axis::Batch,
        model::Axis::Channel => Axis::Channel,
        model::Axis::Height => Axis::Height,
        model::Axis::Width => Axis::Width,
        model::Axis::Token => Axis::Token,
        model::Axis::Other => Axis::Other,
    };
    axes.iter().map(role).collect()
}

/// The error of a term that wrote past a gradient buffer.
pub fn wrote_outside(term: &str) -> TermError {
    TermError::WroteOutside { term: term.to_string(), what: "its gradient buffer".to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: [Axis; 4] = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];

    #[test]
    fn a_buffer_is_zero_and_has_the_layout_of_its_model() {
        let rows = Tensor::ones([2, 3, 4, 5], (Kind::Float, Device::Cpu));
        let last = rows.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        for like in [&rows, &last] {
            let mut buffer = Buffer::like(like, &AXES).unwrap();
            assert!(buffer.fits(like));
            assert_eq!(buffer.tensor().stride(), like.stride());
            assert_eq!(buffer.tensor().abs().sum(Kind::Float).double_value(&[]), 0.0);
            let _ = buffer.tensor().shallow_clone().fill_(2.0);
            assert!(buffer.intact());
            buffer.clear();
            assert_eq!(buffer.tensor().abs().sum(Kind::Float).double_value(&[]), 0.0);
        }
    }
}
