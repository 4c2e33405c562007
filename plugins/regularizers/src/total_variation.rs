//! `total_variation`: how much neighbouring pixels differ.

use unitscope_sdk::{Error, Eval, Float, Grid, Params, Term, TermInfo};

/// (Σ |x[c, h, w+1] − x[c, h, w]| + Σ |x[c, h+1, w] − x[c, h, w]|) / (C·H·W) for each image: lucid's `objectives.total_variation`
/// (TensorFlow's `image.total_variation`), as a mean instead of a sum, so that its weight does not depend on the image's size.
pub struct TotalVariation;

impl Term for TotalVariation {
    const INFO: TermInfo = TermInfo::penalty(
        "total_variation",
        "Total variation",
        "The mean absolute difference of neighbouring pixels, to the right and below, of the image in 0..=1: \
         (Σ|Δx| + Σ|Δy|) / (channels · height · width). Smooths noise away and keeps edges. 0 to 2. \
         Source: lucid, objectives.total_variation, as a mean instead of a sum.",
    );

    fn new(_: &Params<'_>) -> Result<TotalVariation, Error> {
        Ok(TotalVariation)
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let pixels = eval.input(0).image(image);
            let elements = pixels.len() as f64;
            let differences = |pair: [Part; 2]| {
                let [first, second] = pair.map(|part| part.of(&pixels));
                first.sum_with(&second, |a, b| (b - a).abs())
            };
            let pairs = neighbours(pixels.sizes());
            eval.set_value(image, pairs.into_iter().map(differences).sum::<f64>() / elements);
            let share = T::from_f64(eval.scale(image) / elements);
            let Some(gradient) = eval.gradient(0) else { continue };
            let mut gradient = gradient.image(image);
            for [first, second] in pairs {
                let (a, b) = (first.of(&pixels), second.of(&pixels));
                let zero = T::default();
                // The sign of b − a, and 0 where they are equal: a subgradient.
                let sign = move |a: T, b: T| {
                    if b > a {
                        share
                    } else if b < a {
                        zero - share
                    } else {
                        zero
                    }
                };
                gradient.part(second.start, second.sizes).update_with(&a, &b, |a, b, g| *g += sign(a, b));
                gradient.part(first.start, first.sizes).update_with(&a, &b, |a, b, g| *g += sign(b, a));
            }
        }
        Ok(())
    }
}

/// A block of an image: where it starts, and its sizes.
#[derive(Clone, Copy)]
struct Part {
    start: [usize; 3],
    sizes: [usize; 3],
}

impl Part {
    fn of<'a, T: Float>(&self, pixels: &Grid<'a, T>) -> Grid<'a, T> {
        pixels.part(self.start, self.sizes)
    }
}

/// Left and right neighbours, and upper and lower ones, each as two blocks of one shape. Blocks of an image of one row or column
/// are empty.
fn neighbours([channels, height, width]: [usize; 3]) -> [[Part; 2]; 2] {
    let (across, down) = ([channels, height, width - 1], [channels, height - 1, width]);
    [
        [Part { start: [0, 0, 0], sizes: across }, Part { start: [0, 0, 1], sizes: across }],
        [Part { start: [0, 0, 0], sizes: down }, Part { start: [0, 1, 0], sizes: down }],
    ]
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, MockHost, Subject, check_term};

    use super::*;

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [[2, 3, 4, 5], [3, 1, 1, 6], [2, 3, 6, 1], [2, 3, 1, 1], [2, 1, 11, 9]] {
            let mut host = MockHost::new::<TotalVariation>(&[]).expect("no parameters");
            check_term(&mut host, &[Array::random(&shape, 3)], false);
        }
    }

    #[test]
    fn it_counts_differences_to_the_right_and_below() {
        let mut host = MockHost::new::<TotalVariation>(&[]).expect("no parameters");
        let mut image = Array::random(&[1, 1, 2, 3], 1);
        image.data = vec![0., 1., 1., 0., 0., 4.];
        let value = host.eval(&mut [image], None, &[1.0], false).expect("a value");
        assert_eq!(value, [(1. + 0. + 0. + 4. + 0. + 1. + 3.) / 6.]);
    }

    #[test]
    fn a_flat_image_has_no_gradient() {
        let mut host = MockHost::new::<TotalVariation>(&[]).expect("no parameters");
        let mut image = [Array::random(&[1, 3, 4, 4], 1)];
        image[0].data.fill(0.5);
        let mut gradient = [image[0].zeros()];
        assert_eq!(host.eval(&mut image, Some(&mut gradient), &[1.0], false), Ok(vec![0.0]));
        assert!(gradient[0].data.iter().all(|&value| value == 0.0));
    }
}
