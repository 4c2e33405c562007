//! Datasets of small synthetic pictures in temporary folders. It knows no server.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A folder of pictures that goes with the test.
pub struct Album {
    folder: TempDir,
}

impl Album {
    /// A folder with nothing in it.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// A folder of these files.
    pub fn of(files: &[(String, Vec<u8>)]) -> Self {
        let album = Self::new();
        files.iter().for_each(|(path, bytes)| album.write(path, bytes));
        album
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the server is told of it.
    pub fn location(&self) -> String {
        self.path().display().to_string()
    }

    /// Writes a file, and the folders that it is in.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("folders can be made");
        std::fs::write(file, bytes).expect("the temporary folder is writable");
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).expect("the file is there");
    }

    /// Makes everything look as if it had been there for a while: a listing of what has just changed is not trusted.
    pub fn settle(&self) {
        settle(self.path());
    }
}

fn settle(path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(100);
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("the folder is there").filter_map(Result::ok);
        let inside: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        inside.iter().for_each(|path| settle(path));
    }
    let file = std::fs::File::open(path).expect("the file is there");
    file.set_modified(then).expect("the file is ours");
}

/// A picture of random pixels around a colour of its own: other seeds, other pictures.
pub fn noise(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let base = [next(), next(), next()];
    RgbImage::from_fn(width, height, |_, _| Rgb(base.map(|base| base / 2 + next() / 2)))
}

/// A picture of one colour.
pub fn flat(color: [u8; 3], width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb(color))
}

/// As PNG.
pub fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::NoFilter);
    picture.write_with_encoder(encoder).expect("memory takes every byte");
    bytes
}

/// As JPEG.
pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))
        .expect("memory takes every byte");
    bytes
}

/// The same JPEG with a remark: another file of the same pixels.
pub fn remarked(jpeg: &[u8], remark: u32) -> Vec<u8> {
    assert_eq!(jpeg[..2], [0xff, 0xd8], "a JPEG begins with its start mark");
    [&jpeg[..2], &[0xff, 0xfe, 0, 6], &remark.to_be_bytes(), &jpeg[2..]].concat()
}

/// `count` PNGs of noise, `size` × `size`, in `classes` folders `class0` …, from a seed on.
pub fn noises(seed: u64, count: u32, size: u32, classes: u32) -> Vec<(String, Vec<u8>)> {
    let one = |nth: u32| {
        let bytes = png(&noise(seed + u64::from(nth), size, size));
        (format!("class{}/{}.png", nth % classes, seed + u64::from(nth)), bytes)
    };
    (0..count).map(one).collect()
}

/// JPEGs that take about 10 ms each to decode, so that a pass over hundreds takes seconds: eight pictures, each with many remarks.
pub fn slow(count: u32) -> Vec<(String, Vec<u8>)> {
    let colors = (0..8_u64).map(|seed| {
        let small = noise(seed, 8, 8);
        jpeg(&image::imageops::resize(&small, 1000, 1000, image::imageops::FilterType::Nearest))
    });
    let colors: Vec<Vec<u8>> = colors.collect();
    let one = |nth: u32| {
        let color = nth as usize % colors.len();
        (format!("colour{color}/{nth}.jpg"), remarked(&colors[color], nth))
    };
    (0..count).map(one).collect()
}

/// The id that an image has by its file's bytes.
pub fn id(file: &[u8]) -> String {
    blake3::hash(file).to_hex()[..32].to_owned()
}
