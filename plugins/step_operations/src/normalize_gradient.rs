//! `normalize_gradient`: the gradient's direction, without its length.

use unitscope_sdk::{Apply, Error, Float, Params, Term, TermInfo};

/// Keeps a zero gradient zero. Smaller than the norm of any gradient that moves an image by a visible amount.
const EPSILON: f64 = 1e-8;

/// g[i] ← g[i] / (‖g[i]‖₂ + 1e-8) for each image: normalized gradient ascent, as in DeepDream's loop (which divides by the mean of
/// |g| instead of the norm) and lucid.
pub struct NormalizeGradient;

impl Term for NormalizeGradient {
    const INFO: TermInfo = TermInfo::gradient_operation(
        "normalize_gradient",
        "Gradient of length 1",
        "Divides each image's gradient by its L2 norm, g / (‖g‖ + 1e-8), so that a step's length does not depend on the objective's \
         scale. A zero gradient stays zero. Source: normalized gradient ascent, as in lucid, and in DeepDream, which \
         divides by the mean of |g|.",
    );

    fn new(_: &Params<'_>) -> Result<NormalizeGradient, Error> {
        Ok(NormalizeGradient)
    }

    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        for image in 0..apply.images() {
            let mut gradient = apply.gradient.image(image);
            let norm = gradient.as_grid().sum_by(|g| g * g).sqrt();
            let factor = 1.0 / (norm + EPSILON);
            // In float64, because the factor of a tiny gradient may overflow float32 where the product does not.
            gradient.each(|g| *g = T::from_f64(g.to_f64() * factor));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, MockHost};

    use super::*;

    fn applied(gradient: &Array) -> Array {
        let mut host = MockHost::new::<NormalizeGradient>(&[]).expect("no parameters");
        let mut image = Array::random(&gradient.shape, 9);
        let before = image.clone();
        let mut gradient = gradient.clone();
        host.apply(&mut image, &mut gradient).expect("it applies");
        assert_eq!(image.data, before.data, "the image is not its to edit");
        gradient
    }

    fn norm(values: &[f64]) -> f64 {
        values.iter().map(|value| value * value).sum::<f64>().sqrt()
    }

    #[test]
    fn each_image_has_length_one_and_its_direction() {
        let gradient = Array::random(&[3, 3, 4, 5], 2);
        for gradient in [gradient.channels_last(), gradient] {
            let after = applied(&gradient);
            for image in 0..3 {
                let (before, after) = (gradient.select(&[image]).data, after.select(&[image]).data);
                assert!((norm(&after) - 1.0).abs() < 1e-6);
                let dot: f64 = before.iter().zip(&after).map(|(a, b)| a * b).sum();
                assert!((dot - norm(&before)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_zero_gradient_stays_zero() {
        let zeros = Array::random(&[2, 3, 4, 5], 2).zeros();
        assert_eq!(applied(&zeros).data, zeros.data);
    }
}
