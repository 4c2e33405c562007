//! The zip archive around a model: sound, within the caps, read from one opened file; knows nothing of what the entries mean.

mod pass;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

pub use pass::Pass;
use source::{Reader, Source};

use super::error::ModelError;
use super::limits::{self, at_most};

/// An archive whose directory has been checked; what its entries hold is read on demand, and checked then. All entries share one top
/// folder, whose name does not matter. The file is opened once: whatever takes its path later is another file.
pub struct Archive {
    source: Source,
    /// In the order of their bytes in the file.
    entries: Vec<Entry>,
    /// Places in `entries`.
    by_name: HashMap<String, usize>,
    digest: Option<String>,
}

#[derive(Debug)]
struct Entry {
    /// From below the top folder.
    name: String,
    /// Where its bytes lie in the file.
    data: Range<u64>,
    /// CRC-32, as the directory has it; none for what is compressed, which only libtorch reads.
    checksum: Option<u32>,
}

impl Entry {
    fn size(&self) -> u64 {
        self.data.end - self.data.start
    }

    fn check(&self, checksum: u32) -> Result<(), ModelError> {
        match self.checksum {
            Some(expected) if checksum != expected => Err(ModelError::archive(format!(
                "entry `{}` is broken: its checksum is {checksum:08x}, and the archive's directory says {expected:08x}",
                self.name
            ))),
            _ => Ok(()),
        }
    }
}

impl Archive {
    /// Opens the file and checks its directory.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::Archive`], [`ModelError::TooLarge`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::of(Source::open(path)?)
    }

    /// Checks the directory of an open file.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn opened(file: File) -> Result<Self, ModelError> {
        Self::of(Source::opened(file, Path::new(""))?)
    }

    /// Checks the directory of an archive that is already in memory.
    ///
    /// # Errors
    /// [`ModelError::Archive`], [`ModelError::TooLarge`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, ModelError> {
        Self::of(Source::Memory(bytes))
    }

    fn of(source: Source) -> Result<Self, ModelError> {
        let entries = directory(&source)?;
        let by_name = entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
        Ok(Self { source, entries, by_name, digest: None })
    }

    /// The opened file, for whoever reads it in another process; `None` for an archive in memory. Reads here leave its position alone.
    pub fn file(&self) -> Option<&File> {
        self.source.file()
    }

    /// BLAKE3 of the whole file, in hexadecimal. Reads the file if no [`Archive::pass`] has been through it.
    ///
    /// # Errors
    /// As [`Pass::advance`].
    pub fn digest(&mut self) -> Result<&str, ModelError> {
        if self.digest.is_none() {
            let mut pass = self.pass();
            while pass.advance()?.is_some() {}
        }
        self.digest.as_deref().ok_or_else(|| ModelError::archive("it was not read to its end"))
    }

    /// Whether the archive has this entry, named from below its top folder.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Names of all entries, from below the top folder, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Where the bytes of a stored entry lie in the file.
    pub fn data_range(&self, name: &str) -> Option<Range<u64>> {
        self.find(name).map(|entry| entry.data.clone()).ok()
    }

    /// The bytes of an entry, its checksum verified. `name` starts below the archive's top folder.
    ///
    /// # Errors
    /// [`ModelError::Archive`] if there is no such entry or it is broken, [`ModelError::TooLarge`] above `cap` bytes,
    /// [`ModelError::Changed`], [`ModelError::Read`].
    pub fn read(&self, name: &str, cap: u64) -> Result<Vec<u8>, ModelError> {
        let entry = self.find(name)?;
        let size = at_most(format!("the size in bytes of entry `{name}`"), entry.size(), cap)?;
        // The range lies within the file, so this allocates no more than the file has.
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.source.read(entry.data.start, &mut bytes)?;
        entry.check(crc32fast::hash(&bytes)).map_err(|error| self.source.blame(error))?;
        Ok(bytes)
    }

    /// Reads the whole file once, front to back; see [`Pass`].
    pub fn pass(&mut self) -> Pass<'_> {
        Pass::new(self)
    }

    fn find(&self, name: &str) -> Result<&Entry, ModelError> {
        let place = self.by_name.get(name).and_then(|at| self.entries.get(*at));
        let entry =
            place.ok_or_else(|| ModelError::archive(format!("it has no entry `{}`", name.escape_debug())))?;
        if entry.checksum.is_none() {
            return Err(ModelError::archive(format!(
                "entry `{name}` is compressed or encrypted; entries must be stored as they are"
            )));
        }
        Ok(entry)
    }
}

/// All entries in the order of the file, none over another.
fn directory(source: &Source) -> Result<Vec<Entry>, ModelError> {
    let length = source.len();
    let mut zip = ZipArchive::new(BufReader::new(Reader::new(source))).map_err(broken)?;
    at_most("the archive's number of entries", zip.len() as u64, limits::ARCHIVE_ENTRIES as u64)?;
    if zip.has_duplicate_names() {
        return Err(ModelError::archive("two entries have the same name"));
    }
    let mut entries = Vec::with_capacity(zip.len());
    let mut top: Option<String> = None;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(broken)?;
        let name = std::str::from_utf8(entry.name_raw())
            .map_err(|_| ModelError::archive("an entry's name is not UTF-8"))?;
        let (first, rest) = check_name(name, top.as_deref())?;
        let is_stored = entry.compression() == CompressionMethod::Stored
            && entry.compressed_size() == entry.size()
            && !entry.encrypted();
        let start = entry.data_start().unwrap_or(length);
        let end =
            start.checked_add(entry.compressed_size()).filter(|end| *end <= length).ok_or_else(|| {
                ModelError::archive(format!(
                    "entry `{name}` claims {} bytes from byte {start} on, but the file has {length}",
                    entry.compressed_size()
                ))
            })?;
        let checksum = is_stored.then(|| entry.crc32());
        entries.push(Entry { name: rest.to_owned(), data: start..end, checksum });
        top = Some(first.to_owned());
    }
    entries.sort_by_key(|entry| (entry.data.start, entry.data.end));
    let overlap = |pair: &&[Entry]| matches!(pair, [a, b] if a.data.end > b.data.start);
    if let Some([first, second]) = entries.windows(2).find(overlap) {
        return Err(ModelError::archive(format!("entries `{}` and `{}` overlap", first.name, second.name)));
    }
    if entries.is_empty() {
        return Err(ModelError::archive("it has no entries"));
    }
    Ok(entries)
}

/// The top folder of a name that stays below it, the same for all entries, and the rest.
fn check_name<'a>(name: &'a str, top: Option<&str>) -> Result<(&'a str, &'a str), ModelError> {
    at_most("the length in bytes of an entry's name", name.len() as u64, limits::NAME_BYTES as u64)?;
    let wrong = |rule: &str| ModelError::archive(format!("entry `{}` {rule}", name.escape_debug()));
    if name.contains(['\\', '\0'])
        || name.split('/').any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(wrong("is no plain path below the archive's folder"));
    }
    let (first, rest) = name.split_once('/').ok_or_else(|| wrong("lies outside the archive's folder"))?;
    match top {
        Some(top) if top != first => Err(wrong(&format!("does not lie in the archive's folder `{top}`"))),
        _ => Ok((first, rest)),
    }
}

fn broken(error: zip::result::ZipError) -> ModelError {
    ModelError::archive(error.to_string())
}
