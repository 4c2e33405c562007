//! `blur`: what a small blur takes away from the image.

use unitscope_sdk::{Error, Eval, Float, Params, Term, TermInfo};

use crate::smooth::{Blur as Window, add_plane, plane};

/// ½ mean (x − K·x)² for each image, K the blur of [`Window`] with 3 × 3 pixels: lucid's `objectives.blur_input_each_step`, as a mean, and
/// with the exact gradient where lucid takes K·x for a constant.
pub struct Blur;

impl Term for Blur {
    const INFO: TermInfo = TermInfo::penalty(
        "blur",
        "What a blur takes away",
        "Half of the mean squared difference of the image, in 0..=1, and its blur: ½ mean (x − Kx)². K is a weighted mean over 3 × 3 pixels, 1 in \
         the middle and ½ around it; at the border over the pixels that there are. Takes fine noise away. At least 0. Source: lucid, \
         objectives.blur_input_each_step, as a mean instead of a sum, and with Kx no constant in the gradient.",
    );

    fn new(_: &Params<'_>) -> Result<Blur, Error> {
        Ok(Blur)
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let shape = eval.input(0).shape();
        let window = Window::new(1, shape.height, shape.width);
        let everywhere = vec![1.0; shape.height * shape.width];
        let factor = 0.5 / (shape.channels * everywhere.len()) as f64;
        for image in 0..eval.images() {
            let pixels = eval.input(0).image(image);
            let share = factor * eval.scale(image);
            let mut sum = 0.0;
            for channel in 0..shape.channels {
                let (value, change) = window.roughness(&plane(&pixels, channel), &everywhere);
                sum += value;
                if let Some(gradient) = eval.gradient(0) {
                    add_plane(&mut gradient.image(image), channel, &change, share);
                }
            }
            eval.set_value(image, factor * sum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, MockHost, Subject, check_term};

    use super::*;

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [[2, 3, 4, 5], [3, 1, 1, 6], [2, 1, 1, 1]] {
            let mut host = MockHost::new::<Blur>(&[]).expect("no parameters");
            check_term(&mut host, &[Array::random(&shape, 3)], false);
        }
    }

    #[test]
    fn it_is_half_the_mean_square_of_the_difference() {
        let mut host = MockHost::new::<Blur>(&[]).expect("no parameters");
        let mut image = Array::random(&[1, 1, 1, 3], 1);
        // Weights 1 and ½ at the ends, ½, 1 and ½ in the middle: the blur is (1, 1.5, 2) and the differences (1, −1.5, 2).
        image.data = vec![0., 3., 0.];
        let value = host.eval(&mut [image], None, &[1.0], false).expect("a value")[0];
        assert!((value - 0.5 * (1. + 2.25 + 1.) / 3.).abs() < 1e-12, "{value}");
    }
}
