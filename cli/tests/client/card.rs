//! `card`: the request, both phases of its progress, files, and what is printed.

use super::*;

const ARGUMENTS: [&str; 9] =
    ["card", "--model", "demo", "--dataset", "shapes", "--unit", "c:2", "--steps", "16"];

fn card_job(state: job::State, has_png: bool) -> Job {
    let picture = CardPicture {
        unit: "c:2".into(),
        kind: card_picture::Kind::Positive.into(),
        score: 12.5,
        percentile: 100.0,
        beats_all: true,
        ..CardPicture::default()
    };
    let result = CardResult {
        html: Some(artifact("card.html", b"<!doctype html>", true)),
        png: has_png.then(|| artifact("card.png", &png(8, 9), true)),
        pictures: vec![picture],
        ..CardResult::default()
    };
    let spec = CardSpec { model: "demo".into(), dataset: "shapes".into(), ..CardSpec::default() };
    let result = (state == job::State::Succeeded).then_some(job::Result::CardResult(result));
    Job {
        name: JOB.into(),
        state: state.into(),
        steps_done: 4,
        steps_total: 8,
        spec: Some(job::Spec::Card(spec)),
        result,
        ..Job::default()
    }
}

async fn server(done: Job) -> Fake {
    let images = RankProgress { images: 10, total_images: 10, ..RankProgress::default() };
    let events = vec![
        state(1, job::State::Running),
        event(2, Event::RankProgress(images)),
        step(3, 4),
        step(4, 8),
        event(0, Event::Done(done)),
    ];
    let jobs = vec![card_job(job::State::Queued, false)];
    Fake::start(Script { streams: [events].into(), jobs, ..Script::default() }).await
}

#[tokio::test]
async fn a_card_is_written_and_certified() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server(card_job(job::State::Succeeded, true)).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let out = folder.path().join("unitscope-out");
    assert_eq!(std::fs::read(out.join("card.html")).unwrap(), b"<!doctype html>");
    assert_eq!(std::fs::read(out.join("card.png")).unwrap(), png(8, 9));
    for part in ["c:2   maximize  12.5   100.00      yes, higher", "also unitscope-out/card.png"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    assert!(run.stdout.ends_with("open unitscope-out/card.html\n"), "{}", run.stdout);
    for part in ["10/10 images", "step 4/8", "step 8/8"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let script = fake.script();
    let spec = script.rendered[0].spec.as_ref().unwrap();
    assert_eq!((spec.steps, spec.units[0].label.as_str()), (Some(16), "c:2"));
    assert_eq!(script.rendered[0].request_id.len(), 36);
}

#[tokio::test]
async fn a_card_too_large_for_a_picture_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server(card_job(job::State::Succeeded, false)).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("there is no card.png"), "{}", run.stderr);
    assert!(!folder.path().join("unitscope-out/card.png").exists());
}

#[tokio::test]
async fn a_cancelled_card_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server(card_job(job::State::Cancelled, false)).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("was cancelled after 4 of 8 steps\n"), "{}", run.stderr);
}

#[tokio::test]
async fn json_is_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let fake = server(card_job(job::State::Succeeded, true)).await;
    let run = run(&fake.url, folder.path(), &[&ARGUMENTS[..], &["--json"]].concat()).await;
    assert_eq!(run.json().pointer("/cardResult/pictures/0/beatsAll"), Some(&true.into()), "{}", run.stdout);
    assert!(folder.path().join("unitscope-out/card.html").exists());
}
