//! Pictures that clients give, as the engine takes them: decoded within caps, scaled to cover a size, cropped to its middle.

use crate::limits::REFERENCE_PIXELS;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use unitscope_engine::spec::Picture;

/// What a picture is to become.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// 3 for colours, 1 for grey.
    pub channels: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// Columns, at least 1.
    pub width: u32,
}

/// Reads a PNG, JPEG or WebP file.
///
/// # Errors
/// What is wrong with it, the rule, and the way out.
pub fn read(data: &[u8], target: Target) -> Result<Picture, String> {
    if !matches!(target.channels, 1 | 3) {
        return Err(format!(
            "a file has grey or colours, but the model takes {} channels; leave references out",
            target.channels
        ));
    }
    let image = decode(data)?;
    let covered = cover(image, target);
    let opaque = over_grey(covered.into_rgba32f());
    let values = match target.channels {
        1 => DynamicImage::ImageRgb32F(opaque).to_luma32f().into_raw(),
        _ => planes(&opaque),
    };
    Ok(Picture {
        channels: target.channels,
        alpha: false,
        height: target.height,
        width: target.width,
        values,
    })
}

fn decode(data: &[u8]) -> Result<DynamicImage, String> {
    if data.is_empty() {
        return Err("it is empty; send the file itself, which answers do not repeat".to_owned());
    }
    let reader =
        ImageReader::new(Cursor::new(data)).with_guessed_format().map_err(|error| error.to_string())?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err("it is no PNG, JPEG or WebP file; convert it to one of them".to_owned());
    }
    let broken = |error: image::ImageError| {
        format!("it cannot be decoded: {error}; check the file, or convert it to PNG")
    };
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > REFERENCE_PIXELS {
        return Err(format!(
            "it has {width} × {height} pixels; at most {REFERENCE_PIXELS} are read: shrink it"
        ));
    }
    let mut limits = Limits::no_limits();
    // 16 bits and four channels, and what a decoder needs besides.
    limits.max_alloc = Some(REFERENCE_PIXELS * 16);
    decoder.set_limits(limits).map_err(broken)?;
    let orientation = decoder.orientation().map_err(broken)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Crops to the middle of the target's proportions, then scales. A picture of the right size stays as it is. Cropping comes first, so that a
/// picture of one row never becomes as wide as its enlargement would be.
fn cover(image: DynamicImage, target: Target) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    if (width, height) == (target.width, target.height) {
        return image;
    }
    let share = |side: u32, of: u32, other: u32| {
        let whole = u64::from(side) * u64::from(of) / u64::from(other);
        u32::try_from(whole).unwrap_or(u32::MAX).max(1)
    };
    let across = width.min(share(height, target.width, target.height));
    let down = height.min(share(width, target.height, target.width));
    let middle = image.crop_imm((width - across) / 2, (height - down) / 2, across, down);
    middle.resize_exact(target.width, target.height, FilterType::CatmullRom)
}

/// What is transparent shows mid grey, as what lies outside a picture does.
fn over_grey(image: image::Rgba32FImage) -> image::Rgb32FImage {
    const GREY: f32 = 0.5;
    let blend = |pixel: &image::Rgba<f32>| {
        let [red, green, blue, alpha] = pixel.0;
        image::Rgb([red, green, blue].map(|value| GREY + alpha * (value - GREY)))
    };
    image::Rgb32FImage::from_fn(image.width(), image.height(), |x, y| blend(image.get_pixel(x, y)))
}

/// Rows of pixels to planes of channels.
fn planes(image: &image::Rgb32FImage) -> Vec<f32> {
    (0..3).flat_map(|channel| image.pixels().map(move |pixel| pixel.0[channel].clamp(0.0, 1.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};

    const SQUARE: Target = Target { channels: 3, height: 4, width: 4 };

    fn file(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
        let mut data = Cursor::new(Vec::new());
        image.write_to(&mut data, format).unwrap();
        data.into_inner()
    }

    /// Red on the left, blue on the right.
    fn halves(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(
            width,
            height,
            |x, _| if x < width / 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) },
        )
    }

    #[test]
    fn a_picture_of_the_right_size_keeps_every_value() {
        let image = RgbImage::from_fn(4, 4, |x, y| Rgb([x as u8, y as u8, 255]));
        let picture = read(&file(&image, ImageFormat::Png), SQUARE).unwrap();
        for (x, y, pixel) in image.enumerate_pixels() {
            for channel in 0..3 {
                let value = picture.values[channel * 16 + (y * 4 + x) as usize];
                assert!((value - f32::from(pixel.0[channel]) / 255.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_larger_one_covers_the_size_from_its_middle() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let picture = read(&file(&halves(40, 16), format), SQUARE).unwrap();
            assert_eq!(
                (picture.channels, picture.height, picture.width, picture.values.len()),
                (3, 4, 4, 48)
            );
            let (red, blue) = (&picture.values[..16], &picture.values[32..]);
            assert!(red[0] > 0.9 && red[3] < 0.1 && blue[0] < 0.1 && blue[15] > 0.9, "{red:?} {blue:?}");
        }
        let grey = read(&file(&halves(40, 16), ImageFormat::Png), Target { channels: 1, ..SQUARE }).unwrap();
        assert_eq!(grey.values.len(), 16);
    }

    #[test]
    fn what_is_transparent_is_grey() {
        let image =
            image::RgbaImage::from_fn(4, 4, |x, _| image::Rgba([255, 0, 255, if x < 2 { 0 } else { 255 }]));
        let mut data = Cursor::new(Vec::new());
        image.write_to(&mut data, ImageFormat::Png).unwrap();
        let picture = read(&data.into_inner(), SQUARE).unwrap();
        assert_eq!(
            (&picture.values[..4], &picture.values[16..20]),
            (&[0.5, 0.5, 1.0, 1.0][..], &[0.5, 0.5, 0.0, 0.0][..])
        );
    }

    /// Scaled whole, one of these would take 65536 × 65536 pixels.
    #[test]
    fn a_picture_of_one_row_or_column_stays_small() {
        for (width, height) in [(65_536, 1), (1, 65_536)] {
            let target = Target { channels: 3, height: 512, width: 512 };
            let picture = read(&file(&halves(width, height), ImageFormat::Png), target).unwrap();
            assert_eq!(picture.values.len(), 3 * 512 * 512);
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let check = |data: &[u8], target: Target, word: &str| {
            let error = read(data, target).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        let good = file(&halves(40, 16), ImageFormat::Png);
        check(b"", SQUARE, "send the file itself");
        check(b"PK\x03\x04 a zip", SQUARE, "PNG");
        check(&good[..good.len() / 2], SQUARE, "decoded");
        check(&good, Target { channels: 5, ..SQUARE }, "5 channels");
        // A header that promises 2^32 pixels, with a right checksum.
        let mut bomb = good.clone();
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let checksum = crc(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
        check(&bomb, SQUARE, "65536 × 65536");
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
}
