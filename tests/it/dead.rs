//! A unit that does not react ends as dead, says what to try, and does not hold up its neighbours.

use crate::support::{Server, spec, term};
use serde_json::json;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{OptimizeSpec, Parameterization, Term, parameterization};

/// Channel 2 of `relu1` of the model `dead` is never above zero: its bias is −10⁶.
fn dead_and_alive(steps: u32) -> OptimizeSpec {
    let on = |channel, image| Term {
        images: vec![image],
        ..term("channel", json!({"layer": "relu1", "channel": channel}))
    };
    // Around mid grey all six channels are off; a start of wild colours wakes five of them.
    let kind = parameterization::Kind::Pixel(parameterization::Pixel { standard_deviation: Some(2.0) });
    let parameterization = Some(Parameterization { kind: Some(kind), ..Parameterization::default() });
    OptimizeSpec {
        images: Some(2),
        steps: Some(steps),
        parameterization,
        redirect: Some(false),
        ..spec("dead", [on(2, 0), on(4, 1)])
    }
}

#[tokio::test]
async fn a_dead_unit_ends_as_dead_with_a_hint_and_the_others_go_on() {
    let server = Server::start();
    let client = server.client().await;
    let pictures = client.make(dead_and_alive(40)).await;
    let [dead, alive] = pictures.as_slice() else { panic!("two pictures") };
    assert_eq!((dead.outcome(), dead.steps), (Outcome::Dead, 16));
    assert!(dead.hint.contains(":pre"), "{}", dead.hint);
    assert_eq!(dead.score, dead.start_score);
    assert_eq!((alive.outcome(), alive.steps, alive.hint.as_str()), (Outcome::Completed, 40, ""));
    assert!(alive.score > alive.start_score);
}

#[tokio::test]
async fn a_job_whose_every_unit_is_dead_stops_early() {
    let server = Server::start();
    let client = server.client().await;
    let dead = |redirect| OptimizeSpec {
        steps: Some(10_000),
        redirect: Some(redirect),
        ..spec("dead", [term("channel", json!({"layer": "relu1", "channel": 2}))])
    };
    // No picture reaches its threshold, so that redirection moves pixels for nothing.
    for (redirect, steps, words) in
        [(false, 16, "16 steps in a row"), (true, 128, "stayed off for 128 steps")]
    {
        let job = client.run(dead(redirect)).await;
        assert_eq!(job.steps_done, steps);
        let picture = &crate::support::images(&job)[0];
        assert_eq!(picture.outcome(), Outcome::Dead);
        assert!(picture.hint.contains(words), "{}", picture.hint);
    }
}

/// Around mid grey channel 4 is off, in every place: nothing but redirection gets it over its threshold.
#[tokio::test]
async fn a_unit_that_is_off_is_woken_by_redirection_alone() {
    let server = Server::start();
    let client = server.client().await;
    let off = |redirect| OptimizeSpec {
        steps: Some(60),
        redirect: Some(redirect),
        ..spec("dead", [term("channel", json!({"layer": "relu1", "channel": 4}))])
    };
    let picture = client.make(off(false)).await.remove(0);
    assert_eq!((picture.outcome(), picture.score, picture.start_score), (Outcome::Dead, 0.0, 0.0));
    let job = client.run(off(true)).await;
    let picture = crate::support::images(&job).remove(0);
    assert_eq!((picture.outcome(), picture.start_score), (Outcome::Completed, 0.0));
    assert!(picture.score > 0.0);
}

/// Of the model `off`: around mid grey, the slope of each is exactly zero. Not mish: below about −80 libtorch finds its slope with the wrong sign.
const OFF: &[&str] = &[
    "relu",
    "relu6",
    "hardtanh",
    "clamp",
    "leaky_relu",
    "hardsigmoid",
    "hardswish",
    "gelu",
    "silu",
    "hand_swish",
    "hand_hardswish",
];

/// Those that fall before they rise have slopes, on the way up, that lead back to where they were off.
#[tokio::test]
async fn redirection_wakes_units_behind_every_activation() {
    let server = Server::start();
    let client = server.client().await;
    let unit = |(image, name): (usize, &&str)| Term {
        images: vec![image as u32],
        ..term("channel", json!({"layer": format!("units.{name}"), "channel": 0}))
    };
    let off = |redirect| OptimizeSpec {
        images: Some(OFF.len() as u32),
        steps: Some(160),
        redirect: Some(redirect),
        ..spec("off", OFF.iter().enumerate().map(unit))
    };
    for (name, picture) in OFF.iter().zip(client.make(off(false)).await) {
        assert_eq!((picture.outcome(), picture.steps), (Outcome::Dead, 16), "{name}");
        assert_eq!(picture.score, picture.start_score, "{name}");
    }
    for (name, picture) in OFF.iter().zip(client.make(off(true)).await) {
        assert_eq!(picture.outcome(), Outcome::Completed, "{name}: {picture:?}");
        assert!(picture.score > 0.0, "{name}: {}", picture.score);
    }
}

#[tokio::test]
async fn fifteen_steps_are_too_few_to_call_a_unit_dead() {
    let server = Server::start();
    let client = server.client().await;
    let pictures = client.make(dead_and_alive(15)).await;
    assert!(pictures.iter().all(|picture| picture.outcome() == Outcome::Completed), "{pictures:?}");
}

#[tokio::test]
async fn the_hint_helps() {
    let server = Server::start();
    let client = server.client().await;
    let before = spec("dead", [term("channel", json!({"layer": "relu1:pre", "channel": 2}))]);
    let picture = client.make(OptimizeSpec { steps: Some(40), ..before }).await.remove(0);
    assert_eq!(picture.outcome(), Outcome::Completed);
    assert!(picture.score > picture.start_score);
    // Only a term that climbs counts: a penalty alone moves pixels, but not the unit.
    let penalized =
        [term("channel", json!({"layer": "relu1", "channel": 2})), term("total_variation", json!({}))];
    let penalized = OptimizeSpec { steps: Some(40), redirect: Some(false), ..spec("dead", penalized) };
    let picture = client.make(penalized).await.remove(0);
    assert_eq!(picture.outcome(), Outcome::Dead);
}

/// No step is made for a dead picture, and none of the operations between steps either.
#[tokio::test]
async fn a_dead_picture_is_left_alone() {
    let server = Server::start();
    let client = server.client().await;
    let mut pngs = Vec::new();
    for steps in [17, 40] {
        let mut spec = dead_and_alive(steps);
        spec.terms.push(term("decay", json!({"rate": 0.2})));
        let pictures = client.make(spec).await;
        assert_eq!((pictures[0].outcome(), pictures[0].steps), (Outcome::Dead, 16));
        pngs.push((client.png(&pictures[0]).await, client.png(&pictures[1]).await));
    }
    assert_eq!(pngs[0].0, pngs[1].0);
    assert_ne!(pngs[0].1, pngs[1].1, "the other one goes on");
}
