//! What a term is handed in one step.

use crate::abi::{us_io, us_step, us_view};
use crate::error::Error;
use crate::float::Float;
use crate::params::slice;
use crate::tensor::{Tensor, TensorMut};

/// One step of an objective or penalty: its taps, its gradients, and room for its values.
pub struct Eval<'a, T> {
    step: Step<'a>,
    inputs: Vec<Tensor<'a, T>>,
    gradients: Vec<Option<TensorMut<'a, T>>>,
    scale: &'a [f64],
    values: &'a mut [f64],
}

impl<'a, T: Float> Eval<'a, T> {
    /// # Safety
    /// `step` and `io` follow the header for `'a`.
    pub(crate) unsafe fn new(step: &'a us_step, io: &'a us_io) -> Result<Eval<'a, T>, Error> {
        // SAFETY: the caller's promise, for this block and the ones below.
        let (inputs, gradients) = unsafe {
            (slice::<us_view>(io.r#in, u64::from(io.n_taps)), slice::<us_view>(io.grad, u64::from(io.n_taps)))
        };
        if io.value.is_null() || io.scale.is_null() {
            return Err(Error::internal("a null pointer for values or scales breaks the plugin ABI"));
        }
        // SAFETY: as above; nothing else reads or writes the gradients.
        let gradient = |view: &us_view| unsafe {
            if view.t.data.is_null() { Ok(None) } else { TensorMut::new(view).map(Some) }
        };
        Ok(Eval {
            step: Step { raw: step },
            // SAFETY: as above.
            inputs: inputs.iter().map(|view| unsafe { Tensor::new(view) }).collect::<Result<_, _>>()?,
            gradients: gradients.iter().map(gradient).collect::<Result<_, _>>()?,
            // SAFETY: as above.
            scale: unsafe { slice(io.scale, io.n) },
            // SAFETY: as above; the pointer is not null, and nothing else reads or writes the values.
            values: unsafe { std::slice::from_raw_parts_mut(io.value, io.n as usize) },
        })
    }

    /// The batch size.
    #[must_use]
    pub fn images(&self) -> usize {
        self.values.len()
    }

    /// Tap k, in the order of [`Term::taps`](crate::Term::taps).
    ///
    /// # Panics
    /// Where the term has no such tap.
    #[must_use]
    pub fn input(&self, k: usize) -> Tensor<'a, T> {
        self.inputs[k]
    }

    /// The buffer to ADD tap k's gradient to; none where it is not wanted.
    pub fn gradient(&mut self, k: usize) -> Option<&mut TensorMut<'a, T>> {
        self.gradients.get_mut(k)?.as_mut()
    }

    /// The factor of an image's gradient.
    ///
    /// # Panics
    /// Where the batch has no such image.
    #[must_use]
    pub fn scale(&self, image: usize) -> f64 {
        self.scale[image]
    }

    /// Sets an image's value.
    ///
    /// # Panics
    /// Where the batch has no such image.
    pub fn set_value(&mut self, image: usize, value: f64) {
        self.values[image] = value;
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> Step<'a> {
        self.step
    }
}

/// One step of a step operation.
pub struct Apply<'a, T> {
    /// [n, c, h, w], in 0..=1. Written by image operations only.
    pub image: TensorMut<'a, T>,
    /// The gradient, by the image, of the sum that the host maximizes; same shape. Written by gradient operations only.
    pub gradient: TensorMut<'a, T>,
    step: Step<'a>,
}

impl<'a, T: Float> Apply<'a, T> {
    /// # Safety
    /// `step` and the views follow the header for `'a`.
    pub(crate) unsafe fn new(
        step: &'a us_step,
        image: &us_view,
        gradient: &us_view,
    ) -> Result<Apply<'a, T>, Error> {
        // SAFETY: the caller's promise.
        let (image, gradient) = unsafe { (TensorMut::new(image)?, TensorMut::new(gradient)?) };
        if image.shape() != gradient.shape() {
            return Err(Error::internal("image and gradient of two shapes break the plugin ABI"));
        }
        Ok(Apply { image, gradient, step: Step { raw: step } })
    }

    /// The batch size.
    #[must_use]
    pub fn images(&self) -> usize {
        self.image.shape().images
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> Step<'a> {
        self.step
    }
}

/// Where the job is.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    raw: &'a us_step,
}

impl Step<'_> {
    /// 0 at first.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.raw.step
    }

    /// How many the job has.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.raw.total_steps
    }

    /// The only entropy that a term may use in this step.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.raw.seed
    }

    /// Whether the job was cancelled. A long computation asks at least every 50 ms, and then returns [`Error::cancelled`].
    #[must_use]
    pub fn cancelled(&self) -> bool {
        // SAFETY: the header: `cancelled` may be called with `ctx` on the calling thread during the call, and the step's borrow
        // ends with the call.
        self.raw.cancelled.is_some_and(|cancelled| unsafe { cancelled(self.raw.ctx) } != 0)
    }
}
