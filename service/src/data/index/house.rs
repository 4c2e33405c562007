//! What the tables of one index share: the folder and its lock, the room on disk, the thread that merges. It knows no segment.

use super::disk::Disk;
use super::error::IndexError;
use super::key::TableKey;
use super::limits::{Sizes, TABLES};
use super::recover;
use super::table::Table;
use super::worker::Merges;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tables by id.
pub type Tables = BTreeMap<String, Arc<Table>>;

/// What the tables of one index share. The folder stays locked while one of them lives.
pub struct House {
    pub folder: PathBuf,
    pub cap_bytes: u64,
    pub disk: Disk,
    pub sizes: Sizes,
    pub merges: Merges,
    _lock: File,
    tables: Mutex<Tables>,
}

impl House {
    /// Locks the folder and finds its tables.
    pub fn open(
        folder: PathBuf,
        cap_bytes: u64,
        disk: Disk,
        sizes: Sizes,
        merges: Merges,
    ) -> Result<Arc<Self>, IndexError> {
        std::fs::create_dir_all(&folder).map_err(IndexError::io("create", &folder))?;
        let lock = lock(&folder)?;
        let tables = Mutex::default();
        let house = Arc::new(Self { folder, cap_bytes, disk, sizes, merges, _lock: lock, tables });
        let found = recover::tables(&house)?;
        house.tables().extend(found.into_iter().map(|table| (table.id().to_owned(), Arc::new(table))));
        // The cap may be lower than it was.
        let held = house.evict(&mut house.tables(), cap_bytes, "");
        if let Some(held) = held {
            tracing::warn!(held, cap_bytes, "the indexes take more than they may");
        }
        Ok(house)
    }

    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table of that key; makes one where there is none.
    pub fn table(self: &Arc<Self>, key: &TableKey) -> Result<Arc<Table>, IndexError> {
        key.check()?;
        let id = key.id();
        let mut tables = self.tables();
        if let Some(table) = tables.get(&id) {
            return Ok(table.clone());
        }
        if tables.len() >= TABLES && !evict_oldest(&mut tables, "") {
            let reason =
                format!("{TABLES} indexes are in use, and there may be no more; wait for their jobs");
            return Err(IndexError::Key { reason });
        }
        let folder = self.folder.join(&id);
        if folder.exists() {
            // An attempt to make it failed half-way.
            recover::remove_table(&self.disk, &folder)?;
        }
        self.disk.create_folder(&folder)?;
        if let Err(error) = key.write(&self.disk, &folder) {
            // What cannot be removed now is with the next attempt.
            let _ = recover::remove_table(&self.disk, &folder);
            return Err(error);
        }
        let table = Arc::new(Table::new(self.clone(), folder, key.clone(), Vec::new()));
        tables.insert(id, table.clone());
        Ok(table)
    }

    /// Evicts tables that nobody uses, the one that was used longest ago first, until so many bytes more may be written.
    pub fn make_room(&self, id: &str, needed: u64) -> Result<(), IndexError> {
        let mut tables = self.tables();
        let held = match self.cap_bytes.checked_sub(needed) {
            Some(most) => self.evict(&mut tables, most, id),
            None => Some(0),
        };
        let Some(held) = held else { return Ok(()) };
        Err(IndexError::Full { table: id.to_owned(), needed, held, cap: self.cap_bytes })
    }

    /// Evicts until all tables together have at most so many bytes. If that cannot be, nothing is evicted for nothing, and how
    /// many bytes would stay is returned.
    fn evict(&self, tables: &mut Tables, most: u64, but: &str) -> Option<u64> {
        let staying = total(tables.values().filter(|table| !is_idle(table) || table.id() == but));
        if staying > most {
            return Some(staying);
        }
        while total(tables.values()) > most {
            if !evict_oldest(tables, but) {
                return Some(total(tables.values()));
            }
        }
        None
    }
}

fn total<'a>(tables: impl Iterator<Item = &'a Arc<Table>>) -> u64 {
    tables.map(|table| table.state().bytes_on_disk()).sum()
}

/// True where only the house holds it, and perhaps the thread that merges.
fn is_idle(table: &Arc<Table>) -> bool {
    Arc::strong_count(table) == 1 + usize::from(table.merging.load(SeqCst))
}

/// Deletes the table that was used longest ago, of those that nobody holds; false where there is none, or it cannot be.
fn evict_oldest(tables: &mut Tables, but: &str) -> bool {
    let idle = tables.values().filter(|table| is_idle(table) && table.id() != but);
    let Some(table) = idle.min_by_key(|table| table.used().last()).cloned() else { return false };
    let (layer, bytes) = (&table.key().layer, table.state().bytes_on_disk());
    if let Err(error) = table.delete() {
        tracing::warn!(index = table.id(), "cannot be evicted: {error}");
        return false;
    }
    tracing::info!(
        index = table.id(),
        layer,
        bytes,
        "evicted: it was used longest ago, and the room is needed"
    );
    tables.remove(table.id()).is_some()
}

/// Locks the folder for this server alone, until the file is closed.
fn lock(folder: &Path) -> Result<File, IndexError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(IndexError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(IndexError::io("lock", &path)(error)),
    }
}
