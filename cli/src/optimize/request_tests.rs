//! Tables from command lines to specs.

use super::*;
use crate::args::{Cli, Command};
use crate::connect::Server;
use crate::optimize::{objective, wanted};
use clap::Parser;

fn request(line: &str) -> Result<Request, String> {
    let words = ["unitscope", "optimize"]
        .into_iter()
        .chain(line.split('|').map(str::trim))
        .filter(|word| !word.is_empty());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Command::Optimize(args) = cli.command else { panic!("{line} is another command") };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = Server::new("127.0.0.1:1").unwrap();
    let request = runtime.block_on(async {
        let wanted = wanted(&server, &args).await?;
        Request::from_flags(&args, wanted, objective::resolve(&server, &args).await?)
    });
    request.map_err(|failure: Failure| failure.to_string())
}

/// Flags are separated by `|`; `spec` is the proto JSON without the model.
fn check(line: &str, spec: Value) {
    let request = request(&format!("--model|m|{line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut spec = spec;
    spec["model"] = "m".into();
    assert_eq!(request.spec, json::from_json("OptimizeSpec", &spec).unwrap(), "{line}");
}

fn check_error(line: &str, says: &str) {
    let error = request(&format!("--model|m|{line}")).err().unwrap_or_else(|| panic!("{line} is accepted"));
    assert!(error.contains(says), "{line}: {error}");
}

#[test]
fn a_unit_is_a_channel_or_a_place() {
    check(
        "--unit|a:7",
        json!({"images": 1, "labels": ["a:7"], "terms": [{"id": "channel", "params": {"layer": "a", "channel": 7}}]}),
    );
    check(
        "--unit|a:7@center",
        json!({"images": 1, "labels": ["a:7@center"], "terms": [{"id": "unit", "params": {"layer": "a", "channel": 7}}]}),
    );
    check(
        "--unit|a:7@1,2|--layer|b",
        json!({"images": 2, "labels": ["a:7@1,2", "b"], "terms": [
            {"id": "unit", "params": {"layer": "a", "channel": 7, "row": 1, "column": 2}, "images": [0]},
            {"id": "layer", "params": {"layer": "b"}, "images": [1]}]}),
    );
}

#[test]
fn a_range_is_one_picture_each() {
    check(
        "--unit|a:3-4",
        json!({"images": 2, "labels": ["a:3", "a:4"], "terms": [
            {"id": "channel", "params": {"layer": "a", "channel": 3}, "images": [0]},
            {"id": "channel", "params": {"layer": "a", "channel": 4}, "images": [1]}]}),
    );
}

#[test]
fn negatives_follow_their_units() {
    check(
        "--unit|a:7|--unit|b:1@center|--layer|c|--negative",
        json!({"images": 6, "labels": ["a:7", "a:7 negative", "b:1@center", "b:1@center negative", "c", "c negative"], "terms": [
            {"id": "channel", "params": {"layer": "a", "channel": 7}, "images": [0]},
            {"id": "negative", "params": {"layer": "a", "channel": 7}, "images": [1]},
            {"id": "unit", "params": {"layer": "b", "channel": 1}, "images": [2]},
            {"id": "unit", "weight": -1, "params": {"layer": "b:pre?", "channel": 1}, "images": [3]},
            {"id": "layer", "params": {"layer": "c"}, "images": [4]},
            {"id": "layer", "weight": -1, "params": {"layer": "c"}, "images": [5]}]}),
    );
}

#[test]
fn copies_share_a_term_and_diversity_pushes_them_apart() {
    check(
        "--unit|a:7|--copies|2|--diversity|0.5",
        json!({"images": 2, "labels": ["a:7 #1", "a:7 #2"], "terms": [
            {"id": "channel", "params": {"layer": "a", "channel": 7}},
            {"id": "diversity", "weight": 0.5, "params": {"layer": "a"}}]}),
    );
    check_error("--unit|a:7|--diversity|1", "--diversity needs --copies 2 or more");
}

#[test]
fn terms_apply_to_all_pictures_or_to_those_named() {
    check(
        "--unit|a:0-2|--term|l2(weight=0.1)|--term|channel(layer=b, channel=1, images=[0, 2])",
        json!({"images": 3, "labels": ["a:0", "a:1", "a:2"], "terms": [
            {"id": "channel", "params": {"layer": "a", "channel": 0}, "images": [0]},
            {"id": "channel", "params": {"layer": "a", "channel": 1}, "images": [1]},
            {"id": "channel", "params": {"layer": "a", "channel": 2}, "images": [2]},
            {"id": "l2", "weight": 0.1},
            {"id": "channel", "params": {"layer": "b", "channel": 1}, "images": [0, 2]}]}),
    );
    check(
        "--term|mine(layer=b)|--copies|3",
        json!({"images": 3, "terms": [{"id": "mine", "params": {"layer": "b"}}]}),
    );
    check_error("--steps|3", "nothing to make a picture for");
    check_error("--term|l2(weight=nan)", "`weight` must be a finite number");
    check_error("--term|l2(x", "expected `=`");
}

#[test]
fn an_expression_is_for_all_pictures_and_its_terms_come_first() {
    let channel = json!({"id": "channel", "params": {"layer": "a", "channel": 7}});
    let difference = json!({"sum": {"parts": [
        {"term": 0}, {"product": {"parts": [{"constant": -0.1}, {"term": 1}]}}]}});
    check(
        "--objective|channel(layer=a, channel=7) - 0.1*l2()|--term|normalize_gradient|--copies|3|--label|x|--label|y|--label|z",
        json!({"images": 3, "terms": [channel, {"id": "l2"}, {"id": "normalize_gradient"}], "objective": difference,
            "labels": ["x", "y", "z"]}),
    );
    check(
        "--objective|-channel(layer=a, channel=7)",
        json!({"images": 1, "terms": [channel], "objective": {"negation": {"term": 0}}}),
    );
    check_error("--objective|l2() +", "    l2() +\n          ^");
    check_error("--objective|l2(weight=x)", "--objective: `weight` must be a finite number");
    for other in ["--unit|a:7", "--layer|a", "--negative", "--diversity|1", "--spec|f", "--objective|l2()"] {
        check_error(&format!("--objective|l2()|{other}"), "cannot be used");
    }
}

#[test]
fn how_a_picture_is_made() {
    check(
        "--layer|a|--steps|8|--seed|9|--size|8x4|--learning-rate|0.1|--snapshots|2,4|--tensors|--images-per-pass|1|--clean-steps|2|--views|4",
        json!({"images": 1, "labels": ["a"], "terms": [{"id": "layer", "params": {"layer": "a"}}], "steps": 8, "seed": 9,
            "size": {"height": 8, "width": 4}, "optimizer": {"adam": {"learningRate": 0.1}}, "snapshotSteps": [2, 4],
            "returnTensors": true, "imagesPerPass": 1, "cleanSteps": 2, "viewsPerStep": 4}),
    );
    let layer = json!({"images": 1, "labels": ["a"], "terms": [{"id": "layer", "params": {"layer": "a"}}]});
    let with = |key: &str, value: Value| {
        let mut spec = layer.clone();
        spec[key] = value;
        spec
    };
    check("--layer|a|--parameterization|pixel", with("parameterization", json!({"pixel": {}})));
    check(
        "--layer|a|--parameterization|fourier(decay_power=1.5, decorrelate_colors=false)",
        with("parameterization", json!({"fourier": {"decayPower": 1.5}, "decorrelateColors": false})),
    );
    check(
        "--layer|a|--parameterization|laplacian(levels=3, alpha=true, shared=[2, 4], anchors=2)",
        with(
            "parameterization",
            json!({"laplacian": {"levels": 3}, "alpha": true, "shared": {"divisors": [2, 4], "anchors": 2}}),
        ),
    );
    check_error("--layer|a|--parameterization|pixel(magnitude=a.png)", "`magnitude` belongs to `maco`");
    check_error("--layer|a|--parameterization|maco(magnitude=nowhere)", "nowhere cannot be read");
    check("--layer|a|--transforms|none", with("transforms", json!({})));
    check(
        "--layer|a|--transform|pad(pixels=3)|--transform|random_scale(min=0.5, max=2)",
        with(
            "transforms",
            json!({"transforms": [{"pad": {"pixels": 3}}, {"randomScale": {"min": 0.5, "max": 2}}]}),
        ),
    );
    check(
        "--layer|a|--optimizer|nadam(learning_rate=1, momentum_decay=0)",
        with("optimizer", json!({"nadam": {"learningRate": 1, "momentumDecay": 0}})),
    );
    check(
        "--layer|a|--optimizer|sgd|--schedule|exponential(decay=0.9, warmup_steps=4)",
        with("optimizer", json!({"sgd": {}, "schedule": {"exponential": {"decay": 0.9}, "warmupSteps": 4}})),
    );
    check("--layer|a|--schedule|cosine", with("optimizer", json!({"schedule": {"cosine": {}}})));
    check_error("--layer|a|--optimizer|lion", "--optimizer 'lion': unrecognized field name 'lion'");
    check_error("--layer|a|--schedule|cosine(step=2)", "unrecognized field name 'step'");
    check_error("--layer|a|--optimizer|adam|--learning-rate|1", "cannot be used with");
    check_error(
        "--layer|a|--parameterization|splines",
        "--parameterization 'splines': unrecognized field name 'splines'",
    );
    check_error("--layer|a|--transform|pad(pixel=3)", "unrecognized field name 'pixel'");
    check_error("--layer|a|--transform|pad(pixels=3)|--transforms|none", "cannot be used with");
    check_error("--layer|a|--size|8x", "expected a size");
    check_error("--layer|a|--learning-rate|nan", "expected a finite number");
    check_error("--layer|a|--copies|0", "1..=1024");
    check_error("--layer|a|--spec|f", "cannot be used with");
}

#[test]
fn stops_are_one_of_each_kind() {
    let with = |stop: Value| {
        let layer = json!([{"id": "layer", "params": {"layer": "a"}}]);
        json!({"images": 1, "labels": ["a"], "terms": layer, "stop": stop})
    };
    check("--layer|a|--stop|plateau", with(json!({"plateau": {}})));
    check(
        "--layer|a|--stop|seconds(value=0.5)|--stop|plateau(window=8, tolerance=0)|--stop|target(value=-2)",
        with(json!({"plateau": {"window": 8, "tolerance": 0}, "target": -2, "seconds": 0.5})),
    );
    for (stops, says) in [
        ("target(value=1)|--stop|target(value=2)", "--stop 'target(value=2)': `target` is given twice"),
        ("plateau|--stop|plateau", "`plateau` is given twice; give each kind of stop once"),
        ("target", "--stop 'target': `target` takes exactly one number, its value"),
        ("seconds(value=1, window=2)", "`seconds` takes exactly one number"),
        ("seconds(window=2)", "`seconds` takes exactly one number"),
        ("target(value=much)", "--stop 'target(value=much)': "),
        ("plateau(windows=2)", "--stop 'plateau(windows=2)': unrecognized field name 'windows'"),
        ("steps(value=3)", "there is no stop `steps`; there are `plateau`, `target(value=…)` and"),
    ] {
        check_error(&format!("--layer|a|--stop|{stops}"), says);
    }
}

#[test]
fn starts_are_copies_of_which_the_best_is_kept() {
    let elimination = json!({"starts": 4, "steps": [85, 170]});
    check(
        "--unit|a:7|--unit|b:1|--starts|4",
        json!({"images": 8, "labels": ["a:7 #1", "a:7 #2", "a:7 #3", "a:7 #4", "b:1 #1", "b:1 #2", "b:1 #3", "b:1 #4"],
            "terms": [
                {"id": "channel", "params": {"layer": "a", "channel": 7}, "images": [0, 1, 2, 3]},
                {"id": "channel", "params": {"layer": "b", "channel": 1}, "images": [4, 5, 6, 7]}],
            "elimination": elimination}),
    );
    let terms = json!([{"id": "layer", "params": {"layer": "a"}, "images": [0, 1]},
        {"id": "layer", "weight": -1, "params": {"layer": "a"}, "images": [2, 3]}]);
    check(
        "--layer|a|--negative|--label|x|--copies|1|--starts|2|--steps|40|--eliminate|3,9",
        json!({"images": 4, "labels": ["x #1", "x #2", "x negative #1", "x negative #2"], "terms": terms, "steps": 40,
            "elimination": {"starts": 2, "steps": [3, 9]}}),
    );
    let whole = |labels: Value| {
        json!({"images": 2, "terms": [{"id": "l2"}], "objective": {"term": 0}, "labels": labels, "steps": 40,
            "elimination": {"starts": 2, "steps": [10]}})
    };
    check("--objective|l2()|--starts|2|--steps|40", whole(json!([])));
    check("--objective|l2()|--starts|2|--steps|40|--label|x", whole(json!(["x #1", "x #2"])));
    check("--objective|l2()|--starts|2|--steps|40|--label|x|--label|y", whole(json!(["x", "y"])));
    for (line, says) in [
        ("--copies|2|--starts|4", "--starts 4 keeps the best of 4 pictures of a unit, --copies 2 keeps all"),
        ("--starts|4|--diversity|1", "give --copies instead of --starts"),
        ("--starts|1", "1 is not in 2..=1024"),
        ("--eliminate|3", "--starts <N>"),
        ("--starts|8|--steps|3", "--starts 8 needs 3 steps before the last"),
        ("--starts|2|--spec|f", "cannot be used with"),
    ] {
        check_error(&format!("--unit|a:7|{line}"), says);
    }
}

#[test]
fn labels_are_one_per_unit() {
    let layers = json!([{"id": "layer", "params": {"layer": "a"}, "images": [0]}, {"id": "layer", "params": {"layer": "b"}, "images": [1]}]);
    check(
        "--layer|a|--layer|b|--label|x|--label|y",
        json!({"images": 2, "labels": ["x", "y"], "terms": layers}),
    );
    check_error("--layer|a|--layer|b|--label|x", "1 labels for 2 units and layers");
    check_error("--term|mine|--copies|2|--label|x", "1 labels for 2 pictures");
}

#[test]
fn fields_lead_back_to_arguments() {
    let units = request("--model|m|--unit|a:0-1|--term|l2(weight=2)").unwrap();
    let check = |field: &str, argument: Option<&str>| {
        assert_eq!(units.argument(field).as_deref(), argument, "{field}")
    };
    check("spec.terms[1].params.channel", Some("--unit a:1"));
    check("terms[2].weight", Some("--term 'l2(weight=2)'"));
    check("spec.terms[9].id", None);
    check("spec.terms[x", None);
    check("spec.size.height", Some("--size"));
    check("spec.snapshot_steps[3]", Some("--snapshots"));
    check("spec.views_per_step", Some("--views"));
    check("spec.clean_steps", Some("--clean-steps"));
    check("spec.stop.plateau.window", Some("--stop"));
    check("spec.optimizer.adam.epsilon", Some("--optimizer"));
    check("spec.optimizer.schedule.cosine.steps", Some("--schedule"));
    check("request_id", None);
    assert_eq!(Request::from_spec(units.spec.clone()).argument("spec.steps"), None);
    let starts = request("--model|m|--unit|a:0|--starts|2").unwrap();
    let check = |field: &str, argument: &str| assert_eq!(starts.argument(field).as_deref(), Some(argument));
    check("spec.images", "--starts");
    check("spec.elimination", "--starts");
    check("spec.elimination.starts", "--starts");
    check("spec.elimination.steps[1]", "--eliminate");
    let whole = request("--model|m|--objective|a() - 2*b(x = 1)|--term|normalize_gradient").unwrap();
    let check =
        |field: &str, argument: &str| assert_eq!(whole.argument(field).as_deref(), Some(argument), "{field}");
    check("spec.terms[1].params.x", "--objective 'b(x = 1)'");
    check("spec.terms[2].id", "--term 'normalize_gradient'");
    check("spec.objective.sum.parts[1]", "--objective");
    check("objective", "--objective");
}
