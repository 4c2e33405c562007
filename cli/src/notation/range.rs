//! The notation `LOW:HIGH` of ranges of scores and percentiles. Knows no dataset.

use super::{Cursor, NotationError};
use std::str::FromStr;

/// From a number to another, both included, as written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Finite.
    pub low: f64,
    /// Finite, at least `low`.
    pub high: f64,
}

impl FromStr for Range {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Range, NotationError> {
        let mut cursor = Cursor::new(text);
        let low = number(&mut cursor)?;
        if !cursor.accept(':') {
            return Err(cursor.expected("`:` between two numbers, as in `45:55`"));
        }
        let place = cursor.place();
        let high = number(&mut cursor)?;
        if cursor.peek().is_some() {
            return Err(cursor.expected("the end"));
        }
        if low > high {
            return Err(
                cursor.error_at(place, format!("the range {text} runs backwards; write {high}:{low}"))
            );
        }
        Ok(Range { low, high })
    }
}

/// A range within 0 … 100.
pub fn percentiles(text: &str) -> Result<Range, NotationError> {
    let range: Range = text.parse()?;
    let cursor = Cursor::new(text);
    let too_far = |place, number: f64| {
        Err(cursor.error_at(
            place,
            format!("percentile {number} is not in 0 … 100; for scores there is --score-band"),
        ))
    };
    let second = text.find(':').map_or(0, |colon| colon + 1);
    match range {
        Range { low, .. } if !(0.0..=100.0).contains(&low) => too_far(0, low),
        Range { high, .. } if !(0.0..=100.0).contains(&high) => too_far(second, high),
        range => Ok(range),
    }
}

fn number(cursor: &mut Cursor) -> Result<f64, NotationError> {
    let place = cursor.place();
    let digits = cursor.take_while(|c| c != ':');
    match digits.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(cursor.error_at(place, "expected a range of two finite numbers, such as `45:55`".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, low: f64, high: f64) {
        assert_eq!(text.parse(), Ok(Range { low, high }), "{text}");
    }

    fn check_error(result: Result<Range, NotationError>, column: usize, says: &str) {
        let error = result.expect_err(says);
        assert_eq!(error.column, column, "{error}");
        assert!(error.message.contains(says), "{error}");
    }

    #[test]
    fn ranges_that_read() {
        check("45:55", 45.0, 55.0);
        check("-1.5:2e3", -1.5, 2000.0);
        check("3:3", 3.0, 3.0);
        assert_eq!(percentiles("0:100"), Ok(Range { low: 0.0, high: 100.0 }));
    }

    #[test]
    fn errors_point_at_the_place() {
        check_error("".parse(), 0, "two finite numbers");
        check_error("45".parse(), 2, "expected `:`");
        check_error("45:".parse(), 3, "two finite numbers");
        check_error("a:5".parse(), 0, "two finite numbers");
        check_error("1:inf".parse(), 2, "two finite numbers");
        check_error("55:45".parse(), 3, "runs backwards; write 45:55");
        check_error("1:2:3".parse(), 3, "expected the end, found `:`");
        check_error(percentiles("-1:5"), 0, "percentile -1 is not in 0 … 100");
        check_error(percentiles("5:101"), 2, "percentile 101 is not in 0 … 100");
    }
}
