//! PNG, WebP, BMP and GIF files to colours, through `image`; knows not what the picture is for.

use super::{DecodeError, check_size};
use crate::rank::limits;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::{Cursor, ErrorKind};

/// The first frame on its canvas, not yet turned.
pub fn decode(
    file: &[u8],
    format: ImageFormat,
    name: &'static str,
) -> Result<(RgbImage, Orientation), DecodeError> {
    if format == ImageFormat::WebP && !is_whole(file) {
        return Err(DecodeError::Truncated(name));
    }
    let broken = |error: ImageError| match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated(name)
        }
        error => DecodeError::broken(name, error),
    };
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut caps = Limits::no_limits();
    caps.max_alloc = Some(limits::DECODER_BYTES);
    reader.limits(caps);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(name, u64::from(width), u64::from(height))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let channels = usize::from(picture.color().channel_count());
    let pixels = match picture {
        DynamicImage::ImageRgb8(picture) => return Ok((picture, orientation)),
        DynamicImage::ImageLuma8(picture) => colors(picture.as_raw(), channels, |byte| byte),
        DynamicImage::ImageLumaA8(picture) => colors(picture.as_raw(), channels, |byte| byte),
        DynamicImage::ImageRgba8(picture) => colors(picture.as_raw(), channels, |byte| byte),
        DynamicImage::ImageLuma16(picture) => colors(picture.as_raw(), channels, upper),
        DynamicImage::ImageLumaA16(picture) => colors(picture.as_raw(), channels, upper),
        DynamicImage::ImageRgb16(picture) => colors(picture.as_raw(), channels, upper),
        DynamicImage::ImageRgba16(picture) => colors(picture.as_raw(), channels, upper),
        other => other.into_rgb8().into_raw(),
    };
    let picture = RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| DecodeError::broken(name, "its pixels do not fill its size"))?;
    Ok((picture, orientation))
}

/// Whether a RIFF file is as long as it says: what a cut one lacks may be the orientation, which its decoder would not miss.
fn is_whole(file: &[u8]) -> bool {
    let promised = file.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    promised.is_some_and(|bytes| file.len() as u64 >= u64::from(bytes) + 8)
}

/// As Pillow reads 16-bit colours.
fn upper(value: u16) -> u8 {
    (value >> 8) as u8
}

/// Grey or colours, with or without alpha, `[h, w, channels]`, to red, green, blue; alpha is dropped.
fn colors<T: Copy>(samples: &[T], channels: usize, byte: fn(T) -> u8) -> Vec<u8> {
    let pixels = samples.chunks_exact(channels);
    let mut rgb = Vec::with_capacity(pixels.len() * 3);
    for pixel in pixels {
        let places = if channels < 3 { [0; 3] } else { [0, 1, 2] };
        rgb.extend_from_slice(&places.map(|place| byte(pixel[place])));
    }
    rgb
}
