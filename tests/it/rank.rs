//! Rankings of synthetic pictures: orders, numbers and places are those that the tests work out on their own from the same pixels.

use crate::support::album::{flat, id, noise, noises, png};
use crate::support::network::Network;
use crate::support::ranking::{Scores, direction, percentiles, question, scores_between, unit};
use crate::support::{Album, Client, Server, Setup};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tch::{Kind, Tensor};
use unitscope_proto::v1::job::{Result as JobResult, Spec, State};
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::{Job, Position, RankResult, RankSpec, RankUnit, Reducer};
use unitscope_tests::build::checkout;

/// Pictures of the size that the small models take, so that their pixels reach the network as they are.
const SIDE: u32 = 16;

fn fixture(model: &str) -> PathBuf {
    checkout().join("tests/fixtures/models").join(model)
}

fn server(album: &Album) -> Server {
    Setup::new().dataset("noise", album.location()).start()
}

/// Asks for all scores, and holds everything in the answer against them.
async fn check(client: &Client, spec: RankSpec) -> (Job, RankResult, Scores) {
    let spec = RankSpec { return_scores: true, ..spec };
    let (job, result) = client.rank(spec.clone()).await;
    let scores = Scores::of(client, &result).await;
    scores.check(&spec, &result);
    (job, result, scores)
}

/// A question that is answered by the call that asks it, without a pass.
async fn check_at_once(client: &Client, spec: RankSpec) -> RankResult {
    let job = client.submit_rank(spec).await.unwrap();
    assert_eq!(job.state(), State::Succeeded, "it had to wait: {:?}", job.error);
    assert!(job.end_time.is_some());
    let Some(JobResult::RankResult(result)) = job.result else { panic!("no ranking: {:?}", job.result) };
    assert_eq!(result.scored, 0);
    result
}

/// Scores are close to what the test computes; `expected` is one number for each file, in the files' order.
fn check_scores(scores: &Scores, unit: usize, files: &[(String, Vec<u8>)], expected: &Tensor) {
    let expected = Vec::<f32>::try_from(expected.contiguous().view(-1)).unwrap();
    let found = scores.by_path(unit);
    assert_eq!((found.len(), expected.len()), (files.len(), files.len()));
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for ((path, bytes), expected) in files.iter().zip(expected) {
        let found = found[path.as_str()];
        assert!((found - expected).abs() <= 1e-4 * largest, "{path}: {found}, not {expected}");
        assert!(scores.images.iter().any(|image| image[0] == id(bytes) && image[1] == *path), "{path}");
    }
}

fn look(model: &str, layer: &str, files: &[(String, Vec<u8>)]) -> Tensor {
    let pngs: Vec<Vec<u8>> = files.iter().map(|(_, bytes)| bytes.clone()).collect();
    Network::new(&fixture(model), layer).look(&pngs)
}

#[tokio::test]
async fn every_reducer_gives_the_numbers_that_the_pixels_have() {
    // More than two batches, and the last one is not full.
    let files = noises(1, 41, SIDE, 3);
    let album = Album::of(&files);
    let server = server(&album);
    let client = server.client().await;
    let values = look("twice", "conv1", &files).narrow(1, 1, 1).squeeze_dim(1);
    let flat = values.flatten(1, 2);
    let reduced = [
        (Reducer::Unspecified, flat.amax([1], false)),
        (Reducer::Max, flat.amax([1], false)),
        (Reducer::Mean, flat.mean_dim([1].as_slice(), false, Kind::Float)),
        (Reducer::Centre, values.select(1, 8).select(1, 8)),
        (Reducer::Absmax, flat.abs().amax([1], false)),
        (Reducer::L2, flat.square().sum_dim_intlist([1].as_slice(), false, Kind::Float).sqrt()),
    ];
    for (reducer, expected) in reduced {
        let spec = RankSpec {
            reducer: reducer.into(),
            top_k: Some(5),
            bottom_k: Some(50),
            bands: vec![percentiles(40.0, 60.0, 4), percentiles(0.0, 100.0, 7), scores_between(-1e9, 1e9, 3)],
            ..question("twice", "noise", [unit("conv1", 1)])
        };
        let (_, result, scores) = check(&client, spec).await;
        check_scores(&scores, 0, &files, &expected);
        check_positions(&result, reducer, &files, &values);
    }
    let at = RankUnit { position: Some(Position { row: 3, column: 12 }), ..unit("conv1", 1) };
    let spec =
        RankSpec { reducer: Reducer::Mean.into(), ..question("twice", "noise", [at, unit("conv1", 1)]) };
    let (_, result, scores) = check(&client, spec).await;
    check_scores(&scores, 0, &files, &values.select(1, 3).select(1, 12));
    check_scores(&scores, 1, &files, &flat.mean_dim([1].as_slice(), false, Kind::Float));
    let positions = |unit: usize| result.units[unit].groups[0].hits.iter().map(|hit| hit.position);
    assert!(positions(0).all(|position| position == Some(Position { row: 3, column: 12 })));
    assert!(positions(1).all(|position| position.is_none()));
}

