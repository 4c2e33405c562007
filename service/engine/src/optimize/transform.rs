//! What is done to pictures before the network sees them: the spec's list as one resampling per picture.
//!
//! Each transform is an affine map of the plane, in pixels around the picture's centre. The list composes to one map per picture
//! and step, so that a picture is resampled once and pictures with different draws share a pass.

mod affine;

use crate::seed::{Draws, Use};
use crate::spec::{OptimizeSpec, Transform};
use affine::Affine;
use tch::{Kind, TchError, Tensor};

/// Transforms the pictures `numbers` of the spec, `images` `[n, c, h, w]` in `0..=1`, each by its own draws for `step`.
///
/// Returns `[n, c, h, w]`, differentiable in `images`. What lies outside a picture is mid grey where the list pads, else the
/// nearest pixel of its edge.
pub fn views(spec: &OptimizeSpec, numbers: &[u32], step: u32, images: &Tensor) -> Result<Tensor, TchError> {
    if spec.transforms.is_empty() {
        return Ok(images.shallow_clone());
    }
    let maps: Vec<Affine> = numbers.iter().map(|&image| draw(spec, image, step)).collect();
    let padded = spec.transforms.iter().any(|t| matches!(t, Transform::Pad { px } if *px > 0));
    sample(images, &maps, padded)
}

/// Where picture `image` is read at `step`: the map from a view's place to the picture's, which undoes the list from its end.
fn draw(spec: &OptimizeSpec, image: u32, step: u32) -> Affine {
    let mut map = Affine::IDENTITY;
    for (place, transform) in spec.transforms.iter().enumerate() {
        let mut draws = Draws::new(spec.seed, image, step, Use::Transform(place as u32));
        let undo = match *transform {
            // A border moves nothing: it decides only what lies outside the picture.
            Transform::Pad { .. } => continue,
            Transform::Jitter { px } => {
                let mut offset = || f64::from(draws.whole(px)) - f64::from(px / 2);
                Affine::shift(offset(), offset())
            }
            Transform::RandomScale { min, max } => Affine::scale(1.0 / draws.uniform(min, max)),
            Transform::RandomRotate { degrees } => {
                Affine::rotation(draws.uniform(-degrees, degrees).to_radians())
            }
        };
        map = map.after(&undo);
    }
    map
}

/// Mid grey, what lucid pads with (`optvis/transform.py`, `standard_transforms`).
const GREY: f64 = 0.5;

/// `grid_sampler`'s numbers for its modes (ATen, `native/GridSamplerUtils.h`).
const BILINEAR: i64 = 0;
const OUTSIDE_ZERO: i64 = 0;
const OUTSIDE_EDGE: i64 = 1;

/// Reads each picture at its map, bilinearly.
fn sample(images: &Tensor, maps: &[Affine], padded: bool) -> Result<Tensor, TchError> {
    let (_, _, height, width) = images.size4()?;
    let rows: Vec<f32> = maps.iter().flat_map(|map| map.normalized(height, width)).collect();
    let theta = Tensor::f_from_slice(&rows)?.f_reshape([maps.len() as i64, 2, 3])?.f_to(images.device())?;
    let grid = Tensor::f_affine_grid_generator(&theta.f_to_kind(Kind::Float)?, images.size(), false)?;
    if padded {
        // Zero outside is grey outside when grey is zero.
        let around_grey = images.f_sub_scalar(GREY)?;
        around_grey.f_grid_sampler(&grid, BILINEAR, OUTSIDE_ZERO, false)?.f_add_scalar(GREY)
    } else {
        images.f_grid_sampler(&grid, BILINEAR, OUTSIDE_EDGE, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// `[1, 1, h, w]` that counts from 0 to 1, row by row.
    fn counted(height: i64, width: i64) -> Tensor {
        let count = height * width;
        let numbers = Tensor::arange(count, (Kind::Float, Device::Cpu)) / (count - 1) as f64;
        numbers.reshape([1, 1, height, width])
    }

    /// Reads `picture` at `map` and holds it against `expected(row, column)`.
    fn check(picture: &Tensor, map: Affine, padded: bool, expected: impl Fn(i64, i64) -> f64) {
        let found = sample(picture, &[map], padded).unwrap();
        assert_eq!(found.size(), picture.size());
        let (_, _, height, width) = picture.size4().unwrap();
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            let (found, expected) = (found.double_value(&[0, 0, row, column]), expected(row, column));
            assert!((found - expected).abs() < 1e-4, "{row},{column}: {found} against {expected}");
        }
    }

    /// Rows and columns are never swapped, on a picture whose sides differ.
    #[test]
    fn a_shift_moves_rows_by_rows() {
        let (height, width) = (6, 10);
        let picture = counted(height, width);
        let at = |row: i64, column: i64| picture.double_value(&[0, 0, row, column]);
        let inside = |row: i64, column: i64| (0..height).contains(&row) && (0..width).contains(&column);
        check(&picture, Affine::shift(2.0, -3.0), true, |row, column| match (row + 2, column - 3) {
            (row, column) if inside(row, column) => at(row, column),
            _ => GREY,
        });
        check(&picture, Affine::shift(2.0, -3.0), false, |row, column| {
            at((row + 2).clamp(0, height - 1), (column - 3).clamp(0, width - 1))
        });
    }

    #[test]
    fn a_quarter_turn_takes_rows_to_columns() {
        let picture = counted(5, 5);
        let quarter = Affine::rotation(std::f64::consts::FRAC_PI_2);
        check(&picture, quarter, true, |row, column| picture.double_value(&[0, 0, column, 4 - row]));
    }

    #[test]
    fn an_enlargement_keeps_the_centre() {
        let picture = counted(5, 9);
        // Halfway between neighbours the count is halfway too: it is linear in rows and in columns.
        check(&picture, Affine::scale(0.5), true, |row, column| {
            let (row, column) = (2.0 + (row as f64 - 2.0) / 2.0, 4.0 + (column as f64 - 4.0) / 2.0);
            (row * 9.0 + column) / 44.0
        });
    }

    /// A picture's draws depend neither on its place in the pass nor on its mates, and differ by picture and step.
    #[test]
    fn draws_belong_to_the_picture_and_the_step() {
        let spec = crate::spec::OptimizeSpec {
            transforms: Transform::standard(32, 32),
            ..crate::optimize::testing::spec(32, 32)
        };
        let picture = counted(32, 32);
        let both = Tensor::cat(&[&picture, &picture], 0);
        let together = views(&spec, &[3, 5], 7, &both).unwrap();
        let alone = views(&spec, &[5], 7, &picture).unwrap();
        assert_eq!(together.get(1).unsqueeze(0), alone);
        assert_ne!(together.get(0), together.get(1));
        assert_ne!(views(&spec, &[5], 8, &picture).unwrap(), alone);
    }
}
