//! Pictures that terms compare with: how many, and what is in their files.

use super::Wrong;
use crate::data::references::{Target, read};
use crate::limits::{REFERENCES, REFERENCES_BYTES, REFERENCES_PIXELS};
use std::sync::Arc;
use unitscope_engine::spec::Picture;
use unitscope_proto::v1 as proto;

/// Decodes the files; those that are wrong are left out.
pub(super) fn references(
    given: &[proto::ReferenceImage],
    target: Target,
    wrong: &mut Wrong,
) -> Vec<Arc<Picture>> {
    let bytes: usize = given.iter().map(|reference| reference.data.len()).sum();
    if given.len() > REFERENCES || bytes > REFERENCES_BYTES {
        let reason = format!(
            "{} files of {bytes} bytes are too many; at most {REFERENCES} of at most {REFERENCES_BYTES} bytes together are possible: \
             shrink them to the pictures' size",
            given.len()
        );
        wrong.add("references", reason);
        return Vec::new();
    }
    let pixels = given.len() as u64 * u64::from(target.height) * u64::from(target.width);
    if pixels > REFERENCES_PIXELS {
        let reason = format!(
            "references × height × width is {pixels}; at most {REFERENCES_PIXELS} are possible: give fewer, or make smaller pictures"
        );
        wrong.add("references", reason);
        return Vec::new();
    }
    if !wrong.0.is_empty() {
        // Their size may be what is wrong.
        return Vec::new();
    }
    let mut pictures = Vec::with_capacity(given.len());
    for (place, reference) in given.iter().enumerate() {
        match read(&reference.data, target) {
            Ok(picture) => pictures.push(Arc::new(picture)),
            Err(reason) => wrong.add(format!("references[{place}].data"), reason),
        }
    }
    pictures
}

/// The place of a reference, where one is asked for.
pub(super) fn place(field: &str, given: Option<u32>, references: usize, wrong: &mut Wrong) -> Option<usize> {
    let place = given? as usize;
    if place >= references {
        wrong.add(
            field,
            format!("{place} is out of range; there are {references} references, counted from 0"),
        );
    }
    Some(place)
}

/// BLAKE3 of a file, in hex.
pub(super) fn digest(reference: &proto::ReferenceImage) -> String {
    blake3::hash(&reference.data).to_hex().to_string()
}
