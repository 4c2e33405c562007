//! Turns the units of the command line into single ones, looking names of classes up in the model. Knows no command.

pub mod ranked;

use crate::connect::Server;
use crate::failure::Failure;
use crate::notation::unit::{Channels, MAX_RANGE, Position, Unit};
use unitscope_proto::v1::{GetModelRequest, Model};

/// The most names that a message lists.
const MAX_LISTED: usize = 20;

/// One unit, or one layer as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The layer's path.
    pub layer: String,
    /// The channel, or none for the whole layer.
    pub channel: Option<u64>,
    /// Where in space.
    pub position: Position,
    /// What results call it.
    pub label: String,
    /// The argument that it came from, for messages.
    pub argument: String,
}

/// Every single unit that `units` ask for, in order. Asks the server only where numbers alone do not tell.
pub async fn resolve(server: &Server, model: &str, units: &[Unit]) -> Result<Vec<Wanted>, Failure> {
    let told = |unit: &Unit| is_numbered(unit) && unit.position != Position::Class;
    let model = match units.iter().all(told) {
        true => None,
        false => Some(fetch(server, model, units.iter().map(|unit| unit.layer.as_str())).await?),
    };
    let wanted = expand(units, model.as_ref())?;
    if let Some(model) = &model {
        let class_tokens = wanted.iter().filter(|wanted| wanted.position == Position::Class);
        class_tokens.into_iter().try_for_each(|wanted| check_class_token(wanted, model))?;
    }
    Ok(wanted)
}

/// A class token is the first of those that the listing tells to stand before the patches.
fn check_class_token(wanted: &Wanted, model: &Model) -> Result<(), Failure> {
    let (layer, argument) = (&wanted.layer, &wanted.argument);
    let known = model.layers.iter().find(|known| known.path == layer.trim_end_matches(":pre"));
    let Some(known) = known else {
        return Err(Failure::Usage(format!(
            "{argument}: model `{}` has no layer `{layer}`; `unitscope models show {}` lists those that it has",
            model.name, model.name
        )));
    };
    match &known.tokens {
        Some(grid) if grid.prefix > 0 => Ok(()),
        _ if known.axes.iter().any(|axis| axis == "token") => Err(Failure::Usage(format!(
            "{argument}: layer `{layer}` shows no class token before its tokens; name a token by its place, such as @0"
        ))),
        _ => Err(Failure::Usage(format!(
            "{argument}: layer `{layer}` is no sequence of tokens; give @ROW,COLUMN"
        ))),
    }
}

/// Whether the unit's channels are told without the model.
fn is_numbered(unit: &Unit) -> bool {
    matches!(unit.channels, Channels::Range(..))
}

/// `model` is there where a unit is not numbered.
fn expand(units: &[Unit], model: Option<&Model>) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    for unit in units {
        match (&unit.channels, model) {
            (Channels::Range(from, to), _) => {
                wanted.extend((*from..=*to).map(|channel| numbered(unit, channel)))
            }
            (Channels::All, Some(model)) => wanted.extend(all(unit, model)?),
            (Channels::Class(name), Some(model)) => wanted.push(named(unit, name, model)?),
            (_, None) => unreachable!("the model was fetched, since a unit is not numbered"),
        }
    }
    Ok(wanted)
}

/// The model with its classes and these layers, which are called as they are asked for.
async fn fetch<'a>(
    server: &Server,
    name: &str,
    layers: impl Iterator<Item = &'a str>,
) -> Result<Model, Failure> {
    let mut services = server.connect().await?;
    let mut asked: Vec<String> = Vec::new();
    for layer in layers.map(|layer| layer.trim_end_matches(":pre")) {
        if !asked.iter().any(|known| known == layer) {
            asked.push(layer.to_string());
        }
    }
    let request =
        GetModelRequest { name: name.to_string(), layers: asked.clone(), ..GetModelRequest::default() };
    let answer = services.models.get_model(request).await.map_err(|status| services.failure(status))?;
    let mut model = answer.into_inner();
    for (layer, asked) in model.layers.iter_mut().zip(asked) {
        layer.path = asked;
    }
    Ok(model)
}

fn numbered(unit: &Unit, channel: u64) -> Wanted {
    let label = format!("{}:{channel}{}", unit.layer, unit.position);
    Wanted {
        layer: unit.layer.clone(),
        channel: Some(channel),
        position: unit.position,
        argument: format!("--unit {label}"),
        label,
    }
}

/// Every channel of a layer; those of the layer that gives the classes are called by them.
fn all(unit: &Unit, model: &Model) -> Result<Vec<Wanted>, Failure> {
    let Some(layer) = model.layers.iter().find(|layer| layer.path == unit.layer.trim_end_matches(":pre"))
    else {
        return Err(Failure::Usage(format!(
            "--unit {}:all: model `{}` has no layer `{}`; `unitscope models show {}` lists those that it has",
            unit.layer, model.name, unit.layer, model.name
        )));
    };
    let is_classes = layer.shape.len() == 1 && layer.units == model.labels.len() as u64;
    let channels = (0..layer.units.min(MAX_RANGE)).map(|channel| match model.labels.get(channel as usize) {
        Some(class) if is_classes => called(unit, channel, class.split(',').next().unwrap_or(class)),
        _ => numbered(unit, channel),
    });
    Ok(channels.collect())
}

