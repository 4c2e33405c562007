//! A segment file, mapped into memory and checked before it is believed. It knows no table.

use super::error::IndexError;
use super::key::{RowId, half};
use super::layout::{Frame, HEADER_BYTES, Kind, SUM_BYTES, Shape, sum};
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A complete segment. It stays readable after its file was removed.
pub struct Segment {
    path: PathBuf,
    map: Mmap,
    shape: Shape,
    directory: [u8; 16],
    /// A bit for each column whose checksum was compared.
    compared: Vec<AtomicU64>,
}

impl Segment {
    /// Maps the file and checks its header and length, which reads one page.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where it is no segment of that table, [`IndexError::Io`].
    pub fn open(path: &Path, frame: &Frame) -> Result<Self, IndexError> {
        let damaged = |reason: String| IndexError::damaged(path, reason);
        let file = File::open(path).map_err(IndexError::io("open", path))?;
        let length = file.metadata().map_err(IndexError::io("open", path))?.len();
        if length < HEADER_BYTES as u64 {
            return Err(damaged(format!("{length} bytes hold no header")));
        }
        let map = map(&file).map_err(IndexError::io("map", path))?;
        let (shape, directory) = Shape::read(&map).map_err(damaged)?;
        if shape.file_bytes() != map.len() as u64 {
            return Err(damaged(format!("it has {} bytes instead of {}", map.len(), shape.file_bytes())));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        if shape.frame != *frame || name != Some(&*shape.file_name()) {
            return Err(damaged("it is another table's, or was renamed".to_owned()));
        }
        let words = frame.columns().div_ceil(64);
        let compared = (0..words).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { path: path.to_owned(), map, shape, directory, compared })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn rows(&self) -> usize {
        self.shape.rows as usize
    }

    /// Compares the directory (the columns' checksums and the ids) with its checksum; everything below relies on it.
    pub fn check_directory(&self) -> Result<(), IndexError> {
        let directory = self.bytes(HEADER_BYTES as u64, self.shape.directory_end());
        if half(&blake3::hash(directory)) == self.directory {
            return Ok(());
        }
        Err(IndexError::damaged(&self.path, "its directory differs from its checksum"))
    }

    pub fn ids(&self) -> &[RowId] {
        bytemuck::cast_slice(self.bytes(self.shape.ids_at(), self.shape.directory_end()))
    }

    /// A unit's scores, in the rows' order. The first time, they are compared with their checksum.
    pub fn scores(&self, unit: u32) -> Result<&[f32], IndexError> {
        Ok(bytemuck::cast_slice(self.column(Kind::Scores, unit)?))
    }

    /// A unit's positions, in the rows' order, likewise. The table has positions.
    pub fn positions(&self, unit: u32) -> Result<&[u32], IndexError> {
        Ok(bytemuck::cast_slice(self.column(Kind::Positions, unit)?))
    }

    /// Asks the kernel to begin to read a unit's scores, so that several segments are read at once.
    pub fn will_read(&self, unit: u32) {
        let (at, length) = (self.shape.column_at(Kind::Scores, unit), self.shape.column_bytes());
        // A kernel that takes no advice reads when asked.
        let _ = self.map.advise_range(Advice::WillNeed, at as usize, length as usize);
    }

    /// Compares bytes that were read from the file, as this column, with the column's checksum.
    pub fn compare(&self, kind: Kind, unit: u32, bytes: &[u8]) -> Result<(), IndexError> {
        let column = self.shape.frame.column(kind, unit);
        let at = HEADER_BYTES as u64 + SUM_BYTES * column;
        if sum(bytes).to_le_bytes() == *self.bytes(at, at + SUM_BYTES) {
            return Ok(());
        }
        let what = if kind == Kind::Scores { "scores" } else { "positions" };
        Err(IndexError::damaged(&self.path, format!("the {what} of unit {unit} differ from their checksum")))
    }

    fn column(&self, kind: Kind, unit: u32) -> Result<&[u8], IndexError> {
        let at = self.shape.column_at(kind, unit);
        let bytes = self.bytes(at, at + self.shape.column_bytes());
        let column = self.shape.frame.column(kind, unit) as usize;
        let (word, bit) = (&self.compared[column / 64], 1 << (column % 64));
        if word.load(Relaxed) & bit == 0 {
            self.compare(kind, unit, bytes)?;
            word.fetch_or(bit, Relaxed);
        }
        Ok(bytes)
    }

    fn bytes(&self, from: u64, to: u64) -> &[u8] {
        &self.map[from as usize..to as usize]
    }
}

fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: `Mmap::map` asks that the file is neither changed nor truncated while it is mapped. Nothing here does: a segment is
    // written under another name, and once it has this name it is only read or unlinked, which leaves maps whole; the folder's
    // lock keeps other servers away. Another program that may write here can break this. What it writes is found by checksums
    // only in columns that were not compared before; after it truncates, as after a read error of the disk, touching a page that
    // is not there raises SIGBUS, which ends the process. So the folder must be writable for the server alone.
    unsafe { Mmap::map(file) }
}
