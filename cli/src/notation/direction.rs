//! The notation `LAYER:CHANNEL=WEIGHT,…[@PLACE]` of directions. Knows no model and opens no file.

use super::unit::{Parts, Position};
use super::{Cursor, NotationError};
use std::path::PathBuf;
use std::str::FromStr;

/// A sum of a layer's channels, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// The layer's path, `:pre` included.
    pub layer: String,
    /// What is summed.
    pub weights: Weights,
    /// Where in space.
    pub position: Position,
    /// The whole text.
    pub text: String,
}

/// The weights of channels.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// Of these; all others have 0.
    Listed(Vec<(Channel, f32)>),
    /// Of all, in a file of JSON.
    File(PathBuf),
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// By its number.
    Number(u64),
    /// By its class.
    Class(String),
}

impl FromStr for Direction {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Direction, NotationError> {
        let Parts { layer, what, place, position } = Parts::of(text, "weights such as `12=0.5,7=-1`")?;
        let weights = if what.ends_with(".json") {
            Weights::File(what.into())
        } else {
            let mut cursor = Cursor { text, at: place };
            let mut listed = vec![weight(&mut cursor)?];
            while cursor.accept(',') {
                listed.push(weight(&mut cursor)?);
            }
            Weights::Listed(listed)
        };
        Ok(Direction { layer: layer.to_string(), weights, position, text: text.to_string() })
    }
}

/// `12=0.5`
fn weight(cursor: &mut Cursor) -> Result<(Channel, f32), NotationError> {
    let name = cursor.take_while(|c| !matches!(c, '=' | ',' | '@')).trim();
    if name.is_empty() || !cursor.accept('=') {
        return Err(cursor.expected("a channel and its weight, as in `12=0.5`"));
    }
    let place = cursor.place();
    let number = cursor.take_while(|c| !matches!(c, ',' | '@')).trim();
    let weight = match number.parse::<f32>() {
        Ok(weight) if weight.is_finite() => weight,
        _ => {
            return Err(
                cursor.error_at(place, format!("weight `{number}` is not a finite number such as `-0.5`"))
            );
        }
    };
    let channel = name.parse().map_or_else(|_| Channel::Class(name.to_string()), Channel::Number);
    Ok((channel, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, layer: &str, weights: Weights, position: Position) {
        let direction = text.parse::<Direction>().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(direction, Direction { layer: layer.into(), weights, position, text: text.into() });
    }

    fn check_error(text: &str, column: usize, says: &str) {
        let error = text.parse::<Direction>().expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(says), "{text}: {}", error.message);
    }

    #[test]
    fn directions_that_read() {
        let number = Channel::Number;
        let listed = Weights::Listed;
        check("a:12=0.5,7=-1", "a", listed(vec![(number(12), 0.5), (number(7), -1.0)]), Position::Mean);
        check("a.0:pre:3=1@2,5", "a.0:pre", listed(vec![(number(3), 1.0)]), Position::At(2, 5));
        let class = |name: &str| Channel::Class(name.into());
        let weights = listed(vec![(class("t-shirt"), 1.0), (class("great auk"), -2e-3)]);
        check("fc:t-shirt=1, great auk=-2e-3@center", "fc", weights, Position::Center);
        check("a:out/concept.json", "a", Weights::File("out/concept.json".into()), Position::Mean);
    }

    #[test]
    fn errors_point_at_the_place() {
        check_error("a", 1, "expected `:` and weights such as `12=0.5,7=-1`");
        check_error(":1=2", 0, "expected a layer");
        check_error("a:", 2, "a channel and its weight, as in `12=0.5`, found the end");
        check_error("a:12", 4, "a channel and its weight");
        check_error("a:=1", 2, "a channel and its weight, as in `12=0.5`, found `=`");
        check_error("a:12=", 5, "weight `` is not a finite number");
        check_error("a:12=1,7=x", 9, "weight `x` is not a finite number");
        check_error("a:12=inf", 5, "not a finite number");
        check_error("a:12=1,", 7, "a channel and its weight");
        check_error("a:12=1@x", 7, "a row and a column");
    }
}
