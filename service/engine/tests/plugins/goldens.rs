//! Every built-in term through its loaded library against PyTorch's numbers, which `tests/fixtures/terms.py` makes from the formulas.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use unitscope_engine::plugin::{Element, ParamValue, StepInfo};
use unitscope_sdk::Float;
use unitscope_sdk::testing::{Array, Subject};
use unitscope_tests::build::checkout;

use super::support::{LoadedSubject, STEP, builtin, view};

/// `golden/terms.json`; the script says what the names mean.
#[derive(Deserialize)]
struct Goldens {
    scale: Vec<f64>,
    inputs: BTreeMap<String, Input>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Input {
    shape: Vec<i64>,
    data: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    term: String,
    params: BTreeMap<String, Value>,
    taps: Vec<String>,
    #[serde(flatten)]
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Evaluated { values: Vec<f64>, gradients: Vec<Option<Vec<f64>>> },
    Applied { step: u64, after: [Option<Vec<f64>>; 2] },
}

fn goldens() -> Goldens {
    let path = checkout().join("tests/fixtures/golden/terms.json");
    let text = std::fs::read_to_string(path).expect("the file is part of the checkout");
    serde_json::from_str(&text).expect("a file as the script writes it")
}

/// Of the largest number, in float64 and in float32.
const TOLERANCES: [f64; 2] = [1e-9, 1e-5];

#[test]
fn terms_give_what_pytorch_gives() {
    let goldens = goldens();
    for case in &goldens.cases {
        let taps: Vec<Array> = case.taps.iter().map(|name| goldens.inputs[name].array()).collect();
        match &case.expected {
            Expected::Evaluated { values, gradients } => {
                case.check_evaluated(&taps, &goldens.scale[..values.len()], values, gradients);
            }
            Expected::Applied { step, after } => {
                case.check_applied::<f64>(&taps, *step, after, TOLERANCES[0]);
                case.check_applied::<f32>(&taps, *step, after, TOLERANCES[1]);
            }
        }
    }
}

#[test]
fn every_parameter_of_every_term_is_in_a_case() {
    let cases = goldens().cases;
    for term in builtin().terms() {
        let mut own = cases.iter().filter(|case| case.term == term.id).peekable();
        assert!(own.peek().is_some(), "{} has no case in tests/fixtures/terms.py", term.id);
        let given: Vec<&String> = own.flat_map(|case| case.params.keys()).collect();
        for param in &term.params {
            assert!(given.contains(&&param.name), "{} has no case with {}", term.id, param.name);
        }
    }
}

impl Input {
    fn array(&self) -> Array {
        Array { data: self.data.clone(), ..Array::random(&self.shape, 0) }
    }
}

impl Case {
    fn subject(&self) -> LoadedSubject {
        let given: Vec<_> = self.params.iter().map(|(name, value)| (name.as_str(), param(value))).collect();
        LoadedSubject::builtin(&self.term, &given)
    }

    fn check_evaluated(&self, taps: &[Array], scale: &[f64], values: &[f64], gradients: &[Option<Vec<f64>>]) {
        for (single, tolerance) in [false, true].into_iter().zip(TOLERANCES) {
            let mut subject = self.subject();
            let mut found: Vec<Array> = taps.iter().map(Array::zeros).collect();
            let got = subject.eval(&mut taps.to_vec(), Some(&mut found), scale, single);
            self.close(&got.expect("values"), values, tolerance, "values");
            for (k, expected) in gradients.iter().enumerate() {
                assert_eq!(subject.has_gradient(k), expected.is_some(), "{}: gradient of tap {k}", self.term);
                if let Some(expected) = expected {
                    self.close(&found[k].data, expected, tolerance, &format!("gradient of tap {k}"));
                }
            }
        }
    }

    fn check_applied<T: Float + Element>(
        &self,
        taps: &[Array],
        step: u64,
        after: &[Option<Vec<f64>>; 2],
        tolerance: f64,
    ) {
        let LoadedSubject(mut instance) = self.subject();
        let mut data: Vec<Vec<T>> =
            taps.iter().map(|tap| tap.data.iter().copied().map(T::from_f64).collect()).collect();
        let views: Vec<_> = taps.iter().zip(&mut data).map(|(tap, data)| view(tap, data)).collect();
        instance.prepare(&views[..1]).expect("a shape");
        instance.apply(&StepInfo { step, ..STEP }, &views[0], &views[1]).expect("it applies");
        for (at, what) in ["image", "gradient"].into_iter().enumerate() {
            let found: Vec<f64> = data[at].iter().map(|value| value.to_f64()).collect();
            match &after[at] {
                Some(expected) => self.close(&found, expected, tolerance, what),
                None => assert_eq!(found, taps[at].data, "{}: the {what} stays as it is", self.term),
            }
        }
    }

    /// Each number is within `tolerance` of the largest expected one.
    fn close(&self, found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
        let Case { term, params, taps, .. } = self;
        let case = format!("{term} {params:?} of {taps:?}, {what}");
        assert_eq!(found.len(), expected.len(), "{case}");
        let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (found - expected).abs() <= tolerance * largest,
                "{case} at {at}: {found}, and PyTorch gives {expected} (largest: {largest})"
            );
        }
    }
}

fn param(value: &Value) -> ParamValue {
    match value {
        Value::Bool(value) => ParamValue::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| ParamValue::Float(number.as_f64().expect("finite")), ParamValue::Int),
        Value::String(value) => ParamValue::String(value.clone()),
        Value::Array(values) => {
            ParamValue::FloatList(values.iter().map(|value| value.as_f64().expect("a number")).collect())
        }
        Value::Null | Value::Object(_) => panic!("no parameter: {value}"),
    }
}
