//! `guide`: DeepDream towards a reference image.

use unitscope_sdk::{Error, Eval, Float, Params, Tap, Term, TermInfo};

use crate::gram::add_product;
use crate::position::LAYER;

/// mean over positions p of max over positions q of Σ_c A[c, p]·R[c, q] for image i, R the same layer's value for the reference: the
/// guided dreams of Mordvintsev et al. 2015, whose gradient at p is the reference's activations at the best q.
pub struct Guide {
    layer: String,
}

impl Term for Guide {
    const INFO: TermInfo = TermInfo::objective(
        "guide",
        "A dream of a reference image",
        "Pushes each position of a layer to that position of a reference image which is most like it: the mean over positions of the largest dot \
         product Σ A[c, p] · R[c, q] over the reference's positions q; of equal ones the first counts. The reference sees the same random \
         transforms. Source: DeepDream (Mordvintsev et al. 2015), the guided dreams of its notebook.",
    )
    .params(&[LAYER]);

    fn new(params: &Params<'_>) -> Result<Guide, Error> {
        Ok(Guide { layer: params.string("layer")? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer), Tap::reference_layer(&self.layer)]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let (mut line, mut reference, mut products) = (Vec::new(), Vec::new(), Vec::new());
        for image in 0..eval.images() {
            let (activations, other) = (eval.input(0).image(image), eval.input(1).image(image));
            let [channels, height, width] = activations.sizes();
            let positions = height * width;
            other.copy_to(&mut reference);
            let share = T::from_f64(eval.scale(image) / positions as f64);
            let mut sum = 0.0;
            // Row by row: the products of all pairs of positions would not fit memory on an early layer.
            for row in 0..height {
                if eval.step().cancelled() {
                    return Err(Error::cancelled());
                }
                activations.part([0, row, 0], [channels, 1, width]).copy_to(&mut line);
                products.clear();
                products.resize(width * positions, 0.0);
                add_product(&line, &reference, [channels, width, positions], &mut products);
                for (column, products) in products.chunks(positions).enumerate() {
                    let (best, product) = first_largest(products);
                    sum += product;
                    if let Some(gradient) = eval.gradient(0) {
                        let best = other.part([0, best / width, best % width], [channels, 1, 1]);
                        let mut gradient = gradient.image(image);
                        let mut position = gradient.part([0, row, column], [channels, 1, 1]);
                        position.update(&best, |r, gradient| *gradient += share * r);
                    }
                }
            }
            eval.set_value(image, sum / positions as f64);
        }
        Ok(())
    }
}

fn first_largest(values: &[f64]) -> (usize, f64) {
    values
        .iter()
        .copied()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, other| if other.1 > best.1 { other } else { best })
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn host() -> MockHost {
        MockHost::new::<Guide>(&[("layer", Given::Str("a"))]).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [&[2, 3, 4, 5][..], &[3, 6], &[2, 4, 3]] {
            check_term(&mut host(), &[Array::random(shape, 3), Array::random(shape, 4)], false);
        }
    }

    #[test]
    fn each_position_takes_its_best_match() {
        let (mut picture, mut reference) = (Array::random(&[1, 2, 1, 2], 1), Array::random(&[1, 2, 1, 2], 1));
        // Positions (1, 0) and (0, 2) on (3, 1) and (0, 5): 3 beats 0, and 10 beats 2.
        picture.data = vec![1., 0., 0., 2.];
        reference.data = vec![3., 0., 1., 5.];
        let mut gradients = [picture.zeros(), picture.zeros()];
        let values = host().eval(&mut [picture, reference], Some(&mut gradients), &[2.0], false);
        assert_eq!(values, Ok(vec![6.5]));
        assert_eq!(gradients[0].data, [3., 0., 1., 5.]);
    }
}
