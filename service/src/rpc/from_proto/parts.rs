//! Parameterization and transforms.

use super::{ModelFacts, Wrong};
use crate::limits::{MAGNITUDES, TRANSFORM_PX, TRANSFORMS};
use std::sync::Arc;
use unitscope_engine::spec::{Basis, Parameterization, Shared, Spectrum, Transform};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::{parameterization, transform};

pub(super) fn parameterization(
    given: Option<&proto::Parameterization>,
    images: u32,
    facts: ModelFacts,
    wrong: &mut Wrong,
) -> Parameterization {
    let given = given.cloned().unwrap_or_default();
    let fourier = || parameterization::Kind::Fourier(parameterization::Fourier::default());
    let basis = basis(given.kind.unwrap_or_else(fourier), facts, wrong);
    let shared = given.shared.map(|shared| self::shared(&shared, images, wrong));
    if matches!(basis, Basis::Maco { .. }) {
        for (field, there) in [("alpha", given.alpha), ("shared", shared.is_some())] {
            if there {
                let reason =
                    "does not go with `maco`, whose magnitudes are fixed; leave it out, or use `fourier`";
                wrong.add(format!("parameterization.{field}"), reason);
            }
        }
    }
    let decorrelate_colors = given.decorrelate_colors.unwrap_or(facts.colors);
    Parameterization { basis, decorrelate_colors, alpha: given.alpha, shared }
}

fn basis(kind: parameterization::Kind, facts: ModelFacts, wrong: &mut Wrong) -> Basis {
    let start = |kind: &str, given: Option<f64>, wrong: &mut Wrong| {
        let field = format!("parameterization.{kind}.standard_deviation");
        wrong.positive(&field, given.unwrap_or(Basis::STANDARD_DEVIATION))
    };
    match kind {
        parameterization::Kind::Pixel(pixel) => {
            Basis::Pixel { standard_deviation: start("pixel", pixel.standard_deviation, wrong) }
        }
        parameterization::Kind::Fourier(fourier) => {
            let standard_deviation = start("fourier", fourier.standard_deviation, wrong);
            let decay_power = fourier.decay_power.unwrap_or(Basis::DECAY_POWER);
            let decay_power = wrong.within("parameterization.fourier.decay_power", decay_power, 0.0, 4.0);
            Basis::Fourier { standard_deviation, decay_power }
        }
        parameterization::Kind::Laplacian(laplacian) => {
            let standard_deviation = start("laplacian", laplacian.standard_deviation, wrong);
            let levels = laplacian.levels.unwrap_or(Basis::LEVELS);
            let levels = wrong.within("parameterization.laplacian.levels", levels, 1, 12);
            Basis::Laplacian { standard_deviation, levels }
        }
        parameterization::Kind::Cppn(cppn) => {
            let layers = cppn.layers.unwrap_or(Basis::CPPN_LAYERS);
            let channels = cppn.channels.unwrap_or(Basis::CPPN_CHANNELS);
            Basis::Cppn {
                layers: wrong.within("parameterization.cppn.layers", layers, 1, 16),
                channels: wrong.within("parameterization.cppn.channels", channels, 1, 64),
            }
        }
        parameterization::Kind::Maco(maco) => {
            let magnitude = maco.magnitude.and_then(|given| magnitude(given, facts, wrong));
            Basis::Maco { magnitude: magnitude.map(Arc::new) }
        }
    }
}

fn shared(given: &parameterization::Shared, images: u32, wrong: &mut Wrong) -> Shared {
    let divisors = if given.divisors.is_empty() { vec![2, 4, 8] } else { given.divisors.clone() };
    let field = "parameterization.shared.divisors";
    if divisors.len() > 8 {
        wrong.add(field, format!("{} sizes are too many; at most 8 are possible", divisors.len()));
    }
    let each = divisors.iter().take(8).enumerate();
    let divisors = each.map(|(place, &one)| wrong.within(&format!("{field}[{place}]"), one, 1, 64)).collect();
    let anchors = wrong.within("parameterization.shared.anchors", given.anchors.unwrap_or(1), 1, images);
    Shared { divisors, anchors }
}

fn magnitude(given: proto::SpectrumMagnitude, facts: ModelFacts, wrong: &mut Wrong) -> Option<Spectrum> {
    let proto::SpectrumMagnitude { channels, height, columns, values, .. } = given;
    let field = |name: &str| format!("parameterization.maco.magnitude.{name}");
    if channels != 1 && channels != facts.channels {
        let reason = format!("{channels} channels do not fit the model; give 1, or {}", facts.channels);
        wrong.add(field("channels"), reason);
        return None;
    }
    let height = wrong.within(&field("height"), height, 2, 4096);
    let columns = wrong.within(&field("columns"), columns, 2, 2049);
    let expected = u64::from(channels) * u64::from(height) * u64::from(columns);
    if expected > MAGNITUDES || values.len() as u64 != expected {
        let reason = format!(
            "there are {} numbers; channels × height × columns are {expected}, of which at most {MAGNITUDES} are possible",
            values.len()
        );
        wrong.add(field("values"), reason);
        return None;
    }
    if let Some(place) = values.iter().position(|value| !value.is_finite() || *value < 0.0) {
        let reason = format!("{} is no magnitude; it must be finite and not below 0", values[place]);
        wrong.add(format!("{}[{place}]", field("values")), reason);
        return None;
    }
    if values.iter().all(|value| *value == 0.0) {
        wrong.add(field("values"), "all are 0, so that nothing can be seen; give the magnitudes of pictures");
        return None;
    }
    Some(Spectrum { channels, height, columns, values })
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
        wrong.add(field, "a transform is exactly one of `pad`, `jitter`, `random_scale`, `random_rotate`, `random_crop`, `random_flip`, `color_shift`, `noise`; this one is none of them");
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
        transform::Kind::ColorShift(given) => {
            let shift = given.shift.unwrap_or(0.1);
            let scale = given.scale.unwrap_or(0.1);
            Transform::ColorShift {
                shift: wrong.within(&format!("{field}.color_shift.shift"), shift, 0.0, 1.0),
                scale: wrong.within(&format!("{field}.color_shift.scale"), scale, 0.0, 2.0),
            }
        }
        transform::Kind::Noise(noise) => {
            let field = format!("{field}.noise.standard_deviation");
            Transform::Noise { standard_deviation: wrong.within(&field, noise.standard_deviation, 0.0, 1.0) }
        }
    })
}