/// Hits say where, as far as there is a where, and what the unit sees there.
fn check_positions(result: &RankResult, reducer: Reducer, files: &[(String, Vec<u8>)], values: &Tensor) {
    let hits = result.units[0].groups.iter().flat_map(|group| &group.hits);
    for hit in hits {
        let window = hit.window.unwrap();
        let inside = |low: u32, high: u32| low < high && high <= SIDE;
        assert!(inside(window.top, window.bottom) && inside(window.left, window.right), "{hit:?}");
        let Some(Position { row, column }) = hit.position else {
            assert!(matches!(reducer, Reducer::Mean | Reducer::L2), "{hit:?}");
            assert_eq!((window.top, window.left, window.bottom, window.right), (0, 0, SIDE, SIDE));
            continue;
        };
        // A convolution of 3 × 3 with a padding of 1.
        let edges = |at: u32| (at.saturating_sub(1), (at + 2).min(SIDE));
        assert_eq!(((window.top, window.bottom), (window.left, window.right)), (edges(row), edges(column)));
        let place = files.iter().position(|(path, _)| *path == hit.path).unwrap();
        let there = values.double_value(&[place as i64, row.into(), column.into()]) as f32;
        let there = if reducer == Reducer::Absmax { there.abs() } else { there };
        assert!((there - hit.score).abs() <= 1e-4 * (1.0 + hit.score.abs()), "{there} at {hit:?}");
        assert_ne!(reducer, Reducer::L2);
        assert_ne!(reducer, Reducer::Mean);
        if reducer == Reducer::Centre {
            assert_eq!((row, column), (SIDE / 2, SIDE / 2));
        }
    }
}

#[tokio::test]
async fn layers_without_positions_and_of_tokens_are_ranked_too() {
    let files = noises(100, 20, SIDE, 2);
    let album = Album::of(&files);
    let server = server(&album);
    let client = server.client().await;
    for reducer in [Reducer::Max, Reducer::L2] {
        let spec = RankSpec { reducer: reducer.into(), ..question("twice", "noise", [unit("fc", 2)]) };
        let (_, result, scores) = check(&client, spec).await;
        let logits = look("twice", "fc", &files).select(1, 2);
        check_scores(&scores, 0, &files, &if reducer == Reducer::L2 { logits.abs() } else { logits });
        assert!(result.units[0].groups[0].hits.iter().all(|hit| hit.position.is_none()));
    }
    // A class token, then 4 × 4 patches of 4 × 4 pixels.
    let layer = "blocks.0.mlp.0";
    let tokens = look("tokens", layer, &files).select(2, 3);
    let patches = tokens.narrow(1, 1, 16);
    let at = RankUnit { position: Some(Position { row: 2, column: 1 }), ..unit(layer, 3) };
    let token = RankUnit { token: Some(10), ..unit(layer, 3) };
    let class_token = RankUnit { class_token: true, ..unit(layer, 3) };
    let (_, result, scores) =
        check(&client, question("tokens", "noise", [unit(layer, 3), at, token, class_token])).await;
    check_scores(&scores, 0, &files, &patches.amax([1], false));
    for (unit, token) in [(1, 10), (2, 10), (3, 0)] {
        check_scores(&scores, unit, &files, &tokens.select(1, token));
    }
    let labels: Vec<&str> = result.units.iter().map(|unit| unit.label.as_str()).collect();
    assert_eq!(labels, ["", "@2,1", "@10", "@cls"].map(|place| format!("{layer}:3{place}")));
    for hit in &result.units[0].groups[0].hits {
        let Position { row, column } = hit.position.unwrap();
        let place = files.iter().position(|(path, _)| *path == hit.path).unwrap() as i64;
        let patch = patches.select(0, place).argmax(0, false).int64_value(&[]) as u32;
        assert_eq!((row, column, hit.token), (patch / 4, patch % 4, Some(patch + 1)));
        let window = hit.window.unwrap();
        assert_eq!(
            [window.top, window.left, window.bottom, window.right],
            [row, column, row + 1, column + 1].map(|at| 4 * at)
        );
    }
    let of_class = &result.units[3].groups[0].hits[0];
    assert_eq!((of_class.position, of_class.token), (None, Some(0)));
    assert_eq!(of_class.window.map(|window| (window.bottom, window.right)), Some((SIDE, SIDE)));
    let reduced = |reducer: Reducer| RankSpec {
        reducer: reducer.into(),
        ..question("tokens", "noise", [unit(layer, 3)])
    };
    let (_, _, scores) = check(&client, reduced(Reducer::Mean)).await;
    check_scores(&scores, 0, &files, &patches.mean_dim([1].as_slice(), false, Kind::Float));
    let (_, _, scores) = check(&client, reduced(Reducer::ClassToken)).await;
    check_scores(&scores, 0, &files, &tokens.select(1, 0));
    // The grey model sees grey: as ITU-R 601-2 has it.
    let (_, _, scores) = check(&client, question("gray", "noise", [unit("fc", 0)])).await;
    assert!(scores.rows[0].iter().any(|score| *score != scores.rows[0][0]));
}

