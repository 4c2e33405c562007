//! The answer of a Rank job, from the index alone: scores in order, the images asked for, statistics, files.

use super::places::Places;
use super::prepare::{Lookup, RankTask};
use super::{Hit, Ranking, UnitRanking, export, pictures};
use crate::data::index::{IndexError, RowId, Snapshot};
use crate::job::Failure;
use crate::job::store::JobStore;
use crate::limits::{CLASS_MEANS, SKIPPED_IMAGES};
use std::sync::Arc;
use ulid::Ulid;
use unitscope_engine::rank::order::{Ordered, Ranked, Statistics, statistics};
use unitscope_engine::rank::reading::Space;

/// Why there is no answer.
pub(super) enum Unanswered {
    /// These entries have to be scored first.
    Missing(Vec<u32>),
    /// There will be none.
    Failed(Failure),
}

impl From<IndexError> for Unanswered {
    fn from(error: IndexError) -> Self {
        match error {
            // It is gone from the index: whoever looks again finds what is missing.
            IndexError::Damaged { .. } => Self::Missing(Vec::new()),
            other => Self::Failed(Failure::Index(other.to_string())),
        }
    }
}

/// One column as it is now, and where the dataset's images lie in it.
struct View {
    snapshot: Snapshot,
    places: Arc<Places>,
}

/// What is found for one unit.
pub(super) struct Found {
    /// Of all classes.
    pub statistics: Statistics,
    /// One for each pick.
    pub groups: Vec<Vec<Hit>>,
    /// All scores, in the order of the places' images, where they are to be returned.
    pub scores: Vec<f32>,
}

impl RankTask {
    /// Images of the dataset.
    pub(super) fn images(&self) -> u32 {
        self.roll.len()
    }

    /// Whether all scores are there.
    pub(super) fn is_complete(&self) -> bool {
        self.views().is_ok()
    }

    /// Looks everything up, and keeps the files with the job.
    pub(super) fn answer(&self, job: Ulid, store: &dyn JobStore, scored: u64) -> Result<Ranking, Unanswered> {
        let views = self.views()?;
        let mut found = Vec::with_capacity(self.lookups.len());
        for lookup in &self.lookups {
            found.push(self.find(lookup, &views[lookup.column])?);
        }
        pictures::add(self, job, store, &mut found).map_err(Unanswered::Failed)?;
        // An order has at least one unit, and all columns hold the same images.
        let Some(places) = views.first().map(|view| view.places.clone()) else {
            return Err(Unanswered::Failed(Failure::Index(
                "a ranking without units has no answer".to_owned(),
            )));
        };
        let summary = export::Summary { task: self, found: &found, places: &places };
        let (json, csv, scores) = summary.keep(job, store);
        Ok(Ranking {
            images: places.images.len() as u64,
            skipped: places.skipped_total,
            skipped_images: places.skipped.iter().take(SKIPPED_IMAGES).cloned().collect(),
            scored,
            units: self
                .order
                .units
                .iter()
                .zip(found)
                .map(|(unit, found)| self.unit(&unit.label, found))
                .collect(),
            json,
            csv,
            scores,
        })
    }

