//! `rank` and `watch` of a ranking: requests, files, what is printed, and what it ends with.

use super::*;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

const ARGUMENTS: [&str; 7] = ["rank", "--model", "demo", "--dataset", "shapes", "--unit", "c:2"];

fn ranked_job(state: job::State, result: Option<RankResult>) -> Job {
    let unit = RankUnit { layer: "c".into(), what: Some(rank_unit::What::Channel(2)), ..RankUnit::default() };
    let spec =
        RankSpec { model: "demo".into(), dataset: "shapes".into(), units: vec![unit], ..RankSpec::default() };
    Job {
        name: JOB.into(),
        state: state.into(),
        steps_done: 1200,
        steps_total: 2000,
        spec: Some(job::Spec::Rank(spec)),
        result: result.map(job::Result::RankResult),
        ..Job::default()
    }
}

fn hit(rank: u64, has_pictures: bool) -> Hit {
    let picture =
        |name: &str, gray| has_pictures.then(|| artifact(&format!("{name}{rank}.png"), &png(16, gray), true));
    Hit {
        path: format!("rings/{rank}.png"),
        class: "rings".into(),
        score: 9.0 - rank as f32,
        rank,
        percentile: 99.0,
        window: Some(Box { top: 0, left: 0, bottom: 4, right: 4 }),
        thumbnail: picture("t", 50),
        crop: picture("c", 200),
        ..Hit::default()
    }
}

fn result(has_pictures: bool) -> RankResult {
    let hits = vec![hit(1, has_pictures), hit(2, has_pictures)];
    let statistics = UnitStatistics {
        count: 2000,
        share_above_zero: 0.5,
        histogram: vec![1, 4],
        ..UnitStatistics::default()
    };
    RankResult {
        images: 2000,
        skipped: 1,
        skipped_images: vec![SkippedImage { path: "bad.jpg".into(), reason: "cut off".into() }],
        units: vec![UnitRanking {
            label: "c:2".into(),
            statistics: Some(statistics),
            groups: vec![HitGroup { kind: hit_group::Kind::Top.into(), hits, ..HitGroup::default() }],
        }],
        csv: Some(artifact("r.csv", b"unit,rank\n", true)),
        json: Some(artifact("r.json", b"{}", false)),
        ..RankResult::default()
    }
}

/// A server that knows the answer, the model, and the bytes that do not come with the job.
async fn knowing(done: Job) -> Fake {
    let input = ModelInput { height: 16, width: 16, ..ModelInput::default() };
    let model = Model { name: "demo".into(), input: Some(input), ..Model::default() };
    let artifacts = [(format!("{JOB}/artifacts/r.json"), b"{}".to_vec())].into();
    Fake::start(Script { jobs: vec![done], models: vec![model], artifacts, ..Script::default() }).await
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_look_up_is_delivered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fake = knowing(ranked_job(job::State::Succeeded, Some(result(true)))).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stderr, "hint: 1 image was left out: bad.jpg: cut off\n");
    assert!(fake.script().after_sequences.is_empty(), "there is nothing to follow");
    let out = folder.path().join("unitscope-out");
    assert_eq!(files(&out), ["c-2.png", "ranking.csv", "ranking.json"]);
    assert_eq!(std::fs::read(out.join("ranking.json")).unwrap(), b"{}");
    for part in [
        "2,000 images · ",
        "largest  1    8.00   99.00       rings  rings/1.png",
        "ranking.csv, unitscope-out/ranking.json",
        "open unitscope-out/c-2.png",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let script = fake.script();
    let spec = script.ranked[0].spec.as_ref().unwrap();
    assert_eq!(script.ranked[0].request_id.len(), 36);
    assert_eq!((spec.dataset.as_str(), spec.units[0].label.as_str()), ("shapes", "c:2"));
    assert!(spec.pictures.as_ref().unwrap().crops);
}

#[tokio::test]
async fn the_sheet_frames_what_the_unit_sees() {
    let folder = tempfile::tempdir().unwrap();
    let fake = knowing(ranked_job(job::State::Succeeded, Some(result(true)))).await;
    run(&fake.url, folder.path(), &[&ARGUMENTS[..], &["--out", "."]].concat()).await;
    let framed = image::open(folder.path().join("c-2.png")).unwrap().into_rgb8();
    fake.script().models.clear();
    run(&fake.url, folder.path(), &[&ARGUMENTS[..], &["--out", "."]].concat()).await;
    let plain = image::open(folder.path().join("c-2.png")).unwrap().into_rgb8();
    assert!(framed.height() > plain.height(), "crops stand below the thumbnails");
    let has_frame = |sheet: &image::RgbImage| sheet.pixels().any(|pixel| pixel.0 == [255, 196, 0]);
    assert!(has_frame(&framed) && !has_frame(&plain), "without the input's size nobody knows where");
}

#[tokio::test]
async fn pictures_are_kept_in_a_folder_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let fake = knowing(ranked_job(job::State::Succeeded, Some(result(true)))).await;
    fake.script().streams =
        [vec![event(0, Event::Done(ranked_job(job::State::Succeeded, Some(result(true)))))]].into();
    let run = run(&fake.url, folder.path(), &["watch", "01JTEST", "--out", ".", "--keep-pictures"]).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let singles = folder.path().join("pictures/c-2");
    assert_eq!(files(&singles), ["top-1-crop.png", "top-1.png", "top-2-crop.png", "top-2.png"]);
    assert_eq!(std::fs::read(singles.join("top-2-crop.png")).unwrap(), png(16, 200), "byte for byte");
}

