//! Every cap on datasets, with its reason. It knows no dataset.

use std::time::Duration;

/// What a dataset may be. All but tests use the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Images of one dataset. Each costs about 300 bytes of memory while it is listed, 6 GB together; ImageNet-21k has 14 million.
    pub entries: usize,
    /// Classes of one dataset: ImageNet-21k has 21,843. Statistics per class and unit are kept in memory.
    pub classes: usize,
    /// Folders of one dataset. Each is looked at when the dataset is opened again, about 1 µs; symbolic links can multiply them.
    pub folders: usize,
    /// Folders within folders. Deeper trees are made by accident or with malice.
    pub depth: usize,
    /// Bytes of a path within the dataset: what Linux takes (`PATH_MAX`).
    pub path_bytes: usize,
    /// Bytes of a class's name. A longer text beside an image is a caption, not a class.
    pub class_bytes: usize,
    /// Bytes of a manifest, which is read into memory: 20 million lines of 50 bytes.
    pub manifest_bytes: u64,
    /// Bytes of an image file, which is read into memory by each worker. The largest JPEGs of common datasets have 15 MB.
    pub file_bytes: u64,
    /// What was left out and is named; the rest is counted. A page of a result.
    pub skipped: usize,
    /// Bytes that headers of one member of a shard may take: a path and its attributes. The tar reader keeps them in memory.
    pub header_bytes: u64,
    /// Bytes of a catalog file: 32 for each known image of two listings.
    pub catalog_bytes: u64,
    /// Images that a catalog may know although their files are gone or changed; as many as are there it may know anyway.
    pub stale: usize,
    /// Characters of the reason why an image is broken, as the catalog keeps it: a line or two.
    pub reason_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 20_000_000,
            classes: 100_000,
            folders: 1_000_000,
            depth: 32,
            path_bytes: 4096,
            class_bytes: 256,
            manifest_bytes: 1 << 30,
            file_bytes: 64 << 20,
            skipped: 1000,
            header_bytes: 1 << 20,
            catalog_bytes: 2 << 30,
            stale: 1 << 16,
            reason_chars: 200,
        }
    }
}

/// How long a listing is taken for fresh if nothing that is cheap to look at has changed. Edits of files in place, and objects in a
/// store, are seen after that.
pub const FRESH: Duration = Duration::from_secs(60);

/// A folder that changed less than this before it was listed may have changed again within the same tick of the file system's clock:
/// 2 s on FAT, 1 s on HFS+ and ext3, milliseconds elsewhere.
pub const SETTLED: Duration = Duration::from_secs(2);

/// Bytes of a dataset's name: it is part of a file's name.
pub const NAME_BYTES: usize = 64;

/// Requests to a store are tried again this often …
pub const RETRIES: usize = 5;

/// … and for this long, so that a wrong endpoint is an error and not a wait.
pub const RETRY_TIME: Duration = Duration::from_secs(30);

/// A store that takes longer than this to accept a connection is not there.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A request that has not ended after this is begun again where it stopped; a shard of 1 GB takes 10 minutes at 14 Mbit/s.
pub const REQUEST_TIME: Duration = Duration::from_secs(600);
