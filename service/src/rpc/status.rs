//! Every error of the layers below as a gRPC status, with the details of AIP-193. The only file that chooses codes.

use super::names;
use crate::data::datasets::DatasetsError;
use crate::data::index::IndexError;
use crate::data::models::ModelsError;
use crate::filters::FiltersError;
use crate::job::Failure;
use crate::job::rank::RankError;
use crate::job::store::{DeleteError, NoJob, ReusedRequest};
use crate::job::submit::SubmitError;
use crate::limits::RETRY_DELAY;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt, pb};
use ulid::Ulid;
use unitscope_engine::plugin::TermError;
use unitscope_engine::spec::FieldError;

/// Whose reasons these are.
const DOMAIN: &str = "unitscope.dev";

/// The details that every error has.
fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// Fields that are wrong, by their paths from the request.
#[must_use]
pub fn invalid(errors: Vec<FieldError>) -> Status {
    let mut details = details("INVALID_REQUEST");
    let message = match &errors[..] {
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more wrong fields, see the details)", rest.len()),
        [] => "the request is wrong".to_owned(),
    };
    let violations: Vec<_> =
        errors.into_iter().map(|error| FieldViolation::new(error.field, error.reason)).collect();
    details.set_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// One field that is wrong.
#[must_use]
pub fn invalid_field(field: &str, reason: impl Into<String>) -> Status {
    invalid(vec![FieldError::new(field, reason)])
}

fn missing(kind: &str, reason: &str, name: &str, message: &str) -> Status {
    let mut details = details(reason);
    details.set_resource_info(kind, name, "", message);
    Status::with_error_details(Code::NotFound, message, details)
}

/// No job has this name.
#[must_use]
pub fn no_job(name: &str, NoJob: NoJob) -> Status {
    // An answer need not repeat kilobytes.
    let name: String = name.chars().take(200).collect();
    missing("unitscope.v1.Job", "JOB_NOT_FOUND", &name, &format!("`{name}`: {NoJob}"))
}

/// No artifact has this name.
#[must_use]
pub fn no_artifact(name: &str) -> Status {
    let name: String = name.chars().take(200).collect();
    let message = format!(
        "there is no artifact `{name}`; its job may have been deleted, or evicted to make room for newer ones"
    );
    missing("unitscope.v1.Artifact", "ARTIFACT_NOT_FOUND", &name, &message)
}

/// No term has this id.
#[must_use]
pub fn no_term(error: &TermError) -> Status {
    missing("unitscope.v1.TermInfo", "TERM_NOT_FOUND", error.term(), &error.to_string())
}

/// The job was not deleted.
#[must_use]
pub fn not_deleted(name: &str, error: DeleteError) -> Status {
    match error {
        DeleteError::NoJob(error) => no_job(name, error),
        DeleteError::NotEnded => {
            let mut details = details("JOB_NOT_ENDED");
            details.add_precondition_failure_violation("JOB_STATE", name, error.to_string());
            Status::with_error_details(Code::FailedPrecondition, format!("`{name}`: {error}"), details)
        }
    }
}

/// A position that lies past the end.
#[must_use]
pub fn past_the_end(field: &str, asked: u64, last: u64) -> Status {
    let message = format!("{field}: {asked} lies past the last, {last}");
    let mut details = details("PAST_THE_END");
    details.add_bad_request_violation(field, &message);
    Status::with_error_details(Code::OutOfRange, message, details)
}

/// More than the server takes at once; `quota` is the name of the limit.
#[must_use]
pub fn exhausted(reason: &str, quota: &str, message: &str) -> Status {
    let mut details = details(reason);
    details.set_retry_info(Some(RETRY_DELAY));
    details.add_quota_failure_violation(quota, message);
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The server stops.
#[must_use]
pub fn closing() -> Status {
    let message = "the server is shutting down; connect again once it is back";
    Status::with_error_details(Code::Unavailable, message, details("SHUTTING_DOWN"))
}

/// A fault of the server.
#[must_use]
pub fn internal(message: &str) -> Status {
    Status::with_error_details(Code::Internal, message, details("INTERNAL"))
}

impl From<SubmitError> for Status {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Closing => closing(),
            SubmitError::Full(full) => exhausted("QUEUE_FULL", "queued_jobs", &full.to_string()),
            SubmitError::Reused(reused) => reused_request(reused),
            SubmitError::Panicked(_) => internal(&error.to_string()),
            SubmitError::Rank(RankError::Dataset(error)) => error.into(),
            SubmitError::Rank(RankError::Index(error)) => error.into(),
            SubmitError::Invalid(errors) | SubmitError::Rank(RankError::Invalid(errors)) => {
                let prefixed =
                    |error: FieldError| FieldError::new(format!("spec.{}", error.field), error.reason);
                invalid(errors.into_iter().map(prefixed).collect())
            }
        }
    }
}

impl From<DatasetsError> for Status {
    fn from(error: DatasetsError) -> Self {
        let message = error.to_string();
        match error {
            DatasetsError::Unknown { name, .. } => {
                // An answer need not repeat kilobytes.
                let name: String = name.chars().take(200).collect();
                missing("unitscope.v1.Dataset", "DATASET_NOT_FOUND", &name, &message)
            }
            DatasetsError::Settings { name, .. }
            | DatasetsError::Unreadable { name, .. }
            | DatasetsError::TooLarge { name, .. }
            | DatasetsError::Empty { name, .. } => {
                let mut details = details("DATASET_UNREADABLE");
                details.add_precondition_failure_violation("DATASET_FILES", name, &message);
                Status::with_error_details(Code::FailedPrecondition, message, details)
            }
        }
    }
}

