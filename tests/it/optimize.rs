//! The whole path on the demo model: terms out of loaded libraries move their scores, and pictures, the right way.

use crate::support::client::steps;
use crate::support::{Client, Server, images, spec, term};
use serde_json::{Value, json};
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{
    GetTermRequest, ImageSize, ListTermsRequest, OptimizeSpec, OptimizedImage, Optimizer, Term, optimizer,
    term_info::Kind,
};

/// Enough that a score clearly moves, few enough for a debug build.
const STEPS: u32 = 24;

fn demo(terms: impl IntoIterator<Item = Term>) -> OptimizeSpec {
    OptimizeSpec { steps: Some(STEPS), ..spec("demo", terms) }
}

fn weighted(weight: f64, id: &str, params: Value) -> Term {
    Term { weight: Some(weight), ..term(id, params) }
}

/// A term that is measured without having a say.
fn measured(id: &str, params: Value) -> Term {
    weighted(1e-9, id, params)
}

/// The value of a term on the finished picture.
fn value(image: &OptimizedImage, term: usize) -> f64 {
    image.terms[term].values[0]
}

#[tokio::test]
async fn every_objective_climbs() {
    let server = Server::start();
    let client = server.client().await;
    for (id, params) in [
        ("unit", json!({"layer": "conv2", "channel": 4})),
        ("unit", json!({"layer": "block3", "channel": 3, "row": 2, "column": 13})),
        ("unit", json!({"layer": "logits", "channel": 5})),
        ("channel", json!({"layer": "conv1", "channel": 3})),
        ("channel", json!({"layer": "block4.second", "channel": 7})),
        ("channel", json!({"layer": "block5:pre", "channel": 40})),
        ("layer", json!({"layer": "conv2"})),
        ("layer", json!({"layer": "logits"})),
        ("negative", json!({"layer": "conv2", "channel": 3})),
        ("negative", json!({"layer": "logits", "channel": 5})),
    ] {
        let image = client.make(demo([term(id, params.clone())])).await.remove(0);
        assert_eq!((image.outcome(), image.steps), (Outcome::Completed, STEPS), "{id} {params}");
        let gain = image.score - image.start_score;
        assert!(
            gain > 0.05 * image.start_score.abs(),
            "{id} {params}: {} → {}",
            image.start_score,
            image.score
        );
        assert_eq!(value(&image, 0), image.score, "{id} {params}: a lone term is the score");
    }
}

/// A rate that throws the parameters out of float32's range in the very last step costs that step, not the picture.
#[tokio::test]
async fn a_last_step_that_breaks_returns_the_picture_before_it() {
    let server = Server::start();
    let client = server.client().await;
    let kind =
        optimizer::Kind::Adam(optimizer::Adam { learning_rate: Some(1e38), ..optimizer::Adam::default() });
    let spec = OptimizeSpec {
        steps: Some(1),
        optimizer: Some(Optimizer { kind: Some(kind), ..Optimizer::default() }),
        ..demo([term("channel", json!({"layer": "conv1", "channel": 3}))])
    };
    let job = client.run(spec).await;
    assert_eq!(job.state(), State::Failed);
    assert!(job.error.as_ref().unwrap().message.contains("not finite"), "{:?}", job.error);
    let picture = &images(&job)[0];
    assert_eq!((picture.outcome(), picture.steps), (Outcome::Stopped, 0));
    assert_eq!(picture.score, picture.start_score);
    assert!(!client.png(picture).await.is_empty());
}

#[tokio::test]
async fn negative_goes_down_also_where_the_unit_is_off() {
    let server = Server::start();
    let client = server.client().await;
    // The value before the activation, which `negative` reads unless told otherwise, goes on falling below zero.
    let before = json!({"layer": "conv2:pre", "channel": 4});
    for (params, watched) in [
        (json!({"layer": "conv2", "channel": 4}), before.clone()),
        (json!({"layer": "conv2", "channel": 4, "pre": false}), json!({"layer": "conv2", "channel": 4})),
    ] {
        let terms = [term("negative", params.clone()), measured("channel", watched)];
        let job = client.run(demo(terms)).await;
        let end = value(&images(&job)[0], 1);
        let events = client.events(&job.name, 0).await;
        let start = steps(&events)[0].terms[1].values[0];
        assert!(end < start, "{params}: {start} → {end}");
        let reads_before = params.get("pre").is_none();
        assert_eq!(end < 0.0, reads_before, "{params}: {start} → {end}");
    }
}

