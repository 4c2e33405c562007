//! From an order to what can run: the dataset's listing, the tables of the index, and which unit of them answers for which unit of the order.

use super::places::Roll;
use super::{RankOrder, Unit, What};
use crate::data::datasets::{Datasets, DatasetsError};
use crate::data::index::{Index, IndexError, Table, TableKey};
use crate::data::near::{near, near_text};
use crate::limits::RETURNED_SCORES;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use unitscope_engine::device::{self, Device};
use unitscope_engine::model::Model;
use unitscope_engine::rank::decode::Preprocessing;
use unitscope_engine::rank::reading::{Extent, Reading};
use unitscope_engine::rank::score::{NUMERICS, extent, pass_shape};
use unitscope_engine::spec::FieldError;

/// Datasets, and what is known about how their images drive units.
pub struct Rankings {
    datasets: Arc<Datasets>,
    index: Arc<Index>,
    device: Device,
    threads: usize,
    /// The last listing of each dataset that was asked about.
    rolls: Mutex<Vec<Arc<Roll>>>,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum RankError {
    /// These fields are wrong; paths begin at the spec.
    #[error("the spec is wrong in {} places", .0.len())]
    Invalid(Vec<FieldError>),
    /// No such dataset, or it cannot be listed.
    #[error(transparent)]
    Dataset(#[from] DatasetsError),
    /// The index cannot be read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// A checked ranking, ready to run on any thread.
pub struct RankTask {
    pub(super) order: Arc<RankOrder>,
    pub(super) model: Arc<Model>,
    pub(super) device: Device,
    /// For work on the CPU besides the network.
    pub(super) threads: usize,
    pub(super) roll: Arc<Roll>,
    /// What a pass has to score, each once.
    pub(super) columns: Vec<TableUse>,
    /// One for each unit of the order.
    pub(super) lookups: Vec<Lookup>,
    /// Classes that take part, by number; none: all images.
    pub(super) classes: Option<HashSet<u32>>,
}

/// A table, and what its numbers are.
pub(super) struct TableUse {
    pub reading: Reading,
    pub extent: Extent,
    pub table: Arc<Table>,
}

/// Where a unit's scores come from.
pub(super) struct Lookup {
    /// Index into [`RankTask::columns`].
    pub column: usize,
    /// Which units of the table are summed, with which weights.
    pub units: Vec<(u32, f32)>,
}

impl Rankings {
    /// Over these datasets and this index, for jobs on this device and so many threads.
    #[must_use]
    pub fn new(datasets: Arc<Datasets>, index: Arc<Index>, device: Device, threads: usize) -> Self {
        Self { datasets, index, device, threads, rolls: Mutex::default() }
    }

    /// All datasets.
    #[must_use]
    pub fn datasets(&self) -> &Arc<Datasets> {
        &self.datasets
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Lists the dataset if need be, and checks the order against it and the model. May take as long as listing does.
    ///
    /// # Errors
    /// A [`RankError`].
    pub fn prepare(&self, order: Arc<RankOrder>, model: &Arc<Model>) -> Result<RankTask, RankError> {
        let (columns, lookups) = self.columns(&order, model)?;
        let roll = self.roll(&order)?;
        let classes = class_numbers(&order, roll.dataset.classes())?;
        if order.return_scores {
            check_returned(order.units.len(), roll.len()).map_err(|error| RankError::Invalid(vec![error]))?;
        }
        let (model, device, threads) = (model.clone(), self.device, self.threads);
        Ok(RankTask { order, model, device, threads, roll, columns, lookups, classes })
    }

    fn roll(&self, order: &RankOrder) -> Result<Arc<Roll>, RankError> {
        let dataset = self.datasets.open(&order.dataset, order.refresh)?;
        let mut rolls = self.rolls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roll) = rolls.iter().find(|roll| Arc::ptr_eq(&roll.dataset, &dataset)) {
            return Ok(roll.clone());
        }
        rolls.retain(|roll| roll.dataset.name() != dataset.name());
        let roll = Arc::new(Roll::new(dataset));
        rolls.push(roll.clone());
        Ok(roll)
    }

    fn columns(
        &self,
        order: &RankOrder,
        model: &Arc<Model>,
    ) -> Result<(Vec<TableUse>, Vec<Lookup>), RankError> {
        let mut wrong = Vec::new();
        let mut columns = Columns { rankings: self, model, used: Vec::new() };
        let mut lookups = Vec::new();
        for (place, unit) in order.units.iter().enumerate() {
            let field = |name: &str| format!("units[{place}].{name}");
            match columns.lookup(unit, &field) {
                Ok(lookup) => lookups.push(lookup),
                Err(Refused::Field(error)) => wrong.push(error),
                Err(Refused::Index(error)) => return Err(error.into()),
            }
        }
        for (place, layer) in order.layers.iter().enumerate() {
            let reading = Reading { layer: layer.clone(), reducer: order.reducer, direction: None };
            let field = |_: &str| format!("layers[{place}]");
            match columns.add(reading, &field) {
                Ok(_) => {}
                Err(Refused::Field(error)) => wrong.push(error),
                Err(Refused::Index(error)) => return Err(error.into()),
            }
        }
        if wrong.is_empty() { Ok((columns.used, lookups)) } else { Err(RankError::Invalid(wrong)) }
    }
}

/// The tables of one order, as they are found.
struct Columns<'a> {
    rankings: &'a Rankings,
    model: &'a Arc<Model>,
    used: Vec<TableUse>,
}

/// Why a unit has no table.
enum Refused {
    Field(FieldError),
    Index(IndexError),
}

impl Columns<'_> {
    fn lookup(&mut self, unit: &Unit, field: &dyn Fn(&str) -> String) -> Result<Lookup, Refused> {
        let extent = self.extent(&unit.layer, field)?;
        let refuse = |name: &str, reason: String| Refused::Field(FieldError::new(field(name), reason));
        let channels = extent.channels;
        let weights = match &unit.what {
            What::Channel(channel) if *channel >= channels => {
                let reason = format!(
                    "{channel} is out of range; layer `{}` has channels 0 … {}",
                    unit.layer,
                    channels - 1
                );
                return Err(refuse("channel", reason));
            }
            What::Channel(channel) => {
                let reading = Reading { layer: unit.layer.clone(), reducer: unit.reducer, direction: None };
                let column = self.add(reading, field)?;
                return Ok(Lookup { column, units: vec![(*channel, 1.0)] });
            }
            What::Direction { weights, channels: given } => {
                dense(weights, given, channels).map_err(|reason| refuse("direction", reason))?
            }
        };
        let reading =
            Reading { layer: unit.layer.clone(), reducer: unit.reducer, direction: Some(weights.clone()) };
        reading.check(&extent).map_err(|reason| refuse("direction", reason))?;
        match reading.linear(&extent) {
            Some(channels) => {
                let column = self.add(channels, field)?;
                let units = (0..).zip(weights).filter(|(_, weight)| *weight != 0.0).collect();
                Ok(Lookup { column, units })
            }
            None => Ok(Lookup { column: self.add(reading, field)?, units: vec![(0, 1.0)] }),
        }
    }

    fn extent(&self, layer: &str, field: &dyn Fn(&str) -> String) -> Result<Extent, Refused> {
        extent(self.model, layer)
            .map_err(|error| Refused::Field(FieldError::new(field("layer"), error.to_string())))
    }

    /// The table of a reading; opens it where it is new here.
    fn add(&mut self, reading: Reading, field: &dyn Fn(&str) -> String) -> Result<usize, Refused> {
        let refuse = |name: &str, reason: String| Refused::Field(FieldError::new(field(name), reason));
        let extent = self.extent(&reading.layer, field)?;
        reading.check(&extent).map_err(|reason| refuse("position", reason))?;
        let input = &self.model.manifest().input;
        let preprocessing = Preprocessing::of(input).map_err(|reason| refuse("layer", reason))?;
        let pass_shape = pass_shape(self.model).map_err(|error| refuse("layer", error.to_string()))?;
        let device = device::name(self.rankings.device);
        let key = TableKey {
            model: self.model.name().to_owned(),
            model_digest: self.model.digest().to_owned(),
            layer: reading.layer.clone(),
            reading: reading.name(&extent),
            preprocessing: format!("{}, {}", preprocessing.key(), normalization_key(self.model)),
            precision: "float32".to_owned(),
            device_kind: device.split(':').next().unwrap_or_default().to_owned(),
            pass_shape,
            numerics: NUMERICS,
            units: reading.units(&extent),
            positions: reading.has_positions(&extent),
        };
        let id = key.id();
        if let Some(known) = self.used.iter().position(|used| used.table.key().id() == id) {
            return Ok(known);
        }
        let table = self.rankings.index.table(&key).map_err(Refused::Index)?;
        self.used.push(TableUse { reading, extent, table });
        Ok(self.used.len() - 1)
    }
}

/// The part of a model's manifest that decides the network's input, beside size and crop.
fn normalization_key(model: &Model) -> String {
    let input = &model.manifest().input;
    format!("range {:?}, mean {:?}, std {:?}, {:?}", input.range, input.mean, input.std, input.channels)
}

/// So many scores can be returned.
fn check_returned(units: usize, images: u32) -> Result<(), FieldError> {
    let scores = units as u64 * u64::from(images);
    if scores <= RETURNED_SCORES {
        return Ok(());
    }
    let reason = format!(
        "{units} units × {images} images are {scores} scores, and at most {RETURNED_SCORES} are returned; ask for fewer units at once"
    );
    Err(FieldError::new("return_scores", reason))
}

/// One weight for each channel of a layer.
fn dense(weights: &[f32], given: &[u32], channels: u32) -> Result<Vec<f32>, String> {
    if given.is_empty() {
        // The reading's own check says it where their number is wrong.
        return Ok(weights.to_vec());
    }
    if given.len() != weights.len() {
        return Err(format!(
            "it has {} channels, but {} weights; give one for each",
            given.len(),
            weights.len()
        ));
    }
    let mut dense = vec![0.0; channels as usize];
    let mut seen = HashSet::new();
    for (&channel, &weight) in given.iter().zip(weights) {
        let slot = dense.get_mut(channel as usize).ok_or_else(|| {
            format!("channel {channel} is out of range; the layer has channels 0 … {}", channels - 1)
        })?;
        if !seen.insert(channel) {
            return Err(format!("channel {channel} stands twice; give each once"));
        }
        *slot = weight;
    }
    Ok(dense)
}

fn class_numbers(order: &RankOrder, classes: &[String]) -> Result<Option<HashSet<u32>>, RankError> {
    if order.classes.is_empty() {
        return Ok(None);
    }
    let mut numbers = HashSet::new();
    let mut wrong = Vec::new();
    for (place, name) in order.classes.iter().enumerate() {
        match classes.binary_search(name) {
            Ok(number) => {
                numbers.insert(number as u32);
            }
            Err(_) => {
                let near = near_text(&near(name, classes.iter().map(String::as_str)));
                let reason = format!(
                    "dataset `{}` has no class `{name}`{near}; `unitscope datasets show {}` lists all {}",
                    order.dataset,
                    order.dataset,
                    classes.len()
                );
                wrong.push(FieldError::new(format!("classes[{place}]"), reason));
            }
        }
    }
    if wrong.is_empty() { Ok(Some(numbers)) } else { Err(RankError::Invalid(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returned_scores_have_a_cap() {
        check_returned(256, 1 << 19).unwrap();
        let error = check_returned(256, (1 << 19) + 1).unwrap_err();
        assert_eq!(error.field, "return_scores");
        assert!(error.reason.contains("134217984") && error.reason.contains("134217728"), "{error}");
        assert!(check_returned(usize::from(u16::MAX), u32::MAX).is_err());
    }
}
