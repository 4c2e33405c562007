//! Shows on stderr how far a job is: a bar on a terminal, a few lines elsewhere. Knows events, not the network.

use crate::output::outcome_name;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{Job, Step, job, job::State};

/// Lines that a whole job makes where there is no terminal.
const LINES_PER_JOB: u32 = 10;
/// Weight of the newest step in the mean speed: about the last 20 steps count.
const SPEED_WEIGHT: f64 = 0.1;
/// Redraws of the bar per second: what an eye can follow.
const DRAWS_PER_SECOND: u8 = 10;

/// Shows one job.
pub struct Progress {
    view: View,
    queued: bool,
    step_time_ms: Option<f64>,
    lines: u32,
    /// Pictures may be eliminated.
    eliminates: bool,
}

enum View {
    Bar(ProgressBar),
    Lines,
    None,
}

impl Progress {
    /// Shows that the job was accepted.
    pub fn new(job: &Job, quiet: bool) -> Progress {
        let view = if quiet {
            View::None
        } else if console::Term::stderr().is_term() {
            let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
            let bar = ProgressBar::with_draw_target(Some(job.steps_total.into()), target);
            bar.set_style(style(&format!("{{spinner}} {} {{msg}}", job.name.trim_start_matches("jobs/"))));
            bar.enable_steady_tick(Duration::from_millis(120));
            View::Bar(bar)
        } else {
            View::Lines
        };
        let eliminates = matches!(&job.spec, Some(job::Spec::Optimize(spec)) if spec.elimination.is_some());
        let progress = Progress { view, queued: false, step_time_ms: None, lines: 0, eliminates };
        progress.say(&format!("{} accepted", job.name));
        progress
    }

    /// True while the job waits for the device.
    pub fn is_queued(&self) -> bool {
        self.queued
    }

    /// The job entered a state; `ahead` jobs are before it where it waits.
    pub fn state(&mut self, state: State, ahead: Option<usize>) {
        let was_queued = std::mem::replace(&mut self.queued, state == State::Queued);
        match state {
            State::Queued if was_queued && !matches!(self.view, View::Bar(_)) => {}
            State::Queued => self.say(&waiting(ahead)),
            State::Running => self.say("running"),
            State::Cancelling => self.say("stopping"),
            _ => {}
        }
    }

    /// A step was made.
    pub fn step(&mut self, step: &Step) {
        self.queued = false;
        let time = step.step_time_ms;
        self.step_time_ms = Some(self.step_time_ms.map_or(time, |mean| mean + SPEED_WEIGHT * (time - mean)));
        let message = self.describe(step);
        match &self.view {
            View::Bar(bar) => {
                if step.step == 1 || bar.length() != Some(step.total_steps.into()) || self.lines == 0 {
                    bar.set_length(step.total_steps.into());
                    bar.set_style(style("{bar:32.cyan/dim} {pos:>4}/{len}  {msg}"));
                    self.lines = 1;
                }
                bar.set_position(step.step.into());
                bar.set_message(message);
            }
            View::Lines => {
                let due =
                    u64::from(step.step) * u64::from(LINES_PER_JOB) / u64::from(step.total_steps.max(1));
                if due > u64::from(self.lines) {
                    self.lines = u32::try_from(due).unwrap_or(u32::MAX);
                    eprintln!("step {}/{}  {message}", step.step, step.total_steps);
                }
            }
            View::None => {}
        }
    }

    /// The connection broke and is taken up again.
    pub fn interrupted(&mut self, reason: &str) {
        let text = format!("the connection broke ({reason}); trying again");
        match &self.view {
            View::Bar(bar) => bar.set_message(text),
            View::Lines => eprintln!("{text}"),
            View::None => {}
        }
    }

