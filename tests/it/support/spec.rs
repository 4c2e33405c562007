//! Specs to send. It knows no server.

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::Value as Json;
use unitscope_proto::v1::{OptimizeSpec, Term, Transforms};

/// A short, small job; tests change what they are about by `OptimizeSpec { steps: …, ..spec(…) }`.
pub fn spec(model: &str, terms: impl IntoIterator<Item = Term>) -> OptimizeSpec {
    OptimizeSpec {
        model: model.to_owned(),
        terms: terms.into_iter().collect(),
        steps: Some(8),
        seed: Some(1),
        ..OptimizeSpec::default()
    }
}

/// A term with its parameters, a JSON object.
pub fn term(id: &str, params: Json) -> Term {
    Term { id: id.to_owned(), params: Some(structure(params)), ..Term::default() }
}

/// A spec of the quickest model, which runs `steps` steps of about a millisecond or two.
pub fn quick(steps: u32) -> OptimizeSpec {
    OptimizeSpec {
        steps: Some(steps),
        transforms: Some(Transforms::default()),
        ..spec("twice", [term("channel", serde_json::json!({"layer": "conv1", "channel": 1}))])
    }
}

/// A JSON object as the proto's Struct.
pub fn structure(object: Json) -> Struct {
    match value(object).kind {
        Some(Kind::StructValue(structure)) => structure,
        other => panic!("parameters are an object, not {other:?}"),
    }
}

fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => Kind::NumberValue(number.as_f64().expect("JSON numbers fit")),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => Kind::ListValue(ListValue { values: values.into_iter().map(value).collect() }),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, json)| (name, value(json))).collect();
            Kind::StructValue(Struct { fields })
        }
    };
    Value { kind: Some(kind) }
}
