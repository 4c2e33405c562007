//! Terms that break the rules: each gives its own error, and the next term works as if nothing had happened.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use unitscope_engine::plugin::{Axis, GuardedBuffer, Instance, Stage, Status, StepInfo, TermError, View};
use unitscope_sdk::testing::{Array, check_accumulates};
use unitscope_tests::build::libraries;

use super::support::{Loaded, LoadedSubject, STEP, load, params, text};

fn misbehaving() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| load(&[libraries().misbehaving()]))
}

const SHAPE: [i64; 4] = [3, 2, 4, 5];
const AXES: [Axis; 4] = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];

fn made(term: &str) -> Result<Instance, TermError> {
    let term = misbehaving().registry.term(&format!("misbehaving.{term}"))?;
    let mut instance = term.create(&params(&[]), &[], 1)?;
    instance.taps()?;
    Ok(instance)
}

/// A whole job of one step, with guarded gradients as the loop has them.
fn run(term: &str, step: &StepInfo<'_>) -> Result<(), TermError> {
    let mut instance = made(term)?;
    eval(&mut instance, step)
}

fn eval(instance: &mut Instance, step: &StepInfo<'_>) -> Result<(), TermError> {
    let (mut tap, mut gradient) =
        (GuardedBuffer::<f32>::zeros(&SHAPE, &AXES), GuardedBuffer::<f32>::zeros(&SHAPE, &AXES));
    let (tap, view) = (tap.view().expect("a view"), gradient.view().expect("a view"));
    instance.prepare(&[tap])?;
    instance.eval(step, &[tap], Some(&[view]), &[1.0; 3], &mut [0.0; 3])?;
    if gradient.check() {
        return Ok(());
    }
    let term = instance.info().id.clone();
    Err(TermError::WroteOutside { term, what: "a gradient's buffer".to_owned() })
}

/// The term's error, after which another term still gives what it should.
fn error(term: &str) -> TermError {
    let error = run(term, &STEP).expect_err("a broken rule");
    assert_eq!(error.term(), format!("misbehaving.{term}"));
    let mut good = LoadedSubject::builtin("layer", &[("layer", text("conv1"))]);
    check_accumulates(&mut good, &[Array::random(&SHAPE, 1)]);
    error
}

fn says(term: &str, message: &str) {
    let text = error(term).to_string();
    assert!(text.contains(message), "{text}");
}

#[test]
fn the_library_itself_is_loaded() {
    assert_eq!(misbehaving().problems, []);
}

#[test]
fn a_panic_is_caught_wherever_it_happens() {
    for (term, stage, words) in [
        ("panic_create", Stage::Create, "it was made"),
        ("panic_taps", Stage::Taps, "asked for taps"),
        ("panic_prepare", Stage::Prepare, "1 shapes"),
        ("panic_eval", Stage::Eval, "step 0"),
    ] {
        let error = error(term);
        let TermError::Panicked { stage: at, message, .. } = &error else { panic!("{error}") };
        assert!(*at == stage && message.contains(words), "{error}");
        assert!(!error.is_request());
    }
}

#[test]
fn a_panic_while_it_is_destroyed_is_logged() {
    assert_eq!(run("panic_drop", &STEP), Ok(()));
    let log = misbehaving().log.lock().expect("no test panics with the lock");
    assert!(log.iter().any(|line| line.starts_with("Error") && line.contains("it was destroyed")), "{log:?}");
}

#[test]
fn what_panicked_is_not_called_again() {
    let mut instance = made("panic_eval").expect("an instance");
    assert!(matches!(eval(&mut instance, &STEP), Err(TermError::Panicked { .. })));
    let error = eval(&mut instance, &STEP).expect_err("poisoned");
    assert!(
        matches!(error, TermError::Misused { .. }) && error.to_string().contains("not called again"),
        "{error}"
    );
}