/// Channel 2 of `relu1` of the model `dead` is 0 whatever it sees; where all scores are equal, ids decide.
#[tokio::test]
async fn a_dead_unit_says_so_and_ties_go_by_id() {
    let mut files = noises(200, 23, SIDE, 2);
    files.push(("class1/copy.png".to_owned(), files[4].1.clone()));
    let album = Album::of(&files);
    let server = server(&album);
    let client = server.client().await;
    let spec = RankSpec {
        bottom_k: Some(7),
        bands: vec![percentiles(0.0, 100.0, 24)],
        ..question("dead", "noise", [unit("relu1", 2), unit("relu1", 4)])
    };
    let (_, result, scores) = check(&client, spec).await;
    let dead = result.units[0].statistics.as_ref().unwrap();
    assert_eq!((dead.dead, dead.share_above_zero, dead.min, dead.max), (true, 0.0, 0.0, 0.0));
    assert_eq!((dead.histogram[0], dead.histogram_low, dead.histogram_high), (24, 0.0, 0.0));
    let alive = result.units[1].statistics.as_ref().unwrap();
    assert!(!alive.dead && alive.share_above_zero > 0.0 && alive.max > 0.0, "{alive:?}");
    let mut expected: Vec<(String, &str)> =
        files.iter().map(|(path, bytes)| (id(bytes), path.as_str())).collect();
    expected.sort();
    for (group, count) in [(0, 9), (1, 7)] {
        let hits = &result.units[0].groups[group].hits;
        let found: Vec<_> = hits.iter().map(|hit| (hit.image.clone(), hit.path.as_str())).collect();
        assert_eq!(found, expected[..count]);
    }
    assert!(result.units[0].groups[0].hits.iter().all(|hit| hit.percentile == 50.0));
    // Equal files are one image under two paths, in the order of these.
    let copies: Vec<_> = scores.images.iter().filter(|image| image[0] == id(&files[4].1)).collect();
    assert_eq!(
        copies.iter().map(|image| image[1].as_str()).collect::<Vec<_>>(),
        [files[4].0.as_str(), "class1/copy.png"]
    );
}

/// With a tiny `std` the network's numbers overflow, but for black pictures.
#[tokio::test]
async fn scores_that_are_no_numbers_are_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("overflows");
    std::fs::create_dir(&model).unwrap();
    std::fs::copy(fixture("twice").join("model.pt2"), model.join("model.pt2")).unwrap();
    let manifest = std::fs::read_to_string(fixture("twice").join("model.toml")).unwrap();
    let manifest =
        manifest.replace("0.5, 0.5, 0.5", "0.0, 0.0, 0.0").replace("0.25, 0.25, 0.25", "3e-39, 3e-39, 3e-39");
    std::fs::write(model.join("model.toml"), manifest).unwrap();
    let mut files = noises(300, 10, SIDE, 2);
    files.push(("black/1.png".to_owned(), png(&flat([0; 3], SIDE, SIDE))));
    let album = Album::of(&files);
    let server = Setup::new().model(&model).dataset("noise", album.location()).start();
    let client = server.client().await;
    let spec = RankSpec { bottom_k: Some(3), ..question("overflows", "noise", [unit("fc", 0)]) };
    let (_, result, scores) = check(&client, spec.clone()).await;
    let statistics = result.units[0].statistics.as_ref().unwrap();
    let lost = |class: &str| {
        let all = scores.images.iter().zip(&scores.rows[0]);
        all.filter(|(image, score)| image[2].starts_with(class) && score.is_nan()).count() as u64
    };
    assert!(lost("class") >= 5 && lost("black") == 0, "{scores:?}");
    assert_eq!((statistics.count, statistics.not_a_number), (11 - lost("class"), lost("class")));
    let hits =
        |result: &RankResult| result.units[0].groups.iter().map(|group| group.hits.len()).collect::<Vec<_>>();
    assert_eq!(hits(&result), [9.min(statistics.count as usize), 3.min(statistics.count as usize)]);
    let (_, some, _) = check(&client, RankSpec { classes: vec!["class0".to_owned()], ..spec }).await;
    let statistics = some.units[0].statistics.as_ref().unwrap();
    assert_eq!((statistics.count, statistics.not_a_number), (5 - lost("class0"), lost("class0")));
}

