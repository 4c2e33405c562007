//! What is done to pictures before the network sees them: the spec's list as one resampling per picture.
//!
//! Each transform of places is an affine map of the plane, in pixels around the picture's centre. These compose to one map per picture
//! and view, so that a picture is resampled once and pictures with different draws share a pass; those of values come afterwards, in their order.

pub mod affine;

use crate::seed::{Draws, Use};
use crate::spec::{OptimizeSpec, Transform};
use affine::Affine;
use tch::{Kind, TchError, Tensor};

/// Transforms the pictures `numbers` of the spec, `images` `[n, c, h, w]` in `0..=1`, each by its own draws for this `view`.
///
/// Returns `[n, c, h, w]`, differentiable in `images`. What lies outside a picture is mid grey where the list pads, else the
/// nearest pixel of its edge.
pub fn views(spec: &OptimizeSpec, numbers: &[u32], view: u32, images: &Tensor) -> Result<Tensor, TchError> {
    let maps: Vec<Affine> = numbers.iter().map(|&image| draw(spec, image, view)).collect();
    let padded = spec.transforms.iter().any(|t| matches!(t, Transform::Pad { px } if *px > 0));
    let mut views = sample(images, &maps, padded)?;
    for (place, transform) in (0..).zip(&spec.transforms) {
        match *transform {
            Transform::Noise { standard_deviation } => {
                let noise = noise(spec, numbers, view, place, images)?;
                views = views.f_add(&noise.f_mul_scalar(standard_deviation)?)?;
            }
            Transform::ColorShift { shift, scale } => {
                let draws = |&image: &u32| Draws::new(spec.seed, image, view, Use::Transform(place));
                let shifts: Vec<Draws> = numbers.iter().map(draws).collect();
                views = color_shift(&views, shifts, shift, scale)?;
            }
            _ => {}
        }
    }
    Ok(views)
}

/// Each channel of each picture times e^s plus m, from the picture's draws.
fn color_shift(views: &Tensor, draws: Vec<Draws>, shift: f64, scale: f64) -> Result<Tensor, TchError> {
    let (mut exponents, mut sums) = (Vec::new(), Vec::new());
    for mut draws in draws {
        for _ in 0..views.size()[1] {
            exponents.push(draws.uniform(-scale, scale));
            sums.push(draws.uniform(-shift, shift));
        }
    }
    recolor(views, &exponents, &sums)
}

/// Each channel of each picture times e^exponent plus a sum, `[n, c]` each.
pub fn recolor(views: &Tensor, exponents: &[f64], sums: &[f64]) -> Result<Tensor, TchError> {
    let channels = views.size()[1];
    let factors: Vec<f64> = exponents.iter().map(|exponent| exponent.exp()).collect();
    let column = |values: &[f64]| {
        let column = Tensor::f_from_slice(values)?.f_reshape([-1, channels, 1, 1])?;
        column.f_to_kind(Kind::Float)?.f_to(views.device())
    };
    views.f_mul(&column(&factors)?)?.f_add(&column(sums)?)
}

/// Standard normal numbers of the shape of `images`, each picture's by its own draws.
fn noise(
    spec: &OptimizeSpec,
    numbers: &[u32],
    view: u32,
    place: u32,
    images: &Tensor,
) -> Result<Tensor, TchError> {
    let size = images.size();
    let count = size[1..].iter().product::<i64>();
    let rows = numbers.iter().map(|&image| {
        let mut draws = Draws::new(spec.seed, image, view, Use::Transform(place));
        let values: Vec<f32> = (0..count).map(|_| draws.normal() as f32).collect();
        Tensor::f_from_slice(&values)?.f_reshape(&size[1..])
    });
    let rows: Vec<Tensor> = rows.collect::<Result<_, TchError>>()?;
    Tensor::f_stack(&rows, 0)?.f_to(images.device())
}

