//! The demo model and the tiny exports against PyTorch's stored outputs, activations of every layer and image gradients; hostile files against themselves.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

#[path = "../src/model/testing/npz.rs"]
mod npz;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Device, Tensor};
use unitscope_engine::model::{Axis, FixedInput, Model, ModelError, Reader, TokenGrid, gradients};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Who reads TorchScript files: the server's program.
fn reader() -> Reader {
    Reader::at(unitscope_tests::build::built().server())
}

/// The height and width of `[n, c, h, w]`.
fn size(input: &Tensor) -> [u32; 2] {
    [2, 3].map(|axis| u32::try_from(input.size()[axis]).unwrap())
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/models").join(name)
}

/// Runs the model on every input of the golden file, cut at each layer alone and at all of them together.
fn check(folder: &Path, golden: &Path) {
    let model = Model::load(folder, &reader()).unwrap();
    let expected = npz::read(golden);
    let inputs: Vec<&String> = expected.keys().filter(|key| key.starts_with("input")).collect();
    assert!(!inputs.is_empty());
    for key in inputs {
        check_input(&model, &expected, key.trim_start_matches("input"));
    }
}

fn check_input(model: &Model, expected: &BTreeMap<String, Tensor>, number: &str) {
    let input = &expected[&format!("input{number}")];
    let prefix = format!("layer{number}:");
    let mut layers = vec![("output".to_owned(), &expected[&format!("output{number}")])];
    layers.extend(
        expected.iter().filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?.to_owned(), tensor))),
    );
    let paths: Vec<String> = layers.iter().map(|(path, _)| path.clone()).collect();
    let together =
        tch::no_grad(|| model.program(&paths, size(input), Device::Cpu).unwrap().run(input).unwrap());
    for ((path, expected), activation) in layers.iter().zip(&together) {
        npz::assert_near(activation, expected, path);
        let program = model.program(std::slice::from_ref(path), size(input), Device::Cpu).unwrap();
        npz::assert_near(
            &tch::no_grad(|| program.run(input).unwrap())[0],
            expected,
            &format!("{path} alone"),
        );
    }
    // Nothing that PyTorch computes is missing from the list, and nothing is on it that PyTorch does not know.
    let listed: Vec<&str> = model.layers().iter().map(|layer| layer.path.as_str()).collect();
    for path in &paths {
        assert!(listed.contains(&path.as_str()), "{path} is not listed");
    }
    assert_eq!(listed.len(), paths.len(), "{listed:?}");
    let prefix = format!("gradient{number}:");
    let wanted: Vec<_> =
        expected.iter().filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?, tensor))).collect();
    assert!(wanted.len() >= 2, "the file holds gradients");
    for (unit, expected) in wanted {
        check_gradient(model, input, unit, expected);
    }
}

/// `unit` is `path:channel`; the objective is the channel's mean over batch and space.
fn check_gradient(model: &Model, input: &Tensor, unit: &str, expected: &Tensor) {
    let (path, channel) = unit.rsplit_once(':').unwrap();
    let info = model.layer(path).unwrap();
    let axis = info.axes.iter().position(|axis| *axis == Axis::Channel).unwrap() as i64;
    let image = input.copy().set_requires_grad(true);
    let taps = model.program(&[path.to_owned()], size(input), Device::Cpu).unwrap().run(&image).unwrap();
    let selected = taps[0].narrow(axis, channel.parse().unwrap(), 1);
    let slope = taps[0].zeros_like();
    let _ = slope.narrow(axis, channel.parse().unwrap(), 1).fill_(1.0 / selected.numel() as f64);
    let found = gradients(&taps, &[image], &[slope]).unwrap();
    npz::assert_near(found[0].as_ref().unwrap(), expected, &format!("gradient of {unit}"));
}

#[test]
fn demo_model() {
    check(&root().join("demo/models/demo"), &root().join("tests/fixtures/golden/demo.npz"));
}

#[test]
fn tiny_exports() {
    for name in [
        "inplace_fixed",
        "size_fixed",
        "batch_fixed",
        "twice",
        "tokens",
        "gray",
        "four",
        "dead",
        "off",
        "control",
        "stored",
        "half",
        "brain",
        "gabors",
    ] {
        println!("{name}");
        check(&fixture(name), &fixture(name).join("expected.npz"));
    }
}

#[test]
fn tiny_scripts_and_traces() {
    let scripts = ["script_branches", "script_inplace", "script_attention"];
    for name in scripts.into_iter().chain(["trace_twice", "trace_tokens", "trace_control"]) {
        println!("{name}");
        check(&fixture(name), &fixture(name).join("expected.npz"));
    }
}

#[test]
fn what_an_export_fixed_is_known_and_refused_otherwise() {
    let fixed = |name: &str| Model::load(&fixture(name), &Reader::default()).unwrap().fixed();
    assert_eq!(fixed("inplace_fixed"), FixedInput { batch: Some(1), height: Some(16), width: Some(16) });
    assert_eq!(fixed("size_fixed"), FixedInput { batch: None, height: Some(16), width: Some(20) });
    assert_eq!(fixed("batch_fixed"), FixedInput { batch: Some(1), height: None, width: None });
    assert_eq!(fixed("control"), FixedInput::default());
    let model = Model::load(&fixture("size_fixed"), &Reader::default()).unwrap();
    assert_eq!(model.refusals(3, 16, 20), []);
    let refusals = model.refusals(1, 32, 21);
    assert_eq!(refusals.iter().map(|(axis, _)| *axis).collect::<Vec<_>>(), [Axis::Height, Axis::Width]);
    let error = &refusals[0].1;
    assert!(
        error.contains("height is 32") && error.contains("dynamic_shapes={\"x\": {0: Dim.AUTO"),
        "{error}"
    );
}

