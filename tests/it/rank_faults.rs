//! What goes wrong around rankings: broken images, wrong requests, jobs that are stopped, servers that are killed, files that are damaged.

use crate::support::album::{jpeg, noise, noises, png, slow};
use crate::support::ranking::{Scores, direction, percentiles, question, scores_between, unit};
use crate::support::spec::quick;
use crate::support::{Album, Client, Server, Setup, check_violations};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unitscope_proto::v1::job::{Result as JobResult, State};
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::{
    Band, DeleteIndexRequest, Direction, HitPictures, Index, ListIndexesRequest, Position, RankResult,
    RankSpec, RankUnit, StreamProgressResponse, rank_unit,
};

/// All layers of the model `twice` at once: a pass that writes several tables.
fn broad(dataset: &str) -> RankSpec {
    let layers = ["block#0", "block#1", "mix", "fc"].map(str::to_owned).to_vec();
    RankSpec { layers, return_scores: true, ..question("twice", dataset, [unit("conv1", 1), unit("fc", 2)]) }
}

/// The ranking, which must agree with its own scores.
async fn ranked(client: &Client, spec: &RankSpec) -> RankResult {
    let spec = RankSpec { return_scores: true, ..spec.clone() };
    let (_, result) = client.rank(spec.clone()).await;
    Scores::of(client, &result).await.check(&spec, &result);
    result
}

/// What a server with an index of its own says to the same question.
async fn truth(album: &Album, spec: &RankSpec) -> RankResult {
    let server = Setup::new().dataset(&spec.dataset, album.location()).start();
    ranked(&server.client().await, spec).await
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // The builder refuses paths that lead out, which is what they are here for.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A PNG whose header says 20,000 × 20,000 and whose data are a few bytes.
fn bomb() -> Vec<u8> {
    let mut bytes = png(&noise(1, 16, 16));
    bytes[16..20].copy_from_slice(&20_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&20_000_u32.to_be_bytes());
    let crc = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// CRC-32, as PNG has it (RFC 2083, section 15).
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    };
    !bytes.iter().fold(!0, step)
}

#[tokio::test]
async fn broken_images_are_named_and_the_others_ranked() {
    let album = Album::of(&noises(1, 20, 16, 2));
    let whole = jpeg(&noise(2, 64, 64));
    album.write("class0/truncated.jpg", &whole[..whole.len() / 2]);
    album.write("class0/zip.png", b"PK\x03\x04 and so on, as a zip begins");
    album.write("class1/bomb.png", &bomb());
    album.write("class1/empty.png", b"");
    album.write("class1/old.tiff", b"II*\0");
    album.write("class1/notes.md", b"no image at all");
    let elsewhere = Album::of(&noises(90, 1, 16, 1));
    std::os::unix::fs::symlink(elsewhere.path().join("class0/90.png"), album.path().join("class0/out.png"))
        .unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), album.path().join("out")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup::new().index(folder.path()).dataset("mixed", album.location()).start();
    let spec = question("twice", "mixed", [unit("conv1", 1)]);
    let expected = [
        ("class0/out.png", "symbolic link"),
        ("class0/truncated.jpg", "before its picture is complete"),
        ("class0/zip.png", "zip"),
        ("class1/bomb.png", "20000 × 20000"),
        ("class1/empty.png", "empty"),
        ("class1/old.tiff", "TIFF"),
        ("out", "symbolic link"),
    ];
    let first = {
        let server = setup();
        let client = server.client().await;
        let first = ranked(&client, &spec).await;
        check_skipped(&first, &expected);
        assert_eq!((first.images, first.scored), (20, 20));
        check_skipped(&ranked(&client, &spec).await, &expected);
        first
    };
    // Also after a restart, without looking at them again.
    let server = setup();
    let again = ranked(&server.client().await, &spec).await;
    check_skipped(&again, &expected);
    assert_eq!((again.scored, &again.units), (0, &first.units));
}

fn check_skipped(result: &RankResult, expected: &[(&str, &str)]) {
    let mut skipped: Vec<_> =
        result.skipped_images.iter().map(|image| (image.path.as_str(), image.reason.as_str())).collect();
    skipped.sort_unstable();
    let paths: Vec<&str> = skipped.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, expected.iter().map(|(path, _)| *path).collect::<Vec<_>>(), "{skipped:?}");
    assert_eq!(result.skipped, expected.len() as u64);
    for ((path, reason), (_, word)) in skipped.iter().zip(expected) {
        assert!(reason.contains(word), "{path}: `{reason}` does not say `{word}`");
    }
}

