//! `RenderFilters` over a real socket: planted Gabor functions come back, colours are right, and what cannot be answered says why.

use crate::support::Server;
use crate::support::client::Client;
use image::RgbImage;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unitscope_proto::v1::filter::Fit;
use unitscope_proto::v1::{Filter, GaborFit, RenderFiltersRequest, RenderFiltersResponse};
use unitscope_tests::build::checkout;

async fn render(
    client: &Client,
    model: &str,
    layer: &str,
    filters: &[u32],
) -> Result<RenderFiltersResponse, Status> {
    let request =
        RenderFiltersRequest { model: model.into(), layer: layer.into(), filters: filters.to_vec() };
    client.models.clone().render_filters(request).await.map(tonic::Response::into_inner)
}

fn gabor(filter: &Filter) -> &GaborFit {
    match filter.fit.as_ref().unwrap() {
        Fit::Gabor(fit) => fit,
        Fit::NoFit(reason) => panic!("filter {}: {reason}", filter.index),
    }
}

/// The picture's pixel for a kernel's pixel, of the tile at a place.
fn pixel(answer: &RenderFiltersResponse, picture: &RgbImage, place: u32, [row, column]: [u32; 2]) -> [u8; 3] {
    let grid = answer.grid.as_ref().unwrap();
    let left = grid.margin + place % grid.columns * grid.column_step + column * grid.enlargement;
    let top = grid.margin + place / grid.columns * grid.row_step + row * grid.enlargement;
    picture.get_pixel(left, top).0
}

fn picture(answer: &RenderFiltersResponse) -> RgbImage {
    image::load_from_memory(&answer.png).unwrap().to_rgb8()
}

/// Between two angles that are the same after `turn` degrees.
fn apart(a: f64, b: f64, turn: f64) -> f64 {
    let difference = (a - b).rem_euclid(turn);
    difference.min(turn - difference)
}

#[tokio::test]
async fn planted_gabor_functions_are_recovered() {
    let server = Server::start();
    let client = server.client().await;
    let planted = std::fs::read(checkout().join("tests/fixtures/models/gabors/planted.json")).unwrap();
    let planted: Vec<Value> = serde_json::from_slice(&planted).unwrap();
    let answer = render(&client, "gabors", "", &[]).await.unwrap();
    assert_eq!(
        (answer.model.as_str(), answer.layer.as_str(), answer.model_digest.len()),
        ("gabors", "conv1", 64)
    );
    let sizes = [
        answer.total_filters,
        answer.filter_channels,
        answer.groups,
        answer.kernel_height,
        answer.kernel_width,
    ];
    assert_eq!((sizes, answer.color, answer.filters.len()), ([16, 3, 1, 11, 11], true, planted.len() + 2));
    for (index, (filter, of)) in answer.filters.iter().zip(&planted).enumerate() {
        let number = |name: &str| of[name].as_f64().unwrap();
        let fit = gabor(filter);
        assert_eq!(filter.index as usize, index);
        assert!(
            apart(fit.orientation_deg, number("orientationDeg"), 180.0) <= 5.0,
            "{of} came back as {fit:?}"
        );
        assert!(fit.r2 >= 0.95 && filter.plane_share >= 0.95, "{of} came back as {filter:?}");
        assert!((fit.frequency - number("frequency")).abs() < 0.02, "{of} came back as {fit:?}");
        let color: Vec<f64> =
            of["color"].as_array().unwrap().iter().map(|part| part.as_f64().unwrap()).collect();
        let along: f64 = color.iter().zip(&filter.plane_color).map(|(a, b)| a * b).sum();
        assert!(along > 0.98, "{of} came back with the colour {:?}", filter.plane_color);
    }
    let zeros = &answer.filters[planted.len()];
    assert!(
        matches!(&zeros.fit, Some(Fit::NoFit(reason)) if reason.contains("all weights are equal")),
        "{zeros:?}"
    );
    assert_eq!(zeros.scale, 0.0);
    let noise = gabor(&answer.filters[planted.len() + 1]).r2;
    assert!(noise < 0.5, "noise has r² {noise}");
}

