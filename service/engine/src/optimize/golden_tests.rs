//! Parameterizations and transforms against PyTorch's float64 numbers, values and gradients, which `tests/fixtures/canvas.py` makes from
//! the formulas; the script says what the names mean.

use super::parameterization::Canvas;
use super::transform::affine::Affine;
use super::{background, transform};
use crate::spec::{Basis, OptimizeSpec, Parameterization, Shared, Spectrum};
use serde_json::Value;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// float32 against float64, relative to the largest number.
const TOLERANCE: f64 = 1e-5;

/// The cases of a kind, of which there is at least one.
fn cases(kind: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/golden/canvas.json");
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let found: Vec<Value> = all.into_iter().filter(|case| case["kind"] == kind).collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn shape(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

/// An array by its formula.
fn array(shape: &[i64], seed: i64, scale: f64, offset: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let element = |i: i64| offset + scale * ((((37 * i * i + 101 * i + seed) % 2039) - 1019) as f64) / 1024.0;
    let values: Vec<f64> = (0..count).map(element).collect();
    Tensor::from_slice(&values).reshape(shape).to_kind(Kind::Float)
}

/// An array that goes in.
fn described(value: &Value) -> Tensor {
    let number = |key: &str| value[key].as_f64().unwrap();
    array(&shape(&value["shape"]), value["seed"].as_i64().unwrap(), number("scale"), number("offset"))
}

fn check(name: &str, found: &Tensor, expected: &Value) {
    let expected = numbers(expected);
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    let most = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= TOLERANCE * most, "{name}, {place}: {found} against {expected}");
    }
}

/// What comes out, and what of the weighted sum over it comes back to each of `inputs`.
fn check_case(name: &str, made: &Tensor, expected: &Value, inputs: &[(&Tensor, &Value)]) {
    check(name, made, expected);
    let sum = (made * array(&made.size(), 7, 1.0, 0.0)).sum(Kind::Float);
    let leaves: Vec<&Tensor> = inputs.iter().map(|(input, _)| *input).collect();
    let gradients = Tensor::run_backward(&[sum], &leaves, false, false);
    for (gradient, (_, expected)) in gradients.iter().zip(inputs) {
        check(&format!("gradient of {name}"), gradient, expected);
    }
}

fn basis(value: &Value) -> Basis {
    let whole = |key: &str| value[key].as_u64().unwrap() as u32;
    let standard_deviation = Basis::STANDARD_DEVIATION;
    match value["name"].as_str().unwrap() {
        "pixel" => Basis::Pixel { standard_deviation },
        "fourier" => {
            Basis::Fourier { standard_deviation, decay_power: value["decay_power"].as_f64().unwrap() }
        }
        "laplacian" => Basis::Laplacian { standard_deviation, levels: whole("levels") },
        "cppn" => Basis::Cppn { layers: whole("layers"), channels: whole("channels") },
        "maco" => Basis::Maco { magnitude: spectrum(&value["magnitude"]) },
        other => panic!("{other} is none"),
    }
}

fn spectrum(value: &Value) -> Option<Arc<Spectrum>> {
    let [channels, height, columns] = shape(value.get("shape")?)[..] else { panic!("three sides") };
    let values = Vec::<f32>::try_from(described(value).flatten(0, -1)).unwrap();
    let (channels, height, columns) = (channels as u32, height as u32, columns as u32);
    Some(Arc::new(Spectrum { channels, height, columns, values }))
}

fn shared(value: &Value) -> Option<Shared> {
    let divisors = shape(value.get("divisors")?).into_iter().map(|divisor| divisor as u32).collect();
    Some(Shared { divisors, anchors: value["anchors"].as_u64().unwrap() as u32 })
}

/// The cases whose names begin so, of which there is at least one.
fn check_parameterization(prefix: &str) {
    let all = cases("parameterization");
    let wanted = all.iter().filter(|case| case["name"].as_str().unwrap().starts_with(prefix));
    assert!(wanted.map(check_canvas).count() > 0, "{prefix} has a case");
}

fn check_canvas(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let [images, channels, height, width] = shape(&case["shape"])[..] else { panic!("four sides") };
    let alpha = case["alpha"].as_bool().unwrap();
    let parameterization = Parameterization {
        basis: basis(&case["basis"]),
        decorrelate_colors: case["decorrelate_colors"].as_bool().unwrap(),
        alpha,
        shared: shared(&case["shared"]),
    };
    let testing = super::testing::spec(height as u32, width as u32);
    let spec = OptimizeSpec { images: images as u32, parameterization, ..testing };
    let canvas = Canvas::start(&spec, channels - i64::from(alpha), Device::Cpu).unwrap();
    let given = [described(&case["numbers"])].into_iter();
    let given = given.chain(case["shared"].get("numbers").map(described));
    tch::no_grad(|| {
        for (leaf, given) in canvas.leaves().iter().zip(given) {
            assert_eq!(leaf.size(), given.size(), "{name}");
            leaf.shallow_clone().copy_(&given);
        }
    });
    let expected = [&case["gradient"], &case["shared_gradient"]];
    let inputs: Vec<(&Tensor, &Value)> = canvas.leaves().iter().zip(expected).collect();
    check_case(name, &canvas.images().unwrap(), &case["pictures"], &inputs);
}

#[test]
fn pixel() {
    check_parameterization("pixel");
}

#[test]
fn fourier() {
    check_parameterization("fourier");
}

#[test]
fn laplacian() {
    check_parameterization("laplacian");
}

#[test]
fn cppn() {
    check_parameterization("cppn");
}

#[test]
fn maco() {
    check_parameterization("maco");
}

#[test]
fn opacity() {
    check_parameterization("alpha");
}

#[test]
fn shared_parts() {
    check_parameterization("shared");
}

#[test]
fn resampling() {
    let mut shrunk = 0;
    for case in cases("transform") {
        let name = case["name"].as_str().unwrap();
        let picture = described(&case["picture"]).set_requires_grad(true);
        let map = Affine::from_rows(numbers(&case["map"]).try_into().unwrap());
        shrunk += usize::from(!case["small"].is_null());
        let view = transform::sample(&picture, &[map], case["outside"] == "grey").unwrap();
        check_case(name, &view, &case["view"], &[(&picture, &case["gradient"])]);
    }
    assert!(shrunk > 0);
}

#[test]
fn color_shifts() {
    for case in cases("color_shift") {
        let picture = described(&case["picture"]).set_requires_grad(true);
        let view =
            transform::recolor(&picture, &numbers(&case["exponents"]), &numbers(&case["sums"])).unwrap();
        check_case("color shift", &view, &case["view"], &[(&picture, &case["gradient"])]);
    }
}

#[test]
fn transparency() {
    for case in cases("composite") {
        let pictures = described(&case["pictures"]).set_requires_grad(true);
        let view = background::over(&pictures, &described(&case["background"])).unwrap();
        check_case("composite", &view, &case["view"], &[(&pictures, &case["gradient"])]);
    }
}
