//! Names of pictures that the client did not name: their objectives in short. It knows no store.

use crate::limits::NAME_BYTES;
use std::collections::HashSet;
use unitscope_engine::plugin::{ParamValue, Registry, TermKind};
use unitscope_engine::spec::{Elimination, OptimizeSpec, TermSpec};

/// One label per picture, all different, such as `inception_4b:77` or `inception_4b:77+diversity`; starts of a family are numbered, as in
/// `inception_4b:77 #1`.
#[must_use]
pub fn labels(spec: &OptimizeSpec, registry: &Registry) -> Vec<String> {
    let is_objective =
        |term: &&TermSpec| registry.term(&term.id).is_ok_and(|info| info.kind == TermKind::Objective);
    let objectives: Vec<&TermSpec> = spec.terms.iter().filter(is_objective).collect();
    let mut taken = HashSet::new();
    let named = |image| numbered(label(image, &objectives), image, spec.elimination.as_ref());
    (0..spec.images).map(|image| unique(&named(image), &mut taken)).collect()
}

/// Objectives that all pictures share do not tell them apart; they are left out where others remain.
fn label(image: u32, objectives: &[&TermSpec]) -> String {
    let mine = || objectives.iter().filter(|term| term.images.contains(&image));
    let mut parts: Vec<String> =
        mine().filter(|term| term.params.contains_key("layer")).map(|term| short(term)).collect();
    if parts.is_empty() {
        parts = mine().map(|term| short(term)).collect();
    }
    let mut label = if parts.is_empty() { "picture".to_owned() } else { parts.join("+") };
    // Room for a suffix that makes it unique.
    while label.len() > NAME_BYTES - 8 {
        label.pop();
    }
    label
}

/// `layer:channel@row,column` as far as the term has them, or `id:class`; else its id.
fn short(term: &TermSpec) -> String {
    let sign = if term.weight < 0.0 { "-" } else { "" };
    let safe = |text: &str| -> String {
        text.chars().map(|c| if c.is_control() || c == '/' || c == '\\' { '_' } else { c }).collect()
    };
    let whole = |name| match term.params.get(name) {
        Some(ParamValue::Int(value)) => Some(value.to_string()),
        Some(ParamValue::Float(value)) => Some(value.to_string()),
        Some(ParamValue::String(value)) => Some(safe(value)),
        _ => None,
    };
    if let Some(class) = whole("class") {
        return format!("{sign}{}:{class}", term.id);
    }
    let Some(ParamValue::String(layer)) = term.params.get("layer") else { return term.id.clone() };
    let channel = whole("channel").map(|channel| format!(":{channel}")).unwrap_or_default();
    let place =
        whole("row").zip(whole("column")).map(|(row, column)| format!("@{row},{column}")).unwrap_or_default();
    format!("{sign}{}{channel}{place}", safe(layer))
}

/// With the number of the start, where pictures have several.
fn numbered(label: String, image: u32, elimination: Option<&Elimination>) -> String {
    match elimination {
        Some(Elimination { starts, .. }) => format!("{label} #{}", image % starts + 1),
        None => label,
    }
}

fn unique(label: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{label}-{number}"));
    let free = std::iter::once(label.to_owned()).chain(numbered).find(|label| !taken.contains(label));
    let free = free.expect("numbers do not run out");
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(params: &[(&str, ParamValue)], images: &[u32]) -> TermSpec {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let image_weights = vec![1.0; images.len()];
        TermSpec {
            id: "unit".to_owned(),
            weight: 1.0,
            image_weights,
            params,
            images: images.to_vec(),
            reference: None,
        }
    }

    #[test]
    fn a_label_names_the_unit() {
        let layer = ("layer", ParamValue::String("a.b".to_owned()));
        let one = term(&[layer.clone(), ("channel", ParamValue::Float(7.0))], &[0]);
        let (row, column) = (("row", ParamValue::Int(1)), ("column", ParamValue::Int(2)));
        let two = term(&[layer, ("channel", ParamValue::Int(8)), row, column], &[0, 1]);
        let three = term(&[], &[0, 1, 2]);
        let label = |image| label(image, &[&one, &two, &three]);
        assert_eq!(label(0), "a.b:7+a.b:8@1,2");
        assert_eq!(label(1), "a.b:8@1,2");
        assert_eq!(label(2), "unit");
        assert_eq!(label(3), "picture");
    }

    #[test]
    fn a_class_is_named_by_number_or_label() {
        let layer = ("layer", ParamValue::String("fc".to_owned()));
        for (class, expected) in [
            (ParamValue::Int(3), "class:3"),
            (ParamValue::String("great white".to_owned()), "class:great white"),
            (ParamValue::String("a/b".to_owned()), "class:a_b"),
        ] {
            for given in [vec![("class", class.clone())], vec![layer.clone(), ("class", class.clone())]] {
                let term = TermSpec { id: "class".to_owned(), ..term(&given, &[0]) };
                assert_eq!(label(0, &[&term]), expected);
            }
        }
    }

    #[test]
    fn starts_of_a_family_are_numbered() {
        let elimination = Elimination { starts: 2, steps: vec![1] };
        let of = |elimination| {
            (0..4).map(|image| numbered("a".to_owned(), image, elimination)).collect::<Vec<_>>()
        };
        assert_eq!(of(Some(&elimination)), ["a #1", "a #2", "a #1", "a #2"]);
        assert_eq!(of(None), ["a"; 4]);
    }

    #[test]
    fn labels_are_unique() {
        let mut taken = HashSet::new();
        let labels: Vec<String> = (0..3).map(|_| unique("a", &mut taken)).collect();
        assert_eq!(labels, ["a", "a-2", "a-3"]);
    }
}
