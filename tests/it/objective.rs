//! What a job maximizes: weights by picture, and expressions with products and negations.

use crate::support::client::steps;
use crate::support::{Client, Server, spec, term};
use serde_json::json;
use unitscope_proto::v1::expression::{Kind, List};
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{Expression, OptimizeSpec, Term};

fn node(kind: Kind) -> Expression {
    Expression { kind: Some(kind) }
}

fn sum(parts: Vec<Expression>) -> Expression {
    node(Kind::Sum(List { parts }))
}

fn product(parts: Vec<Expression>) -> Expression {
    node(Kind::Product(List { parts }))
}

fn leaf(place: u32) -> Expression {
    node(Kind::Term(place))
}

fn constant(value: f64) -> Expression {
    node(Kind::Constant(value))
}

fn minus(part: Expression) -> Expression {
    node(Kind::Negation(Box::new(part)))
}

fn channel(channel: u32) -> Term {
    term("channel", json!({"layer": "conv1", "channel": channel}))
}

fn job(terms: Vec<Term>, objective: Option<Expression>) -> OptimizeSpec {
    OptimizeSpec { images: Some(2), steps: Some(12), objective, ..spec("twice", terms) }
}

/// Runs the job and checks that at every step the score of each picture is what `expected` makes of its terms' values.
async fn check(client: &Client, spec: OptimizeSpec, expected: impl Fn(usize, &[f64]) -> f64) -> Vec<f64> {
    let job = client.run(spec).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    for step in steps(&client.events(&job.name, 0).await) {
        for (image, score) in step.scores.iter().enumerate() {
            let values: Vec<f64> = step.terms.iter().map(|term| term.values[image]).collect();
            let expected = expected(image, &values);
            assert!(
                (score - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "{image}: {score}, not {expected}"
            );
        }
    }
    let images = crate::support::images(&job);
    images.iter().map(|image| image.score - image.start_score).collect()
}

#[tokio::test]
async fn a_score_is_what_the_expression_says_and_rises() {
    let server = Server::start();
    let client = server.client().await;
    let penalty = || Term { weight: Some(0.5), ..term("total_variation", json!({})) };
    let terms = || vec![channel(0), channel(1), penalty()];
    let default = check(&client, job(terms(), None), |_, v| v[0] + v[1] - 0.5 * v[2]).await;
    let written = sum(vec![leaf(0), leaf(1), minus(leaf(2))]);
    let same = check(&client, job(terms(), Some(written)), |_, v| v[0] + v[1] - 0.5 * v[2]).await;
    assert_eq!(default, same, "the default is that sum, to the last bit");
    let up = check(&client, job(terms(), Some(leaf(2))), |_, v| 0.5 * v[2]).await;
    let down = check(&client, job(terms(), Some(minus(leaf(0)))), |_, v| -v[0]).await;
    let shifted = sum(vec![leaf(1), constant(3.0)]);
    let both = product(vec![sum(vec![leaf(0), constant(3.0)]), shifted, constant(2.0)]);
    let both = check(&client, job(terms(), Some(both)), |_, v| 2.0 * (v[0] + 3.0) * (v[1] + 3.0)).await;
    for gains in [default, up, down, both] {
        assert!(gains.iter().all(|gain| *gain > 0.0), "{gains:?}");
    }
}

/// A factor's slope is the other's value, sign and all: beside a large negative one it must fall for the product to rise. The other's own slope
/// is a hundredth of that, so that it has no say in which way the picture goes.
#[tokio::test]
async fn a_product_drives_a_factor_by_the_sign_of_the_other() {
    let server = Server::start();
    let client = server.client().await;
    for (shift, sign) in [(50.0, 1.0), (-50.0, -1.0)] {
        let factor = |place, shift| sum(vec![leaf(place), constant(shift)]);
        let spec = job(vec![channel(0), channel(1)], Some(product(vec![factor(0, 0.5), factor(1, shift)])));
        let job = client.run(spec).await;
        let events = client.events(&job.name, 0).await;
        let seen = steps(&events);
        let (first, last) = (&seen[0].terms[0].values, &seen[seen.len() - 1].terms[0].values);
        for (first, last) in first.iter().zip(last) {
            assert!(sign * (last - first) > 0.0, "{shift}: {first} → {last}");
        }
    }
}

#[tokio::test]
async fn each_picture_has_its_own_weight() {
    let server = Server::start();
    let client = server.client().await;
    let weighted = Term { weight: Some(2.0), image_weights: vec![1.0, -1.5], ..channel(0) };
    let gains = check(&client, job(vec![weighted], None), |image, v| [2.0, -3.0][image] * v[0]).await;
    assert!(gains.iter().all(|gain| *gain > 0.0), "{gains:?}");
}

/// A term that only reports does not make a picture dead that another one moves.
#[tokio::test]
async fn what_is_moved_by_the_picture_alone_is_not_dead() {
    let server = Server::start();
    let client = server.client().await;
    let off = || term("channel", json!({"layer": "relu1", "channel": 2}));
    let smooth = || term("total_variation", json!({}));
    let reported = OptimizeSpec {
        objective: Some(minus(leaf(1))),
        model: "dead".to_owned(),
        steps: Some(40),
        ..job(vec![off(), smooth()], None)
    };
    for picture in client.make(reported).await {
        assert_eq!((picture.outcome(), picture.steps), (Outcome::Completed, 40), "{}", picture.hint);
    }
}

#[tokio::test]
async fn weights_that_leave_nothing_to_climb_or_overflow_are_refused() {
    let server = Server::start();
    let client = server.client().await;
    let none = job(vec![Term { image_weights: vec![1.0, 0.0], ..channel(0) }], None);
    let status = client.submit(none).await.unwrap_err();
    crate::support::check_violations(&status, &["spec.terms"], &["image 1"]);
    let nothing = job(vec![channel(0)], Some(product(vec![leaf(0), constant(0.0)])));
    let status = client.submit(nothing).await.unwrap_err();
    crate::support::check_violations(&status, &["spec.objective"], &["image 0"]);
    let huge =
        job(vec![Term { weight: Some(1e300), ..channel(0) }], Some(product(vec![leaf(0), constant(1e300)])));
    let status = client.submit(huge).await.unwrap_err();
    crate::support::check_violations(&status, &["spec.terms[0].weight"], &["inf"]);
}

#[tokio::test]
async fn an_expression_without_terms_or_with_a_step_operation_is_refused() {
    let server = Server::start();
    let client = server.client().await;
    let operation = term("normalize_gradient", json!({}));
    for (objective, words) in [(constant(1.0), "no term"), (sum(vec![leaf(0), leaf(1)]), "step operation")] {
        let spec = job(vec![channel(0), operation.clone()], Some(objective));
        let status = client.submit(spec).await.unwrap_err();
        crate::support::check_violations(&status, &["spec.objective"], &[words]);
    }
}
