//! The proto's ranking: numbers checked, defaults filled in. It knows no layer and no dataset.

use super::Wrong;
use crate::job::rank::{HitPictures, RankOrder, Unit, What};
use crate::limits::{
    BANDS, HIT_PICTURES, Limits, NAME_BYTES, PARAM_LIST, RANKED_CLASSES, RANKED_LAYERS, SPEC_BYTES,
    THUMBNAIL_MAX_SIDE_PX, THUMBNAIL_MIN_SIDE_PX, THUMBNAIL_SIDE_PX,
};
use prost::Message;
use std::collections::HashSet;
use unitscope_engine::rank::order::Pick;
use unitscope_engine::rank::reading::Reducer;
use unitscope_engine::spec::FieldError;
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::{band, rank_unit};

/// Images in a group, without being told: DVT's top 9, as a square of three by three.
const DEFAULT_K: u32 = 9;

/// Checks a spec and fills it in.
///
/// # Errors
/// One [`FieldError`] per wrong field; paths begin at the spec.
pub fn rank(spec: &proto::RankSpec, limits: &Limits) -> Result<RankOrder, Vec<FieldError>> {
    let mut wrong = Wrong::default();
    let count = |field: &str, given: usize, most: usize, wrong: &mut Wrong| {
        if given > most {
            wrong.add(field, format!("{given} are too many; give at most {most}"));
        }
    };
    if spec.units.is_empty() {
        wrong
            .add("units", "is required and empty; name at least one unit, such as layer `logits`, channel 0");
    }
    count("units", spec.units.len(), limits.ranked_units as usize, &mut wrong);
    count("bands", spec.bands.len(), BANDS, &mut wrong);
    count("classes", spec.classes.len(), RANKED_CLASSES, &mut wrong);
    count("layers", spec.layers.len(), RANKED_LAYERS, &mut wrong);
    if spec.encoded_len() > SPEC_BYTES {
        let reason = format!("is {} bytes long; at most {SPEC_BYTES} are taken", spec.encoded_len());
        wrong.add("units", reason);
    }
    if !wrong.0.is_empty() {
        return Err(wrong.0);
    }
    let reducer = reducer(spec.reducer, &mut wrong);
    let units = units(&spec.units, reducer, &mut wrong);
    let picks = picks(spec, limits, &mut wrong);
    let pictures = pictures(spec.pictures.as_ref(), &mut wrong);
    let hits = check_hits(&units, &picks, limits, &mut wrong);
    if hits * u64::from(pictures.count()) > HIT_PICTURES {
        let reason = format!(
            "{hits} hits with pictures have more than {HIT_PICTURES}; ask for fewer, or without pictures"
        );
        wrong.add("pictures", reason);
    }
    if !wrong.0.is_empty() {
        return Err(wrong.0);
    }
    Ok(RankOrder {
        model: spec.model.clone(),
        dataset: spec.dataset.clone(),
        units,
        reducer,
        picks,
        classes: spec.classes.clone(),
        pictures,
        refresh: spec.refresh,
        return_scores: spec.return_scores,
        layers: spec.layers.clone(),
    })
}

fn reducer(given: i32, wrong: &mut Wrong) -> Reducer {
    match proto::Reducer::try_from(given) {
        Ok(proto::Reducer::Unspecified | proto::Reducer::Max) => Reducer::Max,
        Ok(proto::Reducer::Mean) => Reducer::Mean,
        Ok(proto::Reducer::Centre) => Reducer::Centre,
        Ok(proto::Reducer::Absmax) => Reducer::AbsMax,
        Ok(proto::Reducer::L2) => Reducer::L2,
        Ok(proto::Reducer::ClassToken) => Reducer::ClassToken,
        Err(_) => {
            wrong.add("reducer", format!("{given} is no reducer that this server knows; use one of its API"));
            Reducer::Max
        }
    }
}

fn units(given: &[proto::RankUnit], reducer: Reducer, wrong: &mut Wrong) -> Vec<Unit> {
    let mut taken = HashSet::new();
    let mut units = Vec::with_capacity(given.len());
    for (place, unit) in given.iter().enumerate() {
        let field = |name: &str| format!("units[{place}].{name}");
        if unit.layer.is_empty() {
            wrong.add(field("layer"), "is required and empty");
        }
        let what = match &unit.what {
            Some(rank_unit::What::Channel(channel)) => What::Channel(*channel),
            Some(rank_unit::What::Direction(direction)) => {
                let proto::Direction { weights, channels } = direction;
                if weights.is_empty() || weights.len() > PARAM_LIST {
                    let reason = format!("has {} weights; give 1 … {PARAM_LIST}", weights.len());
                    wrong.add(field("direction.weights"), reason);
                }
                What::Direction { weights: weights.clone(), channels: channels.clone() }
            }
            None => {
                wrong.add(field("channel"), "is required; give a channel or a direction");
                continue;
            }
        };
        let given = places(unit);
        if given.len() > 1 {
            let reason = "stands beside another place; give one of `position`, `token` and `class_token`";
            wrong.add(field("token"), reason);
        }
        let own = given.into_iter().next();
        if unit.label.len() > NAME_BYTES {
            wrong.add(
                field("label"),
                format!("is {} bytes long; at most {NAME_BYTES} are taken", unit.label.len()),
            );
        }
        let label = if unit.label.is_empty() { label(&unit.layer, &what, own) } else { unit.label.clone() };
        let reducer = own.unwrap_or(reducer);
        units.push(Unit { label: unique(label, &mut taken), layer: unit.layer.clone(), what, reducer });
    }
    units
}

