//! A map of activations over a picture. It knows no unit.

use super::Pixels;
use image::{DynamicImage, Rgb, RgbImage};

/// Colours from weak to strong: stops of matplotlib's `inferno` from its second fifth on, evenly spaced.
const COLORS: [[f32; 3]; 5] = [
    [101.0, 21.0, 110.0],
    [159.0, 42.0, 99.0],
    [212.0, 72.0, 66.0],
    [245.0, 125.0, 21.0],
    [250.0, 193.0, 39.0],
];

/// How much of the picture the strongest activation covers.
const COVER: f32 = 0.75;

impl Pixels {
    /// The picture in grey under a map of `rows` × `columns` activations, stretched over it and smoothed between positions. The largest has the strongest
    /// colour; what is not above 0 has none.
    #[must_use]
    pub fn heated(&self, rows: u32, columns: u32, values: &[f32]) -> Self {
        let grey = self.0.to_luma8();
        let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
        let share = |row: u32, column: u32| {
            let value = values[(row * columns + column) as usize];
            if most > 0.0 && value.is_finite() { (value / most).clamp(0.0, 1.0) } else { 0.0 }
        };
        let (width, height) = grey.dimensions();
        let heated = RgbImage::from_fn(width, height, |x, y| {
            let (row, down) = between(y, height, rows);
            let (column, across) = between(x, width, columns);
            let (below, right) = ((row + 1).min(rows - 1), (column + 1).min(columns - 1));
            let mix = |a: f32, b: f32, part: f32| a + (b - a) * part;
            let upper = mix(share(row, column), share(row, right), across);
            let lower = mix(share(below, column), share(below, right), across);
            blend(grey.get_pixel(x, y).0[0], mix(upper, lower, down))
        });
        Self(DynamicImage::ImageRgb8(heated))
    }
}

/// The position whose centre comes before a pixel's, and the part of the way to the next; at the edges the outermost position holds.
fn between(pixel: u32, pixels: u32, positions: u32) -> (u32, f32) {
    let place = (pixel as f32 + 0.5) / pixels as f32 * positions as f32 - 0.5;
    let place = place.clamp(0.0, (positions - 1) as f32);
    (place as u32, place.fract())
}

fn blend(grey: u8, share: f32) -> Rgb<u8> {
    let place = share * (COLORS.len() - 1) as f32;
    let stop = (place as usize).min(COLORS.len() - 2);
    let part = place - stop as f32;
    Rgb(std::array::from_fn(|channel| {
        let color = COLORS[stop][channel] * (1.0 - part) + COLORS[stop + 1][channel] * part;
        (f32::from(grey) * (1.0 - COVER * share) + color * COVER * share).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_lies_where_the_unit_is_active() {
        let picture = Pixels(DynamicImage::ImageRgb8(RgbImage::from_pixel(8, 8, Rgb([100; 3]))));
        let heated = picture.heated(2, 2, &[0.0, 4.0, -1.0, f32::NAN]).0.to_rgb8();
        assert_eq!(heated.get_pixel(0, 7).0, [100; 3]);
        let strongest = heated.get_pixel(7, 0).0;
        assert!(strongest[0] > 190 && strongest[2] < 70, "{strongest:?}");
        let nothing = picture.heated(1, 1, &[-3.0]).0.to_rgb8();
        assert!(nothing.pixels().all(|pixel| pixel.0 == [100; 3]));
    }
}
