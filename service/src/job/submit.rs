//! The jobs of this server: how they come in, are looked up, stopped and followed. It knows no gRPC.

use super::follow::{Follower, Update, closed};
use super::labels::labels;
use super::queue::{Full, Place, Queue};
use super::rank::RankError;
use super::store::{Created, JobStore, NoJob, ReusedRequest};
use super::worker::{Live, Task, Work};
use super::{Ending, Job, Made, OptimizeOrder, Order, Provenance, RequestKey, Spec, State};
use crate::limits::{self, Limits};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use ulid::Ulid;
use unitscope_engine::model::Model;
use unitscope_engine::optimize::{Plan, prepare};
use unitscope_engine::plugin::Registry;
use unitscope_engine::spec::{FieldError, OptimizeSpec};

/// All jobs of this server.
pub struct Jobs {
    store: Arc<dyn JobStore>,
    queue: Arc<Queue<Work>>,
    registry: Arc<Registry>,
    /// Every job's [`Provenance`], but for model and plugins.
    place: Provenance,
    validations: Arc<Semaphore>,
    /// Jobs that have not ended.
    live: Mutex<HashMap<Ulid, Weak<Live>>>,
    /// Submissions are refused.
    refusing: watch::Sender<bool>,
    /// Streams end.
    closing: watch::Sender<bool>,
}

