//! Models over the API: listing, describing, loading, unloading; exports that fixed a dimension; files that lie.

use crate::support::client::Client;
use crate::support::spec::quick;
use crate::support::{Server, Setup, spec, term};
use prost_types::value::Kind;
use serde_json::json;
use std::path::Path;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unitscope_proto::v1::job::Spec;
use unitscope_proto::v1::layer::ActivationSide;
use unitscope_proto::v1::model::State;
use unitscope_proto::v1::{
    GetModelRequest, GetServerInfoRequest, ImageSize, Layer, ListModelsRequest, LoadModelRequest, Model,
    OptimizeSpec, TokenGrid, UnloadModelRequest, model_input::Channels,
};
use unitscope_tests::build::checkout;

async fn list(client: &Client) -> Vec<Model> {
    client.models.clone().list_models(ListModelsRequest {}).await.unwrap().into_inner().models
}

async fn get(client: &Client, name: &str) -> Result<Model, Status> {
    let request = GetModelRequest { name: name.to_owned(), ..GetModelRequest::default() };
    client.models.clone().get_model(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn every_folder_is_listed_and_loaded_when_needed() {
    let server = Server::start();
    let client = server.client().await;
    let models = list(&client).await;
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in ["demo", "twice", "dead", "gray", "size_fixed"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for model in &models {
        assert_eq!(model.state(), State::Unloaded);
        assert!(model.layers.is_empty() && model.digest.is_empty());
        assert!(model.input.as_ref().is_some_and(|input| input.height > 0 && input.channel_count > 0));
    }
    let demo = get(&client, "demo").await.unwrap();
    assert_eq!((demo.state(), demo.labels.len(), demo.digest.len()), (State::Loaded, 16, 64));
    assert!(demo.labels.contains(&"rings".to_owned()), "{:?}", demo.labels);
    let input = demo.input.unwrap();
    assert_eq!((input.height, input.width, input.channel_count), (64, 64, 3));
    assert_eq!((input.channels(), input.range), (Channels::Rgb, vec![0.0, 1.0]));
    assert_eq!((input.mean.len(), input.std.len()), (3, 3));
    assert_eq!((input.fixed_batch, input.fixed_height, input.fixed_width), (0, 0, 0));
    client.make(quick(1)).await;
    let loaded: Vec<_> =
        list(&client).await.into_iter().filter(|model| model.state() == State::Loaded).collect();
    assert_eq!(loaded.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["demo", "twice"]);
}

#[tokio::test]
async fn layers_have_types_shapes_and_units() {
    let server = Server::start();
    let client = server.client().await;
    let demo = get(&client, "demo").await.unwrap();
    for (path, kind, shape, has_pre) in [
        ("conv1", "ConvNorm", &[24, 32, 32][..], true),
        ("conv1.conv", "Conv2d", &[24, 32, 32], false),
        ("block3", "Residual", &[64, 16, 16], true),
        ("block5.first.relu", "ReLU", &[112, 8, 8], true),
        ("logits", "Linear", &[16], false),
    ] {
        let layer = demo.layers.iter().find(|layer| layer.path == path);
        let layer = layer.unwrap_or_else(|| panic!("no `{path}` among {:?}", demo.layers));
        assert_eq!((layer.r#type.as_str(), layer.shape.as_slice()), (kind, shape), "{path}");
        let axes = &["channel", "height", "width"][..shape.len()];
        assert_eq!(
            (layer.axes.iter().map(String::as_str).collect::<Vec<_>>(), layer.units),
            (axes.to_vec(), shape[0] as u64)
        );
        assert_eq!(layer.has_pre_activation, has_pre, "{path}");
        assert!(layer.operator.starts_with("aten::"), "{}", layer.operator);
    }
    let field = |path: &str| {
        let field = demo.layers.iter().find(|layer| layer.path == path)?.receptive_field.clone()?;
        Some((field.whole_image, field.size, field.stride, field.offset))
    };
    assert_eq!(field("conv1.conv"), Some((false, vec![6, 6], vec![2, 2], vec![-2, -2])));
    assert_eq!(field("logits"), Some((true, vec![], vec![], vec![])));
    let place = |path: &str| demo.layers.iter().position(|layer| layer.path == path);
    assert!(
        place("conv1") < place("block3") && place("block3") < place("logits"),
        "in the order in which they run"
    );
    let twice = get(&client, "twice").await.unwrap();
    let paths: Vec<&str> = twice.layers.iter().map(|layer| layer.path.as_str()).collect();
    assert!(
        paths.contains(&"block#0") && paths.contains(&"block#1") && !paths.contains(&"block"),
        "{paths:?}"
    );
    let tokens = get(&client, "tokens").await.unwrap();
    let block = tokens.layers.iter().find(|layer| layer.path == "blocks.0").unwrap();
    assert_eq!((block.axes.as_slice(), block.units), (&["token".to_owned(), "channel".to_owned()][..], 16));
    let grid = |path: &str| tokens.layers.iter().find(|layer| layer.path == path).unwrap().tokens;
    assert_eq!(grid("blocks.0"), Some(TokenGrid { prefix: 1, rows: 4, columns: 4 }));
    assert_eq!(grid("patches"), None);
}

/// What PyTorch's counters say; `tests/fixtures/macs.py` writes the file and says how.
#[tokio::test]
async fn costs_and_parameters_are_those_that_pytorch_counts() {
    let server = Server::start();
    let client = server.client().await;
    let golden = std::fs::read(checkout().join("tests/fixtures/golden/macs.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    for network in golden.as_array().unwrap() {
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        let (name, size) = (network["model"].as_str().unwrap(), &network["size"]);
        let (height, width) = (number(&size[0]) as u32, number(&size[1]) as u32);
        let model = get_at(&client, name, height, width).await.unwrap();
        assert_eq!((model.listed_height, model.listed_width), (height, width));
        assert_eq!(
            (model.macs, model.parameters),
            (number(&network["macs"]), number(&network["parameters"]))
        );
        for (path, expected) in network["modules"].as_object().unwrap() {
            let call = |layer: &&Layer| layer.path.split('#').next() == Some(path);
            let calls: Vec<&Layer> = model.layers.iter().filter(call).collect();
            // A container that is never called itself is no layer.
            let Some(one) = calls.first() else { continue };
            // PyTorch adds the calls of a module.
            let macs: u64 = calls.iter().map(|layer| layer.macs).sum();
            assert_eq!((macs, one.parameters), (number(&expected[0]), number(&expected[1])), "{name} {path}");
        }
    }
    let demo = get(&client, "demo").await.unwrap();
    let reach = |path: &str| demo.layers.iter().find(|layer| layer.path == path).unwrap().macs_to_reach;
    assert_eq!(reach("conv1"), 2_654_208);
    assert_eq!(reach("conv2.conv"), 2_654_208 + 8_847_360);
    assert_eq!(reach("logits"), demo.macs);
}

async fn get_at(client: &Client, name: &str, height: u32, width: u32) -> Result<Model, Status> {
    let (height, width) = (Some(height), Some(width));
    let request = GetModelRequest { name: name.to_owned(), height, width, ..GetModelRequest::default() };
    client.models.clone().get_model(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn layers_are_listed_at_the_size_asked_for() {
    let server = Server::start();
    let client = server.client().await;
    let demo = get_at(&client, "demo", 96, 64).await.unwrap();
    let layer = |path: &str| demo.layers.iter().find(|layer| layer.path == path).unwrap();
    assert_eq!(layer("conv1").shape, [24, 48, 32]);
    assert_eq!(layer("conv1.relu").activation_side(), ActivationSide::After);
    assert_eq!(layer("conv1.norm").activation_side(), ActivationSide::Before);
    assert_eq!(layer("conv1.conv").activation_side(), ActivationSide::Neither);
    for (name, height, width, field, word) in [
        ("demo", 0, 64, "height", "1 … 2048"),
        ("demo", 64, 4096, "width", "4096"),
        ("size_fixed", 16, 24, "width", "dynamic_shapes"),
    ] {
        let status = get_at(&client, name, height, width).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let details = status.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, field, "{violation:?}");
        assert!(violation.description.contains(word), "{}", violation.description);
    }
}

#[tokio::test]
async fn layers_are_found_by_other_spellings_of_their_names() {
    let server = Server::start();
    let client = server.client().await;
    let pick = async |names: &[&str]| {
        let layers = names.iter().map(ToString::to_string).collect();
        let request = GetModelRequest { name: "demo".into(), layers, ..GetModelRequest::default() };
        client.models.clone().get_model(request).await.map(|answer| answer.into_inner().layers)
    };
    let found = pick(&["block3_first_conv", "LOGITS", "block3.first_relu:pre", "logits"]).await.unwrap();
    let paths: Vec<&str> = found.iter().map(|layer| layer.path.as_str()).collect();
    assert_eq!(paths, ["block3.first.conv", "logits", "block3.first.relu", "logits"]);
    let status = pick(&["logits", "block3_first_convv"]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "layers[1]");
    assert!(violation.description.contains("did you mean `block3.first.conv`"), "{}", violation.description);
    let spec = spec("demo", [term("channel", json!({"layer": "block3_first_conv", "channel": 1}))]);
    let job = client.submit(OptimizeSpec { steps: Some(1), ..spec }).await.unwrap();
    let Some(Spec::Optimize(told)) = client.wait(&job.name).await.spec else { panic!("the spec is there") };
    let layer = &told.terms[0].params.as_ref().unwrap().fields["layer"];
    assert_eq!(layer.kind, Some(Kind::StringValue("block3.first.conv".into())));
}

#[tokio::test]
async fn a_model_is_unloaded_and_loaded_while_a_job_runs() {
    let server = Server::start();
    let client = server.client().await;
    let name = client.start(quick(400)).await;
    client.follow(&name, 0).await.unwrap().until_step(5).await;
    let unload = UnloadModelRequest { name: "twice".into() };
    let model = client.models.clone().unload_model(unload).await.unwrap().into_inner();
    assert_eq!(model.state(), State::Unloaded);
    let job = client.wait(&name).await;
    assert_eq!(job.steps_done, 400, "the job keeps the model that it began with");
    let load = LoadModelRequest { name: "twice".into() };
    let model = client.models.clone().load_model(load).await.unwrap().into_inner();
    assert_eq!(model.state(), State::Loaded);
    assert!(!model.layers.is_empty());
    let request = UnloadModelRequest { name: "nobody".into() };
    assert_eq!(client.models.clone().unload_model(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn memory_holds_as_many_models_as_allowed() {
    let server = Setup::new().flag("--loaded-models", 2).start();
    let client = server.client().await;
    let info = client.server.clone().get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.limits.unwrap().loaded_models, 2);
    for name in ["twice", "gray", "dead", "tokens", "twice"] {
        get(&client, name).await.unwrap();
        let loaded = list(&client).await.into_iter().filter(|model| model.state() == State::Loaded).count();
        assert!(loaded <= 2, "{loaded} after `{name}`");
    }
}

/// The picture that `change` asks for is refused at `field`, with the way out; what the export allows is made.
async fn check_fixed(client: &Client, model: &str, layer: &str, field: &str, change: fn(&mut OptimizeSpec)) {
    let good = spec(model, [term("channel", json!({"layer": layer, "channel": 1}))]);
    let mut asked = good.clone();
    change(&mut asked);
    let status = client.submit(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, field);
    assert!(violation.description.contains("dynamic_shapes"), "{}", violation.description);
    client.make(good).await;
}

#[tokio::test]
async fn what_an_export_fixed_cannot_be_changed() {
    let server = Server::start();
    let client = &server.client().await;
    let tall: fn(&mut OptimizeSpec) = |spec| spec.size = Some(ImageSize { height: 32, width: 20 });
    check_fixed(client, "size_fixed", "conv1", "spec.size.height", tall).await;
    let wide: fn(&mut OptimizeSpec) = |spec| spec.size = Some(ImageSize { height: 16, width: 32 });
    check_fixed(client, "size_fixed", "conv1", "spec.size.width", wide).await;
    let together: fn(&mut OptimizeSpec) = |spec| (spec.images, spec.images_per_pass) = (Some(4), Some(4));
    check_fixed(client, "batch_fixed", "conv1", "spec.images_per_pass", together).await;
    check_fixed(client, "inplace_fixed", "stem", "spec.images_per_pass", together).await;
    let fixed = get(client, "inplace_fixed").await.unwrap().input.unwrap();
    assert_eq!((fixed.fixed_batch, fixed.fixed_height, fixed.fixed_width), (1, 16, 16));
    // One image per pass is the way that remains, and the default.
    let layer = json!({"layer": "stem", "channel": 1});
    let several = OptimizeSpec { images: Some(3), ..spec("inplace_fixed", [term("channel", layer)]) };
    assert_eq!(client.make(several).await.len(), 3);
}

#[tokio::test]
async fn files_that_lie_are_refused_and_harm_nobody() {
    let folder = checkout().join("tests/fixtures/hostile");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let temporary = tempfile::tempdir().unwrap();
    let mut setup = Setup::new().flag("--loaded-models", 2);
    let mut names = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "pt2")) {
        let name = format!("hostile_{}", file.file_stem().unwrap().to_str().unwrap());
        let own = temporary.path().join(&name);
        write_model(&own, file);
        setup = setup.model(&own);
        names.push(name);
    }
    assert!(names.len() > 40, "the hostile files are there");
    let mut server = setup.start();
    let client = server.client().await;
    for name in &names {
        let status = get(&client, name).await.map(|model| model.layers.len()).expect_err(name);
        assert_eq!(status.code(), Code::FailedPrecondition, "{name}: {status:?}");
        let reason = status.message();
        assert!(
            reason.contains(name.as_str()) && reason.len() > name.len() + 40,
            "{name}: `{reason}` gives no reason"
        );
        assert!(!reason.contains("panicked"), "{name}: {reason}");
        server.assert_alive();
    }
    let broken = list(&client).await.into_iter().filter(|model| model.state() == State::Broken);
    let reasons: Vec<_> = broken.map(|model| (model.name, model.state_reason)).collect();
    assert_eq!(reasons.len(), names.len());
    assert!(reasons.iter().all(|(_, reason)| !reason.is_empty()), "{reasons:?}");
    let status = client.submit(OptimizeSpec { model: names[0].clone(), ..quick(1) }).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    client.make(quick(2)).await;
}

/// Makes a model folder whose model is `file`.
fn write_model(folder: &Path, file: &Path) {
    std::fs::create_dir(folder).unwrap();
    let good = checkout().join("tests/fixtures/models/size_fixed/model.toml");
    std::fs::copy(good, folder.join("model.toml")).unwrap();
    std::fs::copy(file, folder.join("model.pt2")).unwrap();
}
