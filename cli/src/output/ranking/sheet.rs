//! The contact sheet of a unit: its images in rows, framed where the unit looks, with what it sees there below. Knows pictures and
//! texts, not where they came from.

use super::super::sheet::{
    CAPTION_GAP_PX, Colors, GAP_PX, MARGIN_PX, MAX_SHEET_PX, MIN_SIDE_PX, TITLE_PX, decode, drawn_size,
    encode, resize,
};
use super::super::text::{self, Ink, LINE_HEIGHT_PX};
use crate::args::Shade;
use crate::failure::Failure;
use crate::numbers::{grouped, percentile, short_number};
use image::{Rgb, RgbImage, imageops};
use unitscope_proto::v1::{Box as Window, Hit};

/// Images side by side; the nine of a group that nobody changed make one row.
const COLUMNS: usize = 9;
/// The side of thumbnails as drawn: at least what the captions need, at most what the other contact sheet takes.
const SIDES_PX: (u32, u32) = (128, 224);
/// Between a thumbnail, its crop and its heat map.
const INNER_GAP_PX: u32 = 6;
/// Score, percentile, class.
const CAPTION_LINES: u32 = 3;
/// From the top of a heading to the thumbnails.
const HEADING_PX: u32 = LINE_HEIGHT_PX + 8;
/// Two lines of colour between two dark ones are seen on every picture.
const FRAME_COLORS: [Rgb<u8>; 3] = [Rgb([20, 20, 20]), Rgb([255, 196, 0]), Rgb([255, 196, 0])];

/// Images of one group.
pub struct Row {
    /// What they are.
    pub heading: String,
    /// The images, in order.
    pub cells: Vec<Cell>,
}

/// One image.
pub struct Cell {
    thumbnail: RgbImage,
    crop: Option<RgbImage>,
    heat_map: Option<RgbImage>,
    /// What the unit sees, as shares of the thumbnail's height and width: top, left, bottom, right. None where it is all of it.
    window: Option<[f64; 4]>,
    captions: [String; 3],
    path: String,
}

impl Cell {
    /// Decodes a thumbnail; `input` is the height and width that the window counts in.
    pub fn new(hit: &Hit, thumbnail: Vec<u8>, input: Option<(u32, u32)>) -> Result<Cell, Failure> {
        let last = if hit.class.is_empty() { file_name(&hit.path) } else { &hit.class };
        Ok(Cell {
            thumbnail: decode(thumbnail, &hit.path)?,
            crop: None,
            heat_map: None,
            window: hit.window.as_ref().zip(input).and_then(|(window, input)| shares(window, input)),
            captions: [
                format!("#{} {}", grouped(hit.rank), short_number(hit.score.into())),
                format!("{} %", percentile(hit.percentile)),
                last.to_string(),
            ],
            path: hit.path.clone(),
        })
    }

    /// Adds what stands below; a crop that is the whole image says nothing and is left out.
    pub fn with(mut self, crop: Option<Vec<u8>>, heat_map: Option<Vec<u8>>) -> Result<Cell, Failure> {
        let crop = crop.filter(|_| self.window.is_some());
        self.crop = crop.map(|png| decode(png, &self.path)).transpose()?;
        self.heat_map = heat_map.map(|png| decode(png, &self.path)).transpose()?;
        Ok(self)
    }
}

