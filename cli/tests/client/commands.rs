//! The commands that look things up: as text and as JSON.

use super::*;
use unitscope_proto::v1::param_info::Type;
use unitscope_proto::v1::term_info::Kind;

async fn server() -> Fake {
    let layer = Layer {
        path: "conv".into(),
        r#type: "Conv2d".into(),
        shape: vec![8, 4, 4],
        axes: ["channel", "height", "width"].map(String::from).to_vec(),
        units: 8,
        ..Layer::default()
    };
    let model = Model {
        name: "demo".into(),
        state: model::State::Loaded.into(),
        layers: vec![layer],
        ..Model::default()
    };
    let param = ParamInfo {
        name: "layer".into(),
        r#type: Type::Layer.into(),
        required: true,
        doc: "Where.".into(),
        ..ParamInfo::default()
    };
    let term = TermInfo {
        id: "channel".into(),
        kind: Kind::Objective.into(),
        title: "A channel".into(),
        params: vec![param],
        ..TermInfo::default()
    };
    let jobs = vec![job(job::State::Succeeded, vec![picture("c:2", Outcome::Completed)])];
    Fake::start(Script { models: vec![model], terms: vec![term], jobs, ..Script::default() }).await
}

async fn check(arguments: &[&str], text: &[&str], json: (&str, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let fake = server().await;
    let plain = run(&fake.url, folder.path(), arguments).await;
    assert_eq!(plain.code, 0, "{arguments:?}: {}", plain.stderr);
    for part in text {
        assert!(plain.stdout.contains(part), "{arguments:?}: {part}: {}", plain.stdout);
    }
    let machine = run(&fake.url, folder.path(), &[arguments, &["--json"]].concat()).await;
    assert_eq!(
        machine.json().pointer(json.0).and_then(|value| value.as_str()),
        Some(json.1),
        "{}",
        machine.stdout
    );
}

#[tokio::test]
async fn everything_is_shown_as_text_and_as_json() {
    check(&["models", "list"], &["demo", "loaded"], ("/models/0/name", "demo")).await;
    check(&["models", "show", "demo"], &["conv   Conv2d  8 ch × 4 × 4"], ("/layers/0/path", "conv")).await;
    check(&["models", "load", "demo"], &["demo  loaded"], ("/state", "STATE_LOADED")).await;
    check(&["models", "unload", "demo"], &["demo"], ("/name", "demo")).await;
    check(&["terms", "list"], &["channel  objective"], ("/terms/0/id", "channel")).await;
    check(
        &["terms", "show", "channel"],
        &["layer      layer  required", "Where."],
        ("/params/0/type", "TYPE_LAYER"),
    )
    .await;
    check(&["jobs", "list"], &["01JTEST  optimize  succeeded  3/8"], ("/jobs/0/name", JOB)).await;
    check(&["jobs", "show", "01JTEST"], &["c:2      4.50", "model    demo"], ("/optimize/model", "demo"))
        .await;
    check(
        &["datasets", "list"],
        &["shapes   folder  ?       ?         not yet"],
        ("/datasets/0/name", "shapes"),
    )
    .await;
    check(
        &["datasets", "show", "shapes"],
        &["images    2,000", "classes   2: dots · rings"],
        ("/classes/1", "rings"),
    )
    .await;
    check(&["indexes", "list"], &["1.5 KiB", "block3", "1 table, 1.5 KiB"], ("/indexes/0/id", "a1")).await;
    check(&["indexes", "delete", "a1"], &["a1 deleted"], ("/id", "a1")).await;
    check(&["server"], &["server    1.2.3", "pictures of a job"], ("/version", "1.2.3")).await;
}

#[tokio::test]
async fn jobs_are_cancelled_and_deleted_by_either_name() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server().await;
    assert_eq!(run(&fake.url, folder.path(), &["jobs", "cancel", "01JTEST"]).await.code, 0);
    assert_eq!(
        run(&fake.url, folder.path(), &["jobs", "delete", JOB]).await.stdout,
        "jobs/01JTEST deleted\n"
    );
    assert_eq!(fake.script().ended, [JOB, JOB]);
}

#[tokio::test]
async fn what_is_not_there_is_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server().await;
    for arguments in [
        ["models", "show", "x"],
        ["terms", "show", "x"],
        ["jobs", "show", "x"],
        ["jobs", "cancel", "x"],
        ["datasets", "show", "x"],
        ["indexes", "delete", "x"],
    ] {
        let run = run(&fake.url, folder.path(), &arguments).await;
        assert_eq!(run.code, 3, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: there is no "), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_listing_is_refreshed_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server().await;
    run(&fake.url, folder.path(), &["datasets", "show", "shapes"]).await;
    run(&fake.url, folder.path(), &["datasets", "show", "shapes", "--refresh"]).await;
    let asked: Vec<bool> = fake.script().dataset_requests.iter().map(|request| request.refresh).collect();
    assert_eq!(asked, [false, true]);
}
