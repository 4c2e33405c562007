//! `clip_gradient`: no step larger than a bound.

use unitscope_sdk::{Apply, Error, Float, Param, Params, Term, TermInfo, Value};

/// g[i] ← g[i]·min(1, max_norm/‖g[i]‖₂) for each image.
pub struct ClipGradient {
    max_norm: f64,
}

impl Term for ClipGradient {
    const INFO: TermInfo = TermInfo::gradient_operation(
        "clip_gradient",
        "Gradient of bounded length",
        "Shortens each image's gradient to an L2 norm of max_norm where it is longer, g · min(1, max_norm / ‖g‖); shorter ones stay as they are. \
         Source: clipping by norm, Pascanu, Mikolov and Bengio 2013; torch-dreams clips at 1.",
    )
    .params(&[Param::float("max_norm", "The largest norm.").default(Value::Float(1.0)).min(1e-12).max(1e12)]);

    fn new(params: &Params<'_>) -> Result<ClipGradient, Error> {
        Ok(ClipGradient { max_norm: params.float("max_norm")? })
    }

    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        for image in 0..apply.images() {
            let mut gradient = apply.gradient.image(image);
            let norm = gradient.as_grid().sum_by(|g| g * g).sqrt();
            if norm > self.max_norm {
                let factor = self.max_norm / norm;
                gradient.each(|g| *g = T::from_f64(g.to_f64() * factor));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given};

    use super::*;
    use crate::testing::{Edited, applied};

    #[test]
    fn only_what_is_longer_is_shortened() {
        let mut gradient = Array::random(&[2, 1, 1, 2], 1);
        gradient.data = vec![3.0, -4.0, 0.3, 0.4];
        let after = applied::<ClipGradient>(&[("max_norm", Given::Float(2.5))], &gradient, Edited::Gradient);
        assert_eq!(after.data, [1.5, -2.0, 0.3, 0.4]);
    }
}