/// The window as shares of the input; none where it is no part of it, or all of it.
fn shares(window: &Window, (height, width): (u32, u32)) -> Option<[f64; 4]> {
    let is_part = window.top < window.bottom && window.left < window.right;
    let is_inside = window.bottom <= height && window.right <= width;
    let is_all = (window.top, window.left, window.bottom, window.right) == (0, 0, height, width);
    let share = |place: u32, side: u32| f64::from(place) / f64::from(side);
    (is_part && is_inside && !is_all).then(|| {
        [
            share(window.top, height),
            share(window.left, width),
            share(window.bottom, height),
            share(window.right, width),
        ]
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Draws the sheet and gives its PNG.
pub fn hit_sheet(rows: &[Row], title: &[String; 2], shade: Shade) -> Result<Vec<u8>, image::ImageError> {
    let layout = Layout::new(rows, title);
    let colors = Colors::of(shade);
    let mut sheet = RgbImage::from_pixel(layout.width, layout.height, colors.background);
    let room = layout.width - 2 * MARGIN_PX;
    let mut write = |at, line: &str, room, color, bold| {
        text::draw(&mut sheet, at, &text::fit(line, room), Ink { color, bold });
    };
    write((MARGIN_PX, MARGIN_PX), &title[0], room, colors.text, true);
    write((MARGIN_PX, MARGIN_PX + LINE_HEIGHT_PX), &title[1], room, colors.quiet, false);
    for (row, top) in rows.iter().zip(&layout.tops) {
        write((MARGIN_PX, *top), &row.heading, room, colors.text, true);
        for (index, cell) in row.cells.iter().enumerate() {
            let (x, y) = layout.corner(*top, index);
            let below = y + layout.caption_top();
            for (line, caption) in cell.captions.iter().enumerate() {
                let (color, bold) = if line == 0 { (colors.text, true) } else { (colors.quiet, false) };
                write((x, below + line as u32 * LINE_HEIGHT_PX), caption, layout.cell, color, bold);
            }
        }
    }
    for (row, top) in rows.iter().zip(&layout.tops) {
        for (index, cell) in row.cells.iter().enumerate() {
            draw(&mut sheet, &layout, layout.corner(*top, index), cell);
        }
    }
    encode(&sheet)
}

/// The thumbnail with its frame, then crop and heat map below.
fn draw(sheet: &mut RgbImage, layout: &Layout, (x, y): (u32, u32), cell: &Cell) {
    let mut thumbnail = resize(&cell.thumbnail, layout.side);
    if let Some(window) = cell.window {
        frame(&mut thumbnail, window);
    }
    imageops::replace(sheet, &thumbnail, i64::from(x), i64::from(y));
    let mut top = y + layout.thumbnail;
    for (picture, height) in [(&cell.crop, layout.crop), (&cell.heat_map, layout.heat_map)] {
        if let Some(picture) = picture {
            let scaled = resize(picture, layout.side);
            imageops::replace(sheet, &scaled, i64::from(x), i64::from(top + INNER_GAP_PX));
        }
        top += height;
    }
}

/// Draws the outline of a window, given in shares, inside of its edges.
fn frame(picture: &mut RgbImage, [top, left, bottom, right]: [f64; 4]) {
    let (width, height) = picture.dimensions();
    let first = |share: f64, side: u32| ((share * f64::from(side)).floor() as u32).min(side - 1);
    let last = |share: f64, side: u32| ((share * f64::from(side)).ceil() as u32).clamp(1, side) - 1;
    let (top, left) = (first(top, height), first(left, width));
    let (bottom, right) = (last(bottom, height).max(top), last(right, width).max(left));
    for y in top..=bottom {
        for x in left..=right {
            let depth = (y - top).min(bottom - y).min(x - left).min(right - x) as usize;
            if let Some(color) = FRAME_COLORS.get(depth) {
                picture.put_pixel(x, y, *color);
            }
        }
    }
}

/// Where everything goes, in pixels.
#[derive(Debug)]
struct Layout {
    /// The side that pictures are brought near to.
    side: u32,
    /// The width of a cell.
    cell: u32,
    /// The height of thumbnails.
    thumbnail: u32,
    /// The heights of crops and of heat maps with the gap above them; 0 where there are none.
    crop: u32,
    heat_map: u32,
    /// Where the headings stand.
    tops: Vec<u32>,
    width: u32,
    height: u32,
}

impl Layout {
    fn new(rows: &[Row], title: &[String; 2]) -> Layout {
        let thumbnails = rows.iter().flat_map(|row| &row.cells).map(|cell| &cell.thumbnail);
        let longest = thumbnails.map(|picture| picture.width().max(picture.height())).max().unwrap_or(0);
        let mut side = longest.clamp(SIDES_PX.0, SIDES_PX.1);
        loop {
            let layout = Layout::at(rows, title, side);
            if u64::from(layout.width) * u64::from(layout.height) <= MAX_SHEET_PX || side <= MIN_SIDE_PX {
                return layout;
            }
            side = (side * 3 / 4).max(MIN_SIDE_PX);
        }
    }

    fn at(rows: &[Row], title: &[String; 2], side: u32) -> Layout {
        let cells = || rows.iter().flat_map(|row| &row.cells);
        let drawn = |picture: &RgbImage| drawn_size(picture.dimensions(), side);
        let height = |picture: &Option<RgbImage>| {
            picture.as_ref().map_or(0, |picture| drawn(picture).1 + INNER_GAP_PX)
        };
        let widths =
            cells().flat_map(|cell| [Some(&cell.thumbnail), cell.crop.as_ref(), cell.heat_map.as_ref()]);
        let cell_width = widths.flatten().map(|picture| drawn(picture).0).max().unwrap_or(0).max(side);
        let mut layout = Layout {
            side,
            cell: cell_width,
            thumbnail: cells().map(|cell| drawn(&cell.thumbnail).1).max().unwrap_or(0),
            crop: cells().map(|cell| height(&cell.crop)).max().unwrap_or(0),
            heat_map: cells().map(|cell| height(&cell.heat_map)).max().unwrap_or(0),
            tops: Vec::new(),
            width: 0,
            height: 0,
        };
        let columns = rows.iter().map(|row| row.cells.len().min(COLUMNS)).max().unwrap_or(0).max(1) as u32;
        let pictures = columns * (layout.cell + GAP_PX) - GAP_PX;
        // A lone picture must not cut the title short.
        let words = title.iter().map(|line| text::width_px(line)).max().unwrap_or(0);
        let widest = COLUMNS as u32 * (layout.cell + GAP_PX) - GAP_PX;
        layout.width = 2 * MARGIN_PX + pictures.max(words.min(widest));
        let mut top = MARGIN_PX + TITLE_PX + LINE_HEIGHT_PX;
        for row in rows {
            layout.tops.push(top);
            top += HEADING_PX + row.cells.len().div_ceil(COLUMNS) as u32 * layout.row_px();
        }
        layout.height = top - GAP_PX + MARGIN_PX;
        layout
    }

    /// The upper left corner of the thumbnail of a cell in the row whose heading stands at `top`.
    fn corner(&self, top: u32, index: usize) -> (u32, u32) {
        let (column, line) = ((index % COLUMNS) as u32, (index / COLUMNS) as u32);
        (MARGIN_PX + column * (self.cell + GAP_PX), top + HEADING_PX + line * self.row_px())
    }

    /// From the top of a cell to its captions.
    fn caption_top(&self) -> u32 {
        self.thumbnail + self.crop + self.heat_map + CAPTION_GAP_PX
    }

    /// From the top of a cell to the one below.
    fn row_px(&self) -> u32 {
        self.caption_top() + CAPTION_LINES * LINE_HEIGHT_PX + GAP_PX
    }
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
