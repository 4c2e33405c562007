//! Diversity makes pictures of one unit measurably more different.
//!
//! The measure is the mean over pairs of pictures of 1 − the cosine of their Gram matrices (lucid's notion of style): first of
//! the layer that the term reads, then, as no optimizer should be judged by its own objective alone, of a layer that it does not
//! read, and of the pictures' own patches of 5 × 5 pixels.

use crate::support::network::{Network, pixels};
use crate::support::{Client, Server, spec, term};
use serde_json::json;
use tch::{Kind, Tensor};
use unitscope_proto::v1::{OptimizeSpec, Term};
use unitscope_tests::build::checkout;

const PICTURES: u32 = 4;

/// Four pictures of one unit, pushed apart with this weight.
async fn pictures(client: &Client, weight: f64) -> Vec<Vec<u8>> {
    let terms = [
        term("channel", json!({"layer": "block4", "channel": 9})),
        Term { weight: Some(weight), ..term("diversity", json!({"layer": "block3"})) },
    ];
    let made =
        client.make(OptimizeSpec { images: Some(PICTURES), steps: Some(64), ..spec("demo", terms) }).await;
    let mut pngs = Vec::new();
    for picture in &made {
        let activation = picture.terms[0].values[0];
        assert!(activation > 0.5, "whatever the weight, a picture still drives the unit: {activation}");
        pngs.push(client.png(picture).await);
    }
    pngs
}

/// The mean over pairs of 1 − cosine of the Gram matrices of `[n, features, positions]`.
fn distance(features: &Tensor) -> f64 {
    let grams = features.matmul(&features.transpose(1, 2)).flatten(1, 2).to_kind(Kind::Double);
    let unit = &grams / grams.square().sum_dim_intlist(1, true, Kind::Double).sqrt();
    let cosines = unit.matmul(&unit.transpose(0, 1));
    let n = grams.size()[0] as f64;
    let pairs = f64::try_from(cosines.sum(Kind::Double)).expect("a sum is one number") - n;
    1.0 - pairs / (n * (n - 1.0))
}

/// `[n, 75, positions]`: each patch of 5 × 5 pixels, around the picture's mean colour.
fn patches(pngs: &[Vec<u8>]) -> Tensor {
    let pictures: Vec<Tensor> = pngs.iter().map(|png| pixels(png)).collect();
    let pictures = Tensor::stack(&pictures, 0);
    let centred = &pictures - pictures.mean_dim([2i64, 3].as_slice(), true, Kind::Float);
    centred.im2col([5, 5], [1, 1], [0, 0], [1, 1])
}

#[tokio::test]
async fn pictures_of_one_unit_differ_more() {
    let server = Server::start();
    let client = server.client().await;
    let alike = pictures(&client, 1e-9).await;
    let diverse = pictures(&client, 1.0).await;
    let layer = |name: &str, pngs: &[Vec<u8>]| {
        let network = Network::new(&checkout().join("demo/models/demo"), name);
        distance(&network.look(pngs).flatten(2, 3))
    };
    for (what, without, with, factor) in [
        ("the layer it reads", layer("block3", &alike), layer("block3", &diverse), 1.5),
        ("a layer it does not read", layer("conv2", &alike), layer("conv2", &diverse), 1.2),
        ("patches of pixels", distance(&patches(&alike)), distance(&patches(&diverse)), 1.2),
    ] {
        println!("{what}: {without:.4} without, {with:.4} with");
        assert!(with > factor * without, "{what}: {without} without, {with} with");
    }
}

#[test]
fn the_measure_knows_alike_from_different() {
    let alike = Tensor::from_slice(&[1.0f32, 0.0, 1.0, 0.0]).view([2, 2, 1]);
    let different = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0]).view([2, 2, 1]);
    assert!(distance(&alike).abs() < 1e-9);
    assert!((distance(&different) - 1.0).abs() < 1e-9);
}
