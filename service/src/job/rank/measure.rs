//! Pictures among a dataset's images: their scores, taken as the images' were, and where those lie. It knows no optimization.

use super::prepare::RankTask;
use super::{Unit, What};
use crate::job::Failure;
use unitscope_engine::optimize::Picture;
use unitscope_engine::rank::order::{Ordered, Pick};
use unitscope_engine::rank::score::Scorer;

/// A picture's score among a dataset's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The score.
    pub score: f32,
    /// 0 … 100.
    pub percentile: f64,
    /// It is higher than every image's.
    pub above_all: bool,
    /// It is lower than every image's.
    pub below_all: bool,
}

impl RankTask {
    /// Scores pictures of the network's input size by a unit of the order, and finds their places.
    ///
    /// # Errors
    /// A [`Failure`].
    pub fn measure(&self, unit: usize, pictures: &[Picture]) -> Result<Vec<Measured>, Failure> {
        let engine = |error: unitscope_engine::rank::score::ScoreError| Failure::Engine(error.to_string());
        let lookup = &self.lookups[unit];
        let column = &self.columns[lookup.column];
        let scorer =
            Scorer::new(&self.model, std::slice::from_ref(&column.reading), self.device).map_err(engine)?;
        let scored = scorer.pictures(pictures).map_err(engine)?;
        let units = column.reading.units(&column.extent) as usize;
        let ordered: Ordered = self.ordered(unit)?;
        let ends = (ordered.iter().next(), ordered.iter().next_back());
        let measured = |row: &[f32]| {
            let sum: f64 = lookup
                .units
                .iter()
                .map(|&(unit, weight)| f64::from(weight) * f64::from(row[unit as usize]))
                .sum();
            let score = sum as f32;
            Measured {
                score,
                percentile: ordered.percentile(score),
                above_all: ends.1.is_some_and(|(_, largest)| score > largest),
                below_all: ends.0.is_some_and(|(_, smallest)| score < smallest),
            }
        };
        Ok(scored.scores.chunks_exact(units).map(measured).collect())
    }

    /// Which images are wanted of each unit.
    #[must_use]
    pub fn picks(&self) -> &[Pick] {
        &self.order.picks
    }

    /// The class that a channel of the network's output stands for.
    #[must_use]
    pub fn class_of_unit(&self, unit: &Unit) -> Option<String> {
        let What::Channel(channel) = unit.what else { return None };
        let labels = &self.model.manifest().labels;
        let layer = self.model.layer(&unit.layer).ok()?;
        let is_output = layer.units == labels.len() as u64 && layer.shape.len() == 1;
        if is_output { labels.get(channel as usize).cloned() } else { None }
    }

    /// Rows and columns of the network's input.
    #[must_use]
    pub fn input_size(&self) -> (u32, u32) {
        let input = &self.model.manifest().input;
        (input.height, input.width)
    }

    /// How images become the network's input.
    #[must_use]
    pub fn preprocessing(&self) -> String {
        self.columns.first().map(|column| column.table.key().preprocessing.clone()).unwrap_or_default()
    }

    /// Images, channels, rows, columns of every pass.
    #[must_use]
    pub fn pass_shape(&self) -> [u32; 4] {
        self.columns.first().map(|column| column.table.key().pass_shape).unwrap_or_default()
    }
}
