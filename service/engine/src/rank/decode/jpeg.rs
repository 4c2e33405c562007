//! JPEG files to colours; knows what a decoder would let pass, and not what the picture is for.

use super::{DecodeError, check_size};
use crate::rank::limits;
use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const NAME: &str = "JPEG";

/// Grey, YCbCr, RGB, CMYK and YCCK to red, green, blue, not yet turned.
pub fn decode(file: &[u8]) -> Result<(RgbImage, Orientation), DecodeError> {
    let broken = |error: zune_jpeg::errors::DecodeErrors| DecodeError::broken(NAME, error);
    let head = Head::of(file).filter(|head| head.is_complete(file)).ok_or(DecodeError::Truncated(NAME))?;
    // Strict: what makes no sense is an error where the decoder sees it. A gap before the end's marker it does not see, and Pillow neither: the
    // rest is grey then. It also refuses stray bytes between the parts of the head, which do no harm and which libjpeg skips.
    let options = DecoderOptions::default()
        .set_strict_mode(!head.stray)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(limits::JPEG_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(broken)?;
    let info = decoder.info().ok_or_else(|| DecodeError::broken(NAME, "it has no size"))?;
    check_size(NAME, u64::from(info.width), u64::from(info.height))?;
    let pixels = decoder.decode().map_err(broken)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let picture = RgbImage::from_raw(u32::from(info.width), u32::from(info.height), pixels)
        .ok_or_else(|| DecodeError::broken(NAME, "its channels are no colours"))?;
    Ok((picture, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// What stands before the first scan (ITU-T T.81, annex B).
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Where the first scan begins.
    scan: usize,
    /// Bytes that belong to nothing stand between its parts.
    stray: bool,
}

impl Head {
    /// None where the file ends before a scan begins.
    fn of(file: &[u8]) -> Option<Self> {
        let (mut at, mut stray) = (2, false);
        loop {
            while *file.get(at)? != 0xFF {
                (at, stray) = (at + 1, true);
            }
            while *file.get(at)? == 0xFF {
                at += 1;
            }
            let marker = file[at];
            at += 1;
            match marker {
                0x00 => stray = true,
                // They stand alone: TEM, restarts and the file's begin.
                0x01 | 0xD0..=0xD8 => {}
                0xD9 => return None,
                0xDA => return Some(Self { scan: at, stray }),
                _ => {
                    let length = u16::from_be_bytes([*file.get(at)?, *file.get(at + 1)?]);
                    at += usize::from(length.max(2));
                }
            }
        }
    }

    /// Whether the end's marker follows, which no scan's data can hold. Pillow asks for it too. The decoder itself looks only when a
    /// row of blocks begins, and would leave the last row grey.
    fn is_complete(&self, file: &[u8]) -> bool {
        file[self.scan..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_ends_where_the_first_scan_begins() {
        let check = |file: &[u8], expected: Option<(usize, bool)>| {
            assert_eq!(Head::of(file), expected.map(|(scan, stray)| Head { scan, stray }), "{file:02X?}");
        };
        let comment = b"\xFF\xD8\xFF\xFE\0\x04\xFF\xDA\xFF\xDA";
        check(comment, Some((10, false)));
        check(b"\xFF\xD8\0\0\xFF\xDA", Some((6, true)));
        check(b"\xFF\xD8\xFF\xFF\xFF\xDA", Some((6, false)));
        check(b"\xFF\xD8\xFF\xD9\xFF\xDA", None);
        check(&comment[..8], None);
        check(b"\xFF\xD8\xFF", None);
    }
}
