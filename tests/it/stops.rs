//! Pictures that end before the last step: on a plateau, at a target, when the time is up.

use crate::support::client::steps;
use crate::support::spec::quick;
use crate::support::{Client, Server, check_violations, images, spec, term};
use serde_json::json;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{
    Job, OptimizeSpec, Parameterization, Stop, Term, Transform, Transforms, job, parameterization, stop,
    transform,
};

/// More than any of these jobs should make.
const MANY: u32 = 4000;

fn plateau(window: u32, tolerance: f64) -> Stop {
    let plateau = Some(stop::Plateau { window: Some(window), tolerance: Some(tolerance) });
    Stop { plateau, ..Stop::default() }
}

/// Two pictures of two channels, without transforms: the score at a step is the clean one after the step before.
fn two(steps: u32, stop: Option<Stop>) -> OptimizeSpec {
    let on = |channel, image| Term {
        images: vec![image],
        ..term("channel", json!({"layer": "conv1", "channel": channel}))
    };
    OptimizeSpec {
        images: Some(2),
        steps: Some(steps),
        transforms: Some(Transforms::default()),
        stop,
        ..spec("twice", [on(1, 0), on(3, 1)])
    }
}

/// A job that must succeed, and the scores of each picture at each step.
async fn run(client: &Client, spec: OptimizeSpec) -> (Job, Vec<Vec<f64>>) {
    let job = client.run(spec).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let events = client.events(&job.name, 0).await;
    let of = |image: usize| steps(&events).iter().map(|step| step.scores[image]).collect();
    let scores = (0..images(&job).len()).map(of).collect();
    (job, scores)
}

/// The first step, from 1, whose scores up to then are on a plateau as the proto defines it.
fn flat_from(scores: &[f64], window: usize, tolerance: f64) -> Option<usize> {
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / window as f64;
    (2 * window..=scores.len()).find(|&step| {
        let before = mean(&scores[step - 2 * window..step - window]);
        let last = mean(&scores[step - window..step]);
        last - before <= tolerance * last.abs().max(before.abs())
    })
}

#[tokio::test]
async fn a_picture_ends_on_the_plateau_of_its_score_and_is_left_alone() {
    let server = Server::start();
    let client = server.client().await;
    let (window, tolerance) = (8, 0.05);
    let (job, scores) = run(&client, two(MANY, Some(plateau(window, tolerance)))).await;
    let made = images(&job);
    for (image, scores) in made.iter().zip(&scores) {
        let expected = flat_from(scores, window as usize, tolerance);
        assert_eq!((image.outcome(), Some(image.steps as usize)), (Outcome::Plateau, expected));
        assert!(image.score > image.start_score);
    }
    let last = made.iter().map(|image| image.steps).max().unwrap();
    assert_eq!(job.steps_done, last, "the job ends with its last picture");
    for (place, image) in made.iter().enumerate() {
        let cut = client.make(two(image.steps, None)).await;
        assert_eq!(cut[place].outcome(), Outcome::Completed);
        assert_eq!(client.png(image).await, client.png(&cut[place]).await, "picture {place}");
        assert_eq!(image.score.to_bits(), cut[place].score.to_bits(), "picture {place}");
    }
}

#[tokio::test]
async fn what_rises_makes_all_steps() {
    let server = Server::start();
    let client = server.client().await;
    let (job, scores) = run(&client, two(24, Some(plateau(4, 0.0)))).await;
    for (image, scores) in images(&job).iter().zip(&scores) {
        assert_eq!(flat_from(scores, 4, 0.0), None, "the test needs scores that rise: {scores:?}");
        assert_eq!((image.outcome(), image.steps), (Outcome::Completed, 24));
    }
}

#[tokio::test]
async fn a_picture_ends_where_its_score_reaches_the_target() {
    let server = Server::start();
    let client = server.client().await;
    let (free, _) = run(&client, two(64, None)).await;
    // One that the first picture reaches half way.
    let target = (images(&free)[0].score + images(&free)[0].start_score) / 2.0;
    let stop = Some(Stop { target: Some(target), ..Stop::default() });
    let (job, scores) = run(&client, two(64, stop)).await;
    let image = &images(&job)[0];
    assert_eq!(image.outcome(), Outcome::TargetReached);
    assert!(image.steps < 64 && image.score >= target && image.start_score < target);
    let step = image.steps as usize;
    assert!(scores[0][..step - 1].iter().all(|score| *score < target), "not later than it could");
    assert!(scores[0][step - 1] >= target, "looked at where the views reach it");
    let far = Some(Stop { target: Some(1e9), ..Stop::default() });
    let (job, _) = run(&client, two(8, far)).await;
    assert!(images(&job).iter().all(|image| (image.outcome(), image.steps) == (Outcome::Completed, 8)));
}