#[tokio::test]
async fn tiles_show_weights_in_the_images_colours() {
    let server = Server::start();
    let client = server.client().await;
    // The model takes blue first; filter 1 sees red alone, filter 14 is of zeros.
    let answer = render(&client, "gabors", "conv1", &[14, 1]).await.unwrap();
    let numbers: Vec<u32> = answer.filters.iter().map(|filter| filter.index).collect();
    assert_eq!(numbers, [14, 1]);
    let picture = picture(&answer);
    let all = || (0..11).flat_map(|row| (0..11).map(move |column| [row, column]));
    assert!(all().all(|at| pixel(&answer, &picture, 0, at) == [128; 3]));
    let far = |channel: usize| {
        all().map(|at| pixel(&answer, &picture, 1, at)[channel].abs_diff(128)).max().unwrap()
    };
    assert!(far(0) >= 127 && far(1) < 30 && far(2) < 30, "{} {} {}", far(0), far(1), far(2));
}

#[tokio::test]
async fn every_kind_of_kernel_is_drawn_in_grey_behind_the_first() {
    let server = Server::start();
    let client = server.client().await;
    for (layer, channels, groups, side, says) in [
        ("depthwise", 1, 16, 5, ""),
        ("pointwise", 16, 1, 1, "1×1 has too few"),
        ("small", 8, 1, 3, "3×3 has too few"),
    ] {
        let answer = render(&client, "gabors", layer, &[]).await.unwrap();
        let sizes = [answer.filter_channels, answer.groups, answer.kernel_height, answer.kernel_width];
        assert_eq!((sizes, answer.color), ([channels, groups, side, side], false), "{layer}");
        let picture = picture(&answer);
        assert!(
            picture.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]),
            "{layer}"
        );
        for filter in &answer.filters {
            match filter.fit.as_ref().unwrap() {
                Fit::NoFit(reason) => assert!(!says.is_empty() && reason.contains(says), "{layer}: {reason}"),
                Fit::Gabor(fit) => assert!(says.is_empty() && fit.r2 < 0.95, "{layer}: {fit:?}"),
            }
        }
    }
    let demo = render(&client, "demo", "", &[]).await.unwrap();
    assert_eq!((demo.layer.as_str(), demo.total_filters, demo.color), ("conv1.conv", 24, true));
    let gray = render(&client, "gray", "", &[]).await.unwrap();
    assert_eq!((gray.filter_channels, gray.color), (1, false));
}

async fn check_refused(
    client: &Client,
    request: (&str, &str, &[u32]),
    code: Code,
    field: &str,
    words: &[&str],
) {
    let status = render(client, request.0, request.1, request.2).await.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let found = details.bad_request().map_or("", |bad| bad.field_violations[0].field.as_str());
    assert_eq!(found, field);
    for word in words {
        assert!(status.message().contains(word), "`{}` does not say `{word}`", status.message());
    }
}

#[tokio::test]
async fn what_has_no_filters_says_where_there_are_some() {
    let server = Server::start();
    let client = &server.client().await;
    let wrong = Code::InvalidArgument;
    check_refused(client, ("", "", &[]), wrong, "model", &["required"]).await;
    check_refused(client, ("nobody", "", &[]), Code::NotFound, "", &["nobody"]).await;
    check_refused(
        client,
        ("demo", "conv1", &[]),
        wrong,
        "layer",
        &["`conv1` is no two-dimensional convolution", "ask for `conv1.conv`"],
    )
    .await;
    check_refused(
        client,
        ("demo", "conv1.cnv", &[]),
        wrong,
        "layer",
        &["is not in model", "did you mean `conv1.conv`"],
    )
    .await;
    check_refused(client, ("gabors", "relu1", &[]), wrong, "layer", &["aten::relu", "ask for"]).await;
    check_refused(client, ("gabors", "up", &[]), wrong, "layer", &["aten::conv_transpose2d"]).await;
    check_refused(
        client,
        ("gabors", "conv1", &[3, 16]),
        wrong,
        "filters[1]",
        &["no filter 16", "16, from 0 to 15"],
    )
    .await;
    check_refused(client, ("gabors", "conv1", &[3, 4, 3]), wrong, "filters[2]", &["asked for twice"]).await;
    let many: Vec<u32> = (0..300).collect();
    check_refused(client, ("gabors", "conv1", &many), wrong, "filters", &["300 are too many", "256 filters"])
        .await;
    render(client, "gabors", "conv1", &[0]).await.unwrap();
}