#[tokio::test]
async fn classes_limit_what_is_ranked_and_counted() {
    let mut files = noises(400, 24, SIDE, 4);
    files.push(("lost.png".to_owned(), png(&noise(499, SIDE, SIDE))));
    let album = Album::of(&files);
    let server = server(&album);
    let client = server.client().await;
    let all = question("twice", "noise", [unit("conv1", 0), unit("fc", 1)]);
    let (_, result, _) = check(&client, all.clone()).await;
    assert_eq!(result.images, 25);
    let statistics = result.units[0].statistics.as_ref().unwrap();
    assert_eq!(statistics.classes, 4, "what lies in no folder has no class");
    let some = RankSpec {
        classes: vec!["class3".to_owned(), "class1".to_owned()],
        top_k: Some(20),
        bands: vec![percentiles(25.0, 75.0, 5)],
        ..all
    };
    let (_, result, _) = check(&client, some).await;
    assert_eq!((result.images, result.scored), (25, 0));
    for unit in &result.units {
        assert_eq!(unit.statistics.as_ref().unwrap().count, 12);
        let hits = &unit.groups[0].hits;
        assert_eq!(hits.len(), 12);
        assert!(hits.iter().all(|hit| hit.class == "class1" || hit.class == "class3"));
    }
}

/// A sum of channels goes through means and single positions: no pass is made for it. It does not go through maxima.
#[tokio::test]
async fn directions_are_looked_up_where_they_can_be() {
    let files = noises(500, 18, SIDE, 2);
    let album = Album::of(&files);
    let server = server(&album);
    let client = server.client().await;
    let values = look("twice", "conv1", &files);
    let sum = [(0, 0.5), (4, -2.0), (5, 1.25)];
    let along = sum.iter().map(|&(channel, weight)| values.select(1, i64::from(channel)) * f64::from(weight));
    let along = along.reduce(|a, b| a + b).unwrap();
    let means = along.mean_dim([1, 2].as_slice(), false, Kind::Float);
    let mean = |unit| RankSpec { reducer: Reducer::Mean.into(), ..question("twice", "noise", [unit]) };
    let (_, first, _) = check(&client, mean(unit("conv1", 2))).await;
    assert_eq!(first.scored, 18);
    check_at_once(&client, mean(direction("conv1", &sum))).await;
    let (_, result, scores) = check(&client, mean(direction("conv1", &sum))).await;
    assert_eq!(result.scored, 0);
    check_scores(&scores, 0, &files, &means);
    // The same with a weight for each channel.
    let dense = direction("conv1", &[(0, 0.5), (1, 0.0), (2, 0.0), (3, 0.0), (4, -2.0), (5, 1.25)]);
    let (_, again, _) = check(&client, mean(dense)).await;
    assert_eq!(again.units[0].groups, result.units[0].groups);
    let largest = |reducer: Reducer| RankSpec {
        reducer: reducer.into(),
        ..question("twice", "noise", [direction("conv1", &sum), direction("conv1", &[(3, 1.0)])])
    };
    for (reducer, expected) in [
        (Reducer::Max, along.amax([1, 2].as_slice(), false)),
        (Reducer::L2, along.square().sum_dim_intlist([1, 2].as_slice(), false, Kind::Float).sqrt()),
    ] {
        let (_, result, scores) = check(&client, largest(reducer)).await;
        assert_eq!(result.scored, 18, "its maximum is not the sum of maxima");
        check_scores(&scores, 0, &files, &expected);
        let (_, again, _) = check(&client, largest(reducer)).await;
        assert_eq!((again.scored, &again.units), (0, &result.units), "it is kept as a column of its own");
    }
    let at = RankUnit { position: Some(Position { row: 0, column: 15 }), ..direction("conv1", &sum) };
    let (_, _, scores) = check(&client, question("twice", "noise", [at])).await;
    check_scores(&scores, 0, &files, &along.select(1, 0).select(1, 15));
}

