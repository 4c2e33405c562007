//! Pictures that terms compare with: they reach the terms through the same network and the same draws, and bad files are refused.

use crate::support::client::steps;
use crate::support::{Server, check_violations, images, spec, term};
use serde_json::json;
use std::io::Cursor;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::{
    ImageSize, OptimizeSpec, Parameterization, ReferenceImage, Term, Transforms, parameterization,
};

/// Green on the left, red on the right, in the demo model's size, as PNG.
fn reference() -> ReferenceImage {
    let pixel = |x: u32, _| if x < 32 { [20, 230, 40] } else { [230, 30, 20] };
    let image = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb(pixel(x, y)));
    let mut data = Cursor::new(Vec::new());
    image.write_to(&mut data, image::ImageFormat::Png).unwrap();
    ReferenceImage { data: data.into_inner(), blake3: String::new() }
}

fn compared(id: &str, params: serde_json::Value) -> Term {
    Term { reference: Some(0), ..term(id, params) }
}

fn job(terms: Vec<Term>) -> OptimizeSpec {
    OptimizeSpec { images: Some(2), steps: Some(60), references: vec![reference()], ..spec("demo", terms) }
}

/// Without transforms the distance to the reference must nearly vanish: it is read where the picture is.
#[tokio::test]
async fn a_picture_becomes_its_reference() {
    let server = Server::start();
    let client = server.client().await;
    let inversion = compared("compare", json!({"layer": "conv1", "measure": "l2"}));
    let distance = Term { weight: Some(0.1), ..compared("input_distance", json!({})) };
    let spec = OptimizeSpec {
        images: Some(1),
        steps: Some(500),
        transforms: Some(Transforms::default()),
        ..job(vec![inversion, distance])
    };
    let made = client.run(spec).await;
    assert_eq!(made.state(), State::Succeeded, "{:?}", made.error);
    for picture in images(&made) {
        let png = image::load_from_memory(&client.png(&picture).await).unwrap().to_rgb8();
        let (left, right) = (png.get_pixel(12, 30).0, png.get_pixel(52, 30).0);
        assert!(left[1] > left[0] && right[0] > right[1], "{left:?} {right:?}");
        assert!(picture.score > 0.5 * picture.start_score, "{} → {}", picture.start_score, picture.score);
    }
    let Some(unitscope_proto::v1::job::Spec::Optimize(sent)) = &made.spec else { panic!("a spec") };
    assert_eq!((sent.references[0].data.len(), sent.references[0].blake3.len()), (0, 64));
}

/// A picture that starts as its reference is no different from it at the first step, though both are moved, scaled and turned: by the
/// same draw. Through any other the layer differs by far more.
#[tokio::test]
async fn the_reference_shares_the_pictures_draws() {
    let server = Server::start();
    let client = server.client().await;
    let term = || compared("compare", json!({"layer": "block3", "measure": "l2"}));
    let first = async |start| {
        let made = client.run(OptimizeSpec { steps: Some(1), start, ..job(vec![term()]) }).await;
        assert_eq!(made.state(), State::Succeeded, "{:?}", made.error);
        let events = client.events(&made.name, 0).await;
        steps(&events)[0].terms[0].values.clone()
    };
    let (same, other) = (first(Some(0)).await, first(None).await);
    for (same, other) in same.iter().zip(&other) {
        assert!(same.abs() < 1e-3 * other.abs(), "{same} {other}");
    }
}

#[tokio::test]
async fn terms_that_compare_climb() {
    let server = Server::start();
    let client = server.client().await;
    for (id, params) in [
        ("compare", json!({"layer": "block3", "measure": "cosine"})),
        ("compare", json!({"layer": "block3", "measure": "dot"})),
        ("guide", json!({"layer": "block4"})),
    ] {
        let made =
            client.run(OptimizeSpec { steps: Some(24), ..job(vec![compared(id, params.clone())]) }).await;
        assert_eq!(made.state(), State::Succeeded, "{:?}", made.error);
        for picture in images(&made) {
            assert!(picture.score > picture.start_score, "{id} {params}: {}", picture.score);
        }
    }
}

