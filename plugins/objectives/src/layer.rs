//! `layer`: the mean square of a whole layer, DeepDream's objective.

use unitscope_sdk::{Error, Eval, Float, Params, Tap, Term, TermInfo};

use crate::position::LAYER;

/// mean of A[i]² over channels and space for image i: lucid's `objectives.deepdream`, per image.
pub struct Layer {
    layer: String,
}

impl Term for Layer {
    const INFO: TermInfo = TermInfo::objective(
        "layer",
        "A whole layer",
        "The mean of the squared activations of a layer, mean A², as in DeepDream: whatever the layer sees, more of it. \
         At least 0. Source: lucid, objectives.deepdream.",
    )
    .params(&[LAYER]);

    fn new(params: &Params<'_>) -> Result<Layer, Error> {
        Ok(Layer { layer: params.string("layer")? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let activations = eval.input(0).image(image);
            let elements = activations.len() as f64;
            eval.set_value(image, activations.sum_by(|a| a * a) / elements);
            let share = T::from_f64(2.0 * eval.scale(image) / elements);
            if let Some(gradient) = eval.gradient(0) {
                gradient.image(image).update(&activations, |a, gradient| *gradient += share * a);
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
        for shape in [&[3, 2, 4, 5][..], &[2, 3, 7, 3], &[3, 5], &[2, 4, 3]] {
            let mut host =
                MockHost::new::<Layer>(&[("layer", Given::Str("conv1"))]).expect("valid parameters");
            check_term(&mut host, &[Array::random(shape, 3)], false);
        }
    }

    #[test]
    fn it_is_the_mean_square() {
        let mut host = MockHost::new::<Layer>(&[("layer", Given::Str("conv1"))]).expect("valid parameters");
        let mut tap = Array::random(&[1, 4], 1);
        tap.data = vec![1., -2., 3., 0.];
        assert_eq!(host.eval(&mut [tap], None, &[1.0], false).expect("a value"), [3.5]);
    }
}
