//! What can go wrong with a term, and the status codes that plugins return. It knows no gRPC; the codes have its names.

use unitscope_sdk::abi::{
    US_CANCELLED, US_FAILED_PRECONDITION, US_INVALID_ARGUMENT, US_OUT_OF_RANGE, US_RESOURCE_EXHAUSTED,
    US_UNIMPLEMENTED,
};

/// Why a term is not there, was not made, or failed. Every variant names the term.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum TermError {
    /// No loaded plugin has this term.
    #[error("no loaded plugin has a term `{term}`{}; `unitscope terms list` shows all", near_text(near))]
    Unknown { term: String, near: Vec<String> },
    /// A parameter breaks the term's schema; found before the plugin was asked.
    #[error("parameter `{parameter}` of `{term}`: {reason}")]
    Parameter { term: String, parameter: String, reason: String },
    /// The plugin refused the request while it was still being checked.
    #[error("`{term}` refused the request ({stage}, {status}): {message}")]
    Refused { term: String, stage: Stage, status: Status, parameter: Option<String>, message: String },
    /// The plugin failed at a step.
    #[error("`{term}` failed ({stage}, {status}): {message}")]
    Failed { term: String, stage: Stage, status: Status, message: String },
    /// The plugin saw the job's cancellation and stopped.
    #[error("`{term}` stopped because the job was cancelled")]
    Cancelled { term: String },
    /// The plugin panicked; its guard caught it; the instance is not used again.
    #[error("`{term}` panicked ({stage}): {message}")]
    Panicked { term: String, stage: Stage, message: String },
    /// A value or gradient is NaN or infinite. `what`: "value", or "gradient of layer `conv1`".
    #[error("`{term}` returned a {what} that is not finite, at image {image}")]
    NonFinite { term: String, what: String, image: usize },
    /// The plugin left a value unwritten; `image` is the first.
    #[error("`{term}` returned too few values: image {image} of {images} has none")]
    TooFewValues { term: String, image: usize, images: usize },
    /// The plugin asked for taps that no host can give.
    #[error("`{term}` asked for an impossible tap: {reason}")]
    BadTap { term: String, reason: String },
    /// The plugin wrote outside of a buffer; the instance is not used again.
    #[error("`{term}` wrote outside of {what}")]
    WroteOutside { term: String, what: String },
    /// The caller called out of order or with views that do not fit; the message says how.
    #[error("`{term}` cannot be called so: {reason}")]
    Misused { term: String, reason: String },
}

impl TermError {
    /// The term's id.
    #[must_use]
    pub fn term(&self) -> &str {
        match self {
            TermError::Unknown { term, .. }
            | TermError::Parameter { term, .. }
            | TermError::Refused { term, .. }
            | TermError::Failed { term, .. }
            | TermError::Cancelled { term }
            | TermError::Panicked { term, .. }
            | TermError::NonFinite { term, .. }
            | TermError::TooFewValues { term, .. }
            | TermError::BadTap { term, .. }
            | TermError::WroteOutside { term, .. }
            | TermError::Misused { term, .. } => term,
        }
    }

    /// The parameter at fault, where one is.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            TermError::Parameter { parameter, .. } => Some(parameter),
            TermError::Refused { parameter, .. } => parameter.as_deref(),
            _ => None,
        }
    }

    /// Whether the request is at fault, rather than the plugin or the host.
    #[must_use]
    pub fn is_request(&self) -> bool {
        match self {
            TermError::Unknown { .. } | TermError::Parameter { .. } => true,
            TermError::Refused { status, .. } => {
                matches!(status, Status::InvalidArgument | Status::OutOfRange | Status::FailedPrecondition)
            }
            _ => false,
        }
    }
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}

/// Which of a term's functions was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Making the instance.
    Create,
    /// Asking for its taps.
    Taps,
    /// Showing it the shapes.
    Prepare,
    /// A step of an objective or penalty.
    Eval,
    /// A step of a step operation.
    Apply,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Create => "create",
            Stage::Taps => "taps",
            Stage::Prepare => "prepare",
            Stage::Eval => "eval",
            Stage::Apply => "apply",
        })
    }
}

/// A plugin's status code, by gRPC's name; codes that the header does not list are [`Internal`](Status::Internal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "gRPC documents its codes")]
pub enum Status {
    Cancelled,
    InvalidArgument,
    ResourceExhausted,
    FailedPrecondition,
    OutOfRange,
    Unimplemented,
    Internal,
}

impl Status {
    pub(super) fn from_raw(code: i32) -> Status {
        match code {
            US_CANCELLED => Status::Cancelled,
            US_INVALID_ARGUMENT => Status::InvalidArgument,
            US_RESOURCE_EXHAUSTED => Status::ResourceExhausted,
            US_FAILED_PRECONDITION => Status::FailedPrecondition,
            US_OUT_OF_RANGE => Status::OutOfRange,
            US_UNIMPLEMENTED => Status::Unimplemented,
            _ => Status::Internal,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Status::Cancelled => "CANCELLED",
            Status::InvalidArgument => "INVALID_ARGUMENT",
            Status::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Status::FailedPrecondition => "FAILED_PRECONDITION",
            Status::OutOfRange => "OUT_OF_RANGE",
            Status::Unimplemented => "UNIMPLEMENTED",
            Status::Internal => "INTERNAL",
        })
    }
}
