//! Whether a listing still holds, by what is cheap to look at. It reads no file's content.

use super::limits::{FRESH, SETTLED};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a listing saw of folders, manifests and shards.
pub(super) struct Watch {
    root: PathBuf,
    began: SystemTime,
    at: Instant,
    /// Paths within the root, with time of modification in ns and size in bytes.
    seen: Vec<(String, u64, u64)>,
    /// Whether something may have changed without a trace.
    unsure: bool,
}

/// In ns since 1970; 0 before that, or where there is no such time.
pub(super) fn modified_ns(time: std::io::Result<SystemTime>) -> u64 {
    let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

impl Watch {
    /// Begins before the first look, so that what changes while it is listed is seen as changed.
    pub fn begin(root: &Path) -> Self {
        let (began, at) = (SystemTime::now(), Instant::now());
        Self { root: root.to_owned(), began, at, seen: Vec::new(), unsure: false }
    }

    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// Notes what was seen of a path before it was read.
    pub fn note(&mut self, path: &str, modified_ns: u64, size_bytes: u64) {
        let began_ns = u128::from(self::modified_ns(Ok(self.began)));
        self.unsure |= began_ns.abs_diff(u128::from(modified_ns)) < SETTLED.as_nanos();
        self.seen.push((path.to_owned(), modified_ns, size_bytes));
    }

    /// Whether nothing has changed, as far as can be seen.
    pub fn is_fresh(&self) -> bool {
        let same = |(path, modified_ns, size): &(String, u64, u64)| {
            let meta: Option<Metadata> = std::fs::metadata(self.root.join(path)).ok();
            meta.is_some_and(|meta| self::modified_ns(meta.modified()) == *modified_ns && meta.len() == *size)
        };
        !self.unsure && self.at.elapsed() < FRESH && self.seen.iter().all(same)
    }

    /// As if it had been made earlier.
    #[cfg(test)]
    pub fn age(&mut self, by: std::time::Duration) {
        self.at = self.at.checked_sub(by).unwrap_or(self.at);
    }
}
