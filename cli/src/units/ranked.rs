//! Turns units and directions of the command line into those that a ranking takes. Knows the API's message, not its commands.

use super::{Wanted, expand, fetch, is_numbered, named};
use crate::connect::Server;
use crate::failure::Failure;
use crate::notation::direction::{Channel, Direction, Weights};
use crate::notation::unit::{Channels, Position, Unit};
use std::path::Path;
use unitscope_proto::v1::{self, Model, RankUnit, rank_unit::What};

/// The longest label that the API takes, in bytes.
const MAX_LABEL_BYTES: usize = 128;
/// A file of weights beyond this is none: a million numbers of 16 characters.
const MAX_WEIGHTS_BYTES: u64 = 16 << 20;

/// What to rank by.
pub struct Ranked {
    /// As the API takes it.
    pub unit: RankUnit,
    /// The argument that it came from, for messages.
    pub argument: String,
}

/// Every unit, then every direction, in order. Asks the server only where numbers alone do not tell.
pub async fn resolve(
    server: &Server,
    model: &str,
    units: &[Unit],
    directions: &[Direction],
) -> Result<Vec<Ranked>, Failure> {
    let unit_tells = |unit: &Unit| is_numbered(unit) && unit.position != Position::Center;
    let told = units.iter().all(unit_tells) && directions.iter().all(direction_tells);
    let layers =
        units.iter().map(|unit| &unit.layer).chain(directions.iter().map(|direction| &direction.layer));
    let layers = layers.map(String::as_str);
    let model = if told { None } else { Some(fetch(server, model, layers).await?) };
    let model = model.as_ref();
    let ranked_units = expand(units, model)?.into_iter().map(|wanted| channel(wanted, model));
    ranked_units.chain(directions.iter().map(|wanted| direction(wanted, model))).collect()
}

/// Whether everything is told without the model.
fn direction_tells(direction: &Direction) -> bool {
    let is_number = |(channel, _): &(Channel, f32)| matches!(channel, Channel::Number(_));
    let numbers = match &direction.weights {
        Weights::Listed(weights) => weights.iter().all(is_number),
        Weights::File(_) => true,
    };
    numbers && direction.position != Position::Center
}

fn channel(wanted: Wanted, model: Option<&Model>) -> Result<Ranked, Failure> {
    let number = wanted.channel.unwrap_or_default();
    let place = position(&wanted.layer, wanted.position, model, &wanted.argument)?;
    let unit = RankUnit {
        what: Some(What::Channel(channel_number(number, &wanted.argument)?)),
        label: label(&wanted.label),
        layer: wanted.layer,
        ..at(wanted.position, place)
    };
    Ok(Ranked { unit, argument: wanted.argument })
}

fn direction(direction: &Direction, model: Option<&Model>) -> Result<Ranked, Failure> {
    let argument = format!("--direction {}", direction.text);
    let sum = match &direction.weights {
        Weights::File(path) => v1::Direction { weights: read(path, &argument)?, channels: Vec::new() },
        Weights::Listed(listed) => {
            let mut sum = v1::Direction::default();
            for (channel, weight) in listed {
                sum.channels.push(number(direction, channel, model, &argument)?);
                sum.weights.push(*weight);
            }
            sum
        }
    };
    let place = position(&direction.layer, direction.position, model, &argument)?;
    let unit = RankUnit {
        layer: direction.layer.clone(),
        what: Some(What::Direction(sum)),
        label: label(&direction.text),
        ..at(direction.position, place)
    };
    Ok(Ranked { unit, argument })
}

/// A unit's place alone; `position` is that of a row and column.
fn at(place: Position, position: Option<v1::Position>) -> RankUnit {
    let token = match place {
        Position::Token(token) => Some(token),
        _ => None,
    };
    RankUnit { position, token, class_token: place == Position::Class, ..RankUnit::default() }
}

fn number(
    direction: &Direction,
    channel: &Channel,
    model: Option<&Model>,
    argument: &str,
) -> Result<u32, Failure> {
    let number = match (channel, model) {
        (Channel::Number(number), _) => *number,
        (Channel::Class(name), Some(model)) => {
            let layer = direction.layer.clone();
            let unit = Unit { layer, channels: Channels::Class(name.clone()), position: Position::Mean };
            let wanted = named(&unit, name, model)
                .map_err(|failure| Failure::Usage(format!("{argument}: {failure}")))?;
            wanted.channel.unwrap_or_default()
        }
        (Channel::Class(_), None) => unreachable!("the model was fetched, since a channel is a class"),
    };
    channel_number(number, argument)
}

fn channel_number(number: u64, argument: &str) -> Result<u32, Failure> {
    u32::try_from(number).map_err(|_| {
        Failure::Usage(format!(
            "{argument}: channel {number} is more than {}, the last that can be named",
            u32::MAX
        ))
    })
}

/// A label that is too long is the server's to make.
fn label(text: &str) -> String {
    if text.len() <= MAX_LABEL_BYTES { text.to_string() } else { String::new() }
}

/// The middle is a position as any other: rows / 2, columns / 2, rounded down, of patches where there are any.
fn position(
    layer: &str,
    position: Position,
    model: Option<&Model>,
    argument: &str,
) -> Result<Option<v1::Position>, Failure> {
    let model = match (position, model) {
        (Position::Mean | Position::Token(_) | Position::Class, _) => return Ok(None),
        (Position::At(row, column), _) => return Ok(Some(v1::Position { row, column })),
        (Position::Center, Some(model)) => model,
        (Position::Center, None) => unreachable!("the model was fetched, since a position is the middle"),
    };
    let known = model.layers.iter().find(|known| known.path == layer.trim_end_matches(":pre"));
    let Some(known) = known else {
        return Err(Failure::Usage(format!(
            "{argument}: model `{}` has no layer `{layer}`; `unitscope models show {}` lists those that it has",
            model.name, model.name
        )));
    };
    if let Some(grid) = &known.tokens {
        let middle = |count: u64| u32::try_from(count / 2).unwrap_or(u32::MAX);
        return Ok(Some(v1::Position { row: middle(grid.rows), column: middle(grid.columns) }));
    }
    let side = |axis: &str| {
        let place = known.axes.iter().position(|known| known == axis)?;
        u32::try_from(*known.shape.get(place)?).ok()
    };
    match (side("height"), side("width")) {
        (Some(rows), Some(columns)) => Ok(Some(v1::Position { row: rows / 2, column: columns / 2 })),
        _ => Err(Failure::Usage(format!(
            "{argument}: layer `{layer}` has no rows and columns, so it has no middle; of tokens give @TOKEN"
        ))),
    }
}

/// A list of numbers, as JSON.
fn read(path: &Path, argument: &str) -> Result<Vec<f32>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::Usage(format!("{argument}: {} cannot be read: {error}", path.display()))
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_WEIGHTS_BYTES {
        return Err(Failure::Usage(format!(
            "{argument}: {} is larger than {} MiB; a direction has one number for each channel",
            path.display(),
            MAX_WEIGHTS_BYTES >> 20
        )));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "{argument}: {} is not a JSON list of numbers, such as [0.5, 0, -1]: {error}",
            path.display()
        ))
    })
}

#[cfg(test)]
#[path = "ranked_tests.rs"]
mod tests;
