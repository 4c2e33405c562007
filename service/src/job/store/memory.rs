//! Jobs in memory, gone when the process ends.

use super::super::RequestKey;
use super::{
    Artifact, Created, DeleteError, Ending, Event, Happening, Job, JobStore, NoJob, Order, RankProgress,
    ReusedRequest, State, Step, event_bytes, order_bytes,
};
use crate::limits::{Limits, REQUEST_ID_AGE};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;
use ulid::{Generator, Ulid};

/// Keeps jobs in memory.
pub struct MemoryStore {
    kept_jobs: usize,
    kept_bytes: u64,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    ids: Generator,
    records: BTreeMap<Ulid, Record>,
    /// By request id.
    requests: HashMap<String, Ulid>,
    /// Jobs that have ended, the one that ended first in front.
    ended: VecDeque<Ulid>,
    bytes: u64,
}

struct Record {
    job: Job,
    events: Vec<Event>,
    artifacts: BTreeMap<String, Artifact>,
    bytes: u64,
    /// Follows `job.last_sequence`; dropped with the record, which closes every receiver.
    head: watch::Sender<u64>,
}

impl MemoryStore {
    /// An empty store with these caps.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { kept_jobs: limits.kept_jobs as usize, kept_bytes: limits.kept_bytes, shelf: Mutex::default() }
    }

    /// Every change is made whole under the lock, so that a panic elsewhere leaves nothing half done.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn record(&self, id: Ulid) -> Result<&Record, NoJob> {
        self.records.get(&id).ok_or(NoJob)
    }

    /// Adds an event, and whatever bytes the caller has added to the record besides.
    fn append(&mut self, id: Ulid, what: Happening) -> Result<(), NoJob> {
        let record = self.records.get_mut(&id).ok_or(NoJob)?;
        let bytes = event_bytes(&what);
        let sequence = record.job.last_sequence + 1;
        record.events.push(Event { sequence, time: SystemTime::now(), what });
        record.job.last_sequence = sequence;
        record.bytes += bytes;
        self.bytes += bytes;
        record.head.send_replace(sequence);
        Ok(())
    }

    fn forget(&mut self, id: Ulid) {
        let Some(record) = self.records.remove(&id) else { return };
        self.bytes -= record.bytes;
        self.ended.retain(|other| *other != id);
        if let Some(key) = &record.job.order.request
            && self.requests.get(&key.id) == Some(&id)
        {
            self.requests.remove(&key.id);
        }
    }

    /// Forgets ended jobs but for the last until the caps hold. One job alone may exceed the bytes: it is what its client waits for.
    fn evict(&mut self, kept_jobs: usize, kept_bytes: u64) {
        while self.ended.len() > kept_jobs.max(1) || (self.bytes > kept_bytes && self.ended.len() > 1) {
            let Some(oldest) = self.ended.front().copied() else { return };
            tracing::info!(evicted = %oldest, "evicted");
            self.forget(oldest);
        }
    }

    fn find_request(&self, key: &RequestKey, now: SystemTime) -> Result<Option<Job>, ReusedRequest> {
        let job = self.requests.get(&key.id).and_then(|id| self.records.get(id)).map(|record| &record.job);
        let fresh = |job: &&Job| now.duration_since(job.create_time).unwrap_or_default() < REQUEST_ID_AGE;
        match job.filter(fresh) {
            Some(job) if job.order.request.as_ref() == Some(key) => Ok(Some(job.clone())),
            Some(_) => Err(ReusedRequest),
            None => Ok(None),
        }
    }

    /// An id above all others, also within one millisecond or when the clock goes back.
    fn next_id(&mut self) -> Ulid {
        self.ids.generate().unwrap_or_else(|overflow| overflow.commit_overflow_increment())
    }
}

impl JobStore for MemoryStore {
    fn create(&self, order: Order, now: SystemTime) -> Result<Created, ReusedRequest> {
        let mut shelf = self.shelf();
        if let Some(key) = &order.request
            && let Some(job) = shelf.find_request(key, now)?
        {
            return Ok(Created::Before(job));
        }
        let id = shelf.next_id();
        if let Some(key) = &order.request {
            shelf.requests.insert(key.id.clone(), id);
        }
        let order = Arc::new(order);
        let bytes = order_bytes(&order);
        let job = Job {
            id,
            state: State::Queued,
            create_time: now,
            start_time: None,
            end_time: None,
            last_sequence: 0,
            steps_done: 0,
            order,
            ending: None,
        };
        let record = Record {
            job,
            events: Vec::new(),
            artifacts: BTreeMap::new(),
            bytes,
            head: watch::Sender::new(0),
        };
        shelf.records.insert(id, record);
        shelf.bytes += bytes;
        shelf.append(id, Happening::State(State::Queued)).expect("the record was put in under this lock");
        Ok(Created::New(shelf.records[&id].job.clone()))
    }