#[tokio::test]
async fn numbers_alone_make_no_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = result(false);
    found.scores = Some(artifact("s.npy", b"numbers", true));
    found.images_csv = Some(artifact("i.csv", b"id,path,class\n", true));
    let fake = knowing(ranked_job(job::State::Succeeded, Some(found))).await;
    let arguments = [&ARGUMENTS[..], &["--no-pictures", "--scores", "--out", "."]].concat();
    let run = run(&fake.url, folder.path(), &arguments).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(files(folder.path()), ["images.csv", "ranking.csv", "ranking.json", "scores.npy"]);
    assert!(!run.stdout.contains("open "), "{}", run.stdout);
    let script = fake.script();
    let spec = script.ranked[0].spec.as_ref().unwrap();
    assert_eq!((spec.pictures, spec.return_scores), (None, true));
}

#[tokio::test]
async fn json_is_the_job_without_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let fake = knowing(ranked_job(job::State::Succeeded, Some(result(true)))).await;
    let run = run(&fake.url, folder.path(), &[&ARGUMENTS[..], &["--json"]].concat()).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let hit = run.json().pointer("/rankResult/units/0/groups/0/hits/0").cloned().unwrap();
    assert_eq!(hit["path"], "rings/1.png");
    assert!(hit["thumbnail"]["blake3"].is_string() && hit["thumbnail"].get("inlineData").is_none(), "{hit}");
    assert!(folder.path().join("unitscope-out/c-2.png").exists());
}

#[tokio::test]
async fn a_pass_is_followed_and_a_dead_unit_is_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = result(true);
    found.units[0].statistics = Some(UnitStatistics { count: 9, dead: true, ..UnitStatistics::default() });
    let done = ranked_job(job::State::Succeeded, Some(found));
    let fake = knowing(ranked_job(job::State::Queued, None)).await;
    let progress = RankProgress {
        images: 1200,
        total_images: 2000,
        images_per_second: 412.0,
        skipped: 3,
        remaining: Some(prost_types::Duration { seconds: 61, nanos: 0 }),
        ..RankProgress::default()
    };
    let events = vec![
        state(1, job::State::Running),
        event(2, Event::RankProgress(progress)),
        event(0, Event::Done(done)),
    ];
    fake.script().streams = [events].into();
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    for part in ["running", "1,200/2,000 images  412 images/s  3 left out  1:01 left"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(run.stdout.contains("dead: none above zero"), "{}", run.stdout);
}

#[tokio::test]
async fn failed_and_cancelled_rankings_say_how_far_they_came() {
    let error = Some(tonic_types::Status { message: "the disk is full".into(), ..Default::default() });
    let failed = Job { error, ..ranked_job(job::State::Failed, None) };
    for (job, says) in [
        (failed, "failed after 1,200 of 2,000 images: the disk is full; what it scored is kept"),
        (
            ranked_job(job::State::Cancelled, None),
            "cancelled after 1,200 of 2,000 images; what it scored is kept",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let fake = knowing(job).await;
        let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains(says), "{}", run.stderr);
        assert!(files(folder.path()).is_empty(), "no folder for nothing");
    }
}

#[tokio::test]
async fn a_refusal_names_the_argument() {
    let folder = tempfile::tempdir().unwrap();
    let violation = FieldViolation::new("spec.units[0].channel", "channel 2 is not below 2");
    let details = ErrorDetails::with_bad_request(vec![violation]);
    let refusal = Some(Status::with_error_details(Code::InvalidArgument, "1 field is wrong", details));
    let fake = Fake::start(Script { refusal, ..Script::default() }).await;
    let run = run(&fake.url, folder.path(), &ARGUMENTS).await;
    assert_eq!(run.code, 3);
    assert_eq!(run.stderr, "error: --unit c:2 (spec.units[0].channel): channel 2 is not below 2\n");
}

#[tokio::test]
async fn a_dry_run_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let run = run("127.0.0.1:1", folder.path(), &[&ARGUMENTS[..], &["--dry-run"]].concat()).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["units"][0]["label"], "c:2");
}

#[tokio::test]
async fn jobs_show_what_a_ranking_found() {
    let folder = tempfile::tempdir().unwrap();
    let fake = knowing(ranked_job(job::State::Succeeded, Some(result(true)))).await;
    let list = run(&fake.url, folder.path(), &["jobs", "list"]).await;
    assert!(list.stdout.contains("01JTEST  rank  succeeded  1200/2000"), "{}", list.stdout);
    assert!(list.stdout.contains("c:2 in shapes"), "{}", list.stdout);
    let show = run(&fake.url, folder.path(), &["jobs", "show", "01JTEST"]).await;
    for part in
        ["rank  succeeded  1,200 of 2,000 images", "units    c:2 in shapes", "ABOVE ZERO", "watch 01JTEST"]
    {
        assert!(show.stdout.contains(part), "{part}: {}", show.stdout);
    }
}
