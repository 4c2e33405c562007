//! What comes with a ranking: pictures of its hits, and the files that say the same for other programs.

use crate::support::album::{flat, jpeg, noise, noises, png};
use crate::support::ranking::{Scores, direction, percentiles, question, scores_between, unit};
use crate::support::{Album, Client, Setup};
use image::RgbImage;
use serde_json::Value;
use tonic_types::StatusExt;
use unitscope_proto::v1::hit_group::Kind;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::{
    Artifact, Hit, HitPictures, Position, RankRequest, RankResult, RankSpec, RankUnit,
};

async fn text(client: &Client, artifact: Option<&Artifact>, media_type: &str) -> String {
    let artifact = artifact.expect("the file is there");
    assert_eq!(artifact.media_type, media_type);
    let bytes = client.bytes(artifact).await;
    assert_eq!(bytes.len() as i64, artifact.size_bytes);
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn json_and_csv_say_what_the_message_says() {
    let mut files = noises(1, 30, 16, 13);
    files.push(("lost, \"quoted\".png".to_owned(), png(&noise(77, 16, 16))));
    files.push(("class0/broken.png".to_owned(), b"GIF".to_vec()));
    let album = Album::of(&files);
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let at = RankUnit { position: Some(Position { row: 1, column: 2 }), ..unit("conv1", 4) };
    let units = [unit("conv1", 1), unit("fc", 0), direction("conv1", &[(0, 1.0), (3, -0.5)]), at];
    let spec = RankSpec {
        top_k: Some(40),
        bottom_k: Some(2),
        bands: vec![percentiles(45.0, 55.0, 3), scores_between(-0.5, 0.25, 2)],
        ..question("twice", "noise", units)
    };
    let (job, result) = client.rank(spec).await;
    assert_eq!((result.images, result.skipped), (31, 1));
    let json: Value =
        serde_json::from_str(&text(&client, result.json.as_ref(), "application/json").await).unwrap();
    assert_eq!((&json["model"], &json["dataset"]), (&"twice".into(), &"noise".into()));
    assert_eq!(json["model_digest"], job.provenance.unwrap().model_digest);
    assert_eq!((&json["images"], &json["skipped"]), (&31.into(), &1.into()));
    assert_eq!(json["skipped_images"][0]["path"], "class0/broken.png");
    assert_eq!(json["skipped_images"][0]["reason"], result.skipped_images[0].reason);
    let csv = text(&client, result.csv.as_ref(), "text/csv").await;
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("unit,pick,nth,image,path,class,score,rank,percentile,row,column,top,left,bottom,right")
    );
    let picks = ["top", "bottom", "45..55 %", "-0.5..0.25"];
    for (unit, written) in result.units.iter().zip(json["units"].as_array().unwrap()) {
        assert_eq!(written["label"], unit.label);
        check_statistics(unit.statistics.as_ref().unwrap(), &written["statistics"]);
        assert_eq!(unit.groups.len(), 4);
        for ((group, written), pick) in
            unit.groups.iter().zip(written["groups"].as_array().unwrap()).zip(picks)
        {
            assert_eq!(written["pick"], pick);
            let written = written["hits"].as_array().unwrap();
            assert_eq!(written.len(), group.hits.len());
            for ((hit, json), nth) in group.hits.iter().zip(written).zip(1..) {
                check_json(hit, json);
                check_line(&[unit.label.as_str(), pick, &format!("{nth}")], hit, lines.next().unwrap());
            }
        }
    }
    assert_eq!(lines.next(), None);
}

fn check_statistics(found: &unitscope_proto::v1::UnitStatistics, json: &Value) {
    let number = |name: &str| json[name].as_f64().unwrap();
    assert!(near(number("mean"), found.mean) && near(number("deviation"), found.deviation), "{json}");
    assert_eq!((number("min") as f32, number("max") as f32), (found.min, found.max));
    assert_eq!((&json["count"], &json["not_a_number"]), (&found.count.into(), &0.into()));
    assert!(near(number("share_above_zero"), found.share_above_zero), "{json}");
    assert_eq!(json["dead"], found.dead);
    assert_eq!(json["histogram"], Value::from(found.histogram.clone()));
    let means = json["class_means"].as_array().unwrap();
    assert_eq!(
        (means.len(), found.classes, found.class_means.len()),
        (13, 13, 10),
        "the file has all classes"
    );
    for (mean, json) in found.class_means.iter().zip(means) {
        assert_eq!((&json["class"], &json["count"]), (&mean.class.as_str().into(), &mean.count.into()));
        assert!(near(json["mean"].as_f64().unwrap(), mean.mean), "{json}");
    }
}

