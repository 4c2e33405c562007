//! Tables from command lines to specs.

use super::*;
use crate::args::{Cli, Command};
use crate::connect::Server;
use crate::json;
use crate::units::ranked;
use clap::Parser;
use serde_json::{Value, json};

fn request(line: &str) -> Result<Request, String> {
    let words = ["unitscope", "rank", "--model", "m", "--dataset", "d"];
    let words = words.into_iter().chain(line.split('|').map(str::trim).filter(|word| !word.is_empty()));
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Command::Rank(args) = cli.command else { panic!("{line} is another command") };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = Server::new("127.0.0.1:1").unwrap();
    let request = runtime.block_on(async {
        let units = ranked::resolve(&server, &args.model, &args.units, &args.directions).await?;
        Request::from_flags(&args, units)
    });
    request.map_err(|failure: Failure| failure.to_string())
}

/// Flags are separated by `|`; `spec` is the proto JSON without model, dataset and what every spec has.
fn check(line: &str, spec: Value) {
    let request = request(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut whole = json!({
        "model": "m", "dataset": "d", "reducer": "REDUCER_MAX",
        "units": [{"layer": "a", "channel": 7, "label": "a:7"}],
        "pictures": {"thumbnails": true, "crops": true},
    });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    assert_eq!(request.spec, json::from_json("RankSpec", &whole).unwrap(), "{line}");
}

fn check_error(line: &str, says: &str) {
    let error = request(line).err().unwrap_or_else(|| panic!("{line} is accepted"));
    assert!(error.contains(says), "{line}: {error}");
}

#[test]
fn what_is_not_said_is_the_servers() {
    check("--unit|a:7", json!({}));
    check("--unit|a:7|--no-pictures", json!({"pictures": null}));
}

#[test]
fn units_come_before_directions() {
    let units = json!([
        {"layer": "a", "channel": 7, "position": {"row": 1, "column": 2}, "label": "a:7@1,2"},
        {"layer": "a:pre", "channel": 8, "label": "a:pre:8"},
        {"layer": "b", "direction": {"channels": [3, 1], "weights": [0.5, -1]}, "label": "b:3=0.5,1=-1"},
    ]);
    check("--direction|b:3=0.5,1=-1|--unit|a:7@1,2|--unit|a:pre:8", json!({"units": units}));
    let named = json!([{"layer": "a", "channel": 7, "label": "eyes"}]);
    check("--unit|a:7|--label|eyes", json!({"units": named}));
}

#[test]
fn groups_are_as_large_as_said() {
    check("--unit|a:7|--top|0|--bottom|3", json!({"topK": 0, "bottomK": 3}));
    let bands = json!([
        {"percentile": {"low": 45, "high": 55}, "k": 4},
        {"percentile": {"low": 0, "high": 1.5}, "k": 4},
        {"score": {"low": -1, "high": 0.5}, "k": 4},
    ]);
    check("--unit|a:7|--score-band|-1:0.5|--band|45:55|--band|0:1.5|--k|4", json!({"bands": bands}));
    check("--unit|a:7|--band|45:55", json!({"bands": [{"percentile": {"low": 45, "high": 55}}]}));
}

#[test]
fn everything_else_has_its_field() {
    for (name, reducer) in
        [("mean", "MEAN"), ("centre", "CENTRE"), ("center", "CENTRE"), ("absmax", "ABSMAX"), ("l2", "L2")]
    {
        check(&format!("--unit|a:7|--reducer|{name}"), json!({"reducer": format!("REDUCER_{reducer}")}));
    }
    check(
        "--unit|a:7|--class|rings|--class|dots|--layer|x|--layer|y|--scores|--refresh",
        json!({"classes": ["rings", "dots"], "layers": ["x", "y"], "returnScores": true, "refresh": true}),
    );
    check(
        "--unit|a:7|--heat-maps|--side|64",
        json!({"pictures": {"thumbnails": true, "crops": true, "heatMaps": true, "side": 64}}),
    );
}

#[test]
fn wrong_lines_say_what_to_do() {
    check_error("", "--unit");
    check_error("--unit|a:7|--k|4", "--k says how many images a band gives; give --band LOW:HIGH");
    check_error("--unit|a:7|--band|55:45", "runs backwards; write 45:55");
    check_error("--unit|a:7|--band|-5:45", "percentile -5 is not in 0 … 100");
    check_error("--unit|a:0-1|--label|x", "1 labels for 2 units and directions; give --label once for each");
    check_error("--unit|a:7|--no-pictures|--heat-maps", "cannot be used with");
    check_error("--direction|a:1", "expected a channel and its weight");
}

#[test]
fn fields_lead_back_to_arguments() {
    let request =
        request("--unit|a:7|--direction|a:1=2|--band|1:2|--score-band|-3:4|--k|5|--class|x|--layer|y")
            .unwrap();
    let check = |field: &str, argument: Option<&str>| {
        assert_eq!(request.argument(field).as_deref(), argument, "{field}");
    };
    check("spec.units[0].channel", Some("--unit a:7"));
    check("spec.units[1].direction.weights[0]", Some("--direction a:1=2"));
    check("spec.units", Some("--unit"));
    check("spec.bands[1].score", Some("--score-band -3:4"));
    check("spec.bands[1].k", Some("--k"));
    check("spec.bands", Some("--band"));
    check("spec.classes[0]", Some("--class x"));
    check("spec.layers[0]", Some("--layer y"));
    check("spec.pictures.side", Some("--side"));
    check("spec.pictures.heat_maps", Some("--heat-maps"));
    check("spec.top_k", Some("--top"));
    check("spec.bottom_k", Some("--bottom"));
    check("spec.return_scores", Some("--scores"));
    check("spec.dataset", Some("--dataset"));
    check("spec.reducer", Some("--reducer"));
    check("request_id", None);
}
