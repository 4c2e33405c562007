//! One call into a plugin: what is lent to it, and how its status, message and taps are read. It keeps nothing between calls.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use unitscope_sdk::abi::{
    US_OK, US_TAP_ALPHA, US_TAP_IMAGE, US_TAP_LAYER, US_TAP_REFERENCE, us_error, us_status, us_step, us_tap,
    us_view,
};

use super::check::ErrorBuffer;
use super::describe;
use super::error::{Stage, Status, TermError};
use super::guard::GuardedBuffer;
use super::info::TermInfo;
use super::limits::{PATH_BYTES, TAPS};
use super::stage::Staged;
use super::term::{StepInfo, Tap};
use super::view::{Axis, View};

/// Calls `function` with a buffer for its message, and reads the outcome.
pub(super) fn call(
    info: &TermInfo,
    stage: Stage,
    function: impl FnOnce(*mut us_error) -> us_status,
) -> Result<(), TermError> {
    let mut error = ErrorBuffer::new();
    let status = function(error.raw());
    let term = || info.id.clone();
    if !error.intact() {
        return Err(TermError::WroteOutside { term: term(), what: format!("its error buffer ({stage})") });
    }
    if status == US_OK {
        return Ok(());
    }
    let (status, message) = (Status::from_raw(status), error.message());
    if error.panicked() {
        return Err(TermError::Panicked { term: term(), stage, message });
    }
    match (stage, status) {
        (Stage::Create | Stage::Taps | Stage::Prepare, _) => {
            let parameter =
                error.parameter(info.params.len()).map(|position| info.params[position].name.clone());
            Err(TermError::Refused { term: term(), stage, status, parameter, message })
        }
        (_, Status::Cancelled) => Err(TermError::Cancelled { term: term() }),
        _ => Err(TermError::Failed { term: term(), stage, status, message }),
    }
}

/// Calls `function` with the step as the header has it.
pub(super) fn with_step(
    step: &StepInfo<'_>,
    function: impl FnOnce(*const us_step) -> us_status,
) -> us_status {
    let raw = us_step {
        struct_size: size_of::<us_step>() as u32,
        flags: 0,
        step: step.step,
        total_steps: step.total_steps,
        seed: step.seed,
        ctx: (&raw const *step).cast_mut().cast(),
        cancelled: Some(cancelled),
    };
    function(&raw const raw)
}

unsafe extern "C" fn cancelled(ctx: *mut c_void) -> i32 {
    // SAFETY: `ctx` is the step of `with_step`, which waits for the call; the header keeps this on the calling thread.
    let step = unsafe { &*ctx.cast::<StepInfo<'_>>() };
    // A panic must not reach the plugin's frames; a job whose flag cannot be read is one to stop.
    i32::from(catch_unwind(AssertUnwindSafe(|| (step.cancelled)())).unwrap_or(true))
}

/// The views that a plugin sees: the caller's own where the term takes them as they are, else row-major copies. A view without data, of
/// a gradient that is not wanted, stays without.
pub(super) struct Lent<'a>(Vec<(View<'a>, Option<Staged>)>);

impl<'a> Lent<'a> {
    pub fn new(info: &TermInfo, views: &[View<'a>], stage: impl Fn(&View<'_>) -> Staged) -> Lent<'a> {
        let lend = |view: &View<'a>| {
            let copied = !info.strided && !view.is_contiguous() && !view.data().is_null();
            (*view, copied.then(|| stage(view)))
        };
        Lent(views.iter().map(lend).collect())
    }

    /// What the header asks for; valid until the views or the copies are used otherwise.
    pub fn raw(&mut self) -> Vec<us_view> {
        self.0.iter_mut().map(|(view, staged)| raw_view(view, staged.as_mut())).collect()
    }

    /// Whether nothing was written around the copies.
    pub fn check(&self) -> bool {
        self.0.iter().all(|(_, staged)| staged.as_ref().is_none_or(Staged::check))
    }

    /// Adds what was written to copies to the caller's views.
    pub fn add_back(&self) {
        for (view, staged) in &self.0 {
            if let Some(staged) = staged {
                staged.add_to(view);
            }
        }
    }

    /// Writes the copies over the caller's views.
    pub fn copy_back(&self) {
        for (view, staged) in &self.0 {
            if let Some(staged) = staged {
                staged.copy_to(view);
            }
        }
    }
}

