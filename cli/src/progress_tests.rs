//! What progress says, and when.

use super::*;
use unitscope_proto::v1::{OptimizeResult, OptimizedImage};

#[test]
fn a_step_says_score_speed_and_time_left() {
    let mut progress = Progress {
        view: View::None,
        queued: true,
        step_time_ms: None,
        counts: None,
        lines: 0,
        eliminates: false,
    };
    let step = Step {
        step: 3,
        total_steps: 9,
        scores: vec![1.0, 3.0, f64::NAN],
        step_time_ms: 100.0,
        remaining: Some(prost_types::Duration { seconds: 61, nanos: 0 }),
        ..Step::default()
    };
    progress.step(&step);
    assert!(!progress.is_queued());
    assert_eq!(progress.describe(&step), "mean score 2.00  10.0 steps/s  1:01 left");
    let progress = Progress { eliminates: true, ..progress };
    let text = "mean score 2.00  1 of 3 eliminated  10.0 steps/s  1:01 left";
    assert_eq!(progress.describe(&step), text);
}

#[test]
fn images_say_speed_losses_and_time_left() {
    let check = |progress: &RankProgress, text: &str| assert_eq!(describe_images(progress), text);
    let mut progress = RankProgress { images: 1200, total_images: 5000, ..RankProgress::default() };
    check(&progress, "");
    progress.images_per_second = 412.3;
    check(&progress, "412 images/s");
    progress.skipped = 1003;
    progress.remaining = Some(prost_types::Duration { seconds: 62, nanos: 0 });
    check(&progress, "412 images/s  1,003 left out  1:02 left");
    assert_eq!(Counts::Images.line(1200, 5000), "1,200/5,000 images");
}

#[test]
fn each_count_has_its_own_lines() {
    let mut progress = Progress {
        view: View::Lines,
        queued: true,
        step_time_ms: None,
        counts: None,
        lines: 0,
        eliminates: false,
    };
    progress.images(&RankProgress { images: 9, total_images: 10, ..RankProgress::default() });
    assert_eq!((progress.is_queued(), progress.counts, progress.lines), (false, Some(Counts::Images), 9));
    progress.step(&Step { step: 1, total_steps: 100, ..Step::default() });
    assert_eq!((progress.counts, progress.lines), (Some(Counts::Steps), 0));
}

#[test]
fn an_early_end_says_why() {
    let check = |state: State, steps_done, outcomes: &[Outcome], text: Option<&str>| {
        let image = |outcome: &Outcome| OptimizedImage { outcome: (*outcome).into(), ..Default::default() };
        let images = outcomes.iter().map(image).collect();
        let result = Some(job::Result::OptimizeResult(OptimizeResult { images }));
        let job = Job { state: state.into(), steps_done, steps_total: 9, result, ..Job::default() };
        assert_eq!(early_end(&job).as_deref(), text);
    };
    let outcomes = [Outcome::TargetReached, Outcome::Plateau, Outcome::Dead, Outcome::Plateau];
    let text = "ended after 3 of 9 steps: 2 plateau, 1 target reached, 1 dead";
    check(State::Succeeded, 3, &outcomes, Some(text));
    check(State::Succeeded, 3, &[Outcome::OutOfTime], Some("ended after 3 of 9 steps: 1 out of time"));
    check(State::Succeeded, 9, &outcomes, None);
    check(State::Cancelled, 3, &outcomes, None);
    check(State::Succeeded, 3, &[Outcome::Completed], None);
}

#[test]
fn a_queue_says_how_long_it_is() {
    assert_eq!(waiting(None), "waiting for the device");
    assert_eq!(waiting(Some(1)), "waiting for the device (1 job ahead)");
    assert_eq!(waiting(Some(3)), "waiting for the device (3 jobs ahead)");
}
