//! Evidence cards: real images and made pictures of a unit, on one scale, as a page and as a picture.

use crate::support::album::{noise, noises, png};
use crate::support::client::steps;
use crate::support::ranking::{Scores, direction, question, unit};
use crate::support::{Album, Client, Setup, check_violations};
use tonic::Code;
use tonic_types::StatusExt;
use unitscope_proto::v1::card_picture::Kind;
use unitscope_proto::v1::job::{Result as JobResult, Spec, State};
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::{
    CardPicture, CardResult, CardSpec, Job, Position, RankSpec, RankUnit, Reducer, RenderCardRequest,
};

fn spec(units: impl IntoIterator<Item = RankUnit>) -> CardSpec {
    CardSpec {
        model: "demo".to_owned(),
        dataset: "noise".to_owned(),
        units: units.into_iter().collect(),
        k: Some(3),
        steps: Some(16),
        diverse: Some(2),
        ..CardSpec::default()
    }
}

async fn card(client: &Client, spec: CardSpec) -> (Job, CardResult) {
    let job = client.card(spec).await.unwrap_or_else(|status| panic!("refused: {status:?}"));
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let Some(JobResult::CardResult(result)) = job.result.clone() else { panic!("no card: {job:?}") };
    (job, result)
}

/// Loads nothing, runs nothing, and names what it is about.
async fn check_page(client: &Client, result: &CardResult, words: &[&str]) {
    let html = result.html.as_ref().expect("every card has a page");
    assert_eq!(html.media_type, "text/html");
    let page = String::from_utf8(client.bytes(html).await).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") || page.starts_with("<!doctype html>"), "{}", &page[..50]);
    assert!(page.trim_end().ends_with("</html>"));
    let lower = page.to_lowercase();
    for never in ["<script", "javascript:", "<iframe", "<link", "@import", "onload=", "onerror="] {
        assert!(!lower.contains(never), "the page holds `{never}`");
    }
    for attribute in ["src=", "href=", "srcset=", "url("] {
        for (at, _) in lower.match_indices(attribute) {
            let value = lower[at + attribute.len()..].trim_start_matches(['"', '\'']);
            assert!(
                value.starts_with("data:image/png;base64,") || value.starts_with('#'),
                "{attribute}{}",
                &value[..40]
            );
        }
    }
    for word in words {
        assert!(page.contains(word), "the page does not say `{word}`");
    }
    let pictures = page.matches("data:image/png;base64,").count();
    assert!(pictures >= result.pictures.len(), "{pictures} pictures on the page");
    let alternatives = lower.matches("<img").count();
    assert_eq!(
        lower.matches(" alt=").count(),
        alternatives,
        "every picture has words for those who do not see it"
    );
}

async fn check_sheet(client: &Client, result: &CardResult) {
    let sheet = result.png.as_ref().expect("a small card has a picture");
    let picture = image::load_from_memory(&client.bytes(sheet).await).unwrap();
    assert_eq!((picture.width(), picture.height()), (sheet.width, sheet.height));
    assert!(picture.width() > 400 && picture.height() > 400, "{} × {}", picture.width(), picture.height());
}

/// What it claims is what the ranking beside it says.
fn check_certificates(result: &CardResult, kinds: &[Kind]) {
    let ranking = result.ranking.as_ref().expect("a card holds its ranking");
    assert_eq!(result.pictures.len(), ranking.units.len() * kinds.len());
    for (unit, pictures) in ranking.units.iter().zip(result.pictures.chunks(kinds.len())) {
        let statistics = unit.statistics.as_ref().unwrap();
        assert_eq!(pictures.iter().map(CardPicture::kind).collect::<Vec<_>>(), kinds);
        for picture in pictures {
            assert_eq!(picture.unit, unit.label);
            let (score, high, low) = (picture.score, f64::from(statistics.max), f64::from(statistics.min));
            let beats = if picture.kind() == Kind::Negative { score < low } else { score > high };
            assert_eq!(picture.beats_all, beats, "{score} beside {low} … {high}: {picture:?}");
            assert!((0.0..=100.0).contains(&picture.percentile), "{picture:?}");
            assert_eq!(picture.percentile == 100.0, score > high, "{picture:?}");
            assert_eq!(picture.percentile == 0.0, score < low, "{picture:?}");
        }
        let [positive, negative] = [&pictures[0], &pictures[1]];
        assert!(positive.score > negative.score, "{positive:?} {negative:?}");
    }
}

