//! The notation `3,7,10-12` of numbers. Knows not what they count.

use super::unit::MAX_RANGE;
use super::{Cursor, NotationError};
use std::str::FromStr;

/// Numbers, in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges(pub Vec<u32>);

impl FromStr for Ranges {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Ranges, NotationError> {
        let mut cursor = Cursor::new(text);
        let mut numbers = Vec::new();
        loop {
            let place = cursor.place();
            let first = number(&mut cursor)?;
            let last = if cursor.accept('-') { number(&mut cursor)? } else { first };
            if last < first {
                let message = format!("the range {first}-{last} runs backwards; write {last}-{first}");
                return Err(cursor.error_at(place, message));
            }
            if numbers.len() as u64 + u64::from(last - first) >= MAX_RANGE {
                return Err(cursor.error_at(place, format!("these are more than {MAX_RANGE} numbers")));
            }
            numbers.extend(first..=last);
            if cursor.peek().is_none() {
                return Ok(Ranges(numbers));
            }
            if !cursor.accept(',') {
                return Err(cursor.expected("`,` or a range such as `0-15`"));
            }
        }
    }
}

fn number(cursor: &mut Cursor) -> Result<u32, NotationError> {
    let place = cursor.place();
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    digits
        .parse()
        .map_err(|_| cursor.error_at(place, "expected numbers, such as `3`, `0-15` or `3,7,10-12`".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, numbers: &[u32]) {
        assert_eq!(text.parse(), Ok(Ranges(numbers.to_vec())), "{text}");
    }

    fn check_error(text: &str, column: usize, says: &str) {
        let error = text.parse::<Ranges>().expect_err(says);
        assert_eq!(error.column, column, "{error}");
        assert!(error.message.contains(says), "{error}");
    }

    #[test]
    fn numbers_and_ranges_mix() {
        check("3", &[3]);
        check("10-12,3,7-7", &[10, 11, 12, 3, 7]);
    }

    #[test]
    fn errors_point_at_the_place() {
        check_error("", 0, "expected numbers");
        check_error("3,", 2, "expected numbers");
        check_error("1,5-3", 2, "the range 5-3 runs backwards; write 3-5");
        check_error("1 2", 1, "expected `,`");
        check_error("-3", 0, "expected numbers");
        check_error("0-4294967295", 0, "more than 4096");
        check_error("99999999999", 0, "expected numbers");
    }
}