/// The view's own shape, with the copy's data and strides where there is a copy. Shape and strides are borrowed from what lives in
/// `Lent`, not from a temporary.
fn raw_view(view: &View<'_>, staged: Option<&mut Staged>) -> us_view {
    let mut raw = view.as_raw();
    if let Some(staged) = staged {
        raw.t.data = staged.data();
        raw.t.strides = staged.strides().as_ptr().cast_mut();
    }
    raw
}

/// A guarded row of numbers, one per image.
pub(super) fn row(values: &[f64]) -> GuardedBuffer<f64> {
    let mut buffer = GuardedBuffer::zeros(&[values.len() as i64], &[Axis::Batch]);
    buffer.values_mut().copy_from_slice(values);
    buffer
}

/// The taps that a plugin asked for, or what is wrong with them.
///
/// # Safety
/// `taps` and the strings in it are readable where they are not null.
pub(super) unsafe fn copy_taps(taps: *const us_tap, n: u64) -> Result<Vec<Tap>, String> {
    if n == 0 || n > TAPS {
        return Err(format!("a term reads 1 to {TAPS} taps, not {n}"));
    }
    if taps.is_null() || !taps.is_aligned() {
        return Err("its list of taps is null or misaligned".to_owned());
    }
    // SAFETY: the caller's promise; the pointer is neither null nor misaligned.
    let taps = unsafe { std::slice::from_raw_parts(taps, n as usize) };
    let copy = |tap: &us_tap| {
        if tap.flags & !US_TAP_REFERENCE != 0 {
            return Err(format!("flags {:#x} are none that this service knows", tap.flags));
        }
        let reference = tap.flags & US_TAP_REFERENCE != 0;
        match tap.what {
            US_TAP_IMAGE => Ok(Tap::Image { reference }),
            US_TAP_ALPHA if reference => Err("a reference has no opacity".to_owned()),
            US_TAP_ALPHA => Ok(Tap::Alpha),
            US_TAP_LAYER => {
                // SAFETY: the caller's promise.
                let path = unsafe { describe::text(tap.layer, PATH_BYTES, "a layer's path")? };
                if path.is_empty() {
                    return Err("a layer's path is empty".to_owned());
                }
                Ok(Tap::Layer { path, reference })
            }
            other => Err(format!("kind {other} is none that this service knows")),
        }
    };
    taps.iter().map(copy).collect()
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::abi::us_str;

    use super::*;

    fn check(what: u32, flags: u32, path: &str, expected: Result<Tap, &str>) {
        let tap = us_tap { what, flags, layer: us_str::new(path) };
        // SAFETY: one tap, with a string that outlives the call.
        let found = unsafe { copy_taps(&raw const tap, 1) }.map(|taps| taps[0].clone());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_tap_says_whether_it_reads_the_reference() {
        for (flags, reference) in [(0, false), (US_TAP_REFERENCE, true)] {
            check(US_TAP_IMAGE, flags, "", Ok(Tap::Image { reference }));
            check(US_TAP_LAYER, flags, "a", Ok(Tap::Layer { path: "a".to_owned(), reference }));
        }
    }

    #[test]
    fn what_the_header_does_not_have_is_refused() {
        check(US_TAP_IMAGE, 2, "", Err("flags 0x2 are none that this service knows"));
        check(US_TAP_LAYER, 5, "a", Err("flags 0x5 are none that this service knows"));
        check(US_TAP_LAYER, 0, "", Err("a layer's path is empty"));
        check(4, 0, "", Err("kind 4 is none that this service knows"));
        check(US_TAP_ALPHA, 1, "", Err("a reference has no opacity"));
    }
}