/// Equal but for the last bit, which the JSON reader may read wrong.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-15 * (1.0 + b.abs()) * 4.0
}

fn check_json(hit: &Hit, json: &Value) {
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    assert_eq!(
        (text("image"), text("path"), text("class")),
        (hit.image.as_str(), hit.path.as_str(), hit.class.as_str())
    );
    assert_eq!(json["class"].is_null(), hit.class.is_empty());
    assert_eq!(json["score"].as_f64().map(|score| score as f32), Some(hit.score));
    assert_eq!(json["rank"], hit.rank);
    assert!(near(json["percentile"].as_f64().unwrap(), hit.percentile), "{json}");
    let number = |json: &Value| json.as_u64().map(|number| number as u32);
    let position = number(&json["position"]["row"]).zip(number(&json["position"]["column"]));
    assert_eq!(position, hit.position.map(|position| (position.row, position.column)));
    let window = hit.window.unwrap();
    for (name, side) in
        [("top", window.top), ("left", window.left), ("bottom", window.bottom), ("right", window.right)]
    {
        assert_eq!(number(&json["window"][name]), Some(side));
    }
}

fn check_line(first: &[&str], hit: &Hit, line: &str) {
    let quoted = |text: &str| {
        if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let position = hit.position.map_or(",".to_owned(), |at| format!("{},{}", at.row, at.column));
    let window = hit.window.unwrap();
    let start = [
        first.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(","),
        hit.image.clone(),
        quoted(&hit.path),
    ];
    let expected = format!(
        "{},{},{},{},{},{position},{},{},{},{}",
        start.join(","),
        hit.class,
        hit.score,
        hit.rank,
        hit.percentile,
        window.top,
        window.left,
        window.bottom,
        window.right
    );
    assert_eq!(line, expected);
}

async fn decoded(client: &Client, artifact: Option<&Artifact>) -> RgbImage {
    let artifact = artifact.expect("the picture is there");
    assert_eq!(artifact.media_type, "image/png");
    let picture = image::load_from_memory(&client.bytes(artifact).await).unwrap();
    assert_eq!((picture.width(), picture.height()), (artifact.width, artifact.height));
    picture.into_rgb8()
}

fn hits(result: &RankResult) -> impl Iterator<Item = &Hit> {
    result.units.iter().flat_map(|unit| &unit.groups).flat_map(|group| &group.hits)
}

#[tokio::test]
async fn thumbnails_crops_and_heat_maps_show_what_they_say() {
    let mut files: Vec<(String, Vec<u8>)> = (0..6)
        .map(|seed| (format!("a/{seed}.jpg"), jpeg(&noise(seed, 100 + 20 * seed as u32, 80))))
        .collect();
    files.push(("b/small.png".to_owned(), png(&noise(9, 20, 30))));
    let album = Album::of(&files);
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let pictures =
        |thumbnails, crops, heat_maps, side| Some(HitPictures { thumbnails, crops, heat_maps, side });
    let units = [unit("conv2", 3), unit("block3", 5), unit("logits", 2)];
    let spec = RankSpec { top_k: Some(4), bottom_k: Some(1), ..question("demo", "noise", units) };
    let (_, bare) = client.rank(spec.clone()).await;
    assert!(hits(&bare).all(|hit| hit.thumbnail.is_none() && hit.crop.is_none() && hit.heat_map.is_none()));
    let (job, whole) =
        client.rank(RankSpec { pictures: pictures(true, true, true, Some(64)), ..spec.clone() }).await;
    assert_eq!((job.state(), whole.scored), (State::Succeeded, 0));
    for (hit, bare) in hits(&whole).zip(hits(&bare)) {
        let plain = Hit { thumbnail: None, crop: None, heat_map: None, ..hit.clone() };
        assert_eq!(&plain, bare, "pictures change nothing else");
        let seen = decoded(&client, hit.thumbnail.as_ref()).await;
        assert_eq!(seen.dimensions(), (64, 64), "what the network sees");
        let window = hit.window.unwrap();
        assert!(
            window.top < window.bottom
                && window.bottom <= 64
                && window.left < window.right
                && window.right <= 64
        );
        let (width, height) = (window.right - window.left, window.bottom - window.top);
        let part = image::imageops::crop_imm(&seen, window.left, window.top, width, height).to_image();
        assert!(
            part == decoded(&client, hit.crop.as_ref()).await,
            "a crop is the window of what the network sees: {hit:?}"
        );
    }
    for hit in whole.units[..2].iter().flat_map(|unit| &unit.groups).flat_map(|group| &group.hits) {
        assert!(hit.position.is_some());
        let (seen, map) =
            (decoded(&client, hit.thumbnail.as_ref()).await, decoded(&client, hit.heat_map.as_ref()).await);
        assert_eq!(map.dimensions(), (64, 64));
        assert!(map != seen, "{hit:?}");
    }
    check_hottest(&client, &whole).await;
    check_windows(&whole);
    let (_, tiny) =
        client.rank(RankSpec { pictures: pictures(true, false, true, Some(16)), ..spec.clone() }).await;
    for hit in hits(&tiny) {
        assert_eq!(decoded(&client, hit.thumbnail.as_ref()).await.dimensions(), (16, 16));
        assert!(hit.crop.is_none());
        assert!(hit.heat_map.as_ref().is_none_or(|map| (map.width, map.height) == (16, 16)));
    }
    let (_, usual) = client.rank(RankSpec { pictures: pictures(true, false, false, None), ..spec }).await;
    assert!(hits(&usual).all(|hit| hit.thumbnail.as_ref().is_some_and(|picture| picture.width == 64)));
}

/// Units of an early layer see parts, those of the output everything.
fn check_windows(whole: &RankResult) {
    let small = &whole.units[0].groups[0]
        .hits
        .iter()
        .chain(&whole.units[0].groups[1].hits)
        .next()
        .unwrap()
        .window
        .unwrap();
    assert!(small.bottom - small.top < 64, "a unit of an early layer sees a part: {small:?}");
    let logits = whole.units[2].groups.iter().flat_map(|group| &group.hits);
    for hit in logits {
        let window = hit.window.unwrap();
        assert_eq!((window.top, window.left, window.bottom, window.right), (0, 0, 64, 64));
        assert!(hit.heat_map.is_none(), "a layer without positions has no map");
    }
}

/// The map is the most colourful about where the score was reached.
async fn check_hottest(client: &Client, result: &RankResult) {
    // `conv2` of the demo model has 32 × 32 positions, and its largest units fire at single places.
    for hit in &result.units[0].groups[0].hits {
        let map = decoded(client, hit.heat_map.as_ref()).await;
        let at = hit.position.unwrap();
        let colour = |x: u32, y: u32| {
            let image::Rgb([red, green, blue]) = *map.get_pixel(x.min(63), y.min(63));
            u32::from(red.max(green).max(blue) - red.min(green).min(blue))
        };
        let there = (0..4).map(|nth| colour(at.column * 2 + nth % 2, at.row * 2 + nth / 2)).max().unwrap();
        let all: Vec<u32> = (0..64 * 64).map(|pixel| colour(pixel % 64, pixel / 64)).collect();
        let less = all.iter().filter(|colour| **colour <= there).count();
        assert!(
            less as f64 > 0.95 * all.len() as f64,
            "{there} at {at:?} is more than {less} of {}",
            all.len()
        );
    }
}

#[tokio::test]
async fn a_manifest_may_leave_classes_open() {
    let album = Album::of(&noises(50, 6, 16, 1));
    album.write("list.csv", b"path,class\nclass0/50.png,one\nclass0/51.png,\nclass0/52.png,two words\nclass0/53.png,one\n./class0/54.png,  \n");
    let server = Setup::new().dataset("listed", album.path().join("list.csv").display()).start();
    let client = server.client().await;
    let spec = RankSpec { return_scores: true, ..question("twice", "listed", [unit("conv1", 1)]) };
    let (_, result) = client.rank(spec.clone()).await;
    let scores = Scores::of(&client, &result).await;
    scores.check(&spec, &result);
    let mut classes: Vec<_> =
        scores.images.iter().map(|[_, path, class]| (path.as_str(), class.as_str())).collect();
    classes.sort_unstable();
    assert_eq!(
        classes,
        [
            ("class0/50.png", "one"),
            ("class0/51.png", ""),
            ("class0/52.png", "two words"),
            ("class0/53.png", "one"),
            ("class0/54.png", "")
        ]
    );
    assert_eq!(result.units[0].statistics.as_ref().unwrap().classes, 2);
    let (_, two) = client.rank(RankSpec { classes: vec!["two words".to_owned()], ..spec.clone() }).await;
    assert_eq!(
        two.units[0].groups[0].hits.iter().map(|hit| hit.path.as_str()).collect::<Vec<_>>(),
        ["class0/52.png"]
    );
    let status = client.submit_rank(RankSpec { classes: vec![String::new()], ..spec }).await.unwrap_err();
    crate::support::check_violations(&status, &["spec.classes[0]"], &["`listed`", "no class"]);
}

#[tokio::test]
async fn what_finds_no_room_in_the_message_is_in_the_files() {
    let long = "x".repeat(200);
    let files: Vec<(String, Vec<u8>)> =
        (0..32_u8).map(|nth| (format!("{long}/{long}{nth}.png"), png(&flat([nth, 2, 3], 16, 16)))).collect();
    let album = Album::of(&files);
    let server = Setup::new().dataset("long", album.location()).start();
    let client = server.client().await;
    let units = (0..256).map(|nth| unit("conv1", nth % 6));
    let (_, result) = client.rank(RankSpec { top_k: Some(32), ..question("twice", "long", units) }).await;
    assert!(result.truncated);
    assert_eq!(result.units.len(), 256);
    assert!(!result.units[0].groups.is_empty() && result.units[255].groups.is_empty());
    assert!(result.units.iter().all(|unit| unit.statistics.as_ref().is_some_and(|found| found.count == 32)));
    let csv = text(&client, result.csv.as_ref(), "text/csv").await;
    assert_eq!(csv.lines().count(), 1 + 256 * 32);
    let few = RankSpec { top_k: Some(1), ..question("twice", "long", [unit("conv1", 0)]) };
    assert!(!client.rank(few).await.1.truncated);
}

#[tokio::test]
async fn a_repeated_question_gives_the_first_job() {
    let album = Album::of(&noises(60, 5, 16, 1));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let ask = |request_id: &str, spec: RankSpec| {
        let request = RankRequest { spec: Some(spec), request_id: request_id.to_owned() };
        let mut visualization = client.visualization.clone();
        async move { visualization.rank(request).await.map(tonic::Response::into_inner) }
    };
    let spec = question("twice", "noise", [unit("conv1", 1)]);
    let id = "6f1c1f0e-3a52-4f5e-9d0a-2f0c63a3d0b1";
    let first = ask(id, spec.clone()).await.unwrap();
    client.wait(&first.name).await;
    let again = ask(id, spec.clone()).await.unwrap();
    assert_eq!((&again.name, again.request_id.as_str()), (&first.name, id));
    assert_eq!(again.state(), State::Succeeded, "it has ended meanwhile");
    assert!(again.result.is_some());
    let status = ask(id, RankSpec { top_k: Some(1), ..spec.clone() }).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "REQUEST_ID_REUSED");
    // Also of one that was answered at once.
    let other = "0b8e51f5-6a0a-4a2f-a4f3-7d4a9d0c8f11";
    let answered = ask(other, spec.clone()).await.unwrap();
    assert_eq!((answered.state(), answered.name == first.name), (State::Succeeded, false));
    let (one, two) = tokio::join!(ask(other, spec.clone()), ask(other, spec.clone()));
    assert_eq!([one.unwrap().name, two.unwrap().name], [answered.name.clone(), answered.name]);
    assert_ne!(
        ask("", spec.clone()).await.unwrap().name,
        ask("", spec).await.unwrap().name,
        "without an id each is its own"
    );
}

#[tokio::test]
async fn nothing_asked_for_is_nothing_given() {
    let album = Album::of(&noises(70, 5, 16, 1));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let spec = RankSpec { top_k: Some(0), ..question("twice", "noise", [unit("conv1", 1)]) };
    let (_, result) = client.rank(spec.clone()).await;
    assert!(result.units[0].groups.is_empty() && result.scores.is_none() && result.images_csv.is_none());
    assert_eq!(result.units[0].statistics.as_ref().unwrap().count, 5);
    let (_, bottom) = client.rank(RankSpec { bottom_k: Some(2), ..spec }).await;
    assert_eq!(bottom.units[0].groups.iter().map(|group| group.kind()).collect::<Vec<_>>(), [Kind::Bottom]);
}
