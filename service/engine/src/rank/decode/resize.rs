//! The pixels of a view from those of a picture; knows no files.

use super::DecodeError;
use super::fit::Fit;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// `source` is `[original rows, original columns, channels]`, the result `[target rows, target columns, channels]`; 1 or 3 channels.
pub fn resize(source: &[u8], channels: usize, fit: &Fit) -> Result<Vec<u8>, DecodeError> {
    let shown = if fit.down.is_same() && fit.across.is_same() {
        crop(source, channels, fit)
    } else {
        convolve(source, channels, fit)?
    };
    let (rows, columns) = (fit.down.shown() as usize, fit.across.shown() as usize);
    let (height, width) = (fit.down.target as usize, fit.across.target as usize);
    if (rows, columns) == (height, width) {
        return Ok(shown);
    }
    let mut padded = vec![0; height * width * channels];
    if rows == 0 || columns == 0 {
        return Ok(padded);
    }
    let lines = padded.chunks_exact_mut(width * channels).skip(fit.down.padding() as usize);
    let left = fit.across.padding() as usize * channels;
    for (line, row) in lines.zip(shown.chunks_exact(columns * channels)) {
        line[left..left + row.len()].copy_from_slice(row);
    }
    Ok(padded)
}

/// Where nothing is resized.
fn crop(source: &[u8], channels: usize, fit: &Fit) -> Vec<u8> {
    let (top, left) = (fit.down.first() as usize, fit.across.first() as usize * channels);
    let (rows, across) = (fit.down.shown() as usize, fit.across.shown() as usize * channels);
    let lines = source.chunks_exact(fit.across.original as usize * channels);
    let mut shown = Vec::with_capacity(rows * across);
    for line in lines.skip(top).take(rows) {
        shown.extend_from_slice(&line[left..left + across]);
    }
    shown
}

/// Bilinear with antialiasing, as Pillow's `resize`. The filter reads pixels outside of the part that is shown, so that this equals
/// resizing the whole picture and cropping it.
fn convolve(source: &[u8], channels: usize, fit: &Fit) -> Result<Vec<u8>, DecodeError> {
    let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let failed = |error: &dyn std::fmt::Display| DecodeError::Resize(error.to_string());
    let from = ImageRef::new(fit.across.original, fit.down.original, source, kind).map_err(|e| failed(&e))?;
    let mut to = Image::new(fit.across.shown(), fit.down.shown(), kind);
    let ((top, height), (left, width)) = (fit.down.source(), fit.across.source());
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, width, height)
        .use_alpha(false);
    Resizer::new().resize(&from, &mut to, &options).map_err(|e| failed(&e))?;
    Ok(to.into_vec())
}
