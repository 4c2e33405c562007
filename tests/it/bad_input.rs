//! Bad requests: each is refused with the fields that are wrong, the rule and the way out, and loses nothing.

use crate::support::spec::quick;
use crate::support::{Client, Server, check_violations, spec, term};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unitscope_proto::v1::{
    GetModelRequest, GetTermRequest, ImageSize, ListJobsRequest, OptimizeRequest, OptimizeSpec, Optimizer,
    Parameterization, Term, Transform, Transforms, optimizer, parameterization, transform,
};

/// Sends what `change` makes of a good spec; the violations must name exactly `fields`, and say `words` of the first.
async fn check(client: &Client, fields: &[&str], words: &[&str], change: impl FnOnce(&mut OptimizeSpec)) {
    let mut spec = good();
    change(&mut spec);
    let status = client.submit(spec).await.expect_err(&format!("a spec with a wrong {fields:?} is taken"));
    check_violations(&status, fields, words);
}

/// Every case below changes one thing of this.
fn good() -> OptimizeSpec {
    spec("twice", [term("channel", json!({"layer": "conv1", "channel": 1}))])
}

/// Still serves, and has queued none of the bad ones.
async fn check_unharmed(client: &Client, before: usize) {
    let jobs = |client: &Client| {
        let mut jobs = client.jobs.clone();
        async move { jobs.list_jobs(ListJobsRequest::default()).await.unwrap().into_inner().jobs.len() }
    };
    assert_eq!(jobs(client).await, before, "nothing was queued");
    client.make(good()).await;
    assert_eq!(jobs(client).await, before + 1);
}

#[tokio::test]
async fn names_that_are_not_there() {
    let server = Server::start();
    let client = &server.client().await;
    let at =
        |params: serde_json::Value| move |spec: &mut OptimizeSpec| spec.terms = vec![term("channel", params)];
    let layer = "spec.terms[0].params.layer";
    check(client, &[layer], &["`conv`", "`twice`", "conv1"], at(json!({"layer": "conv", "channel": 0})))
        .await;
    check(client, &[layer], &["block#0", "block#1"], at(json!({"layer": "block", "channel": 0}))).await;
    check(client, &[layer], &["conv1"], at(json!({"layer": "conv1:pre", "channel": 0}))).await;
    check(client, &[layer], &["layer"], at(json!({"layer": "", "channel": 0}))).await;
    check(client, &[layer], &["/etc/passwd"], at(json!({"layer": "../../etc/passwd", "channel": 0}))).await;
    let id = |id: &str| {
        let id = id.to_owned();
        move |spec: &mut OptimizeSpec| spec.terms[0].id = id
    };
    check(client, &["spec.terms[0].id"], &["`chanel`", "channel"], id("chanel")).await;
    check(client, &["spec.terms[0].id"], &["id"], id("")).await;
    check_unharmed(client, 0).await;
}

