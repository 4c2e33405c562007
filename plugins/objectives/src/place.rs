//! All of a layer's space, or one position of it, for `direction` and `target`.

use unitscope_sdk::{Error, Float, Grid, GridMut, Param, Params, Shape};

pub const ROW: Param =
    Param::int("row", "The row, counted from 0; the middle one if only `column` is given.").min(0.0);
pub const COLUMN: Param =
    Param::int("column", "The column, counted from 0; the middle one if only `row` is given.").min(0.0);

/// All positions; or the one that is given, at ⌊size/2⌋ where only one of row and column is.
pub struct Place {
    row: Option<usize>,
    column: Option<usize>,
    start: [usize; 2],
    sizes: [usize; 2],
}

impl Place {
    pub fn new(params: &Params<'_>) -> Result<Place, Error> {
        let (row, column) = (params.optional_index("row")?, params.optional_index("column")?);
        Ok(Place { row, column, start: [0; 2], sizes: [0; 2] })
    }

    /// Finds the place in the layer's shape.
    pub fn prepare(&mut self, shape: &Shape) -> Result<(), Error> {
        if self.row.is_none() && self.column.is_none() {
            (self.start, self.sizes) = ([0; 2], [shape.height, shape.width]);
            return Ok(());
        }
        let row = self.row.unwrap_or(shape.height / 2);
        let column = self.column.unwrap_or(shape.width / 2);
        shape.check_row("row", row)?;
        shape.check_column("column", column)?;
        (self.start, self.sizes) = ([row, column], [1; 2]);
        Ok(())
    }

    /// The place, in all channels.
    pub fn of<'a, T: Float>(&self, image: &Grid<'a, T>) -> Grid<'a, T> {
        let ([row, column], [height, width]) = (self.start, self.sizes);
        image.part([0, row, column], [image.sizes()[0], height, width])
    }

    /// The place, in all channels, to be written.
    pub fn of_mut<'a, T: Float>(&self, gradient: &'a mut GridMut<'_, T>) -> GridMut<'a, T> {
        let ([row, column], [height, width]) = (self.start, self.sizes);
        let channels = gradient.as_grid().sizes()[0];
        gradient.part([0, row, column], [channels, height, width])
    }
}
