//! A disk that fails when told to: for good, as in a crash, or for a while, as when it is full. It knows no format.

use super::super::disk::Change;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// When it fails, and what would be lost in a crash now.
#[derive(Default)]
pub struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    /// Changes that still succeed; all do where there is no number.
    left: Option<u32>,
    /// Whether the first failure is a crash.
    crash: bool,
    /// Files with bytes that are not on disk for sure.
    unsynced: BTreeSet<PathBuf>,
    /// Names, from and to, that are not on disk for sure.
    renames: Vec<(PathBuf, PathBuf)>,
    /// Likewise new folders.
    folders: Vec<PathBuf>,
}

impl Faults {
    /// After so many changes the power goes.
    pub fn crash_after(changes: u32) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { left: Some(changes), crash: true, ..State::default() })))
    }

    /// From now on the disk is full, or has room again.
    pub fn set_full(&self, full: bool) {
        self.0.lock().unwrap().left = full.then_some(0);
    }

    /// Whether the power is gone.
    pub fn crashed(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.crash && state.left == Some(0)
    }

    pub fn change<T>(
        &self,
        path: &Path,
        change: Change<'_>,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        let crash = state.crash;
        match &mut state.left {
            // A full disk still removes.
            Some(0) if crash || change != Change::Remove => {
                return Err(ErrorKind::StorageFull.into());
            }
            Some(left @ 1..) => *left -= 1,
            _ => {}
        }
        let made = make();
        if made.is_ok() {
            state.note(path, change);
        }
        if state.crash && state.left == Some(0) {
            state.lose();
        }
        made
    }
}

impl State {
    fn note(&mut self, path: &Path, change: Change<'_>) {
        match change {
            Change::Create | Change::Write => drop(self.unsynced.insert(path.to_owned())),
            Change::Sync | Change::Remove => drop(self.unsynced.remove(path)),
            Change::Rename(to) => {
                self.renames.push((path.to_owned(), to.to_owned()));
                if self.unsynced.remove(path) {
                    self.unsynced.insert(to.to_owned());
                }
            }
            Change::CreateFolder => self.folders.push(path.to_owned()),
            Change::RemoveFolder => self.folders.retain(|folder| folder != path),
            Change::SyncFolder => {
                self.renames.retain(|(_, to)| to.parent() != Some(path));
                self.folders.retain(|folder| folder.parent() != Some(path));
            }
        }
    }

    /// What a crash may take: bytes, names and folders that were not flushed. Removals happen at once.
    fn lose(&mut self) {
        for path in &self.unsynced {
            if let Ok(file) = OpenOptions::new().write(true).open(path) {
                let length = file.metadata().unwrap().len();
                file.set_len(length / 2).unwrap();
            }
        }
        for (from, to) in self.renames.iter().rev() {
            fs::rename(to, from).unwrap();
        }
        for folder in &self.folders {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
