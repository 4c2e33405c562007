//! Several starts of a picture: the worse go early, and the best ends as if it had been alone.

use crate::support::client::steps;
use crate::support::spec::quick;
use crate::support::{Client, Server, check_violations, images, spec, term};
use serde_json::json;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{
    Elimination, Job, OptimizeSpec, OptimizedImage, Parameterization, Step, Stop, Term, Transforms, job,
    parameterization::Shared, stop,
};

const STARTS: usize = 3;

/// Three starts of two channels each.
fn two_families(steps: u32, elimination: Option<Elimination>) -> OptimizeSpec {
    let on = |channel, images: [u32; STARTS]| Term {
        images: images.to_vec(),
        ..term("channel", json!({"layer": "block3", "channel": channel}))
    };
    OptimizeSpec {
        images: Some(2 * STARTS as u32),
        steps: Some(steps),
        clean_steps: Some(0),
        elimination,
        ..spec("demo", [on(3, [0, 1, 2]), on(10, [3, 4, 5])])
    }
}

fn after(steps: &[u32]) -> Option<Elimination> {
    Some(Elimination { starts: STARTS as u32, steps: steps.to_vec() })
}

/// The worst by score of some pictures of a family.
fn worst(family: &[usize], made: &[OptimizedImage]) -> usize {
    let by_score = |a: &&usize, b: &&usize| made[**a].score.total_cmp(&made[**b].score);
    *family.iter().min_by(by_score).unwrap()
}

/// With one picture per pass its neighbours change no bit of it, so that runs that are cut short say what must have happened.
#[tokio::test]
async fn the_worse_half_goes_by_clean_scores_and_the_best_ends_as_if_alone() {
    let server = Server::start();
    let client = server.client().await;
    let alone = |spec| OptimizeSpec { images_per_pass: Some(1), ..spec };
    let made = client.make(alone(two_families(12, after(&[3, 6])))).await;
    let mut cut = Vec::new();
    for steps in [3, 6, 12] {
        cut.push(client.make(alone(two_families(steps, None))).await);
    }
    for family in [[0, 1, 2], [3, 4, 5]] {
        let first = worst(&family, &cut[0]);
        let others: Vec<usize> = family.into_iter().filter(|place| *place != first).collect();
        let second = worst(&others, &cut[1]);
        for place in family {
            let (outcome, steps, as_if) = match place {
                _ if place == first => (Outcome::Eliminated, 3, &cut[0][place]),
                _ if place == second => (Outcome::Eliminated, 6, &cut[1][place]),
                _ => (Outcome::Completed, 12, &cut[2][place]),
            };
            let image = &made[place];
            assert_eq!((image.outcome(), image.steps), (outcome, steps), "picture {place}");
            assert_eq!(image.score.to_bits(), as_if.score.to_bits(), "picture {place}");
            assert_eq!(image.terms, as_if.terms, "picture {place}");
            assert_eq!(client.png(image).await, client.png(as_if).await, "picture {place}");
        }
    }
}

async fn run(client: &Client, spec: OptimizeSpec) -> (Job, Vec<Step>) {
    let job = client.run(spec).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let events = client.events(&job.name, 0).await;
    let made = steps(&events).into_iter().cloned().collect();
    (job, made)
}

#[tokio::test]
async fn what_is_eliminated_has_no_values_any_more() {
    let server = Server::start();
    let client = server.client().await;
    let (job, steps) = run(&client, two_families(9, after(&[2, 5]))).await;
    let made = images(&job);
    assert_eq!((job.steps_done, steps.len()), (9, 9));
    for family in made.chunks(STARTS) {
        let mut last: Vec<u32> = family.iter().map(|image| image.steps).collect();
        last.sort_unstable();
        assert_eq!(last, [2, 5, 9]);
        assert!(family.iter().all(|image| image.score.is_finite() && image.terms.len() == 2));
    }
    for step in &steps {
        for (place, image) in made.iter().enumerate() {
            let (term, slot) = (&step.terms[place / STARTS], place % STARTS);
            let values = [step.scores[place], term.values[slot]];
            let is_in = step.step <= image.steps;
            assert!(
                values.iter().all(|value| value.is_nan() != is_in),
                "step {}, {place}: {values:?}",
                step.step
            );
            assert_eq!(step.gradient_norms[place] > 0.0, is_in, "step {}, {place}", step.step);
        }
    }
}

#[tokio::test]
async fn an_elimination_gives_the_same_bytes_again() {
    let server = Server::start();
    let client = server.client().await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let (job, steps) = run(&client, two_families(9, after(&[2, 5]))).await;
        let numbers = |step: &Step| -> Vec<u64> {
            let terms = step.terms.iter().flat_map(|term| &term.values);
            step.scores.iter().chain(&step.gradient_norms).chain(terms).map(|value| value.to_bits()).collect()
        };
        let numbers: Vec<Vec<u64>> = steps.iter().map(numbers).collect();
        let mut pictures = Vec::new();
        for image in images(&job) {
            pictures.push((client.png(&image).await, image.outcome(), image.steps, image.score.to_bits()));
        }
        made.push((pictures, numbers));
    }
    assert!(made[0] == made[1]);
}