/// The places that a unit names, of which there is at most one in a right one.
fn places(unit: &proto::RankUnit) -> Vec<Reducer> {
    let position = unit.position.map(|proto::Position { row, column }| Reducer::At { row, column });
    let class_token = unit.class_token.then_some(Reducer::ClassToken);
    [position, unit.token.map(Reducer::Token), class_token].into_iter().flatten().collect()
}

/// `layer:channel`, or `layer:direction`, with `@row,column`, `@token` or `@cls`.
fn label(layer: &str, what: &What, place: Option<Reducer>) -> String {
    let what = match what {
        What::Channel(channel) => channel.to_string(),
        What::Direction { .. } => "direction".to_owned(),
    };
    let position = match place {
        Some(Reducer::At { row, column }) => format!("@{row},{column}"),
        Some(Reducer::Token(token)) => format!("@{token}"),
        Some(Reducer::ClassToken) => "@cls".to_owned(),
        _ => String::new(),
    };
    let layer: String = layer.chars().take(NAME_BYTES / 4).collect();
    format!("{layer}:{what}{position}")
}

fn unique(label: String, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{label} ({number})"));
    let label = std::iter::once(label.clone()).chain(numbered).find(|label| !taken.contains(label));
    let label = label.expect("there are more numbers than labels");
    taken.insert(label.clone());
    label
}

fn picks(spec: &proto::RankSpec, limits: &Limits, wrong: &mut Wrong) -> Vec<Pick> {
    let mut picks = Vec::new();
    let mut k = |field: &str, given: Option<u32>, default: u32| {
        wrong.within(field, given.unwrap_or(default), 0, limits.hits)
    };
    let (top, bottom) = (k("top_k", spec.top_k, DEFAULT_K), k("bottom_k", spec.bottom_k, 0));
    picks.extend((top > 0).then_some(Pick::Top(top)));
    picks.extend((bottom > 0).then_some(Pick::Bottom(bottom)));
    for (place, band) in spec.bands.iter().enumerate() {
        let field = |name: &str| format!("bands[{place}].{name}");
        let count = wrong.within(&field("k"), band.k.unwrap_or(DEFAULT_K), 1, limits.hits);
        match &band.range {
            Some(band::Range::Percentile(range)) => {
                range_of(range, &field("percentile"), (0.0, 100.0), wrong);
                picks.push(Pick::Percentiles { low: range.low, high: range.high, count });
            }
            Some(band::Range::Score(range)) => {
                range_of(range, &field("score"), (f64::MIN, f64::MAX), wrong);
                picks.push(Pick::Scores { low: range.low, high: range.high, count });
            }
            None => wrong.add(field("percentile"), "is required; give a range of percentiles or of scores"),
        }
    }
    picks
}

fn range_of(range: &proto::Range, field: &str, (least, most): (f64, f64), wrong: &mut Wrong) {
    let proto::Range { low, high } = *range;
    wrong.within(&format!("{field}.low"), low, least, most);
    wrong.within(&format!("{field}.high"), high, least, most);
    if high < low {
        wrong.add(field, format!("{low} … {high} runs backwards; give the lower end as `low`"));
    }
}

fn pictures(given: Option<&proto::HitPictures>, wrong: &mut Wrong) -> HitPictures {
    let given = given.copied().unwrap_or_default();
    let side = given.side.unwrap_or(THUMBNAIL_SIDE_PX);
    HitPictures {
        thumbnails: given.thumbnails,
        crops: given.crops,
        heat_maps: given.heat_maps,
        side_px: wrong.within("pictures.side", side, THUMBNAIL_MIN_SIDE_PX, THUMBNAIL_MAX_SIDE_PX),
    }
}

/// Returns how many hits there may be.
fn check_hits(units: &[Unit], picks: &[Pick], limits: &Limits, wrong: &mut Wrong) -> u64 {
    let each: u64 = picks
        .iter()
        .map(|pick| match *pick {
            Pick::Top(count)
            | Pick::Bottom(count)
            | Pick::Percentiles { count, .. }
            | Pick::Scores { count, .. } => u64::from(count),
        })
        .sum();
    let hits = each * units.len() as u64;
    if hits > u64::from(limits.hits) {
        let reason = format!(
            "{} units with {each} images each are {hits} hits; this server gives at most {}: ask for fewer, or in several requests",
            units.len(),
            limits.hits
        );
        wrong.add("units", reason);
    }
    hits
}
