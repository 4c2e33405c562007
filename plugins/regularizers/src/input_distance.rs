//! `input_distance`: how far the image is from a reference image.

use unitscope_sdk::{Error, Eval, Float, Params, Tap, Term, TermInfo};

/// Keeps the root's derivative finite where the image is the reference itself; as in `l2`.
const EPSILON: f64 = 1e-6;

/// √(ε + mean (x − x₀)²) for each image: lucid's `objectives.input_diff`, with an ε inside of the root.
pub struct InputDistance;

impl Term for InputDistance {
    const INFO: TermInfo = TermInfo::penalty(
        "input_distance",
        "Distance from a reference image",
        "The root mean square distance of the image from a reference image, both in 0..=1: √(1e-6 + mean (x − x₀)²). Keeps the picture near \
         the one that it starts from. 0 to 1. Source: lucid, objectives.input_diff, with an ε that keeps the root's gradient finite.",
    );

    fn new(_: &Params<'_>) -> Result<InputDistance, Error> {
        Ok(InputDistance)
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::image(), Tap::reference_image()]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let (pixels, reference) = (eval.input(0).image(image), eval.input(1).image(image));
            let elements = pixels.len() as f64;
            let squares = pixels.sum_with(&reference, |x, r| (x - r) * (x - r));
            let value = (EPSILON + squares / elements).sqrt();
            eval.set_value(image, value);
            let share = T::from_f64(eval.scale(image) / (elements * value));
            if let Some(gradient) = eval.gradient(0) {
                let add = |x: T, r: T, gradient: &mut T| *gradient += share * (x - r);
                gradient.image(image).update_with(&pixels, &reference, add);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, MockHost, Subject, check_term};

    use super::*;

    fn host() -> MockHost {
        MockHost::new::<InputDistance>(&[]).expect("no parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [[2, 3, 4, 5], [3, 1, 1, 6]] {
            check_term(&mut host(), &[Array::random(&shape, 3), Array::random(&shape, 4)], false);
        }
    }

    #[test]
    fn it_is_the_distance_and_has_no_gradient_at_the_reference() {
        let image = Array::random(&[1, 3, 4, 4], 1);
        let mut far = image.clone();
        far.data.iter_mut().for_each(|value| *value += 0.5);
        let mut taps = [image.clone(), far];
        let value = host().eval(&mut taps, None, &[1.0], false).expect("a value")[0];
        assert!((value - 0.5).abs() < 1e-5, "{value}");
        let mut gradients = [image.zeros(), image.zeros()];
        host().eval(&mut [image.clone(), image], Some(&mut gradients), &[1.0], false).expect("a value");
        assert!(gradients[0].data.iter().all(|&value| value == 0.0));
    }
}
