//! `l2`: how far the image is from grey.

use unitscope_sdk::{Error, Eval, Float, Params, Term, TermInfo};

use crate::center::CENTER;

/// Keeps the root's derivative finite where the image is the centre itself; lucid's number.
const EPSILON: f64 = 1e-6;

/// √(ε + mean (x − centre)²) for each image: lucid's `objectives.L2`, with a mean instead of the sum, so that its weight does not
/// depend on the image's size.
pub struct L2 {
    center: f64,
}

impl Term for L2 {
    const INFO: TermInfo = TermInfo::penalty(
        "l2",
        "Distance from grey",
        "The root mean square distance of the image, in 0..=1, from a constant: √(1e-6 + mean (x − center)²). Holds contrast down. \
         0 to 1. Source: lucid, objectives.L2, with a mean instead of a sum.",
    )
    .params(&[CENTER]);

    fn new(params: &Params<'_>) -> Result<L2, Error> {
        Ok(L2 { center: params.float("center")? })
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let center = self.center;
        for image in 0..eval.images() {
            let pixels = eval.input(0).image(image);
            let elements = pixels.len() as f64;
            let value = (EPSILON + pixels.sum_by(|x| (x - center) * (x - center)) / elements).sqrt();
            eval.set_value(image, value);
            let share = T::from_f64(eval.scale(image) / (elements * value));
            let center = T::from_f64(center);
            if let Some(gradient) = eval.gradient(0) {
                gradient.image(image).update(&pixels, |x, gradient| *gradient += share * (x - center));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [[2, 3, 4, 5], [3, 1, 1, 6]] {
            let mut host = MockHost::new::<L2>(&[]).expect("valid parameters");
            check_term(&mut host, &[Array::random(&shape, 3)], false);
        }
    }

    #[test]
    fn it_is_the_distance_from_its_centre() {
        let mut host = MockHost::new::<L2>(&[("center", Given::Float(0.25))]).expect("valid parameters");
        let mut image = Array::random(&[1, 1, 1, 2], 1);
        image.data = vec![1.25, -0.75];
        let value = host.eval(&mut [image], None, &[1.0], false).expect("a value")[0];
        assert!((value - 1.0).abs() < 1e-6, "{value}");
    }

    #[test]
    fn at_its_centre_the_gradient_is_zero() {
        let mut host = MockHost::new::<L2>(&[]).expect("valid parameters");
        let mut image = [Array::random(&[1, 3, 4, 4], 1)];
        image[0].data.fill(0.5);
        let mut gradient = [image[0].zeros()];
        host.eval(&mut image, Some(&mut gradient), &[1.0], false).expect("a value");
        assert!(gradient[0].data.iter().all(|&value| value == 0.0));
    }
}