#[tokio::test]
async fn a_card_shows_images_and_pictures_on_one_scale() {
    let album = Album::of(&noises(1, 24, 64, 3));
    album.write("class0/broken.png", b"no picture");
    let made = Album::new();
    let server = Setup::new().dataset("noise", album.location()).dataset("made", made.location()).start();
    let client = server.client().await;
    let at = RankUnit { position: Some(Position { row: 4, column: 5 }), ..unit("block4:pre", 7) };
    let units = vec![unit("logits", 3), unit("conv2", 2), at];
    let (job, result) = card(&client, spec(units.clone())).await;
    check_certificates(&result, &[Kind::Positive, Kind::Negative, Kind::Diverse, Kind::Diverse]);
    check_page(
        &client,
        &result,
        &["demo", "noise", "logits:3", "conv2:2", "block4:pre:7@4,5", "dots", "24 scored", "unitscope card"],
    )
    .await;
    check_sheet(&client, &result).await;
    let ranking = result.ranking.as_ref().unwrap();
    assert_eq!((ranking.images, ranking.skipped, ranking.scored), (24, 1, 24));
    for unit in &ranking.units {
        assert_eq!(unit.groups.len(), 3);
        assert!(unit.groups.iter().all(|group| !group.hits.is_empty() && group.hits.len() <= 3));
        assert!(
            unit.groups
                .iter()
                .flat_map(|group| &group.hits)
                .all(|hit| hit.thumbnail.is_some() && hit.crop.is_some())
        );
    }
    check_measured(&client, &made, &units, &result).await;
    let Some(Spec::Card(filled)) = &job.spec else { panic!("the spec is there") };
    assert_eq!((filled.k, filled.steps, filled.seed, filled.diverse), (Some(3), Some(16), Some(0), Some(2)));
    let (_, again) = card(&client, filled.clone()).await;
    let scores =
        |result: &CardResult| result.pictures.iter().map(|picture| picture.score).collect::<Vec<_>>();
    assert_eq!(scores(&again), scores(&result), "a filled-in spec means the same");
    assert_eq!(again.ranking.unwrap().scored, 0);
    check_events(&client, &job).await;
}

/// Progress of the ranking comes first, then steps up to the last.
async fn check_events(client: &Client, job: &Job) {
    let events = client.events(&job.name, 0).await;
    let made = steps(&events);
    assert_eq!((job.steps_done, job.steps_total), (48, 48), "16 for each of three units");
    let numbers: Vec<u32> = made.iter().map(|step| step.step).collect();
    assert_eq!(numbers, (1..=48).collect::<Vec<_>>());
    assert!(made.iter().all(|step| step.total_steps == 48 && step.scores.len() == 4));
    let is_step = |event: &Event| matches!(event, Event::Step(_));
    let first = events.iter().filter_map(|event| event.event.as_ref()).position(is_step).unwrap();
    let is_rank = |event: &Event| matches!(event, Event::RankProgress(_));
    let ranks: Vec<usize> = events
        .iter()
        .filter_map(|event| event.event.as_ref())
        .enumerate()
        .filter(|(_, event)| is_rank(event))
        .map(|(place, _)| place)
        .collect();
    assert!(!ranks.is_empty() && ranks.iter().all(|place| *place < first), "{ranks:?} before {first}");
    let numbered: Vec<u64> =
        events.iter().map(|event| event.sequence).filter(|sequence| *sequence > 0).collect();
    assert_eq!(numbered, (1..=job.last_sequence).collect::<Vec<_>>());
}

/// Whoever ranks the pictures' own files finds the scores that the card says, but for what PNG rounds.
async fn check_measured(client: &Client, made: &Album, units: &[RankUnit], result: &CardResult) {
    for (place, picture) in result.pictures.iter().enumerate() {
        let image = picture.image.as_ref().unwrap();
        let bytes = client.png(image).await;
        let size = image::load_from_memory(&bytes).unwrap();
        assert_eq!((size.width(), size.height()), (64, 64), "as large as the network's input");
        made.write(&format!("{place}.png"), &bytes);
    }
    let asked = RankSpec { return_scores: true, ..question("demo", "made", units.to_vec()) };
    let (_, ranked) = client.rank(asked).await;
    let scores = Scores::of(client, &ranked).await;
    let each = result.pictures.len() / units.len();
    for (place, picture) in result.pictures.iter().enumerate() {
        let found = scores.by_path(place / each)[format!("{place}.png").as_str()];
        let statistics = result.ranking.as_ref().unwrap().units[place / each].statistics.as_ref().unwrap();
        let scale = picture.score.abs().max(f64::from(statistics.max - statistics.min));
        assert!(
            (f64::from(found) - picture.score).abs() <= 0.02 * scale,
            "{found} is not {} of {scale}",
            picture.score
        );
    }
}

