//! What a file is, by its first bytes; knows no names of files.

use super::DecodeError;
use crate::rank::limits;
use image::ImageFormat;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// By `zune-jpeg`.
    Jpeg,
    /// By `image`, with the name that errors show.
    Raster(ImageFormat, &'static str),
}

/// (where, bytes, name) of formats that are not read, and of what lies among images by mistake.
const REFUSED: &[(usize, &[u8], &str)] = &[
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"II+\0", "a TIFF"),
    (4, b"ftypavif", "an AVIF"),
    (4, b"ftypavis", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftyphev", "a HEIC"),
    (4, b"ftypmif1", "a HEIF"),
    (4, b"ftypmsf1", "a HEIF"),
    (4, b"ftyp", "a video"),
    (0, b"\0\0\0\x0CjP  ", "a JPEG 2000"),
    (0, b"\xFF\x4F\xFF\x51", "a JPEG 2000"),
    (0, b"\xFF\x0A", "a JPEG XL"),
    (0, b"\0\0\0\x0CJXL ", "a JPEG XL"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"qoif", "a QOI"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"v/1\x01", "an OpenEXR"),
    (0, b"#?RADIANCE", "a Radiance HDR"),
    (0, b"P1\n", "a Netpbm image"),
    (0, b"P2\n", "a Netpbm image"),
    (0, b"P3\n", "a Netpbm image"),
    (0, b"P4\n", "a Netpbm image"),
    (0, b"P5\n", "a Netpbm image"),
    (0, b"P6\n", "a Netpbm image"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"\x1F\x8B", "a gzip archive"),
    (0, b"\x1A\x45\xDF\xA3", "a video"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the image itself"),
];

/// How text begins that is no image (an error page saved under an image's name), after white space, in lower case.
const TEXTS: &[(&str, &str)] =
    &[("<svg", "an SVG"), ("<!doctype html", "an HTML page"), ("<html", "an HTML page"), ("<?xml", "XML")];

impl Format {
    /// By the file's first bytes, never by its name.
    pub fn of(file: &[u8]) -> Result<Self, DecodeError> {
        if file.is_empty() {
            return Err(DecodeError::Empty);
        }
        if file.len() > limits::IMAGE_FILE_BYTES {
            return Err(DecodeError::FileBytes(file.len()));
        }
        if file.starts_with(b"\xFF\xD8\xFF") {
            return Ok(Self::Jpeg);
        }
        if file.starts_with(b"\x89PNG\r\n\x1A\n") {
            return Ok(Self::Raster(ImageFormat::Png, "PNG"));
        }
        if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
            return Ok(Self::Raster(ImageFormat::WebP, "WebP"));
        }
        if file.starts_with(b"BM") {
            return Ok(Self::Raster(ImageFormat::Bmp, "BMP"));
        }
        if file.starts_with(b"GIF87a") || file.starts_with(b"GIF89a") {
            return Ok(Self::Raster(ImageFormat::Gif, "GIF"));
        }
        Err(refused(file).map_or(DecodeError::Unknown, DecodeError::Refused))
    }

    /// As errors show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Raster(_, name) => name,
        }
    }
}

fn refused(file: &[u8]) -> Option<&'static str> {
    let begins =
        |(at, bytes, _): &&(usize, &[u8], &str)| file.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    if let Some((_, _, name)) = REFUSED.iter().find(begins) {
        return Some(name);
    }
    let head = String::from_utf8_lossy(&file[..file.len().min(64)]).to_lowercase();
    let text = head.trim_start_matches('\u{FEFF}').trim_start();
    if text.starts_with("<?xml") && String::from_utf8_lossy(&file[..file.len().min(1024)]).contains("<svg") {
        return Some("an SVG");
    }
    TEXTS.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, name)| *name)
}
