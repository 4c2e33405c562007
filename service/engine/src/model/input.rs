//! What an export says about the size of its input, and what is refused because of it.

use std::ops::RangeInclusive;

use super::error::ModelError;
use super::layers::Axis;

/// The dimensions that an export fixed: every pass has exactly this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FixedInput {
    /// Images per pass.
    pub batch: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Pixels.
    pub width: Option<u32>,
}

/// The shape of the image that a graph takes, `[n, c, h, w]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputShape {
    /// The argument's name in the network's `forward`.
    pub name: String,
    /// Number of channels.
    pub channels: u32,
    /// Images per pass.
    pub batch: Extent,
    /// Pixels.
    pub height: Extent,
    /// Pixels.
    pub width: Extent,
}

/// The sizes that one dimension may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// This one only.
    Fixed(u32),
    /// A range, both ends included. Dimensions of the same symbol have the same size.
    Dynamic {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
        /// The symbolic expression.
        symbol: String,
    },
}

impl Extent {
    /// The size, if there is only one.
    pub fn fixed(&self) -> Option<u32> {
        match self {
            Self::Fixed(size) => Some(*size),
            Self::Dynamic { .. } => None,
        }
    }
}

impl InputShape {
    /// The fixed dimensions.
    pub fn fixed(&self) -> FixedInput {
        FixedInput { batch: self.batch.fixed(), height: self.height.fixed(), width: self.width.fixed() }
    }

    /// Whether the graph runs on `batch` images of this size.
    ///
    /// # Errors
    /// [`ModelError::Input`], which names the `dynamic_shapes` to export with.
    pub fn check(&self, batch: u32, height: u32, width: u32) -> Result<(), ModelError> {
        match self.refusals(batch, height, width).into_iter().next() {
            Some((_, reason)) => Err(ModelError::Input(reason)),
            None => Ok(()),
        }
    }

    /// Every dimension that does not fit, with the rule and the `dynamic_shapes` to export with.
    pub fn refusals(&self, batch: u32, height: u32, width: u32) -> Vec<(Axis, String)> {
        let axes = [
            (Axis::Batch, "batch size", &self.batch, batch),
            (Axis::Height, "height", &self.height, height),
            (Axis::Width, "width", &self.width, width),
        ];
        let refused = |(axis, name, extent, asked): (Axis, &str, &Extent, u32)| {
            let rule = match *extent {
                Extent::Fixed(size) if size != asked => format!("the export fixed it to {size}"),
                Extent::Dynamic { min, max: u32::MAX, .. } if asked < min => {
                    format!("the export allows no less than {min}")
                }
                Extent::Dynamic { min, max, .. } if !(min..=max).contains(&asked) => {
                    format!("the export allows {min} to {max}")
                }
                _ => return None,
            };
            Some((axis, format!("the input's {name} is {asked}, but {rule}; {}", self.advice())))
        };
        let mut refusals: Vec<(Axis, String)> = axes.into_iter().filter_map(refused).collect();
        if let (Extent::Dynamic { symbol: a, .. }, Extent::Dynamic { symbol: b, .. }) =
            (&self.height, &self.width)
            && a == b
            && height != width
        {
            let reason = format!(
                "the input is {height}×{width} px, but the export allows square images only; {}",
                self.advice()
            );
            refusals.push((Axis::Height, reason));
        }
        refusals
    }

    /// The numbers of images that a pass may have.
    pub fn batches(&self) -> RangeInclusive<u32> {
        match self.batch {
            Extent::Fixed(batch) => batch..=batch,
            Extent::Dynamic { min, max, .. } => min..=max,
        }
    }

    /// How many images the shapes of layers are found for: two, where that many may be, since an axis of one may be another than the batch's.
    pub fn listed_batch(&self) -> u32 {
        let batches = self.batches();
        if batches.contains(&2) { 2 } else { *batches.start() }
    }

    /// The line that makes every dimension free.
    fn advice(&self) -> String {
        format!(
            "ask for that, or export with dynamic_shapes={{\"{}\": {{0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}}}} \
             (from torch.export import Dim)",
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamic(min: u32, symbol: &str) -> Extent {
        Extent::Dynamic { min, max: 512, symbol: symbol.to_owned() }
    }

    fn check(size: [u32; 3], word: Option<&str>) {
        let input = InputShape {
            name: "x".to_owned(),
            channels: 3,
            batch: Extent::Fixed(2),
            height: dynamic(8, "s0"),
            width: dynamic(8, "s0"),
        };
        match (input.check(size[0], size[1], size[2]), word) {
            (Ok(()), None) => {}
            (Err(error), Some(word)) => {
                let error = error.to_string();
                assert!(
                    error.contains(word) && error.contains("dynamic_shapes={\"x\": {0: Dim.AUTO"),
                    "{error}"
                );
            }
            (result, word) => panic!("{size:?}: {result:?}, expected {word:?}"),
        }
    }

    #[test]
    fn names_the_dimension_and_the_line_to_export_with() {
        check([2, 32, 32], None);
        check([1, 32, 32], Some("batch size is 1, but the export fixed it to 2"));
        check([2, 7, 7], Some("height is 7, but the export allows 8 to 512"));
        check([2, 513, 513], Some("height is 513"));
        check([2, 32, 40], Some("square"));
    }
}
