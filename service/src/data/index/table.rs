//! One table: rows come in, reach the disk, and are read through snapshots. It knows its house but no other table.

use super::TableInfo;
use super::block::{Block, Blocks};
use super::error::IndexError;
use super::house::House;
use super::key::{self, RowId, TableKey};
use super::layout::{Frame, Shape};
use super::limits::TABLE_ROWS;
use super::recover;
use super::segment::Segment;
use super::snapshot::Snapshot;
use super::state::State;
use super::used::Used;
use super::write::{Rows, write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

/// The scores of one key. While somebody holds it, it is not evicted.
///
/// Locks are taken in this order: `flushing`, the house's tables, `alive`, `state`.
pub struct Table {
    key: TableKey,
    id: String,
    frame: Frame,
    folder: PathBuf,
    created: SystemTime,
    house: Arc<House>,
    state: Mutex<State>,
    used: Used,
    /// Held while rows in memory are written, so that segments come in order.
    flushing: Mutex<()>,
    /// Read while files of the folder are changed, written when the folder goes.
    alive: RwLock<()>,
    deleted: AtomicBool,
    /// Set while the thread that merges holds it.
    pub(super) merging: AtomicBool,
}

impl Table {
    pub(super) fn new(
        house: Arc<House>,
        folder: PathBuf,
        key: TableKey,
        segments: Vec<Arc<Segment>>,
    ) -> Self {
        let created = std::fs::metadata(folder.join(key::FILE)).and_then(|file| file.modified());
        Self {
            id: key.id(),
            frame: Frame { table: key.digest(), units: key.units, positions: key.positions },
            used: Used::read(&folder),
            created: created.unwrap_or_else(|_| SystemTime::now()),
            state: Mutex::new(State::new(segments)),
            flushing: Mutex::default(),
            alive: RwLock::default(),
            deleted: AtomicBool::new(false),
            merging: AtomicBool::new(false),
            key,
            folder,
            house,
        }
    }

    /// What it is of.
    #[must_use]
    pub fn key(&self) -> &TableKey {
        &self.key
    }

    /// Whether the row is there, in memory or on disk.
    #[must_use]
    pub fn contains(&self, row: &RowId) -> bool {
        self.state().rows.as_ref().is_some_and(|rows| rows.contains(row))
    }

    /// Adds rows: `scores` and `positions` are row-major, `rows` × units; positions are row × width + column of the layer's map,
    /// and there exactly where the key has them. Rows that are there already are passed over. Once enough is in memory, the
    /// caller waits until it is on disk.
    ///
    /// # Errors
    /// [`IndexError::Rows`] and [`IndexError::Deleted`]: nothing was added. [`IndexError::Io`], [`IndexError::Full`]: the disk
    /// does not take more; what is in memory stays there and is tried again with the next append or checkpoint, and rows that
    /// came when too much was waiting were not added ([`Table::contains`] tells).
    pub fn append(
        self: &Arc<Self>,
        rows: &[RowId],
        scores: &[f32],
        positions: Option<&[u32]>,
    ) -> Result<(), IndexError> {
        self.check(rows, scores, positions)?;
        self.used.touch(&self.folder);
        let sizes = self.house.sizes;
        if self.frame.memory_bytes(self.state().rows_in_memory()) >= sizes.held_bytes {
            self.checkpoint()?;
        }
        let waiting = {
            let mut state = self.state();
            let places = state.admit(rows);
            if !places.is_empty() {
                let block = Block::new(self.frame, rows, &places, scores, positions);
                state.push(block, sizes.block_rows);
            }
            state.rows_in_memory()
        };
        if self.frame.memory_bytes(waiting) >= sizes.tail_bytes { self.checkpoint() } else { Ok(()) }
    }

    /// All that was appended is on disk when this returns.
    ///
    /// # Errors
    /// [`IndexError::Io`], [`IndexError::Full`], [`IndexError::Deleted`]; what is in memory stays there.
    pub fn checkpoint(self: &Arc<Self>) -> Result<(), IndexError> {
        let _one = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let (blocks, next) = {
            let mut state = self.state();
            (state.freeze(), state.next)
        };
        if blocks.is_empty() {
            return Ok(());
        }
        let rows: usize = blocks.iter().map(|block| block.ids().len()).sum();
        let shape = Shape { frame: self.frame, first: next, last: next, rows: rows as u64 };
        self.house.make_room(&self.id, shape.file_bytes())?;
        {
            let _alive = self.alive()?;
            let segment = self.write(&shape, &mut Blocks(&blocks))?;
            let mut state = self.state();
            state.written(blocks.len(), segment);
            state.next = next + 1;
        }
        self.house.merges.ask(self);
        Ok(())
    }

    /// The rows now, on disk and in memory. Costs some atomic counts.
    #[must_use]
    pub fn snapshot(self: &Arc<Self>) -> Snapshot {
        self.used.touch(&self.folder);
        let (pieces, version) = {
            let state = self.state();
            (state.pieces(), state.version)
        };
        Snapshot::new(self, pieces, version)
    }

    /// Writes a segment and opens it. The caller holds `alive`.
    pub(super) fn write(&self, shape: &Shape, rows: &mut dyn Rows) -> Result<Arc<Segment>, IndexError> {
        let path = write(&self.house.disk, &self.folder, shape, rows)?;
        Ok(Arc::new(Segment::open(&path, &self.frame)?))
    }

    /// Notes that it is used. The first time, checks the directories of the segments and collects the rows.
    pub(super) fn load(self: &Arc<Self>) {
        let bad = self.state().load();
        bad.iter().for_each(|(segment, error)| self.remove(segment, error));
        self.used.touch(&self.folder);
        self.house.merges.ask(self);
    }

    /// Forgets a damaged segment and removes its file.
    pub(super) fn drop_damaged(&self, segment: &Arc<Segment>, error: &IndexError) {
        if self.state().forget(segment) {
            self.remove(segment, error);
        }
    }

    fn remove(&self, segment: &Segment, error: &IndexError) {
        tracing::warn!(index = self.id, layer = self.key.layer, rows = segment.rows(), "{error}");
        self.remove_file(segment.path());
    }

    /// Removes a segment's file, unless the folder is gone.
    pub(super) fn remove_file(&self, path: &Path) {
        let Ok(_alive) = self.alive() else { return };
        if let Err(error) = self.house.disk.remove(path) {
            tracing::warn!(index = self.id, "{error}");
        }
    }

    /// Removes its folder. Snapshots stay as they are; what uses the table gets [`IndexError::Deleted`].
    pub(super) fn delete(&self) -> Result<(), IndexError> {
        // A merge that is under way sees this and ends.
        self.deleted.store(true, SeqCst);
        let _nobody_writes = self.alive.write().unwrap_or_else(PoisonError::into_inner);
        let removed = recover::remove_table(&self.house.disk, &self.folder);
        self.deleted.store(removed.is_ok(), SeqCst);
        removed
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.load(SeqCst)
    }

    /// Keeps the folder in its place while files are changed.
    pub(super) fn alive(&self) -> Result<RwLockReadGuard<'_, ()>, IndexError> {
        let alive = self.alive.read().unwrap_or_else(PoisonError::into_inner);
        if self.is_deleted() { Err(IndexError::Deleted { id: self.id.clone() }) } else { Ok(alive) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    pub(super) fn house(&self) -> &House {
        &self.house
    }

    pub(super) fn used(&self) -> &Used {
        &self.used
    }

    pub(super) fn info(&self) -> TableInfo {
        let state = self.state();
        TableInfo {
            id: self.id.clone(),
            key: self.key.clone(),
            rows: state.row_count(),
            bytes: state.bytes_on_disk(),
            segments: state.segments.len(),
            created: self.created,
            used: self.used.last(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, rows: &[RowId], scores: &[f32], positions: Option<&[u32]>) -> Result<(), IndexError> {
        let refuse = |reason: String| Err(IndexError::Rows { reason });
        if self.is_deleted() {
            return Err(IndexError::Deleted { id: self.id.clone() });
        }
        let expected = rows.len() * self.key.units as usize;
        let (count, units) = (rows.len(), self.key.units);
        if scores.len() != expected {
            return refuse(format!("{} scores of {count} rows and {units} units", scores.len()));
        }
        if positions.map(<[u32]>::len) != self.key.positions.then_some(expected) {
            let given = positions.map_or(0, <[u32]>::len);
            return refuse(format!("{given} positions of {count} rows and {units} units"));
        }
        if (self.state().row_count() + count) as u64 > TABLE_ROWS {
            return refuse(format!("an index has at most {TABLE_ROWS} rows; make one of a smaller dataset"));
        }
        Ok(())
    }
}
