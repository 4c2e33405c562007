//! The thread that owns the device: takes jobs from the queue, runs them, and writes down what happens. It knows no gRPC.

use super::card::CardTask;
use super::previews::Previews;
use super::queue::Queue;
use super::rank::RankTask;
use super::store::JobStore;
use super::{Artifact, ArtifactInfo, Ending, Failure, Image, Job, Made, OptimizeOrder, Spec, State, Step};
use crate::data::pictures::{Pixels, npy};
use crate::limits::{LAST_SCORES, PREVIEW_INTERVAL};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ulid::Ulid;
use unitscope_engine::device::{self, Device};
use unitscope_engine::optimize::{End, Failed, Observer, Outcome, Picture, Plan, RunError, StepReport};

/// What waits in the queue.
pub struct Work {
    /// What to run.
    pub task: Task,
    /// What others have to say about it meanwhile.
    pub live: Arc<Live>,
}

/// What a job has to do.
pub enum Task {
    /// Make pictures.
    Optimize(Box<Plan>),
    /// Score images, and rank them.
    Rank(Box<RankTask>),
    /// Rank images, make pictures, and show both.
    Card(Box<CardTask>),
}

/// A job that has not ended, as seen by those who wait for it.
#[derive(Default)]
pub struct Live {
    /// It shall stop.
    pub cancelled: AtomicBool,
    /// How its pictures look now.
    pub previews: Arc<Previews>,
}

impl Live {
    /// Whether it shall stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// What the thread needs.
pub struct Worker {
    /// The device that it owns.
    pub device: Device,
    /// Threads of one operator on the CPU.
    pub threads: usize,
    /// Jobs that wait.
    pub queue: Arc<Queue<Work>>,
    /// Where everything is written down.
    pub store: Arc<dyn JobStore>,
}

impl Worker {
    /// Works until the queue is closed.
    pub fn run(self) {
        device::set_threads(self.threads);
        while let Some((id, work)) = self.queue.pop() {
            let _span = tracing::info_span!("job", job = %id).entered();
            self.run_job(id, work);
        }
    }

    fn run_job(&self, id: Ulid, work: Work) {
        let Ok(job) = self.store.job(id) else { return };
        let started = Instant::now();
        let ending = if work.live.cancelled.load(Ordering::Relaxed) {
            Ending::Cancelled(Made::Nothing)
        } else {
            tracing::info!(model = job.order.spec.model(), steps = job.order.steps_total, "running");
            let _ = self.store.enter(id, State::Running);
            // The task is consumed and the recorder is dropped, so that nothing half changed is seen afterwards.
            let run = AssertUnwindSafe(|| match (work.task, &job.order.spec) {
                (Task::Optimize(plan), Spec::Optimize(order)) => self.make(&job, order, *plan, &work.live),
                (Task::Rank(task), _) => task.run(job.id, self, &work.live),
                (Task::Card(task), Spec::Card(order)) => task.run(&job, order, self, &work.live),
                (Task::Optimize(_) | Task::Card(_), _) => {
                    unreachable!("`Jobs` queues a task with its own order")
                }
            });
            catch_unwind(run)
                .unwrap_or_else(|panic| Ending::Failed(Failure::Panicked(panic_text(&*panic)), Made::Nothing))
        };
        let seconds = started.elapsed().as_secs_f64();
        match &ending {
            Ending::Failed(failure, _) => tracing::error!(seconds, "failed: {failure}"),
            other => tracing::info!(seconds, "ended: {:?}", other.state()),
        }
        // A job that has not ended is not evicted, so that it is there.
        let _ = self.store.finish(id, ending);
    }

    fn make(&self, job: &Job, spec: &OptimizeOrder, plan: Plan, live: &Live) -> Ending {
        let mut recorder = Recorder::new(job.id, &*self.store, live, spec.optimize.steps);
        recorder.time_limit = spec.optimize.stop.seconds.map(Duration::from_secs_f64);
        let (outcomes, failed) = match plan.run(self.device, &mut recorder) {
            Ok(outcomes) => (outcomes, None),
            Err(Failed { error, outcomes }) => (outcomes, Some(failure(&error))),
        };
        // Cancelled before its first step, it made none.
        let stopped = outcomes.is_empty() || outcomes.iter().any(|outcome| outcome.end == End::Stopped);
        let images: Vec<Image> = (0..)
            .zip(outcomes)
            .map(|(image, outcome)| recorder.image(image, outcome, spec.return_tensors))
            .collect();
        let made = if images.is_empty() { Made::Nothing } else { Made::Images(images) };
        match failed {
            Some(failure) => Ending::Failed(failure, made),
            None if stopped => Ending::Cancelled(made),
            None => Ending::Succeeded(made),
        }
    }
}

/// Writes a run down. It has the clock that the engine lacks.
pub(super) struct Recorder<'a> {
    id: Ulid,
    store: &'a dyn JobStore,
    live: &'a Live,
    total_steps: u32,
    /// Steps of earlier runs of the same job.
    steps_before: u32,
    /// What names of files begin with.
    prefix: String,
    /// How old the run may become.
    time_limit: Option<Duration>,
    started: Instant,
    last_step: Instant,
    last_preview: Option<(u32, Instant)>,
    /// When it was first seen that the job shall stop.
    stopping: Cell<Option<Instant>>,
    /// By picture: steps made, and the file.
    snapshots: BTreeMap<u32, Vec<(u32, ArtifactInfo)>>,
}