#[tokio::test]
async fn parameters_that_break_their_schema() {
    let server = Server::start();
    let client = &server.client().await;
    let cases = [
        (json!({"layer": "conv1", "channel": 6}), "channel", &["6", "0", "5"][..]),
        (json!({"layer": "conv1", "channel": -1}), "channel", &["-1"]),
        (json!({"layer": "conv1", "channel": 1e18}), "channel", &["1000000000000000000"]),
        (json!({"layer": "conv1", "channel": 1.5}), "channel", &["1.5"]),
        (json!({"layer": "conv1", "channel": "one"}), "channel", &["one", "integer"]),
        (json!({"layer": "conv1", "channel": true}), "channel", &["integer"]),
        (json!({"layer": "conv1", "channel": null}), "channel", &[]),
        (json!({"layer": "conv1", "channel": {"of": 1}}), "channel", &[]),
        (json!({"layer": "conv1", "channel": [1]}), "channel", &[]),
        (json!({"layer": 3, "channel": 1}), "layer", &[]),
        (json!({"layer": "conv1"}), "channel", &["channel"]),
        (json!({"channel": 1}), "layer", &["layer"]),
        (json!({"layer": "conv1", "chanel": 1, "channel": 1}), "chanel", &["channel"]),
    ];
    for (params, name, words) in cases {
        let field = format!("spec.terms[0].params.{name}");
        check(client, &[&field], words, |spec| spec.terms = vec![term("channel", params)]).await;
    }
    for (params, name) in [
        (json!({"layer": "conv1", "channel": 1, "row": 16}), "row"),
        (json!({"layer": "conv1", "channel": 1, "column": 1_000_000}), "column"),
        (json!({"layer": "fc", "channel": 4}), "channel"),
        (json!({"layer": "fc", "channel": 0, "row": 1}), "row"),
    ] {
        let field = format!("spec.terms[0].params.{name}");
        check(client, &[&field], &[], |spec| spec.terms = vec![term("unit", params)]).await;
    }
    for number in [f64::NAN, f64::INFINITY] {
        let change = |spec: &mut OptimizeSpec| {
            let fields = &mut spec.terms[0].params.as_mut().unwrap().fields;
            fields.get_mut("channel").unwrap().kind = Some(prost_types::value::Kind::NumberValue(number));
        };
        check(client, &["spec.terms[0].params.channel"], &["finite"], change).await;
    }
    check_unharmed(client, 0).await;
}

#[tokio::test]
async fn numbers_out_of_range() {
    let server = Server::start();
    let client = &server.client().await;
    let size = |height, width| move |spec: &mut OptimizeSpec| spec.size = Some(ImageSize { height, width });
    check(client, &["spec.size.height"], &["0"], size(0, 16)).await;
    check(client, &["spec.size.width"], &["0"], size(16, 0)).await;
    check(client, &["spec.size.height"], &["2048"], size(2049, 16)).await;
    check(client, &["spec.size.height", "spec.size.width"], &["4294967295"], size(u32::MAX, u32::MAX)).await;
    // `twice` can be no smaller than the export allows.
    check(client, &["spec.size.height"], &["7", "8", "export"], size(7, 16)).await;
    check(client, &["spec.steps"], &["0"], |spec| spec.steps = Some(0)).await;
    check(client, &["spec.steps"], &["4294967295", "100000"], |spec| spec.steps = Some(u32::MAX)).await;
    check(client, &["spec.images"], &["0"], |spec| spec.images = Some(0)).await;
    check(client, &["spec.images"], &["1000000000", "128"], |spec| spec.images = Some(1_000_000_000)).await;
    check(client, &["spec.images_per_pass"], &["0"], |spec| spec.images_per_pass = Some(0)).await;
    let many = |spec: &mut OptimizeSpec| (spec.images, spec.steps) = (Some(128), Some(100_000));
    check(client, &["spec.steps"], &["12800000"], many).await;
    let large = |spec: &mut OptimizeSpec| {
        (spec.images, spec.size) = (Some(128), Some(ImageSize { height: 2048, width: 2048 }));
    };
    check(client, &["spec.size"], &["536870912"], large).await;
    let deep = |spec: &mut OptimizeSpec| {
        (spec.model, spec.images, spec.size) =
            ("demo".to_owned(), Some(8), Some(ImageSize { height: 2048, width: 2048 }));
        spec.terms = vec![term("channel", json!({"layer": "logits", "channel": 0}))];
    };
    check(client, &["spec.images"], &["activations", "2147483648"], deep).await;
    for weight in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0] {
        check(client, &["spec.terms[0].weight"], &["finite"], |spec| spec.terms[0].weight = Some(weight))
            .await;
    }
    for (steps, place) in [(&[0][..], 0), (&[9], 0), (&[3, 3], 1), (&[5, 4], 1)] {
        let field = format!("spec.snapshot_steps[{place}]");
        check(client, &[&field], &[], |spec| spec.snapshot_steps = steps.to_vec()).await;
    }
    let snapshots =
        |spec: &mut OptimizeSpec| (spec.steps, spec.snapshot_steps) = (Some(100), (1..=65).collect());
    check(client, &["spec.snapshot_steps"], &["65", "64"], snapshots).await;
    for (images, place) in [(&[1][..], 0), (&[0, 0], 1)] {
        let field = format!("spec.terms[0].images[{place}]");
        check(client, &[&field], &[], |spec| spec.terms[0].images = images.to_vec()).await;
    }
    check_unharmed(client, 0).await;
}

