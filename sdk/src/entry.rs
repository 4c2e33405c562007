//! The C functions behind a [`Term`]: each turns pointers into what the trait's functions take, and lets no panic out.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::abi::{
    US_ERROR_PANICKED, US_INTERNAL, US_OK, US_TAP_REFERENCE, us_error, us_host, us_io, us_status, us_step,
    us_str, us_tap, us_term, us_value, us_view,
};
use crate::call::{Apply, Eval};
use crate::error::Error;
use crate::log;
use crate::params::{Param, Params, slice};
use crate::tensor::{Layout, Shape};
use crate::term::{Tap, Term};

/// A term at work, and the taps that it lends to the host.
struct Instance<T> {
    term: T,
    taps: Vec<us_tap>,
    /// What `taps` points into.
    lent: Vec<Tap>,
    /// It panicked: its state is not to be trusted.
    poisoned: bool,
}

pub(crate) unsafe extern "C" fn create<T: Term>(
    _: *const us_term,
    _: *const us_host,
    params: *const us_value,
    n_params: u64,
    job_seed: u64,
    instance: *mut *mut c_void,
    error: *mut us_error,
) -> us_status {
    // SAFETY: the host calls this as the header says.
    unsafe {
        guard(error, T::INFO.params, || {
            let params = Params::new(T::INFO.params, slice(params, n_params), job_seed)?;
            let made =
                Instance { term: T::new(&params)?, taps: Vec::new(), lent: Vec::new(), poisoned: false };
            instance.write(Box::into_raw(Box::new(made)).cast());
            Ok(())
        })
    }
}

pub(crate) unsafe extern "C" fn destroy<T: Term>(instance: *mut c_void) {
    // SAFETY: the header: `instance` came from `create`, and this is the last call on it.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<T>>()) };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(instance))) {
        log::log(
            log::Level::Error,
            &format!("a term panicked when it was dropped: {}", panic_text(&*payload)),
        );
        std::mem::forget(payload);
    }
}

pub(crate) unsafe extern "C" fn taps<T: Term>(
    instance: *mut c_void,
    taps: *mut *const us_tap,
    n: *mut u64,
    error: *mut us_error,
) -> us_status {
    // SAFETY: the host calls this as the header says.
    unsafe {
        enter_instance::<T>(instance, error, |instance| {
            instance.lent = instance.term.taps();
            let lend = |tap: &Tap| us_tap {
                what: tap.what,
                flags: if tap.reference { US_TAP_REFERENCE } else { 0 },
                layer: us_str::new(tap.layer.as_deref().unwrap_or_default()),
            };
            instance.taps = instance.lent.iter().map(lend).collect();
            taps.write(instance.taps.as_ptr());
            n.write(instance.taps.len() as u64);
            Ok(())
        })
    }
}

pub(crate) unsafe extern "C" fn prepare<T: Term>(
    instance: *mut c_void,
    shapes: *const us_view,
    n: u64,
    error: *mut us_error,
) -> us_status {
    // SAFETY: the host calls this as the header says.
    unsafe {
        enter_instance::<T>(instance, error, |instance| {
            let shapes = slice(shapes, n).iter().map(|view| Ok(Layout::of(view)?.shape));
            instance.term.prepare(&shapes.collect::<Result<Vec<Shape>, Error>>()?)
        })
    }
}

pub(crate) unsafe extern "C" fn eval<T: Term>(
    instance: *mut c_void,
    step: *const us_step,
    io: *mut us_io,
    error: *mut us_error,
) -> us_status {
    // SAFETY: the host calls this as the header says.
    unsafe {
        enter_instance::<T>(instance, error, |instance| {
            let (step, io) = (&*step, &*io);
            match bits(slice(io.r#in, u64::from(io.n_taps))) {
                64 => instance.term.eval(&mut Eval::<f64>::new(step, io)?),
                _ => instance.term.eval(&mut Eval::<f32>::new(step, io)?),
            }
        })
    }
}

pub(crate) unsafe extern "C" fn apply<T: Term>(
    instance: *mut c_void,
    step: *const us_step,
    image: *const us_view,
    gradient: *const us_view,
    error: *mut us_error,
) -> us_status {
    // SAFETY: the host calls this as the header says.
    unsafe {
        enter_instance::<T>(instance, error, |instance| {
            let (step, image, gradient) = (&*step, &*image, &*gradient);
            match image.t.dtype.bits {
                64 => instance.term.apply(&mut Apply::<f64>::new(step, image, gradient)?),
                _ => instance.term.apply(&mut Apply::<f32>::new(step, image, gradient)?),
            }
        })
    }
}

fn bits(views: &[us_view]) -> u8 {
    views.first().map_or(32, |view| view.t.dtype.bits)
}

/// # Safety
/// `instance` came from `create::<T>` and no other call on it is under way; `error` is what the header says.
unsafe fn enter_instance<T: Term>(
    instance: *mut c_void,
    error: *mut us_error,
    body: impl FnOnce(&mut Instance<T>) -> Result<(), Error>,
) -> us_status {
    // SAFETY: the caller's promise.
    let instance = unsafe { &mut *instance.cast::<Instance<T>>() };
    if instance.poisoned {
        // SAFETY: the caller's promise.
        return unsafe { guard(error, &[], || Err(Error::internal("the term panicked before"))) };
    }
    instance.poisoned = true;
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, T::INFO.params, || {
            let result = body(instance);
            instance.poisoned = false;
            result
        })
    }
}

/// Runs `body`, catches its panic, and writes what went wrong to `error`.
///
/// # Safety
/// `error` is null, or what the header says.
pub(crate) unsafe fn guard(
    error: *mut us_error,
    schema: &[Param],
    body: impl FnOnce() -> Result<(), Error>,
) -> us_status {
    let (failure, flags) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return US_OK,
        Ok(Err(failure)) => (failure, 0),
        Err(payload) => {
            let text = panic_text(&*payload);
            // Dropping a payload can panic again; it is small, and panics are rare.
            std::mem::forget(payload);
            (Error::internal(text), US_ERROR_PANICKED)
        }
    };
    // SAFETY: the caller's promise.
    if let Some(error) = unsafe { error.as_mut() } {
        let parameter = |name: &String| schema.iter().position(|param| param.name == name);
        error.parameter =
            failure.parameter.as_ref().and_then(parameter).map_or(-1, |position| position as i32);
        error.flags = flags;
        let cap = if error.buf.is_null() { 0 } else { error.cap as usize };
        let end = boundary(&failure.message, cap);
        // SAFETY: the header: `buf` has room for `cap` bytes, and `end` is at most that.
        unsafe { std::ptr::copy_nonoverlapping(failure.message.as_ptr(), error.buf.cast(), end) };
        error.len = end as u64;
    }
    if flags == 0 { failure.code as us_status } else { US_INTERNAL }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The largest end of whole characters that is at most `cap`.
fn boundary(text: &str, cap: usize) -> usize {
    (0..=cap.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0)
}