/// Where picture `image` is read for a view: the map from a view's place to the picture's, which undoes the list from its end.
fn draw(spec: &OptimizeSpec, image: u32, view: u32) -> Affine {
    let mut map = Affine::IDENTITY;
    for (place, transform) in spec.transforms.iter().enumerate() {
        let mut draws = Draws::new(spec.seed, image, view, Use::Transform(place as u32));
        let undo = match *transform {
            // A border moves nothing: it decides only what lies outside the picture. Noise and colours are no maps.
            Transform::Pad { .. } | Transform::Noise { .. } | Transform::ColorShift { .. } => continue,
            Transform::Jitter { px } => {
                let mut offset = || f64::from(draws.whole(px)) - f64::from(px / 2);
                Affine::shift(offset(), offset())
            }
            Transform::RandomScale { min, max } => Affine::scale(1.0 / draws.uniform(min, max)),
            Transform::RandomRotate { degrees } => {
                Affine::rotation(draws.uniform(-degrees, degrees).to_radians())
            }
            Transform::RandomCrop { min, max } => {
                let share = draws.uniform(min, max);
                let mut offset = |side: u32| draws.uniform(-0.5, 0.5) * (1.0 - share) * f64::from(side);
                let (rows, columns) = (offset(spec.height), offset(spec.width));
                Affine::shift(rows, columns).after(&Affine::scale(share))
            }
            Transform::RandomFlip { probability } => match draws.uniform(0.0, 1.0) < probability {
                true => Affine::FLIP,
                false => continue,
            },
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

/// Where neighbours of a view lie further apart in the picture than this, the picture is shrunk first: below 0.8 of its size a view would
/// leave pixels out.
const SHRINKING: f64 = 1.25;

/// Reads each picture at its map, bilinearly, without aliasing.
pub fn sample(images: &Tensor, maps: &[Affine], padded: bool) -> Result<Tensor, TchError> {
    if maps.iter().all(|map| map.step() <= SHRINKING) {
        return read(images, images.size(), maps, padded);
    }
    let rows = (0..).zip(maps).map(|(row, map)| {
        let image = images.f_narrow(0, row, 1)?;
        let (size, step) = (image.size(), map.step());
        if step <= SHRINKING {
            return read(&image, size, std::slice::from_ref(map), padded);
        }
        let side = |side: i64| ((side as f64 / step).round() as i64).max(1);
        let small = [side(size[2]), side(size[3])];
        let small = image.f_internal_upsample_bilinear2d_aa(small, false, None::<f64>, None::<f64>)?;
        read(&small, size, std::slice::from_ref(map), padded)
    });
    Tensor::f_cat(&rows.collect::<Result<Vec<_>, TchError>>()?, 0)
}

/// Reads pictures of the views' `size`, or such that were shrunk, at their maps.
fn read(images: &Tensor, size: Vec<i64>, maps: &[Affine], padded: bool) -> Result<Tensor, TchError> {
    let (height, width) = (size[2], size[3]);
    let rows: Vec<f32> = maps.iter().flat_map(|map| map.normalized(height, width)).collect();
    let theta = Tensor::f_from_slice(&rows)?.f_reshape([maps.len() as i64, 2, 3])?.f_to(images.device())?;
    let grid = Tensor::f_affine_grid_generator(&theta.f_to_kind(Kind::Float)?, &size, false)?;
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

    #[test]
    fn a_flip_changes_left_and_right_alone() {
        let picture = counted(6, 10);
        check(&picture, Affine::FLIP, true, |row, column| picture.double_value(&[0, 0, row, 9 - column]));
    }

    /// A box never reaches outside, has the share of the sides that was asked for, and lies anywhere, on a picture whose sides differ.
    #[test]
    fn a_crop_stays_within_the_picture() {
        let (height, width) = (96, 160);
        let transforms = vec![Transform::RandomCrop { min: 0.2, max: 0.4 }];
        let spec = crate::spec::OptimizeSpec { transforms, ..crate::optimize::testing::spec(height, width) };
        let (half_height, half_width) = (f64::from(height) / 2.0, f64::from(width) / 2.0);
        let mut corners = Vec::new();
        for step in 0..200 {
            let map = draw(&spec, 0, step);
            let (left, top) = map.apply(-half_width, -half_height);
            let (right, bottom) = map.apply(half_width, half_height);
            assert!(
                left >= -half_width && right <= half_width && top >= -half_height && bottom <= half_height
            );
            let (across, down) = ((right - left) / f64::from(width), (bottom - top) / f64::from(height));
            assert!((0.2..=0.4).contains(&across) && (across - down).abs() < 1e-12, "{across} {down}");
            corners.push((left / half_width, top / half_height));
        }
        let spread = |pick: fn(&(f64, f64)) -> f64| {
            let values = corners.iter().map(pick);
            values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min)
        };
        assert!(spread(|corner| corner.0) > 1.0 && spread(|corner| corner.1) > 1.0);
    }

    #[test]
    fn noise_belongs_to_the_picture_and_has_its_deviation() {
        let transforms = vec![Transform::Noise { standard_deviation: 0.2 }];
        let spec = crate::spec::OptimizeSpec { transforms, ..crate::optimize::testing::spec(96, 160) };
        let picture = counted(96, 160);
        let both = views(&spec, &[3, 5], 7, &Tensor::cat(&[&picture, &picture], 0)).unwrap();
        let alone = views(&spec, &[5], 7, &picture).unwrap();
        assert_eq!(both.get(1).unsqueeze(0), alone);
        assert_ne!(both.get(0), both.get(1));
        let deviation = (alone - &picture).std(false).double_value(&[]);
        assert!((deviation - 0.2).abs() < 0.01, "{deviation}");
    }

    #[test]
    fn the_last_steps_show_the_picture_itself() {
        let transforms = Transform::standard(32, 32);
        let testing = crate::optimize::testing::spec(32, 32);
        let spec = crate::spec::OptimizeSpec { transforms, steps: 8, clean_steps: 3, ..testing };
        let clean: Vec<bool> = (1..=8).map(|step| spec.is_clean(step)).collect();
        assert_eq!(clean, [[false; 5].as_slice(), &[true; 3]].concat());
    }

    /// A view of half the size of stripes as fine as pixels is grey, not stripes; what is larger stays as it is.
    #[test]
    fn shrinking_leaves_no_pixel_out() {
        let stripes = Tensor::from_slice(&[0.0f32, 1.0].repeat(32 * 16)).reshape([1, 1, 32, 32]);
        let both = Tensor::cat(&[&stripes, &stripes], 0);
        let views = sample(&both, &[Affine::scale(2.0), Affine::IDENTITY], false).unwrap();
        let middle = views.get(0).narrow(1, 10, 12).narrow(2, 10, 12);
        assert!((&middle - 0.5).abs().max().double_value(&[]) < 0.02, "{middle}");
        assert!(views.get(1).allclose(&stripes.get(0), 1e-5, 1e-5, false));
    }

    #[test]
    fn colours_shift_by_the_pictures_own_draws_within_their_range() {
        let transforms = vec![Transform::ColorShift { shift: 0.1, scale: 0.5 }];
        let spec = crate::spec::OptimizeSpec { transforms, ..crate::optimize::testing::spec(6, 10) };
        let grey = Tensor::full([2, 3, 6, 10], 0.5, (Kind::Float, Device::Cpu));
        let mut seen = Vec::new();
        for view in 1..=200 {
            let shown = views(&spec, &[3, 5], view, &grey).unwrap();
            assert_eq!(views(&spec, &[5], view, &grey.narrow(0, 0, 1)).unwrap().get(0), shown.get(1));
            seen.push(shown.get(0).get(0).get(0).double_value(&[0]));
            assert_ne!(shown.get(0).get(0), shown.get(0).get(1), "each channel has its own");
        }
        let (least, most) = (-0.1 + 0.5 * (-0.5f64).exp(), 0.1 + 0.5 * 0.5f64.exp());
        let found = (seen.iter().copied().fold(f64::MAX, f64::min), seen.iter().copied().fold(0.0, f64::max));
        assert!(found.0 > least - 1e-6 && found.0 < least + 0.1, "{found:?} in {least} … {most}");
        assert!(found.1 < most + 1e-6 && found.1 > most - 0.15, "{found:?} in {least} … {most}");
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