fn called(unit: &Unit, channel: u64, name: &str) -> Wanted {
    let label = format!("{}:{name}{}", unit.layer, unit.position);
    Wanted { label: label.clone(), argument: format!("--unit {label}"), ..numbered(unit, channel) }
}

fn named(unit: &Unit, name: &str, model: &Model) -> Result<Wanted, Failure> {
    let classes = model.labels.len();
    if let Some(layer) = model.layers.iter().find(|layer| layer.path == unit.layer)
        && layer.units != classes as u64
    {
        return Err(Failure::Usage(format!(
            "--unit {}:{name}: layer `{}` has {} units but model `{}` names {classes} classes, so `{name}` names none of \
             them; give a channel's number",
            unit.layer, unit.layer, layer.units, model.name
        )));
    }
    let Some(channel) = model.labels.iter().position(|label| is_called(label, name)) else {
        return Err(Failure::Usage(format!(
            "--unit {}:{name}: model `{}` has no class `{name}`; {}",
            unit.layer,
            model.name,
            known_classes(&model.labels)
        )));
    };
    Ok(called(unit, channel as u64, name))
}

/// Labels of ImageNet are lists of synonyms: `tench, Tinca tinca`.
fn is_called(label: &str, name: &str) -> bool {
    label.eq_ignore_ascii_case(name)
        || label.split(',').any(|synonym| synonym.trim().eq_ignore_ascii_case(name))
}

fn known_classes(labels: &[String]) -> String {
    match labels.len() {
        0 => "it names no classes; give a channel's number".to_string(),
        n if n <= MAX_LISTED => format!("it has {}", labels.join(", ")),
        n => format!("it has {n}, such as {}", labels[..3].join(" · ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::Layer;

    fn model() -> Model {
        let layer = |path: &str, shape: &[i64]| Layer {
            path: path.into(),
            units: shape[0] as u64,
            shape: shape.to_vec(),
            ..Layer::default()
        };
        Model {
            name: "m".into(),
            labels: vec!["stripes".into(), "tench, Tinca tinca".into()],
            layers: vec![layer("conv", &[3, 4, 4]), layer("gate", &[2, 4, 4]), layer("fc", &[2])],
            ..Model::default()
        }
    }

    #[test]
    fn class_tokens_are_of_layers_that_have_one() {
        use unitscope_proto::v1::TokenGrid;
        let mut model = model();
        let tokens = |prefix| Some(TokenGrid { prefix, rows: 2, columns: 2 });
        model.layers[0].tokens = tokens(1);
        (model.layers[1].tokens, model.layers[1].axes) = (tokens(0), vec!["token".into(), "channel".into()]);
        let check = |text: &str| {
            let wanted = expand(&[text.parse().unwrap()], None).unwrap();
            check_class_token(&wanted[0], &model).map_err(|failure| failure.to_string())
        };
        assert_eq!(check("conv:1@cls"), Ok(()));
        assert!(check("gate:1@cls").unwrap_err().contains("no class token"));
        assert!(check("fc:1@cls").unwrap_err().contains("no sequence of tokens"));
        assert!(check("x:1@cls").unwrap_err().contains("has no layer `x`"));
    }

    #[test]
    fn all_of_a_layer() {
        let check = |text: &str, labels: &[&str]| {
            let wanted = all(&text.parse().unwrap(), &model()).unwrap();
            assert_eq!(wanted.iter().map(|wanted| wanted.label.as_str()).collect::<Vec<_>>(), labels);
            let channels = wanted.iter().map(|wanted| wanted.channel.unwrap());
            assert!(channels.eq(0..labels.len() as u64), "{text}");
        };
        check("fc:all", &["fc:stripes", "fc:tench"]);
        check("gate:all", &["gate:0", "gate:1"]);
        check("conv:pre:all@1,2", &["conv:pre:0@1,2", "conv:pre:1@1,2", "conv:pre:2@1,2"]);
        assert!(
            all(&"x:all".parse().unwrap(), &model()).unwrap_err().to_string().contains("has no layer `x`")
        );
    }

    fn check(text: &str, expected: Result<(u64, &str), &str>) {
        let unit: Unit = text.parse().unwrap();
        let Channels::Class(name) = &unit.channels else { panic!("{text} names no class") };
        match (named(&unit, name, &model()), expected) {
            (Ok(wanted), Ok((channel, label))) => {
                assert_eq!((wanted.channel, wanted.label.as_str()), (Some(channel), label));
            }
            (Err(failure), Err(says)) => assert!(failure.to_string().contains(says), "{failure}"),
            (result, _) => panic!("{text}: {result:?}"),
        }
    }

    #[test]
    fn classes_by_name() {
        check("fc:stripes", Ok((0, "fc:stripes")));
        check("fc:Tench", Ok((1, "fc:Tench")));
        check("fc:tinca tinca@center", Ok((1, "fc:tinca tinca@center")));
        check("fc:zebra", Err("has no class `zebra`; it has stripes, tench, Tinca tinca"));
        check("conv:stripes", Err("layer `conv` has 3 units but model `m` names 2 classes"));
    }
}
