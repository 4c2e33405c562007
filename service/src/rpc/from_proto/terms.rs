//! Terms, their weights, pictures and parameters. What a parameter means is the plugin host's to check.

use super::references::place;
use super::{Context, Wrong};
use crate::limits::{NAME_BYTES, PARAM_LIST};
use prost_types::value::Kind;
use std::collections::BTreeMap;
use unitscope_engine::plugin::{ParamValue, TermKind};
use unitscope_engine::spec::TermSpec;
use unitscope_proto::v1 as proto;

pub(super) fn terms(
    given: &[proto::Term],
    images: u32,
    references: usize,
    context: &Context,
    wrong: &mut Wrong,
) -> Vec<TermSpec> {
    let most = context.limits.terms as usize;
    if given.is_empty() {
        wrong.add("terms", "there are none; give at least one objective, such as `channel` (`unitscope terms list` shows all)");
    } else if given.len() > most {
        wrong.add("terms", format!("{} terms are too many; this server takes at most {most}", given.len()));
        return Vec::new();
    }
    let each = given.iter().enumerate();
    let term = |(number, given)| {
        let field = format!("terms[{number}]");
        let spec = term(&field, given, images, context, wrong);
        let reference = place(&format!("{field}.reference"), given.reference, references, wrong);
        TermSpec { reference, ..spec }
    };
    each.map(term).collect()
}

fn term(field: &str, given: &proto::Term, images: u32, context: &Context, wrong: &mut Wrong) -> TermSpec {
    if given.id.is_empty() || given.id.len() > NAME_BYTES {
        wrong.add(
            format!("{field}.id"),
            format!("a term's id has 1 … {NAME_BYTES} bytes, not {}", given.id.len()),
        );
    }
    let weight = given.weight.unwrap_or(1.0);
    let info = context.registry.term(&given.id);
    if !weight.is_finite() || weight == 0.0 {
        wrong.add(format!("{field}.weight"), format!("{weight} is no weight; it must be finite and not 0"));
    } else if given.weight.is_some() && info.is_ok_and(|info| info.kind == TermKind::StepOperation) {
        wrong.add(
            format!("{field}.weight"),
            format!("`{}` is a step operation, and takes no weight; leave it out", given.id),
        );
    }
    wrong.rising(&format!("{field}.images"), &given.images, 0, images - 1);
    let pictures = if given.images.is_empty() { (0..images).collect() } else { given.images.clone() };
    let mut params = BTreeMap::new();
    for (name, value) in given.params.iter().flat_map(|params| &params.fields) {
        let field = format!("{field}.params.{}", name.chars().take(NAME_BYTES).collect::<String>());
        match param(value) {
            Ok(value) => {
                params.insert(name.clone(), value);
            }
            Err(reason) => wrong.add(field, reason),
        }
    }
    let image_weights = image_weights(field, &given.image_weights, pictures.len(), wrong);
    TermSpec { id: given.id.clone(), weight, image_weights, params, images: pictures, reference: None }
}

/// One for each picture of the term.
fn image_weights(field: &str, given: &[f64], pictures: usize, wrong: &mut Wrong) -> Vec<f64> {
    if given.is_empty() {
        return vec![1.0; pictures];
    }
    if given.len() != pictures {
        let reason = format!(
            "there are {} weights for {pictures} images of this term; give one for each, or none",
            given.len()
        );
        wrong.add(format!("{field}.image_weights"), reason);
    } else if let Some(place) = given.iter().position(|weight| !weight.is_finite()) {
        wrong.add(format!("{field}.image_weights[{place}]"), format!("{} is not finite", given[place]));
    }
    given.to_vec()
}

/// A parameter's value; JSON's numbers are floats, and the host takes those without fraction as integers.
fn param(value: &prost_types::Value) -> Result<ParamValue, String> {
    match &value.kind {
        Some(Kind::BoolValue(value)) => Ok(ParamValue::Bool(*value)),
        Some(Kind::NumberValue(value)) => finite(*value).map(ParamValue::Float),
        Some(Kind::StringValue(value)) => Ok(ParamValue::String(value.clone())),
        Some(Kind::ListValue(list)) => {
            if list.values.len() > PARAM_LIST {
                return Err(format!(
                    "the list has {} elements; at most {PARAM_LIST} are possible",
                    list.values.len()
                ));
            }
            let number = |value: &prost_types::Value| match value.kind {
                Some(Kind::NumberValue(value)) => finite(value),
                _ => Err("a list holds numbers only".to_owned()),
            };
            list.values.iter().map(number).collect::<Result<_, _>>().map(ParamValue::FloatList)
        }
        Some(Kind::StructValue(_)) => {
            Err("an object is no parameter; give a number, a text, true, false or a list of numbers"
                .to_owned())
        }
        Some(Kind::NullValue(_)) | None => {
            Err("null is no parameter; leave it out to have the default".to_owned())
        }
    }
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("{value} is not finite")) }
}