#[tokio::test]
async fn penalties_hold_down_what_they_measure() {
    let server = Server::start();
    let client = server.client().await;
    for (id, weight) in [("total_variation", 20.0), ("l2", 20.0)] {
        let with = |weight| {
            let objective = term("channel", json!({"layer": "conv2", "channel": 3}));
            demo([objective, weighted(weight, id, json!({}))])
        };
        let free = client.make(with(1e-9)).await.remove(0);
        let held = client.make(with(weight)).await.remove(0);
        assert!(value(&held, 1) < 0.8 * value(&free, 1), "{id}: {} → {}", value(&free, 1), value(&held, 1));
        let sum = value(&held, 0) - weight * value(&held, 1);
        assert!((held.score - sum).abs() <= 1e-5 * sum.abs().max(1.0), "{id}: {} is not {sum}", held.score);
    }
}

#[tokio::test]
async fn a_weight_below_zero_turns_an_objective_round() {
    let server = Server::start();
    let client = server.client().await;
    let logit = json!({"layer": "logits", "channel": 5});
    let up = client.make(demo([term("unit", logit.clone())])).await.remove(0);
    let down = client.make(demo([weighted(-1.0, "unit", logit)])).await.remove(0);
    assert!(
        value(&up, 0) > 0.0 && value(&down, 0) < -value(&up, 0).min(1.0),
        "{} {}",
        value(&up, 0),
        value(&down, 0)
    );
    assert_eq!(down.score, -value(&down, 0));
}

#[tokio::test]
async fn a_step_operation_edits_what_the_optimizer_gets() {
    let server = Server::start();
    let client = server.client().await;
    let objective = || term("channel", json!({"layer": "block3", "channel": 10}));
    let without = client.run(demo([objective()])).await;
    let with = client.run(demo([objective(), term("normalize_gradient", json!({}))])).await;
    let [plain, edited] = [&without, &with].map(|job| images(job).remove(0));
    assert!(edited.score > edited.start_score);
    assert_eq!(edited.start_score, plain.start_score);
    assert_ne!(client.png(&edited).await, client.png(&plain).await);
    assert!(edited.terms[1].values.is_empty(), "a step operation has no value");
    let norms = |events: &[_]| steps(events).iter().map(|step| step.gradient_norms[0]).collect::<Vec<_>>();
    let (plain, edited) = (client.events(&without.name, 0).await, client.events(&with.name, 0).await);
    assert_eq!(norms(&edited)[0], norms(&plain)[0], "norms are those before step operations");
}

#[tokio::test]
async fn terms_add_up_and_apply_to_their_pictures_alone() {
    let server = Server::start();
    let client = server.client().await;
    let on = |images: &[u32], weight, id: &str, params| Term {
        images: images.to_vec(),
        ..weighted(weight, id, params)
    };
    let terms = [
        on(&[0], 1.0, "unit", json!({"layer": "logits", "channel": 1})),
        on(&[1, 2], 2.0, "channel", json!({"layer": "conv2", "channel": 3})),
        on(&[2], 0.5, "unit", json!({"layer": "logits", "channel": 4})),
        on(&[], 0.25, "l2", json!({})),
    ];
    let job = client.run(OptimizeSpec { images: Some(3), ..demo(terms) }).await;
    let made = images(&job);
    let counts =
        |image: &OptimizedImage| image.terms.iter().map(|term| term.values.len()).collect::<Vec<_>>();
    assert_eq!(made.iter().map(counts).collect::<Vec<_>>(), [[1, 0, 0, 1], [0, 1, 0, 1], [0, 1, 1, 1]]);
    for image in &made {
        let weights = [1.0, 2.0, 0.5, -0.25];
        let parts =
            image.terms.iter().zip(weights).map(|(term, weight)| weight * term.values.iter().sum::<f64>());
        let sum: f64 = parts.sum();
        assert!((image.score - sum).abs() <= 1e-5 * sum.abs().max(1.0), "{} is not {sum}", image.score);
        assert!(image.score > image.start_score);
    }
    let events = client.events(&job.name, 0).await;
    let counts: Vec<_> = steps(&events)[0].terms.iter().map(|term| term.values.len()).collect();
    assert_eq!(counts, [1, 2, 1, 3]);
}

