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
use unitscope_engine::model::{Axis, Model};
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
            other.layer == unit.layer && other.what == unit.what && other.position == unit.position
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
        let up = (0..images).filter(|image| *image != 1).collect();
        let mut terms = vec![self.objective(unit, 1.0, up), self.objective(unit, -1.0, vec![1])];
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

    fn objective(&self, unit: &Unit, weight: f64, images: Vec<u32>) -> proto::Term {
        let What::Channel(channel) = unit.what else { return proto::Term::default() };
        let own = [("layer", text(&unit.layer)), ("channel", number(channel))];
        let (id, params) = match unit.reducer {
            Reducer::At { row, column } => {
                ("unit", params(own.into_iter().chain([("row", number(row)), ("column", number(column))])))
            }
            Reducer::Centre => ("unit", params(own)),
            Reducer::Max | Reducer::Mean | Reducer::AbsMax | Reducer::L2 => ("channel", params(own)),
        };
        proto::Term {
            id: id.to_owned(),
            weight: Some(weight),
            params: Some(params),
            images,
            ..proto::Term::default()
        }
    }

    /// The layer itself, or the last one before it that has positions: what pictures show differs in what they show where.
    fn map_before<'a>(&'a self, layer: &'a str) -> &'a str {
        let plain = layer.trim_end_matches(":pre");
        let layers = self.model.layers();
        let Some(own) = layers.iter().position(|other| other.path == plain) else { return layer };
        let has_map = |axes: &[Axis], shape: &[u64]| {
            axes.contains(&Axis::Height) && shape.iter().filter(|size| **size > 1).count() > 1
        };
        if has_map(&layers[own].axes, &layers[own].shape) {
            return layer;
        }
        let before = layers[..own].iter().rev().find(|other| has_map(&other.axes, &other.shape));
        before.map_or(layer, |other| &other.path)
    }
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