#[tokio::test]
async fn shards_with_members_that_lead_out_are_ranked_without_them() {
    let files = noises(30, 4, 16, 2);
    let mut members: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    members.push(("../evil.png", &files[0].1));
    members.push(("/etc/evil.png", &files[0].1));
    let album = Album::new();
    album.write("shard.tar", &tar_of(&members));
    let server = Setup::new().dataset("packed", album.path().join("shard.tar").display()).start();
    let result = ranked(&server.client().await, &question("twice", "packed", [unit("conv1", 1)])).await;
    check_skipped(&result, &[("shard.tar/../evil.png", "`..`"), ("shard.tar//etc/evil.png", "absolute")]);
    assert_eq!(result.images, 4);
    assert!(!Path::new("/etc/evil.png").exists() && !album.path().join("../evil.png").exists());
}

/// A refusal with this code, reason and these words.
fn check_refused(status: &Status, code: Code, reason: &str, words: &[&str]) {
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("every error has a reason");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "unitscope.dev"));
    for word in words {
        assert!(status.message().contains(word), "`{}` does not say `{word}`", status.message());
    }
}

#[tokio::test]
async fn datasets_that_cannot_be_listed_are_refused() {
    let (empty, broken) = (Album::new(), Album::new());
    empty.write("read.me", b"no images here");
    broken.write("only.png", b"no image either");
    let nowhere = empty.path().join("nowhere");
    let server = Setup::new()
        .dataset("empty", empty.location())
        .dataset("gone", nowhere.display())
        .dataset("broken", broken.location())
        .start();
    let client = server.client().await;
    let ask = async |dataset: &str| client.submit_rank(question("twice", dataset, [unit("conv1", 1)])).await;
    let (unreadable, unknown) = ("DATASET_UNREADABLE", "DATASET_NOT_FOUND");
    check_refused(
        &ask("empty").await.unwrap_err(),
        Code::FailedPrecondition,
        unreadable,
        &["`empty`", "no images"],
    );
    check_refused(
        &ask("gone").await.unwrap_err(),
        Code::FailedPrecondition,
        unreadable,
        &["`gone`", "nowhere"],
    );
    check_refused(
        &ask("broke").await.unwrap_err(),
        Code::NotFound,
        unknown,
        &["`broke`", "did you mean `broken`"],
    );
    check_violations(&ask("").await.unwrap_err(), &["spec.dataset"], &["required"]);
    check_refused(&ask("../etc").await.unwrap_err(), Code::NotFound, unknown, &["`../etc`"]);
    // Images that all turn out to be none are no reason to refuse: the answer says so.
    let result = ranked(&client, &question("twice", "broken", [unit("conv1", 1)])).await;
    assert_eq!((result.images, result.skipped), (0, 1));
    let statistics = result.units[0].statistics.as_ref().unwrap();
    assert_eq!((statistics.count, statistics.histogram.len()), (0, 50));
    // What is put there later is found.
    empty.write("class/1.png", &png(&noise(1, 16, 16)));
    assert_eq!(ranked(&client, &question("twice", "empty", [unit("conv1", 1)])).await.images, 1);
}

/// Sends what `change` makes of a good question; the violations must name exactly `fields`, and say `words` of the first.
async fn check_wrong(client: &Client, fields: &[&str], words: &[&str], change: impl FnOnce(&mut RankSpec)) {
    let mut spec = question("twice", "noise", [unit("conv1", 1), unit("fc", 0)]);
    change(&mut spec);
    let status = client.submit_rank(spec).await.expect_err(&format!("a wrong {fields:?} is taken"));
    check_violations(&status, fields, words);
}

