//! Parameterization and transforms.

use super::Wrong;
use crate::limits::{TRANSFORM_PX, TRANSFORMS};
use unitscope_engine::spec::{Parameterization, Transform};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::{parameterization, transform};

pub(super) fn parameterization(
    given: Option<&proto::Parameterization>,
    wrong: &mut Wrong,
) -> Parameterization {
    let default = parameterization::Kind::Fourier(parameterization::Fourier::default());
    match given.and_then(|given| given.kind).unwrap_or(default) {
        parameterization::Kind::Pixel(pixel) => {
            let field = "parameterization.pixel.standard_deviation";
            let standard_deviation = pixel.standard_deviation.unwrap_or(Parameterization::STANDARD_DEVIATION);
            Parameterization::Pixel { standard_deviation: wrong.positive(field, standard_deviation) }
        }
        parameterization::Kind::Fourier(fourier) => {
            let field = "parameterization.fourier.standard_deviation";
            let standard_deviation =
                fourier.standard_deviation.unwrap_or(Parameterization::STANDARD_DEVIATION);
            let decay_power = fourier.decay_power.unwrap_or(Parameterization::DECAY_POWER);
            Parameterization::Fourier {
                standard_deviation: wrong.positive(field, standard_deviation),
                decay_power: wrong.within("parameterization.fourier.decay_power", decay_power, 0.0, 4.0),
            }
        }
    }
}

/// Unset is the standard list; set and empty is none.
pub(super) fn transforms(
    given: Option<&proto::Transforms>,
    height: u32,
    width: u32,
    wrong: &mut Wrong,
) -> Vec<Transform> {
    let Some(given) = given else { return Transform::standard(height, width) };
    let count = given.transforms.len();
    if count > TRANSFORMS {
        wrong.add(
            "transforms.transforms",
            format!("{count} transforms are too many; at most {TRANSFORMS} are possible"),
        );
        return Vec::new();
    }
    let each = given.transforms.iter().enumerate();
    each.filter_map(|(place, given)| transform(&format!("transforms.transforms[{place}]"), given, wrong))
        .collect()
}

fn transform(field: &str, given: &proto::Transform, wrong: &mut Wrong) -> Option<Transform> {
    let Some(kind) = given.kind else {
        wrong.add(field, "a transform is exactly one of `pad`, `jitter`, `random_scale`, `random_rotate`, `random_crop`, `random_flip`, `noise`; this one is none of them");
        return None;
    };
    Some(match kind {
        transform::Kind::Pad(pad) => {
            Transform::Pad { px: wrong.within(&format!("{field}.pad.pixels"), pad.pixels, 0, TRANSFORM_PX) }
        }
        transform::Kind::Jitter(jitter) => Transform::Jitter {
            px: wrong.within(&format!("{field}.jitter.pixels"), jitter.pixels, 0, TRANSFORM_PX),
        },
        transform::Kind::RandomScale(scale) => {
            let min = wrong.within(&format!("{field}.random_scale.min"), scale.min, 0.25, 4.0);
            let max = wrong.within(&format!("{field}.random_scale.max"), scale.max, min, 4.0);
            Transform::RandomScale { min, max }
        }
        transform::Kind::RandomRotate(rotate) => {
            let degrees = wrong.within(&format!("{field}.random_rotate.degrees"), rotate.degrees, 0.0, 180.0);
            Transform::RandomRotate { degrees }
        }
        transform::Kind::RandomCrop(crop) => {
            let min = wrong.within(&format!("{field}.random_crop.min"), crop.min, 0.05, 1.0);
            let max = wrong.within(&format!("{field}.random_crop.max"), crop.max, min, 1.0);
            Transform::RandomCrop { min, max }
        }
        transform::Kind::RandomFlip(flip) => {
            let probability = flip.probability.unwrap_or(0.5);
            let probability =
                wrong.within(&format!("{field}.random_flip.probability"), probability, 0.0, 1.0);
            Transform::RandomFlip { probability }
        }
        transform::Kind::Noise(noise) => {
            let field = format!("{field}.noise.standard_deviation");
            Transform::Noise { standard_deviation: wrong.within(&field, noise.standard_deviation, 0.0, 1.0) }
        }
    })
}