    /// Clears the bar.
    pub fn finish(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    /// Says why a job ended before its last step.
    pub fn ended(&self, job: &Job) {
        if let (View::Bar(_) | View::Lines, Some(text)) = (&self.view, early_end(job)) {
            eprintln!("{text}");
        }
    }

    fn say(&self, text: &str) {
        match &self.view {
            View::Bar(bar) => bar.set_message(text.to_string()),
            View::Lines => eprintln!("{text}"),
            View::None => {}
        }
    }

    /// `mean score 12.3  4 of 8 eliminated  8.1 steps/s  0:12 left`
    fn describe(&self, step: &Step) -> String {
        let mut parts = Vec::new();
        let live: Vec<f64> = step.scores.iter().copied().filter(|score| score.is_finite()).collect();
        if !live.is_empty() {
            let mean = live.iter().sum::<f64>() / live.len() as f64;
            let name = if live.len() > 1 { "mean score" } else { "score" };
            parts.push(format!("{name} {}", short_number(mean)));
        }
        let out = step.scores.iter().filter(|score| score.is_nan()).count();
        if self.eliminates && out > 0 {
            parts.push(format!("{out} of {} eliminated", step.scores.len()));
        }
        if let Some(time) = self.step_time_ms.filter(|time| *time > 0.0) {
            parts.push(format!("{} steps/s", short_number(1000.0 / time)));
        }
        if let Some(remaining) = &step.remaining {
            parts.push(format!("{} left", clock(remaining.seconds)));
        }
        parts.join("  ")
    }
}

/// `ended after 37 of 512 steps: 2 plateau, 1 target reached`; none where all steps were made, or the job did not succeed.
fn early_end(job: &Job) -> Option<String> {
    if job.state() != State::Succeeded || job.steps_done >= job.steps_total {
        return None;
    }
    let Some(job::Result::OptimizeResult(result)) = &job.result else { return None };
    let early = [Outcome::Plateau, Outcome::TargetReached, Outcome::OutOfTime, Outcome::Dead];
    let counted = early.map(|outcome| {
        let count = result.images.iter().filter(|image| image.outcome() == outcome).count();
        (count > 0).then(|| format!("{count} {}", outcome_name(outcome)))
    });
    let counted: Vec<String> = counted.into_iter().flatten().collect();
    if counted.is_empty() {
        return None;
    }
    Some(format!("ended after {} of {} steps: {}", job.steps_done, job.steps_total, counted.join(", ")))
}

/// A number with about three digits that count.
pub fn short_number(number: f64) -> String {
    match number.abs() {
        size if size >= 1e6 || (size > 0.0 && size < 1e-3) => format!("{number:.2e}"),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// `1:02:03`, or `2:03`.
fn clock(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn waiting(ahead: Option<usize>) -> String {
    match ahead {
        None | Some(0) => "waiting for the device".to_string(),
        Some(1) => "waiting for the device (1 job ahead)".to_string(),
        Some(ahead) => format!("waiting for the device ({ahead} jobs ahead)"),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are written in this file; a job's name has no braces")
        .progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::{OptimizeResult, OptimizedImage};

    #[test]
    fn numbers_are_short() {
        let check = |number: f64, text: &str| assert_eq!(short_number(number), text);
        check(0.0, "0.00");
        check(-3.24159, "-3.24");
        check(12.345, "12.3");
        check(1234.5, "1234");
        check(0.01234, "0.0123");
        check(1.5e7, "1.50e7");
        check(-1.5e-7, "-1.50e-7");
    }

    #[test]
    fn times_read_like_a_clock() {
        let check = |seconds, text: &str| assert_eq!(clock(seconds), text);
        check(-5, "0:00");
        check(7, "0:07");
        check(3599, "59:59");
        check(3723, "1:02:03");
    }

    #[test]
    fn a_step_says_score_speed_and_time_left() {
        let mut progress =
            Progress { view: View::None, queued: true, step_time_ms: None, lines: 0, eliminates: false };
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
    fn an_early_end_says_why() {
        let check = |state: State, steps_done, outcomes: &[Outcome], text: Option<&str>| {
            let image =
                |outcome: &Outcome| OptimizedImage { outcome: (*outcome).into(), ..Default::default() };
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
}
