//! The program `unitscope` against the real server: the files it writes, what it prints, how it exits.

use crate::support::{Server, Setup};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use unitscope_tests::build::built;

/// Runs `unitscope --server ADDRESS ARGUMENTS…` in `folder`.
fn run(server: &str, folder: &Path, arguments: &[&str]) -> Output {
    let mut client = Command::new(built().client());
    client.args(["--server", server]).args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UNITSCOPE_"))
    {
        client.env_remove(name);
    }
    client.output().expect("cargo has just built the client")
}

/// Runs it, checks the exit code and that stderr holds `words`, and returns stdout.
fn check(server: &Server, folder: &Path, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let output = run(server.address(), folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: `{said}` does not say `{word}`");
    }
    String::from_utf8(output.stdout).expect("stdout is UTF-8")
}

/// The same for a command that must succeed with JSON on stdout.
fn json(server: &Server, folder: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let text = check(server, folder, &arguments, 0, &[]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

/// The names of a folder's files, in order.
fn files(folder: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn optimize<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["optimize", "--model", "twice", "--steps", "6"], more].concat()
}

#[test]
fn of_several_starts_the_best_is_written() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let starts = ["--unit", "conv1:1", "--starts", "4", "--label", "a"];
    let best = json(&server, folder.path(), &optimize(&[&starts[..], &["--out", "best"]].concat()));
    let best = best["images"].as_array().unwrap();
    let all =
        json(&server, folder.path(), &optimize(&[&starts[..], &["--out", "all", "--keep-all"]].concat()));
    let all = all["images"].as_array().unwrap();
    assert_eq!((best.len(), all.len()), (1, 4));
    assert_eq!(files(&folder.path().join("best")).len(), 2, "a picture and its sidecar");
    assert_eq!(files(&folder.path().join("all")).len(), 9, "and the sheet");
    let out: Vec<_> = all.iter().filter(|image| image["outcome"] == "OUTCOME_ELIMINATED").collect();
    assert_eq!(out.len(), 3);
    let kept = all.iter().find(|image| image["label"] == best[0]["label"]).unwrap();
    assert_eq!((&kept["score"], &kept["steps"]), (&best[0]["score"], &Value::from(6)));
    for image in out {
        assert!(image["score"].as_f64() < kept["score"].as_f64(), "{image}");
    }
}

#[test]
fn optimize_writes_pictures_tensors_and_sidecars() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let arguments = optimize(&[
        "--unit",
        "conv1:1",
        "--unit",
        "mix:2@3,4",
        "--snapshots",
        "2,4",
        "--tensors",
        "--term",
        "total_variation(weight=0.1)",
        "--out",
        "pictures",
    ]);
    let said = check(&server, folder.path(), &arguments, 0, &[]);
    let out = folder.path().join("pictures");
    let names = files(&out);
    let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
    assert_eq!(
        (count(".json"), count(".npy"), count(".step-0002.png"), count(".step-0004.png")),
        (2, 2, 2, 2)
    );
    assert_eq!((count(".png"), names.len()), (2 + 4 + 1, 11), "{names:?}");
    assert!(names.contains(&"contact-sheet.png".to_owned()) && said.contains("contact-sheet.png"), "{said}");
    for name in names.iter().filter(|name| name.ends_with(".json")) {
        let sidecar: Value = serde_json::from_slice(&std::fs::read(out.join(name)).unwrap()).unwrap();
        let png = std::fs::read(out.join(sidecar["png"].as_str().unwrap())).unwrap();
        let picture = image::load_from_memory(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (16, 16));
        assert_eq!(sidecar["blake3"].as_str().unwrap().len(), 64);
        assert!(sidecar["score"].as_f64() > sidecar["startScore"].as_f64(), "{sidecar}");
        assert_eq!(sidecar["terms"].as_array().unwrap().len(), 2, "{sidecar}");
        assert_eq!(sidecar["provenance"]["device"], "cpu");
        check_made_again(&server, folder.path(), &sidecar, &png);
    }
}

/// A sidecar's spec makes the same picture.
fn check_made_again(server: &Server, folder: &Path, sidecar: &Value, png: &[u8]) {
    let spec = folder.join("spec.json");
    std::fs::write(&spec, sidecar["spec"].to_string()).unwrap();
    let arguments = ["optimize", "--spec", spec.to_str().unwrap(), "--out", "again"];
    let summary = json(server, folder, &arguments);
    let again = summary["images"]
        .as_array()
        .unwrap()
        .iter()
        .find(|image| image["label"] == sidecar["label"])
        .unwrap();
    assert_eq!(std::fs::read(folder.join(again["png"].as_str().unwrap())).unwrap(), png);
}

