//! What terms on a channel look at: the channel, or one position of it; its value and its gradient.

use unitscope_sdk::{Error, Float, Grid, GridMut, Param, Params, Shape};

pub const LAYER: Param = Param::layer(
    "layer",
    "The layer's path, as `unitscope models show` lists it; `:pre` for the value before its activation.",
)
.required();
pub const CHANNEL: Param =
    Param::int("channel", "The channel of the layer, counted from 0.").required().min(0.0);

/// One position of a channel; the centre, ⌊size/2⌋, where row or column is not given.
pub struct Position {
    channel: usize,
    row: Option<usize>,
    column: Option<usize>,
    found: [usize; 3],
}

impl Position {
    pub fn new(params: &Params<'_>) -> Result<Position, Error> {
        let (row, column) = (params.optional_index("row")?, params.optional_index("column")?);
        Ok(Position { channel: params.index("channel")?, row, column, found: [0; 3] })
    }

    /// Whether the request names a position at all.
    pub fn is_given(&self) -> bool {
        self.row.is_some() || self.column.is_some()
    }

    /// Finds the position in the layer's shape.
    pub fn prepare(&mut self, shape: &Shape) -> Result<(), Error> {
        shape.check_channel("channel", self.channel)?;
        let row = self.row.unwrap_or(shape.height / 2);
        let column = self.column.unwrap_or(shape.width / 2);
        shape.check_row("row", row)?;
        shape.check_column("column", column)?;
        self.found = [self.channel, row, column];
        Ok(())
    }

    pub fn value<T: Float>(&self, image: &Grid<'_, T>) -> f64 {
        image.at(self.found).to_f64()
    }

    /// Adds `share` to the gradient: the value is the element itself.
    pub fn add_gradient<T: Float>(&self, gradient: &mut GridMut<'_, T>, share: f64) {
        gradient.part(self.found, [1; 3]).add(share);
    }
}

/// The mean of a channel over space, and `share` times its gradient.
pub fn add_mean_gradient<T: Float>(gradient: &mut GridMut<'_, T>, channel: usize, share: f64) {
    let mut channel = gradient.channel(channel);
    let positions = channel.as_grid().len() as f64;
    channel.add(share / positions);
}
