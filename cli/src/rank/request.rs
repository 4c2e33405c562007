//! Builds the spec from the flags, and leads the server's field paths back to them. Knows no model.

use super::args::RankArgs;
use crate::failure::Failure;
use crate::notation::range::Range;
use crate::units::ranked::Ranked;
use unitscope_proto::v1::{self, Band, HitPictures, RankSpec, band};

/// A spec, and the arguments that its lists came from.
pub struct Request {
    /// What is sent.
    pub spec: RankSpec,
    units: Vec<String>,
    bands: Vec<String>,
}

impl Request {
    /// Of the flags, with the units and directions that they name.
    pub fn from_flags(args: &RankArgs, ranked: Vec<Ranked>) -> Result<Request, Failure> {
        if args.k.is_some() && args.bands.is_empty() && args.score_bands.is_empty() {
            return Err(Failure::Usage(
                "--k says how many images a band gives; give --band LOW:HIGH or --score-band LOW:HIGH, or --top N".into(),
            ));
        }
        let (mut units, arguments) = split(ranked);
        set_labels(&mut units, &args.labels)?;
        let (bands, band_arguments) = bands(args);
        let pictures =
            HitPictures { thumbnails: true, crops: true, heat_maps: args.heat_maps, side: args.side };
        let spec = RankSpec {
            model: args.model.clone(),
            dataset: args.dataset.clone(),
            units,
            reducer: v1::Reducer::from(args.reducer).into(),
            top_k: args.top,
            bottom_k: args.bottom,
            bands,
            classes: args.classes.clone(),
            pictures: (!args.no_pictures).then_some(pictures),
            refresh: args.refresh,
            return_scores: args.scores,
            layers: args.layers.clone(),
        };
        Ok(Request { spec, units: arguments, bands: band_arguments })
    }

    /// The argument that the field at this path was made from.
    pub fn argument(&self, field: &str) -> Option<String> {
        let field = field.strip_prefix("spec.").unwrap_or(field);
        let name = field.split(['.', '[']).next()?;
        let index = || field.split_once('[')?.1.split(']').next()?.parse::<usize>().ok();
        let of = |list: &[String]| index().and_then(|index| list.get(index).cloned());
        let with = |flag: &str, list: &[String]| match of(list) {
            Some(value) => format!("{flag} {value}"),
            None => flag.to_string(),
        };
        let flag = match name {
            "units" => return of(&self.units).or_else(|| Some("--unit".to_string())),
            "bands" if field.ends_with("].k") => "--k",
            "bands" => return of(&self.bands).or_else(|| Some("--band".to_string())),
            "classes" => return Some(with("--class", &self.spec.classes)),
            "layers" => return Some(with("--layer", &self.spec.layers)),
            "model" => "--model",
            "dataset" => "--dataset",
            "reducer" => "--reducer",
            "top_k" => "--top",
            "bottom_k" => "--bottom",
            "pictures" if field.ends_with("heat_maps") => "--heat-maps",
            "pictures" if field.ends_with("side") => "--side",
            "refresh" => "--refresh",
            "return_scores" => "--scores",
            _ => return None,
        };
        Some(flag.to_string())
    }
}

/// What is sent, and the arguments that it came from.
pub fn split(ranked: Vec<Ranked>) -> (Vec<v1::RankUnit>, Vec<String>) {
    ranked.into_iter().map(|ranked| (ranked.unit, ranked.argument)).unzip()
}

fn set_labels(units: &mut [v1::RankUnit], labels: &[String]) -> Result<(), Failure> {
    if labels.is_empty() {
        return Ok(());
    }
    if labels.len() != units.len() {
        return Err(Failure::Usage(format!(
            "{} labels for {} units and directions; give --label once for each",
            labels.len(),
            units.len()
        )));
    }
    for (unit, label) in units.iter_mut().zip(labels) {
        unit.label.clone_from(label);
    }
    Ok(())
}

/// Those of percentiles, then those of scores, and their arguments.
fn bands(args: &RankArgs) -> (Vec<Band>, Vec<String>) {
    let range = |range: &Range| v1::Range { low: range.low, high: range.high };
    let percentiles = args.bands.iter().map(|band| ("--band", band, band::Range::Percentile(range(band))));
    let scores = args.score_bands.iter().map(|band| ("--score-band", band, band::Range::Score(range(band))));
    percentiles
        .chain(scores)
        .map(|(flag, Range { low, high }, range)| {
            (Band { range: Some(range), k: args.k }, format!("{flag} {low}:{high}"))
        })
        .unzip()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
