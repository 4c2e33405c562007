//! From jobs, events, models and terms to proto messages. It checks nothing.

mod card;
mod catalog;
mod datasets;
mod filters;
mod rank;
mod spec;

pub use catalog::{listed, loaded, term};
pub use datasets::{dataset, index, listed_dataset};
pub use filters::filters;

use super::{names, status};
use crate::job::follow::Update;
use crate::job::store::JobStore;
use crate::job::{ArtifactInfo, Ending, Event, Happening, Image, Job, Made, Spec, State, Step};
use crate::limits::{ENVELOPE_BYTES, RESPONSE_BYTES};
use prost::Message;
use std::time::{Duration, SystemTime};
use ulid::Ulid;
use unitscope_engine::device::LIBTORCH_VERSION;
use unitscope_engine::optimize::End;
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::stream_progress_response::Event as ProtoEvent;

/// This server's version.
pub const SERVER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A job without artifact bytes.
#[must_use]
pub fn job(job: &Job) -> proto::Job {
    let (error, result) = match job.ending.as_deref() {
        None => (None, None),
        Some(Ending::Failed(failure, Made::Nothing)) => (Some(status::job_error(job.id, failure)), None),
        Some(Ending::Failed(failure, made)) => (Some(status::job_error(job.id, failure)), result(job, made)),
        Some(Ending::Succeeded(made) | Ending::Cancelled(made)) => (None, result(job, made)),
    };
    let spec = match &job.order.spec {
        Spec::Optimize(order) => proto::job::Spec::Optimize(spec::spec(order)),
        Spec::Rank(order) => proto::job::Spec::Rank(rank::spec(order)),
        Spec::Card(order) => proto::job::Spec::Card(card::spec(order)),
    };
    proto::Job {
        name: names::job(job.id),
        state: state(job.state).into(),
        create_time: Some(job.create_time.into()),
        start_time: job.start_time.map(Into::into),
        end_time: job.end_time.map(Into::into),
        last_sequence: job.last_sequence,
        steps_done: job.steps_done,
        steps_total: job.order.steps_total,
        provenance: Some(provenance(job)),
        spec: Some(spec),
        error,
        result,
        request_id: job.order.request.as_ref().map(|key| key.id.clone()).unwrap_or_default(),
    }
}

/// What a job made, in the form that its spec calls for.
fn result(job: &Job, made: &Made) -> Option<proto::job::Result> {
    match (&job.order.spec, made) {
        (Spec::Optimize(order), Made::Images(_) | Made::Nothing) => {
            let images = if let Made::Images(images) = made { images.as_slice() } else { &[] };
            let images = order.labels.iter().zip(images).map(|(label, made)| image(job.id, label, made));
            Some(proto::job::Result::OptimizeResult(proto::OptimizeResult { images: images.collect() }))
        }
        (Spec::Rank(order), Made::Ranking(ranking)) => {
            Some(proto::job::Result::RankResult(rank::result(job.id, order, ranking)))
        }
        (Spec::Card(order), Made::Card(rendered)) => {
            Some(proto::job::Result::CardResult(card::result(job.id, order, rendered)))
        }
        _ => None,
    }
}

/// A job with the bytes of its artifacts, as far as the message stays below [`RESPONSE_BYTES`]: pictures first, then tensors,
/// then snapshots.
#[must_use]
pub fn job_with_bytes(made: &Job, store: &dyn JobStore) -> proto::Job {
    let mut message = job(made);
    let mut room = (RESPONSE_BYTES - ENVELOPE_BYTES).saturating_sub(message.encoded_len());
    let mut fill = |artifact: &mut proto::Artifact| {
        /// Tag and lengths of the bytes, and of the messages around them.
        const FRAME: usize = 32;
        let file = artifact.name.rsplit('/').next().unwrap_or_default();
        let Ok(kept) = store.artifact(made.id, file) else { return };
        if let Some(rest) = room.checked_sub(kept.data.len() + FRAME) {
            room = rest;
            artifact.inline_data = kept.data.to_vec();
        }
    };
    match &mut message.result {
        Some(proto::job::Result::OptimizeResult(result)) => {
            let images = &mut result.images;
            images.iter_mut().filter_map(|image| image.png.as_mut()).for_each(&mut fill);
            images.iter_mut().filter_map(|image| image.tensor.as_mut()).for_each(&mut fill);
            let snapshots = images.iter_mut().flat_map(|image| &mut image.snapshots);
            snapshots.filter_map(|snapshot| snapshot.png.as_mut()).for_each(&mut fill);
        }
        Some(proto::job::Result::RankResult(result)) => rank::artifacts(result).into_iter().for_each(fill),
        Some(proto::job::Result::CardResult(result)) => card::artifacts(result).into_iter().for_each(fill),
        None => {}
    }
    message
}

