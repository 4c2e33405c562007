//! The pass of a Rank job: reads the images whose scores are missing, has the engine score them, and puts the scores into the index.

use super::answer::Unanswered;
use super::prepare::RankTask;
use super::{RankProgress, Ranking};
use crate::data::datasets::Known;
use crate::data::index::IndexError;
use crate::job::store::JobStore;
use crate::job::worker::{Live, Worker};
use crate::job::{Ending, Failure, Made};
use crate::limits::{CHECKPOINT_INTERVAL, FETCHED_FILES, FETCHERS, RANK_PROGRESS_INTERVAL, RANK_RATE_WINDOW};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ulid::Ulid;
use unitscope_engine::device;
use unitscope_engine::rank::decode::DecodeError;
use unitscope_engine::rank::reading::Reading;
use unitscope_engine::rank::score::{Feed, Item, ScoreError, Scored, Scorer};

/// Looks and passes of one job: one look finds what is missing, one answers. Where parts of the index are damaged, each look drops what it finds of
/// them; more than a few are a sign of a broken disk.
const LOOKS: usize = 6;

/// Why a ranking came to no end.
pub enum Incomplete {
    /// The job was cancelled; what was scored is kept.
    Cancelled,
    /// It failed.
    Failed(Failure),
}

impl RankTask {
    /// Scores what is missing, then answers.
    pub fn run(self, job: Ulid, worker: &Worker, live: &Live) -> Ending {
        match self.ranking(job, worker, live) {
            Ok(ranking) => Ending::Succeeded(Made::Ranking(Box::new(ranking))),
            Err(Incomplete::Cancelled) => Ending::Cancelled(Made::Nothing),
            Err(Incomplete::Failed(failure)) => Ending::Failed(failure, Made::Nothing),
        }
    }

    /// Scores what is missing, then looks all up.
    ///
    /// # Errors
    /// An [`Incomplete`].
    pub fn ranking(&self, job: Ulid, worker: &Worker, live: &Live) -> Result<Ranking, Incomplete> {
        let mut scored = 0;
        for _ in 0..LOOKS {
            let missing = match self.answer(job, &*worker.store, scored) {
                Ok(ranking) => return Ok(ranking),
                Err(Unanswered::Missing(missing)) => missing,
                Err(Unanswered::Failed(failure)) => return Err(Incomplete::Failed(failure)),
            };
            if missing.is_empty() {
                continue;
            }
            scored += self.pass(&missing, job, worker, live).map_err(Incomplete::Failed)?;
            if live.is_cancelled() {
                return Err(Incomplete::Cancelled);
            }
        }
        let message = format!(
            "the index lost scores {LOOKS} times while they were read; look at the server's log and its disk"
        );
        Err(Incomplete::Failed(Failure::Index(message)))
    }

    /// Returns how many images went through the network.
    fn pass(&self, missing: &[u32], job: Ulid, worker: &Worker, live: &Live) -> Result<u64, Failure> {
        let readings: Vec<Reading> = self.columns.iter().map(|column| column.reading.clone()).collect();
        let scorer = Scorer::new(&self.model, &readings, self.device).map_err(failure)?;
        let files = self.roll.dataset.is_remote().then(|| sync_channel(FETCHED_FILES));
        let (sender, receiver) = files.unzip();
        let feed = Pass::new(self, missing, receiver, Reporter { job, store: &*worker.store, live });
        let workers = worker.threads.min(missing.len().div_ceil(scorer.shape()[0] as usize)).max(1);
        let run = std::thread::scope(|scope| {
            if let Some(sender) = sender {
                for _ in 0..FETCHERS {
                    let (feed, sender) = (&feed, sender.clone());
                    scope.spawn(move || feed.fetch(&sender));
                }
            }
            let _hang_up = HangUp(&feed);
            scorer.run(&feed, workers)
        });
        // The workers' threads were one-threaded, and new threads take after the last that chose.
        device::set_threads(worker.threads);
        let kept = self.columns.iter().try_for_each(|column| column.table.checkpoint());
        if let Err(error) = self.roll.dataset.save() {
            tracing::warn!(
                "what was learned about dataset `{}` cannot be kept: {error}",
                self.roll.dataset.name()
            );
        }
        feed.report(true);
        run.map_err(failure)?;
        kept.map_err(|error| Failure::Index(error.to_string()))?;
        Ok(feed.scored.load(Ordering::Relaxed))
    }
}

fn failure(error: ScoreError) -> Failure {
    match error {
        ScoreError::Feed(message) => Failure::Index(message),
        other => Failure::Engine(other.to_string()),
    }
}

/// The job's side of a pass; see [`Feed`].
struct Pass<'a> {
    task: &'a RankTask,
    missing: &'a [u32],
    /// Place in `missing` of the next image to read.
    next: AtomicUsize,
    /// Files that were fetched ahead, of a store that is far.
    fetched: Option<Mutex<Option<Receiver<Item>>>>,
    /// Images whose content was known to need no scoring.
    known: AtomicU64,
    scored: AtomicU64,
    skipped: AtomicU64,
    reporter: Reporter<'a>,
    /// When the scores so far were put on disk.
    checked: Mutex<Instant>,
    /// When how many images had been looked at.
    pace: Mutex<VecDeque<(Instant, u64)>>,
}

