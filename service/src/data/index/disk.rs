//! Every change of a file goes through here, so that tests can end the world at any of them. It knows no format.

use super::error::IndexError;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The disk; in tests, one that fails when told to.
#[derive(Clone, Default)]
pub struct Disk {
    #[cfg(test)]
    pub faults: Option<std::sync::Arc<super::tests::faults::Faults>>,
}

/// What is done to a file, as error messages say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// A new, empty file.
    Create,
    /// Bytes of a file.
    Write,
    /// A file's bytes reach the disk.
    Sync,
    /// A name becomes this one.
    Rename(&'a Path),
    /// A file is no more.
    Remove,
    /// A new folder.
    CreateFolder,
    /// An empty folder is no more.
    RemoveFolder,
    /// A folder's names reach the disk.
    SyncFolder,
}

impl Change<'_> {
    fn verb(self) -> &'static str {
        match self {
            Self::Create | Self::CreateFolder => "create",
            Self::Write => "write",
            Self::Sync | Self::SyncFolder => "flush",
            Self::Rename(_) => "rename",
            Self::Remove | Self::RemoveFolder => "remove",
        }
    }
}

/// A file that is being written.
pub struct Output {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl Disk {
    pub fn create(&self, path: &Path) -> Result<Output, IndexError> {
        let file = self.change(path, Change::Create, || File::create(path))?;
        Ok(Output { file, path: path.to_owned(), disk: self.clone() })
    }

    /// Renames and waits until the new name is on disk.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), IndexError> {
        self.change(from, Change::Rename(to), || fs::rename(from, to))?;
        to.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    pub fn remove(&self, path: &Path) -> Result<(), IndexError> {
        self.change(path, Change::Remove, || fs::remove_file(path))
    }

    /// Creates a folder and waits until its name is on disk.
    pub fn create_folder(&self, path: &Path) -> Result<(), IndexError> {
        self.change(path, Change::CreateFolder, || fs::create_dir(path))?;
        path.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    pub fn remove_folder(&self, path: &Path) -> Result<(), IndexError> {
        self.change(path, Change::RemoveFolder, || fs::remove_dir(path))
    }

    fn sync_folder(&self, path: &Path) -> Result<(), IndexError> {
        self.change(path, Change::SyncFolder, || File::open(path)?.sync_all())
    }

    fn change<T>(
        &self,
        path: &Path,
        change: Change<'_>,
        make: impl FnOnce() -> std::io::Result<T>,
    ) -> Result<T, IndexError> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            return faults.change(path, change, make).map_err(IndexError::io(change.verb(), path));
        }
        make().map_err(IndexError::io(change.verb(), path))
    }
}

impl Output {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        let Self { file, path, disk } = self;
        disk.change(path, Change::Write, || file.write_all(bytes))
    }

    /// The next byte is written at that place; what was skipped is zero.
    pub fn seek(&mut self, place: u64) -> Result<(), IndexError> {
        self.file.seek(SeekFrom::Start(place)).map(drop).map_err(IndexError::io("write", &self.path))
    }

    /// Waits until all bytes are on disk.
    pub fn sync(&mut self) -> Result<(), IndexError> {
        let Self { file, path, disk } = self;
        disk.change(path, Change::Sync, || file.sync_all())
    }
}
