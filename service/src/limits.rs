//! Every cap of the service, with its reason. It knows no request.
//!
//! What a client can run into stands in [`Limits`], which `GetServerInfo` shows; the operator may change some of them.

use std::time::Duration;

/// What requests may ask for, and what the server keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pictures of one job. With [`Limits::terms`] it bounds a step event: 128 × 256 values of 8 bytes are 256 KiB.
    pub images: u32,
    /// Steps of one job. A job of a second per step would take a day.
    pub steps: u32,
    /// Terms of one job: one per picture, and as many again that are shared.
    pub terms: u32,
    /// steps × images × terms of one job. Its step events then hold at most three times as many numbers (values, and with a
    /// single term as many scores and norms again): 100 MB.
    pub step_values: u64,
    /// Height or width in pixels. A GoogLeNet needs about 1 KB per pixel: 4 GB for one picture of this side.
    pub image_side_px: u32,
    /// images × (1 + snapshots) × height × width of one job: at most 100 MB of PNG, and 400 MB of tensors.
    pub job_pixels: u64,
    /// Snapshots of one job. With [`Limits::JOB_IMAGES`] it bounds the list of artifacts in a job message.
    pub snapshots: u32,
    /// Jobs that wait or are being checked. Each holds its plan, some kilobytes, and its references, at most
    /// [`REFERENCES_PIXELS`]; the wait is what hurts.
    pub queued_jobs: u32,
    /// Finished jobs that are kept.
    pub kept_jobs: u32,
    /// Bytes of events and artifacts that are kept: twice what one job may make, so that a finished one survives the next.
    pub kept_bytes: u64,
    /// `StreamProgress` calls at once. Each holds a task and at most [`STREAM_BUFFER`] events.
    pub progress_streams: u32,
    /// Models in memory, about 100 MB each for common networks.
    pub loaded_models: u32,
    /// Units of one ranking: a look-up of milliseconds each, and about 2 KB of statistics in the answer.
    pub ranked_units: u32,
    /// Hits of one ranking, about 300 bytes each in the answer; those that have no room there are in its files.
    pub hits: u32,
    /// Bytes of the activation index: a million images by 512 units take 4 GB with their positions.
    pub index_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            images: 128,
            steps: 100_000,
            terms: 256,
            step_values: 1 << 22,
            image_side_px: 2048,
            job_pixels: 1 << 25,
            snapshots: 64,
            queued_jobs: 64,
            kept_jobs: 256,
            kept_bytes: 1 << 30,
            progress_streams: 256,
            loaded_models: 8,
            ranked_units: 256,
            hits: 8192,
            index_bytes: 16 << 30,
        }
    }
}

impl Limits {
    /// images × (1 + snapshots) of one job: each is an artifact of about 200 bytes in the job's message, 0.8 MB together.
    pub const JOB_IMAGES: u64 = 4096;
}

/// A request's message; gRPC clients send at most so much without being told otherwise.
pub const REQUEST_BYTES: usize = 4 << 20;

/// An answer's message: clients accept 4 MiB by default, and some of that is left for frames and future fields. Step events,
/// previews (256 KiB), chunks and pages stay below by construction; a job message holds at most 128 × 256 term values
/// (0.5 MB), 4096 artifacts (0.8 MB), its spec (0.4 MB), and inline bytes only as long as there is room.
pub const RESPONSE_BYTES: usize = 3 << 20;

/// Room for what surrounds a job inside an event: lengths, tags, times.
pub const ENVELOPE_BYTES: usize = 1 << 10;

/// A spec as it was sent; job messages repeat it.
pub const SPEC_BYTES: usize = 256 << 10;

/// Bytes of an artifact that `GetArtifact` returns inline.
pub const INLINE_ARTIFACT_BYTES: usize = 1 << 20;

/// Bytes in one answer of `ReadArtifact`.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of labels that a list of models may hold; models after that are listed without.
pub const LISTED_LABEL_BYTES: usize = 2 << 20;

/// Bytes of a model's, term's or picture's name: they become names of files.
pub const NAME_BYTES: usize = 128;

/// Pictures that a job's terms may compare with.
pub const REFERENCES: usize = 16;

/// Bytes of their files, which come with the request and must fit into its message.
pub const REFERENCES_BYTES: usize = 3 << 20;

/// references × height × width of one job, as the engine holds them until it has run: 25 MB of float32 in three channels, so that a full
/// queue holds 1.6 GB.
pub const REFERENCES_PIXELS: u64 = 1 << 21;

/// Pixels of one such file: 256 MB while it is decoded.
pub const REFERENCE_PIXELS: u64 = 1 << 24;

/// Magnitudes of a spectrum that a request brings: 2 MiB, which its message has room for; three channels of 512 × 512 pixels have as many.
pub const MAGNITUDES: u64 = 1 << 19;

/// Nodes of the expression that a job maximizes: a sum of all terms of a job, each with a factor, has three times [`Limits::terms`].
pub const EXPRESSION_NODES: usize = 1024;

/// How deep that expression may be: protobuf's readers stop at 100 messages within each other, and each level is two, with its list.
pub const EXPRESSION_DEPTH: usize = 32;

/// Transforms of one job, as the proto says.
pub const TRANSFORMS: usize = 16;

/// Distances of transforms, in pixels: a quarter of the largest picture.
pub const TRANSFORM_PX: u32 = 512;

/// Elements of a list parameter: more than any built-in term takes, and quick to check.
pub const PARAM_LIST: usize = 4096;

