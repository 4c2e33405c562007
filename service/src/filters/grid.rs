//! The picture of filters: a tile for each, in rows, with its number. It knows no model.

use crate::card::lettering::{Style, fonts};
use crate::data::pictures::Pixels;
use image::{Rgb, RgbImage};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::fmt::Write;

/// Around all tiles.
pub const MARGIN_PX: u32 = 14;

/// Between tiles, so that they are not taken for one picture.
const GAP_PX: u32 = 10;

/// Under a tile, for its number.
const NUMBER_PX: u32 = 16;

/// Around a tile, one pixel wide, so that white weights at its edge are told from the paper.
const FRAME: Rgb<u8> = Rgb([176; 3]);

/// Of the number's letters.
const NUMBER: Style = Style::new(11.0, false, "#595959");

/// Room for four digits under a tile.
const LEAST_STEP_PX: u32 = 34;

/// The longer side of a tile: kernels of 3×3 to 16×16 come near to it.
const TILE_PX: u32 = 56;

/// A pixel of the smallest kernels is not drawn larger.
const MOST_ENLARGEMENT: u32 = 24;

/// Where tiles are, as the proto says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the proto says what they are")]
pub struct Grid {
    pub columns: u32,
    pub row_step_px: u32,
    pub column_step_px: u32,
    pub enlargement: u32,
}

/// A filter's pixels.
pub(super) struct Tile {
    pub(super) number: u32,
    pub(super) shades: Shades,
}

/// Weights as colours, from −scale (black) over 0 (mid-grey) to scale (white).
pub(super) struct Shades {
    scale: f64,
    pixels: Vec<Rgb<u8>>,
}

impl Shades {
    /// Of the planes red, green and blue, one after the other.
    pub(super) fn colors(weights: &[f32]) -> Self {
        let scale = largest(weights.iter().map(|&weight| f64::from(weight)));
        let plane = weights.len() / 3;
        let at = |channel: usize, pixel: usize| shade(f64::from(weights[channel * plane + pixel]), scale);
        let pixels = (0..plane).map(|pixel| Rgb([at(0, pixel), at(1, pixel), at(2, pixel)])).collect();
        Self { scale, pixels }
    }

    /// Of one plane.
    pub(super) fn grey(values: &[f64]) -> Self {
        let scale = largest(values.iter().copied());
        Self { scale, pixels: values.iter().map(|&value| Rgb([shade(value, scale); 3])).collect() }
    }

    /// The largest absolute value.
    pub(super) fn scale(&self) -> f64 {
        self.scale
    }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).filter(|value| value.is_finite()).fold(0.0, f64::max)
}

fn shade(value: f64, scale: f64) -> u8 {
    let part = if value.is_finite() && scale > 0.0 { value / scale } else { 0.0 };
    (127.5 + 127.5 * part).round() as u8
}

/// The PNG of all tiles, each of `height` × `width` pixels of a kernel, and its layout: about as wide as high.
pub(super) fn draw(tiles: &[Tile], height: u32, width: u32) -> (Vec<u8>, Grid) {
    let grid = lay_out(tiles.len() as u32, height, width);
    let rows = (tiles.len() as u32).div_ceil(grid.columns);
    let size = |steps: u32, step: u32, gap: u32| 2 * MARGIN_PX + steps * step - gap;
    let mut picture = numbers(
        tiles,
        grid,
        size(grid.columns, grid.column_step_px, GAP_PX),
        size(rows, grid.row_step_px, GAP_PX),
    );
    for (place, tile) in tiles.iter().enumerate() {
        let (left, top) = corner(grid, place as u32);
        let (high, wide) = (height * grid.enlargement, width * grid.enlargement);
        for x in left - 1..=left + wide {
            [top - 1, top + high].into_iter().for_each(|y| picture.put_pixel(x, y, FRAME));
        }
        for y in top - 1..=top + high {
            [left - 1, left + wide].into_iter().for_each(|x| picture.put_pixel(x, y, FRAME));
        }
        for y in 0..high {
            for x in 0..wide {
                let pixel = (y / grid.enlargement) * width + x / grid.enlargement;
                picture.put_pixel(left + x, top + y, tile.shades.pixels[pixel as usize]);
            }
        }
    }
    (Pixels::from(picture).png(), grid)
}

fn lay_out(tiles: u32, height: u32, width: u32) -> Grid {
    let enlargement = TILE_PX.div_ceil(height.max(width)).min(MOST_ENLARGEMENT);
    let column_step_px = (width * enlargement + GAP_PX).max(LEAST_STEP_PX);
    let row_step_px = height * enlargement + NUMBER_PX + GAP_PX;
    let columns = columns(tiles.max(1), f64::from(row_step_px) / f64::from(column_step_px));
    Grid { columns, row_step_px, column_step_px, enlargement }
}

/// So many that the picture is about as wide as high, and the last row as full as may be; `high` is a row's step by a column's.
fn columns(tiles: u32, high: f64) -> u32 {
    /// A picture that is so much wider or higher still counts as square.
    const LEEWAY: f64 = 1.3;
    let square = (f64::from(tiles) * high).sqrt();
    let least = ((square / LEEWAY).ceil() as u32).clamp(1, tiles);
    let most = ((square * LEEWAY) as u32).clamp(least, tiles);
    let empty = |columns: u32| tiles.div_ceil(columns) * columns - tiles;
    let off = |columns: u32| (f64::from(columns) - square).abs();
    let better = |a: &u32, b: &u32| empty(*a).cmp(&empty(*b)).then(off(*a).total_cmp(&off(*b)));
    (least..=most).min_by(better).unwrap_or(least)
}