#[tokio::test]
async fn names_and_places_that_are_wrong() {
    let album = Album::of(&noises(40, 4, 16, 2));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = &server.client().await;
    let second = |other: RankUnit| move |spec: &mut RankSpec| spec.units[1] = other;
    check_wrong(client, &["spec.units[1].layer"], &["`conv`", "`twice`", "conv1"], second(unit("conv", 0)))
        .await;
    check_wrong(client, &["spec.units[1].layer"], &["required"], second(unit("", 0))).await;
    check_wrong(client, &["spec.units[1].channel"], &["6", "`conv1`", "0 … 5"], second(unit("conv1", 6)))
        .await;
    check_wrong(client, &["spec.units[1].channel"], &["required"], |spec| spec.units[1].what = None).await;
    check_wrong(client, &["spec.layers[1]"], &["`mixx`", "mix"], |spec| {
        spec.layers = vec!["mix".into(), "mixx".into()]
    })
    .await;
    let classes = |spec: &mut RankSpec| spec.classes = vec!["class1".into(), "clas0".into(), "?".into()];
    check_wrong(client, &["spec.classes[1]", "spec.classes[2]"], &["`clas0`", "`class0`", "all 2"], classes)
        .await;
    let at = |row, column| move |spec: &mut RankSpec| spec.units[0].position = Some(Position { row, column });
    check_wrong(client, &["spec.units[0].position"], &["16,0", "16 × 16"], at(16, 0)).await;
    check_wrong(client, &["spec.units[0].position"], &["0,4294967295"], at(0, u32::MAX)).await;
    check_wrong(client, &["spec.units[0].label"], &["129", "128"], |spec| {
        spec.units[0].label = "x".repeat(129)
    })
    .await;
    check_wrong(client, &["spec.reducer"], &["17"], |spec| spec.reducer = 17).await;
    let model = RankSpec { model: "twise".into(), ..question("", "noise", [unit("conv1", 1)]) };
    check_refused(
        &client.submit_rank(model).await.unwrap_err(),
        Code::NotFound,
        "MODEL_NOT_FOUND",
        &["`twise`", "`twice`"],
    );
    // Nothing of this was queued or scored.
    assert_eq!(ranked(client, &question("twice", "noise", [unit("conv1", 1)])).await.scored, 4);
}

#[tokio::test]
async fn counts_that_are_wrong() {
    let album = Album::of(&noises(40, 4, 16, 2));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = &server.client().await;
    check_wrong(client, &["spec.units"], &["required"], |spec| spec.units.clear()).await;
    let many = |spec: &mut RankSpec| spec.units = (0..257).map(|_| unit("conv1", 0)).collect();
    check_wrong(client, &["spec.units"], &["257", "256"], many).await;
    let one = |top, bottom| {
        move |spec: &mut RankSpec| {
            spec.units.truncate(1);
            (spec.top_k, spec.bottom_k) = (Some(top), Some(bottom));
        }
    };
    check_wrong(client, &["spec.top_k"], &["8193", "8192"], one(8193, 0)).await;
    check_wrong(client, &["spec.bottom_k"], &["4294967295"], one(0, u32::MAX)).await;
    let hits = |spec: &mut RankSpec| (spec.top_k, spec.bottom_k) = (Some(4000), Some(97));
    check_wrong(client, &["spec.units"], &["8194", "8192"], hits).await;
    check_wrong(client, &["spec.bands"], &["17", "16"], |spec| {
        spec.bands = vec![percentiles(0.0, 1.0, 1); 17]
    })
    .await;
    check_wrong(client, &["spec.layers"], &["257"], |spec| spec.layers = vec!["mix".into(); 257]).await;
    check_wrong(client, &["spec.classes"], &["1001"], |spec| spec.classes = vec!["class0".into(); 1001])
        .await;
    for side in [0, 15, 513] {
        let pictures = HitPictures { thumbnails: true, side: Some(side), ..HitPictures::default() };
        check_wrong(client, &["spec.pictures.side"], &[&side.to_string(), "16 … 512"], |spec| {
            spec.pictures = Some(pictures)
        })
        .await;
    }
    let pictures = HitPictures { thumbnails: true, crops: true, heat_maps: true, side: None };
    let lavish = |spec: &mut RankSpec| (spec.top_k, spec.pictures) = (Some(700), Some(pictures));
    check_wrong(client, &["spec.pictures"], &["1400", "4096"], lavish).await;
    // Nothing of this was queued or scored.
    assert_eq!(ranked(client, &question("twice", "noise", [unit("conv1", 1)])).await.scored, 4);
}