/// An artifact without its bytes.
#[must_use]
pub fn artifact(id: Ulid, info: &ArtifactInfo) -> proto::Artifact {
    proto::Artifact {
        name: names::artifact(id, &info.file),
        media_type: info.media_type.to_owned(),
        size_bytes: i64::try_from(info.size_bytes).unwrap_or(i64::MAX),
        blake3: info.blake3.clone(),
        width: info.width,
        height: info.height,
        inline_data: Vec::new(),
    }
}

/// What a follower is told; an error ends the stream.
///
/// # Errors
/// The job is gone, or the server stops.
pub fn update(
    name: &str,
    update: Update,
    store: &dyn JobStore,
) -> Result<proto::StreamProgressResponse, tonic::Status> {
    let (sequence, time, event) = match update {
        Update::Event(Event { sequence, time, what }) => (sequence, time, happening(what)),
        Update::Preview { image, step, png } => {
            (0, SystemTime::now(), ProtoEvent::Preview(proto::Preview { image, step, png }))
        }
        Update::Heartbeat => (0, SystemTime::now(), ProtoEvent::Heartbeat(proto::Heartbeat {})),
        Update::Done(job) => {
            let time = job.end_time.unwrap_or_else(SystemTime::now);
            (0, time, ProtoEvent::Done(job_with_bytes(&job, store)))
        }
        Update::Gone(gone) => return Err(status::no_job(name, gone)),
        Update::Closing => return Err(status::closing()),
    };
    Ok(proto::StreamProgressResponse { sequence, event_time: Some(time.into()), event: Some(event) })
}

fn happening(what: Happening) -> ProtoEvent {
    match what {
        Happening::State(entered) => ProtoEvent::State(proto::StateChange { state: state(entered).into() }),
        Happening::Step(step) => ProtoEvent::Step(self::step(&step)),
        Happening::RankProgress(progress) => ProtoEvent::RankProgress(rank::progress(&progress)),
    }
}

fn step(step: &Step) -> proto::Step {
    let report = &step.report;
    proto::Step {
        step: report.step,
        total_steps: step.total_steps,
        scores: report.scores.clone(),
        terms: report.terms.iter().map(|values| proto::TermValues { values: values.clone() }).collect(),
        gradient_norms: report.gradient_norms.clone(),
        step_time_ms: step.time.as_secs_f64() * 1e3,
        remaining: duration(step.remaining),
    }
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn state(state: State) -> proto::job::State {
    match state {
        State::Queued => proto::job::State::Queued,
        State::Running => proto::job::State::Running,
        State::Cancelling => proto::job::State::Cancelling,
        State::Succeeded => proto::job::State::Succeeded,
        State::Failed => proto::job::State::Failed,
        State::Cancelled => proto::job::State::Cancelled,
    }
}

fn provenance(job: &Job) -> proto::Provenance {
    let made_with = &job.order.provenance;
    let plugin = |(id, version, digest): &(String, String, String)| proto::PluginUse {
        id: id.clone(),
        version: version.clone(),
        digest: digest.clone(),
    };
    proto::Provenance {
        model: job.order.spec.model().to_owned(),
        model_digest: made_with.model_digest.clone(),
        device: made_with.device.clone(),
        threads: u32::try_from(made_with.threads).unwrap_or(u32::MAX),
        server_version: SERVER_VERSION.to_owned(),
        libtorch_version: LIBTORCH_VERSION.to_owned(),
        plugins: made_with.plugins.iter().map(plugin).collect(),
    }
}

fn image(id: Ulid, label: &str, image: &Image) -> proto::OptimizedImage {
    use proto::optimized_image::Outcome;
    let (outcome, hint) = match &image.end {
        End::Completed => (Outcome::Completed, String::new()),
        End::Dead { hint } => (Outcome::Dead, hint.clone()),
        End::Plateau => (Outcome::Plateau, String::new()),
        End::TargetReached => (Outcome::TargetReached, String::new()),
        End::OutOfTime => (Outcome::OutOfTime, String::new()),
        End::Eliminated => (Outcome::Eliminated, String::new()),
        End::Stopped => (Outcome::Stopped, String::new()),
    };
    let snapshot =
        |(step, png): &(u32, ArtifactInfo)| proto::Snapshot { step: *step, png: Some(artifact(id, png)) };
    proto::OptimizedImage {
        label: label.to_owned(),
        outcome: outcome.into(),
        hint,
        score: image.score,
        start_score: image.start_score,
        terms: image
            .terms
            .iter()
            .map(|value| proto::TermValues { values: value.iter().copied().collect() })
            .collect(),
        png: Some(artifact(id, &image.png)),
        tensor: image.tensor.as_ref().map(|tensor| artifact(id, tensor)),
        snapshots: image.snapshots.iter().map(snapshot).collect(),
        steps: image.steps,
    }
}
