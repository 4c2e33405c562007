//! What every test here needs: a server of its own, a client for it, and specs to send.

pub mod client;
pub mod network;
pub mod server;
pub mod spec;

pub use client::{Client, images};
pub use server::{Server, Setup};
pub use spec::{spec, term};

use std::io::Write;

/// Says that a test is skipped, past the test harness, which swallows what passing tests print.
pub fn skip(what: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "skipped {what}");
}