#[tokio::test]
async fn one_pass_scores_every_unit_of_every_layer_that_is_named() {
    let files = noises(600, 20, SIDE, 2);
    let album = Album::of(&files);
    let server = server(&album);
    let client = server.client().await;
    let units = [unit("conv1", 5), unit("fc", 0), unit("block#0", 1), unit("conv1", 0)];
    let spec = RankSpec {
        layers: vec!["block#1".to_owned(), "mix".to_owned()],
        ..question("twice", "noise", units)
    };
    let (job, result, scores) = check(&client, spec).await;
    assert_eq!((result.images, result.scored, result.skipped), (20, 20, 0));
    assert_eq!((job.steps_done, job.steps_total), (20, 20));
    let max = |layer, channel| look("twice", layer, &files).select(1, channel).amax([1, 2].as_slice(), false);
    check_scores(&scores, 0, &files, &max("conv1", 5));
    check_scores(&scores, 1, &files, &look("twice", "fc", &files).select(1, 0));
    check_scores(&scores, 2, &files, &max("block#0", 1));
    check_scores(&scores, 3, &files, &max("conv1", 0));
    for layer in ["conv1", "block#0", "block#1", "mix"] {
        for channel in 0..6 {
            check_at_once(&client, question("twice", "noise", [unit(layer, channel)])).await;
        }
    }
    let (_, result, scores) = check(&client, question("twice", "noise", [unit("block#1", 3)])).await;
    check_scores(&scores, 0, &files, &max("block#1", 3));
    // A layer that nobody asked about needs a pass, and so does another reducer.
    assert_eq!(result.scored, 0);
    let other = RankSpec { reducer: Reducer::Mean.into(), ..question("twice", "noise", [unit("mix", 0)]) };
    assert_eq!(check(&client, other).await.1.scored, 20);
}

#[tokio::test]
async fn a_second_question_is_answered_at_once_and_alike() {
    let album = Album::of(&noises(700, 20, SIDE, 2));
    album.settle();
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup::new().index(folder.path()).dataset("noise", album.location()).start();
    let spec = RankSpec { bottom_k: Some(4), ..question("twice", "noise", [unit("conv1", 1)]) };
    let first = {
        let server = setup();
        let client = server.client().await;
        let waiting = client.submit_rank(spec.clone()).await.unwrap();
        assert!(waiting.result.is_none(), "its scores are not known yet");
        // Others may see its scores before it has put them on disk.
        client.wait(&waiting.name).await;
        let (job, first) = client.rank(spec.clone()).await;
        let made = job.provenance.unwrap();
        assert_eq!(
            (made.model.as_str(), made.device.as_str(), made.model_digest.len()),
            ("twice", "cpu", 64)
        );
        assert!(made.plugins.is_empty(), "no plugin takes part");
        assert_eq!(check_at_once(&client, spec.clone()).await.units, first.units);
        check_events(&client, &client.submit_rank(spec.clone()).await.unwrap()).await;
        let Some(Spec::Rank(filled)) = job.spec else { panic!("the spec is there") };
        assert_eq!(
            (filled.top_k, filled.reducer(), filled.units[0].label.as_str()),
            (Some(9), Reducer::Max, "conv1:1")
        );
        assert_eq!(
            check_at_once(&client, filled).await.units,
            first.units,
            "a filled-in spec means the same"
        );
        // The same layer under another name is the same table.
        let renamed = question("twice", "noise", [unit("CONV1", 1)]);
        let renamed = check_at_once(&client, RankSpec { bottom_k: Some(4), ..renamed }).await;
        assert_eq!(renamed.units, first.units);
        first
        // The server is killed here: what a job has ended with is on disk.
    };
    let server = setup();
    let client = server.client().await;
    let again = check_at_once(&client, spec.clone()).await;
    assert_eq!((again.images, &again.units), (20, &first.units));
    let twice = check_at_once(&client, RankSpec { top_k: Some(3), ..spec }).await;
    assert_eq!(twice.units[0].groups[0].hits, again.units[0].groups[0].hits[..3]);
}