#[test]
fn an_error_keeps_its_status_message_and_parameter() {
    let refused = error("error_prepare");
    let TermError::Refused { stage, status, parameter, message, .. } = &refused else { panic!("{refused}") };
    assert_eq!(
        (*stage, *status, parameter.as_deref()),
        (Stage::Prepare, Status::InvalidArgument, Some("layer"))
    );
    assert_eq!(message, "this layer does not please it");
    assert!(refused.is_request());
    let failed = error("error_eval");
    assert!(matches!(&failed, TermError::Failed { status: Status::ResourceExhausted, .. }), "{failed}");
    assert_eq!(
        failed.to_string(),
        "`misbehaving.error_eval` failed (eval, RESOURCE_EXHAUSTED): it has had enough"
    );
}

#[test]
fn values_and_gradients_are_checked() {
    let non_finite = |what: &str, term: &str| {
        let error = error(term);
        let TermError::NonFinite { what: named, image, .. } = &error else { panic!("{error}") };
        assert_eq!((named.as_str(), *image), (what, 2));
    };
    non_finite("value", "nan_value");
    non_finite("gradient of the image", "infinite_gradient");
    assert!(matches!(error("too_few_values"), TermError::TooFewValues { image: 2, images: 3, .. }));
}

#[test]
fn bad_taps_are_refused() {
    for (term, words) in [
        ("too_many_taps", "not 17"),
        ("no_taps", "not 0"),
        ("null_taps", "null or misaligned"),
        ("unknown_tap", "kind 99"),
        ("huge_tap", "1152921504606846976 bytes"),
        ("null_path", "is null"),
        ("not_utf8_path", "not UTF-8"),
    ] {
        assert!(matches!(error(term), TermError::BadTap { .. }));
        says(term, words);
    }
    // The host of plugins knows no model: this one is for its caller to refuse.
    assert_eq!(
        made("unknown_layer").and_then(|mut instance| instance.taps()).expect("a tap")[0].to_string(),
        "layer `no.such.layer`"
    );
}

#[test]
fn bad_messages_are_cut_and_made_printable() {
    assert!(error("long_error").to_string().len() < 3_000);
    says("huge_error", "(eval, INTERNAL): x");
    says("not_utf8_error", "caf\u{fffd}  [31m");
    says("unknown_status", "(eval, INTERNAL): it gave no reason");
}

#[test]
fn a_write_outside_of_a_buffer_is_seen() {
    for (term, what) in [
        ("writes_past_error", "its error buffer"),
        ("writes_past_values", "its values' buffer"),
        ("writes_past_gradient", "a gradient's buffer"),
        ("writes_before_gradient", "a gradient's buffer"),
    ] {
        assert!(matches!(error(term), TermError::WroteOutside { .. }), "{term}");
        says(term, what);
    }
}

#[test]
fn a_slow_term_sees_the_cancellation() {
    let (start, asked) = (Instant::now(), Cell::new(0));
    let cancelled = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let step = StepInfo { cancelled: &cancelled, ..STEP };
    assert!(matches!(run("slow", &step), Err(TermError::Cancelled { .. })));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn calls_out_of_order_or_with_wrong_views_are_refused() {
    let fails = |result: Result<(), TermError>, words: &str| {
        let error = result.expect_err("misuse").to_string();
        assert!(error.contains(words), "{error}");
    };
    let mut instance = made("panic_drop").expect("an instance");
    let mut data = vec![0.0_f32; 120];
    let tap = View::from_slice(&mut data, &SHAPE, &AXES).expect("a view");
    let mut values = [0.0; 3];
    fails(instance.eval(&STEP, &[tap], None, &[1.0; 3], &mut values), "prepared first");
    fails(instance.prepare(&[]), "1 taps, and was given 0");
    instance.prepare(&[tap]).expect("a shape");
    fails(instance.eval(&STEP, &[tap], None, &[1.0; 2], &mut values), "3 images, and there are 2 scales");
    fails(instance.eval(&STEP, &[tap.without_data()], None, &[1.0; 3], &mut values), "no data");
    fails(instance.eval(&STEP, &[tap], Some(&[]), &[1.0; 3], &mut values), "one gradient of its shape");
    fails(instance.apply(&STEP, &tap, &tap), "only a step operation");
}
