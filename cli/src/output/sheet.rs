//! The contact sheet: all pictures of a job in a grid, with captions. Knows pictures and texts, not where they came from.

use super::text::{self, Ink, LINE_HEIGHT_PX};
use crate::args::Shade;
use crate::failure::Failure;
use image::imageops::{self, FilterType};
use image::{ImageFormat, ImageReader, Rgb, RgbImage};
use std::io::Cursor;

/// The side that small pictures are enlarged to, by a whole factor, and large ones are reduced to.
const SIDE_PX: u32 = 224;
/// Pictures up to this side stay as they are.
const MAX_SIDE_PX: u32 = 384;
/// A sheet beyond this is more than viewers open; then the pictures on it shrink.
pub const MAX_SHEET_PX: u64 = 48_000_000;
/// The smallest pictures that a caption fits under.
pub const MIN_SIDE_PX: u32 = 48;
/// Around a sheet.
pub const MARGIN_PX: u32 = 24;
/// Between two pictures.
pub const GAP_PX: u32 = 16;
/// Between a picture and its caption, and below the title.
pub const CAPTION_GAP_PX: u32 = 6;
/// Label and score.
const CAPTION_PX: u32 = CAPTION_GAP_PX + 2 * LINE_HEIGHT_PX;
/// From the top of the title to what stands below.
pub const TITLE_PX: u32 = LINE_HEIGHT_PX + 12;
const FRAME_PX: u32 = 3;

/// A picture on the sheet.
pub struct Picture {
    pixels: RgbImage,
    label: String,
    caption: String,
    is_dead: bool,
}

impl Picture {
    /// Decodes a PNG of the server.
    pub fn new(png: Vec<u8>, label: String, caption: String, is_dead: bool) -> Result<Picture, Failure> {
        Ok(Picture { pixels: decode(png, &label)?, label, caption, is_dead })
    }
}

/// Decodes a PNG of the server; `label` says in an error whose it is.
pub fn decode(png: Vec<u8>, label: &str) -> Result<RgbImage, Failure> {
    let pixels = ImageReader::with_format(Cursor::new(png), ImageFormat::Png).decode();
    let pixels =
        pixels.map_err(|error| Failure::Job(format!("the picture of `{label}` is no PNG: {error}")))?;
    Ok(pixels.into_rgb8())
}

/// Draws the sheet and gives its PNG. `columns` fixes the grid's width.
pub fn contact_sheet(
    pictures: &[Picture],
    columns: Option<usize>,
    title: &str,
    shade: Shade,
) -> Result<Vec<u8>, image::ImageError> {
    let layout = Layout::new(pictures, columns);
    let colors = Colors::of(shade);
    let mut sheet = RgbImage::from_pixel(layout.width, layout.height, colors.background);
    let room = layout.width - 2 * MARGIN_PX;
    text::draw(
        &mut sheet,
        (MARGIN_PX, MARGIN_PX),
        &text::fit(title, room),
        Ink { color: colors.quiet, bold: false },
    );
    for (index, picture) in pictures.iter().enumerate() {
        draw(&mut sheet, &layout, layout.corner(index), picture, &colors);
    }
    encode(&sheet)
}

/// The sheet as PNG.
pub fn encode(sheet: &RgbImage) -> Result<Vec<u8>, image::ImageError> {
    let mut png = Cursor::new(Vec::new());
    sheet.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

fn draw(sheet: &mut RgbImage, layout: &Layout, (x, y): (u32, u32), picture: &Picture, colors: &Colors) {
    let scaled = resize(&picture.pixels, layout.side);
    if picture.is_dead {
        let frame =
            RgbImage::from_pixel(scaled.width() + 2 * FRAME_PX, scaled.height() + 2 * FRAME_PX, colors.dead);
        imageops::replace(sheet, &frame, i64::from(x - FRAME_PX), i64::from(y - FRAME_PX));
    }
    imageops::replace(sheet, &scaled, i64::from(x), i64::from(y));
    let below = y + layout.cell.1 + CAPTION_GAP_PX;
    let caption_color = if picture.is_dead { colors.dead } else { colors.quiet };
    let fit = |line: &str| text::fit(line, layout.cell.0);
    text::draw(sheet, (x, below), &fit(&picture.label), Ink { color: colors.text, bold: true });
    text::draw(
        sheet,
        (x, below + LINE_HEIGHT_PX),
        &fit(&picture.caption),
        Ink { color: caption_color, bold: false },
    );
}

/// Where everything goes, in pixels.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    columns: usize,
    /// The side that pictures are brought near to.
    side: u32,
    /// Width and height of the largest picture as drawn.
    cell: (u32, u32),
    width: u32,
    height: u32,
}