/// Why nothing was queued.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The server stops.
    #[error("the server is shutting down and takes no more jobs")]
    Closing,
    /// No place is free.
    #[error(transparent)]
    Full(#[from] Full),
    /// See [`ReusedRequest`].
    #[error(transparent)]
    Reused(#[from] ReusedRequest),
    /// These fields are wrong; paths begin at the spec.
    #[error("the spec is wrong in {} places", .0.len())]
    Invalid(Vec<FieldError>),
    /// The dataset or the index.
    #[error(transparent)]
    Rank(RankError),
    /// The check itself broke.
    #[error("the check of this request panicked, which is a fault of the server: {0}")]
    Panicked(String),
}

/// A checked request for pictures that a free place waits for.
pub struct Submission {
    /// Where it will wait.
    pub place: Place<Work>,
    /// What to make. Labels may be empty.
    pub spec: OptimizeOrder,
    /// The model that the spec names.
    pub model: Arc<Model>,
    /// The client's key.
    pub request: Option<RequestKey>,
}

impl Jobs {
    /// No jobs yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn JobStore>,
        queue: Arc<Queue<Work>>,
        registry: Arc<Registry>,
        place: Provenance,
    ) -> Self {
        Self {
            store,
            queue,
            registry,
            place,
            validations: Arc::new(Semaphore::new(limits::VALIDATIONS)),
            live: Mutex::default(),
            refusing: watch::Sender::new(false),
            closing: watch::Sender::new(false),
        }
    }

    /// An empty queue for these limits.
    #[must_use]
    pub fn queue(limits: &Limits) -> Arc<Queue<Work>> {
        Arc::new(Queue::new(limits.queued_jobs as usize))
    }

    /// Where jobs are kept.
    #[must_use]
    pub fn store(&self) -> &dyn JobStore {
        &*self.store
    }

    /// The same, for threads of their own.
    pub(super) fn store_handle(&self) -> Arc<dyn JobStore> {
        self.store.clone()
    }

    /// The terms that jobs can use, for threads of their own.
    pub(super) fn registry_handle(&self) -> Arc<Registry> {
        self.registry.clone()
    }

    /// The terms that jobs can use.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Holds a place in the queue for a request that is still to be checked; or finds the job that the same request made.
    ///
    /// # Errors
    /// Everything but [`SubmitError::Invalid`].
    pub fn reserve(&self, request: Option<&RequestKey>) -> Result<Reserved, SubmitError> {
        if *self.refusing.borrow() {
            return Err(SubmitError::Closing);
        }
        if let Some(key) = request
            && let Some(job) = self.store.find_request(key, SystemTime::now())?
        {
            return Ok(Reserved::Before(Box::new(job)));
        }
        Ok(Reserved::Place(self.queue.reserve()?))
    }

    /// Checks the rest of a spec against model and plugins, and queues the job.
    ///
    /// # Errors
    /// A [`SubmitError`]; nothing was queued.
    pub async fn submit(&self, submission: Submission) -> Result<Job, SubmitError> {
        let Submission { place, mut spec, model, request } = submission;
        let plan = self.prepare(&spec, &model).await?;
        if spec.labels.is_empty() {
            spec.labels = labels(&spec.optimize, &self.registry);
        }
        // The plan holds them as long as they are needed; the order is kept far longer.
        spec.optimize.references.clear();
        spec.optimize.parameterization.forget_values();
        let provenance = self.provenance(&spec.optimize, &model);
        let steps_total = spec.optimize.steps;
        let order = Order { spec: Spec::Optimize(Box::new(spec)), steps_total, provenance, request };
        self.enqueue(order, Task::Optimize(Box::new(plan)), place)
    }

    /// Makes a job of an order, and queues it.
    pub(super) fn enqueue(&self, order: Order, task: Task, place: Place<Work>) -> Result<Job, SubmitError> {
        let job = match self.store.create(order, SystemTime::now())? {
            Created::Before(job) => return Ok(job),
            Created::New(job) => job,
        };
        let live = self.enliven(job.id);
        self.queue_up(job, Work { task, live }, place)
    }

    /// From now on the job can be cancelled.
    pub(super) fn enliven(&self, id: Ulid) -> Arc<Live> {
        let live = Arc::new(Live::default());
        self.remember(id, &live);
        live
    }

    /// Lets a job wait for the device.
    pub(super) fn queue_up(&self, job: Job, work: Work, place: Place<Work>) -> Result<Job, SubmitError> {
        tracing::info!(job = %job.id, model = job.order.spec.model(), steps = job.order.steps_total, "queued");
        if place.take(job.id, work).is_err() {
            let _ = self.store.finish(job.id, Ending::Cancelled(Made::Nothing));
            return Err(SubmitError::Closing);
        }
        Ok(job)
    }

    /// Leave to check one request at length; held as long as that takes.
    ///
    /// # Errors
    /// [`SubmitError::Closing`].
    pub async fn validation(&self) -> Result<OwnedSemaphorePermit, SubmitError> {
        self.validations.clone().acquire_owned().await.map_err(|_| SubmitError::Closing)
    }

    /// Runs the engine's checks on a thread of their own; they go on if the client leaves, and keep their permit.
    async fn prepare(&self, spec: &OptimizeOrder, model: &Arc<Model>) -> Result<Plan, SubmitError> {
        let permit = self.validation().await?;
        let (optimize, model, registry) = (spec.optimize.clone(), model.clone(), self.registry.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            prepare(&optimize, &model, &registry)
        });
        checked.await.map_err(panicked)?.map_err(SubmitError::Invalid)
    }

    pub(super) fn provenance(&self, spec: &OptimizeSpec, model: &Model) -> Provenance {
        let terms = spec.terms.iter().filter_map(|term| self.registry.term(&term.id).ok());
        let mut plugins: Vec<(String, String, String)> = terms
            .map(|term| (term.plugin_id.clone(), term.plugin_version.clone(), term.library_digest.clone()))
            .collect();
        plugins.sort();
        plugins.dedup();
        Provenance { plugins, ..self.provenance_without_plugins(model) }
    }

    /// Of a job that no plugin takes part in.
    pub(super) fn provenance_without_plugins(&self, model: &Model) -> Provenance {
        Provenance { model_digest: model.digest().to_owned(), ..self.place.clone() }
    }

    /// Asks a job to stop.
    ///
    /// # Errors
    /// [`NoJob`].
    pub fn cancel(&self, id: Ulid) -> Result<Job, NoJob> {
        self.store.job(id)?;
        if let Some(live) = self.live(id) {
            live.cancelled.store(true, Ordering::Relaxed);
        }
        if self.queue.remove(id).is_some() {
            return self.store.finish(id, Ending::Cancelled(Made::Nothing));
        }
        // Between queue and device it is still queued: the worker looks at the flag before it begins.
        self.store.enter(id, State::Cancelling)
    }

    /// Returns when the job has ended, the time is up, or the server shuts down.
    ///
    /// # Errors
    /// [`NoJob`].
    pub async fn wait(&self, id: Ulid, timeout: Duration) -> Result<Job, NoJob> {
        let mut head = self.store.watch(id)?;
        let ended = async {
            loop {
                head.mark_unchanged();
                let job = self.store.job(id)?;
                if job.state.is_final() {
                    return Ok(job);
                }
                head.changed().await.map_err(|_| NoJob)?;
            }
        };
        tokio::select! {
            job = ended => job,
            () = tokio::time::sleep(timeout) => self.store.job(id),
            () = closed(self.closing.subscribe()) => self.store.job(id),
        }
    }

    /// Follows a job from after `after`, with previews of that size where one is given; dropping the receiver ends that.
    #[must_use]
    pub fn follow(&self, id: Ulid, after: u64, preview_side_px: Option<u32>) -> mpsc::Receiver<Update> {
        let (updates, receiver) = mpsc::channel(limits::STREAM_BUFFER);
        let follower = Follower {
            store: self.store.clone(),
            id,
            after,
            previews: preview_side_px.and_then(|_| self.live(id)).map(|live| live.previews.watch()),
            preview_side_px: preview_side_px.unwrap_or(limits::PREVIEW_SIDE_PX),
            closing: self.closing.subscribe(),
            updates,
        };
        tokio::spawn(follower.run());
        receiver
    }

    /// Takes no more jobs and stops those that wait or run; each still ends within one step.
    pub fn stop(&self) {
        self.refusing.send_replace(true);
        for id in self.queue.close() {
            let _ = self.store.finish(id, Ending::Cancelled(Made::Nothing));
        }
        let running: Vec<Ulid> = self.lives().keys().copied().collect();
        for id in running {
            let _ = self.cancel(id);
        }
    }

    /// Ends every stream and wait.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    fn remember(&self, id: Ulid, live: &Arc<Live>) {
        let mut lives = self.lives();
        lives.retain(|_, live| live.strong_count() > 0);
        lives.insert(id, Arc::downgrade(live));
    }

    fn live(&self, id: Ulid) -> Option<Arc<Live>> {
        self.lives().get(&id)?.upgrade()
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<Ulid, Weak<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A check that did not come to its end.
pub(super) fn panicked(error: tokio::task::JoinError) -> SubmitError {
    match error.try_into_panic() {
        Ok(panic) => SubmitError::Panicked(super::worker::panic_text(&*panic)),
        Err(_) => SubmitError::Closing,
    }
}

/// What [`Jobs::reserve`] found.
pub enum Reserved {
    /// A place in the queue.
    Place(Place<Work>),
    /// The job that the same request made.
    Before(Box<Job>),
}
