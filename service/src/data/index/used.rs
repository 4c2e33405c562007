//! When a table was last used, kept across restarts. It knows no table.

use super::limits::NOTE_USE;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// An empty file whose time of modification is the last use.
pub const FILE: &str = "used";

/// The last use, exact in memory and to the minute on disk.
pub struct Used(Mutex<Times>);

struct Times {
    last: SystemTime,
    /// What stands on disk.
    noted: SystemTime,
}

impl Used {
    /// As noted in a table's folder; long ago where nothing is.
    pub fn read(folder: &Path) -> Self {
        let noted = std::fs::metadata(folder.join(FILE)).and_then(|file| file.modified());
        let noted = noted.unwrap_or(SystemTime::UNIX_EPOCH);
        Self(Mutex::new(Times { last: noted, noted }))
    }

    pub fn last(&self) -> SystemTime {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// It is used now.
    pub fn touch(&self, folder: &Path) {
        let now = SystemTime::now();
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.last = now;
        // A clock that was set back is as good a reason to note anew.
        let due = now.duration_since(times.noted).map_or(true, |passed| passed >= NOTE_USE);
        if due {
            times.noted = now;
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(FILE));
            if let Err(error) = file.and_then(|file| file.set_modified(now)) {
                // It only blurs which table goes first.
                tracing::debug!(folder = %folder.display(), "cannot note the last use: {error}");
            }
        }
    }
}
