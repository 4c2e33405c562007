//! Turns the expression of `--objective` into terms and arithmetic on them, asking the server what arguments without a name stand for.

use super::args::OptimizeArgs;
use crate::connect::Server;
use crate::failure::Failure;
use crate::notation::NotationError;
use crate::notation::expression::{Objective, Written};
use std::collections::BTreeMap;
use tonic::Code;
use unitscope_proto::v1::expression::Kind;
use unitscope_proto::v1::{Expression, GetTermRequest, Term};

/// What is maximized, as the spec has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Maximized {
    /// Each term once, and the first call that stands for it.
    pub terms: Vec<(Term, String)>,
    /// Arithmetic on `terms`.
    pub tree: Expression,
}

/// The names of a term's parameters, in order, by the term's id.
type Schemas = BTreeMap<String, Vec<String>>;

/// What `--objective` asks for, if it is given. Asks the server only where an argument has no name.
pub async fn resolve(server: &Server, args: &OptimizeArgs) -> Result<Option<Maximized>, Failure> {
    let Some(objective) = &args.wanted.objective else { return Ok(None) };
    let schemas = fetch(server, objective).await?;
    maximized(objective, &schemas).map(Some).map_err(|error| Failure::Usage(format!("--objective: {error}")))
}

async fn fetch(server: &Server, objective: &Objective) -> Result<Schemas, Failure> {
    let mut schemas = Schemas::new();
    let unnamed = objective.calls.iter().filter(|written| !written.positional.is_empty());
    for Written { call, place, .. } in unnamed {
        if schemas.contains_key(&call.name) {
            continue;
        }
        let mut services = server.connect().await?;
        let answer = services.plugins.get_term(GetTermRequest { id: call.name.clone() }).await;
        let term = answer.map_err(|status| match status.code() {
            Code::NotFound => {
                let error = objective.error_at(*place, status.message().to_string());
                Failure::Refused(format!("--objective: {error}"))
            }
            _ => services.failure(status),
        })?;
        let params = term.into_inner().params.into_iter().map(|param| param.name);
        schemas.insert(call.name.clone(), params.collect());
    }
    Ok(schemas)
}

/// `schemas` holds every term with arguments that have no name. Calls that come to the same term share it.
fn maximized(objective: &Objective, schemas: &Schemas) -> Result<Maximized, NotationError> {
    let mut terms: Vec<(Term, String)> = Vec::new();
    let mut places = Vec::new();
    for written in &objective.calls {
        let term = named(objective, written, schemas)?;
        let known = terms.iter().position(|(other, _)| *other == term);
        places.push(known.unwrap_or(terms.len()) as u32);
        if known.is_none() {
            terms.push((term, written.call.text.clone()));
        }
    }
    let mut tree = objective.tree.clone();
    renumber(&mut tree, &places);
    Ok(Maximized { terms, tree })
}

/// The term of a call, all of whose arguments have got their names.
fn named(objective: &Objective, written: &Written, schemas: &Schemas) -> Result<Term, NotationError> {
    let name = &written.call.name;
    let params = schemas.get(name).map_or(&[][..], Vec::as_slice);
    let mut call = written.call.clone();
    for ((place, value), index) in written.positional.iter().zip(0..) {
        let Some(param) = params.get(index) else {
            let takes = match params {
                [] => "no parameters".to_string(),
                _ => format!("{} at most: {}", params.len(), params.join(", ")),
            };
            return Err(objective.error_at(*place, format!("one value too many: `{name}` takes {takes}")));
        };
        if call.arguments.iter().any(|(key, _)| key == param) {
            let message = format!("this is `{param}` of `{name}`, which is also given by its name");
            return Err(objective.error_at(*place, message));
        }
        call.arguments.push((param.clone(), value.clone()));
    }
    // What is wrong with the call is shown where it stands in the whole.
    call.term().map_err(|error| {
        let inside: usize = error.text.chars().take(error.column).map(char::len_utf8).sum();
        objective.error_at(written.place + inside, error.message)
    })
}

