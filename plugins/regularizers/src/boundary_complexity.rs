//! `boundary_complexity`: how much happens along the image's border.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Term, TermInfo, Value};

use crate::smooth::{Blur, add_plane, plane};

/// The weight of the distance from the constant; lucid's number.
const FLATNESS: f64 = 0.8;

/// mean over the border of (K·x − x)² + 0.8·(x − center)² for each image, K the blur of [`Blur`] with 5 × 5 pixels: lucid's
/// `objectives.penalize_boundary_complexity`, as a mean, and with the sign of a penalty.
pub struct BoundaryComplexity {
    border: usize,
    center: f64,
}

impl Term for BoundaryComplexity {
    const INFO: TermInfo = TermInfo::penalty(
        "boundary_complexity",
        "A busy border",
        "The mean over the image's border of (Kx − x)² + 0.8 · (x − center)², x in 0..=1: keeps the border flat, so that what the picture \
         shows stands inside. K is a weighted mean over 5 × 5 pixels, ½ at the rim; at the edge over the pixels that there are. \
         At least 0. Source: lucid, objectives.penalize_boundary_complexity, as a mean instead of a sum, and positive.",
    )
    .params(&[
        Param::int("border_px", "How wide the border is; the whole image where it is half the size or more.")
            .default(Value::Int(20))
            .min(1.0)
            .max(65536.0)
            .unit("px"),
        Param::float("center", "What the border should be; 0.5 is middle grey.").default(Value::Float(0.5)).min(0.0).max(1.0),
    ]);

    fn new(params: &Params<'_>) -> Result<BoundaryComplexity, Error> {
        Ok(BoundaryComplexity { border: params.index("border_px")?, center: params.float("center")? })
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let shape = eval.input(0).shape();
        let blur = Blur::new(2, shape.height, shape.width);
        let mask = self.mask(shape.height, shape.width);
        let factor = 1.0 / (shape.channels as f64 * mask.iter().sum::<f64>());
        for image in 0..eval.images() {
            let pixels = eval.input(0).image(image);
            let share = factor * eval.scale(image);
            let mut sum = 0.0;
            for channel in 0..shape.channels {
                let x = plane(&pixels, channel);
                let (rough, mut change) = blur.roughness(&x, &mask);
                sum += rough;
                for ((change, x), mask) in change.iter_mut().zip(&x).zip(&mask) {
                    let off = x - self.center;
                    sum += FLATNESS * mask * off * off;
                    *change += 2.0 * FLATNESS * mask * off;
                }
                if let Some(gradient) = eval.gradient(0) {
                    add_plane(&mut gradient.image(image), channel, &change, share);
                }
            }
            eval.set_value(image, factor * sum);
        }
        Ok(())
    }
}

impl BoundaryComplexity {
    /// 1 on the border, 0 inside.
    fn mask(&self, height: usize, width: usize) -> Vec<f64> {
        let inside = |at: usize, size: usize| at >= self.border && at + self.border < size;
        let pixel =
            |at: usize| if inside(at / width, height) && inside(at % width, width) { 0.0 } else { 1.0 };
        (0..height * width).map(pixel).collect()
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn host(border_px: i64) -> MockHost {
        MockHost::new::<BoundaryComplexity>(&[("border_px", Given::Int(border_px))])
            .expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for (shape, border_px) in
            [([2, 3, 5, 6], 1), ([2, 1, 8, 7], 2), ([2, 3, 4, 5], 20), ([2, 1, 1, 1], 1)]
        {
            check_term(&mut host(border_px), &[Array::random(&shape, 3)], false);
        }
    }

    #[test]
    fn only_the_border_counts() {
        let value = |border_px: i64, centre: f64| {
            let mut image = Array::random(&[1, 1, 9, 9], 1);
            image.data.fill(0.5);
            image.data[4 * 9 + 4] = centre;
            host(border_px).eval(&mut [image], None, &[1.0], false).expect("a value")[0]
        };
        // The blur reaches two pixels: a border of three sees the middle, one of two does not.
        assert_eq!(value(2, 1.0), 0.0);
        assert!(value(3, 1.0) > 0.0);
    }

    #[test]
    fn a_flat_image_is_as_far_as_its_distance_from_the_constant() {
        let mut image = Array::random(&[1, 3, 6, 8], 1);
        image.data.fill(1.0);
        let value = host(2).eval(&mut [image], None, &[1.0], false).expect("a value")[0];
        assert!((value - 0.8 * 0.25).abs() < 1e-12, "{value}");
    }
}