#[test]
fn shapes_follow_the_input_size() {
    let model = Model::load(&root().join("demo/models/demo"), &Reader::default()).unwrap();
    let shape = |height, width| model.shapes(&["block3".to_owned()], height, width).unwrap()[0].shape.clone();
    assert_eq!(shape(40, 40), [64, 10, 10]);
    assert_eq!(shape(32, 56), [64, 8, 14]);
    let model = Model::load(&fixture("tokens"), &Reader::default()).unwrap();
    let layer = model.layer("blocks.0").unwrap();
    assert_eq!(
        (layer.units, layer.axes.as_slice()),
        (16, [Axis::Batch, Axis::Token, Axis::Channel].as_slice())
    );
    assert_eq!(layer.tokens, Some(TokenGrid { prefix: 1, rows: 4, columns: 4 }));
    assert_eq!(model.layer("patches").unwrap().axes, [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width]);
}

#[test]
fn the_value_before_an_activation_is_never_overwritten() {
    let model = Model::load(&fixture("inplace_fixed"), &Reader::default()).unwrap();
    let expected = npz::read(&fixture("inplace_fixed").join("expected.npz"));
    let paths = ["stem:pre", "stem", "relu:pre"].map(str::to_owned);
    let values = tch::no_grad(|| {
        model.program(&paths, model.size(), Device::Cpu).unwrap().run(&expected["input"]).unwrap()
    });
    npz::assert_near(&values[0], &expected["layer:stem.1"], "stem:pre");
    npz::assert_near(&values[1], &expected["layer:stem"], "stem");
    npz::assert_near(&values[2].relu(), &expected["layer:relu"], "relu:pre");
    assert!(values[2].min().double_value(&[]) < 0.0);
}

#[test]
fn a_program_holds_only_what_its_layers_need() {
    let model = Model::load(&root().join("demo/models/demo"), &Reader::default()).unwrap();
    let nodes = |path: &str| model.program(&[path.to_owned()], model.size(), Device::Cpu).unwrap().nodes();
    assert_eq!(nodes("conv1.conv"), 1);
    assert!(nodes("block3") < nodes("block5") && nodes("block5") < nodes("output"));
}

/// File, and a word of the reason. What only libtorch's reader would run meets that process's limits; what `forward` runs meets the interpreter's.
const HOSTILE_SCRIPTS: &[(&str, &str)] = &[
    ("load_endless", "reading it took more than"),
    ("load_huge", "cannot be read"),
    ("load_grows", "cannot be read"),
    ("load_from_file", "cannot be read"),
    ("load_writes", "cannot be read"),
    ("load_prints", "tensor `extra` is not stored in the file"),
    ("load_computes", "tensor `extra` is not stored in the file"),
    ("run_endless", "the graph's number of nodes"),
    ("run_counts", "number of instructions"),
    ("run_lists", "items in lists"),
    ("run_nodes", "the graph's number of nodes"),
    ("run_huge", "number of elements"),
    ("run_from_file", "aten::from_file"),
    ("run_random", "aten::rand"),
    ("run_content", "depends on the content of a tensor"),
    ("run_raises", "ninety-nine channels"),
    ("run_writes_itself", "asks for item 5 of 1"),
    ("cut", "archive"),
    ("code_broken", "cannot be read"),
    ("code_default_runs", "cannot be read"),
    ("pickle_broken", "cannot be read"),
    ("pickle_python", "cannot be read"),
    ("record_short", "its entry has 4"),
    ("record_missing", "cannot be read"),
];

#[test]
fn hostile_scripts_fail_alone() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::fs::read_dir(root().join("tests/fixtures/hostile_scripts")).unwrap().count();
    assert_eq!(count, HOSTILE_SCRIPTS.len());
    for (name, word) in HOSTILE_SCRIPTS {
        let model = folder.path().join(name);
        std::fs::create_dir(&model).unwrap();
        std::fs::copy(fixture("script_branches").join("model.toml"), model.join("model.toml")).unwrap();
        std::fs::copy(
            root().join("tests/fixtures/hostile_scripts").join(format!("{name}.pt")),
            model.join("model.pt"),
        )
        .unwrap();
        match Model::load(&model, &reader()) {
            Ok(_) => panic!("{name} was accepted"),
            Err(error) => {
                println!("{name}: {error}");
                assert!(error.to_string().contains(word), "{name}: {error}");
            }
        }
    }
    assert!(!Path::new("/tmp/unitscope-hostile").exists(), "a file was written");
}

#[test]
fn hostile_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for entry in std::fs::read_dir(root().join("tests/fixtures/hostile")).unwrap() {
        let path = entry.unwrap().path();
        let model = folder.path().join(path.file_stem().unwrap());
        std::fs::create_dir(&model).unwrap();
        std::fs::copy(fixture("size_fixed").join("model.toml"), model.join("model.toml")).unwrap();
        std::fs::copy(&path, model.join("model.pt2")).unwrap();
        match Model::load(&model, &Reader::default()) {
            Ok(_) => panic!("{} was accepted", path.display()),
            Err(ModelError::Read { path, source }) => panic!("{}: {source}", path.display()),
            Err(error) => println!("{}: {error}", path.file_stem().unwrap().display()),
        }
        refused += 1;
    }
    assert!(refused >= 60, "only {refused} hostile files");
}
