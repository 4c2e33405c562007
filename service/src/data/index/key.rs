//! What a table is of: its key, its id, and the key's file. It knows no segment.

use super::disk::Disk;
use super::error::IndexError;
use super::limits::{KEY_TEXT_BYTES, UNITS};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// An image by content: the first half of the BLAKE3 digest of its file's bytes.
pub type RowId = [u8; 16];

/// The key's file in a table's folder.
pub const FILE: &str = "key.json";

/// What decides a table's numbers. Equal keys and equal images give equal scores.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableKey {
    /// The model's name, for people; it is no part of the identity.
    pub model: String,
    /// Digest of the model's file and manifest.
    pub model_digest: String,
    /// The layer's module path.
    pub layer: String,
    /// What one number per unit and image means: `max`, `mean`, `at:3,4`, …
    pub reading: String,
    /// How images become tensors.
    pub preprocessing: String,
    /// Of the network's arithmetic, such as `float32`.
    pub precision: String,
    /// Such as `cpu`.
    pub device_kind: String,
    /// Batch, channels, height, width of a pass.
    pub pass_shape: [u32; 4],
    /// Version of the arithmetic; raised when the same pass gives other numbers.
    pub numerics: u32,
    /// Scores of a row.
    pub units: u32,
    /// Whether each score has the position where it was found.
    pub positions: bool,
}

impl TableKey {
    /// 32 hexadecimal digits: the first half of a BLAKE3 digest of everything but `model`.
    #[must_use]
    pub fn id(&self) -> String {
        let digits = self.digest().into_iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// The id's bytes. Each text is preceded by its length, so that no two keys give the same bytes.
    pub(super) fn digest(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"unitscope activation index, key 1");
        for text in self.texts() {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let numbers = self.pass_shape.iter().chain([&self.numerics, &self.units]);
        numbers.for_each(|number| {
            hasher.update(&number.to_le_bytes());
        });
        hasher.update(&[u8::from(self.positions)]);
        half(&hasher.finalize())
    }

    fn texts(&self) -> [&str; 6] {
        [
            &self.model_digest,
            &self.layer,
            &self.reading,
            &self.preprocessing,
            &self.precision,
            &self.device_kind,
        ]
    }

    pub(super) fn check(&self) -> Result<(), IndexError> {
        let refuse = |reason: String| Err(IndexError::Key { reason });
        if self.units == 0 || self.units > UNITS {
            return refuse(format!("{} units; a table has 1 to {UNITS}", self.units));
        }
        let long = self.texts().into_iter().chain([&*self.model]).map(str::len).max().unwrap_or(0);
        if long > KEY_TEXT_BYTES {
            return refuse(format!("a text of {long} bytes; at most {KEY_TEXT_BYTES} are kept"));
        }
        Ok(())
    }

    /// Writes the key's file; it is on disk when this returns.
    pub(super) fn write(&self, disk: &Disk, folder: &Path) -> Result<(), IndexError> {
        let text = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        let part = folder.join(format!("{FILE}.part"));
        let mut file = disk.create(&part)?;
        file.write(&text)?;
        file.sync()?;
        disk.rename(&part, &folder.join(FILE))
    }

    /// Reads the key's file; none where it is not there, or is not the key of that folder.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, IndexError> {
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IndexError::io("read", &path)(error)),
        };
        let key: Option<Self> = serde_json::from_slice(&text).ok();
        let id = folder.file_name().and_then(|name| name.to_str());
        Ok(key.filter(|key| key.check().is_ok() && Some(&*key.id()) == id))
    }
}

/// Whether a folder's name is an id.
pub fn is_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first 16 bytes of a digest.
pub fn half(digest: &blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_bytes()[..16]);
    half
}