#[tokio::test]
async fn terms_that_do_not_make_sense_together() {
    let server = Server::start();
    let client = &server.client().await;
    check(client, &["spec.terms"], &["objective"], |spec| spec.terms.clear()).await;
    let penalty = |spec: &mut OptimizeSpec| spec.terms = vec![term("total_variation", json!({}))];
    check(client, &["spec.terms"], &["objective", "image 0"], penalty).await;
    let uncovered = |spec: &mut OptimizeSpec| (spec.images, spec.terms[0].images) = (Some(3), vec![0, 2]);
    check(client, &["spec.terms"], &["image 1"], uncovered).await;
    let operation = |spec: &mut OptimizeSpec| {
        spec.terms.push(Term { weight: Some(2.0), ..term("normalize_gradient", json!({})) });
    };
    check(client, &["spec.terms[1].weight"], &["step operation"], operation).await;
    let crowd = |spec: &mut OptimizeSpec| spec.terms = vec![spec.terms[0].clone(); 257];
    check(client, &["spec.terms"], &["257", "256"], crowd).await;
    let several = |spec: &mut OptimizeSpec| {
        spec.terms.push(term("chanel", json!({})));
        spec.terms.push(term("channel", json!({"layer": "conv1", "channel": "one"})));
    };
    check(client, &["spec.terms[1].id", "spec.terms[2].params.channel"], &["chanel"], several).await;
    check(client, &["spec.labels"], &["2", "1"], |spec| spec.labels = vec!["a".into(), "b".into()]).await;
    check(client, &["spec.labels[0]"], &["/"], |spec| spec.labels = vec!["../../a".into()]).await;
    check_unharmed(client, 0).await;
}

#[tokio::test]
async fn how_pictures_are_made() {
    let server = Server::start();
    let client = &server.client().await;
    let transform = |kind| {
        move |spec: &mut OptimizeSpec| {
            spec.transforms = Some(Transforms { transforms: vec![Transform { kind }] })
        }
    };
    let at = |rest: &str| format!("spec.transforms.transforms[0]{rest}");
    check(client, &[&at("")], &["pad", "jitter"], transform(None)).await;
    let pad = transform::Kind::Pad(transform::Pad { pixels: u32::MAX });
    check(client, &[&at(".pad.pixels")], &["512"], transform(Some(pad))).await;
    let scale = |min, max| Some(transform::Kind::RandomScale(transform::RandomScale { min, max }));
    check(client, &[&at(".random_scale.min")], &["0.25"], transform(scale(0.0, 1.0))).await;
    check(client, &[&at(".random_scale.max")], &["NaN"], transform(scale(1.0, f64::NAN))).await;
    let rotate = transform::Kind::RandomRotate(transform::RandomRotate { degrees: 181.0 });
    check(client, &[&at(".random_rotate.degrees")], &["180"], transform(Some(rotate))).await;
    let rate = |spec: &mut OptimizeSpec| {
        let adam = optimizer::Adam { learning_rate: Some(f64::NAN), ..optimizer::Adam::default() };
        spec.optimizer = Some(Optimizer { kind: Some(optimizer::Kind::Adam(adam)), schedule: None });
    };
    check(client, &["spec.optimizer.adam.learning_rate"], &["NaN"], rate).await;
    let power = |spec: &mut OptimizeSpec| {
        let fourier = parameterization::Fourier { standard_deviation: None, decay_power: Some(5.0) };
        let kind = Some(parameterization::Kind::Fourier(fourier));
        spec.parameterization = Some(Parameterization { kind, ..Parameterization::default() });
    };
    check(client, &["spec.parameterization.fourier.decay_power"], &["5", "4"], power).await;
    let maco = parameterization::Kind::Maco(parameterization::Maco::default());
    let maco = Parameterization { kind: Some(maco), ..Parameterization::default() };
    let edited = |spec: &mut OptimizeSpec| {
        spec.parameterization = Some(maco);
        spec.terms.push(term("decay", json!({"rate": 0.2})));
    };
    check(client, &["spec.terms[1].id"], &["decay", "maco", "fourier"], edited).await;
    let opacity = |spec: &mut OptimizeSpec| spec.terms.push(term("opacity", json!({})));
    check(client, &["spec.terms[1].id"], &["opacity", "parameterization.alpha"], opacity).await;
    let gray = |spec: &mut OptimizeSpec| {
        spec.model = "gray".into();
        spec.parameterization =
            Some(Parameterization { decorrelate_colors: Some(true), ..Parameterization::default() });
    };
    check(client, &["spec.parameterization.decorrelate_colors"], &["gray"], gray).await;
    check_unharmed(client, 0).await;
}

