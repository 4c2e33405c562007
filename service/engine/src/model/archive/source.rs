//! The bytes of an archive, in an opened file or in memory, and whether the file is still the one that was opened; knows no zip.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::super::error::ModelError;
use super::super::limits::{self, at_most};

/// Where the bytes come from.
pub enum Source {
    /// A file that others may write to while it is read.
    File {
        /// Read at given places alone: its position is never moved.
        file: File,
        /// For messages.
        path: PathBuf,
        /// As it was opened.
        stamp: Stamp,
    },
    /// The whole archive.
    Memory(Vec<u8>),
}

/// What every write to a file changes: length in bytes, and the time of the last change in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64, i64, i64);

impl From<Metadata> for Stamp {
    fn from(metadata: Metadata) -> Self {
        Self(metadata.len(), metadata.mtime(), metadata.mtime_nsec())
    }
}

impl Source {
    /// Opens a plain file.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::Archive`] for anything but a plain file, [`ModelError::TooLarge`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        // Before it is opened as well: to open a pipe would wait for its writer.
        plain(&std::fs::metadata(path).map_err(read)?)?;
        Self::opened(File::open(path).map_err(read)?, path)
    }

    /// Takes a file that is open already; its path is for messages.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn opened(file: File, path: &Path) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        let metadata = file.metadata().map_err(read)?;
        plain(&metadata)?;
        at_most("the model file's size in bytes", metadata.len(), limits::FILE_BYTES)?;
        Ok(Self::File { file, path: path.to_owned(), stamp: metadata.into() })
    }

    /// Length in bytes, as it was opened.
    pub fn len(&self) -> u64 {
        match self {
            Self::File { stamp: Stamp(length, ..), .. } => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Memory(_) => None,
        }
    }

    /// Fills the buffer with the bytes from `start` on.
    ///
    /// # Errors
    /// [`ModelError::Changed`] where the file ends before, [`ModelError::Read`].
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> Result<(), ModelError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_some(start + done as u64, &mut buffer[done..]) {
                // Within the length that it was opened with.
                Ok(0) => return Err(self.changed()),
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(ModelError::Read { path: self.path(), source }),
            }
        }
        Ok(())
    }

    /// [`ModelError::Changed`] if the file has been written to since it was opened.
    pub fn unchanged(&self) -> Result<(), ModelError> {
        let Self::File { file, stamp, .. } = self else { return Ok(()) };
        let now = file.metadata().map_err(|source| ModelError::Read { path: self.path(), source })?;
        if Stamp::from(now) == *stamp { Ok(()) } else { Err(self.changed()) }
    }

    /// The reason of an error: that the file has changed, if it has, or else the error.
    pub fn blame(&self, error: ModelError) -> ModelError {
        self.unchanged().err().unwrap_or(error)
    }

    fn changed(&self) -> ModelError {
        ModelError::Changed { path: self.path() }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::File { path, .. } => path.clone(),
            Self::Memory(_) => PathBuf::new(),
        }
    }

    fn read_some(&self, start: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::File { file, .. } => file.read_at(buffer, start),
            Self::Memory(bytes) => {
                let rest =
                    usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
        }
    }
}

fn plain(metadata: &Metadata) -> Result<(), ModelError> {
    if metadata.is_file() { Ok(()) } else { Err(ModelError::archive("it is no plain file")) }
}

/// A position in a source, for what wants to read and seek.
pub struct Reader<'a> {
    source: &'a Source,
    at: u64,
}

impl<'a> Reader<'a> {
    /// At the first byte.
    pub fn new(source: &'a Source) -> Self {
        Self { source, at: 0 }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let count = self.source.read_some(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, Error> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