#[tokio::test]
async fn a_card_follows_its_reducer_title_and_counts() {
    let album = Album::of(&noises(100, 10, 64, 2));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    for reducer in [Reducer::Mean, Reducer::Centre] {
        let wanted = CardSpec {
            reducer: reducer.into(),
            diverse: Some(0),
            title: "Why <b>this</b> & that?".to_owned(),
            ..spec([unit("block5", 11)])
        };
        let (_, result) = card(&client, wanted).await;
        check_certificates(&result, &[Kind::Positive, Kind::Negative]);
        check_page(&client, &result, &["Why &#60;b&#62;this&#60;/b&#62; &#38; that?"]).await;
        let asked = RankSpec {
            reducer: reducer.into(),
            top_k: Some(3),
            ..question("demo", "noise", [unit("block5", 11)])
        };
        let (_, ranked) = client.rank(asked).await;
        assert_eq!(ranked.scored, 0);
        assert_eq!(ranked.units[0].statistics, result.ranking.unwrap().units[0].statistics);
    }
}

/// Sends what `change` makes of a good card; the violations must name exactly `fields`, and say `words` of the first.
async fn check_wrong(client: &Client, fields: &[&str], words: &[&str], change: impl FnOnce(&mut CardSpec)) {
    let mut spec = spec([unit("logits", 3), unit("conv2", 2)]);
    change(&mut spec);
    let status = client.card(spec).await.expect_err(&format!("a wrong {fields:?} is taken"));
    check_violations(&status, fields, words);
}

#[tokio::test]
async fn wrong_cards_are_refused() {
    let album = Album::of(&noises(200, 3, 64, 1));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = &server.client().await;
    check_wrong(client, &["spec.units"], &["required"], |spec| spec.units.clear()).await;
    let many = |spec: &mut CardSpec| spec.units = (0..33).map(|channel| unit("block5", channel)).collect();
    check_wrong(client, &["spec.units"], &["33", "32"], many).await;
    let along = |spec: &mut CardSpec| spec.units[1] = direction("conv2", &[(0, 1.0)]);
    check_wrong(client, &["spec.units[1].direction"], &["channels"], along).await;
    check_wrong(client, &["spec.units[1]"], &["twice"], |spec| spec.units[1] = unit("logits", 3)).await;
    check_wrong(client, &["spec.units[1].layer"], &["`conv`", "conv1"], |spec| {
        spec.units[1] = unit("conv", 3)
    })
    .await;
    check_wrong(client, &["spec.units[0].channel"], &["16"], |spec| spec.units[0] = unit("logits", 16)).await;
    check_wrong(client, &["spec.diverse"], &["1"], |spec| spec.diverse = Some(1)).await;
    check_wrong(client, &["spec.diverse"], &["9", "8"], |spec| spec.diverse = Some(9)).await;
    check_wrong(client, &["spec.k"], &["0"], |spec| spec.k = Some(0)).await;
    check_wrong(client, &["spec.k"], &["17", "16"], |spec| spec.k = Some(17)).await;
    check_wrong(client, &["spec.steps"], &["15", "16"], |spec| spec.steps = Some(15)).await;
    check_wrong(client, &["spec.steps"], &["4294967295"], |spec| spec.steps = Some(u32::MAX)).await;
    check_wrong(client, &["spec.title"], &["129"], |spec| spec.title = "x".repeat(129)).await;
    check_wrong(client, &["spec.reducer"], &["9"], |spec| spec.reducer = 9).await;
    check_wrong(client, &["spec.model"], &["required"], |spec| spec.model.clear()).await;
    let unknown =
        client.card(CardSpec { dataset: "nose".to_owned(), ..spec([unit("logits", 3)]) }).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.message().contains("`noise`")),
        (Code::NotFound, true),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_card_can_be_cancelled_and_asked_for_again() {
    let mut files = noises(300, 6, 64, 2);
    files.push(("class0/odd.png".to_owned(), png(&noise(399, 70, 90))));
    let album = Album::of(&files);
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let ask = |request_id: &str, spec: CardSpec| {
        let request = RenderCardRequest { spec: Some(spec), request_id: request_id.to_owned() };
        let mut cards = client.cards.clone();
        async move { cards.render_card(request).await.map(tonic::Response::into_inner) }
    };
    let long = CardSpec { steps: Some(50_000), ..spec([unit("conv2", 2), unit("conv2", 3)]) };
    let id = "6f1c1f0e-3a52-4f5e-9d0a-2f0c63a3d0b1";
    let first = ask(id, long.clone()).await.unwrap();
    assert_eq!(ask(id, long.clone()).await.unwrap().name, first.name);
    let status = ask(id, CardSpec { seed: Some(2), ..long }).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "REQUEST_ID_REUSED");
    client.follow(&first.name, 0).await.unwrap().until_step(2).await;
    let asked = client.cancel(&first.name).await;
    let job = client.wait(&first.name).await;
    assert_eq!(job.state(), State::Cancelled);
    assert!(job.result.is_none() && job.steps_done <= asked.steps_done + 1, "{job:?}");
    // Its ranking is kept, like any.
    let (_, ranked) = client.rank(question("demo", "noise", [unit("conv2", 9)])).await;
    assert_eq!((ranked.images, ranked.scored), (7, 0));
}