/// Noise drives a layer further than the picture beneath it does.
#[tokio::test]
async fn the_target_is_for_the_picture_not_for_its_views() {
    let server = Server::start();
    let client = server.client().await;
    let noise = transform::Kind::Noise(transform::Noise { standard_deviation: 0.5 });
    let wanted = |stop| OptimizeSpec {
        steps: Some(16),
        transforms: Some(Transforms { transforms: vec![Transform { kind: Some(noise) }] }),
        stop,
        ..spec("demo", [term("layer", json!({"layer": "conv1"}))])
    };
    let (_, free) = run(&client, wanted(None)).await;
    let target = 0.9 * free[0].iter().copied().fold(f64::INFINITY, f64::min);
    let stop = Some(Stop { target: Some(target), ..Stop::default() });
    let (job, scores) = run(&client, wanted(stop)).await;
    let image = &images(&job)[0];
    assert!(image.score < target, "the test needs views above the picture: {} and {target}", image.score);
    assert!(scores[0].iter().all(|score| *score >= target), "{:?}", scores[0]);
    assert_eq!((image.outcome(), image.steps), (Outcome::Completed, 16));
}

#[tokio::test]
async fn a_job_out_of_time_succeeds_with_what_it_has() {
    let server = Server::start();
    let client = server.client().await;
    let stop = Some(Stop { seconds: Some(1.0), ..Stop::default() });
    let job = client.run(OptimizeSpec { stop, ..quick(100_000) }).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let image = &images(&job)[0];
    assert_eq!((image.outcome(), image.steps), (Outcome::OutOfTime, job.steps_done));
    assert!((1..50_000).contains(&image.steps), "{}", image.steps);
    assert!(image.score > image.start_score);
    let (start, end) = (job.start_time.unwrap(), job.end_time.unwrap());
    let ms = (end.seconds - start.seconds) * 1000 + i64::from(end.nanos - start.nanos) / 1_000_000;
    assert!((1000..30_000).contains(&ms), "{ms} ms");
    let stop = Some(Stop { seconds: Some(3600.0), ..Stop::default() });
    let job = client.run(OptimizeSpec { stop, ..quick(5) }).await;
    assert_eq!((images(&job)[0].outcome(), job.steps_done), (Outcome::Completed, 5));
}

/// The score of a unit that is off stands still; that it is dead is what there is to say.
#[tokio::test]
async fn a_dead_picture_is_on_no_plateau() {
    let server = Server::start();
    let client = server.client().await;
    let on = |channel, image| Term {
        images: vec![image],
        ..term("channel", json!({"layer": "relu1", "channel": channel}))
    };
    let kind = parameterization::Kind::Pixel(parameterization::Pixel { standard_deviation: Some(2.0) });
    let made = client
        .make(OptimizeSpec {
            images: Some(2),
            steps: Some(MANY),
            parameterization: Some(Parameterization { kind: Some(kind), ..Parameterization::default() }),
            redirect: Some(false),
            stop: Some(plateau(2, 1.0)),
            ..spec("dead", [on(2, 0), on(4, 1)])
        })
        .await;
    assert_eq!((made[0].outcome(), made[0].steps), (Outcome::Dead, 16));
    assert!(!made[0].hint.is_empty());
    assert_eq!(made[1].outcome(), Outcome::Plateau);
    assert!(made[1].steps >= 4);
}

#[tokio::test]
async fn stops_give_the_same_bytes_again() {
    let server = Server::start();
    let client = server.client().await;
    let wanted = || OptimizeSpec {
        images: Some(3),
        steps: Some(60),
        stop: Some(Stop { target: Some(1.2), ..plateau(6, 0.02) }),
        ..spec("demo", [term("channel", json!({"layer": "block3", "channel": 3}))])
    };
    let mut made = Vec::new();
    for _ in 0..2 {
        let (job, scores) = run(&client, wanted()).await;
        let mut pngs = Vec::new();
        for image in images(&job) {
            pngs.push((client.png(&image).await, image.outcome(), image.steps, image.score.to_bits()));
        }
        made.push((pngs, scores));
    }
    assert!(made[0] == made[1]);
}

#[tokio::test]
async fn stops_are_checked_and_filled_in() {
    let server = Server::start();
    let client = server.client().await;
    for (stop, field, words) in [
        (plateau(0, 0.0), "plateau.window", ["0", "100000"]),
        (plateau(1, 2.0), "plateau.tolerance", ["2", "1"]),
        (Stop { target: Some(f64::NAN), ..Stop::default() }, "target", ["NaN", "finite"]),
        (Stop { seconds: Some(0.0), ..Stop::default() }, "seconds", ["above 0", "86400"]),
    ] {
        let status = client.submit(OptimizeSpec { stop: Some(stop), ..quick(4) }).await.unwrap_err();
        check_violations(&status, &[&format!("spec.stop.{field}")], &words);
    }
    let stop = Some(Stop { plateau: Some(stop::Plateau::default()), ..Stop::default() });
    let job = client.run(OptimizeSpec { stop, ..quick(4) }).await;
    let Some(job::Spec::Optimize(filled)) = job.spec else { panic!("a job has its spec") };
    assert_eq!(filled.stop, Some(plateau(64, 0.005)));
}
