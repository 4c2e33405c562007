//! The shared networks against PyTorch's stored outputs and activations. They are measuring data: where they are absent, the tests say so and pass.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

#[path = "../src/model/testing/npz.rs"]
mod npz;

use std::path::{Path, PathBuf};

use unitscope_engine::model::{Model, Reader};

/// The folder of a shared model; `None`, with a word, where it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/models").join(name);
    if !folder.join("expected.npz").exists() {
        println!("skipped: {} is not on this machine", folder.display());
        return None;
    }
    Some(folder)
}

fn check(name: &str) {
    let Some(folder) = shared(name) else { return };
    let model = Model::load(&folder, &Reader::default()).unwrap();
    let expected = npz::read(&folder.join("expected.npz"));
    let mut layers: Vec<(String, &str)> = vec![("output".to_owned(), "output")];
    layers.extend(
        expected.keys().filter_map(|key| Some((key.strip_prefix("layer:")?.to_owned(), key.as_str()))),
    );
    assert!(layers.len() > 3, "the file holds layers");
    let paths: Vec<String> = layers.iter().map(|(path, _)| path.clone()).collect();
    let together = tch::no_grad(|| {
        model.program(&paths, model.size(), tch::Device::Cpu).unwrap().run(&expected["input"]).unwrap()
    });
    for ((path, key), activation) in layers.iter().zip(&together) {
        npz::assert_near(activation, &expected[*key], &format!("{name} {path}"));
        // Cut at this layer alone.
        let program = model.program(std::slice::from_ref(path), model.size(), tch::Device::Cpu).unwrap();
        let alone = tch::no_grad(|| program.run(&expected["input"]).unwrap());
        npz::assert_near(&alone[0], &expected[*key], &format!("{name} {path} alone"));
        let shape: Vec<u64> = alone[0].size()[1..].iter().map(|size| size.unsigned_abs()).collect();
        assert_eq!(model.layer(path).unwrap().shape, shape, "{name} {path}");
    }
}

#[test]
fn googlenet() {
    check("googlenet_bvlc_imagenet");
}

#[test]
fn resnet() {
    check("resnet56_cifar10");
}

#[test]
fn mobilenet() {
    check("mobilenet_v1_025_imagenet");
}
