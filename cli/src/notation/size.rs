//! The notation `HEIGHTxWIDTH` or `N` of picture sizes.

use super::{Cursor, NotationError};
use std::str::FromStr;
use unitscope_proto::v1::ImageSize;

/// Height and width in pixels, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl FromStr for Size {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Size, NotationError> {
        const EXPECTED: &str = "a size such as `224` or `240x320` (height x width)";
        let mut cursor = Cursor::new(text);
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        let height = digits.parse().map_err(|_| cursor.expected(EXPECTED))?;
        let width = if cursor.accept('x') || cursor.accept('×') {
            let digits = cursor.take_while(|c| c.is_ascii_digit());
            digits.parse().map_err(|_| cursor.expected(EXPECTED))?
        } else {
            height
        };
        if cursor.peek().is_some() { Err(cursor.expected(EXPECTED)) } else { Ok(Size { height, width }) }
    }
}

impl From<Size> for ImageSize {
    fn from(size: Size) -> ImageSize {
        ImageSize { height: size.height, width: size.width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, size: Option<(u32, u32)>) {
        assert_eq!(text.parse::<Size>().ok().map(|size| (size.height, size.width)), size, "{text}");
    }

    #[test]
    fn sizes() {
        check("224", Some((224, 224)));
        check("240x320", Some((240, 320)));
        check("240×320", Some((240, 320)));
        for text in ["", "x", "3x", "x3", "3x4x5", "-3", "3.5", "99999999999"] {
            check(text, None);
        }
    }
}