impl<'a> Recorder<'a> {
    /// Of a job that makes so many steps at most.
    pub(super) fn new(id: Ulid, store: &'a dyn JobStore, live: &'a Live, total_steps: u32) -> Self {
        let now = Instant::now();
        Self {
            id,
            store,
            live,
            total_steps,
            steps_before: 0,
            prefix: String::new(),
            time_limit: None,
            started: now,
            last_step: now,
            last_preview: None,
            stopping: Cell::new(None),
            snapshots: BTreeMap::new(),
        }
    }

    /// Says that the run is a part of the job, after so many steps, and what the names of its files begin with.
    pub(super) fn part(&mut self, steps_before: u32, prefix: &str) {
        self.steps_before = steps_before;
        prefix.clone_into(&mut self.prefix);
    }
}

impl Recorder<'_> {
    /// Keeps a finished picture.
    pub(super) fn image(&mut self, image: u32, outcome: Outcome, tensor: bool) -> Image {
        let Outcome { end, steps, score, start_score, terms, picture } = outcome;
        let prefix = &self.prefix;
        let png = self.keep_png(format!("{prefix}{image}.png"), &picture);
        let npy =
            |picture| self.keep(format!("{prefix}{image}.npy"), "application/x-npy", npy(picture), picture);
        let tensor = tensor.then(|| npy(&picture));
        let snapshots = self.snapshots.remove(&image).unwrap_or_default();
        Image { end, steps, score, start_score, terms, png, tensor, snapshots }
    }

    fn keep_png(&self, file: String, picture: &Picture) -> ArtifactInfo {
        self.keep(file, "image/png", Pixels::of(picture).png(), picture)
    }

    fn keep(&self, file: String, media_type: &'static str, data: Vec<u8>, picture: &Picture) -> ArtifactInfo {
        Artifact::new(file, media_type, (picture.width, picture.height), data).keep(self.store, self.id)
    }
}

impl Observer for Recorder<'_> {
    fn cancelled(&self) -> bool {
        self.live.cancelled.load(Ordering::Relaxed)
    }

    fn gives_up(&self) -> bool {
        if !self.cancelled() {
            return false;
        }
        let since = self.stopping.get().unwrap_or_else(Instant::now);
        self.stopping.set(Some(since));
        since.elapsed() > LAST_SCORES
    }

    fn out_of_time(&self) -> bool {
        self.time_limit.is_some_and(|limit| self.started.elapsed() >= limit)
    }

    fn step(&mut self, mut report: StepReport) {
        let now = Instant::now();
        let time = now - self.last_step;
        self.last_step = now;
        let mean = (now - self.started) / report.step.max(1);
        report.step += self.steps_before;
        let remaining =
            mean.checked_mul(self.total_steps.saturating_sub(report.step)).unwrap_or(Duration::MAX);
        let left = self.time_limit.map(|limit| limit.saturating_sub(now - self.started));
        let remaining = left.map_or(remaining, |left| left.min(remaining));
        tracing::debug!(step = report.step, step_time_ms = time.as_secs_f64() * 1e3, "step");
        let step = Step { report, total_steps: self.total_steps, time, remaining };
        // A job that has not ended is not evicted, so that it is there.
        let _ = self.store.step(self.id, step);
    }

    fn snapshot(&mut self, step: u32, image: u32, picture: Picture) {
        let info = self.keep_png(format!("{}{image}.step-{step}.png", self.prefix), &picture);
        self.snapshots.entry(image).or_default().push((step, info));
    }

    fn wants_preview(&self) -> bool {
        self.live.previews.wanted()
            && self.last_preview.is_none_or(|(_, time)| time.elapsed() >= PREVIEW_INTERVAL)
    }

    fn preview(&mut self, step: u32, image: u32, picture: Picture) {
        if self.last_preview.is_none_or(|(last, _)| last != step) {
            self.last_preview = Some((step, Instant::now()));
        }
        self.live.previews.put(step, image, &picture);
    }
}

/// Why a run failed.
pub(super) fn failure(error: &RunError) -> Failure {
    let message = error.to_string();
    match error {
        _ if error.is_not_finite() => Failure::NotFinite(message),
        RunError::Term { error, .. } => Failure::Term { term: error.term().to_owned(), message },
        _ => Failure::Engine(message),
    }
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