/// To whom the pass tells how far it is.
struct Reporter<'a> {
    job: Ulid,
    store: &'a dyn JobStore,
    live: &'a Live,
}

impl<'a> Pass<'a> {
    fn new(
        task: &'a RankTask,
        missing: &'a [u32],
        fetched: Option<Receiver<Item>>,
        reporter: Reporter<'a>,
    ) -> Self {
        Self {
            task,
            missing,
            next: AtomicUsize::new(0),
            fetched: fetched.map(|receiver| Mutex::new(Some(receiver))),
            known: AtomicU64::new(0),
            scored: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            reporter,
            checked: Mutex::new(Instant::now()),
            pace: Mutex::new(VecDeque::from([(Instant::now(), 0)])),
        }
    }

    /// The next file that needs scoring.
    fn read(&self) -> Option<Item> {
        loop {
            let &entry = self.missing.get(self.next.fetch_add(1, Ordering::Relaxed))?;
            if self.cancelled() {
                return None;
            }
            let dataset = &self.task.roll.dataset;
            let file = match dataset.read(entry as usize) {
                Ok(file) => file,
                Err(error) => {
                    self.task.roll.unreadable(entry, error.to_string());
                    self.skip();
                    continue;
                }
            };
            let row = crate::data::datasets::row_of(&file);
            dataset.learn(entry as usize, Known::Row(row));
            if self.task.columns.iter().all(|column| column.table.contains(&row)) {
                self.known.fetch_add(1, Ordering::Relaxed);
                self.report(false);
                continue;
            }
            return Some(Item { tag: entry, file });
        }
    }

    /// Reads ahead until there is no more, or nobody listens.
    fn fetch(&self, files: &SyncSender<Item>) {
        while let Some(item) = self.read() {
            if files.send(item).is_err() {
                return;
            }
        }
    }

    /// Puts scores on disk every now and then, so that a crash costs seconds.
    fn checkpoint(&self) -> Result<(), IndexError> {
        // Another thread is at it already where the lock is taken.
        let Ok(mut checked) = self.checked.try_lock() else { return Ok(()) };
        if checked.elapsed() < CHECKPOINT_INTERVAL {
            return Ok(());
        }
        self.task.columns.iter().try_for_each(|column| column.table.checkpoint())?;
        *checked = Instant::now();
        Ok(())
    }

    fn skip(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        self.report(false);
    }

    /// Tells how far the pass is, unless it told so a moment ago.
    fn report(&self, last: bool) {
        let mut pace = lock(&self.pace);
        let now = Instant::now();
        let since = pace.back().map_or(Duration::MAX, |(last, _)| now - *last);
        if since < RANK_PROGRESS_INTERVAL && !last {
            return;
        }
        let (scored, skipped) = (self.scored.load(Ordering::Relaxed), self.skipped.load(Ordering::Relaxed));
        let looked = scored + skipped + self.known.load(Ordering::Relaxed);
        pace.push_back((now, looked));
        while pace.len() > 2 && now - pace[0].0 > RANK_RATE_WINDOW {
            pace.pop_front();
        }
        let (begin, before) = pace[0];
        let images_per_second = (looked - before.min(looked)) as f64 / (now - begin).as_secs_f64().max(1e-3);
        let all = self.missing.len() as u64;
        let seconds = all.saturating_sub(looked) as f64 / images_per_second.max(1e-9);
        let total_images = u64::from(self.task.roll.len());
        let progress = RankProgress {
            images: total_images - all + looked.min(all),
            total_images,
            scored,
            skipped,
            images_per_second,
            remaining: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        };
        // A job that has not ended is not evicted, so that it is there.
        let _ = self.reporter.store.rank_progress(self.reporter.job, progress);
    }
}

/// Stops listening to those who fetch, so that they end, also where the pass panics.
struct HangUp<'a>(&'a Pass<'a>);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        self.0.fetched.as_ref().map(|fetched| lock(fetched).take());
    }
}

impl Feed for Pass<'_> {
    fn next(&self) -> Option<Item> {
        match &self.fetched {
            None => self.read(),
            Some(fetched) => lock(fetched).as_ref()?.recv().ok(),
        }
    }

    fn broken(&self, tag: u32, error: DecodeError) {
        self.task.roll.dataset.learn(tag as usize, Known::Broken(error.to_string()));
        self.skip();
    }

    fn scored(&self, scored: &Scored) -> Result<(), String> {
        let dataset = &self.task.roll.dataset;
        let rows: Vec<_> = scored
            .tags
            .iter()
            .map(|&tag| match dataset.known(tag as usize) {
                Some(Known::Row(row)) => Ok(row),
                _ => Err("an image was forgotten while it was scored".to_owned()),
            })
            .collect::<Result<_, _>>()?;
        for (used, column) in self.task.columns.iter().zip(&scored.columns) {
            let positions = used.table.key().positions.then_some(column.positions.as_slice());
            used.table.append(&rows, &column.scores, positions).map_err(|error| error.to_string())?;
        }
        self.scored.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.report(false);
        self.checkpoint().map_err(|error| error.to_string())
    }

    fn cancelled(&self) -> bool {
        self.reporter.live.is_cancelled()
    }
}

/// What is behind these locks stays whole when a thread panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