#[tokio::test]
async fn ranges_and_directions_that_are_wrong() {
    let album = Album::of(&noises(40, 4, 16, 2));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = &server.client().await;
    let band = |band: Band| move |spec: &mut RankSpec| spec.bands = vec![percentiles(45.0, 55.0, 1), band];
    let place = "spec.bands[1]";
    let field = |name: &str| format!("{place}.{name}");
    check_wrong(client, &[&field("percentile")], &["60 … 40", "backwards"], band(percentiles(60.0, 40.0, 1)))
        .await;
    check_wrong(client, &[&field("score")], &["backwards"], band(scores_between(1.0, -1.0, 1))).await;
    check_wrong(client, &[&field("percentile.high")], &["100"], band(percentiles(0.0, 100.5, 1))).await;
    check_wrong(client, &[&field("percentile.low")], &["-1"], band(percentiles(-1.0, 50.0, 1))).await;
    check_wrong(client, &[&field("percentile.low")], &["NaN"], band(percentiles(f64::NAN, 50.0, 1))).await;
    check_wrong(client, &[&field("score.high")], &["inf"], band(scores_between(0.0, f64::INFINITY, 1))).await;
    check_wrong(
        client,
        &[&field("score.low"), &field("score.high")],
        &["NaN"],
        band(scores_between(f64::NAN, f64::NAN, 1)),
    )
    .await;
    check_wrong(client, &[&field("k")], &["0"], band(percentiles(0.0, 1.0, 0))).await;
    check_wrong(client, &[&field("percentile")], &["required"], band(Band { range: None, k: Some(1) })).await;
    let along = |sum: &[(u32, f32)]| {
        let unit = direction("conv1", sum);
        move |spec: &mut RankSpec| spec.units[1] = unit
    };
    let direct = "spec.units[1].direction";
    check_wrong(client, &[direct], &["finite"], along(&[(0, f32::NAN)])).await;
    check_wrong(client, &[direct], &["finite"], along(&[(0, 1.0), (1, f32::INFINITY)])).await;
    check_wrong(client, &[direct], &["all weights", "0"], along(&[(0, 0.0), (3, 0.0)])).await;
    check_wrong(client, &[direct], &["channel 6", "0 … 5"], along(&[(6, 1.0)])).await;
    check_wrong(client, &[direct], &["channel 2", "twice"], along(&[(2, 1.0), (2, 1.0)])).await;
    let of = |weights: Vec<f32>, channels: Vec<u32>| {
        let what = Some(rank_unit::What::Direction(Direction { weights, channels }));
        move |spec: &mut RankSpec| spec.units[1] = RankUnit { what, ..unit("conv1", 0) }
    };
    check_wrong(client, &[direct], &["5 weights", "6 channels"], of(vec![1.0; 5], Vec::new())).await;
    check_wrong(client, &[direct], &["2 channels", "1 weights"], of(vec![1.0], vec![0, 1])).await;
    check_wrong(client, &["spec.units[1].direction.weights"], &["0 weights"], of(Vec::new(), Vec::new()))
        .await;
    check_wrong(client, &["spec.units[1].direction.weights"], &["4097"], of(vec![1.0; 4097], Vec::new()))
        .await;
    let long = |spec: &mut RankSpec| {
        spec.units = (0..20)
            .map(|_| RankUnit {
                what: Some(rank_unit::What::Direction(Direction {
                    weights: vec![1.0; 4000],
                    channels: Vec::new(),
                })),
                ..unit("conv1", 0)
            })
            .collect();
    };
    check_wrong(client, &["spec.units"], &["bytes", "262144"], long).await;
}

/// Progress among events.
fn progress(events: &[StreamProgressResponse]) -> Vec<unitscope_proto::v1::RankProgress> {
    let progress = |event: &StreamProgressResponse| match &event.event {
        Some(Event::RankProgress(progress)) => Some(*progress),
        _ => None,
    };
    events.iter().filter_map(progress).collect()
}

/// Waits until the job has scored something.
async fn until_scored(client: &Client, name: &str) {
    let mut events = client.follow(name, 0).await.unwrap();
    loop {
        match events.next().await.and_then(|event| event.event) {
            Some(Event::RankProgress(progress)) if progress.scored > 0 => return,
            Some(Event::Done(job)) => panic!("it has ended: {:?} {:?}", job.state(), job.error),
            Some(_) => {}
            None => panic!("the stream ended"),
        }
    }
}

/// More than a pass scores before the test has seen its first progress.
const MANY: u32 = 320;

