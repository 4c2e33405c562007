//! A set of rows. It knows no score.

use super::key::RowId;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Rows, by ids that are digests already: hashing them again would take most of the time that opening a large table takes.
pub type RowSet = HashSet<RowId, BuildHasherDefault<FirstBytes>>;

/// The first eight bytes.
#[derive(Default)]
pub struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length, which all ids share.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
