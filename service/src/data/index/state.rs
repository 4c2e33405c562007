//! What a table holds: segments, rows on their way to disk, rows in memory. It knows no lock and no file.

use super::block::{self, Block};
use super::error::IndexError;
use super::key::RowId;
use super::rows::RowSet;
use super::segment::Segment;
use super::snapshot::Piece;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a table holds, in the order of appends: first `segments`, then `frozen`, then `open`.
#[derive(Default)]
pub struct State {
    pub segments: Vec<Arc<Segment>>,
    /// Rows that are being written, or could not be.
    pub frozen: Vec<Arc<Block>>,
    pub open: Vec<Arc<Block>>,
    /// All rows, once the table was asked for.
    pub rows: Option<RowSet>,
    /// Changes with the ordinals.
    pub version: u64,
    /// The number of the next segment's first append.
    pub next: u64,
}

impl State {
    pub fn new(segments: Vec<Arc<Segment>>) -> Self {
        let next = segments.last().map_or(1, |segment| segment.shape().last + 1);
        Self { segments, next, version: new_version(), ..Self::default() }
    }

    /// Checks the directories of the segments and collects the rows, the first time. Returns the segments that are damaged,
    /// which are forgotten.
    pub fn load(&mut self) -> Vec<(Arc<Segment>, IndexError)> {
        let mut bad = Vec::new();
        if self.rows.is_none() {
            let mut rows = RowSet::with_capacity_and_hasher(self.row_count(), Default::default());
            self.segments.retain(|segment| match collect(segment, &mut rows) {
                Ok(()) => true,
                Err(error) => {
                    bad.push((segment.clone(), error));
                    false
                }
            });
            self.rows = Some(rows);
            self.version = new_version();
        }
        bad
    }

    pub fn pieces(&self) -> Vec<Piece> {
        let segments = self.segments.iter().cloned().map(Piece::Segment);
        segments.chain(self.blocks().cloned().map(Piece::Block)).collect()
    }

    pub fn blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.frozen.iter().chain(&self.open)
    }

    /// Places in `ids` of the rows that are not there yet, each row once; they are there afterwards, and the caller adds them.
    pub fn admit(&mut self, ids: &[RowId]) -> Vec<usize> {
        let rows = self.rows.get_or_insert_default();
        (0..ids.len()).filter(|&place| rows.insert(ids[place])).collect()
    }

    pub fn push(&mut self, block: Block, most_rows: usize) {
        block::push(&mut self.open, block, most_rows);
        self.version = new_version();
    }

    /// Nothing is added to what is in memory now.
    pub fn freeze(&mut self) -> Vec<Arc<Block>> {
        self.frozen.append(&mut self.open);
        self.frozen.clone()
    }

    /// The first so many frozen blocks are this segment now.
    pub fn written(&mut self, blocks: usize, segment: Arc<Segment>) {
        self.frozen.drain(..blocks);
        self.segments.push(segment);
    }

    /// Puts a merged segment in the place of its parts; false where they are not all there any more.
    pub fn replace(&mut self, parts: &[Arc<Segment>], merged: Arc<Segment>) -> bool {
        let Some(range) = self.find(parts) else { return false };
        self.segments.splice(range, [merged]);
        true
    }

    fn find(&self, parts: &[Arc<Segment>]) -> Option<Range<usize>> {
        let head = parts.first()?;
        let first = self.segments.iter().position(|segment| Arc::ptr_eq(segment, head))?;
        let range = first..first + parts.len();
        let found = self.segments.get(range.clone())?;
        found.iter().zip(parts).all(|(a, b)| Arc::ptr_eq(a, b)).then_some(range)
    }

    /// Forgets a segment and its rows; false where it is gone already.
    pub fn forget(&mut self, segment: &Arc<Segment>) -> bool {
        let count = self.segments.len();
        self.segments.retain(|other| !Arc::ptr_eq(other, segment));
        if self.segments.len() == count {
            return false;
        }
        // Collected anew: the ids of what is damaged are not to be relied on.
        let segments = self.segments.iter().flat_map(|segment| segment.ids());
        let rows = segments.chain(self.blocks().flat_map(|block| block.ids())).copied().collect();
        self.rows = Some(rows);
        self.version = new_version();
        true
    }

    /// Number of rows; what is not checked yet is believed.
    pub fn row_count(&self) -> usize {
        let segments: usize = self.segments.iter().map(|segment| segment.rows()).sum();
        segments + self.blocks().map(|block| block.ids().len()).sum::<usize>()
    }

    /// Rows that are not on disk.
    pub fn rows_in_memory(&self) -> usize {
        self.blocks().map(|block| block.ids().len()).sum()
    }

    pub fn bytes_on_disk(&self) -> u64 {
        self.segments.iter().map(|segment| segment.shape().file_bytes()).sum()
    }
}

/// A number that no table had before, in this process.
fn new_version() -> u64 {
    static VERSIONS: AtomicU64 = AtomicU64::new(1);
    VERSIONS.fetch_add(1, Relaxed)
}

/// Checks a segment's directory, and adds its rows to those before.
fn collect(segment: &Segment, rows: &mut RowSet) -> Result<(), IndexError> {
    segment.check_directory()?;
    let ids = segment.ids();
    if let Some(place) = ids.iter().position(|id| !rows.insert(*id)) {
        // Those before it came with this segment.
        for id in &ids[..place] {
            rows.remove(id);
        }
        return Err(IndexError::damaged(segment.path(), "it holds rows that are there already"));
    }
    Ok(())
}
