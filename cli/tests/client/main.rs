//! The program `unitscope` against a server that answers from a script: what it sends, writes, prints, and ends with.

#![allow(clippy::unwrap_used)] // Helpers of tests, which clippy.toml allows only inside test functions.

mod card;
mod commands;
mod fake;
mod optimize;
mod rank;
mod trouble;

use fake::{Fake, Script};
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::*;

const JOB: &str = "jobs/01JTEST";

/// What one run of the program gave.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// The program with these arguments, in `folder`; its streams are pipes, so nothing it prints may be coloured.
fn program(url: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unitscope"));
    command.args(arguments).current_dir(folder).env("UNITSCOPE_SERVER", url);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn finished(output: Output) -> Run {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{}{}", run.stdout, run.stderr);
    run
}

async fn run(url: &str, folder: &Path, arguments: &[&str]) -> Run {
    finished(program(url, folder, arguments).output().await.unwrap())
}

async fn run_with_input(url: &str, folder: &Path, arguments: &[&str], input: &str) -> Run {
    let mut child = program(url, folder, arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    finished(child.wait_with_output().await.unwrap())
}

/// A PNG of one colour.
fn png(side: u32, gray: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(side, side, image::Rgb([gray; 3]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn artifact(name: &str, bytes: &[u8], inline: bool) -> Artifact {
    Artifact {
        name: format!("{JOB}/artifacts/{name}"),
        size_bytes: bytes.len() as i64,
        blake3: blake3::hash(bytes).to_hex().to_string(),
        inline_data: if inline { bytes.to_vec() } else { Vec::new() },
        ..Artifact::default()
    }
}

fn picture(label: &str, outcome: Outcome) -> OptimizedImage {
    OptimizedImage {
        label: label.into(),
        outcome: outcome.into(),
        score: 4.5,
        start_score: 0.25,
        steps: 8,
        terms: vec![TermValues { values: vec![4.5] }],
        png: Some(artifact("0.png", &png(8, 100), true)),
        ..OptimizedImage::default()
    }
}

fn job(state: job::State, images: Vec<OptimizedImage>) -> Job {
    let spec = OptimizeSpec {
        model: "demo".into(),
        steps: Some(8),
        terms: vec![Term { id: "channel".into(), ..Term::default() }],
        ..OptimizeSpec::default()
    };
    Job {
        name: JOB.into(),
        state: state.into(),
        steps_done: 3,
        steps_total: 8,
        spec: Some(job::Spec::Optimize(spec)),
        result: Some(job::Result::OptimizeResult(OptimizeResult { images })),
        provenance: Some(Provenance { device: "cpu".into(), threads: 2, ..Provenance::default() }),
        ..Job::default()
    }
}

fn event(sequence: u64, event: Event) -> Result<StreamProgressResponse, tonic::Status> {
    Ok(StreamProgressResponse { sequence, event: Some(event), ..StreamProgressResponse::default() })
}

fn step(sequence: u64, step: u32) -> Result<StreamProgressResponse, tonic::Status> {
    let step = Step { step, total_steps: 8, scores: vec![1.0], step_time_ms: 10.0, ..Step::default() };
    event(sequence, Event::Step(step))
}

fn state(sequence: u64, state: job::State) -> Result<StreamProgressResponse, tonic::Status> {
    event(sequence, Event::State(StateChange { state: state.into() }))
}

/// A job that runs through all its states.
fn whole(done: &Job) -> Vec<Result<StreamProgressResponse, tonic::Status>> {
    let mut events = vec![state(1, job::State::Queued), state(2, job::State::Running)];
    events.extend((1..=8).map(|number| step(2 + u64::from(number), number)));
    events.push(event(0, Event::Done(done.clone())));
    events
}

/// A server whose only job ends as this one.
async fn server_of(done: Job) -> Fake {
    Fake::start(Script { streams: [whole(&done)].into(), jobs: vec![done], ..Script::default() }).await
}
