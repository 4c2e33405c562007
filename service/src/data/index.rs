//! The activation index on disk: every unit's score of every image that was scored. It knows no model, no dataset and no job.
//!
//! A table has a folder `<id>` with `key.json`, its segments, and the time of its last use. A segment is a file that is there
//! whole or not at all: it is written under another name, flushed, renamed, and its folder flushed. It is never written again.
//! Rows gather in memory, then in small segments, which one background thread merges into large ones (`index/merge.rs`).
//!
//! What is damaged is found before it is believed: a segment's header and length when the index is opened (a page is read), its
//! rows' ids and list of checksums when its table is first asked for, and a unit's column when it is first read. So opening costs
//! nothing, and a query checks no more than it reads. A damaged segment is dropped whole, with a warning; its rows are then missing
//! and are scored again. A row is in a table once: segments say which appends they hold, so that parts that survive beside what
//! they were merged into (a crash came between) are known as such and removed.

mod block;
mod disk;
mod error;
mod house;
mod key;
mod layout;
mod limits;
mod merge;
mod recover;
mod rows;
mod segment;
mod snapshot;
mod state;
mod table;
mod used;
mod worker;
mod write;

#[cfg(test)]
mod tests;

pub use error::IndexError;
pub use key::{RowId, TableKey};
pub use snapshot::Snapshot;
pub use table::Table;

use disk::Disk;
use house::House;
use limits::Sizes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use worker::{Merges, Worker};

/// The tables of one folder.
pub struct Index {
    house: Arc<House>,
    worker: Option<Worker>,
}

/// What is known of a table.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// 32 hexadecimal digits, see [`TableKey::id`].
    pub id: String,
    /// What it is of.
    pub key: TableKey,
    /// On disk and in memory.
    pub rows: usize,
    /// Of its segments.
    pub bytes: u64,
    /// Number of files.
    pub segments: usize,
    /// When it was made.
    pub created: SystemTime,
    /// When it was last asked for, appended to or read; to the minute across restarts.
    pub used: SystemTime,
}

impl Index {
    /// Opens the index in a folder, which is made where there is none, and keeps it to `cap_bytes` of segments. While a merge is
    /// written, its parts are there as well.
    ///
    /// # Errors
    /// [`IndexError::Locked`], [`IndexError::Io`].
    pub fn open(folder: PathBuf, cap_bytes: u64) -> Result<Self, IndexError> {
        Self::open_with(folder, cap_bytes, Disk::default(), Sizes::default())
    }

    fn open_with(folder: PathBuf, cap_bytes: u64, disk: Disk, sizes: Sizes) -> Result<Self, IndexError> {
        let (merges, queue) = Merges::new();
        let house = House::open(folder, cap_bytes, disk, sizes, merges.clone())?;
        let mut index = Self { house, worker: None };
        let worker = Worker::start(merges, queue);
        index.worker = Some(worker.map_err(IndexError::io("start a thread for", &index.house.folder))?);
        Ok(index)
    }

    /// The table of that key; makes one where there is none. The first time, the ids of its rows are read and checked: some
    /// 0.2 s for a million.
    ///
    /// # Errors
    /// [`IndexError::Key`], [`IndexError::Io`].
    pub fn table(&self, key: &TableKey) -> Result<Arc<Table>, IndexError> {
        let table = self.house.table(key)?;
        table.load();
        Ok(table)
    }

    /// All tables, in the order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<TableInfo> {
        self.house.tables().values().map(|table| table.info()).collect()
    }

    /// Deletes a table. Snapshots of it stay readable; whoever appends to it gets [`IndexError::Deleted`].
    ///
    /// # Errors
    /// [`IndexError::Unknown`], [`IndexError::Io`].
    pub fn delete(&self, id: &str) -> Result<(), IndexError> {
        let mut tables = self.house.tables();
        // An answer need not repeat kilobytes.
        let unknown = || IndexError::Unknown { id: id.chars().take(32).collect() };
        tables.get(id).ok_or_else(unknown)?.delete()?;
        tables.remove(id);
        Ok(())
    }
}

impl Drop for Index {
    /// Rows in memory are lost where [`Table::checkpoint`] was not called.
    fn drop(&mut self) {
        self.worker = None;
        // The tables hold the house, and with it the folder's lock.
        self.house.tables().clear();
    }
}