    fn find_request(&self, key: &RequestKey, now: SystemTime) -> Result<Option<Job>, ReusedRequest> {
        self.shelf().find_request(key, now)
    }

    fn job(&self, id: Ulid) -> Result<Job, NoJob> {
        self.shelf().record(id).map(|record| record.job.clone())
    }

    fn jobs(&self, before: Option<Ulid>, count: usize) -> Vec<Job> {
        let end = before.unwrap_or(Ulid(u128::MAX));
        self.shelf().records.range(..end).rev().take(count).map(|(_, record)| record.job.clone()).collect()
    }

    fn enter(&self, id: Ulid, state: State) -> Result<Job, NoJob> {
        let mut shelf = self.shelf();
        let record = shelf.records.get_mut(&id).ok_or(NoJob)?;
        let job = &mut record.job;
        let moves = matches!(
            (job.state, state),
            (State::Queued, State::Running) | (State::Running, State::Cancelling)
        );
        if moves {
            job.state = state;
            if state == State::Running {
                job.start_time = Some(SystemTime::now());
            }
            shelf.append(id, Happening::State(state))?;
        }
        shelf.record(id).map(|record| record.job.clone())
    }

    fn step(&self, id: Ulid, step: Step) -> Result<(), NoJob> {
        let mut shelf = self.shelf();
        shelf.records.get_mut(&id).ok_or(NoJob)?.job.steps_done = step.report.step;
        shelf.append(id, Happening::Step(Arc::new(step)))
    }

    fn rank_progress(&self, id: Ulid, progress: RankProgress) -> Result<(), NoJob> {
        let mut shelf = self.shelf();
        let done = u32::try_from(progress.images).unwrap_or(u32::MAX);
        shelf.records.get_mut(&id).ok_or(NoJob)?.job.steps_done = done;
        shelf.append(id, Happening::RankProgress(progress))
    }

    fn put_artifact(&self, id: Ulid, artifact: Artifact) -> Result<(), NoJob> {
        let mut shelf = self.shelf();
        let record = shelf.records.get_mut(&id).ok_or(NoJob)?;
        let bytes = artifact.data.len() as u64;
        record.bytes += bytes;
        record.artifacts.insert(artifact.info.file.clone(), artifact);
        shelf.bytes += bytes;
        shelf.evict(self.kept_jobs, self.kept_bytes);
        Ok(())
    }

    fn artifact(&self, id: Ulid, file: &str) -> Result<Artifact, NoJob> {
        self.shelf().record(id)?.artifacts.get(file).cloned().ok_or(NoJob)
    }

    fn finish(&self, id: Ulid, ending: Ending) -> Result<Job, NoJob> {
        let mut shelf = self.shelf();
        let job = &mut shelf.records.get_mut(&id).ok_or(NoJob)?.job;
        if !job.state.is_final() {
            let state = ending.state();
            job.state = state;
            job.end_time = Some(SystemTime::now());
            job.ending = Some(Arc::new(ending));
            shelf.append(id, Happening::State(state))?;
            shelf.ended.push_back(id);
        }
        let job = shelf.record(id)?.job.clone();
        shelf.evict(self.kept_jobs, self.kept_bytes);
        Ok(job)
    }

    fn delete(&self, id: Ulid) -> Result<(), DeleteError> {
        let mut shelf = self.shelf();
        if !shelf.record(id)?.job.state.is_final() {
            return Err(DeleteError::NotEnded);
        }
        shelf.forget(id);
        Ok(())
    }

    fn events(&self, id: Ulid, after: u64, count: usize) -> Result<Vec<Event>, NoJob> {
        let shelf = self.shelf();
        let events = &shelf.record(id)?.events;
        // Sequence numbers are consecutive from 1, so that event n lies at n − 1.
        let first = usize::try_from(after).unwrap_or(usize::MAX).min(events.len());
        Ok(events[first..events.len().min(first + count)].to_vec())
    }

    fn watch(&self, id: Ulid) -> Result<watch::Receiver<u64>, NoJob> {
        self.shelf().record(id).map(|record| record.head.subscribe())
    }
}

#[cfg(test)]
mod tests;
