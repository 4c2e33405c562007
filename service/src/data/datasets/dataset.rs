//! One dataset as it was listed: its entries, their bytes, and what has been learned of them. It decodes nothing.

use super::catalog::{Catalog, Known, key};
use super::fresh::Watch;
use super::limits::Limits;
use super::listing::{Entry, Item, Listing, Skipped, Whence};
use super::location::Kind;
use super::read_error::ReadError;
use super::store::Store;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A dataset at one moment. Only what is known of its images grows.
pub struct Dataset {
    pub(super) name: String,
    pub(super) listing: Listing,
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    /// Whether it still holds.
    pub(super) watch: Mutex<Watch>,
    pub(super) limits: Limits,
}

impl Dataset {
    /// What the settings call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it turned out to be made of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.listing.kind
    }

    /// When its listing began.
    #[must_use]
    pub fn listed_at(&self) -> SystemTime {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).began()
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listing.entries.len()
    }

    /// Never, of a dataset that was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listing.entries.is_empty()
    }

    /// Its images, in order of path.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.listing.entries
    }

    /// Names of its classes, sorted; entries point into it.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.listing.classes
    }

    /// What was left out and why: the first [`Limits::skipped`] of [`Dataset::skipped_total`].
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.listing.skipped.named
    }

    /// How many things were left out for a reason.
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.listing.skipped.total
    }

    /// How many files or members were passed over because they are no images.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.listing.others
    }

    /// Whether reading an image waits for a network.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.store, Store::Remote(_))
    }

    /// Size of an image's file in bytes, as it was listed.
    ///
    /// # Panics
    /// If there is no such entry.
    #[must_use]
    pub fn size_bytes(&self, entry: usize) -> u64 {
        self.listing.items[entry].stamp.size_bytes
    }

    /// The bytes of an image's file, which are those that were listed: a file that has changed since is an error. Blocks, so it
    /// belongs on a thread of its own; any thread that is not running a task of the runtime will do.
    ///
    /// # Errors
    /// A [`ReadError`].
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn read(&self, entry: usize) -> Result<Vec<u8>, ReadError> {
        let path = &self.listing.entries[entry].path;
        let Item { stamp, whence } = self.listing.items[entry];
        let (bytes, limit) = (stamp.size_bytes, self.limits.file_bytes);
        if bytes > limit {
            return Err(ReadError::TooLarge { path: path.clone(), bytes, limit });
        }
        match whence {
            Whence::File => self.store.read(path, stamp, None),
            Whence::Member { shard, offset } => {
                let shard = &self.listing.shards[shard as usize];
                self.store.read(&shard.path, shard.stamp, Some(offset..offset + bytes))
            }
        }
    }

    /// What was learned of an image, now or in an earlier run, if its file has not changed since.
    ///
    /// # Panics
    /// If there is no such entry.
    #[must_use]
    pub fn known(&self, entry: usize) -> Option<Known> {
        self.catalog.get(&self.key(entry))
    }

    /// Remembers what reading an image has shown; all listings of this dataset know it then. Reasons are cut to
    /// [`Limits::reason_chars`].
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn learn(&self, entry: usize, known: Known) {
        self.catalog.learn(self.key(entry), known);
    }

    /// Writes what is known to disk, if there is news and a folder for it. What is known of files that are gone or changed is
    /// dropped once it is more than of those that are there, and more than [`Limits::stale`].
    ///
    /// # Errors
    /// Whatever the file system says; nothing is lost but time.
    pub fn save(&self) -> io::Result<()> {
        self.catalog.save((0..self.len()).map(|entry| self.key(entry)))
    }

    fn key(&self, entry: usize) -> [u8; 16] {
        key(&self.listing.entries[entry].path, self.listing.items[entry].stamp)
    }
}