/// Left and top of the tile at a place.
fn corner(grid: Grid, place: u32) -> (u32, u32) {
    let (column, row) = (place % grid.columns, place / grid.columns);
    (MARGIN_PX + column * grid.column_step_px, MARGIN_PX + row * grid.row_step_px)
}

/// A white picture with every tile's number where it belongs. Without numbers where the letters cannot be drawn.
fn numbers(tiles: &[Tile], grid: Grid, width: u32, height: u32) -> RgbImage {
    let mut svg = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">"#);
    for (place, tile) in tiles.iter().enumerate() {
        let (left, top) = corner(grid, place as u32);
        let below = top + grid.row_step_px - GAP_PX - 4;
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "{}",
            NUMBER.element((f64::from(left), f64::from(below)), "start", &tile.number.to_string())
        );
    }
    svg.push_str("</svg>");
    let mut picture = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let options = Options { fontdb: fonts(), ..Options::default() };
    let (Ok(tree), Some(mut pixels)) = (Tree::from_str(&svg, &options), Pixmap::new(width, height)) else {
        return picture;
    };
    pixels.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    for (to, from) in picture.pixels_mut().zip(pixels.pixels()) {
        *to = Rgb([from.red(), from.green(), from.blue()]);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(tiles: &[Tile], height: u32, width: u32) -> (RgbImage, Grid) {
        let (png, grid) = draw(tiles, height, width);
        (image::load_from_memory(&png).unwrap().to_rgb8(), grid)
    }

    #[test]
    fn zero_is_grey_and_the_largest_weight_black_or_white() {
        let shades = Shades::grey(&[0.0, 2.0, -2.0, 1.0, f64::NAN]);
        assert_eq!(shades.scale(), 2.0);
        assert_eq!(shades.pixels, [128, 255, 0, 191, 128].map(|shade| Rgb([shade; 3])));
        let shades = Shades::colors(&[0.5, -0.5, 0.0, 0.25, -0.25, 0.0]);
        assert_eq!(
            (shades.scale(), &shades.pixels[..]),
            (0.5, &[Rgb([255, 128, 64]), Rgb([0, 191, 128])][..])
        );
        assert_eq!(Shades::grey(&[0.0; 2]).pixels, [Rgb([128; 3]); 2]);
    }

    #[test]
    fn tiles_are_where_the_grid_says() {
        let tile = |number: u32| Tile {
            number,
            shades: Shades::grey(&[1.0, -1.0, 0.0, 0.0, 1.0, f64::from(number) / 100.0]),
        };
        let tiles: Vec<Tile> = (0..10).map(tile).collect();
        let (picture, grid) = drawn(&tiles, 2, 3);
        assert_eq!(grid, Grid { columns: 3, row_step_px: 64, column_step_px: 67, enlargement: 19 });
        assert_eq!((picture.width(), picture.height()), (28 + 3 * 67 - 10, 28 + 4 * 64 - 10));
        let at = |tile: u32, row: u32, column: u32| {
            let (left, top) = corner(grid, tile);
            picture.get_pixel(left + column * 19 + 18, top + row * 19).0[0]
        };
        assert_eq!([at(6, 0, 0), at(6, 0, 1), at(6, 0, 2), at(6, 1, 1)], [255, 0, 128, 255]);
        assert_eq!([at(0, 1, 2), at(9, 1, 2)], [128, 139]);
        let dark = |row: u32| (0..picture.width()).any(|x| picture.get_pixel(x, row).0[0] < 200);
        let (below, gap) = (MARGIN_PX + 38 + 1..MARGIN_PX + 38 + NUMBER_PX, MARGIN_PX + 38 + NUMBER_PX + 2);
        assert!(below.clone().any(dark), "a number stands under each tile");
        assert!(!dark(gap) && !dark(2), "gaps are white");
    }

    #[test]
    fn the_largest_pictures_fit_into_an_answer() {
        use crate::limits::{FILTER_PIXELS, FILTERS, RESPONSE_BYTES};
        for side in [8, 32, 64, 512] {
            // Bytes that nothing compresses, by Knuth's multiplier.
            let noise =
                |place: u64| ((place.wrapping_mul(6_364_136_223_846_793_005) >> 40) & 255) as f32 - 127.5;
            let count = (FILTER_PIXELS / (side * side)).min(FILTERS as u64);
            let weights = |tile: u64| {
                (0..3 * side * side).map(|at| noise(tile * 1_000_003 + at * at)).collect::<Vec<f32>>()
            };
            let tiles: Vec<Tile> = (0..count)
                .map(|tile| Tile { number: tile as u32, shades: Shades::colors(&weights(tile)) })
                .collect();
            let bytes = draw(&tiles, side as u32, side as u32).0.len();
            assert!(bytes < RESPONSE_BYTES * 9 / 10, "{count} of {side}×{side} take {bytes} bytes");
        }
    }

    #[test]
    fn grids_are_about_square_and_full() {
        for (tiles, height, width, columns) in
            [(64, 7, 7, 8), (24, 6, 6, 6), (7, 7, 7, 3), (1, 9, 9, 1), (3, 1, 1, 2), (256, 32, 32, 16)]
        {
            assert_eq!(lay_out(tiles, height, width).columns, columns, "{tiles} of {height}×{width}");
        }
    }
}
