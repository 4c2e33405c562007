//! Writes a segment file: complete, or not at all. It knows no table.

use super::disk::{Disk, Output};
use super::error::IndexError;
use super::key::{RowId, half};
use super::layout::{HEADER_BYTES, Kind, Shape, sum};
use super::limits::WRITE_BUFFER_BYTES;
use std::path::{Path, PathBuf};

/// What a file is called while it is written.
pub const PART: &str = ".part";

/// Where a segment's rows come from.
pub trait Rows {
    /// The ids, in pieces.
    fn ids(&self) -> Vec<&[RowId]>;
    /// Puts a column's bytes, four a row, into an empty buffer.
    fn column(&mut self, kind: Kind, unit: u32, bytes: &mut Vec<u8>) -> Result<(), IndexError>;
}

/// Writes a segment and gives it its name; it is on disk when this returns. Takes the memory of one column, of the directory
/// and of a buffer.
///
/// # Errors
/// [`IndexError::Io`], and what `rows` says; nothing is left then.
pub fn write(disk: &Disk, folder: &Path, shape: &Shape, rows: &mut dyn Rows) -> Result<PathBuf, IndexError> {
    let path = folder.join(shape.file_name());
    let part = folder.join(shape.file_name() + PART);
    let written = fill(disk, &part, shape, rows).and_then(|()| disk.rename(&part, &path));
    if written.is_err() {
        // It may have got its name already. If even this fails, opening the index removes the one, and finds the other whole.
        let _ = disk.remove(&part);
        let _ = disk.remove(&path);
    }
    written.map(|()| path)
}

fn fill(disk: &Disk, part: &Path, shape: &Shape, rows: &mut dyn Rows) -> Result<(), IndexError> {
    let mut file = disk.create(part)?;
    file.seek(shape.data_at())?;
    let sums = columns(&mut file, shape, rows)?;
    let mut directory = blake3::Hasher::new();
    directory.update(&sums);
    let ids = rows.ids();
    ids.iter().for_each(|ids| {
        directory.update(ids.as_flattened());
    });
    file.seek(0)?;
    file.write(&shape.header(half(&directory.finalize())))?;
    debug_assert_eq!((HEADER_BYTES + sums.len()) as u64, shape.ids_at());
    file.write(&sums)?;
    for ids in ids {
        file.write(ids.as_flattened())?;
    }
    file.sync()
}

/// Writes the columns, and returns their checksums.
fn columns(file: &mut Output, shape: &Shape, rows: &mut dyn Rows) -> Result<Vec<u8>, IndexError> {
    let mut sums = Vec::new();
    let mut buffer = Vec::with_capacity(WRITE_BUFFER_BYTES);
    let mut bytes = Vec::with_capacity(shape.column_bytes() as usize);
    for (kind, unit) in shape.frame.each_column() {
        bytes.clear();
        rows.column(kind, unit, &mut bytes)?;
        debug_assert_eq!(bytes.len() as u64, shape.column_bytes());
        sums.extend_from_slice(&sum(&bytes).to_le_bytes());
        buffer.extend_from_slice(&bytes);
        if buffer.len() >= WRITE_BUFFER_BYTES {
            file.write(&buffer)?;
            buffer.clear();
        }
    }
    file.write(&buffer)?;
    Ok(sums)
}
