//! Loads one plugin's library: its note first, then its code, then its descriptor. This is where foreign code enters the process.

use std::ffi::{c_char, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use unitscope_sdk::abi::{
    US_ABI_MAJOR, US_ABI_MINOR, US_ENTRY_SYMBOL, US_LOG_DEBUG, US_LOG_ERROR, US_LOG_INFO, US_OK, us_host,
    us_plugin, us_plugin_entry_fn, us_str, us_term, us_vtbl,
};

use super::check::ErrorBuffer;
use super::describe;
use super::error::Status;
use super::info::TermInfo;
use super::limits::{ERROR_BYTES, LIBRARY_BYTES};
use super::note;

/// Where plugins' log lines go: level, plugin (its file's name), message. Any thread may call it.
pub type LogSink = Arc<dyn Fn(LogLevel, &str, &str) + Send + Sync>;

/// A log line's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the usual four")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Loads the library at this absolute path and returns its terms. It is never unloaded: a thread of the plugin, or a pointer into
/// its descriptor, may outlive every use that the host knows of.
///
/// # Errors
/// The reason why it is not offered, for the operator.
pub(super) fn load(path: &Path, log: &LogSink) -> Result<Vec<TermInfo>, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > LIBRARY_BYTES {
        return Err(format!("has {size} bytes; a plugin has at most {LIBRARY_BYTES}"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let note = note::read(&bytes)?;
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let entry = open(path)?;
    let host = host(path, log);
    let plugin = enter(entry, host)?;
    // SAFETY: the plugin returned the descriptor from its entry function; the header's contract makes it valid and unchanging
    // for the life of the process, and so it is for the library, which is never unloaded. `host` is leaked.
    unsafe { describe::plugin(plugin, host, &note, &digest) }
}

fn open(path: &Path) -> Result<us_plugin_entry_fn, String> {
    let mode = FloatMode::save();
    // SAFETY: running a plugin's constructors is what loading means; the operator configured its folder. The note has been
    // checked, so it is a plugin of this ABI.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let changed = mode.restore();
    let library = ManuallyDrop::new(library.map_err(|error| format!("cannot be loaded: {error}"))?);
    if changed {
        return Err(
            "changed the floating-point mode while it was loaded (a build with -Ofast or -ffast-math does); \
            it was restored, and the plugin is not offered"
                .to_owned(),
        );
    }
    // SAFETY: the header gives the symbol of this name this type, and the note promised this header's major version.
    let entry = unsafe { library.get::<us_plugin_entry_fn>(US_ENTRY_SYMBOL.as_bytes()) };
    entry.map(|symbol| *symbol).map_err(|error| format!("has no symbol `{US_ENTRY_SYMBOL}`: {error}"))
}

fn enter(entry: us_plugin_entry_fn, host: &'static us_host) -> Result<*const us_plugin, String> {
    let mut plugin = std::ptr::null();
    let mut error = ErrorBuffer::new();
    // SAFETY: the pointers are valid for the call, `host` for the life of the process, as the header asks.
    let status = unsafe { entry(host, &raw mut plugin, error.raw()) };
    if !error.intact() {
        return Err(format!("wrote past the error buffer of {ERROR_BYTES} bytes in its entry function"));
    }
    if status != US_OK {
        return Err(format!("refused to start ({}): {}", Status::from_raw(status), error.message()));
    }
    if plugin.is_null() {
        return Err("its entry function returned no descriptor".to_owned());
    }
    Ok(plugin)
}

/// A plugin's view of the host, and whose name its log lines carry. Leaked once per library, because the header promises that it
/// lives as long as the process.
fn host(path: &Path, log: &LogSink) -> &'static us_host {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let context = Box::leak(Box::new(LogContext { name, log: Arc::clone(log) }));
    Box::leak(Box::new(us_host {
        struct_size: size_of::<us_host>() as u32,
        abi_major: US_ABI_MAJOR,
        abi_minor: US_ABI_MINOR,
        name: us_str::new("unitscope"),
        version: us_str::new(env!("CARGO_PKG_VERSION")),
        ctx: (&raw mut *context).cast(),
        log: Some(log_line),
    }))
}

struct LogContext {
    name: String,
    log: LogSink,
}

unsafe extern "C" fn log_line(ctx: *mut c_void, level: i32, msg: us_str) {
    // A panic must not reach the plugin's frames; a log line that is lost to one is no loss.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `ctx` is the leaked context of `host`, never written after it was made.
        let context = unsafe { &*ctx.cast::<LogContext>() };
        // SAFETY: the header's contract: `msg` is borrowed for this call.
        let message = unsafe { lossy(msg.ptr, msg.len.min(ERROR_BYTES as u64)) };
        let level = match level {
            US_LOG_ERROR => LogLevel::Error,
            US_LOG_INFO => LogLevel::Info,
            US_LOG_DEBUG => LogLevel::Debug,
            _ => LogLevel::Warn,
        };
        (context.log)(level, &context.name, &message);
    }));
}

/// Text from a plugin, made printable: what is not UTF-8 is replaced, and control characters become spaces.
///
/// # Safety
/// `ptr` is null, or points to `len` readable bytes.
pub(super) unsafe fn lossy(ptr: *const c_char, len: u64) -> String {
    if ptr.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(ptr.cast::<u8>(), len as usize) };
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// A checked term's way back into its library.
#[derive(Clone, Copy)]
pub(super) struct RawTerm {
    pub term: *const us_term,
    pub vtbl: us_vtbl,
    pub host: *const us_host,
}

// SAFETY: both pointers lead to memory that the header declares unchanging for the life of the process, and the functions may be
// called from any thread.
unsafe impl Send for RawTerm {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawTerm {}

impl std::fmt::Debug for RawTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawTerm")
    }
}

/// The control bits of MXCSR: rounding, flush to zero, exception masks. A library built with -Ofast sets some when it is loaded.
struct FloatMode(u32);

#[cfg(target_arch = "x86_64")]
impl FloatMode {
    /// The upper bits are control; the lowest six are flags that any operation raises.
    const CONTROL: u32 = !0x3f;

    fn save() -> FloatMode {
        let mut mxcsr = 0_u32;
        // SAFETY: `stmxcsr` writes four bytes to a valid, aligned address and changes nothing else.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags)) };
        FloatMode(mxcsr)
    }

    /// Sets the saved mode again; whether it had been changed.
    fn restore(self) -> bool {
        let now = FloatMode::save();
        if now.0 & FloatMode::CONTROL == self.0 & FloatMode::CONTROL {
            return false;
        }
        // SAFETY: the value was read from the register by `save`, so it sets no reserved bit.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const self.0, options(nostack, preserves_flags))
        };
        true
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl FloatMode {
    fn save() -> FloatMode {
        FloatMode(0)
    }

    fn restore(self) -> bool {
        false
    }
}
