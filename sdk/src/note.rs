//! Builds the ELF note at compile time; the header says what stands in it.

use crate::abi::{US_ABI_MAJOR, US_NOTE_OWNER, US_NOTE_TYPE};

/// One ELF note, as it lies in the section.
#[repr(C, align(4))]
pub struct Note<const N: usize> {
    owner_size: u32,
    text_size: u32,
    kind: u32,
    owner: [u8; 12],
    text: [u8; N],
}

impl<const N: usize> Note<N> {
    /// The note with this text.
    #[must_use]
    pub const fn new(text: [u8; N]) -> Note<N> {
        let name = US_NOTE_OWNER.as_bytes();
        let mut owner = [0; 12];
        let mut at = 0;
        while at < name.len() {
            owner[at] = name[at];
            at += 1;
        }
        Note { owner_size: name.len() as u32 + 1, text_size: N as u32, kind: US_NOTE_TYPE, owner, text }
    }
}

// The text begins with this version; a plugin of the SDK can do with the first minor one.
const ABI: &str = "abi=0.0\nid=";
const _: () = assert!(US_ABI_MAJOR == 0, "the note's first line holds the major version");

/// The text's length.
#[must_use]
pub const fn length(id: &str, version: &str, terms: &[&str], panic: &str) -> usize {
    write::<0>(id, version, terms, panic).1
}

/// The text.
#[must_use]
pub const fn text<const N: usize>(id: &str, version: &str, terms: &[&str], panic: &str) -> [u8; N] {
    write::<N>(id, version, terms, panic).0
}

/// Writes as much as fits, and counts all.
const fn write<const N: usize>(id: &str, version: &str, terms: &[&str], panic: &str) -> ([u8; N], usize) {
    let mut out = push(([0; N], 0), ABI);
    out = push(out, id);
    out = push(out, "\nversion=");
    out = push(out, version);
    out = push(out, "\nterms=");
    let mut at = 0;
    while at < terms.len() {
        if at > 0 {
            out = push(out, ",");
        }
        out = push(out, terms[at]);
        at += 1;
    }
    out = push(out, "\npanic=");
    out = push(out, panic);
    push(out, "\n")
}

const fn push<const N: usize>((mut out, mut len): ([u8; N], usize), text: &str) -> ([u8; N], usize) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if len < N {
            out[len] = bytes[at];
        }
        len += 1;
        at += 1;
    }
    (out, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_the_header_says() {
        const TERMS: &[&str] = &["one", "two"];
        const LENGTH: usize = length("org.example", "1.2.3", TERMS, "unwind");
        const TEXT: [u8; LENGTH] = text("org.example", "1.2.3", TERMS, "unwind");
        let expected = "abi=0.0\nid=org.example\nversion=1.2.3\nterms=one,two\npanic=unwind\n";
        assert_eq!(std::str::from_utf8(&TEXT), Ok(expected));
    }
}
