//! Plugins that break the rules: each ends in its own error, where it broke them, and the server serves the next job.

use crate::support::spec::quick;
use crate::support::{Client, Server, Setup, images, spec, term};
use serde_json::json;
use std::time::{Duration, Instant};
use tonic::Code;
use tonic_types::StatusExt;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::{GetServerInfoRequest, Job, OptimizeSpec};
use unitscope_tests::build::built;

/// A server with the plugin of `fixtures/misbehaving` beside the built-in ones.
fn server() -> Server {
    Setup::new().library(built().misbehaving()).start()
}

/// Two pictures that a good objective drives, with a term of the misbehaving plugin.
fn with(id: &str, params: serde_json::Value) -> OptimizeSpec {
    let terms = [
        term("channel", json!({"layer": "conv1", "channel": 1})),
        term(&format!("misbehaving.{id}"), params),
    ];
    OptimizeSpec { images: Some(2), ..spec("twice", terms) }
}

/// What breaks before the job is accepted is a field error of the request.
#[tokio::test]
async fn what_breaks_while_a_request_is_checked_is_refused() {
    let mut server = server();
    let client = server.client().await;
    for (id, words) in [
        ("panic_create", &["panicked", "it was made"][..]),
        ("panic_taps", &["panicked", "it was asked for taps"]),
        ("panic_prepare", &["panicked", "it was shown 1 shapes"]),
        ("too_many_taps", &["17"]),
        ("no_taps", &["tap"]),
        ("null_taps", &["tap"]),
        ("unknown_tap", &["99"]),
        ("unknown_layer", &["no.such.layer"]),
        ("huge_tap", &["1152921504606846976"]),
        ("null_path", &["null"]),
        ("not_utf8_path", &["UTF-8"]),
    ] {
        check_refused(&client, id, json!({}), "spec.terms[1].id", words).await;
        server.assert_alive();
    }
    let layer = json!({"layer": "conv1"});
    check_refused(&client, "error_prepare", layer, "spec.terms[1].params.layer", &["does not please"]).await;
    client.make(quick(2)).await;
}

async fn check_refused(client: &Client, id: &str, params: serde_json::Value, field: &str, words: &[&str]) {
    let status = client.submit(with(id, params)).await.expect_err(id);
    assert_eq!(status.code(), Code::InvalidArgument, "{id}: {status:?}");
    let details = status.get_error_details();
    let [violation] = details.bad_request().expect("details").field_violations.as_slice() else {
        panic!("{id}: {details:?}")
    };
    assert_eq!(violation.field, field, "{id}");
    for word in words {
        assert!(
            violation.description.contains(word),
            "{id}: `{}` does not say `{word}`",
            violation.description
        );
    }
}

/// What breaks at a step fails the job, which says why; the next job runs.
#[tokio::test]
async fn what_breaks_at_a_step_fails_its_job_alone() {
    let mut server = server();
    let client = server.client().await;
    for (id, words) in [
        ("panic_eval", &["panicked"][..]),
        ("error_eval", &["it has had enough"]),
        ("nan_value", &["not finite", "image 1"]),
        ("infinite_gradient", &["gradient", "not finite", "image 1"]),
        ("infinite_later", &["step 3", "gradient", "not finite"]),
        ("too_few_values", &["too few values", "image 1"]),
        ("writes_past_values", &["outside"]),
        ("writes_past_gradient", &["outside"]),
        ("writes_before_gradient", &["outside"]),
        ("writes_past_error", &["outside"]),
        ("long_error", &["long "]),
        ("huge_error", &[]),
        ("not_utf8_error", &["caf"]),
        ("unknown_status", &[]),
    ] {
        let bad = client.start(with(id, json!({}))).await;
        let next = client.start(quick(2)).await;
        let job = client.wait(&bad).await;
        assert_eq!(job.state(), State::Failed, "{id}");
        let error = job.error.as_ref().expect("a failed job has an error");
        for word in [&["misbehaving.", id], words].concat() {
            assert!(error.message.contains(word), "{id}: `{}` does not say `{word}`", error.message);
        }
        assert!(error.message.len() < 16 << 10 && !error.message.contains('\x1b'), "{id}: {}", error.message);
        assert!(error.code != 0 && !error.details.is_empty(), "{id}: {error:?}");
        let pictures = job.result.is_some();
        assert_eq!(
            pictures,
            id == "infinite_later",
            "{id}: only a run that was good before has pictures to return"
        );
        assert_eq!(client.wait(&next).await.state(), State::Succeeded, "after {id}");
        server.assert_alive();
    }
}

/// Before its first step, while the start is scored, within a step, and while the end is scored.
#[tokio::test]
async fn a_slow_term_is_cancelled_wherever_it_is() {
    let mut server = server();
    let client = server.client().await;
    for (id, steps, pictures) in [("slow", 0, 0), ("slow_step", 1, 2), ("slow_end", 2, 2)] {
        let spec = OptimizeSpec { steps: Some(2), ..with(id, json!({})) };
        let name = client.start(spec).await;
        let reached = |job: Job| job.state() == State::Running && job.steps_done == steps;
        while !reached(client.job(&name).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let asked = Instant::now();
        client.cancel(&name).await;
        let job = client.wait(&name).await;
        assert!(asked.elapsed().as_secs() < 20, "{id} after {steps} steps: {:?}", asked.elapsed());
        assert_eq!(job.state(), State::Cancelled, "{id}: {:?}", job.error);
        let made = job.result.as_ref().map_or_else(Vec::new, |_| images(&job));
        assert_eq!(made.len(), pictures, "{id} after {steps} steps");
        server.assert_alive();
    }
}

#[tokio::test]
async fn a_plugin_that_panics_when_it_is_destroyed_harms_nobody() {
    let mut server = server();
    let client = server.client().await;
    assert_eq!(client.run(with("panic_drop", json!({}))).await.state(), State::Succeeded);
    server.assert_alive();
    client.make(quick(2)).await;
}

#[tokio::test]
async fn libraries_that_cannot_be_loaded_are_listed_and_leave_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(built().plugins()[0]).unwrap();
    let text = write("libtext.so", b"not a library");
    let cut = write("libcut.so", &whole[..whole.len() / 2]);
    let empty = write("libempty.so", b"");
    let twin = write("libzwin.so", &whole);
    let setup =
        [&text, &cut, &empty, &twin].into_iter().fold(Setup::new(), |setup, file| setup.library(file));
    let server = setup.library(built().wrong_abi()).start();
    let client = server.client().await;
    let info = client.server.clone().get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    let problems: Vec<_> = info.plugin_problems.iter().map(|problem| problem.library.as_str()).collect();
    let wrong_abi = "libunitscope_fixture_wrong_abi.so";
    assert_eq!(problems, ["libcut.so", "libempty.so", "libtext.so", wrong_abi, "libzwin.so"]);
    for (library, words) in
        [(wrong_abi, &["ABI"][..]), ("libzwin.so", &["org.unitscope.objectives", "already"])]
    {
        let problem = info.plugin_problems.iter().find(|problem| problem.library == library).unwrap();
        for word in words {
            assert!(problem.reason.contains(word), "{library}: `{}` does not say `{word}`", problem.reason);
        }
    }
    assert!(info.plugin_problems.iter().all(|problem| !problem.reason.is_empty()));
    assert!(server.log().contains(wrong_abi), "the operator is told");
    client.make(quick(2)).await;
}