/// All pictures are on a plateau, as the tolerance takes it, after 4 steps.
#[tokio::test]
async fn a_job_that_ends_early_still_leaves_the_best_alone() {
    let server = Server::start();
    let client = server.client().await;
    let plateau = Some(stop::Plateau { window: Some(2), tolerance: Some(1.0) });
    let wanted = OptimizeSpec {
        stop: Some(Stop { plateau, ..Stop::default() }),
        ..two_families(50, after(&[10, 20]))
    };
    let (job, _) = run(&client, wanted).await;
    assert_eq!(job.steps_done, 4);
    for family in images(&job).chunks(STARTS) {
        let best = family.iter().map(|image| image.score).fold(f64::NEG_INFINITY, f64::max);
        for image in family {
            let expected = if image.score == best { Outcome::Plateau } else { Outcome::Eliminated };
            assert_eq!((image.outcome(), image.steps), (expected, 4));
        }
    }
}

/// Channel 2 never reacts: its starts are equal, and the first stays.
#[tokio::test]
async fn of_equals_the_first_stays() {
    let server = Server::start();
    let client = server.client().await;
    let dead = OptimizeSpec {
        images: Some(3),
        steps: Some(40),
        redirect: Some(false),
        elimination: after(&[2, 4]),
        ..spec("dead", [term("channel", json!({"layer": "relu1", "channel": 2}))])
    };
    let made: Vec<_> =
        client.make(dead).await.iter().map(|image| (image.outcome(), image.steps, image.score)).collect();
    assert_eq!(
        made,
        [(Outcome::Dead, 16, 0.0), (Outcome::Eliminated, 4, 0.0), (Outcome::Eliminated, 2, 0.0)]
    );
}

#[tokio::test]
async fn eliminations_are_checked_and_sent_back() {
    let server = Server::start();
    let client = server.client().await;
    let wanted = |starts, steps: &[u32]| OptimizeSpec {
        images: Some(4),
        elimination: Some(Elimination { starts, steps: steps.to_vec() }),
        ..quick(8)
    };
    for (starts, steps, field, words) in [
        (1, &[1][..], "starts", ["1", "2"]),
        (3, &[1], "starts", ["4 images", "6"]),
        (2, &[], "steps", ["none", "64"]),
        (2, &[0], "steps[0]", ["0", "1 … 7"]),
        (2, &[8], "steps[0]", ["8", "1 … 7"]),
        (2, &[3, 3], "steps[1]", ["3", "rise"]),
    ] {
        let status = client.submit(wanted(starts, steps)).await.unwrap_err();
        check_violations(&status, &[&format!("spec.elimination.{field}")], &words);
    }
    let mut coupled = wanted(2, &[1]);
    coupled.terms.push(term("diversity", json!({"layer": "conv1"})));
    let status = client.submit(coupled).await.unwrap_err();
    check_violations(&status, &["spec.elimination"], &["`diversity`", "several images"]);
    let mut sharing = wanted(2, &[1]);
    let shared = Some(Shared { divisors: vec![2], anchors: None });
    sharing.parameterization = Some(Parameterization { shared, ..Parameterization::default() });
    let status = client.submit(sharing).await.unwrap_err();
    check_violations(&status, &["spec.elimination"], &["share"]);
    let job = client.run(wanted(2, &[1, 7])).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let Some(job::Spec::Optimize(filled)) = job.spec else { panic!("a job has its spec") };
    assert_eq!(filled.elimination, Some(Elimination { starts: 2, steps: vec![1, 7] }));
    assert_eq!(filled.labels, ["conv1:1 #1", "conv1:1 #2", "conv1:1 #1-2", "conv1:1 #2-2"]);
}

/// Pictures that read different layers are in passes of their own; whole passes go.
#[tokio::test]
async fn passes_that_are_empty_go() {
    let server = Server::start();
    let client = server.client().await;
    let on = |layer: &str, image| Term {
        images: vec![image],
        ..term("channel", json!({"layer": layer, "channel": 1}))
    };
    let wanted = OptimizeSpec {
        images: Some(4),
        steps: Some(6),
        transforms: Some(Transforms::default()),
        elimination: Some(Elimination { starts: 4, steps: vec![1, 2] }),
        ..spec("twice", [on("conv1", 0), on("mix", 1), on("conv1", 2), on("fc", 3)])
    };
    let (job, steps) = run(&client, wanted).await;
    let made = images(&job);
    let best = made.iter().position(|image| image.outcome() == Outcome::Completed).unwrap();
    assert_eq!(made.iter().filter(|image| image.outcome() == Outcome::Eliminated).count(), 3);
    for step in &steps[2..] {
        let live: Vec<usize> = (0..4).filter(|&place| step.scores[place].is_finite()).collect();
        assert_eq!(live, [best], "step {}", step.step);
    }
}