impl From<IndexError> for Status {
    fn from(error: IndexError) -> Self {
        let message = error.to_string();
        match error {
            IndexError::Unknown { id } => {
                let id: String = id.chars().take(200).collect();
                missing("unitscope.v1.Index", "INDEX_NOT_FOUND", &id, &message)
            }
            IndexError::Full { .. } => exhausted("INDEX_FULL", "index_bytes", &message),
            IndexError::Closing => closing(),
            _ => Status::with_error_details(Code::Internal, message, details("INDEX_FAILED")),
        }
    }
}

fn reused_request(error: ReusedRequest) -> Status {
    let mut details = details("REQUEST_ID_REUSED");
    details.add_bad_request_violation("request_id", error.to_string());
    Status::with_error_details(Code::InvalidArgument, format!("request_id: {error}"), details)
}

impl From<ModelsError> for Status {
    fn from(error: ModelsError) -> Self {
        let message = error.to_string();
        match error {
            ModelsError::Unknown { name, .. } => {
                missing("unitscope.v1.Model", "MODEL_NOT_FOUND", &name, &message)
            }
            ModelsError::Broken { name, .. } => {
                let mut details = details("MODEL_BROKEN");
                details.add_precondition_failure_violation("MODEL_FILES", name, &message);
                Status::with_error_details(Code::FailedPrecondition, message, details)
            }
            ModelsError::Crowded { .. } => exhausted("TOO_MANY_MODELS", "loaded_models", &message),
        }
    }
}

impl From<FiltersError> for Status {
    fn from(error: FiltersError) -> Self {
        match error {
            FiltersError::Field(error) => invalid(vec![error]),
            FiltersError::Engine(error) => internal(&error.to_string()),
        }
    }
}

/// What a failed job's `error` says.
#[must_use]
pub fn job_error(id: Ulid, failure: &Failure) -> pb::Status {
    let (code, reason) = match failure {
        Failure::Term { .. } => (Code::Internal, "TERM_FAILED"),
        // The client can change it: by a smaller learning rate or other weights.
        Failure::NotFinite(_) => (Code::FailedPrecondition, "NOT_FINITE"),
        Failure::Engine(_) => (Code::Internal, "ENGINE_FAILED"),
        Failure::Index(_) => (Code::Internal, "INDEX_FAILED"),
        Failure::Panicked(_) => (Code::Internal, "PANICKED"),
    };
    let mut metadata = HashMap::from([("job".to_owned(), names::job(id))]);
    if let Failure::Term { term, .. } = failure {
        metadata.insert("term".to_owned(), term.clone());
    }
    let details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
    let status = Status::with_error_details(code, failure.to_string(), details);
    prost::Message::decode(status.details()).expect("tonic-types encodes a google.rpc.Status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::queue::Full;

    fn check(status: &Status, code: Code, reason: &str) {
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (status.code(), info.reason.as_str(), info.domain.as_str()),
            (code, reason, "unitscope.dev")
        );
    }

    #[test]
    fn every_error_has_its_code_and_reason() {
        check(&no_job("jobs/1", NoJob), Code::NotFound, "JOB_NOT_FOUND");
        check(&not_deleted("jobs/1", DeleteError::NotEnded), Code::FailedPrecondition, "JOB_NOT_ENDED");
        check(&not_deleted("jobs/1", NoJob.into()), Code::NotFound, "JOB_NOT_FOUND");
        check(&no_artifact("jobs/1/artifacts/x"), Code::NotFound, "ARTIFACT_NOT_FOUND");
        check(&past_the_end("after_sequence", 9, 3), Code::OutOfRange, "PAST_THE_END");
        check(&SubmitError::Closing.into(), Code::Unavailable, "SHUTTING_DOWN");
        check(&SubmitError::Reused(ReusedRequest).into(), Code::InvalidArgument, "REQUEST_ID_REUSED");
        check(&SubmitError::Panicked("x".to_owned()).into(), Code::Internal, "INTERNAL");
        let name = "m".to_owned();
        let unknown = ModelsError::Unknown { name: name.clone(), near: Vec::new() };
        check(&unknown.into(), Code::NotFound, "MODEL_NOT_FOUND");
        let broken = ModelsError::Broken { name, reason: "x".to_owned() };
        check(&broken.into(), Code::FailedPrecondition, "MODEL_BROKEN");
        check(&ModelsError::Crowded { capacity: 1 }.into(), Code::ResourceExhausted, "TOO_MANY_MODELS");
    }

    #[test]
    fn a_full_queue_says_when_to_try_again() {
        let status = Status::from(SubmitError::Full(Full { capacity: 3 }));
        check(&status, Code::ResourceExhausted, "QUEUE_FULL");
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_DELAY));
        assert_eq!(details.quota_failure().unwrap().violations[0].subject, "queued_jobs");
    }

    #[test]
    fn the_engines_fields_get_the_requests_path() {
        let errors =
            vec![FieldError::new("terms[2].params.channel", "too large"), FieldError::new("size", "fixed")];
        let status = Status::from(SubmitError::Invalid(errors));
        check(&status, Code::InvalidArgument, "INVALID_REQUEST");
        let details = status.get_error_details();
        let fields: Vec<_> =
            details.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["spec.terms[2].params.channel", "spec.size"]);
        assert_eq!(
            status.message(),
            "spec.terms[2].params.channel: too large (and 1 more wrong fields, see the details)"
        );
    }

    #[test]
    fn a_failed_job_names_its_term() {
        let failure = Failure::Term { term: "channel".to_owned(), message: "step 3: it broke".to_owned() };
        let error = job_error(Ulid(1), &failure);
        assert_eq!((error.code, error.message.as_str()), (Code::Internal as i32, "step 3: it broke"));
        assert!(!error.details.is_empty());
    }
}
