//! What one number for a unit and an image means: which layer, which units, and how positions become one number; knows no tensor.

use crate::model::{Axis, LayerInfo};

/// How the activations of one unit at all positions of a layer become one number. Layers without positions have one anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reducer {
    /// The largest, and where it is.
    Max,
    /// The mean.
    Mean,
    /// The one at row `rows / 2`, column `columns / 2`, as lucid's `neuron` has it.
    Centre,
    /// The one at a given position.
    At {
        /// From 0, below the layer's rows.
        row: u32,
        /// From 0, below the layer's columns.
        column: u32,
    },
    /// The largest absolute value, and where it is.
    AbsMax,
    /// The root of the sum of squares.
    L2,
}

/// What is read from one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// As [`crate::model::Model::layer`] takes it, `path:pre` included.
    pub layer: String,
    /// How positions become one number.
    pub reducer: Reducer,
    /// None: each channel is a unit. Else there is one unit, the sum of the channels with these weights at each position,
    /// one weight for each channel.
    pub direction: Option<Vec<f32>>,
}

/// The axes of one image's activations of a layer: channels, and positions in rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// At least 1.
    pub channels: u32,
    /// Rows of positions; 1 for tokens and for layers without positions.
    pub rows: u32,
    /// Columns of positions; the number of tokens; 1 for layers without positions.
    pub columns: u32,
    /// Where the channel axis is, the batch axis being 0.
    pub channel_axis: usize,
}

/// Units of one layer: wider layers than a million have no network.
const UNITS: u64 = 1 << 20;

impl Extent {
    /// Of a layer, with `shape` without the batch axis.
    ///
    /// # Errors
    /// The shape and the rule, where a layer has no channel axis or is too large.
    pub fn of(layer: &LayerInfo, shape: &[u64]) -> Result<Self, String> {
        let wrong = |rule: &str| format!("layer `{}` of shape {shape:?} {rule}", layer.path);
        let channel_axis = layer
            .axes
            .iter()
            .position(|axis| *axis == Axis::Channel)
            .filter(|&axis| axis >= 1 && axis <= shape.len())
            .ok_or_else(|| wrong("has no axis of channels; name another layer"))?;
        let rest: Vec<u64> = shape
            .iter()
            .enumerate()
            .filter(|(axis, _)| axis + 1 != channel_axis)
            .map(|(_, &size)| size)
            .collect();
        let columns = rest.last().copied().unwrap_or(1);
        let rows =
            rest[..rest.len().saturating_sub(1)].iter().fold(1_u64, |rows, &size| rows.saturating_mul(size));
        let channels = shape[channel_axis - 1];
        let positions = rows.saturating_mul(columns);
        if channels == 0 || positions == 0 || channels > UNITS || positions > u64::from(u32::MAX) {
            return Err(wrong("cannot be ranked: it needs 1 … 2^20 channels and fewer than 2^32 positions"));
        }
        let narrow = |size: u64| u32::try_from(size).expect("positions are fewer than 2^32");
        Ok(Self { channels: narrow(channels), rows: narrow(rows), columns: narrow(columns), channel_axis })
    }

    /// How many positions there are.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.rows as usize * self.columns as usize
    }

    /// Row and column of a position.
    #[must_use]
    pub fn place(&self, position: u32) -> (u32, u32) {
        (position / self.columns, position % self.columns)
    }
}

