//! What every test here needs: a server of its own, a client for it, and specs to send.

pub mod album;
pub mod client;
pub mod network;
pub mod ranking;
pub mod server;
pub mod spec;

pub use album::Album;
pub use client::{Client, images};
pub use server::{Server, Setup};
pub use spec::{spec, term};

use std::io::Write;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Says that a test is skipped, past the test harness, which swallows what passing tests print.
pub fn skip(what: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "skipped {what}");
}

/// An INVALID_ARGUMENT that blames exactly these fields, with these words in the first reason.
pub fn check_violations(status: &Status, fields: &[&str], words: &[&str]) {
    assert_eq!(status.code(), Code::InvalidArgument, "{fields:?}: {status:?}");
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("details").field_violations;
    let named: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(named, fields, "{violations:?}");
    let reason = &violations[0].description;
    for word in words {
        assert!(reason.contains(word), "{fields:?}: `{reason}` does not say `{word}`");
    }
    assert!(status.message().contains(fields[0]), "the message alone says where: {}", status.message());
    assert!(!reason.ends_with('.'), "{reason}");
    assert!(details.error_info().is_some_and(|info| info.domain == "unitscope.dev"), "{details:?}");
}
