//! Where the images of a dataset lie in a table of the index, in the order of their ids. It knows no unit.

use crate::data::datasets::{Dataset, Known};
use crate::data::index::{RowId, Snapshot};
use crate::limits::UNREADABLE_RETRY;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A listing of a dataset, with what came to light since it was made.
pub struct Roll {
    /// The listing.
    pub dataset: Arc<Dataset>,
    /// Images that could not be read, when, and why.
    unreadable: Mutex<HashMap<u32, (Instant, String)>>,
    /// Places that were worked out: by table and version of its rows.
    places: Mutex<Vec<(String, u64, Arc<Places>)>>,
}

/// All images of a dataset that have scores, in the order of their ids, then of their paths.
pub struct Places {
    /// Each image's id, and its entry in the dataset.
    pub images: Vec<(RowId, u32)>,
    /// Where each lies in the table.
    pub ordinals: Vec<u32>,
    /// Paths of images that are left out, with reasons, first those that the listing left out.
    pub skipped: Vec<(String, String)>,
    /// How many are left out in all: the listing does not name all of its own.
    pub skipped_total: u64,
}

/// Tables whose places are remembered for one dataset; a million images take 24 MB for each.
const REMEMBERED: usize = 16;

impl Roll {
    /// Of a listing about which nothing is known yet but what the dataset knows.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        Self { dataset, unreadable: Mutex::default(), places: Mutex::default() }
    }

    /// Notes that an image could not be read.
    pub fn unreadable(&self, entry: u32, reason: String) {
        lock(&self.unreadable).insert(entry, (Instant::now(), reason));
    }

    /// How many images are listed.
    pub fn len(&self) -> u32 {
        // A listing has far fewer than 2^32 entries: see its limits.
        u32::try_from(self.dataset.len()).unwrap_or(u32::MAX)
    }

    /// Where the images lie; or those that have to be scored first. Images that could not be read a while ago are among these.
    pub fn places(&self, table: &str, snapshot: &Snapshot) -> Result<Arc<Places>, Vec<u32>> {
        self.forgive();
        let version = snapshot.version();
        let known = |(id, of, _): &&(String, u64, Arc<Places>)| id == table && *of == version;
        if let Some((_, _, places)) = lock(&self.places).iter().find(known) {
            return Ok(places.clone());
        }
        let places = Arc::new(self.find(snapshot)?);
        let mut all = lock(&self.places);
        all.retain(|(id, ..)| id != table);
        if all.len() >= REMEMBERED {
            all.remove(0);
        }
        all.push((table.to_owned(), version, places.clone()));
        Ok(places)
    }

    fn find(&self, snapshot: &Snapshot) -> Result<Places, Vec<u32>> {
        let ordinals: HashMap<&RowId, u32> = snapshot.row_ids().zip(0..).collect();
        let listing = self.dataset.skipped().iter().map(|file| (file.path.clone(), file.reason.clone()));
        let mut skipped: Vec<(String, String)> = listing.collect();
        let unnamed = self.dataset.skipped_total().saturating_sub(skipped.len() as u64);
        let mut missing = Vec::new();
        let mut found: Vec<(RowId, u32, u32)> = Vec::with_capacity(self.dataset.len());
        let unreadable = lock(&self.unreadable);
        for (entry, path) in (0_u32..).zip(self.dataset.entries().iter().map(|entry| &entry.path)) {
            let known = self.dataset.known(entry as usize);
            let ordinal = match &known {
                Some(Known::Row(row)) => ordinals.get(row).map(|ordinal| (*row, *ordinal)),
                _ => None,
            };
            match (ordinal, known, unreadable.get(&entry)) {
                (Some((row, ordinal)), ..) => found.push((row, entry, ordinal)),
                (None, Some(Known::Broken(reason)), _) => skipped.push((path.clone(), reason)),
                (None, _, Some((_, reason))) => skipped.push((path.clone(), reason.clone())),
                (None, _, None) => missing.push(entry),
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        // Entries are in order of path.
        found.sort_unstable();
        Ok(Places {
            images: found.iter().map(|&(row, entry, _)| (row, entry)).collect(),
            ordinals: found.iter().map(|&(_, _, ordinal)| ordinal).collect(),
            skipped_total: skipped.len() as u64 + unnamed,
            skipped,
        })
    }

    /// Lets images that could not be read a while ago be tried again.
    fn forgive(&self) {
        let mut unreadable = lock(&self.unreadable);
        let before = unreadable.len();
        unreadable.retain(|_, (when, _)| when.elapsed() < UNREADABLE_RETRY);
        if unreadable.len() < before {
            lock(&self.places).clear();
        }
    }
}

/// Every change is made whole under the lock, so that a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
