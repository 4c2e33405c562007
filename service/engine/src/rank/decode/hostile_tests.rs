//! Damaged, cut and lying files: errors, never panics, never half a picture, never more memory than the caps.

use super::golden_tests::{bytes, cases};
use super::{DecodeError, Format, decode_as};
use crate::rank::limits;
use proptest::prelude::*;

/// A valid file of every kind.
fn files() -> Vec<(String, Vec<u8>)> {
    let of = |case: serde_json::Value| (case["name"].as_str().unwrap().to_owned(), bytes(&case["file"]));
    cases("decode").into_iter().map(of).collect()
}

/// Without the guard that makes errors of panics.
fn unguarded(file: &[u8]) -> Result<image::RgbImage, DecodeError> {
    decode_as(file, Format::of(file)?)
}

#[test]
fn a_cut_file_is_an_error_or_the_whole_picture() {
    for (name, file) in files() {
        let whole = unguarded(&file).unwrap();
        for length in 0..file.len() {
            match unguarded(&file[..length]) {
                Ok(_) if name.starts_with("JPEG") => panic!("{name}: {length} bytes of {}", file.len()),
                Ok(found) => assert!(found == whole, "{name}: {length} bytes of {}", file.len()),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

/// A header of 20,000 × 20,000 pixels, without any data behind it.
#[test]
fn the_header_alone_tells_what_is_too_large() {
    let side = 20_000_u16;
    let find = |file: &[u8], bytes: &[u8]| file.windows(bytes.len()).position(|at| at == bytes).unwrap();
    let check = |name: &str, patch: &dyn Fn(&mut Vec<u8>)| {
        let mut file = files().into_iter().find(|(found, _)| found == name).unwrap().1;
        patch(&mut file);
        match unguarded(&file) {
            Err(DecodeError::Pixels { width, height }) => {
                assert_eq!((width, height), (20_000, 20_000), "{name}")
            }
            other => panic!("{name}: {:?}", other.map(|picture| picture.dimensions())),
        }
    };
    check("JPEG, 4:2:0", &|file| {
        let at = find(file, b"\xFF\xC0") + 5;
        file[at..at + 4].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    });
    check("JPEG, progressive", &|file| {
        let at = find(file, b"\xFF\xC2") + 5;
        file[at..at + 4].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    });
    check("PNG", &|file| {
        let wide = u32::from(side).to_be_bytes();
        file[16..24].copy_from_slice(&[wide, wide].concat());
        let sum = crc(&file[12..29]);
        file[29..33].copy_from_slice(&sum.to_be_bytes());
    });
    check("BMP", &|file| {
        let wide = u32::from(side).to_le_bytes();
        file[18..26].copy_from_slice(&[wide, wide].concat());
    });
    check("GIF", &|file| {
        file[6..10].copy_from_slice(&[side.to_le_bytes(), side.to_le_bytes()].concat());
    });
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let check = |file: &[u8], word: &str| {
        let error = unguarded(file).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    check(b"", "is empty");
    check(b"PK\x03\x04 a zip", "a zip archive");
    check(b"II*\0 and more", "a TIFF");
    check(b"\0\0\0\x20ftypavif", "an AVIF");
    check(b"\0\0\0\x20ftypheic", "a HEIC");
    check(b"\0\0\0\x20ftypisom", "a video");
    check(b"\0\0\0\x0CjP  \r\n", "a JPEG 2000");
    check(b"8BPS\0\x01", "a Photoshop file");
    check(b"  <svg xmlns=", "an SVG");
    check(b"\xEF\xBB\xBF<?xml version=\"1.0\"?><svg>", "an SVG");
    check(b"<!DOCTYPE HTML><html>", "an HTML page");
    check(b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer");
    check(b"plain words", "does not begin like an image");
    check(b"RIFF\0\0\0\0WAVE", "does not begin like an image");
    let large = vec![0xFF; limits::IMAGE_FILE_BYTES + 1];
    check(&large, "67108865 bytes");
}

/// `UNITSCOPE_CASES=100000 cargo test --release … hostile` looks longer.
fn rounds() -> u32 {
    std::env::var("UNITSCOPE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let files = files();
    let strategy = (
        0..files.len(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
        // Heads are small and decide most.
        any::<bool>(),
    );
    proptest!(ProptestConfig { cases: rounds(), failure_persistence: None, ..Default::default() },
        |((kind, edits, cut, in_head) in strategy)| {
            let mut file = files[kind].1.clone();
            let reach = if in_head { file.len().min(64) } else { file.len() };
            for (place, byte) in edits {
                file[place.index(reach)] = byte;
            }
            if let Some(cut) = cut {
                file.truncate(cut.index(file.len()));
            }
            if let Ok(picture) = unguarded(&file) {
                let pixels = u64::from(picture.width()) * u64::from(picture.height());
                prop_assert!((1..=limits::IMAGE_PIXELS).contains(&pixels));
                prop_assert_eq!(picture.as_raw().len() as u64, pixels * 3);
            }
        }
    );
}

/// CRC-32 as PNG has it (ISO 3309).
fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}
