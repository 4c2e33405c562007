//! `alignment`: makes neighbouring images of a job alike.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Tap, Term, TermInfo, Value};

use crate::position::LAYER;

/// How far apart in the job two images may be; lucid's number.
const REACH: usize = 4;

/// −½ Σ_j mean((A_i − A_j)²)/decay^|i−j| for image i, over the images j at most four places away: lucid's `objectives.alignment`, whose
/// terms are each shared by the two images they compare, so that the values of a job add up to lucid's.
pub struct Alignment {
    layer: String,
    decay: f64,
}

impl Term for Alignment {
    const INFO: TermInfo = TermInfo::objective(
        "alignment",
        "Neighbours alike",
        "Minus half of the mean squared differences between an image's activations and those of the images up to four places away in the job, \
         each divided by decay to the power of the distance: −½ Σ mean((A[i] − A[j])²) / decay^|i − j|. At most 0; 0 for a single image. \
         Holds things in place along an interpolation. Source: lucid, objectives.alignment, which is the sum over images.",
    )
    .params(&[
        LAYER,
        Param::float("decay", "How much less an image counts with each place that it is farther away.")
            .default(Value::Float(2.0))
            .min(1.0)
            .max(1e6),
    ])
    .batch_coupled();

    fn new(params: &Params<'_>) -> Result<Alignment, Error> {
        Ok(Alignment { layer: params.string("layer")?, decay: params.float("decay")? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let images = eval.images();
        let mut sums = vec![0.0; images];
        for i in 0..images {
            if eval.step().cancelled() {
                return Err(Error::cancelled());
            }
            for j in i + 1..(i + REACH + 1).min(images) {
                let (a, b) = (eval.input(0).image(i), eval.input(0).image(j));
                let factor = 0.5 / (self.decay.powi((j - i) as i32) * a.len() as f64);
                let half = factor * a.sum_with(&b, |a, b| (a - b) * (a - b));
                sums[i] += half;
                sums[j] += half;
                let share = T::from_f64(-2.0 * factor * (eval.scale(i) + eval.scale(j)));
                if let Some(gradient) = eval.gradient(0) {
                    gradient.image(i).update_with(&a, &b, |a, b, gradient| *gradient += share * (a - b));
                    gradient.image(j).update_with(&a, &b, |a, b, gradient| *gradient += share * (b - a));
                }
            }
        }
        // Subtracted from zero, because negative zero would be a strange score.
        sums.into_iter().enumerate().for_each(|(image, sum)| eval.set_value(image, 0.0 - sum));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn host(decay: f64) -> MockHost {
        let given = [("layer", Given::Str("conv1")), ("decay", Given::Float(decay))];
        MockHost::new::<Alignment>(&given).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [&[2, 3, 4, 5][..], &[7, 3], &[3, 4, 3]] {
            check_term(&mut host(2.0), &[Array::random(shape, 3)], true);
        }
    }

    #[test]
    fn the_values_add_up_to_lucids() {
        // Image i is the number 10^i/1000: the squared differences tell the pairs apart.
        let mut tap = Array::random(&[6, 1], 1);
        tap.data = (0..6).map(|i| 10_f64.powi(i) / 1000.0).collect();
        let mut expected = 0.0;
        for d in 1..=4 {
            for i in 0..6 - d {
                expected -= (tap.data[i] - tap.data[i + d]).powi(2) / 3_f64.powi(d as i32);
            }
        }
        let values = host(3.0).eval(&mut [tap], None, &[1.0; 6], false).expect("values");
        let sum: f64 = values.iter().sum();
        assert!((sum - expected).abs() < 1e-9 * expected.abs(), "{sum} {expected}");
    }

    #[test]
    fn one_image_has_neither_value_nor_gradient() {
        let mut tap = [Array::random(&[1, 3], 1)];
        let mut gradient = [tap[0].zeros()];
        assert_eq!(host(2.0).eval(&mut tap, Some(&mut gradient), &[1.0], false), Ok(vec![0.0]));
        assert_eq!(gradient[0].data, [0.0; 3]);
    }
}