/// Makes places of calls into places of terms; recurses as deep as the tree, which the notation bounds.
fn renumber(tree: &mut Expression, places: &[u32]) {
    match &mut tree.kind {
        Some(Kind::Term(place)) => *place = places[*place as usize],
        Some(Kind::Sum(list) | Kind::Product(list)) => {
            list.parts.iter_mut().for_each(|part| renumber(part, places));
        }
        Some(Kind::Negation(part)) => renumber(part, places),
        Some(Kind::Constant(_)) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use serde_json::{Value, json};

    fn maximized(text: &str) -> Result<Maximized, NotationError> {
        let schema = |id: &str, params: &[&str]| {
            (id.to_string(), params.iter().map(|param| (*param).to_string()).collect())
        };
        let schemas = [
            schema("channel", &["layer", "channel"]),
            schema("l2", &["center"]),
            schema("total_variation", &[]),
        ];
        super::maximized(&text.parse()?, &schemas.into())
    }

    fn check(text: &str, terms: Value, tree: Value) {
        let maximized = maximized(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let wanted: Vec<Term> =
            terms.as_array().unwrap().iter().map(|term| json::from_json("Term", term).unwrap()).collect();
        let found: Vec<Term> = maximized.terms.into_iter().map(|(term, _)| term).collect();
        assert_eq!(found, wanted, "{text}");
        assert_eq!(maximized.tree, json::from_json("Expression", &tree).unwrap(), "{text}");
    }

    fn check_error(text: &str, marks: &str, says: &str) {
        let error = maximized(text).expect_err(text);
        assert!(error.message.contains(says), "{text}: {error}");
        assert!(error.to_string().ends_with(&format!("    {text}\n    {marks}")), "{error}");
    }

    #[test]
    fn values_get_the_names_of_the_schema_in_order() {
        let unit = json!({"id": "channel", "params": {"layer": "inception_4a", "channel": 97}});
        for text in [
            "channel(inception_4a, 97)",
            "channel(inception_4a, channel=97)",
            "channel(channel=97, layer=inception_4a)",
        ] {
            check(text, json!([unit]), json!({"term": 0}));
        }
        check(
            "channel(layer3.0.conv1:pre, 5, images=[0, 1], image_weights=[1, -0.5])",
            json!([{"id": "channel", "params": {"layer": "layer3.0.conv1:pre", "channel": 5}, "images": [0, 1], "imageWeights": [1, -0.5]}]),
            json!({"term": 0}),
        );
    }

    #[test]
    fn calls_that_come_to_the_same_share_a_term() {
        check(
            "channel(a, 1) * l2() + channel(a, 2) - 3*channel(channel=1, layer=a)",
            json!([
                {"id": "channel", "params": {"layer": "a", "channel": 1}},
                {"id": "l2"},
                {"id": "channel", "params": {"layer": "a", "channel": 2}}]),
            json!({"sum": {"parts": [
                {"product": {"parts": [{"term": 0}, {"term": 1}]}},
                {"term": 2},
                {"product": {"parts": [{"constant": -3}, {"term": 0}]}}]}}),
        );
        check(
            "l2() - l2(weight=2)",
            json!([{"id": "l2"}, {"id": "l2", "weight": 2}]),
            json!({"sum": {"parts": [{"term": 0}, {"negation": {"term": 1}}]}}),
        );
    }

    #[test]
    fn what_does_not_fit_the_schema_is_pointed_at() {
        check_error(
            "l2(0.5) + channel(a, 7, 8)",
            "                        ^",
            "`channel` takes 2 at most: layer, channel",
        );
        check_error(
            "2 * total_variation(0.1)",
            "                    ^",
            "`total_variation` takes no parameters",
        );
        check_error("channel(a, layer=b)", "        ^", "this is `layer` of `channel`, which is also given");
        check_error("l2(é) - l2(weight=x)", "           ^", "`weight` must be a finite number");
        check_error(
            "l2() + l2(image_weights=[x])",
            "          ^",
            "`image_weights` must be a list of finite",
        );
    }
}
