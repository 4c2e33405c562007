//! One file per gRPC service: each handler reads its request, asks the layer below, and answers.

pub mod artifacts;
pub mod cards;
pub mod datasets;
pub mod jobs;
pub mod models;
pub mod plugins;
pub mod server;
pub mod visualization;

use super::{from_proto, names, status, to_proto};
use crate::job::queue::Place;
use crate::job::submit::Reserved;
use crate::job::worker::Work;
use crate::job::{Jobs, RequestKey};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use ulid::Ulid;
use unitscope_engine::spec::FieldError;
use unitscope_proto::v1 as proto;

/// The id in a job's name.
fn job_id(name: &str) -> Result<Ulid, Status> {
    names::parse_job(name).ok_or_else(|| status::no_job(name, crate::job::store::NoJob))
}

/// A field that must be given.
fn required(field: &str, value: &str) -> Result<(), Status> {
    if value.is_empty() {
        return Err(status::invalid(vec![FieldError::new(field, "is required and empty")]));
    }
    Ok(())
}

/// What becomes of a request for a job.
enum Admitted {
    /// It may wait here, under this key.
    New(Place<Work>, Option<RequestKey>),
    /// The same request made this job before.
    Before(Box<proto::Job>),
}

/// Holds a place for a request for a job, before anything in it is looked at; or finds the job that the same request made.
fn admit<S: Message>(jobs: &Jobs, request_id: &str, spec: Option<&S>) -> Result<Admitted, Status> {
    let key = from_proto::request_key(request_id, spec).map_err(|error| status::invalid(vec![error]))?;
    Ok(match jobs.reserve(key.as_ref())? {
        Reserved::Before(job) => Admitted::Before(Box::new(to_proto::job_with_bytes(&job, jobs.store()))),
        Reserved::Place(place) => Admitted::New(place, key),
    })
}

/// An answer in parts.
type Parts<T> = ReceiverStream<Result<T, Status>>;

/// Where the parts of an answer go.
type PartSender<T> = mpsc::Sender<Result<T, Status>>;
