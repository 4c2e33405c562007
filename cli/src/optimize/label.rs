//! Turns the units of the command line into single ones, looking names of classes up in the model.

use super::args::OptimizeArgs;
use crate::connect::Server;
use crate::failure::Failure;
use crate::notation::unit::{Channels, Position, Unit};
use unitscope_proto::v1::{GetModelRequest, Model};

/// The most names that a message lists.
const MAX_LISTED: usize = 20;

/// What one unit or layer of the command line stands for: one picture, before copies and negatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The layer's path.
    pub layer: String,
    /// The channel, or none for the whole layer.
    pub channel: Option<u64>,
    /// Where in space.
    pub position: Position,
    /// How its picture is called.
    pub label: String,
    /// The argument that it came from, for messages.
    pub argument: String,
}

/// Everything that `--unit` and `--layer` ask for, in order. Asks the server only where a class is named.
pub async fn resolve(server: &Server, args: &OptimizeArgs) -> Result<Vec<Wanted>, Failure> {
    let names_class = |unit: &Unit| matches!(unit.channels, Channels::Class(_));
    let model = match args.wanted.units.iter().find(|unit| names_class(unit)) {
        None => None,
        Some(_) => Some(fetch(server, &args.wanted.model).await?),
    };
    let mut wanted = Vec::new();
    for unit in &args.wanted.units {
        match (&unit.channels, &model) {
            (Channels::Range(from, to), _) => {
                wanted.extend((*from..=*to).map(|channel| numbered(unit, channel)))
            }
            (Channels::Class(name), Some(model)) => wanted.push(named(unit, name, model)?),
            (Channels::Class(_), None) => unreachable!("the model was fetched, since a class is named"),
        }
    }
    wanted.extend(args.wanted.layers.iter().map(|layer| Wanted {
        layer: layer.clone(),
        channel: None,
        position: Position::Mean,
        label: layer.clone(),
        argument: format!("--layer {layer}"),
    }));
    Ok(wanted)
}

async fn fetch(server: &Server, name: &str) -> Result<Model, Failure> {
    let mut services = server.connect().await?;
    let request = GetModelRequest { name: name.to_string() };
    let answer = services.models.get_model(request).await.map_err(|status| services.failure(status))?;
    Ok(answer.into_inner())
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
    let label = format!("{}:{name}{}", unit.layer, unit.position);
    Ok(Wanted { label: label.clone(), argument: format!("--unit {label}"), ..numbered(unit, channel as u64) })
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

    fn check(text: &str, expected: Result<(u64, &str), &str>) {
        let layer = |path: &str, units| Layer { path: path.into(), units, ..Layer::default() };
        let model = Model {
            name: "m".into(),
            labels: vec!["stripes".into(), "tench, Tinca tinca".into()],
            layers: vec![layer("conv", 8), layer("fc", 2)],
            ..Model::default()
        };
        let unit: Unit = text.parse().unwrap();
        let Channels::Class(name) = &unit.channels else { panic!("{text} names no class") };
        match (named(&unit, name, &model), expected) {
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
        check("conv:stripes", Err("layer `conv` has 8 units but model `m` names 2 classes"));
    }
}
