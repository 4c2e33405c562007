//! The engine's side of `tests/models/matrix.py`: loads a model, and holds its layers, outputs and gradients against PyTorch's.
//!
//! `compare MODEL_DIR CASES_DIR`; the cases lie in `cases.json` and `cases.bin` (float32, little-endian). Prints one line of JSON.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;
use tch::{Device, Tensor};
use unitscope_engine::model::{Model, Reader, gradients, torchscript};

type Failure = Box<dyn std::error::Error>;

#[derive(Deserialize)]
struct Case {
    input: Stored,
    /// The network's output.
    output: Stored,
    /// What forward hooks saw: path, which call, value.
    #[serde(default)]
    layers: Vec<(String, usize, Stored)>,
    /// Of the mean of a channel of a layer, with respect to the input.
    #[serde(default)]
    gradients: Vec<Gradient>,
}

#[derive(Deserialize)]
struct Gradient {
    layer: String,
    channel: i64,
    axis: i64,
    value: Stored,
}

/// A tensor of `cases.bin`.
#[derive(Deserialize)]
struct Stored {
    offset: u64,
    shape: Vec<i64>,
}

struct Values(File);

impl Values {
    fn read(&self, stored: &Stored) -> Result<Tensor, Failure> {
        let elements = usize::try_from(stored.shape.iter().product::<i64>())?;
        let mut bytes = vec![0; elements * 4];
        self.0.read_exact_at(&mut bytes, stored.offset)?;
        Ok(Tensor::from_data_size(&bytes, &stored.shape, tch::Kind::Float))
    }
}

fn main() -> ExitCode {
    if let Some(code) = torchscript::reader::run_if_asked() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, cases] = arguments.as_slice() else {
        eprintln!("give MODEL_DIR CASES_DIR");
        return ExitCode::FAILURE;
    };
    match run(Path::new(folder), Path::new(cases)) {
        Ok(report) => println!("{report}"),
        Err(error) => println!("{}", json!({ "error": error.to_string() })),
    }
    ExitCode::SUCCESS
}

fn run(folder: &Path, cases: &Path) -> Result<serde_json::Value, Failure> {
    let values = Values(File::open(cases.join("cases.bin"))?);
    let cases: Vec<Case> = serde_json::from_reader(File::open(cases.join("cases.json"))?)?;
    let begin = Instant::now();
    let model = Model::load(folder, &Reader::default())?;
    let seconds = begin.elapsed().as_secs_f64();
    let reports: Vec<serde_json::Value> = cases
        .iter()
        .map(|case| {
            check(&model, &values, case).unwrap_or_else(|error| json!({ "error": error.to_string() }))
        })
        .collect();
    Ok(json!({ "seconds": seconds, "layers": model.layers().len(), "cases": reports }))
}

fn check(model: &Model, values: &Values, case: &Case) -> Result<serde_json::Value, Failure> {
    let input = values.read(&case.input)?;
    let size = [u32::try_from(case.input.shape[2])?, u32::try_from(case.input.shape[3])?];
    let listed: BTreeSet<&str> = model.layers().iter().map(|layer| layer.path.as_str()).collect();
    // A module that runs several times is listed once for each of its calls.
    let mut calls: HashMap<&str, usize> = HashMap::new();
    for (path, ..) in &case.layers {
        *calls.entry(path).or_default() += 1;
    }
    let name = |path: &str, call: usize| match calls.get(path) {
        Some(&count) if count > 1 => format!("{path}#{call}"),
        _ => path.to_owned(),
    };
    let whole = if listed.contains("output") { "output".to_owned() } else { last(model) };
    let output = tch::no_grad(|| model.program(&[whole], size, Device::Cpu)?.run(&input))?.remove(0);
    let mut worst = (0.0, String::new());
    let unlisted: BTreeSet<String> =
        model.listing(size[0], size[1])?.unlisted.into_iter().map(|(path, _)| path).collect();
    let (mut missing, mut named, mut wanted) = (Vec::new(), 0, Vec::new());
    for (path, call, stored) in &case.layers {
        let layer = name(path, *call);
        if listed.contains(layer.as_str()) {
            wanted.push((layer, stored));
        } else if unlisted.contains(path) {
            named += 1;
        } else {
            missing.push(layer);
        }
    }
    for some in wanted.chunks(32) {
        let paths: Vec<String> = some.iter().map(|(layer, _)| layer.clone()).collect();
        let found = tch::no_grad(|| model.program(&paths, size, Device::Cpu)?.run(&input))?;
        for ((layer, stored), found) in some.iter().zip(&found) {
            let difference = largest_difference(found, &values.read(stored)?);
            if difference.is_nan() || difference > worst.0 {
                worst = (difference, layer.clone());
            }
        }
    }
    let slopes: Vec<serde_json::Value> =
        case.gradients.iter().map(|gradient| slope(model, values, gradient, &input, size)).collect();
    Ok(json!({
        "output": largest_difference(&output, &values.read(&case.output)?),
        "worst": worst.0,
        "worst_layer": worst.1,
        "compared": wanted.len(),
        "missing": missing,
        "named": named,
        "gradients": slopes,
    }))
}

/// The network's own output is the last layer, whatever it is called.
fn last(model: &Model) -> String {
    model.layers().last().map(|layer| layer.path.clone()).unwrap_or_default()
}

/// max |a − b| / max |b|.
fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    if a.size() != b.size() {
        return f64::INFINITY;
    }
    let difference = (a - b).abs().max().double_value(&[]);
    let scale = b.abs().max().double_value(&[]);
    if difference == 0.0 { 0.0 } else { difference / scale }
}

/// How far a gradient is from PyTorch's: |a − b| / |b|. Where it is far, also without folded batch norms: folding rounds otherwise, and every
/// activation that falls on the other side of a kink by that changes the gradient.
fn slope(
    model: &Model,
    values: &Values,
    gradient: &Gradient,
    input: &Tensor,
    size: [u32; 2],
) -> serde_json::Value {
    const FAR: f64 = 1e-3;
    let layer = &gradient.layer;
    let found = difference(model, values, gradient, input, size, true).and_then(|folded| {
        let unfolded = match folded > FAR {
            true => Some(difference(model, values, gradient, input, size, false)?),
            false => None,
        };
        Ok(json!({ "layer": layer, "difference": folded, "unfolded": unfolded }))
    });
    found.unwrap_or_else(|error| json!({ "layer": layer, "error": error.to_string() }))
}

fn difference(
    model: &Model,
    values: &Values,
    gradient: &Gradient,
    input: &Tensor,
    size: [u32; 2],
    folded: bool,
) -> Result<f64, Failure> {
    let input = input.detach().set_requires_grad(true);
    let layer = std::slice::from_ref(&gradient.layer);
    let output = if folded {
        model.program(layer, size, Device::Cpu)?.run(&input)?.remove(0)
    } else {
        let mut seen = None;
        model.passing_program(layer, Device::Cpu)?.watch(&input, |_, tensor| {
            seen = Some(tensor.shallow_clone());
            Ok::<(), Failure>(())
        })?;
        seen.ok_or("the layer was not shown")?
    };
    let slope = output.zeros_like();
    let share = output.size()[usize::try_from(gradient.axis)?] as f64 / output.numel() as f64;
    let _ = slope.narrow(gradient.axis, gradient.channel, 1).fill_(share);
    let found = gradients(&[output], &[input], &[slope])?.remove(0).ok_or("the input has no gradient")?;
    let expected = values.read(&gradient.value)?;
    Ok(((found - &expected).norm() / expected.norm()).double_value(&[]))
}
