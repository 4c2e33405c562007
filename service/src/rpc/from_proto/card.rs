//! The proto's card: a ranking and pictures, each as a client would ask for them. It knows of a model which layers have positions.

use super::{Context, Wrong};
use crate::card::Aim;
use crate::job::card::CardOrder;
use crate::job::rank::{RankOrder, Unit, What};
use crate::limits::{
    CARD_DIVERSE, CARD_HITS, CARD_LEAST_STEPS, CARD_UNITS, NAME_BYTES, THUMBNAIL_MAX_SIDE_PX,
};
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use std::sync::Arc;
use unitscope_engine::model::{Axis, LayerInfo, Model};
use unitscope_engine::rank::reading::Reducer;
use unitscope_engine::spec::FieldError;
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::rank_unit;

/// As the proto says: a minute or two for a unit of a GoogLeNet on two cores.
const DEFAULT_STEPS: u32 = 256;

/// As the proto says, as many as the largest images, in a square of three by three.
const DEFAULT_K: u32 = 9;

/// As the proto says.
const DEFAULT_DIVERSE: u32 = 4;

/// Percentiles that images around the median come from.
const MIDDLE: proto::Range = proto::Range { low: 45.0, high: 55.0 };

/// How hard diverse pictures push each other apart: as the client's help recommends for `--diversity`.
const DIVERSITY: f64 = 1.0;

/// Checks a spec, and makes of it what Rank and Optimize would be asked.
///
/// # Errors
/// One [`FieldError`] per wrong field; paths begin at the spec.
pub fn card(spec: &proto::CardSpec, model: &Model, context: &Context) -> Result<CardOrder, Vec<FieldError>> {
    let mut wrong = Wrong::default();
    let k = wrong.within("k", spec.k.unwrap_or(DEFAULT_K), 1, CARD_HITS);
    let steps = spec.steps.unwrap_or(DEFAULT_STEPS);
    let steps = wrong.within("steps", steps, CARD_LEAST_STEPS, context.limits.steps);
    let diverse = wrong.within("diverse", spec.diverse.unwrap_or(DEFAULT_DIVERSE), 0, CARD_DIVERSE);
    if diverse == 1 {
        wrong.add("diverse", "1 picture differs from no other; give 0 or 2 … 8");
    }
    if spec.title.len() > NAME_BYTES {
        wrong.add("title", format!("is {} bytes long; at most {NAME_BYTES} are taken", spec.title.len()));
    }
    check_units(&spec.units, &mut wrong);
    if !wrong.0.is_empty() {
        return Err(wrong.0);
    }
    let rank = super::rank(&ranking(spec, k), context.limits)?;
    let seed = spec.seed.unwrap_or(0);
    let request = Pictures { model, steps, seed, diverse };
    let optimize = rank.units.iter().map(|unit| super::spec(&request.spec(unit), context));
    let optimize = optimize.collect::<Result<_, _>>()?;
    let aims = [Aim::Maximize, Aim::Minimize].into_iter().chain((0..diverse).map(|_| Aim::Diverse)).collect();
    let rank: Arc<RankOrder> = Arc::new(rank);
    Ok(CardOrder { rank, optimize, aims, k, steps, seed, title: spec.title.clone() })
}

fn check_units(units: &[proto::RankUnit], wrong: &mut Wrong) {
    if units.len() > CARD_UNITS {
        let reason = format!(
            "{} are too many for a card; give at most {CARD_UNITS}, or make several cards",
            units.len()
        );
        wrong.add("units", reason);
    }
    for (place, unit) in units.iter().enumerate() {
        if matches!(unit.what, Some(rank_unit::What::Direction(_))) {
            let reason = "a card is about channels; rank a direction, and optimize the term `direction`";
            wrong.add(format!("units[{place}].direction"), reason);
        }
        if units[..place].iter().any(|other| {
            let place = |unit: &proto::RankUnit| (unit.position, unit.token, unit.class_token);
            other.layer == unit.layer && other.what == unit.what && place(other) == place(unit)
        }) {
            wrong.add(format!("units[{place}]"), "is there twice; name each unit once");
        }
    }
}

/// The ranking that a card shows.
fn ranking(spec: &proto::CardSpec, k: u32) -> proto::RankSpec {
    let range = Some(proto::band::Range::Percentile(MIDDLE));
    proto::RankSpec {
        model: spec.model.clone(),
        dataset: spec.dataset.clone(),
        units: spec.units.clone(),
        reducer: spec.reducer,
        top_k: Some(k),
        bottom_k: Some(k),
        bands: vec![proto::Band { range, k: Some(k) }],
        pictures: Some(proto::HitPictures {
            thumbnails: true,
            crops: true,
            heat_maps: false,
            side: Some(THUMBNAIL_MAX_SIDE_PX / 2),
        }),
        refresh: spec.refresh,
        ..proto::RankSpec::default()
    }
}