#[test]
fn answers_are_json_where_asked_for() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let summary = json(&server, at, &optimize(&["--unit", "conv1:1", "--quiet"]));
    assert_eq!(
        (&summary["state"], &summary["images"][0]["outcome"]),
        (&"STATE_SUCCEEDED".into(), &"OUTCOME_COMPLETED".into())
    );
    let job = summary["job"].as_str().unwrap();
    assert_eq!(json(&server, at, &["jobs", "show", job])["name"], job);
    assert_eq!(json(&server, at, &["jobs", "list"])["jobs"][0]["name"], job);
    let watched = json(&server, at, &["watch", job.trim_start_matches("jobs/"), "--out", "watched"]);
    assert_eq!(watched["job"], job);
    assert_eq!(files(&at.join("watched")), files(&at.join("unitscope-out")));
    let models = json(&server, at, &["models", "list"]);
    assert!(models["models"].as_array().unwrap().iter().any(|model| model["name"] == "demo"));
    let layers = &json(&server, at, &["models", "show", "twice"])["layers"];
    assert!(layers.as_array().unwrap().iter().any(|layer| layer["path"] == "conv1"), "{layers}");
    assert_eq!(json(&server, at, &["models", "unload", "twice"])["state"], "STATE_UNLOADED");
    assert_eq!(json(&server, at, &["models", "load", "twice"])["state"], "STATE_LOADED");
    assert!(json(&server, at, &["terms", "list"])["terms"].as_array().unwrap().len() >= 8);
    assert_eq!(json(&server, at, &["terms", "show", "channel"])["kind"], "KIND_OBJECTIVE");
    assert_eq!(json(&server, at, &["server"])["device"], "cpu");
    let spec = json(&server, at, &optimize(&["--unit", "conv1:1", "--dry-run"]));
    assert_eq!((&spec["model"], &spec["steps"]), (&"twice".into(), &6.into()));
    json(&server, at, &["jobs", "delete", job]);
    check(&server, at, &["jobs", "show", job], 3, &["no such job"]);
}

#[test]
fn people_get_tables() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["models", "list"][..], &["demo", "twice", "64×64 RGB"][..]),
        (&["models", "show", "demo"], &["block3", "Residual", "64 ch × 16 × 16", ":pre"]),
        (&["terms", "list"], &["channel", "total_variation", "normalize_gradient"]),
        (&["terms", "show", "unit"], &["layer", "channel", "row"]),
        (&["jobs", "list"], &["no jobs"]),
        (&["server"], &["libtorch", "2.11"]),
    ] {
        let said = check(&server, folder.path(), arguments, 0, &[]);
        for word in words {
            assert!(said.contains(word), "{arguments:?}: `{said}` does not say `{word}`");
        }
    }
}

#[test]
fn filters_are_written_and_the_best_fits_shown() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = check(&server, at, &["filters", "gabors", "--out", "first"], 0, &[]);
    for word in [
        "conv1  16 of 16 filters with 3 channels of 11×11, in colour",
        "ORIENTATION",
        "1 filter without a fit: all weights",
    ] {
        assert!(said.contains(word), "`{said}` does not say `{word}`");
    }
    assert_eq!(files(&at.join("first")), ["filters.csv", "filters.json", "filters.png"]);
    assert!(image::open(at.join("first/filters.png")).is_ok());
    let rows = std::fs::read_to_string(at.join("first/filters.csv")).unwrap();
    assert_eq!(rows.lines().count(), 17, "{rows}");
    let some = json(&server, at, &["filters", "gabors", "depthwise", "--filters", "3,0-1", "--out", "some"]);
    let written: Value =
        serde_json::from_slice(&std::fs::read(at.join("some/filters.json")).unwrap()).unwrap();
    assert_eq!(some, written);
    assert!(some.get("png").is_none() && some["filters"][0]["index"] == 3, "{some}");
    assert!(some["filters"][2]["gabor"]["r2"].as_f64().is_some(), "{some}");
    check(&server, at, &["filters", "gabors", "relu1"], 3, &["LAYER", "no two-dimensional convolution"]);
    check(&server, at, &["filters", "gabors", "--filters", "0,99"], 3, &["--filters", "no filter 99"]);
    check(&server, at, &["filters", "gabors", "--filters", "5-1"], 2, &["runs backwards"]);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let mut server = Setup::new().start();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    check(&server, at, &["optimise"], 2, &["optimize"]);
    check(&server, at, &optimize(&["--unit", "conv1"]), 2, &["conv1"]);
    check(&server, at, &optimize(&["--unit", "conv1:99"]), 3, &["--unit conv1:99", "99"]);
    check(&server, at, &optimize(&["--unit", "conv:1"]), 3, &["conv1"]);
    check(
        &server,
        at,
        &optimize(&["--unit", "conv1:1", "--term", "total_variatoin()"]),
        3,
        &["total_variation"],
    );
    check(&server, at, &["models", "show", "twise"], 3, &["twice"]);
    check(&server, at, &["jobs", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 3, &["no such job"]);
    let dead = ["optimize", "--model", "dead", "--unit", "relu1:2", "--steps", "20"];
    check(&server, at, &dead, 5, &["dead", ":pre"]);
    std::fs::write(at.join("taken"), "a file").unwrap();
    check(&server, at, &optimize(&["--unit", "conv1:1", "--out", "taken"]), 1, &["taken"]);
    server.assert_alive();
    let address = server.address().to_owned();
    drop(server);
    let output = run(&address, at, &["models", "list"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}

#[test]
fn a_detached_job_is_cancelled_and_its_picture_fetched() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["optimize", "--model", "twice", "--unit", "conv1:1", "--steps", "90000", "--detach"];
    let job = check(&server, at, &arguments, 0, &["watch"]).trim().to_owned();
    assert!(job.starts_with("jobs/"), "{job}");
    check(&server, at, &["jobs", "cancel", &job], 0, &[]);
    let said = check(&server, at, &["watch", &job, "--out", "stopped"], 1, &["cancelled"]);
    let stopped = files(&at.join("stopped"));
    assert!(stopped.len() == 2 || said.is_empty(), "what was made so far is fetched: {stopped:?}");
}
