//! Jobs: what was asked for, how far it is, what it made. It knows the engine's types and no gRPC.

pub mod card;
pub mod follow;
pub mod labels;
pub mod previews;
pub mod queue;
pub mod rank;
pub mod store;
pub mod submit;
pub mod worker;

pub use submit::Jobs;

use card::{CardOrder, Rendered};
use rank::{RankOrder, RankProgress, Ranking};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::JobStore;
use ulid::Ulid;
use unitscope_engine::optimize::StepReport;
use unitscope_engine::spec::OptimizeSpec;

/// A job as it was at one moment.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id; newer jobs have larger ones.
    pub id: Ulid,
    /// Where it stands.
    pub state: State,
    /// When it was accepted.
    pub create_time: SystemTime,
    /// When it got the device.
    pub start_time: Option<SystemTime>,
    /// When it ended.
    pub end_time: Option<SystemTime>,
    /// The number of its last event; 0 before the first.
    pub last_sequence: u64,
    /// Steps made; of a ranking, images looked at.
    pub steps_done: u32,
    /// What was asked for, and by whom.
    pub order: Arc<Order>,
    /// What became of it, once it ended.
    pub ending: Option<Arc<Ending>>,
}

/// What a job was accepted as; it never changes.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to make.
    pub spec: Spec,
    /// Steps that it makes at most; of a ranking, images of its dataset.
    pub steps_total: u32,
    /// With what.
    pub provenance: Provenance,
    /// The client's key for the submission, if it gave one.
    pub request: Option<RequestKey>,
}

/// A client's key for a submission, with what it stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// A UUID, in lower case.
    pub id: String,
    /// A digest of the spec as it was sent.
    pub spec_digest: [u8; 32],
}

/// What to make.
#[derive(Clone, Debug)]
pub enum Spec {
    /// Pictures.
    Optimize(Box<OptimizeOrder>),
    /// A ranking.
    Rank(Arc<RankOrder>),
    /// A card.
    Card(Arc<CardOrder>),
}

impl Spec {
    /// The name of the model that it is about.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Spec::Optimize(order) => &order.model,
            Spec::Rank(order) => &order.model,
            Spec::Card(order) => &order.rank.model,
        }
    }
}

/// Which pictures to make, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizeOrder {
    /// The model's name.
    pub model: String,
    /// What the engine needs to know; once the job is accepted, without references and magnitudes, which its plan holds.
    pub optimize: OptimizeSpec,
    /// BLAKE3 of each reference's file, in hex.
    pub reference_digests: Vec<String>,
    /// BLAKE3 of the magnitudes that came with it, in hex.
    pub magnitude_digest: Option<String>,
    /// A name for each picture, all different.
    pub labels: Vec<String>,
    /// Also keep the pictures as float32 tensors.
    pub return_tensors: bool,
}

/// What a result is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// BLAKE3 of the model's file, in hex.
    pub model_digest: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Threads of one operator on the CPU.
    pub threads: usize,
    /// The plugins whose terms take part: id, version and digest of the library; each once.
    pub plugins: Vec<(String, String, String)>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for the device.
    Queued,
    /// It has the device.
    Running,
    /// It will stop within one step.
    Cancelling,
    /// It is done.
    Succeeded,
    /// It ended early.
    Failed,
    /// It was stopped.
    Cancelled,
}

impl State {
    /// Whether a job in this state has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Cancelled)
    }
}

/// What became of a job.
#[derive(Clone, Debug)]
pub enum Ending {
    /// All is made.
    Succeeded(Made),
    /// What was made when it stopped.
    Cancelled(Made),
    /// Why it ended early, and what was made before.
    Failed(Failure, Made),
}

/// What a job made.
#[derive(Clone, Debug)]
pub enum Made {
    /// Nothing: it never began, or only the whole would be of use.
    Nothing,
    /// Pictures; the last good ones where it ended early.
    Images(Vec<Image>),
    /// A ranking.
    Ranking(Box<Ranking>),
    /// A card.
    Card(Box<Rendered>),
}

impl Ending {
    /// The state that a job with this ending is in.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Ending::Succeeded(_) => State::Succeeded,
            Ending::Cancelled(_) => State::Cancelled,
            Ending::Failed(..) => State::Failed,
        }
    }
}

/// Why a running job failed. The texts come from the engine and name the step and the term or operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A plugin failed.
    #[error("{message}")]
    Term {
        /// The term's id.
        term: String,
        /// What happened.
        message: String,
    },
    /// A value became infinite or NaN.
    #[error("{0}")]
    NotFinite(String),
    /// The network or libtorch failed.
    #[error("{0}")]
    Engine(String),
    /// Scores could not be kept or read.
    #[error("{0}")]
    Index(String),
    /// The code that ran it panicked.
    #[error("the job panicked, which is a fault of the server: {0}")]
    Panicked(String),
}

/// One finished picture.
#[derive(Clone, Debug)]
pub struct Image {
    /// How it ended, its scores and values; see the engine.
    pub end: unitscope_engine::optimize::End,
    /// Steps made for it.
    pub steps: u32,
    /// The maximized sum on the clean picture.
    pub score: f64,
    /// The same at the start.
    pub start_score: f64,
    /// For each term of the spec its value, where it applies and has one.
    pub terms: Vec<Option<f64>>,
    /// The picture.
    pub png: ArtifactInfo,
    /// The same in float32, where asked for.
    pub tensor: Option<ArtifactInfo>,
    /// The pictures that were kept on the way, with the steps made by then.
    pub snapshots: Vec<(u32, ArtifactInfo)>,
}

/// A file that a job made, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// Its name within the job.
    pub file: String,
    /// Such as `image/png`.
    pub media_type: &'static str,
    /// Length in bytes.
    pub size_bytes: usize,
    /// BLAKE3 of the bytes, in hex.
    pub blake3: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A file that a job made.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What it is.
    pub info: ArtifactInfo,
    /// Its bytes.
    pub data: Arc<[u8]>,
}

impl Artifact {
    /// A file of these bytes, with its width and height where it is a picture.
    #[must_use]
    pub fn new(file: String, media_type: &'static str, (width, height): (u32, u32), data: Vec<u8>) -> Self {
        let blake3 = blake3::hash(&data).to_hex().to_string();
        let info = ArtifactInfo { file, media_type, size_bytes: data.len(), blake3, width, height };
        Self { info, data: data.into() }
    }

    /// Keeps it with a job that has not ended.
    pub fn keep(self, store: &dyn JobStore, job: Ulid) -> ArtifactInfo {
        let info = self.info.clone();
        // A job that has not ended is not evicted, so that it is there.
        let _ = store.put_artifact(job, self);
        info
    }
}

/// Something that happened to a job.
#[derive(Clone, Debug)]
pub struct Event {
    /// Consecutive from 1 within a job.
    pub sequence: u64,
    /// When.
    pub time: SystemTime,
    /// What.
    pub what: Happening,
}

/// What can happen to a job.
#[derive(Clone, Debug)]
pub enum Happening {
    /// It entered a state.
    State(State),
    /// It made a step.
    Step(Arc<Step>),
    /// Its ranking went on.
    RankProgress(RankProgress),
}

/// One step, and how long it took.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the engine found.
    pub report: StepReport,
    /// Steps that the job makes at most.
    pub total_steps: u32,
    /// Since the step before, or the start.
    pub time: Duration,
    /// Until the last step, by the mean of the steps so far, or until the time is up.
    pub remaining: Duration,
}