#[tokio::test]
async fn progress_rises_to_the_end_and_a_cancelled_pass_keeps_its_scores() {
    let album = Album::of(&slow(MANY));
    album.write("colour0/broken.jpg", b"no picture");
    album.settle();
    let server = Setup::new().dataset("slow", album.location()).start();
    let client = server.client().await;
    let spec = question("twice", "slow", [unit("conv1", 1), unit("fc", 0)]);
    let name = client.submit_rank(spec.clone()).await.unwrap().name;
    until_scored(&client, &name).await;
    client.cancel(&name).await;
    let job = client.wait(&name).await;
    assert_eq!(job.state(), State::Cancelled);
    assert!(job.result.is_none() && job.error.is_none());
    let before = progress(&client.events(&name, 0).await).last().copied().unwrap();
    assert!(before.scored > 0 && before.scored < u64::from(MANY), "{before:?}");
    let job = client.submit_rank(spec.clone()).await.unwrap();
    let events = client.events(&job.name, 0).await;
    let job = client.wait(&job.name).await;
    let Some(JobResult::RankResult(result)) = &job.result else { panic!("no ranking: {job:?}") };
    assert_eq!((result.images, result.skipped), (u64::from(MANY), 1));
    assert_eq!(
        result.scored + before.scored,
        u64::from(MANY),
        "what was scored before is kept, and no more is scored"
    );
    let total = u64::from(MANY) + 1;
    let told = progress(&events);
    assert!(told.len() >= 2, "{told:?}");
    assert!(
        told.is_sorted_by(|a, b| a.images <= b.images && a.scored <= b.scored && a.skipped <= b.skipped),
        "{told:?}"
    );
    assert!(
        told.iter()
            .all(|one| one.total_images == total && one.images_per_second >= 0.0 && one.remaining.is_some())
    );
    let last = told.last().unwrap();
    assert_eq!((last.images, last.scored), (total, result.scored));
    assert_eq!((u64::from(job.steps_done), u64::from(job.steps_total)), (total, total));
    let numbered: Vec<u64> =
        events.iter().map(|event| event.sequence).filter(|sequence| *sequence > 0).collect();
    assert_eq!(numbered, (1..=job.last_sequence).collect::<Vec<_>>());
    let states: Vec<State> = events
        .iter()
        .filter_map(
            |event| if let Some(Event::State(change)) = &event.event { Some(change.state()) } else { None },
        )
        .collect();
    assert_eq!(states, [State::Queued, State::Running, State::Succeeded]);
    assert!(matches!(events.last().unwrap().event, Some(Event::Done(_))));
    assert_eq!(ranked(&client, &spec).await.units, truth(&album, &spec).await.units);
}

/// The job holds the listing that was made when it came in.
#[tokio::test]
async fn a_file_that_vanishes_before_the_pass_is_left_out() {
    let files = noises(50, 10, 16, 2);
    let album = Album::of(&files);
    album.settle();
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let long = client.start(quick(50_000)).await;
    client.follow(&long, 0).await.unwrap().until_step(1).await;
    let spec = question("twice", "noise", [unit("conv1", 1)]);
    let waiting = client.submit_rank(spec.clone()).await.unwrap();
    album.remove(&files[3].0);
    album.write(&files[4].0, &png(&noise(4444, 16, 16)));
    client.cancel(&long).await;
    let job = client.wait(&waiting.name).await;
    let Some(JobResult::RankResult(result)) = &job.result else { panic!("no ranking: {job:?}") };
    let mut expected = [(files[3].0.as_str(), "not there"), (files[4].0.as_str(), "changed")];
    expected.sort_unstable();
    check_skipped(result, &expected);
    assert_eq!((result.images, result.scored), (8, 8));
    // The next listing sees what is there.
    let result = ranked(&client, &RankSpec { refresh: true, ..spec }).await;
    assert_eq!((result.images, result.scored, result.skipped), (9, 1, 0));
}

async fn indexes(client: &Client) -> Vec<Index> {
    client.datasets.clone().list_indexes(ListIndexesRequest {}).await.unwrap().into_inner().indexes
}