/// Before any step a picture is the one that it starts from; the sigmoid takes a quarter of a grey level at most.
#[tokio::test]
async fn a_picture_starts_from_a_given_one() {
    let server = Server::start();
    let client = server.client().await;
    let distance = Term { weight: Some(1e-9), ..compared("input_distance", json!({})) };
    let channel = term("channel", json!({"layer": "conv1", "channel": 0}));
    let pixel = parameterization::Kind::Pixel(parameterization::Pixel::default());
    let laplacian = parameterization::Kind::Laplacian(parameterization::Laplacian::default());
    for kind in [None, Some(pixel), Some(laplacian)] {
        let parameterization = Some(Parameterization { kind, ..Parameterization::default() });
        let spec = OptimizeSpec {
            start: Some(0),
            steps: Some(1),
            parameterization,
            ..job(vec![distance.clone(), channel.clone()])
        };
        let made = client.run(spec).await;
        assert_eq!(made.state(), State::Succeeded, "{:?}", made.error);
        for picture in images(&made) {
            let png = image::load_from_memory(&client.png(&picture).await).unwrap().to_rgb8();
            let (left, right) = (png.get_pixel(12, 30).0, png.get_pixel(52, 30).0);
            let near = |found: [u8; 3], wanted: [i32; 3]| {
                (0..3).all(|c| (i32::from(found[c]) - wanted[c]).abs() < 12)
            };
            assert!(near(left, [20, 230, 40]) && near(right, [230, 30, 20]), "{left:?} {right:?}");
        }
    }
}

#[tokio::test]
async fn what_has_no_inverse_starts_from_no_picture() {
    let server = Server::start();
    let client = server.client().await;
    let kind = Some(parameterization::Kind::Cppn(parameterization::Cppn::default()));
    let parameterization = Some(Parameterization { kind, ..Parameterization::default() });
    let channel = term("channel", json!({"layer": "conv1", "channel": 0}));
    let spec = OptimizeSpec { start: Some(0), parameterization, ..job(vec![channel]) };
    let status = client.submit(spec).await.expect_err("there is no way back");
    check_violations(&status, &["spec.start"], &["cppn", "laplacian"]);
}

/// Step operations that edit pictures do it for their own pictures alone.
#[tokio::test]
async fn a_picture_decays_towards_grey() {
    let server = Server::start();
    let client = server.client().await;
    let channel = term("channel", json!({"layer": "conv1", "channel": 0}));
    let decay = Term { images: vec![1], ..term("decay", json!({"rate": 0.5})) };
    let spec = OptimizeSpec { start: Some(0), steps: Some(6), ..job(vec![channel, decay]) };
    let made = client.run(spec).await;
    assert_eq!(made.state(), State::Succeeded, "{:?}", made.error);
    let mut contrast = Vec::new();
    for picture in images(&made) {
        let png = image::load_from_memory(&client.png(&picture).await).unwrap().to_rgb8();
        contrast.push(png.pixels().map(|p| (f64::from(p.0[1]) - 127.5).abs()).sum::<f64>());
    }
    assert!(contrast[1] < 0.3 * contrast[0], "{contrast:?}");
}

/// A step operation that leaves a picture alone leaves it as it would be without, to the last bit.
#[tokio::test]
async fn an_idle_operation_changes_nothing() {
    let server = Server::start();
    let client = server.client().await;
    let channel = || term("channel", json!({"layer": "conv1", "channel": 0}));
    let idle = term("blur_image", json!({"every": 100}));
    let plain = client.run(job(vec![channel()])).await;
    let beside = client.run(job(vec![channel(), idle])).await;
    for (plain, beside) in images(&plain).iter().zip(&images(&beside)) {
        assert_eq!(client.png(plain).await, client.png(beside).await);
    }
}

#[tokio::test]
async fn bad_references_are_refused() {
    let server = Server::start();
    let client = server.client().await;
    let compare = || compared("compare", json!({"layer": "conv1", "measure": "l2"}));
    let channel = || term("channel", json!({"layer": "conv1", "channel": 0}));
    let none = Term { reference: None, ..compare() };
    let second = Term { reference: Some(1), ..compare() };
    let unused = Term { reference: Some(0), ..channel() };
    for (term, word) in
        [(none, "compares with a picture"), (second, "out of range"), (unused, "compares with nothing")]
    {
        let status = client.submit(job(vec![term])).await.unwrap_err();
        check_violations(&status, &["spec.terms[0].reference"], &[word]);
    }
    let files = |references| OptimizeSpec { references, ..job(vec![compare()]) };
    let broken = ReferenceImage { data: b"no picture".to_vec(), blake3: String::new() };
    let status = client.submit(files(vec![broken])).await.unwrap_err();
    check_violations(&status, &["spec.references[0].data"], &["PNG"]);
    let large = OptimizeSpec {
        size: Some(ImageSize { height: 1024, width: 1024 }),
        references: vec![reference(); 3],
        ..job(vec![compare()])
    };
    let status = client.submit(large).await.unwrap_err();
    check_violations(&status, &["spec.references"], &["3145728", "2097152"]);
    let status = client.submit(files(vec![reference(); 17])).await.unwrap_err();
    check_violations(&status, &["spec.references"], &["at most 16"]);
}
