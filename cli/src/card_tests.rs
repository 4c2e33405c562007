//! From command lines to specs, and from fields back.

use super::*;
use crate::args::{Cli, Command};
use clap::Parser;
use serde_json::{Value, json};

fn parsed(line: &str) -> Result<CardArgs, String> {
    let words = ["unitscope", "card", "--model", "m", "--dataset", "d"];
    let words = words.into_iter().chain(line.split('|').filter(|word| !word.is_empty()));
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Command::Card(args) = cli.command else { panic!("{line} is another command") };
    Ok(*args)
}

/// Flags are separated by `|`; `expected` is the proto JSON without model, dataset and units.
fn check(line: &str, expected: Value) {
    let args = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let unit = RankUnit { layer: "a".into(), ..RankUnit::default() };
    let mut whole =
        json!({"model": "m", "dataset": "d", "units": [{"layer": "a"}], "reducer": "REDUCER_MAX"});
    for (key, value) in expected.as_object().unwrap() {
        whole[key] = value.clone();
    }
    assert_eq!(spec(&args, vec![unit]), json::from_json("CardSpec", &whole).unwrap(), "{line}");
}

#[test]
fn flags_have_their_fields() {
    check("--unit|a:7", json!({}));
    check(
        "--unit|a:7|--k|4|--steps|128|--seed|3|--diverse|0|--title|Eyes|--reducer|mean|--refresh",
        json!({"k": 4, "steps": 128, "seed": "3", "diverse": 0, "title": "Eyes", "reducer": "REDUCER_MEAN", "refresh": true}),
    );
    assert!(parsed("").unwrap_err().contains("--unit"));
}

#[test]
fn fields_lead_back_to_arguments() {
    let units = ["--unit a:7".to_string(), "--unit a:8".to_string()];
    let check = |field: &str, expected: Option<&str>| {
        assert_eq!(argument(&units, field).as_deref(), expected, "{field}");
    };
    check("spec.units[1].channel", Some("--unit a:8"));
    check("spec.units", Some("--unit"));
    check("spec.k", Some("--k"));
    check("spec.diverse", Some("--diverse"));
    check("spec.unheard_of", None);
}
