//! Where the images of a dataset lie in a table of the index, in the order of their ids. It knows no unit.

use crate::data::datasets::{Dataset, Known};
use crate::data::index::{RowId, Snapshot};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A listing of a dataset, with what came to light since it was made.
pub struct Roll {
    /// The listing.
    pub dataset: Arc<Dataset>,
    /// Images that could not be read, and why; they are tried again with the next listing.
    unreadable: Mutex<HashMap<u32, String>>,
    /// Places that were worked out: by table and version of its rows.
    places: Mutex<Vec<(String, u64, Arc<Places>)>>,
}

/// All images of a dataset that have scores, in the order of their ids, then of their paths.
pub struct Places {
    /// Each image's id, and its entry in the dataset.
    pub images: Vec<(RowId, u32)>,
    /// Where each lies in the table.
    pub ordinals: Vec<u32>,
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
        lock(&self.unreadable).insert(entry, reason);
    }

    /// Paths of images that are left out, with reasons, first those that the listing left out; and how many are left out in all, which may be more.
    pub fn skipped(&self) -> (Vec<(String, String)>, u64) {
        let listing = self.dataset.skipped().iter().map(|file| (file.path.clone(), file.reason.clone()));
        let mut skipped: Vec<(String, String)> = listing.collect();
        let unnamed = self.dataset.skipped_total().saturating_sub(skipped.len() as u64);
        let unreadable = lock(&self.unreadable);
        for (place, entry) in (0_u32..).zip(self.dataset.entries()) {
            let reason = match self.dataset.known(place as usize) {
                Some(Known::Broken(reason)) => Some(reason),
                _ => unreadable.get(&place).cloned(),
            };
            skipped.extend(reason.map(|reason| (entry.path.clone(), reason)));
        }
        let total = skipped.len() as u64 + unnamed;
        (skipped, total)
    }

    /// How many images are listed.
    pub fn len(&self) -> u32 {
        // A listing has far fewer than 2^32 entries: see its limits.
        u32::try_from(self.dataset.len()).unwrap_or(u32::MAX)
    }

    /// Where the images lie; or those that have to be scored first.
    pub fn places(&self, table: &str, snapshot: &Snapshot) -> Result<Arc<Places>, Vec<u32>> {
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
        let mut missing = Vec::new();
        let mut found: Vec<(RowId, u32, u32)> = Vec::with_capacity(self.dataset.len());
        let unreadable = lock(&self.unreadable);
        for entry in 0..self.len() {
            match self.dataset.known(entry as usize) {
                Some(Known::Row(row)) => match ordinals.get(&row) {
                    Some(ordinal) => found.push((row, entry, *ordinal)),
                    // Its file may have gone since its content was last seen.
                    None if unreadable.contains_key(&entry) => {}
                    None => missing.push(entry),
                },
                Some(Known::Broken(_)) => {}
                None if unreadable.contains_key(&entry) => {}
                None => missing.push(entry),
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
        })
    }
}

/// Every change is made whole under the lock, so that a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