/// Requests that are checked at once; each may run one forward pass, and the device has work to do beside them.
pub const VALIDATIONS: usize = 2;

/// `WaitJob` calls at once: a task and a timer each.
pub const WAITING_CALLS: usize = 1024;

/// `ReadArtifact` calls at once: a task and at most [`STREAM_BUFFER`] chunks each.
pub const ARTIFACT_STREAMS: usize = 64;

/// Requests of one connection that are worked on at once.
pub const REQUESTS_PER_CONNECTION: usize = 256;

/// Messages that wait in one stream for a slow reader; the rest waits in the store.
pub const STREAM_BUFFER: usize = 16;

/// Events that are copied from the store at once, so that its lock is held for microseconds.
pub const EVENT_CHUNK: usize = 256;

/// The longest side of a preview, in pixels.
pub const PREVIEW_SIDE_PX: u32 = 256;

/// The shortest side that a client may ask previews to have.
pub const PREVIEW_MIN_SIDE_PX: u32 = 16;

/// The least time between previews: two a second.
pub const PREVIEW_INTERVAL: Duration = Duration::from_millis(500);

/// A cancelled job's last scores may take so long; after that its pictures are returned without.
pub const LAST_SCORES: Duration = Duration::from_secs(1);

/// A stream says so often that it lives, where nothing else is sent.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// HTTP/2 pings on idle connections, and how long to wait for their answers: dead clients are noticed within a minute.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// See [`KEEPALIVE_INTERVAL`].
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// What a client without a timeout of its own waits for a job.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(60);

/// The longest wait for a job.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A `request_id` is remembered so long, as AIP-155 suggests.
pub const REQUEST_ID_AGE: Duration = Duration::from_secs(24 * 3600);

/// When to try again after the queue was full: about a short job's time.
pub const RETRY_DELAY: Duration = Duration::from_secs(5);

/// At the end the running job has so long to reach its next step.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Then connections have so long to close; with [`DRAIN`] that is below the 10 s that supervisors grant.
pub const CLOSE: Duration = Duration::from_secs(3);

/// Jobs in a page, by default and at most, as AIP-158 has it.
pub const PAGE_DEFAULT: usize = 50;

/// See [`PAGE_DEFAULT`].
pub const PAGE_MAX: usize = 1000;

/// Bands of one ranking, as the proto says.
pub const BANDS: usize = 16;

/// Layers that a ranking scores besides those of its units, as the proto says.
pub const RANKED_LAYERS: usize = 256;

/// Classes that a ranking is limited to; the whole of ImageNet.
pub const RANKED_CLASSES: usize = 1000;

/// Pictures of one ranking's hits, about 20 KB each: 80 MB.
pub const HIT_PICTURES: u64 = 4096;

/// The longest side of a thumbnail, in pixels.
pub const THUMBNAIL_MAX_SIDE_PX: u32 = 512;

/// The longest side of a thumbnail without being told, in pixels.
pub const THUMBNAIL_SIDE_PX: u32 = 128;

/// The shortest side that a client may ask thumbnails to have.
pub const THUMBNAIL_MIN_SIDE_PX: u32 = 16;

/// units × images whose scores a ranking returns: 512 MB of float32, half of what the server keeps of all jobs.
pub const RETURNED_SCORES: u64 = 1 << 27;

/// Images left out that an answer names.
pub const SKIPPED_IMAGES: usize = 100;

/// Means of classes in an answer; its JSON file has all.
pub const CLASS_MEANS: usize = 10;

/// Classes that a message about a dataset names: 0.5 MB at 50 bytes each.
pub const LISTED_CLASSES: usize = 10_000;

/// Tables that a list of the index holds: 2.5 MB at 250 bytes each.
pub const LISTED_INDEXES: usize = 10_000;

/// Word of how far a ranking is: four times a second.
pub const RANK_PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Images a second are counted over so long.
pub const RANK_RATE_WINDOW: Duration = Duration::from_secs(5);

/// Threads that fetch files of a dataset that is far: a store answers after tens of milliseconds, and takes many requests at once.
pub const FETCHERS: usize = 16;

/// Files that were fetched and wait for a thread of the pass; at most 64 MiB each, 100 KB as a rule.
pub const FETCHED_FILES: usize = 32;

/// A pass puts its scores on disk so often: a crash costs at most as much.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// Units of one card, as the proto says: a page with more is not looked at.
pub const CARD_UNITS: usize = 32;

/// Images of one group of a card, as the proto says.
pub const CARD_HITS: u32 = 16;

/// Diverse pictures of one unit of a card, as the proto says.
pub const CARD_DIVERSE: u32 = 8;

/// Steps of a card's pictures, as the proto says: with fewer there is nothing to see.
pub const CARD_LEAST_STEPS: u32 = 16;

/// Filters of one answer: 256 tiles are what one looks at, and at some milliseconds a fit they take about a second.
pub const FILTERS: usize = 256;

/// Pixels of their kernels, drawn and fitted: 256 patch embeddings of 32×32, 0.8 MB of colours in the picture.
pub const FILTER_PIXELS: u64 = 1 << 18;

/// Their weights, 64 MB; 256 filters of 2,048 channels of 3×3 have 5 million.
pub const FILTER_WEIGHTS: u64 = 1 << 24;

/// Such requests that are worked on at once; the others wait. Each takes a core.
pub const FILTER_CALLS: usize = 1;

/// An image that could not be read is tried again after so long, or with the next listing.
pub const UNREADABLE_RETRY: Duration = Duration::from_secs(60);
