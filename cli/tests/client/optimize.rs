//! `optimize` and `watch` where all goes well: requests, files, and what is printed.

use super::*;
use serde_json::json;

const ARGUMENTS: [&str; 7] = ["optimize", "--model", "demo", "--unit", "a/b:1", "--unit", "c:2"];

fn two_pictures() -> Job {
    job(job::State::Succeeded, vec![picture("a/b:1", Outcome::Completed), picture("c:2", Outcome::Completed)])
}

#[tokio::test]
async fn pictures_sidecars_and_the_sheet_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(two_pictures()).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let out = folder.path().join("unitscope-out");
    let mut names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a-b-1.json", "a-b-1.png", "c-2.json", "c-2.png", "contact-sheet.png"]);
    assert_eq!(std::fs::read(out.join("c-2.png")).unwrap(), png(8, 100), "byte for byte");
    assert!(run.stdout.contains("open unitscope-out/contact-sheet.png"), "{}", run.stdout);
    assert!(run.stdout.contains("a-b-1.png  4.50   0.25      8      completed"), "{}", run.stdout);
    for part in ["waiting for the device", "running", "step 4/8  score 1.00  100 steps/s", "step 8/8"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let sidecar: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("a-b-1.json")).unwrap()).unwrap();
    assert_eq!(sidecar["score"], 4.5);
    assert_eq!(sidecar["png"], "a-b-1.png");
    assert_eq!(sidecar["outcome"], "OUTCOME_COMPLETED");
    assert_eq!(sidecar["terms"], json!([{"id": "channel", "values": [4.5]}]));
    assert_eq!(sidecar["spec"]["model"], "demo");
    assert_eq!(sidecar["provenance"]["threads"], 2);
}

#[tokio::test]
async fn the_request_says_what_the_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(two_pictures()).await;
    run(&fake.url, folder.path(), &ARGUMENTS).await;
    let script = fake.script();
    let request = &script.submitted[0];
    assert_eq!(request.request_id.len(), 36);
    let spec = request.spec.as_ref().unwrap();
    assert_eq!((spec.model.as_str(), spec.images), ("demo", Some(2)));
    assert_eq!(spec.labels, ["a/b:1", "c:2"]);
    assert_eq!(spec.terms[1].images, [1]);
}

#[tokio::test]
async fn of_several_starts_the_survivors_are_written() {
    let made = || {
        let out = |label: &str| OptimizedImage { steps: 2, ..picture(label, Outcome::Eliminated) };
        let best = |label: &str| picture(label, Outcome::TargetReached);
        job(job::State::Succeeded, vec![out("a:1 #1"), best("a:1 #2"), best("b:2 #1"), out("b:2 #2")])
    };
    for (flags, count) in [(&[][..], 2), (&["--keep-all"], 4)] {
        let folder = tempfile::tempdir().unwrap();
        let fake = server_of(made()).await;
        let arguments =
            [&["optimize", "--model", "demo", "--unit", "a:1", "--starts", "2", "--out", "."], flags];
        let run = run(&fake.url, folder.path(), &arguments.concat()).await;
        assert_eq!(run.code, 0, "{}", run.stderr);
        let names: Vec<_> = ["a-1-1", "a-1-2", "b-2-1", "b-2-2"]
            .into_iter()
            .filter(|stem| folder.path().join(format!("{stem}.png")).exists())
            .collect();
        assert_eq!(names.len(), count, "{names:?}");
        assert!(names.contains(&"a-1-2") && names.contains(&"b-2-1"), "{names:?}");
        assert!(run.stdout.contains("target reached"), "{}", run.stdout);
        assert_eq!(run.stdout.contains("eliminated"), count == 4, "{}", run.stdout);
        assert!(run.stderr.contains("ended after 3 of 8 steps: 2 target reached"), "{}", run.stderr);
        let sheet = image::open(folder.path().join("contact-sheet.png")).unwrap();
        assert_eq!(sheet.width() > 3 * 224 || sheet.height() > 2 * 224, count == 4);
        let text = std::fs::read_to_string(folder.path().join("a-1-2.json")).unwrap();
        assert!(text.contains("OUTCOME_TARGET_REACHED"), "{text}");
    }
}

#[tokio::test]
async fn one_picture_has_no_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(job(job::State::Succeeded, vec![picture("c:2", Outcome::Completed)])).await;
    let arguments = ["optimize", "--model", "demo", "--unit", "c:2", "--out", "deep/er", "--quiet"];
    let run = run(&fake.url, folder.path(), &arguments).await;
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.ends_with("open deep/er/c-2.png\n"), "{}", run.stdout);
}

