//! `l1`: how far the image is from grey, pixel by pixel.

use unitscope_sdk::{Error, Eval, Float, Params, Term, TermInfo};

use crate::center::CENTER;

/// mean |x − center| for each image: lucid's `objectives.L1`, with a mean instead of the sum, so that its weight does not depend on the
/// image's size.
pub struct L1 {
    center: f64,
}

impl Term for L1 {
    const INFO: TermInfo = TermInfo::penalty(
        "l1",
        "Mean distance from grey",
        "The mean absolute distance of the image, in 0..=1, from a constant: mean |x − center|. Leaves grey what the objective does not \
         need. 0 to 1. Source: lucid, objectives.L1, with a mean instead of a sum.",
    )
    .params(&[CENTER]);

    fn new(params: &Params<'_>) -> Result<L1, Error> {
        Ok(L1 { center: params.float("center")? })
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let center = self.center;
        for image in 0..eval.images() {
            let pixels = eval.input(0).image(image);
            let elements = pixels.len() as f64;
            eval.set_value(image, pixels.sum_by(|x| (x - center).abs()) / elements);
            let share = eval.scale(image) / elements;
            // 0 at the centre itself: a subgradient.
            let sign = |x: f64| {
                if x > center {
                    1.0
                } else if x < center {
                    -1.0
                } else {
                    0.0
                }
            };
            if let Some(gradient) = eval.gradient(0) {
                let add = |x: T, gradient: &mut T| *gradient += T::from_f64(share * sign(x.to_f64()));
                gradient.image(image).update(&pixels, add);
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
            let mut host = MockHost::new::<L1>(&[]).expect("valid parameters");
            check_term(&mut host, &[Array::random(&shape, 3)], false);
        }
    }

    #[test]
    fn it_is_the_mean_distance_and_flat_at_the_centre() {
        let mut host = MockHost::new::<L1>(&[("center", Given::Float(0.25))]).expect("valid parameters");
        let mut image = [Array::random(&[1, 1, 1, 3], 1)];
        image[0].data = vec![1.0, 0.25, 0.0];
        let mut gradient = [image[0].zeros()];
        let value = host.eval(&mut image, Some(&mut gradient), &[3.0], false).expect("a value")[0];
        assert!((value - 1.0 / 3.0).abs() < 1e-12, "{value}");
        assert_eq!(gradient[0].data, [1.0, 0.0, -1.0]);
    }
}