impl Reading {
    /// Checks that the layer has the position and as many channels as the direction has weights.
    ///
    /// # Errors
    /// The value, the rule and the way out.
    pub fn check(&self, extent: &Extent) -> Result<(), String> {
        if let Reducer::At { row, column } = self.reducer
            && (row >= extent.rows || column >= extent.columns)
        {
            return Err(format!(
                "position {row},{column} lies outside of layer `{}`, which has {} × {} positions; count from 0",
                self.layer, extent.rows, extent.columns
            ));
        }
        match &self.direction {
            Some(weights) if weights.len() != extent.channels as usize => Err(format!(
                "the direction has {} weights, but layer `{}` has {} channels; give one for each",
                weights.len(),
                self.layer,
                extent.channels
            )),
            Some(weights) if weights.iter().any(|weight| !weight.is_finite()) => {
                Err("a direction's weights must be finite numbers".to_owned())
            }
            Some(weights) if weights.iter().all(|weight| *weight == 0.0) => {
                Err("all weights of the direction are 0, so that every image scores 0; give one that is not"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// How many units it gives numbers for.
    #[must_use]
    pub fn units(&self, extent: &Extent) -> u32 {
        if self.direction.is_some() { 1 } else { extent.channels }
    }

    /// Whether it also says where in the layer.
    #[must_use]
    pub fn has_positions(&self, extent: &Extent) -> bool {
        matches!(self.reducer, Reducer::Max | Reducer::AbsMax) && extent.positions() > 1
    }

    /// A name for what the numbers mean, equal exactly where they do: where there is one position, the reducers that give its value have one
    /// name, and those that give its size another.
    #[must_use]
    pub fn name(&self, extent: &Extent) -> String {
        let single = extent.positions() == 1;
        let reducer = match self.reducer {
            Reducer::Max | Reducer::Mean | Reducer::Centre | Reducer::At { .. } if single => {
                "value".to_owned()
            }
            Reducer::AbsMax | Reducer::L2 if single => "absolute value".to_owned(),
            Reducer::Max => "max".to_owned(),
            Reducer::Mean => "mean".to_owned(),
            Reducer::Centre => format!("at {},{}", extent.rows / 2, extent.columns / 2),
            Reducer::At { row, column } => format!("at {row},{column}"),
            Reducer::AbsMax => "absmax".to_owned(),
            Reducer::L2 => "l2".to_owned(),
        };
        match &self.direction {
            None => reducer,
            Some(weights) => {
                let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
                let digest = blake3::hash(&bytes).to_hex();
                format!("{reducer} of direction {}", &digest[..32])
            }
        }
    }

    /// The reading of channels whose numbers, summed with the direction's weights, are this one's: the sum goes through means and single
    /// positions, but not through maxima.
    #[must_use]
    pub fn linear(&self, extent: &Extent) -> Option<Reading> {
        self.direction.as_ref()?;
        let through = match self.reducer {
            Reducer::Mean | Reducer::Centre | Reducer::At { .. } => true,
            Reducer::Max => extent.positions() == 1,
            Reducer::AbsMax | Reducer::L2 => false,
        };
        through.then(|| Reading { direction: None, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(axes: &[Axis]) -> LayerInfo {
        LayerInfo {
            path: "l".to_owned(),
            kind: String::new(),
            operator: String::new(),
            shape: Vec::new(),
            axes: axes.to_vec(),
            units: 0,
            pre_activation: false,
            sight: crate::model::Sight::Whole,
        }
    }

    #[test]
    fn extents_follow_the_axes() {
        use Axis::{Batch, Channel, Height, Token, Width};
        let check = |axes: &[Axis], shape: &[u64], expected: Option<(u32, u32, u32, usize)>| {
            let found = Extent::of(&layer(axes), shape).ok();
            let found = found.map(|it| (it.channels, it.rows, it.columns, it.channel_axis));
            assert_eq!(found, expected, "{axes:?} {shape:?}");
        };
        check(&[Batch, Channel, Height, Width], &[8, 5, 7], Some((8, 5, 7, 1)));
        check(&[Batch, Height, Width, Channel], &[5, 7, 8], Some((8, 5, 7, 3)));
        check(&[Batch, Token, Channel], &[197, 64], Some((64, 1, 197, 2)));
        check(&[Batch, Channel], &[1000], Some((1000, 1, 1, 1)));
        check(&[Batch], &[], None);
        check(&[Batch, Channel, Height, Width], &[8, 0, 7], None);
        check(&[Batch, Channel, Height, Width], &[1 << 21, 1, 1], None);
        check(&[Batch, Channel, Height, Width], &[1, 1 << 20, 1 << 20], None);
    }

    const MAP: Extent = Extent { channels: 2, rows: 5, columns: 7, channel_axis: 1 };
    const FLAT: Extent = Extent { channels: 2, rows: 1, columns: 1, channel_axis: 1 };

    fn reading(reducer: Reducer, direction: Option<&[f32]>) -> Reading {
        Reading { layer: "l".to_owned(), reducer, direction: direction.map(<[f32]>::to_vec) }
    }

    #[test]
    fn equal_meanings_have_one_name() {
        let name = |reducer, extent| reading(reducer, None).name(extent);
        assert_eq!(name(Reducer::Centre, &MAP), name(Reducer::At { row: 2, column: 3 }, &MAP));
        assert_eq!(name(Reducer::Max, &FLAT), name(Reducer::Mean, &FLAT));
        let places = |reducer, extent| reading(reducer, None).has_positions(extent);
        assert!(places(Reducer::Max, &MAP) && places(Reducer::AbsMax, &MAP));
        assert!(!places(Reducer::Max, &FLAT) && !places(Reducer::Mean, &MAP));
        assert_eq!(name(Reducer::AbsMax, &FLAT), name(Reducer::L2, &FLAT));
        assert_ne!(name(Reducer::Max, &FLAT), name(Reducer::L2, &FLAT));
        assert_ne!(name(Reducer::Max, &MAP), name(Reducer::Mean, &MAP));
        let direction = |weights: &[f32]| reading(Reducer::Max, Some(weights)).name(&MAP);
        assert_ne!(direction(&[1.0, 0.0]), direction(&[0.0, 1.0]));
        assert_ne!(direction(&[1.0, 0.0]), name(Reducer::Max, &MAP));
    }

    #[test]
    fn wrong_readings_say_why() {
        let check = |reducer, direction: Option<&[f32]>, word: &str| {
            let error = reading(reducer, direction).check(&MAP).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        check(Reducer::At { row: 5, column: 0 }, None, "5 × 7 positions");
        check(Reducer::At { row: 0, column: 7 }, None, "0,7");
        check(Reducer::Max, Some(&[1.0]), "2 channels");
        check(Reducer::Max, Some(&[1.0, f32::NAN]), "finite");
        check(Reducer::Max, Some(&[0.0, 0.0]), "every image scores 0");
        assert_eq!(reading(Reducer::At { row: 4, column: 6 }, Some(&[1.0, 0.0])).check(&MAP), Ok(()));
    }

    #[test]
    fn sums_go_through_means_and_not_through_maxima() {
        let linear = |reducer, extent| reading(reducer, Some(&[1.0, 2.0])).linear(extent).is_some();
        assert!(linear(Reducer::Mean, &MAP) && linear(Reducer::Centre, &MAP) && linear(Reducer::Max, &FLAT));
        assert!(!linear(Reducer::Max, &MAP) && !linear(Reducer::L2, &MAP) && !linear(Reducer::AbsMax, &FLAT));
        assert_eq!(reading(Reducer::Mean, None).linear(&MAP), None);
    }
}