#[tokio::test]
async fn snapshots_and_tensors_are_written_and_the_sheet_shows_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = |step| Snapshot { step, png: Some(artifact("s.png", &png(8, step as u8), true)) };
    let image = OptimizedImage {
        snapshots: vec![snapshot(2), snapshot(4)],
        tensor: Some(artifact("0.npy", b"numbers", true)),
        ..picture("c:2", Outcome::Completed)
    };
    let fake = server_of(job(job::State::Succeeded, vec![image])).await;
    let run = run(&fake.url, folder.path(), &["watch", "01JTEST", "--out", ".", "--json"]).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let answer = run.json();
    assert_eq!(answer["state"], "STATE_SUCCEEDED");
    assert_eq!(answer["images"][0]["snapshots"][1], json!({"step": 4, "png": "./c-2.step-0004.png"}));
    assert_eq!(std::fs::read(folder.path().join("c-2.step-0004.png")).unwrap(), png(8, 4));
    assert_eq!(std::fs::read(folder.path().join("c-2.npy")).unwrap(), b"numbers");
    let sheet = image::open(folder.path().join("contact-sheet.png")).unwrap();
    assert!(sheet.width() > 3 * 224 && sheet.height() < 2 * 224 + 200, "one row of three");
}

#[tokio::test]
async fn detached_jobs_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(two_pictures()).await;
    let run = run(&fake.url, folder.path(), &[&ARGUMENTS[..], &["--detach"]].concat()).await;
    assert_eq!((run.code, run.stdout.as_str()), (0, "jobs/01JTEST\n"));
    assert!(run.stderr.contains("`unitscope watch 01JTEST` follows it"), "{}", run.stderr);
    assert!(fake.script().after_sequences.is_empty());
}

#[tokio::test]
async fn a_dry_run_prints_a_spec_that_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(two_pictures()).await;
    let dry = run("http://127.0.0.1:1", folder.path(), &[&ARGUMENTS[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    run(&fake.url, folder.path(), &ARGUMENTS).await;
    fake.script().streams.push_back(whole(&two_pictures()));
    let sent = run_with_input(&fake.url, folder.path(), &["optimize", "--spec", "-"], &dry.stdout).await;
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let script = fake.script();
    assert_eq!(script.submitted[0].spec, script.submitted[1].spec);
    assert_ne!(script.submitted[0].request_id, script.submitted[1].request_id);
}

#[tokio::test]
async fn a_class_is_looked_up_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(two_pictures()).await;
    let labels = vec!["stripes".into(), "rings".into()];
    let layers = vec![Layer { path: "fc".into(), units: 2, ..Layer::default() }];
    fake.script().models = vec![Model { name: "demo".into(), labels, layers, ..Model::default() }];
    let arguments = ["optimize", "--model", "demo", "--unit", "fc:rings"];
    let good = run(&fake.url, folder.path(), &arguments).await;
    assert_eq!(good.code, 0, "{}", good.stderr);
    let spec = fake.script().submitted[0].spec.clone().unwrap();
    assert_eq!(spec.labels, ["fc:rings"]);
    assert_eq!(
        spec.terms[0].params.as_ref().unwrap().fields["channel"].kind,
        Some(prost_types::value::Kind::NumberValue(1.0))
    );
    let bad = run(&fake.url, folder.path(), &["optimize", "--model", "demo", "--unit", "fc:dots"]).await;
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("no class `dots`; it has stripes, rings"), "{}", bad.stderr);
}

#[tokio::test]
async fn an_expression_is_sent_with_the_names_that_the_server_gives() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(two_pictures()).await;
    let params =
        ["layer", "channel"].map(|name| ParamInfo { name: name.into(), ..ParamInfo::default() }).to_vec();
    fake.script().terms = vec![TermInfo { id: "channel".into(), params, ..TermInfo::default() }];
    let objective =
        |text: &'static str| ["optimize", "--model", "demo", "--copies", "2", "--objective", text];
    let text = "channel(conv1:pre, 7) - 0.1*total_variation() * channel(layer=conv1:pre, channel=7)";
    let good = run(&fake.url, folder.path(), &objective(text)).await;
    assert_eq!(good.code, 0, "{}", good.stderr);
    let spec = fake.script().submitted[0].spec.clone().unwrap();
    assert_eq!(spec.images, Some(2));
    let ids: Vec<_> = spec.terms.iter().map(|term| term.id.as_str()).collect();
    assert_eq!(ids, ["channel", "total_variation"]);
    let text_of = |value: &str| Some(prost_types::value::Kind::StringValue(value.into()));
    assert_eq!(spec.terms[0].params.as_ref().unwrap().fields["layer"].kind, text_of("conv1:pre"));
    let node = |kind| Expression { kind: Some(kind) };
    let list =
        |parts: Vec<expression::Kind>| expression::List { parts: parts.into_iter().map(node).collect() };
    use expression::Kind::{Constant, Product, Sum, Term};
    let product = Product(list(vec![Constant(-0.1), Term(1), Term(0)]));
    assert_eq!(spec.objective, Some(node(Sum(list(vec![Term(0), product])))));

    let unknown = run(&fake.url, folder.path(), &objective("0.5*chanel(conv1, 7)")).await;
    assert_eq!(unknown.code, 3);
    let says = "--objective: there is no term `chanel`\n\n    0.5*chanel(conv1, 7)\n        ^";
    assert!(unknown.stderr.contains(says), "{}", unknown.stderr);
    let many = run(&fake.url, folder.path(), &objective("channel(conv1, 7, 8)")).await;
    assert_eq!(many.code, 2);
    assert!(many.stderr.contains("    channel(conv1, 7, 8)\n                      ^"), "{}", many.stderr);
}
