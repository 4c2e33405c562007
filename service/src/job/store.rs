//! Where jobs, their events and their artifacts are kept: the interface, and the memory behind it. It knows no queue and no device.

use super::rank::RankProgress;
use super::{Artifact, Ending, Event, Happening, Job, Order, Spec, State, Step};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;
use ulid::Ulid;

mod memory;
pub use memory::MemoryStore;

/// Keeps jobs. Every call takes microseconds and may come from any thread.
///
/// `None`, or [`NoJob`], means that the job never was, was deleted, or was evicted: whole finished jobs go, the one that ended
/// first goes first, as soon as the caps on jobs or bytes ask for it.
pub trait JobStore: Send + Sync {
    /// Accepts a job in state [`State::Queued`], with that as its first event; or returns the job that an order with the same
    /// request id made before, or refuses where that had another spec. At most one of several equal calls makes a job.
    fn create(&self, order: Order, now: SystemTime) -> Result<Created, ReusedRequest>;

    /// The job that this request id made, as [`JobStore::create`] would return it.
    fn find_request(&self, key: &super::RequestKey, now: SystemTime) -> Result<Option<Job>, ReusedRequest>;

    /// The job as it is now.
    fn job(&self, id: Ulid) -> Result<Job, NoJob>;

    /// At most `count` jobs, newest first, all older than `before`.
    fn jobs(&self, before: Option<Ulid>, count: usize) -> Vec<Job>;

    /// Moves a job on to [`State::Running`] or [`State::Cancelling`]; a job that has ended, or is that far, stays as it is.
    fn enter(&self, id: Ulid, state: State) -> Result<Job, NoJob>;

    /// Adds a step.
    fn step(&self, id: Ulid, step: Step) -> Result<(), NoJob>;

    /// Adds word of how far a ranking is.
    fn rank_progress(&self, id: Ulid, progress: RankProgress) -> Result<(), NoJob>;

    /// Keeps a file under its name.
    fn put_artifact(&self, id: Ulid, artifact: Artifact) -> Result<(), NoJob>;

    /// A file that was kept.
    fn artifact(&self, id: Ulid, file: &str) -> Result<Artifact, NoJob>;

    /// Ends a job; one that has ended stays as it is.
    fn finish(&self, id: Ulid, ending: Ending) -> Result<Job, NoJob>;

    /// Forgets a job that has ended.
    fn delete(&self, id: Ulid) -> Result<(), DeleteError>;

    /// At most `count` events that follow `after`, in order.
    fn events(&self, id: Ulid, after: u64, count: usize) -> Result<Vec<Event>, NoJob>;

    /// Follows the number of a job's last event; closes when the job is forgotten.
    fn watch(&self, id: Ulid) -> Result<watch::Receiver<u64>, NoJob>;
}

/// What [`JobStore::create`] did.
#[derive(Debug)]
pub enum Created {
    /// A job.
    New(Job),
    /// Nothing: the same request had made this job.
    Before(Job),
}

/// There is no such job (any more), or it has no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such job; it may have been deleted, or evicted to make room for newer ones")]
pub struct NoJob;

/// The request id was used with another spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this request_id made another job, from another spec; use a new UUID for each new job")]
pub struct ReusedRequest;

/// Why a job was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// See [`NoJob`].
    #[error(transparent)]
    NoJob(#[from] NoJob),
    /// It waits or runs.
    #[error("the job has not ended; cancel it first")]
    NotEnded,
}

/// Bytes that an event holds in memory, roughly: its numbers, and what surrounds them.
fn event_bytes(what: &Happening) -> u64 {
    const EVENT: u64 = size_of::<Event>() as u64;
    const STEP: u64 = size_of::<Step>() as u64;
    const VEC: u64 = size_of::<Vec<f64>>() as u64;
    match what {
        Happening::State(_) | Happening::RankProgress(_) => EVENT,
        Happening::Step(step) => {
            let report = &step.report;
            let values: usize = report.terms.iter().map(Vec::len).sum();
            let numbers = report.scores.len() + report.gradient_norms.len() + values;
            EVENT + STEP + VEC * report.terms.len() as u64 + 8 * numbers as u64
        }
    }
}

/// Bytes of a job's order, roughly: names, parameters and lists of pictures.
fn order_bytes(order: &Arc<Order>) -> u64 {
    const TERM: u64 = 512;
    let order = match &order.spec {
        Spec::Optimize(order) => order,
        Spec::Rank(order) => return order.bytes(),
        Spec::Card(order) => return order.bytes(),
    };
    let spec = &order.optimize;
    let pictures: usize = spec.terms.iter().map(|term| term.images.len()).sum();
    // Numbers and weights of pictures, names, and one node of an expression for each term, with its factor.
    TERM * (1 + spec.terms.len() as u64)
        + 12 * pictures as u64
        + 64 * (order.labels.len() + order.reference_digests.len()) as u64
}