/// Whoever follows a job that was answered at once sees all images done.
async fn check_events(client: &Client, job: &Job) {
    let events = client.events(&job.name, 0).await;
    let numbered: Vec<u64> = events.iter().map(|event| event.sequence).filter(|number| *number > 0).collect();
    assert_eq!(numbered, (1..=job.last_sequence).collect::<Vec<_>>());
    let told = events.iter().filter_map(|event| match &event.event {
        Some(Event::RankProgress(progress)) => {
            Some((progress.images, progress.total_images, progress.scored))
        }
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(20, 20, 0)]);
    assert_eq!((job.steps_done, job.steps_total), (20, 20));
}

#[tokio::test]
async fn images_that_are_new_or_changed_are_scored_alone() {
    let files = noises(800, 20, SIDE, 2);
    let album = Album::of(&files);
    album.settle();
    let server = server(&album);
    let client = server.client().await;
    let spec = question("twice", "noise", [unit("conv1", 1)]);
    let scored = async |refresh: bool| {
        let (_, result, scores) = check(&client, RankSpec { refresh, ..spec.clone() }).await;
        (result.images, result.scored, scores.by_path(0).into_keys().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!((20, 20), (scored(false).await.0, 20));
    for (path, bytes) in noises(900, 3, SIDE, 2) {
        album.write(&path, &bytes);
    }
    let (images, new, paths) = scored(false).await;
    assert_eq!((images, new), (23, 3));
    assert!(paths.contains(&"class0/900.png".to_owned()), "{paths:?}");
    // The same bytes under another path, and under another class, are known already.
    album.write("class7/again.png", &files[3].1);
    assert_eq!(scored(false).await.1, 0);
    album.write(&files[5].0, &png(&noise(999, SIDE, SIDE)));
    let (images, new, _) = scored(true).await;
    assert_eq!((images, new), (24, 1));
    let changed = [(files[5].0.clone(), png(&noise(999, SIDE, SIDE)))];
    let (_, _, scores) = check(&client, spec.clone()).await;
    let expected = look("twice", "conv1", &changed).select(1, 1).amax([1, 2].as_slice(), false);
    let (found, expected) = (scores.by_path(0)[changed[0].0.as_str()], expected.double_value(&[0]) as f32);
    assert!((found - expected).abs() < 1e-4 * expected.abs(), "{found}, not {expected}");
    album.remove(&files[6].0);
    let (images, new, paths) = scored(false).await;
    assert_eq!((images, new), (23, 0));
    assert!(!paths.contains(&files[6].0), "{paths:?}");
}

#[tokio::test]
async fn units_are_called_by_their_labels() {
    let album = Album::of(&noises(1000, 5, SIDE, 1));
    let server = server(&album);
    let client = server.client().await;
    let at = Some(Position { row: 2, column: 3 });
    let named = |unit: RankUnit, label: &str| RankUnit { label: label.to_owned(), ..unit };
    let units = [
        unit("conv1", 1),
        RankUnit { position: at, ..unit("conv1", 1) },
        direction("conv1", &[(0, 1.0)]),
        RankUnit { position: at, ..direction("conv1", &[(0, 1.0)]) },
        unit("conv1", 1),
        named(unit("conv1", 1), "mine"),
        named(unit("conv1", 2), "mine"),
        named(unit("conv1", 3), "conv1:1 (2)"),
    ];
    let (job, result, _) = check(&client, question("twice", "noise", units)).await;
    let labels: Vec<&str> = result.units.iter().map(|unit| unit.label.as_str()).collect();
    let expected = [
        "conv1:1",
        "conv1:1@2,3",
        "conv1:direction",
        "conv1:direction@2,3",
        "conv1:1 (2)",
        "mine",
        "mine (2)",
        "conv1:1 (2) (2)",
    ];
    assert_eq!(labels, expected);
    let Some(Spec::Rank(spec)) = job.spec else { panic!("the spec is there") };
    assert_eq!(spec.units.iter().map(|unit| unit.label.as_str()).collect::<Vec<_>>(), expected);
    let by_label: BTreeMap<&str, _> =
        result.units.iter().map(|unit| (unit.label.as_str(), &unit.groups)).collect();
    assert_eq!(by_label["conv1:1"], by_label["conv1:1 (2)"]);
    assert_eq!(by_label["conv1:1"], by_label["mine"]);
    assert_ne!(by_label["mine"], by_label["mine (2)"]);
}
