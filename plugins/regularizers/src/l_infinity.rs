//! `l_infinity`: how far the farthest pixel of the image is from grey.

use unitscope_sdk::{Error, Eval, Float, Params, Term, TermInfo};

use crate::center::CENTER;

/// max |x − center| for each image, over channels and space: Xplique's `l_inf_reg`.
pub struct LInfinity {
    center: f64,
}

impl Term for LInfinity {
    const INFO: TermInfo = TermInfo::penalty(
        "l_infinity",
        "Largest distance from grey",
        "The largest absolute distance of the image, in 0..=1, from a constant: max |x − center|. Its gradient is that of the first \
         element with the largest distance, by channel, row, column. 0 to 1. Source: Xplique's L∞ regularizer, from a centre.",
    )
    .params(&[CENTER]);

    fn new(params: &Params<'_>) -> Result<LInfinity, Error> {
        Ok(LInfinity { center: params.float("center")? })
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let mut values = Vec::new();
        for image in 0..eval.images() {
            let pixels = eval.input(0).image(image);
            let [_, height, width] = pixels.sizes();
            pixels.copy_to(&mut values);
            let mut largest = (0.0, 0);
            for (at, x) in values.iter().enumerate() {
                let distance = x.to_f64() - self.center;
                if distance.abs() > f64::abs(largest.0) {
                    largest = (distance, at);
                }
            }
            let (distance, at) = largest;
            eval.set_value(image, distance.abs());
            if distance == 0.0 {
                continue;
            }
            let share = eval.scale(image) * distance.signum();
            let start = [at / (height * width), at / width % height, at % width];
            if let Some(gradient) = eval.gradient(0) {
                gradient.image(image).part(start, [1; 3]).add(share);
            }
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
        for shape in [[2, 3, 4, 5], [3, 1, 1, 6]] {
            let mut host = MockHost::new::<LInfinity>(&[]).expect("valid parameters");
            check_term(&mut host, &[Array::random(&shape, 3)], false);
        }
    }

    #[test]
    fn the_first_of_the_farthest_has_the_gradient() {
        let mut host = MockHost::new::<LInfinity>(&[]).expect("valid parameters");
        let mut image = [Array::random(&[2, 1, 2, 2], 1)];
        image[0].data = vec![0.75, 0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5];
        let mut gradient = [image[0].zeros()];
        let values = host.eval(&mut image, Some(&mut gradient), &[2.0, 2.0], false);
        assert_eq!(values, Ok(vec![0.5, 0.0]));
        assert_eq!(gradient[0].data, [0., -2., 0., 0., 0., 0., 0., 0.]);
    }
}
