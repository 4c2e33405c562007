//! What goes wrong: refusals, broken lines, dead units, Ctrl-C; each with its exit code, and nothing lost.

use super::*;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

const ARGUMENTS: [&str; 5] = ["optimize", "--model", "demo", "--unit", "c:2"];

fn one_picture(outcome: Outcome) -> Vec<OptimizedImage> {
    vec![picture("c:2", outcome)]
}

async fn check(done: Job, code: i32, says: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(done).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, code, "{}", run.stderr);
    for part in says {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[tokio::test]
async fn a_failed_job_says_why() {
    let error = Some(tonic_types::Status { message: "term `x` returned NaN".into(), ..Default::default() });
    let done = Job { error, result: None, ..job(job::State::Failed, Vec::new()) };
    check(done, 1, &["error: jobs/01JTEST failed after 3 of 8 steps: term `x` returned NaN"]).await;
}

#[tokio::test]
async fn a_cancelled_job_keeps_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(job(job::State::Cancelled, one_picture(Outcome::Stopped))).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("was cancelled after 3 of 8 steps"), "{}", run.stderr);
    assert!(folder.path().join("unitscope-out/c-2.png").exists());
}

#[tokio::test]
async fn dead_units_end_with_5_and_a_hint() {
    let dead = OptimizedImage { hint: "try `c:pre`".into(), ..picture("c:2", Outcome::Dead) };
    check(
        job(job::State::Succeeded, vec![dead.clone()]),
        5,
        &["hint: c:2: try `c:pre`", "every picture is dead"],
    )
    .await;
    let out = picture("c:2 #2", Outcome::Eliminated);
    check(job(job::State::Succeeded, vec![dead.clone(), out]), 5, &["every picture is dead"]).await;
    check(job(job::State::Succeeded, vec![dead, picture("d:1", Outcome::Completed)]), 0, &["hint: c:2"])
        .await;
}

#[tokio::test]
async fn a_refusal_names_the_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let violation = FieldViolation::new("spec.terms[0].params.channel", "channel 2 is not below 2");
    let details = ErrorDetails::with_bad_request(vec![violation]);
    let refusal = Some(Status::with_error_details(Code::InvalidArgument, "1 field is wrong", details));
    let fake = Fake::start(Script { refusal, ..Script::default() }).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 3);
    assert_eq!(run.stderr, "error: --unit c:2 (spec.terms[0].params.channel): channel 2 is not below 2\n");
}

#[tokio::test]
async fn no_server_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago and is bound by nobody.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("127.0.0.1:{port}");
    let run =
        run("http://unused.invalid", folder.path(), &[&ARGUMENTS[..], &["--server", &url]].concat()).await;
    assert_eq!(run.code, 4);
    for part in [&format!("http://{url}"), "refused", "unitscope-server --models DIR", "UNITSCOPE_SERVER"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[tokio::test]
async fn a_wrong_command_line_points_at_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let bad = async |arguments: &[&str], part: &str| {
        let run =
            run("127.0.0.1:1", folder.path(), &[&["optimize", "--model", "m"], arguments].concat()).await;
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    };
    bad(&["--term", "l2(weight 1)"], "    l2(weight 1)\n              ^").await;
    bad(&["--unit", "conv"], "    conv\n        ^").await;
    bad(&["--spec", "x.json"], "cannot be used with").await;
    let spec = folder.path().join("spec.json");
    std::fs::write(&spec, r#"{"model": "demo", "stepz": 3}"#).unwrap();
    let run = run("127.0.0.1:1", folder.path(), &["optimize", "--spec", "spec.json"]).await;
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("stepz") && run.stderr.contains("line 1"), "{}", run.stderr);
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let done = job(job::State::Succeeded, one_picture(Outcome::Completed));
    let first = vec![state(1, job::State::Running), step(2, 1), Err(Status::unavailable("gone"))];
    let second = vec![step(3, 2)];
    let third = vec![step(4, 3), event(0, Event::Done(done.clone()))];
    let fake =
        Fake::start(Script { streams: [first, second, third].into(), jobs: vec![done], ..Script::default() })
            .await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(fake.script().after_sequences, [0, 2, 3]);
    assert!(run.stderr.contains("the connection broke"), "{}", run.stderr);
}

#[tokio::test]
async fn an_evicted_job_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server_of(job(job::State::Succeeded, Vec::new())).await;
    fake.script().streams = [vec![step(1, 1), Err(Status::not_found("jobs/01JTEST was evicted"))]].into();
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!((run.code, fake.script().after_sequences.len()), (3, 1));
    assert!(run.stderr.contains("evicted"), "{}", run.stderr);
}

#[tokio::test]
async fn large_artifacts_are_read_on_where_the_line_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let tensor: Vec<u8> = (0..1000u32).map(|number| number as u8).collect();
    let image = OptimizedImage {
        tensor: Some(artifact("0.npy", &tensor, false)),
        ..picture("c:2", Outcome::Completed)
    };
    let fake = server_of(job(job::State::Succeeded, vec![image])).await;
    fake.script().artifacts.insert(format!("{JOB}/artifacts/0.npy"), tensor.clone());
    fake.script().breaks_after = Some(300);
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(fake.script().read_offsets, [0, 300]);
    assert_eq!(std::fs::read(folder.path().join("unitscope-out/c-2.npy")).unwrap(), tensor);
}

#[tokio::test]
async fn a_damaged_artifact_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = picture("c:2", Outcome::Completed);
    image.png.as_mut().unwrap().blake3 = "00".repeat(32);
    let fake = server_of(job(job::State::Succeeded, vec![image])).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("arrived damaged"), "{}", run.stderr);
    assert!(!folder.path().join("unitscope-out/c-2.png").exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("taken"), "").unwrap();
    let fake = server_of(job(job::State::Succeeded, one_picture(Outcome::Completed))).await;
    let run = run(&fake.url, folder.path(), &[&ARGUMENTS[..], &["--out", "taken"]].concat()).await;
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("taken cannot be written"), "{}", run.stderr);
}

#[tokio::test]
async fn an_interrupt_leaves_the_job_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = job(job::State::Running, Vec::new());
    let streams = [vec![state(1, job::State::Running), step(2, 1)]].into();
    let fake = Fake::start(Script { streams, hangs: true, jobs: vec![running], ..Script::default() }).await;
    let child = program(&fake.url, folder.path(), &ARGUMENTS).spawn().unwrap();
    while fake.script().after_sequences.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let run = finished(child.wait_with_output().await.unwrap());
    assert_eq!(run.code, 130);
    for part in ["the job goes on", "`unitscope watch 01JTEST`", "`unitscope jobs cancel 01JTEST`"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(fake.script().ended.is_empty());
}
