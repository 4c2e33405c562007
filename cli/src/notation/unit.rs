//! The notation `LAYER:CHANNEL[@PLACE]` of units, where a place is `ROW,COLUMN`, `TOKEN`, `cls` or `center`. Knows no model: the server checks that they exist.

use super::{Cursor, NotationError};
use std::fmt;
use std::str::FromStr;

/// The most units that one range may name: more than any job may hold, so that a slip of the finger ends at once.
pub const MAX_RANGE: u64 = 4096;

/// Units of one layer, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The layer's path, `:pre` included.
    pub layer: String,
    /// Which channels.
    pub channels: Channels,
    /// Where in space.
    pub position: Position,
}

/// Which channels of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channels {
    /// From the first to the last, both included.
    Range(u64, u64),
    /// All of them.
    All,
    /// The one of the class with this name.
    Class(String),
}

/// Where in space a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Everywhere: the channel's mean.
    Mean,
    /// At the middle.
    Center,
    /// At this row and column, from 0; of tokens the row and column of a patch.
    At(u32, u32),
    /// This token of a sequence, from 0.
    Token(u32),
    /// The class token.
    Class,
}

impl FromStr for Unit {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Unit, NotationError> {
        let parts = Parts::of(text, "a channel")?;
        let Parts { layer, what: channel, place, position } = parts;
        let mut cursor = Cursor::new(text);
        if channel == "pre" {
            cursor.at = place + channel.len();
            return Err(cursor.expected(&format!("`:` and a channel after the layer `{layer}:pre`")));
        }
        cursor.at = place;
        Ok(Unit { layer: layer.to_string(), channels: channels(&cursor, channel)?, position })
    }
}

/// What every notation of something in a layer has: `LAYER:WHAT[@PLACE]`.
pub struct Parts<'a> {
    /// The layer's path, `:pre` included.
    pub layer: &'a str,
    /// What stands between the layer and the position.
    pub what: &'a str,
    /// Where that begins, in bytes.
    pub place: usize,
    /// Where in space.
    pub position: Position,
}

impl Parts<'_> {
    /// Takes `text` apart; `wanted` names in errors what stands behind the layer.
    pub fn of<'a>(text: &'a str, wanted: &str) -> Result<Parts<'a>, NotationError> {
        let mut cursor = Cursor::new(text);
        let (path, position) = match text.rfind('@') {
            None => (text, Position::Mean),
            Some(at) => {
                cursor.at = at + 1;
                (&text[..at], position(&mut cursor)?)
            }
        };
        cursor.at = path.len();
        let Some(colon) = path.rfind(':') else {
            return Err(cursor.expected(&format!("`:` and {wanted}, as in `inception_4b:77`")));
        };
        if colon == 0 {
            return Err(cursor.error_at(0, "expected a layer before `:`, as in `inception_4b:77`".into()));
        }
        Ok(Parts { layer: &path[..colon], what: &path[colon + 1..], place: colon + 1, position })
    }
}

/// `77`, `0-15`, `all` or `*`, or a class.
fn channels(cursor: &Cursor, text: &str) -> Result<Channels, NotationError> {
    if text.is_empty() {
        return Err(cursor.error_at(
            cursor.place(),
            "expected a channel: a number, a range such as `0-15`, `all`, or a class".into(),
        ));
    }
    // A star needs quotes in a shell where files match it; `all` never does.
    if text == "all" || text == "*" {
        return Ok(Channels::All);
    }
    if let Ok(channel) = text.parse() {
        return Ok(Channels::Range(channel, channel));
    }
    let range = text
        .split_once('-')
        .and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    match range {
        None if text.starts_with(['-', '+']) => {
            Err(cursor.error_at(cursor.place(), format!("channel `{text}` is not a number from 0")))
        }
        None => Ok(Channels::Class(text.to_string())),
        Some((from, to)) if from > to => {
            Err(cursor
                .error_at(cursor.place(), format!("the range {text} runs backwards; write {to}-{from}")))
        }
        Some((from, to)) if to - from >= MAX_RANGE => {
            Err(cursor
                .error_at(cursor.place(), format!("the range {text} names more than {MAX_RANGE} channels")))
        }
        Some((from, to)) => Ok(Channels::Range(from, to)),
    }
}

/// What follows `@`.
fn position(cursor: &mut Cursor) -> Result<Position, NotationError> {
    const EXPECTED: &str =
        "a row and a column such as `3,4`, a token such as `17`, `cls` or `center` after `@`";
    match cursor.rest() {
        "center" => return Ok(Position::Center),
        "cls" => return Ok(Position::Class),
        _ => {}
    }
    let number = |cursor: &mut Cursor| {
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        digits.parse().map_err(|_| cursor.expected(EXPECTED))
    };
    let first = number(cursor)?;
    let found =
        if cursor.accept(',') { Position::At(first, number(cursor)?) } else { Position::Token(first) };
    if cursor.peek().is_none() { Ok(found) } else { Err(cursor.expected(EXPECTED)) }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Position::Mean => Ok(()),
            Position::Center => f.write_str("@center"),
            Position::At(row, column) => write!(f, "@{row},{column}"),
            Position::Token(token) => write!(f, "@{token}"),
            Position::Class => f.write_str("@cls"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, layer: &str, channels: Channels, position: Position) {
        let unit = text.parse::<Unit>().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(unit, Unit { layer: layer.into(), channels, position }, "{text}");
    }

    fn check_error(text: &str, column: usize, says: &str) {
        let error = text.parse::<Unit>().expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(says), "{text}: {}", error.message);
    }

    #[test]
    fn units_that_read() {
        let one = |channel| Channels::Range(channel, channel);
        check("inception_4b:77", "inception_4b", one(77), Position::Mean);
        check("layer3.0.conv1:5@3,4", "layer3.0.conv1", one(5), Position::At(3, 4));
        check("a:5@center", "a", one(5), Position::Center);
        check("a:5@17", "a", one(5), Position::Token(17));
        check("a:5@cls", "a", one(5), Position::Class);
        check("a:pre:5", "a:pre", one(5), Position::Mean);
        check("a#1:0-15", "a#1", Channels::Range(0, 15), Position::Mean);
        check("fc:all", "fc", Channels::All, Position::Mean);
        check("fc:golden retriever", "fc", Channels::Class("golden retriever".into()), Position::Mean);
        check("fc:t-shirt@center", "fc", Channels::Class("t-shirt".into()), Position::Center);
    }

    #[test]
    fn errors_point_at_the_place() {
        check_error("", 0, "expected `:` and a channel");
        check_error("conv1", 5, "expected `:` and a channel");
        check_error(":5", 0, "expected a layer");
        check_error("a:", 2, "expected a channel");
        check_error("a:pre", 5, "after the layer `a:pre`");
        check_error("a:-1", 2, "not a number from 0");
        check_error("a:9-3", 2, "runs backwards; write 3-9");
        check_error("a:0-999999", 2, "more than 4096");
        check_error("a:5@", 4, "expected a row and a column");
        check_error("a:5@3,", 6, "found the end");
        check_error("a:5@3;4", 5, "a token such as `17`");
        check_error("a:5@3,4,5", 7, "found `,`");
        check_error("a:5@x,1", 4, "found `x`");
        check_error("a:5@99999999999,1", 15, "expected a row");
    }
}
