//! The error that a term returns: one of gRPC's codes, a message, and the parameter at fault where there is one.

use crate::abi;

/// Why a term refuses a request or fails at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) parameter: Option<String>,
}

impl Error {
    /// The message is lower case, without a full stop, and gives the value, the rule and the way out.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), parameter: None }
    }

    /// The request cannot be served as it is.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Code::InvalidArgument, message)
    }

    /// The term itself is at fault.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Code::Internal, message)
    }

    /// What a term returns when [`Step::cancelled`](crate::Step::cancelled) was true.
    #[must_use]
    pub fn cancelled() -> Error {
        Error::new(Code::Cancelled, "the job was cancelled")
    }

    /// Names the parameter at fault, as in the schema.
    #[must_use]
    pub fn parameter(mut self, name: &str) -> Error {
        self.parameter = Some(name.to_owned());
        self
    }

    /// Its message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The codes that the header lists; their meaning is gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs, reason = "gRPC documents its codes")]
pub enum Code {
    Cancelled = abi::US_CANCELLED,
    InvalidArgument = abi::US_INVALID_ARGUMENT,
    ResourceExhausted = abi::US_RESOURCE_EXHAUSTED,
    FailedPrecondition = abi::US_FAILED_PRECONDITION,
    OutOfRange = abi::US_OUT_OF_RANGE,
    Unimplemented = abi::US_UNIMPLEMENTED,
    Internal = abi::US_INTERNAL,
}
