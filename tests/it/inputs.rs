//! Networks of other inputs than square RGB: more channels, blue first in bytes, sizes that the export fixed.

use crate::support::album::{noise, png};
use crate::support::network::Network;
use crate::support::ranking::{Scores, question, unit};
use crate::support::{Album, Setup, check_violations, spec, term};
use image::{Rgb, RgbImage};
use serde_json::json;
use std::path::Path;
use unitscope_proto::v1::{OptimizeSpec, Parameterization, RankSpec};
use unitscope_tests::build::checkout;

/// Four channels are no colours: their mean is shown, all of them are returned, and files are not made up for them.
#[tokio::test]
async fn channels_that_are_no_colours_are_shown_as_their_mean() {
    let album = Album::of(&[("a.png".to_owned(), png(&noise(1, 20, 12)))]);
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let asked = OptimizeSpec {
        return_tensors: true,
        steps: Some(4),
        ..spec("four", [term("channel", json!({"layer": "relu2", "channel": 1}))])
    };
    let made = client.make(asked.clone()).await.remove(0);
    let shown = image::load_from_memory(&client.png(&made).await).unwrap();
    assert_eq!((shown.height(), shown.width(), shown.color().channel_count()), (12, 20, 1));
    let npy = client.bytes(made.tensor.as_ref().unwrap()).await;
    let values: Vec<f32> =
        npy[npy.len() - 4 * 4 * 240..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    for (pixel, byte) in shown.as_bytes().iter().enumerate() {
        let mean = (0..4).map(|channel| values[channel * 240 + pixel]).sum::<f32>() / 4.0;
        assert!((mean * 255.0 - f32::from(*byte)).abs() <= 0.51, "{mean} became {byte}");
    }
    let colours = Parameterization { decorrelate_colors: Some(true), ..Parameterization::default() };
    let refused = client.submit(OptimizeSpec { parameterization: Some(colours), ..asked }).await.unwrap_err();
    check_violations(&refused, &["spec.parameterization.decorrelate_colors"], &["four"]);
    let refused = client.submit_rank(question("four", "noise", [unit("fc", 0)])).await.unwrap_err();
    check_violations(&refused, &["spec.units[0].layer"], &["takes 4 channels"]);
}

/// A network that takes bytes, blue first, sees in a picture what its twin of RGB sees in the picture with red and blue exchanged.
#[tokio::test]
async fn blue_comes_first_where_the_model_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let twin = folder.path().join("swapped");
    let of = |name: &str| checkout().join("tests/fixtures/models").join(name);
    std::fs::create_dir(&twin).unwrap();
    std::fs::copy(of("twice").join("model.pt2"), twin.join("model.pt2")).unwrap();
    let manifest = "file = \"model.pt2\"\n[input]\nsize = [16, 16]\nrange = [0.0, 255.0]\nchannels = \"BGR\"\n\
                    mean = [127.5, 127.5, 127.5]\nstd = [63.75, 63.75, 63.75]\n";
    std::fs::write(twin.join("model.toml"), manifest).unwrap();
    let pictures: Vec<RgbImage> = (0..6).map(|seed| noise(300 + seed, 16, 16)).collect();
    let exchanged = pictures.iter().map(|picture| {
        png(&RgbImage::from_fn(16, 16, |x, y| {
            let Rgb([red, green, blue]) = *picture.get_pixel(x, y);
            Rgb([blue, green, red])
        }))
    });
    let files: Vec<(String, Vec<u8>)> =
        exchanged.enumerate().map(|(place, file)| (format!("{place}.png"), file)).collect();
    let album = Album::of(&files);
    let server = Setup::new().model(&twin).dataset("noise", album.location()).start();
    let client = server.client().await;
    let asked = RankSpec { return_scores: true, ..question("swapped", "noise", [unit("fc", 1)]) };
    let (_, result) = client.rank(asked).await;
    let scores = Scores::of(&client, &result).await;
    let expected =
        Network::new(Path::new(&of("twice")), "fc").look(&pictures.iter().map(png).collect::<Vec<_>>());
    for (place, (path, _)) in files.iter().enumerate() {
        let expected = expected.double_value(&[place as i64, 1]) as f32;
        let found = scores.by_path(0)[path.as_str()];
        assert!((found - expected).abs() <= 1e-4, "{path}: {found}, not {expected}");
    }
    let colours = Parameterization { decorrelate_colors: Some(true), ..Parameterization::default() };
    let asked = OptimizeSpec {
        parameterization: Some(colours),
        steps: Some(3),
        ..spec("swapped", [term("channel", json!({"layer": "conv1", "channel": 1}))])
    };
    let made = client.make(asked).await.remove(0);
    assert_eq!(image::load_from_memory(&client.png(&made).await).unwrap().color().channel_count(), 3);
}

/// Rows and columns keep their places in a network of one size that is no square.
#[tokio::test]
async fn a_fixed_size_need_be_no_square() {
    let files: Vec<(String, Vec<u8>)> =
        (0..5).map(|seed| (format!("{seed}.png"), png(&noise(400 + seed, 20, 16)))).collect();
    let album = Album::of(&files);
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    let (_, result) = client.rank(question("size_fixed", "noise", [unit("conv1", 1)])).await;
    for hit in &result.units[0].groups[0].hits {
        let (position, window) = (hit.position.unwrap(), hit.window.unwrap());
        let around = |at: u32, size: u32| (at.saturating_sub(1), (at + 2).min(size));
        assert_eq!((window.top, window.bottom), around(position.row, 16));
        assert_eq!((window.left, window.right), around(position.column, 20));
    }
    let asked = spec("size_fixed", [term("channel", json!({"layer": "conv1", "channel": 1}))]);
    let made = client.make(OptimizeSpec { steps: Some(2), ..asked }).await.remove(0);
    let shown = image::load_from_memory(&client.png(&made).await).unwrap();
    assert_eq!((shown.height(), shown.width()), (16, 20));
}
