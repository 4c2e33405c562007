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