#[tokio::test]
async fn models_and_terms_that_are_not_there_name_the_nearest() {
    let server = Server::start();
    let client = server.client().await;
    let status = client.submit(OptimizeSpec { model: "twize".into(), ..good() }).await.unwrap_err();
    check_missing(&status, "twice");
    let get = |name: &str| GetModelRequest { name: name.to_owned(), ..GetModelRequest::default() };
    for (name, near) in [("twize", "twice"), ("../models/twice", ""), ("twice/../twice", ""), ("..", "")] {
        check_missing(&client.models.clone().get_model(get(name)).await.unwrap_err(), near);
    }
    let request = GetTermRequest { id: "diversty".into() };
    check_missing(&client.plugins.clone().get_term(request).await.unwrap_err(), "diversity");
    check_unharmed(&client, 0).await;
}

fn check_missing(status: &Status, near: &str) {
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    assert!(status.message().contains(near), "{status:?}");
    let details = status.get_error_details();
    assert!(details.resource_info().is_some_and(|info| !info.resource_type.is_empty()), "{details:?}");
}

#[tokio::test]
async fn requests_that_are_empty_or_too_large() {
    let server = Server::start();
    let client = server.client().await;
    let optimize = |request| {
        let mut visualization = client.visualization.clone();
        async move { visualization.optimize(request).await.unwrap_err() }
    };
    check_violations(&optimize(OptimizeRequest::default()).await, &["spec.model"], &["required"]);
    let status =
        optimize(OptimizeRequest { spec: Some(OptimizeSpec::default()), request_id: String::new() }).await;
    assert!(matches!(status.code(), Code::InvalidArgument | Code::NotFound), "{status:?}");
    let long = "x".repeat(300 << 10);
    let spec = OptimizeSpec { terms: vec![term("channel", json!({"layer": long, "channel": 1}))], ..good() };
    let status = client.submit(spec).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().len() < 4_000, "an answer does not repeat what was too long");
    let huge = "x".repeat(8 << 20);
    let status = client.submit(OptimizeSpec { labels: vec![huge], ..good() }).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    let mut deep = json!(1);
    for _ in 0..20 {
        deep = json!([deep]);
    }
    let nested =
        OptimizeSpec { terms: vec![term("channel", json!({"layer": "conv1", "channel": deep}))], ..good() };
    assert_eq!(client.submit(nested).await.unwrap_err().code(), Code::InvalidArgument);
    client.make(quick(2)).await;
}
