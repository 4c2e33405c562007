//! An objective in C: staged copies, log lines, and the same numbers as the built-in one.

use unitscope_engine::plugin::{ParamValue, TermError, View};
use unitscope_sdk::testing::{Array, Subject, check_accumulates, check_input_unchanged};

use super::support::{Loaded, LoadedSubject, compile, load, params, text, view};

fn c_mean() -> Loaded {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loaded = load(&[&compile("mean.c", &[], folder.path())]);
    assert_eq!(loaded.problems, []);
    loaded
}

fn given(channel: i64) -> [(&'static str, ParamValue); 2] {
    [("layer", text("conv1")), ("channel", ParamValue::Int(channel))]
}

/// float32 only: the checks that use float64 are not for it.
struct Single(LoadedSubject);

impl Subject for Single {
    fn eval(
        &mut self,
        taps: &mut [Array],
        gradients: Option<&mut [Array]>,
        scale: &[f64],
        _: bool,
    ) -> Result<Vec<f64>, String> {
        self.0.eval(taps, gradients, scale, true)
    }
}

fn subject(loaded: &Loaded) -> Single {
    let term = loaded.registry.term("c_mean").expect("the C plugin's term");
    assert!(!term.strided && !term.float64);
    let mut instance = term.create(&params(&given(1)), &[], 1).expect("valid parameters");
    instance.taps().expect("a tap");
    Single(LoadedSubject(instance))
}

#[test]
fn it_gives_what_the_built_in_channel_gives_in_every_layout() {
    let loaded = c_mean();
    let mut builtin = Single(LoadedSubject::builtin("channel", &given(1)));
    let array = Array::random(&[3, 4, 5, 6], 1);
    for (tap, like) in [
        (array.clone(), array.clone()),
        (array.channels_last(), array.channels_last()),
        (array.clone(), array.channels_last()),
        (array.channels_last(), array),
    ] {
        let run = |subject: &mut Single| {
            let mut gradients = [like.clone()];
            let values = subject.eval(&mut [tap.clone()], Some(&mut gradients), &[0.5, 2.0, 3.0], true);
            (values.expect("values"), gradients[0].values())
        };
        let ((values, gradients), (other_values, other_gradients)) =
            (run(&mut subject(&loaded)), run(&mut builtin));
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&values, &other_values) && close(&gradients, &other_gradients));
    }
}

#[test]
fn it_keeps_the_rules_for_memory() {
    let loaded = c_mean();
    let tap = Array::random(&[3, 4, 5, 6], 1);
    check_input_unchanged(&mut subject(&loaded), &single(&tap));
    check_accumulates(&mut subject(&loaded), &single(&tap.zeros()));
}

/// Numbers that float32 holds exactly.
fn single(tap: &Array) -> [Array; 1] {
    let data = tap.data.iter().map(|&value| f64::from(value as f32)).collect();
    [Array { data, ..tap.clone() }]
}

#[test]
fn its_refusal_names_the_parameter() {
    let loaded = c_mean();
    let term = loaded.registry.term("c_mean").expect("the C plugin's term");
    let mut instance = term.create(&params(&given(4)), &[], 1).expect("valid parameters");
    instance.taps().expect("a tap");
    let array = Array::random(&[3, 4, 5, 6], 1);
    let mut data = vec![0.0_f32; array.data.len()];
    let shape: View<'static> = view(&array, &mut data).without_data();
    let error = instance.prepare(&[shape]).expect_err("it has 4 channels");
    assert!(
        matches!(&error, TermError::Refused { parameter: Some(name), .. } if name == "channel"),
        "{error}"
    );
    let double: View<'static> = view(&array, &mut array.data.clone()).without_data();
    assert!(instance.prepare(&[double]).expect_err("float64").to_string().contains("float32 only"));
}

#[test]
fn its_log_lines_carry_its_files_name() {
    let loaded = c_mean();
    drop(subject(&loaded));
    let log = loaded.log.lock().expect("no test panics with the lock");
    assert_eq!(*log, ["Info 0-plugin.so c_mean was made"]);
}
