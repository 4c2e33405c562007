//! The zip archive around an exported program: sound, uncompressed, within the caps; knows nothing of what the entries mean.

use std::io::{Cursor, Read};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::error::ModelError;
use super::limits::{self, at_most};

/// An archive whose every entry has been checked. All entries share one top folder, whose name does not matter.
pub struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    top: String,
    digest: String,
    file: Option<std::fs::File>,
}

impl Archive {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::Archive`], [`ModelError::TooLarge`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(read)?;
        if !metadata.is_file() {
            return Err(ModelError::archive("it is no plain file"));
        }
        at_most("the model file's size in bytes", metadata.len(), limits::FILE_BYTES)?;
        Self::of_file(std::fs::File::open(path).map_err(read)?)
    }

    /// Reads and checks a file that is open.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn of_file(mut file: std::fs::File) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: std::path::PathBuf::new(), source };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(read)?;
        Ok(Self { file: Some(file), ..Self::new(bytes)? })
    }

    /// The file, for another process to read.
    ///
    /// # Errors
    /// [`ModelError::Archive`] for an archive in memory.
    pub fn file(&self) -> Result<std::fs::File, ModelError> {
        let file = self.file.as_ref().ok_or_else(|| ModelError::archive("it is no file"))?;
        file.try_clone().map_err(|source| ModelError::Read { path: std::path::PathBuf::new(), source })
    }

    /// Where in the file the bytes of an entry lie.
    ///
    /// # Errors
    /// [`ModelError::Archive`] if there is no such entry.
    pub fn data_range(&mut self, name: &str) -> Result<std::ops::Range<u64>, ModelError> {
        let entry = self.zip.by_name(&format!("{}/{name}", self.top)).map_err(broken)?;
        check_stored(name, &entry)?;
        let start = entry.data_start().ok_or_else(|| ModelError::archive("an entry has no place"))?;
        Ok(start..start + entry.size())
    }

    /// Checks an archive that is already in memory.
    ///
    /// # Errors
    /// [`ModelError::Archive`], [`ModelError::TooLarge`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, ModelError> {
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let length = bytes.len() as u64;
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        at_most("the archive's number of entries", zip.len() as u64, limits::ARCHIVE_ENTRIES as u64)?;
        if zip.has_duplicate_names() {
            return Err(ModelError::archive("two entries have the same name"));
        }
        let mut total = 0_u64;
        let mut top = None;
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(broken)?;
            let name = std::str::from_utf8(entry.name_raw())
                .map_err(|_| ModelError::archive("an entry's name is not UTF-8"))?;
            top = Some(check_name(name, top.as_deref())?);
            total = total.saturating_add(entry.compressed_size());
            if total > length {
                return Err(ModelError::archive(format!(
                    "its entries claim more than {total} bytes, but the file has {length}"
                )));
            }
        }
        let top = top.ok_or_else(|| ModelError::archive("it has no entries"))?;
        Ok(Self { zip, top, digest, file: None })
    }

    /// BLAKE3 of the whole file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether the archive has this entry, named from below its top folder.
    pub fn contains(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{}/{name}", self.top)).is_some()
    }

    /// Names of all entries, from below the top folder.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.zip.file_names_raw().filter_map(|name| std::str::from_utf8(name).ok());
        names.filter_map(|name| name.strip_prefix(&self.top)?.strip_prefix('/'))
    }

    /// The bytes of an entry, its checksum verified. `name` starts below the archive's top folder.
    ///
    /// # Errors
    /// [`ModelError::Archive`] if there is no such entry or it is broken, [`ModelError::TooLarge`] above `cap` bytes.
    pub fn read(&mut self, name: &str, cap: u64) -> Result<Vec<u8>, ModelError> {
        let full = format!("{}/{name}", self.top);
        let mut entry = self
            .zip
            .by_name(&full)
            .map_err(|error| ModelError::archive(format!("entry `{name}` cannot be read: {error}")))?;
        check_stored(name, &entry)?;
        let size = at_most(format!("the size in bytes of entry `{name}`"), entry.size(), cap)?;
        // The size was checked against the file's own length, so this allocates no more than the file has.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        entry
            .read_to_end(&mut bytes)
            .map_err(|error| ModelError::archive(format!("entry `{name}` cannot be read: {error}")))?;
        if bytes.len() as u64 != size {
            return Err(ModelError::archive(format!(
                "entry `{name}` claims {size} bytes and has {}",
                bytes.len()
            )));
        }
        Ok(bytes)
    }
}

/// The top folder of a name that stays below it, the same for all entries.
fn check_name(name: &str, top: Option<&str>) -> Result<String, ModelError> {
    at_most("the length in bytes of an entry's name", name.len() as u64, limits::NAME_BYTES as u64)?;
    let wrong = |rule: &str| ModelError::archive(format!("entry `{}` {rule}", name.escape_debug()));
    if name.contains(['\\', '\0'])
        || name.split('/').any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(wrong("is no plain path below the archive's folder"));
    }
    let (first, _) = name.split_once('/').ok_or_else(|| wrong("lies outside the archive's folder"))?;
    match top {
        Some(top) if top != first => Err(wrong(&format!("does not lie in the archive's folder `{top}`"))),
        _ => Ok(first.to_owned()),
    }
}

/// What is read here is stored as it is; TorchScript compresses its code, which only libtorch reads.
fn check_stored<R: Read>(name: &str, entry: &zip::read::ZipFile<'_, R>) -> Result<(), ModelError> {
    if entry.compression() != CompressionMethod::Stored
        || entry.compressed_size() != entry.size()
        || entry.encrypted()
    {
        return Err(ModelError::archive(format!(
            "entry `{name}` is compressed or encrypted; entries must be stored as they are"
        )));
    }
    Ok(())
}

fn broken(error: zip::result::ZipError) -> ModelError {
    ModelError::archive(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, data) in entries {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
                .unwrap();
            zip.write_all(data).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn check_refused(entries: &[(&str, &[u8])], word: &str) {
        let error = Archive::new(packed(entries)).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }

    #[test]
    fn reads_entries_by_their_names_below_the_top() {
        let mut archive = Archive::new(packed(&[("m/a", b"one"), ("m/b/c", b"two")])).unwrap();
        assert!(archive.contains("a") && !archive.contains("c"));
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(archive.read("b/c", 3).unwrap(), b"two");
        assert!(archive.read("b/c", 2).unwrap_err().to_string().contains("cap is 2"));
        assert!(archive.read("c", 9).is_err());
        assert_eq!(archive.digest().len(), 64);
    }

    #[test]
    fn refuses_names_that_lead_elsewhere() {
        check_refused(&[("m/../a", b"")], "plain path");
        check_refused(&[("/m/a", b"")], "plain path");
        check_refused(&[("m\\a", b"")], "plain path");
        check_refused(&[("a", b"")], "outside");
        check_refused(&[("m/a", b""), ("n/a", b"")], "does not lie");
        check_refused(&[], "no entries");
    }

    #[test]
    fn no_cut_or_changed_byte_makes_it_panic() {
        let good = packed(&[("m/a", b"one"), ("m/b", b"two")]);
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0x55;
            for bytes in [changed, good[..at].to_vec()] {
                if let Ok(mut archive) = Archive::new(bytes) {
                    let _ = archive.read("a", 100);
                }
            }
        }
    }
}
