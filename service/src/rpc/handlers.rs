//! One file per gRPC service: each handler reads its request, asks the layer below, and answers.

pub mod artifacts;
pub mod cards;
pub mod datasets;
pub mod jobs;
pub mod models;
pub mod plugins;
pub mod server;
pub mod visualization;

use super::{names, status};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use ulid::Ulid;
use unitscope_engine::spec::FieldError;

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

/// An answer in parts.
type Parts<T> = ReceiverStream<Result<T, Status>>;

/// Where the parts of an answer go.
type PartSender<T> = mpsc::Sender<Result<T, Status>>;
