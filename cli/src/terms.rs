//! `unitscope terms`: lists and shows what plugins supply.

use crate::args::TermsCommand;
use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::table::{Table, wrap};
use prost_types::value::Kind as ValueKind;
use unitscope_proto::v1::param_info::Type;
use unitscope_proto::v1::term_info::Kind;
use unitscope_proto::v1::{GetTermRequest, ListTermsRequest, ParamInfo, TermInfo};

/// Width of running text where nobody says how wide the terminal is.
const TEXT_WIDTH: usize = 100;

/// Runs the command.
pub async fn run(server: &Server, command: TermsCommand, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    match command {
        TermsCommand::List => list(&mut services, as_json).await,
        TermsCommand::Show { term } => {
            let answer = services.plugins.get_term(GetTermRequest { id: term }).await;
            let term = answer.map_err(|status| services.failure(status))?.into_inner();
            if as_json {
                json::print(&json::to_json("TermInfo", &term));
            } else {
                print!("{}", describe(&term));
            }
            Ok(())
        }
    }
}

async fn list(services: &mut Services, as_json: bool) -> Result<(), Failure> {
    let answer = services.plugins.list_terms(ListTermsRequest {}).await;
    let answer = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("ListTermsResponse", &answer));
        return Ok(());
    }
    if answer.terms.is_empty() {
        println!(
            "no terms; the server reads plugins from its --plugins DIR (`unitscope server` lists those that failed)"
        );
        return Ok(());
    }
    let mut table = Table::new(&["TERM", "KIND", "PLUGIN", "WHAT IT IS"]);
    for term in &answer.terms {
        let plugin = format!("{} {}", term.plugin, term.plugin_version);
        table.row(vec![term.id.clone(), kind_name(term.kind()).to_string(), plugin, term.title.clone()]);
    }
    print!("{table}");
    Ok(())
}

fn describe(term: &TermInfo) -> String {
    let mut text =
        format!("{}  {}: {}\n", console::style(&term.id).bold(), kind_name(term.kind()), term.title);
    text.push_str(&format!("version {}, of plugin {} {}\n", term.version, term.plugin, term.plugin_version));
    if term.batch_coupled {
        text.push_str("couples pictures: a picture's value depends on the others that the term applies to\n");
    }
    if !term.doc.is_empty() {
        text.push('\n');
        for paragraph in term.doc.split("\n\n") {
            text.push_str(&wrap(paragraph, TEXT_WIDTH).join("\n"));
            text.push('\n');
        }
    }
    if term.params.is_empty() {
        text.push_str("\nno parameters\n");
    } else {
        let mut table = Table::new(&["PARAMETER", "TYPE", "DEFAULT", "RANGE", "MEANING"]);
        for param in &term.params {
            table.row(vec![
                param.name.clone(),
                type_name(param),
                default_text(param),
                range(param),
                param.doc.clone(),
            ]);
        }
        text.push_str(&format!("\n{table}"));
    }
    text
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "unknown",
        Kind::Objective => "objective",
        Kind::Penalty => "penalty",
        Kind::StepOperation => "step operation",
    }
}

/// The type, with the unit where there is one: `int (px)`.
fn type_name(param: &ParamInfo) -> String {
    let name = match param.r#type() {
        Type::Unspecified => "unknown",
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Float => "float",
        Type::String => "text",
        Type::Enum => "choice",
        Type::Layer => "layer",
        Type::IntList => "int list",
        Type::FloatList => "float list",
        Type::Class => "class",
    };
    if param.unit.is_empty() { name.to_string() } else { format!("{name} ({})", param.unit) }
}

fn default_text(param: &ParamInfo) -> String {
    match &param.default_value {
        _ if param.required => "required".to_string(),
        None => "-".to_string(),
        Some(value) => value_text(value),
    }
}

fn value_text(value: &prost_types::Value) -> String {
    match &value.kind {
        None | Some(ValueKind::NullValue(_)) => "-".to_string(),
        Some(ValueKind::BoolValue(bool)) => bool.to_string(),
        Some(ValueKind::NumberValue(number)) => number.to_string(),
        Some(ValueKind::StringValue(text)) => text.clone(),
        Some(ValueKind::ListValue(list)) => {
            format!("[{}]", list.values.iter().map(value_text).collect::<Vec<_>>().join(", "))
        }
        Some(ValueKind::StructValue(_)) => "{…}".to_string(),
    }
}

fn range(param: &ParamInfo) -> String {
    match (param.min, param.max) {
        _ if !param.choices.is_empty() => param.choices.join(" | "),
        (None, None) => String::new(),
        (Some(min), None) => format!("≥ {min}"),
        (None, Some(max)) => format!("≤ {max}"),
        (Some(min), Some(max)) => format!("{min} … {max}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::call::protobuf_value;
    use serde_json::json;

    #[test]
    fn parameters_say_their_type_default_and_range() {
        let check = |param: ParamInfo, expected: [&str; 3]| {
            assert_eq!([type_name(&param), default_text(&param), range(&param)], expected);
        };
        let param = |kind: Type| ParamInfo { r#type: kind.into(), ..ParamInfo::default() };
        check(ParamInfo { required: true, ..param(Type::Layer) }, ["layer", "required", ""]);
        check(ParamInfo { required: true, ..param(Type::Class) }, ["class", "required", ""]);
        check(ParamInfo { min: Some(0.0), unit: "px".into(), ..param(Type::Int) }, ["int (px)", "-", "≥ 0"]);
        let list = Some(protobuf_value(&json!([1, 2.5])));
        check(
            ParamInfo { default_value: list, max: Some(3.0), ..param(Type::FloatList) },
            ["float list", "[1, 2.5]", "≤ 3"],
        );
        let choices = vec!["a".into(), "b".into()];
        let default_value = Some(protobuf_value(&json!("a")));
        check(ParamInfo { default_value, choices, ..param(Type::Enum) }, ["choice", "a", "a | b"]);
    }

    #[test]
    fn a_term_shows_its_doc_and_parameters() {
        let term = TermInfo {
            id: "l2".into(),
            kind: Kind::Penalty.into(),
            title: "Mean square".into(),
            doc: "One.\n\nTwo.".into(),
            batch_coupled: true,
            ..TermInfo::default()
        };
        let text = console::strip_ansi_codes(&describe(&term)).into_owned();
        for part in ["l2  penalty: Mean square\n", "couples pictures", "\nOne.\nTwo.\n", "no parameters"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
