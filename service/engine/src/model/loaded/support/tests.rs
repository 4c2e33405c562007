//! Geometry against gradients: on the demo model, on fixtures and, where they are on this machine, on the shared networks.

use std::path::{Path, PathBuf};

use super::*;
use crate::model::Reader;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A shared model; `None`, with a word, where it is absent.
fn shared(name: &str) -> Option<Model> {
    let folder = checkout().join("../shared/data/models").join(name);
    if !folder.join("model.pt2").exists() {
        println!("skipped: {} is not on this machine", folder.display());
        return None;
    }
    Some(Model::load(&folder, &Reader::default()).unwrap())
}

/// What gradients find at a position, whatever geometry says.
fn found(model: &Model, layer: &str, position: [u64; 2], size: [u32; 2]) -> [u32; 4] {
    let network = model.network(size).unwrap();
    let grid = network.grid(layer).unwrap();
    model.supports(layer, &[position], size, &grid).unwrap()[0]
}

/// At a layer's corners and in its middle: geometry's window holds the gradient's support and, if `equal`, is its box.
fn check(model: &Model, layer: &str, size: [u32; 2], equal: bool) {
    let network = model.network(size).unwrap();
    let [rows, columns] = network.grid(layer).unwrap().sizes;
    for position in [[rows / 2, columns / 2], [0, columns - 1], [rows - 1, columns / 3]] {
        let window = model.receptive_window(layer, position, size).unwrap();
        let found = found(model, layer, position, size);
        let what = format!("{layer} at {position:?} of {rows}×{columns}: {window:?}, gradients {found:?}");
        let [top, left, bottom, right] = window;
        assert!(top <= found[0] && left <= found[1] && found[2] <= bottom && found[3] <= right, "{what}");
        assert!(!equal || window == found, "{what}");
    }
}

fn field(model: &Model, layer: &str) -> ([u64; 2], [u64; 2], [i64; 2]) {
    match model.layer(layer).unwrap().sight {
        Sight::Field(field) => (field.size, field.stride, field.start),
        other => panic!("{layer}: {other:?}"),
    }
}

#[test]
fn receptive_fields_of_the_demo() {
    let model = Model::load(&checkout().join("demo/models/demo"), &Reader::default()).unwrap();
    let input = &model.manifest().input;
    let size = [input.height, input.width];
    let mut whole = Vec::new();
    for layer in model.layers() {
        match layer.sight {
            Sight::Field(_) => check(&model, &layer.path, size, true),
            Sight::Whole => {
                check(&model, &layer.path, size, true);
                whole.push(layer.path.as_str());
            }
            Sight::Unknown => panic!("{}", layer.path),
        }
    }
    // A kernel of 6×6 by 2, then one of 3×3.
    assert_eq!(field(&model, "conv1"), ([6; 2], [2; 2], [-2; 2]));
    assert_eq!(field(&model, "conv2"), ([10; 2], [2; 2], [-4; 2]));
    assert!(whole.contains(&"logits"), "{whole:?}");
    // Another size.
    check(&model, "block3", [96, 80], true);
}

#[test]
fn receptive_fields_of_resnet56() {
    let Some(model) = shared("resnet56_cifar10") else { return };
    // 19 convolutions of 3×3.
    assert_eq!(field(&model, "layer1"), ([39; 2], [1; 2], [-19; 2]));
    for (layer, equal) in [
        ("conv1", true),
        ("layer1.0", true),
        ("layer1.2", true),
        ("layer2.0", true),
        ("layer2.0:pre", true),
        ("layer3.4", true),
        ("linear", true),
    ] {
        check(&model, layer, [32, 32], equal);
    }
    // The image is larger than the field here.
    check(&model, "layer1", [64, 56], true);
}

#[test]
fn receptive_fields_of_mobilenet() {
    let Some(model) = shared("mobilenet_v1_025_imagenet") else { return };
    let size = [224, 224];
    // Of positions of a pad layer some see padding alone, which no gradient reaches.
    let seen = model.layers().iter().filter(|layer| layer.operator != "aten::pad");
    for layer in seen.step_by(9) {
        check(&model, &layer.path, size, false);
    }
}

#[test]
fn receptive_fields_of_googlenet() {
    let Some(model) = shared("googlenet_bvlc_imagenet") else { return };
    for layer in model.layers().iter().step_by(34) {
        check(&model, &layer.path, [224, 224], false);
    }
}
