//! What is known of images without reading them again: their rows, or why they are broken, by path and stamp. Only a cache:
//! without it, or with a damaged one, images are read once more. It knows no dataset's listing.

use super::limits::Limits;
use super::listing::Stamp;
use super::sealed;
use super::shards::ShardIndex;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::{fs, io};

/// What is known of an image's file as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The first half of BLAKE3 of its bytes.
    Row([u8; 16]),
    /// Why it cannot be decoded.
    Broken(String),
}

/// Path and stamp of an image or shard: the first half of their BLAKE3.
pub(super) type Key = [u8; 16];

/// What is known of the images of one dataset, for all its listings.
pub(super) struct Catalog {
    /// Where it is kept, if it is.
    folder: Option<PathBuf>,
    /// Begins the names of its files.
    stem: String,
    limits: Limits,
    known: RwLock<HashMap<Key, Known>>,
    changed: AtomicBool,
    saving: Mutex<()>,
}

/// Bytes of a key and a row.
const RECORD_BYTES: usize = 32;

/// The row of an image of these bytes: the first half of their BLAKE3.
#[must_use]
pub fn row_of(bytes: &[u8]) -> [u8; 16] {
    half(blake3::hash(bytes))
}

pub(super) fn half(digest: blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_bytes()[..16]);
    half
}

pub(super) fn key(path: &str, stamp: Stamp) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&stamp.size_bytes.to_le_bytes())
        .update(&stamp.version.to_le_bytes())
        .update(path.as_bytes());
    half(hasher.finalize())
}

impl Catalog {
    /// Reads the catalog of a dataset of that name and location, if `folder` has it.
    pub fn open(folder: Option<PathBuf>, name: &str, location: &str, limits: &Limits) -> Self {
        let place = blake3::hash(location.as_bytes()).to_hex();
        let stem = format!("{name}-{}", &place[..8]);
        let catalog = Self {
            folder,
            stem,
            limits: limits.clone(),
            known: RwLock::default(),
            changed: AtomicBool::new(false),
            saving: Mutex::default(),
        };
        *catalog.known.write().unwrap_or_else(PoisonError::into_inner) = catalog.read().unwrap_or_default();
        catalog
    }

    pub fn get(&self, key: &Key) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn learn(&self, key: Key, known: Known) {
        let known = match known {
            Known::Broken(reason) => Known::Broken(reason.chars().take(self.limits.reason_chars).collect()),
            row @ Known::Row(_) => row,
        };
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Those of all listings since the start; `save` lets go of what the last one lacks.
        if (all.len() < self.limits.entries.saturating_mul(2) || all.contains_key(&key))
            && all.get(&key) != Some(&known)
        {
            all.insert(key, known);
            self.changed.store(true, Ordering::Release);
        }
    }

    /// Writes it where it is kept. Once it knows too many that are not in `live`, only what is there stays.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn save(&self, live: impl Iterator<Item = Key>) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).len();
        if known > self.limits.stale {
            let live: HashSet<Key> = live.collect();
            if known - live.len().min(known) > live.len().max(self.limits.stale) {
                let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
                all.retain(|key, _| live.contains(key));
            }
        }
        let (rows, broken) = self.encode()?;
        let written =
            sealed::write(folder, &self.file(), &[&(rows.len() as u64).to_le_bytes(), &rows, &broken]);
        if written.is_err() {
            self.changed.store(true, Ordering::Release);
        }
        written
    }

    fn encode(&self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let all = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Vec::with_capacity(all.len() * RECORD_BYTES);
        let mut broken = Vec::new();
        for (key, known) in all.iter() {
            match known {
                Known::Row(row) => rows.extend(key.iter().chain(row)),
                Known::Broken(reason) => broken.push((key, reason)),
            }
        }
        Ok((rows, serde_json::to_vec(&broken)?))
    }

    fn read(&self) -> Option<HashMap<Key, Known>> {
        let path = self.folder.as_ref()?.join(self.file());
        let content = sealed::read(&path, self.limits.catalog_bytes)?;
        let (bytes, rest) = content.split_first_chunk::<8>()?;
        let (rows, broken) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*bytes)).ok()?)?;
        let broken: Vec<(Key, String)> = serde_json::from_slice(broken).ok()?;
        let mut all: HashMap<Key, Known> =
            broken.into_iter().map(|(key, reason)| (key, Known::Broken(reason))).collect();
        for record in rows.as_chunks::<RECORD_BYTES>().0 {
            let (key, row) = (record.first_chunk()?, record.last_chunk()?);
            all.insert(*key, Known::Row(*row));
        }
        Some(all)
    }

    fn file(&self) -> String {
        format!("{}.catalog", self.stem)
    }

    /// The members of a shard that was read before.
    pub fn shard(&self, key: &Key) -> Option<ShardIndex> {
        let path = self.shards()?.join(shard_file(key));
        serde_json::from_slice(&sealed::read(&path, self.limits.catalog_bytes)?).ok()
    }

    /// Keeps the members of a shard. That it cannot be kept costs time later, and is only logged.
    pub fn keep_shard(&self, key: &Key, index: &ShardIndex) {
        let Some(folder) = self.shards() else { return };
        let json = serde_json::to_vec(index).map_err(io::Error::from);
        if let Err(error) = json.and_then(|json| sealed::write(&folder, &shard_file(key), &[&json])) {
            tracing::warn!(folder = %folder.display(), "a shard's members cannot be kept: {error}");
        }
    }

    /// Lets go of the members of all other shards.
    pub fn sweep_shards(&self, live: &[Key]) {
        let live: HashSet<String> = live.iter().map(shard_file).collect();
        let Some(Ok(files)) = self.shards().map(fs::read_dir) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(".json") && !live.contains(name)) {
                // What stays is only a waste of space, and goes next time.
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn shards(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{}.shards", self.stem)))
    }
}

fn shard_file(key: &Key) -> String {
    format!("{:032x}.json", u128::from_be_bytes(*key))
}
