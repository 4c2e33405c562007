//! Draws lines of text into a picture, in Noto Sans Mono. Knows no layout.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Height of a line in pixels: the only size that the font crate has by default, and one that reads well.
pub const LINE_HEIGHT_PX: u32 = 16;
const RASTER: RasterHeight = RasterHeight::Size16;

/// A way to write.
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    /// The letters' colour.
    pub color: Rgb<u8>,
    /// Whether they are bold.
    pub bold: bool,
}

/// Writes `text` with its upper left corner at `(x, y)`; what lies outside the picture is cut off.
pub fn draw(picture: &mut RgbImage, (x, y): (u32, u32), text: &str, ink: Ink) {
    let weight = if ink.bold { FontWeight::Bold } else { FontWeight::Regular };
    for (index, c) in text.chars().enumerate() {
        let Some(glyph) = get_raster(c, weight, RASTER).or_else(|| get_raster('?', weight, RASTER)) else {
            continue;
        };
        let left = x + index as u32 * glyph_width_px();
        for (row, line) in glyph.rows().enumerate() {
            for (column, coverage) in line.iter().enumerate() {
                let (px, py) = (left + column as u32, y + row as u32);
                if px < picture.width() && py < picture.height() {
                    blend(picture.get_pixel_mut(px, py), ink.color, *coverage);
                }
            }
        }
    }
}

/// How wide `text` is drawn.
pub fn width_px(text: &str) -> u32 {
    text.chars().count() as u32 * glyph_width_px()
}

/// `text`, shortened in the middle to `width` pixels: the ends tell labels apart.
pub fn fit(text: &str, width: u32) -> String {
    let room = (width / glyph_width_px()) as usize;
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= room {
        return text.to_string();
    }
    let kept = room.saturating_sub(2);
    let (head, tail) = (kept / 2, kept - kept / 2);
    let ends = [&chars[..head], &['.'; 2][..room.min(2)], &chars[chars.len() - tail..]];
    ends.iter().flat_map(|part| part.iter()).collect()
}

fn blend(pixel: &mut Rgb<u8>, color: Rgb<u8>, coverage: u8) {
    for (below, above) in pixel.0.iter_mut().zip(color.0) {
        let (below_part, above_part) =
            (u32::from(*below) * u32::from(255 - coverage), u32::from(above) * u32::from(coverage));
        *below = ((below_part + above_part + 127) / 255) as u8;
    }
}

fn glyph_width_px() -> u32 {
    get_raster_width(FontWeight::Regular, RASTER) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_ends() {
        let check = |text: &str, glyphs: u32, expected: &str| {
            assert_eq!(fit(text, glyphs * glyph_width_px()), expected)
        };
        check("inception_4b:77", 15, "inception_4b:77");
        check("inception_4b:77", 10, "ince..b:77");
        check("inception_4b:77", 3, "..7");
        check("inception_4b:77", 1, ".");
        check("inception_4b:77", 0, "");
    }

    #[test]
    fn what_captions_are_written_with_has_glyphs() {
        for c in "aZ09#%:·±é".chars() {
            assert!(get_raster(c, FontWeight::Regular, RASTER).is_some(), "{c}");
        }
    }

    #[test]
    fn ink_stays_inside_and_off_the_picture_does_not_panic() {
        let ink = Ink { color: Rgb([255; 3]), bold: true };
        let mut picture = RgbImage::new(20, 16);
        draw(&mut picture, (15, 8), "unknown → glyphs", ink);
        assert!(picture.pixels().any(|pixel| pixel.0[0] > 128));
        assert!(picture.enumerate_pixels().all(|(x, y, pixel)| pixel.0 == [0; 3] || (x >= 15 && y >= 8)));
    }
}