impl Layout {
    fn new(pictures: &[Picture], columns: Option<usize>) -> Layout {
        let columns = columns.unwrap_or_else(|| columns_for(pictures.len()));
        let mut side = SIDE_PX;
        loop {
            let layout = Layout::at(pictures, columns, side);
            if u64::from(layout.width) * u64::from(layout.height) <= MAX_SHEET_PX || side <= MIN_SIDE_PX {
                return layout;
            }
            side = (side * 3 / 4).max(MIN_SIDE_PX);
        }
    }

    fn at(pictures: &[Picture], columns: usize, side: u32) -> Layout {
        let sizes = pictures.iter().map(|picture| drawn_size(picture.pixels.dimensions(), side));
        let cell = sizes.fold((1, 1), |cell, size| (cell.0.max(size.0), cell.1.max(size.1)));
        let (columns_px, rows_px) = (columns as u32, pictures.len().div_ceil(columns) as u32);
        Layout {
            columns,
            side,
            cell,
            width: 2 * MARGIN_PX + columns_px * (cell.0 + GAP_PX) - GAP_PX,
            height: 2 * MARGIN_PX + TITLE_PX + rows_px * (cell.1 + CAPTION_PX + GAP_PX) - GAP_PX,
        }
    }

    /// The upper left corner of a picture.
    fn corner(&self, index: usize) -> (u32, u32) {
        let (column, row) = ((index % self.columns) as u32, (index / self.columns) as u32);
        let y = MARGIN_PX + TITLE_PX + row * (self.cell.1 + CAPTION_PX + GAP_PX);
        (MARGIN_PX + column * (self.cell.0 + GAP_PX), y)
    }
}

/// A grid somewhat wider than high, with few places left empty.
fn columns_for(pictures: usize) -> usize {
    if pictures <= 4 {
        return pictures.max(1);
    }
    let ideal = (pictures as f64 * 1.3).sqrt();
    let cost = |columns: &usize| {
        let empty = pictures.div_ceil(*columns) * columns - pictures;
        empty as f64 / *columns as f64 + (*columns as f64 / ideal).ln().abs() * 2.0
    };
    let candidates = (ideal * 0.6).ceil() as usize..=(ideal * 1.6) as usize;
    candidates.min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(4)
}

/// Small pictures grow by a whole factor to about `side`; those up to 384 pixels stay; larger ones, and all those larger
/// than a side that the sheet had to shrink to, are reduced to it.
pub fn drawn_size((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longer = width.max(height).max(1);
    let limit = if side < SIDE_PX { side } else { MAX_SIDE_PX };
    if longer > limit {
        let scale = |length: u32| (u64::from(length) * u64::from(limit) / u64::from(longer)).max(1) as u32;
        return (scale(width), scale(height));
    }
    let factor = ((side + longer / 2) / longer).min(limit / longer).max(1);
    (width * factor, height * factor)
}

/// Brings a picture near to `side`.
pub fn resize(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = drawn_size(picture.dimensions(), side);
    if width > picture.width() {
        // Smooth: edges of enlarged pixels would hide the texture. The files beside the sheet have the pixels as they are.
        imageops::resize(picture, width, height, FilterType::CatmullRom)
    } else if width < picture.width() {
        imageops::resize(picture, width, height, FilterType::Lanczos3)
    } else {
        picture.clone()
    }
}

/// The colours of a sheet.
pub struct Colors {
    /// Behind everything.
    pub background: Rgb<u8>,
    /// What is read first.
    pub text: Rgb<u8>,
    /// What is read later.
    pub quiet: Rgb<u8>,
    dead: Rgb<u8>,
}

impl Colors {
    /// Of a background.
    pub fn of(shade: Shade) -> Colors {
        match shade {
            Shade::Light => Colors {
                background: Rgb([250, 250, 248]),
                text: Rgb([24, 24, 27]),
                quiet: Rgb([105, 105, 112]),
                dead: Rgb([190, 40, 40]),
            },
            Shade::Dark => Colors {
                background: Rgb([20, 20, 23]),
                text: Rgb([236, 236, 240]),
                quiet: Rgb([150, 150, 158]),
                dead: Rgb([240, 100, 95]),
            },
        }
    }
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