#[tokio::test]
async fn a_picture_has_the_size_and_the_values_that_were_asked_for() {
    let server = Server::start();
    let client = server.client().await;
    for (model, layer, size, channels) in
        [("demo", "conv2", (96, 48), 3), ("demo", "conv2", (33, 65), 3), ("gray", "conv1", (20, 31), 1)]
    {
        let asked = OptimizeSpec {
            size: Some(ImageSize { height: size.0, width: size.1 }),
            return_tensors: true,
            steps: Some(3),
            ..spec(model, [term("channel", json!({"layer": layer, "channel": 1}))])
        };
        check_picture(&client, asked, size, channels).await;
    }
}

/// The PNG is the tensor in 8 bits.
async fn check_picture(client: &Client, asked: OptimizeSpec, (height, width): (u32, u32), channels: usize) {
    let made = client.make(asked).await.remove(0);
    let png = image::load_from_memory(&client.png(&made).await).unwrap();
    assert_eq!(
        (png.height(), png.width(), usize::from(png.color().channel_count())),
        (height, width, channels)
    );
    let npy = client.bytes(&made.tensor.unwrap()).await;
    let header = usize::from(u16::from_le_bytes([npy[8], npy[9]])) + 10;
    let text = String::from_utf8_lossy(&npy[10..header]);
    assert!(text.contains("'<f4'") && text.contains(&format!("({channels}, {height}, {width})")), "{text}");
    let values: Vec<f32> =
        npy[header..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let area = (height * width) as usize;
    assert_eq!(values.len(), channels * area);
    for (place, byte) in png.as_bytes().iter().enumerate() {
        let value = values[(place % channels) * area + place / channels];
        assert!((0.0..=1.0).contains(&value));
        assert!((value * 255.0 - f32::from(*byte)).abs() <= 0.51, "{value} became {byte}");
    }
}

#[tokio::test]
async fn the_built_in_terms_describe_themselves() {
    let server = Server::start();
    let client = server.client().await;
    let terms = client.plugins.clone().list_terms(ListTermsRequest {}).await.unwrap().into_inner().terms;
    let ids: Vec<_> = terms.iter().map(|term| (term.id.as_str(), term.kind())).collect();
    assert_eq!(
        ids,
        [
            ("alignment", Kind::Objective),
            ("blur", Kind::Penalty),
            ("blur_gradient", Kind::StepOperation),
            ("blur_image", Kind::StepOperation),
            ("boundary_complexity", Kind::Penalty),
            ("channel", Kind::Objective),
            ("class", Kind::Objective),
            ("clip_gradient", Kind::StepOperation),
            ("clip_small", Kind::StepOperation),
            ("compare", Kind::Objective),
            ("decay", Kind::StepOperation),
            ("direction", Kind::Objective),
            ("diversity", Kind::Objective),
            ("group", Kind::Objective),
            ("guide", Kind::Objective),
            ("input_distance", Kind::Penalty),
            ("interpolate", Kind::Objective),
            ("l1", Kind::Penalty),
            ("l2", Kind::Penalty),
            ("l_infinity", Kind::Penalty),
            ("layer", Kind::Objective),
            ("negative", Kind::Objective),
            ("normalize_gradient", Kind::StepOperation),
            ("opacity", Kind::Penalty),
            ("target", Kind::Objective),
            ("total_variation", Kind::Penalty),
            ("unit", Kind::Objective),
        ]
    );
    for listed in terms {
        let request = GetTermRequest { id: listed.id.clone() };
        let term = client.plugins.clone().get_term(request).await.unwrap().into_inner();
        assert_eq!(term, listed);
        assert_eq!(
            term.batch_coupled,
            matches!(term.id.as_str(), "alignment" | "diversity" | "interpolate"),
            "{term:?}"
        );
        assert!(!term.title.is_empty() && term.doc.len() > 40, "{term:?}");
        assert!(
            !term.plugin.is_empty() && !term.plugin_version.is_empty() && !term.version.is_empty(),
            "{term:?}"
        );
        assert!(term.params.iter().all(|param| !param.doc.is_empty() && param.r#type != 0), "{term:?}");
    }
}
