//! TorchScript files over the API: scripts and traces make the pictures that exports make, and files that do harm fail alone.

use crate::support::client::Client;
use crate::support::{Server, Setup, skip, spec, term};
use serde_json::json;
use std::path::{Path, PathBuf};
use tonic::{Code, Status};
use unitscope_proto::v1::model::State;
use unitscope_proto::v1::{ImageSize, LoadModelRequest, Model, OptimizeSpec};
use unitscope_tests::build::checkout;

fn fixtures() -> PathBuf {
    checkout().join("tests/fixtures")
}

async fn load(client: &Client, name: &str) -> Result<Model, Status> {
    let request = LoadModelRequest { name: name.to_owned() };
    client.models.clone().load_model(request).await.map(tonic::Response::into_inner)
}

/// A model folder like `model`, whose file is another.
fn with_file(folder: &Path, model: &Path, name: &str, file: &Path) -> PathBuf {
    let made = folder.join(name);
    std::fs::create_dir(&made).unwrap();
    let manifest = std::fs::read_to_string(model.join("model.toml")).unwrap();
    let manifest: Vec<String> = manifest
        .lines()
        .map(|line| match line.split_once('=') {
            Some((key, _)) if key.trim() == "file" => "file = 'model.pt'".to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    std::fs::write(made.join("model.toml"), manifest.join("\n")).unwrap();
    std::fs::copy(file, made.join("model.pt")).unwrap();
    let labels = model.join("labels.txt");
    if labels.exists() {
        std::fs::copy(labels, made.join("labels.txt")).unwrap();
    }
    made
}

#[tokio::test]
async fn a_script_goes_its_own_way_at_each_size() {
    let server = Server::start();
    let client = server.client().await;
    let model = load(&client, "script_branches").await.unwrap();
    assert_eq!(model.state(), State::Loaded);
    assert!(model.layers.iter().any(|layer| layer.path == "parts.1.conv"), "{:?}", model.layers);
    // Wider than 20 px it pools, else it does not.
    for (height, width) in [(16, 20), (16, 32), (18, 12)] {
        let spec = OptimizeSpec {
            steps: Some(8),
            size: Some(ImageSize { height, width }),
            ..spec("script_branches", [term("channel", json!({"layer": "parts.1.conv", "channel": 3}))])
        };
        let picture = client.make(spec).await.remove(0);
        assert!(picture.score > picture.start_score, "{height}×{width}");
    }
}

#[tokio::test]
async fn hostile_scripts_fail_alone() {
    // One for each way to fail: time, memory, a file, a graph without end, a tensor that is nowhere.
    let names = ["load_endless", "load_huge", "load_from_file", "run_endless", "record_short"];
    let folder = tempfile::tempdir().unwrap();
    let good = fixtures().join("models/script_branches");
    let setup = names.iter().fold(Setup::new(), |setup, name| {
        let file = fixtures().join("hostile_scripts").join(format!("{name}.pt"));
        setup.model(&with_file(folder.path(), &good, name, &file))
    });
    let server = setup.start();
    let client = server.client().await;
    let loads = names.map(|name| {
        let client = client.clone();
        tokio::spawn(async move { (name, load(&client, name).await) })
    });
    // Meanwhile everybody else is served.
    let quick =
        OptimizeSpec { steps: Some(2), ..spec("script_branches", [term("layer", json!({"layer": "stem"}))]) };
    assert_eq!(client.make(quick.clone()).await.len(), 1);
    for load in loads {
        let (name, answer) = load.await.unwrap();
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{name}: {status:?}");
    }
    assert_eq!(client.make(quick).await.len(), 1);
}

#[tokio::test]
async fn shared_networks_score_alike_from_every_file() {
    let shared = checkout().join("../shared/data/models");
    if !shared.is_dir() {
        return skip("the shared models: there are none beside this checkout");
    }
    let folder = tempfile::tempdir().unwrap();
    let networks = [("resnet56_cifar10", "layer3.4", 40), ("mobilenet_v1_025_imagenet", "blocks.5", 20)];
    let mut setup = Setup::new();
    for (network, ..) in networks {
        let model = shared.join(network);
        setup = setup.model(&model);
        for form in ["scripted", "traced"] {
            let file = model.join(format!("model.{form}.pt"));
            setup = setup.model(&with_file(folder.path(), &model, &format!("{network}_{form}"), &file));
        }
    }
    let server = setup.start();
    let client = server.client().await;
    for (network, layer, channel) in networks {
        let mut scores = Vec::new();
        for name in [network.to_owned(), format!("{network}_scripted"), format!("{network}_traced")] {
            let term = term("channel", json!({"layer": layer, "channel": channel}));
            let picture =
                client.make(OptimizeSpec { steps: Some(16), ..spec(&name, [term]) }).await.remove(0);
            scores.push((picture.start_score, picture.score));
        }
        println!("{network}: {scores:?}");
        let (start, end) = scores[0];
        assert!(end > start);
        for (other_start, other_end) in &scores[1..] {
            assert!((other_start - start).abs() <= 1e-5 * start.abs(), "{network}: {scores:?}");
            assert!((other_end - end).abs() <= 1e-3 * end.abs(), "{network}: {scores:?}");
        }
    }
}
