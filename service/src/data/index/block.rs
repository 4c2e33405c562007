//! Rows in memory, a column a unit like in a segment. It knows no file.

use super::error::IndexError;
use super::key::RowId;
use super::layout::{Frame, Kind};
use super::write::Rows;
use std::sync::Arc;

/// Rows of a row-major matrix that are turned at once, so that what is read is still near when the next unit comes.
const TURNED_ROWS: usize = 64;

/// Some rows of a table.
pub struct Block {
    frame: Frame,
    ids: Vec<RowId>,
    /// Each unit's scores, then each unit's positions, all as bits.
    columns: Vec<u32>,
}

impl Block {
    /// The rows of these places out of row-major scores and positions.
    pub fn new(
        frame: Frame,
        ids: &[RowId],
        places: &[usize],
        scores: &[f32],
        positions: Option<&[u32]>,
    ) -> Self {
        let (rows, units) = (places.len(), frame.units as usize);
        let mut columns = vec![0; rows * frame.columns() as usize];
        let (low, high) = columns.split_at_mut(rows * units);
        turn(bytemuck::cast_slice(scores), units, places, low);
        if let Some(positions) = positions {
            turn(positions, units, places, high);
        }
        Self { frame, ids: places.iter().map(|&place| ids[place]).collect(), columns }
    }

    /// The rows of one, then those of the other.
    pub fn joined(&self, other: &Self) -> Self {
        let mut columns = Vec::with_capacity(self.columns.len() + other.columns.len());
        let pairs =
            self.columns.chunks_exact(self.ids.len()).zip(other.columns.chunks_exact(other.ids.len()));
        for (own, others) in pairs {
            columns.extend_from_slice(own);
            columns.extend_from_slice(others);
        }
        Self { frame: self.frame, ids: [&*self.ids, &*other.ids].concat(), columns }
    }

    pub fn ids(&self) -> &[RowId] {
        &self.ids
    }

    pub fn scores(&self, unit: u32) -> &[f32] {
        bytemuck::cast_slice(self.column(Kind::Scores, unit))
    }

    pub fn positions(&self, unit: u32) -> &[u32] {
        self.column(Kind::Positions, unit)
    }

    fn column(&self, kind: Kind, unit: u32) -> &[u32] {
        let rows = self.ids.len();
        let column = self.frame.column(kind, unit) as usize;
        &self.columns[column * rows..(column + 1) * rows]
    }
}

/// Puts the rows of these places, of a matrix of so many columns, column by column.
fn turn(matrix: &[u32], width: usize, places: &[usize], turned: &mut [u32]) {
    for (chunk, places_of_chunk) in places.chunks(TURNED_ROWS).enumerate() {
        for column in 0..width {
            let begin = column * places.len() + chunk * TURNED_ROWS;
            let values = places_of_chunk.iter().map(|place| matrix[place * width + column]);
            turned[begin..begin + places_of_chunk.len()]
                .iter_mut()
                .zip(values)
                .for_each(|(to, value)| *to = value);
        }
    }
}

/// Adds a block, and joins it with those before it of up to `most_rows` together, as a binary counter carries: each row is
/// copied at most log2(`most_rows`) times.
pub fn push(blocks: &mut Vec<Arc<Block>>, block: Block, most_rows: usize) {
    blocks.push(Arc::new(block));
    while let [.., before, last] = &blocks[..] {
        let (small, large) = (last.ids.len(), before.ids.len());
        if large > 2 * small || large + small > most_rows {
            break;
        }
        let joined = before.joined(last);
        blocks.truncate(blocks.len() - 2);
        blocks.push(Arc::new(joined));
    }
}

/// Blocks, to be written one after the other.
pub struct Blocks<'a>(pub &'a [Arc<Block>]);

impl Rows for Blocks<'_> {
    fn ids(&self) -> Vec<&[RowId]> {
        self.0.iter().map(|block| block.ids()).collect()
    }

    fn column(&mut self, kind: Kind, unit: u32, bytes: &mut Vec<u8>) -> Result<(), IndexError> {
        let columns = self.0.iter().map(|block| block.column(kind, unit));
        columns.for_each(|column| bytes.extend_from_slice(bytemuck::cast_slice(column)));
        Ok(())
    }
}
