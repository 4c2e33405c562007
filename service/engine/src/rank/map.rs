//! Where in a picture a unit is active: its activation at every position of its layer; knows no score.

use super::decode::View;
use super::memory::{Activations, Batch};
use super::reading::{Extent, Space};
use super::reduce::Order;
use super::score::{Normalization, ScoreError, extent};
use crate::model::{Model, Program};
use std::sync::Arc;
use tch::Device;

/// A model cut to the layers whose maps are wanted.
pub struct Mapper {
    program: Program,
    /// One for each layer asked for.
    extents: Vec<Extent>,
    normalization: Normalization,
    shape: [u32; 4],
}

/// A unit's activations.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Rows of positions.
    pub rows: u32,
    /// Columns of positions.
    pub columns: u32,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Mapper {
    /// For these layers, one of which [`Mapper::map`] is asked about by its place.
    ///
    /// # Errors
    /// As [`super::score::Scorer::new`].
    pub fn new(model: &Arc<Model>, layers: &[String], device: Device) -> Result<Self, ScoreError> {
        let input = &model.manifest().input;
        Ok(Self {
            program: model.program(layers, [input.height, input.width], device)?,
            extents: layers.iter().map(|layer| extent(model, layer)).collect::<Result<_, _>>()?,
            normalization: Normalization::new(input),
            shape: [*model.batches().start(), input.channels.count(), input.height, input.width],
        })
    }

    /// The sum of these channels of a layer, with these weights, at each position; none where positions are not in the image's rows and columns. Channels are
    /// those of the layer.
    ///
    /// # Errors
    /// [`ScoreError`]: the network or libtorch failed.
    pub fn map(&self, view: &View, layer: usize, weights: &[(u32, f32)]) -> Result<Option<Map>, ScoreError> {
        let extent = self.extents[layer];
        if !matches!(extent.space, Space::Map | Space::Patches) {
            return Ok(None);
        }
        let mut batch = Batch::new(self.shape)?;
        self.normalization.apply(view, batch.picture(0));
        let layers = tch::no_grad(|| {
            self.program.run(&batch.input(self.program.device())?).map_err(ScoreError::from)
        })?;
        let activations = Activations::of(&layers[layer], &extent)?;
        let values = activations.image(0);
        let (channels, elements) = (extent.channels as usize, extent.elements());
        let at = |channel: u32, position: usize| match activations.order {
            Order::ChannelsFirst => values[channel as usize * elements + position],
            Order::ChannelsLast => values[position * channels + channel as usize],
        };
        let sum = |position| weights.iter().map(|&(channel, weight)| weight * at(channel, position)).sum();
        let values = (extent.prefix as usize..elements).map(sum).collect();
        Ok(Some(Map { rows: extent.rows, columns: extent.columns, values }))
    }
}
