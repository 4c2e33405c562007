//! Shows on stderr how far a job is: a bar on a terminal, a few lines elsewhere. Knows events, not the network.

use crate::numbers::{clock, grouped, short_number};
use crate::output::outcome_name;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{Job, RankProgress, Step, job, job::State};

/// Lines that the steps of a job make, and its images, where there is no terminal.
const LINES_PER_JOB: u64 = 10;
/// Weight of the newest step in the mean speed: about the last 20 steps count.
const SPEED_WEIGHT: f64 = 0.1;
/// Redraws of the bar per second: what an eye can follow.
const DRAWS_PER_SECOND: u8 = 10;

/// Shows one job.
pub struct Progress {
    view: View,
    queued: bool,
    step_time_ms: Option<f64>,
    /// What is counted now; none before the first count.
    counts: Option<Counts>,
    /// Of these, since they are counted.
    lines: u64,
    /// Pictures may be eliminated.
    eliminates: bool,
}

/// What a job gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Steps,
    Images,
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
        let progress =
            Progress { view, queued: false, step_time_ms: None, counts: None, lines: 0, eliminates };
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
        self.advance(Counts::Steps, step.step.into(), step.total_steps.into(), message);
    }

    /// Images were looked at.
    pub fn images(&mut self, progress: &RankProgress) {
        self.queued = false;
        self.advance(Counts::Images, progress.images, progress.total_images, describe_images(progress));
    }

    fn advance(&mut self, counts: Counts, done: u64, total: u64, message: String) {
        let is_new = self.counts.replace(counts) != Some(counts);
        if is_new {
            self.lines = 0;
        }
        match &self.view {
            View::Bar(bar) => {
                bar.set_length(total);
                if is_new {
                    bar.set_style(style(counts.template()));
                }
                bar.set_position(done);
                bar.set_message(message);
            }
            View::Lines => {
                let due = done.saturating_mul(LINES_PER_JOB) / total.max(1);
                if due > self.lines {
                    self.lines = due;
                    eprintln!("{}  {message}", counts.line(done, total));
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

impl Counts {
    /// Of the bar.
    fn template(self) -> &'static str {
        match self {
            Counts::Steps => "{bar:32.cyan/dim} {pos:>4}/{len}  {msg}",
            Counts::Images => "{bar:32.cyan/dim} {human_pos}/{human_len} images  {msg}",
        }
    }

    /// `step 4/8`
    fn line(self, done: u64, total: u64) -> String {
        match self {
            Counts::Steps => format!("step {done}/{total}"),
            Counts::Images => format!("{}/{} images", grouped(done), grouped(total)),
        }
    }
}

/// `412 images/s  3 left out  1:02 left`
fn describe_images(progress: &RankProgress) -> String {
    let mut parts = Vec::new();
    if progress.images_per_second > 0.0 {
        parts.push(format!("{} images/s", short_number(progress.images_per_second)));
    }
    if progress.skipped > 0 {
        parts.push(format!("{} left out", grouped(progress.skipped)));
    }
    if let Some(remaining) = &progress.remaining {
        parts.push(format!("{} left", clock(remaining.seconds)));
    }
    parts.join("  ")
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
#[path = "progress_tests.rs"]
mod tests;
