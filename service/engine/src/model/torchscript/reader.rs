//! The process that reads a TorchScript file: limits itself, gives up every right it does not need, and lets libtorch read. Knows no graph.
//!
//! libtorch's reader compiles the file's code and runs what it calls `__setstate__`. Before it begins, this process has a limit on memory and time, and the kernel refuses it
//! everything but memory, reading the one file, and writing its answer: it cannot open a file, reach the network, or start a program.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::super::archive::Archive;
use super::super::error::ModelError;
use super::super::limits;

/// The argument that makes a program the reader of its standard input.
pub const ARGUMENT: &str = "torchscript-reader";
/// First byte of an answer that is JSON.
pub(super) const ANSWER: u8 = b'+';
/// First byte of an answer that is an error in words.
pub(super) const REFUSAL: u8 = b'-';

/// Reads the TorchScript file at standard input and answers at standard output, if the program's first argument asks for that; to be called first in `main`.
#[must_use]
pub fn run_if_asked() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_none_or(|argument| argument != ARGUMENT) {
        return None;
    }
    let Ok(mut out) = answer_only() else { return Some(ExitCode::FAILURE) };
    let (first, answer) = match read() {
        Ok(json) => (ANSWER, json),
        Err(error) => (REFUSAL, error.into_bytes()),
    };
    let written = out.write_all(&[first]).and_then(|()| out.write_all(&answer));
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Standard output for the answer alone: what a file prints goes where errors go, which is nowhere.
fn answer_only() -> std::io::Result<File> {
    let out = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    // Whoever asked is gone: nobody reads the answer.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(out)
}

fn read() -> Result<Vec<u8>, String> {
    let words = |error: ModelError| error.to_string();
    // Opened anew, so that it has a position of its own.
    let file = File::open("/proc/self/fd/0").map_err(|error| error.to_string())?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let archive = Archive::opened(file.try_clone().map_err(|error| error.to_string())?).map_err(words)?;
    let ranges = super::script::tensor_entries(&archive).map_err(words)?;
    drop(archive);
    limit(size)?;
    confine()?;
    let (starts, lengths): (Vec<u64>, Vec<u64>) =
        ranges.into_iter().map(|(_, range)| (range.start, range.end - range.start)).unzip();
    let mut json = std::ptr::null_mut();
    // SAFETY: both lists live for the call and have `starts.len()` items; `json` has room for a pointer.
    let error = unsafe {
        us_torchscript_read(
            file.as_raw_fd(),
            size,
            starts.as_ptr(),
            lengths.as_ptr(),
            starts.len() as u64,
            limits::SCRIPT_BYTES - 1,
            &raw mut json,
        )
    };
    match (error.is_null(), json.is_null()) {
        // SAFETY: what the shim hands out ends in a zero byte; the process ends before it would have to be freed.
        (true, false) => Ok(unsafe { CStr::from_ptr(json) }.to_bytes().to_vec()),
        (true, true) => Err("libtorch said nothing".to_owned()),
        // SAFETY: as above.
        (false, _) => Err(unsafe { CStr::from_ptr(error) }.to_string_lossy().trim().to_owned()),
    }
}

unsafe extern "C" {
    fn us_torchscript_read(
        file: i32,
        size: u64,
        starts: *const u64,
        lengths: *const u64,
        count: u64,
        capacity: u64,
        json: *mut *mut c_char,
    ) -> *mut c_char;
}

/// Memory and time. Tensors take address space only, since nothing is written to it.
fn limit(size: u64) -> Result<(), String> {
    let limits = [
        (Resource::Data, size.saturating_mul(2).saturating_add(limits::SCRIPT_MEMORY)),
        (Resource::Cpu, limits::SCRIPT_SECONDS),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| error.to_string())?;
    }
    // SAFETY: sets a timer, whose signal ends the process.
    unsafe { libc::alarm(u32::try_from(limits::SCRIPT_SECONDS).unwrap_or(u32::MAX)) };
    Ok(())
}

/// From here on the kernel lets this process do these things; it says EPERM to all others.
fn confine() -> Result<(), String> {
    #[rustfmt::skip]
    const ALLOWED: &[i64] = &[
        libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_madvise, libc::SYS_futex,
        libc::SYS_pread64, libc::SYS_read, libc::SYS_write, libc::SYS_lseek, libc::SYS_fstat, libc::SYS_close, libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack, libc::SYS_clock_gettime, libc::SYS_gettimeofday,
        libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getrandom, libc::SYS_sched_yield, libc::SYS_sched_getaffinity,
        libc::SYS_exit, libc::SYS_exit_group, libc::SYS_restart_syscall,
    ];
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter =
        SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).map_err(|error| error.to_string())?;
    let program: BpfProgram =
        filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| format!("the kernel does not confine it: {error}"))
}