#[tokio::test]
async fn a_deleted_index_is_made_anew() {
    let album = Album::of(&noises(60, 10, 16, 2));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let spec = question("twice", "noise", [unit("conv1", 1)]);
    let first = ranked(&client, &spec).await;
    let delete = async |id: &str| {
        client.datasets.clone().delete_index(DeleteIndexRequest { id: id.to_owned() }).await.map(|_| ())
    };
    let id = indexes(&client).await[0].id.clone();
    delete(&id).await.unwrap();
    assert!(indexes(&client).await.is_empty());
    check_refused(&delete(&id).await.unwrap_err(), Code::NotFound, "INDEX_NOT_FOUND", &[&id]);
    check_refused(&delete("../catalogs").await.unwrap_err(), Code::NotFound, "INDEX_NOT_FOUND", &[]);
    check_violations(&delete("").await.unwrap_err(), &["id"], &["required"]);
    let again = ranked(&client, &spec).await;
    assert_eq!((again.scored, &again.units), (10, &first.units));
    assert_eq!(indexes(&client).await.len(), 1);
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut found: Vec<PathBuf> =
        files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
    found.extend(folders.iter().flat_map(|folder| segments(folder)));
    found.sort();
    found
}

/// What is done to a file.
type Damage = fn(&mut Vec<u8>);

/// Whichever byte of a segment is damaged, and where a file is cut off: the answer is right, and images are scored again.
#[tokio::test]
async fn a_damaged_segment_is_dropped_and_scored_again() {
    let album = Album::of(&noises(70, 20, 16, 2));
    album.settle();
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup::new().index(folder.path()).dataset("noise", album.location()).start();
    let spec = question("twice", "noise", [unit("conv1", 1)]);
    let first = ranked(&setup().client().await, &spec).await;
    let damages: [(&str, Damage); 5] = [
        ("header", |bytes| bytes[50] ^= 1),
        ("sums", |bytes| bytes[100] ^= 0x80),
        ("ids", |bytes| bytes[96 + 8 * 12 + 5] ^= 0x10),
        // Scores of channel 1, whose column begins after the page of the directory and the column of channel 0.
        ("scores", |bytes| bytes[4096 + 4 * 20 + 3] ^= 0x40),
        ("length", |bytes| bytes.truncate(bytes.len() - 5)),
    ];
    for (what, damage) in damages {
        let files = segments(folder.path());
        assert_eq!(files.len(), 1, "{what}: {files:?}");
        let mut bytes = std::fs::read(&files[0]).unwrap();
        damage(&mut bytes);
        std::fs::write(&files[0], bytes).unwrap();
        let server = setup();
        let again = ranked(&server.client().await, &spec).await;
        assert_eq!((again.scored, &again.units), (20, &first.units), "{what}");
        assert!(server.log().contains("WARN"), "{what}: nothing was logged:\n{}", server.log());
    }
}

#[tokio::test]
async fn an_index_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Setup::new().index(folder.path()).start();
    let (code, printed, log) = Setup::new().index(folder.path()).fail();
    assert_eq!((code, printed.as_str()), (Some(1), ""), "{log}");
    assert!(
        log.contains("belongs to another server") && log.contains("give this one another folder"),
        "{log}"
    );
    server.assert_alive();
    drop(server);
    let mut third = Setup::new().index(folder.path()).start();
    third.client().await.models.list_models(unitscope_proto::v1::ListModelsRequest {}).await.unwrap();
    third.assert_alive();
}

/// A short form of the many kills that `docs` speak of: at another moment each time, with new images to score each time.
#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_a_pass_leaves_a_right_index() {
    let folder = tempfile::tempdir().unwrap();
    let album = Album::of(&slow(24));
    let spec = broad("grows");
    let mut scored = 0;
    for round in 0..6_u32 {
        for (path, bytes) in noises(1000 + 100 * u64::from(round), 60, 16, 3) {
            album.write(&path, &bytes);
        }
        let server: Server = Setup::new().index(folder.path()).dataset("grows", album.location()).start();
        let client = server.client().await;
        let job = client.submit_rank(spec.clone()).await.unwrap();
        // From before its first image to about its end.
        tokio::time::sleep(Duration::from_millis(10 + u64::from(round * round) * 25)).await;
        let now = client.job(&job.name).await.unwrap();
        scored += u32::from(now.state() == State::Succeeded);
        // Dropping it is SIGKILL.
    }
    assert!(scored < 6, "every pass had ended before its server was killed");
    let truth = truth(&album, &spec).await;
    let server = Setup::new().index(folder.path()).dataset("grows", album.location()).start();
    let client = server.client().await;
    let after = ranked(&client, &spec).await;
    assert_eq!((after.images, &after.units), (384, &truth.units));
    assert_eq!(ranked(&client, &spec).await.scored, 0);
}
