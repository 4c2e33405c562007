//! Lines for the service's log.

use std::sync::OnceLock;

use crate::abi::{US_LOG_DEBUG, US_LOG_ERROR, US_LOG_INFO, US_LOG_WARN, us_host, us_str};

/// A log line's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs, reason = "the usual four")]
pub enum Level {
    Error = US_LOG_ERROR,
    Warn = US_LOG_WARN,
    Info = US_LOG_INFO,
    Debug = US_LOG_DEBUG,
}

/// Writes one line to the service's log; nowhere, where no host has loaded the plugin (as in a unit test).
pub fn log(level: Level, message: &str) {
    let Some(Host(host)) = HOST.get() else { return };
    if let Some(write) = host.log {
        // SAFETY: the header lets any thread call `log` with the host's `ctx` at any time.
        unsafe { write(host.ctx, level as i32, us_str::new(message)) };
    }
}

static HOST: OnceLock<Host> = OnceLock::new();

struct Host(&'static us_host);

// SAFETY: the header: the host's struct lives unchanged as long as the process, and any thread may use it.
unsafe impl Send for Host {}
// SAFETY: as for `Send`.
unsafe impl Sync for Host {}

/// Remembers the host of this process.
pub(crate) fn set_host(host: &'static us_host) {
    // A second call brings the same host, as a library is loaded once per process.
    let _ = HOST.set(Host(host));
}
