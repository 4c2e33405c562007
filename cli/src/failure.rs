//! How a command can fail, what is printed then, and with which exit code it ends.

use std::process::ExitCode;
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a command did not do what it was asked for. The first line of the text says what, further lines say more.
#[derive(Debug, Error)]
pub enum Failure {
    /// The job ended otherwise than well.
    #[error("{0}")]
    Job(String),
    /// A file of this machine could not be read or written.
    #[error("{0}")]
    Local(String),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The server answered with an error.
    #[error("{0}")]
    Refused(String),
    /// No server answered.
    #[error("{0}")]
    Unreachable(String),
    /// No picture came to life; what to try was printed with the results.
    #[error("every picture is dead: the units do not react, so there is nothing to climb")]
    AllDead,
    /// Ctrl-C.
    #[error("{0}")]
    Interrupted(String),
}

impl Failure {
    /// The process's exit code, as `--help` lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Job(_) | Failure::Local(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Refused(_) => 3,
            Failure::Unreachable(_) => 4,
            Failure::AllDead => 5,
            Failure::Interrupted(_) => 130,
        }
    }

    /// Prints the failure to stderr and gives its exit code.
    pub fn report(&self) -> ExitCode {
        let text = self.to_string();
        if let Failure::Interrupted(_) = self {
            eprintln!("{text}");
        } else {
            eprintln!("{} {text}", console::style("error:").for_stderr().red().bold());
        }
        ExitCode::from(self.exit_code())
    }

    /// What a status of the server at `url` means. `name_field` says which argument a field path came from. Where fields are
    /// wrong, their reasons say all that the status's message does.
    pub fn from_status(url: &str, status: &Status, name_field: impl Fn(&str) -> Option<String>) -> Failure {
        if is_lost(status) {
            return unreachable(url, &innermost(status));
        }
        let details = status.get_error_details();
        let mut lines: Vec<String> = Vec::new();
        for violation in details.bad_request().map_or(&[][..], |bad| &bad.field_violations) {
            let line = match name_field(&violation.field) {
                Some(argument) => format!("{argument} ({}): {}", violation.field, violation.description),
                None => format!("{}: {}", violation.field, violation.description),
            };
            // Many terms can stumble over one field.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let mut text = match (status.message(), &lines[..]) {
            (_, [line]) => line.clone(),
            (_, [_, ..]) => format!("{} fields are wrong\n  {}", lines.len(), lines.join("\n  ")),
            ("", []) => format!("the server answered {:?} without a word", status.code()),
            (message, []) => message.to_string(),
        };
        for violation in details.quota_failure().map_or(&[][..], |quota| &quota.violations) {
            text.push_str(&format!("\n  {}: {}", violation.subject, violation.description));
        }
        if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
            text.push_str(&format!("\n  try again in {} s", delay.as_secs_f64().ceil()));
        }
        Failure::Refused(text)
    }
}

/// No server answered at `url`.
pub fn unreachable(url: &str, reason: &str) -> Failure {
    Failure::Unreachable(format!(
        "cannot reach the server at {url}: {reason}\n  \
         start one with `unitscope-server --models DIR --plugins DIR --listen HOST:PORT`, \
         or name another with --server URL or UNITSCOPE_SERVER"
    ))
}

/// True where the connection failed, not the request.
pub fn is_lost(status: &Status) -> bool {
    let has_source = std::error::Error::source(status).is_some();
    status.code() == Code::Unavailable
        || (has_source && matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled))
}

/// The innermost reason of an error, which names the operating system's.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::{ErrorDetails, FieldViolation};

    #[test]
    fn violations_are_one_per_line_and_name_the_argument() {
        let details = ErrorDetails::with_bad_request(vec![
            FieldViolation::new("spec.terms[0].params.channel", "there are 8"),
            FieldViolation::new("spec.odd", "no"),
        ]);
        let status = Status::with_error_details(Code::InvalidArgument, "spec.odd: no (and 1 more)", details);
        let failure = Failure::from_status("u", &status, |field| {
            field.contains("terms[0]").then(|| "--unit a:9".into())
        });
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(
            failure.to_string(),
            "2 fields are wrong\n  --unit a:9 (spec.terms[0].params.channel): there are 8\n  spec.odd: no"
        );
    }

    #[test]
    fn one_violation_is_the_whole_message() {
        let violation = FieldViolation::new("spec.size", "too large");
        let details = ErrorDetails::with_bad_request(vec![violation.clone(), violation]);
        let status = Status::with_error_details(Code::InvalidArgument, "spec.size: too large", details);
        assert_eq!(Failure::from_status("u", &status, |_| None).to_string(), "spec.size: too large");
    }

    #[test]
    fn a_full_queue_says_when_to_try_again() {
        let details = ErrorDetails::with_retry_info(Some(std::time::Duration::from_millis(1500)));
        let status = Status::with_error_details(Code::ResourceExhausted, "the queue is full", details);
        let text = Failure::from_status("u", &status, |_| None).to_string();
        assert_eq!(text, "the queue is full\n  try again in 2 s");
    }

    #[test]
    fn an_unavailable_server_is_unreachable() {
        let failure = Failure::from_status("http://x:1", &Status::unavailable("gone"), |_| None);
        assert_eq!(failure.exit_code(), 4);
        assert!(failure.to_string().contains("http://x:1"), "{failure}");
    }
}
