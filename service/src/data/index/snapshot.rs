//! A table at one moment, to be read while the table goes on. It knows no change of a file.

use super::block::Block;
use super::error::IndexError;
use super::key::RowId;
use super::layout::Frame;
use super::segment::Segment;
use super::table::Table;
use std::sync::{Arc, Weak};

/// The rows of a table when it was taken, on disk and in memory. Appends, merges and deletion do not change it, and it does not
/// keep its table from being evicted.
///
/// Where a read fails with [`IndexError::Damaged`], the damaged segments are gone from the table by then. Whoever reads takes a
/// new snapshot, scores what is missing in it as if it were new, and reads again.
#[derive(Clone)]
pub struct Snapshot {
    table: Weak<Table>,
    id: Arc<str>,
    frame: Frame,
    pieces: Vec<Piece>,
    /// The ordinal of each piece's first row, and the number of rows.
    starts: Vec<usize>,
    version: u64,
}

/// Rows that lie together.
#[derive(Clone)]
pub(super) enum Piece {
    Segment(Arc<Segment>),
    Block(Arc<Block>),
}

impl Piece {
    fn ids(&self) -> &[RowId] {
        match self {
            Self::Segment(segment) => segment.ids(),
            Self::Block(block) => block.ids(),
        }
    }

    fn scores(&self, unit: u32) -> Result<&[f32], IndexError> {
        match self {
            Self::Segment(segment) => segment.scores(unit),
            Self::Block(block) => Ok(block.scores(unit)),
        }
    }

    fn positions(&self, unit: u32) -> Result<&[u32], IndexError> {
        match self {
            Self::Segment(segment) => segment.positions(unit),
            Self::Block(block) => Ok(block.positions(unit)),
        }
    }
}

impl Snapshot {
    pub(super) fn new(table: &Arc<Table>, pieces: Vec<Piece>, version: u64) -> Self {
        let mut starts = vec![0];
        starts.extend(pieces.iter().scan(0, |rows, piece| {
            *rows += piece.ids().len();
            Some(*rows)
        }));
        let (id, frame) = (table.id().into(), *table.frame());
        Self { table: Arc::downgrade(table), id, frame, pieces, starts, version }
    }

    /// Number of rows. Their ordinals are `0..len()`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// True where there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, in the order of their ordinals: that in which they were appended.
    pub fn row_ids(&self) -> impl Iterator<Item = &RowId> {
        self.pieces.iter().flat_map(Piece::ids)
    }

    /// A unit's scores, exactly as they were appended: slices that one after the other are all rows in the order of their
    /// ordinals. What lies on disk is compared with its checksum when it is first read.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] (see [`Snapshot`]), [`IndexError::Unit`].
    pub fn scores(&self, unit: u32) -> Result<Vec<&[f32]>, IndexError> {
        self.check(unit)?;
        for piece in &self.pieces {
            if let Piece::Segment(segment) = piece {
                segment.will_read(unit);
            }
        }
        let mut slices = Vec::with_capacity(self.pieces.len());
        let mut problem = None;
        for piece in &self.pieces {
            match piece.scores(unit) {
                Ok(slice) => slices.push(slice),
                // All of them are found, so that one more pass is enough.
                Err(error) => problem = Some(self.dropped(piece, error)),
            }
        }
        problem.map_or(Ok(slices), Err)
    }

    /// Where a unit's score of a row was found: row × width + column of the layer's map. None where the table has no
    /// positions, or no such row.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] (see [`Snapshot`]), [`IndexError::Unit`].
    pub fn position(&self, unit: u32, ordinal: usize) -> Result<Option<u32>, IndexError> {
        self.check(unit)?;
        if !self.frame.positions || ordinal >= self.len() {
            return Ok(None);
        }
        let place = self.starts.partition_point(|start| *start <= ordinal) - 1;
        let piece = &self.pieces[place];
        match piece.positions(unit) {
            Ok(positions) => Ok(Some(positions[ordinal - self.starts[place]])),
            Err(error) => Err(self.dropped(piece, error)),
        }
    }

    /// Equal for snapshots of equal ordinals: those have the same rows in the same order. No two tables share a version, and
    /// none comes twice while the process lives.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    fn check(&self, unit: u32) -> Result<(), IndexError> {
        if unit < self.frame.units {
            return Ok(());
        }
        Err(IndexError::Unit { table: self.id.to_string(), unit, units: self.frame.units })
    }

    /// Takes a damaged piece out of the table, and returns the error.
    fn dropped(&self, piece: &Piece, error: IndexError) -> IndexError {
        if let (Piece::Segment(segment), Some(table)) = (piece, self.table.upgrade()) {
            table.drop_damaged(segment, &error);
        }
        error
    }
}
