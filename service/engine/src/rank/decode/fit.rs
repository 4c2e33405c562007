//! Where a view lies in a resized picture, and that in the original; knows no pixels.

use super::Preprocessing;

/// One direction, down or across.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Pixels of the file's picture, at least 1.
    pub original: u32,
    /// Pixels of the resized picture, at least 1.
    pub resized: u64,
    /// Pixels of the view.
    pub target: u32,
    /// Where the view begins in the resized picture; negative where it is padded.
    pub offset: i64,
}

/// Both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Rows.
    pub down: Axis,
    /// Columns.
    pub across: Axis,
}

impl Fit {
    /// Torchvision's sizes: the shorter side is given, the longer one rounded down (`_compute_resized_output_size`).
    pub fn new((height, width): (u32, u32), preprocessing: &Preprocessing) -> Self {
        let (rows, columns) = (u64::from(height.max(1)), u64::from(width.max(1)));
        let target = (u64::from(preprocessing.height), u64::from(preprocessing.width));
        // Of a side of `from`, the resized other one is of `other`.
        let (by_height, side) = match preprocessing.resize {
            Some(side) => (rows <= columns, u64::from(side)),
            None => {
                let by_height = target.0 * columns >= target.1 * rows;
                (by_height, if by_height { target.0 } else { target.1 })
            }
        };
        let resized = if by_height { (side, side * columns / rows) } else { (side * rows / columns, side) };
        Self {
            down: Axis::new(height, resized.0, preprocessing.height),
            across: Axis::new(width, resized.1, preprocessing.width),
        }
    }
}

impl Axis {
    /// Torchvision's `CenterCrop`: padding rounds down before, up after; an offset of half a pixel goes to the even neighbour.
    fn new(original: u32, resized: u64, target: u32) -> Self {
        let (original, resized) = (original.max(1), resized.max(1));
        let excess = i64::try_from(resized).unwrap_or(i64::MAX) - i64::from(target);
        let offset = match excess {
            ..0 => -(-excess / 2),
            _ if excess % 4 == 3 => excess / 2 + 1,
            _ => excess / 2,
        };
        Self { original, resized, target, offset }
    }

    /// Pixels of the view before the picture begins.
    pub fn padding(&self) -> u32 {
        u32::try_from(-self.offset).unwrap_or(0)
    }

    /// Pixels of the view that show the picture.
    pub fn shown(&self) -> u32 {
        u32::try_from(self.resized).map_or(self.target, |resized| resized.min(self.target))
    }

    /// Whether nothing is resized.
    pub fn is_same(&self) -> bool {
        self.resized == u64::from(self.original)
    }

    /// First pixel of the resized picture that is shown.
    pub fn first(&self) -> u64 {
        u64::try_from(self.offset).unwrap_or(0)
    }

    /// Where in the original the shown pixels begin, and how long they are together.
    pub fn source(&self) -> (f64, f64) {
        let scale = self.scale();
        let begin = (self.first() as f64 * scale).min(f64::from(self.original));
        // Rounding must not lead over the edge.
        (begin, (f64::from(self.shown()) * scale).min(f64::from(self.original) - begin))
    }

    /// Where in the original the view begins and ends.
    pub fn window(&self) -> [f32; 2] {
        let at = |pixel: i64| (pixel as f64 * self.scale()) as f32;
        [at(self.offset), at(self.offset + i64::from(self.target))]
    }

    /// Pixels of the original per pixel of the resized picture.
    fn scale(&self) -> f64 {
        f64::from(self.original) / self.resized as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (original, resized, offset) of rows and columns.
    fn check(
        original: (u32, u32),
        resize: Option<u32>,
        (height, width): (u32, u32),
        down: (u64, i64),
        across: (u64, i64),
    ) {
        let fit = Fit::new(original, &Preprocessing { resize, height, width, gray: false });
        let found = ((fit.down.resized, fit.down.offset), (fit.across.resized, fit.across.offset));
        assert_eq!(found, (down, across), "{original:?} {resize:?} {height} x {width}");
    }

    #[test]
    fn sizes_and_offsets_are_those_of_torchvision() {
        check((375, 500), Some(256), (224, 224), (256, 16), (341, 58));
        check((500, 375), Some(256), (224, 224), (341, 58), (256, 16));
        check((1, 65_535), Some(256), (224, 224), (256, 16), (256 * 65_535, 8_388_368));
        // Halves go to the even neighbour: 0.5 to 0, 1.5 to 2, 2.5 to 2.
        check((9, 9), Some(9), (8, 6), (9, 0), (9, 2));
        check((9, 9), Some(9), (4, 2), (9, 2), (9, 4));
        // Padding rounds down before.
        check((9, 9), Some(9), (12, 4), (9, -1), (9, 2));
    }

    #[test]
    fn without_a_side_the_picture_just_covers_the_input() {
        check((32, 48), None, (32, 48), (32, 0), (48, 0));
        check((64, 48), None, (32, 48), (64, 16), (48, 0));
        check((100, 50), None, (32, 48), (96, 32), (48, 0));
        check((50, 100), None, (32, 48), (32, 0), (64, 8));
        check((1, 1), None, (32, 48), (48, 8), (48, 0));
    }

    #[test]
    fn the_window_is_in_pixels_of_the_original() {
        let check = |axis: Axis, expected: [f32; 2]| assert_eq!(axis.window(), expected, "{axis:?}");
        check(Axis::new(512, 256, 224), [32.0, 480.0]);
        check(Axis::new(10, 20, 30), [-2.5, 12.5]);
        check(Axis::new(7, 7, 7), [0.0, 7.0]);
    }
}
