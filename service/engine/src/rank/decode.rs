//! From an image file's bytes to what a network sees, as torchvision does it; knows no tensors, and no file but its bytes.
//!
//! JPEG, PNG, WebP, BMP and GIF are decoded as Pillow's `convert("RGB")` does: alpha is dropped (what lies under transparent pixels
//! shows), palettes are looked up, colour profiles and gamma are ignored, CMYK and YCCK JPEGs are taken as inverted (Adobe's way),
//! animated files give their first frame on its canvas. Unlike there, EXIF's orientation is applied, 16-bit samples keep their
//! upper byte in grey as in colours (Pillow saturates grey ones), and what a GIF's first frame leaves open is black.
//!
//! Lossy data is rounded in another way than by libjpeg-turbo: over 200 JPEGs of ImageNet, decoded values differ by at most 9 of 255 levels
//! (0.20 on average), views of 128 pixels by at most 4 (0.29). Lossless files are equal to the last bit.

mod error;
mod fit;
mod format;
mod jpeg;
mod raster;
mod resize;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub use error::DecodeError;

use super::limits;
use crate::model::Input;
use fit::Fit;
use format::Format;
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

/// How a file becomes a network's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preprocessing {
    /// The shorter side after resizing, in pixels. Without it the picture is resized until it just covers the input: one side becomes
    /// the input's, the other is at least as long. A picture of exactly the input's size then stays as it is.
    pub resize: Option<u32>,
    /// Rows of the centre crop.
    pub height: u32,
    /// Columns of the centre crop.
    pub width: u32,
    /// One channel instead of red, green, blue.
    pub gray: bool,
}

impl Preprocessing {
    /// What `model.toml` says. The pixels' order is red, green, blue for BGR networks too: whoever normalizes swaps.
    ///
    /// # Errors
    /// The network takes a number of channels that is neither 1 nor 3.
    pub fn of(input: &Input) -> Result<Self, String> {
        let gray = match input.channels.count() {
            1 => true,
            3 => false,
            count => {
                return Err(format!(
                    "the model takes {count} channels, but an image has grey or colours; rank a model of 1 or 3 channels"
                ));
            }
        };
        Ok(Self { resize: input.resize, height: input.height, width: input.width, gray })
    }

    /// Names everything that decides the pixels: equal keys give equal pixels of equal files. The number changes with the code: raise
    /// it when a decoder or the filter gives other values.
    pub fn key(&self) -> String {
        let resize = self.resize.map_or_else(|| "cover".to_owned(), |side| format!("shorter {side}"));
        let colors = if self.gray { "grey" } else { "rgb" };
        format!("pixels 1, {resize}, centre {} x {}, {colors}", self.height, self.width)
    }
}

/// What the network sees, and where it lies in the file's picture.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// `[height, width, channels]`, row-major; 0 where the view reaches outside of the picture.
    pub pixels: Vec<u8>,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// 3 for red, green, blue, 1 for grey.
    pub channels: u8,
    /// Height and width of the file's picture, the right way up.
    pub original: (u32, u32),
    /// Top, left, bottom and right of the view, in pixels of the file's picture; outside of it where the view is padded.
    pub window: [f32; 4],
}

/// Decodes a file, resizes (bilinear, antialiased) and crops to the centre, like torchvision's `Resize` and `CenterCrop` on a Pillow
/// image: sizes and offsets are equal, and values lie within one grey level of theirs for equal decoded pixels (`golden_tests`). Grey is
/// made before resizing, by ITU-R 601-2 as Pillow's `convert("L")` rounds it. Only the part that the crop keeps is computed.
///
/// # Errors
/// Those of [`decode`].
pub fn view(file: &[u8], preprocessing: &Preprocessing) -> Result<View, DecodeError> {
    view_of(decode(file)?, preprocessing)
}

/// [`view`] of a picture that [`decode`] has made.
///
/// # Errors
/// [`DecodeError::Resize`], which no picture of [`decode`] should cause.
pub fn view_of(picture: RgbImage, preprocessing: &Preprocessing) -> Result<View, DecodeError> {
    let original = (picture.height(), picture.width());
    let fit = Fit::new(original, preprocessing);
    let channels = if preprocessing.gray { 1 } else { 3 };
    let source = if preprocessing.gray { grey(picture.as_raw()) } else { picture.into_raw() };
    let pixels = resize::resize(&source, channels, &fit)?;
    let ([top, bottom], [left, right]) = (fit.down.window(), fit.across.window());
    Ok(View {
        pixels,
        height: preprocessing.height,
        width: preprocessing.width,
        channels: if preprocessing.gray { 1 } else { 3 },
        original,
        window: [top, left, bottom, right],
    })
}

/// The whole picture of a file: oriented as EXIF says, red, green, blue, at most [`limits::IMAGE_PIXELS`].
///
/// # Errors
/// What is wrong with the file, the rule, and the way out; a damaged or truncated file is never decoded in part.
pub fn decode(file: &[u8]) -> Result<RgbImage, DecodeError> {
    let format = Format::of(file)?;
    // Decoders are others' code: a panic in one is a broken file, not the end of a pass over a million.
    std::panic::catch_unwind(|| decode_as(file, format))
        .unwrap_or_else(|_| Err(DecodeError::broken(format.name(), "its decoder gave up")))
}

fn decode_as(file: &[u8], format: Format) -> Result<RgbImage, DecodeError> {
    let (picture, orientation) = match format {
        Format::Jpeg => jpeg::decode(file)?,
        Format::Raster(format, name) => raster::decode(file, format, name)?,
    };
    if orientation == Orientation::NoTransforms {
        return Ok(picture);
    }
    let mut turned = DynamicImage::ImageRgb8(picture);
    turned.apply_orientation(orientation);
    Ok(turned.into_rgb8())
}

/// Pixels that a header promises, before anything is allocated for them.
fn check_size(name: &'static str, width: u64, height: u64) -> Result<(), DecodeError> {
    if width == 0 || height == 0 {
        return Err(DecodeError::broken(name, "it has no pixels"));
    }
    if width.saturating_mul(height) > limits::IMAGE_PIXELS {
        return Err(DecodeError::Pixels { width, height });
    }
    Ok(())
}

/// ITU-R 601-2 in Pillow's whole numbers.
fn grey(rgb: &[u8]) -> Vec<u8> {
    let luma = |pixel: &[u8]| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        // At most 255: the factors' sum is 65,536.
        ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
    };
    rgb.chunks_exact(3).map(luma).collect()
}
