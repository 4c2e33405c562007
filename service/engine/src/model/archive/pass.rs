//! One reading of a whole archive, front to back: its digest, every checksum, and the entries that somebody wants; knows no tensors.

use super::{Archive, Entry, ModelError};

/// Bytes read at a time: they stay in a core's cache while they are hashed, checked and copied to where they are wanted.
const CHUNK: usize = 256 << 10;

/// Goes through a file entry by entry. Everything is hashed and every entry's checksum verified, also of those that nobody reads: what was
/// parsed before comes from the bytes whose digest this finds.
pub struct Pass<'a> {
    archive: &'a mut Archive,
    hasher: blake3::Hasher,
    chunk: Vec<u8>,
    /// Bytes behind it.
    at: u64,
    /// The next entry to be read or passed over.
    next: usize,
    /// Whether `advance` has named it.
    named: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(archive: &'a mut Archive) -> Self {
        Self { archive, hasher: blake3::Hasher::new(), chunk: vec![0; CHUNK], at: 0, next: 0, named: false }
    }

    /// The next entry, by its name from below the top folder. After the last one, `None`: the archive knows its digest then.
    ///
    /// # Errors
    /// [`ModelError::Archive`] for a broken entry, [`ModelError::Changed`] if the file was written to since it was opened,
    /// [`ModelError::Read`].
    pub fn advance(&mut self) -> Result<Option<&str>, ModelError> {
        if self.named {
            self.read(|_| {})?;
        }
        if self.next == self.archive.entries.len() {
            self.hash_to(self.archive.source.len(), |_| {})?;
            self.archive.source.unchanged()?;
            self.archive.digest = Some(self.hasher.finalize().to_hex().to_string());
            return Ok(None);
        }
        self.named = true;
        Ok(Some(&self.archive.entries[self.next].name))
    }

    /// Hands over the bytes of the entry that [`Pass::advance`] named, piece by piece and in order: all of them, or an error.
    ///
    /// # Errors
    /// As [`Pass::advance`].
    pub fn read(&mut self, mut sink: impl FnMut(&[u8])) -> Result<(), ModelError> {
        let Some(Entry { data, .. }) = self.archive.entries.get(self.next).filter(|_| self.named) else {
            return Ok(());
        };
        let data = data.clone();
        self.hash_to(data.start, |_| {})?;
        let mut checksum = crc32fast::Hasher::new();
        self.hash_to(data.end, |bytes| {
            checksum.update(bytes);
            sink(bytes);
        })?;
        let entry = &self.archive.entries[self.next];
        entry.check(checksum.finalize()).map_err(|error| self.archive.source.blame(error))?;
        self.next += 1;
        self.named = false;
        Ok(())
    }

    fn hash_to(&mut self, end: u64, mut sink: impl FnMut(&[u8])) -> Result<(), ModelError> {
        while self.at < end {
            let count = usize::try_from(end - self.at).map_or(CHUNK, |rest| rest.min(CHUNK));
            let bytes = &mut self.chunk[..count];
            self.archive.source.read(self.at, bytes)?;
            self.hasher.update(bytes);
            sink(bytes);
            self.at += count as u64;
        }
        Ok(())
    }
}