/// The pictures that a card shows of each unit.
struct Pictures<'a> {
    model: &'a Model,
    steps: u32,
    seed: u64,
    diverse: u32,
}

impl Pictures<'_> {
    /// The first picture maximizes, the second minimizes, the others maximize and differ.
    fn spec(&self, unit: &Unit) -> proto::OptimizeSpec {
        let images = 2 + self.diverse;
        let up: Vec<u32> = (0..images).filter(|image| *image != 1).collect();
        let mut terms = self.objectives(unit, 1.0, &up);
        terms.extend(self.objectives(unit, -1.0, &[1]));
        if self.diverse > 0 {
            terms.push(proto::Term {
                id: "diversity".to_owned(),
                weight: Some(DIVERSITY),
                params: Some(params([("layer", text(self.map_before(&unit.layer)))])),
                images: (2..images).collect(),
                ..proto::Term::default()
            });
        }
        proto::OptimizeSpec {
            images: Some(images),
            terms,
            steps: Some(self.steps),
            seed: Some(self.seed),
            ..proto::OptimizeSpec::default()
        }
    }

    /// What pulls these pictures up, or with a weight of −1 down.
    fn objectives(&self, unit: &Unit, weight: f64, images: &[u32]) -> Vec<proto::Term> {
        let What::Channel(channel) = unit.what else { return Vec::new() };
        let own = || [("layer", text(&unit.layer)), ("channel", number(channel))];
        let mean = ("channel", params(own()));
        let token = |token| ("unit", params(own().into_iter().chain([("column", number(token))])));
        let centre = match self.middle_patch(&unit.layer) {
            Some(at) => ("unit", params(own().into_iter().chain(at))),
            None => ("unit", params(own())),
        };
        let terms = match unit.reducer {
            Reducer::At { row, column } => {
                let at = [("row", number(row)), ("column", number(column))];
                vec![("unit", params(own().into_iter().chain(at)))]
            }
            Reducer::Token(at) => vec![token(at)],
            Reducer::ClassToken => vec![token(0)],
            Reducer::Centre => vec![centre],
            Reducer::Mean => vec![mean],
            // The mean alone spreads what the largest activation needs in one place, the centre alone leaves the rest of the picture grey. What is to
            // have no large activation anywhere is pulled down everywhere.
            Reducer::Max | Reducer::AbsMax | Reducer::L2 if weight > 0.0 && self.has_map(&unit.layer) => {
                vec![mean, centre]
            }
            Reducer::Max | Reducer::AbsMax | Reducer::L2 => vec![mean],
        };
        let term = |(id, params): (&str, Struct)| proto::Term {
            id: id.to_owned(),
            weight: Some(weight),
            params: Some(params),
            images: images.to_vec(),
            ..proto::Term::default()
        };
        terms.into_iter().map(term).collect()
    }

    /// Row and column of the middle patch of a layer of tokens.
    fn middle_patch(&self, layer: &str) -> Option<[(&'static str, Kind); 2]> {
        let plain = layer.trim_end_matches(":pre");
        let grid = self.model.layers().iter().find(|other| other.path == plain)?.tokens?;
        let middle = |count: u64| number(u32::try_from(count / 2).unwrap_or(u32::MAX));
        Some([("row", middle(grid.rows)), ("column", middle(grid.columns))])
    }

    /// Whether a layer has more than one row and column of positions.
    fn has_map(&self, layer: &str) -> bool {
        let plain = layer.trim_end_matches(":pre");
        self.model.layers().iter().any(|other| other.path == plain && has_map(other))
    }

    /// The layer itself, or the last one before it that has positions: what pictures show differs in what they show where.
    fn map_before<'a>(&'a self, layer: &'a str) -> &'a str {
        let plain = layer.trim_end_matches(":pre");
        let layers = self.model.layers();
        let Some(own) = layers.iter().position(|other| other.path == plain) else { return layer };
        if has_map(&layers[own]) {
            return layer;
        }
        let before = layers[..own].iter().rev().find(|other| has_map(other));
        before.map_or(layer, |other| &other.path)
    }
}

/// Whether a layer has rows and columns of positions or patches, more than one.
fn has_map(layer: &LayerInfo) -> bool {
    if let Some(grid) = layer.tokens {
        return grid.rows.saturating_mul(grid.columns) > 1;
    }
    let size = |axis: Axis| {
        let place = layer.axes.iter().position(|other| *other == axis);
        place.and_then(|place| layer.shape.get(place.checked_sub(1)?)).copied().unwrap_or(0)
    };
    size(Axis::Height) * size(Axis::Width) > 1
}

fn params<'a>(fields: impl IntoIterator<Item = (&'a str, Kind)>) -> Struct {
    let field = |(name, kind): (&str, Kind)| (name.to_owned(), Value { kind: Some(kind) });
    Struct { fields: fields.into_iter().map(field).collect() }
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

fn number(number: u32) -> Kind {
    Kind::NumberValue(f64::from(number))
}