    /// Where every column's images lie; or those that are missing in any.
    fn views(&self) -> Result<Vec<View>, Unanswered> {
        let mut missing = Vec::new();
        let mut views = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let snapshot = column.table.snapshot();
            match self.roll.places(&column.table.key().id(), &snapshot) {
                Ok(places) => views.push(View { snapshot, places }),
                Err(more) => missing.extend(more),
            }
        }
        if missing.is_empty() {
            return Ok(views);
        }
        missing.sort_unstable();
        missing.dedup();
        Err(Unanswered::Missing(missing))
    }

    fn find(&self, lookup: &Lookup, view: &View) -> Result<Found, Unanswered> {
        let scores = gather(lookup, view)?;
        let ordered = self.order_of(&scores, view);
        let class =
            |image: u32| self.roll.dataset.entries()[view.places.images[image as usize].1 as usize].class;
        let mut groups = Vec::with_capacity(self.order.picks.len());
        for &pick in &self.order.picks {
            let hits = ordered.pick(pick).into_iter().map(|ranked| self.hit(ranked, lookup, view));
            groups.push(hits.collect::<Result<_, _>>()?);
        }
        let statistics = statistics(&ordered, class);
        Ok(Found { statistics, groups, scores: if self.order.return_scores { scores } else { Vec::new() } })
    }

    /// The order of the images that take part.
    fn order_of(&self, scores: &[f32], view: &View) -> Ordered {
        let entries = self.roll.dataset.entries();
        let takes_part = |image: u32| match &self.classes {
            None => true,
            Some(classes) => {
                let class = entries[view.places.images[image as usize].1 as usize].class;
                class.is_some_and(|class| classes.contains(&class))
            }
        };
        Ordered::new(scores, takes_part)
    }

    /// A unit's scores in order, from the index alone.
    pub(super) fn ordered(&self, unit: usize) -> Result<Ordered, Failure> {
        let lost = || Failure::Index("scores went from the index while they were read; ask again".to_owned());
        let answered = self.views().and_then(|views| {
            let lookup = &self.lookups[unit];
            let view = &views[lookup.column];
            Ok(self.order_of(&gather(lookup, view)?, view))
        });
        answered.map_err(|unanswered| match unanswered {
            Unanswered::Missing(_) => lost(),
            Unanswered::Failed(failure) => failure,
        })
    }

    fn hit(&self, ranked: Ranked, lookup: &Lookup, view: &View) -> Result<Hit, Unanswered> {
        let (row, number) = view.places.images[ranked.image as usize];
        let entry = &self.roll.dataset.entries()[number as usize];
        let column = &self.columns[lookup.column];
        let extent = &column.extent;
        let token = match column.reading.single(extent) {
            Some(token) => Some(token),
            None if column.reading.has_positions(extent) => {
                let ordinal = view.places.ordinals[ranked.image as usize] as usize;
                let unit = lookup.units.first().map_or(0, |(unit, _)| *unit);
                view.snapshot.position(unit, ordinal)?.map(|place| extent.prefix + place)
            }
            None => None,
        };
        let position = token.filter(|_| extent.elements() > 1).and_then(|token| extent.place_of_token(token));
        let failed = |error: unitscope_engine::model::ModelError| {
            Unanswered::Failed(Failure::Engine(error.to_string()))
        };
        let input = &self.model.manifest().input;
        let window = match (position, extent.space) {
            (Some(place), Space::Patches) => extent.patch(place, [input.height, input.width]),
            (Some((row, across)), Space::Map | Space::Tokens) => {
                let (at, size) = ([u64::from(row), u64::from(across)], [input.height, input.width]);
                self.model.receptive_window(&column.reading.layer, at, size).map_err(failed)?
            }
            _ => [0, 0, input.height, input.width],
        };
        Ok(Hit {
            image: image_id(&row),
            entry: number,
            path: entry.path.clone(),
            class: entry.class.map(|class| self.roll.dataset.classes()[class as usize].clone()),
            ranked,
            position,
            token: token.filter(|_| extent.is_sequence()),
            window,
            thumbnail: None,
            crop: None,
            heat_map: None,
        })
    }

    fn unit(&self, label: &str, found: Found) -> UnitRanking {
        let Found { mut statistics, groups, .. } = found;
        let classes = statistics.class_means.len() as u32;
        statistics.class_means.truncate(CLASS_MEANS);
        let name = |class: u32| self.roll.dataset.classes()[class as usize].clone();
        let class_names = statistics.class_means.iter().map(|mean| name(mean.class)).collect();
        UnitRanking { label: label.to_owned(), statistics, class_names, classes, groups }
    }
}

/// An image's id as people see it.
pub(super) fn image_id(row: &RowId) -> String {
    row.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A unit's scores in the order of the images.
fn gather(lookup: &Lookup, view: &View) -> Result<Vec<f32>, IndexError> {
    let ordinals = &view.places.ordinals;
    if let [(unit, 1.0)] = lookup.units[..] {
        let column = view.snapshot.scores(unit)?.concat();
        return Ok(ordinals.iter().map(|&ordinal| column[ordinal as usize]).collect());
    }
    let mut sums = vec![0.0_f64; ordinals.len()];
    for &(unit, weight) in &lookup.units {
        let column = view.snapshot.scores(unit)?.concat();
        for (sum, &ordinal) in sums.iter_mut().zip(ordinals) {
            *sum += f64::from(weight) * f64::from(column[ordinal as usize]);
        }
    }
    Ok(sums.into_iter().map(|sum| sum as f32).collect())
}
