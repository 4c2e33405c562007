//! `blur_gradient`: the gradient without its fine noise.

use unitscope_sdk::{Apply, Error, Float, Params, Term, TermInfo};

use crate::gaussian::{Gaussian, SIGMA};

/// g[i] ← G·g[i] for each image and channel, G a Gaussian blur: as DeepDream's smoothed gradients do.
pub struct BlurGradient {
    gaussian: Gaussian,
}

impl Term for BlurGradient {
    const INFO: TermInfo = TermInfo::gradient_operation(
        "blur_gradient",
        "Smooth gradient",
        "Blurs each image's gradient with a Gaussian, so that steps draw coarse forms before fine ones. At the border the mean is over the \
         pixels that there are. Made for pixels: Adam over a spectrum scales each frequency's steps alike, which undoes it. Source: gradient smoothing, as in DeepDream's later notebooks.",
    )
    .params(&[SIGMA]);

    fn new(params: &Params<'_>) -> Result<BlurGradient, Error> {
        Ok(BlurGradient { gaussian: Gaussian::new(params.float("sigma_px")?) })
    }

    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        for image in 0..apply.images() {
            if apply.step().cancelled() {
                return Err(Error::cancelled());
            }
            self.gaussian.apply(&mut apply.gradient.image(image));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given};

    use super::*;
    use crate::testing::{Edited, applied};

    fn blurred(gradient: &Array, sigma_px: f64) -> Array {
        applied::<BlurGradient>(&[("sigma_px", Given::Float(sigma_px))], gradient, Edited::Gradient)
    }

    #[test]
    fn a_point_becomes_a_gaussian() {
        let mut gradient = Array::random(&[1, 1, 21, 21], 1).zeros();
        gradient.data[10 * 21 + 10] = 1.0;
        let after = blurred(&gradient, 1.5).data;
        assert!((after.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let ratio = |row: usize, column: usize| after[row * 21 + column] / after[10 * 21 + 10];
        for (row, column, square) in [(10, 11, 1.0), (12, 10, 4.0), (8, 9, 5.0)] {
            assert!((ratio(row, column) - f64::exp(-square / 4.5)).abs() < 1e-12, "{row} {column}");
        }
    }

    #[test]
    fn a_flat_gradient_stays_as_it_is() {
        let mut gradient = Array::random(&[2, 3, 5, 9], 1);
        gradient.data.fill(0.25);
        let after = blurred(&gradient, 4.0);
        assert!(after.data.iter().all(|g| (g - 0.25).abs() < 1e-12));
    }
}
