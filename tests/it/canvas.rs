//! Every parameterization and transform on the demo model: pictures climb, differ from all others, and say back what they were made with.

use crate::support::client::steps;
use crate::support::{Server, images, spec, term};
use serde_json::json;
use unitscope_proto::v1::job::{self, State};
use unitscope_proto::v1::parameterization::{Cppn, Fourier, Kind, Laplacian, Maco, Pixel, Shared};
use unitscope_proto::v1::{
    ImageSize, Job, OptimizeSpec, Optimizer, Parameterization, SpectrumMagnitude, Term, Transform,
    Transforms, expression, optimizer, transform,
};

fn demo(terms: impl IntoIterator<Item = Term>) -> OptimizeSpec {
    OptimizeSpec { steps: Some(24), ..spec("demo", terms) }
}

fn channel() -> Term {
    term("channel", json!({"layer": "block3", "channel": 10}))
}

fn of(kind: Kind) -> Option<Parameterization> {
    Some(Parameterization { kind: Some(kind), ..Parameterization::default() })
}

/// Steep: most of what is in it are waves across.
fn magnitude() -> SpectrumMagnitude {
    let values = (0..8 * 5).map(|place| if place / 5 == 0 { 1.0 } else { 0.01 }).collect();
    SpectrumMagnitude { channels: 1, height: 8, columns: 5, values, blake3: String::new() }
}

#[tokio::test]
async fn every_parameterization_and_transform_makes_pictures_of_its_own() {
    let server = Server::start();
    let client = server.client().await;
    let grey =
        |kind| Some(Parameterization { decorrelate_colors: Some(false), ..of(kind).unwrap_or_default() });
    let shared = Some(Shared { divisors: Vec::new(), anchors: Some(2) });
    let color_shift = Some(transform::Kind::ColorShift(transform::ColorShift::default()));
    // Half the size: views are shrunk.
    let small = Some(transform::Kind::RandomScale(transform::RandomScale { min: 0.4, max: 0.5 }));
    let list = |kind| Some(Transforms { transforms: vec![Transform { kind }] });
    let plain = || demo([channel()]);
    let cases = [
        plain(),
        OptimizeSpec { parameterization: grey(Kind::Fourier(Fourier::default())), ..plain() },
        OptimizeSpec { parameterization: of(Kind::Pixel(Pixel::default())), ..plain() },
        OptimizeSpec { parameterization: grey(Kind::Pixel(Pixel::default())), ..plain() },
        OptimizeSpec { parameterization: of(Kind::Laplacian(Laplacian::default())), ..plain() },
        OptimizeSpec { parameterization: of(Kind::Cppn(Cppn::default())), ..plain() },
        OptimizeSpec { parameterization: of(Kind::Maco(Maco::default())), ..plain() },
        OptimizeSpec { parameterization: of(Kind::Maco(Maco { magnitude: Some(magnitude()) })), ..plain() },
        OptimizeSpec {
            parameterization: Some(Parameterization { shared, ..Default::default() }),
            images: Some(2),
            ..plain()
        },
        OptimizeSpec { transforms: Some(Transforms::default()), ..plain() },
        OptimizeSpec { transforms: list(color_shift), ..plain() },
        OptimizeSpec { transforms: list(small), ..plain() },
        OptimizeSpec { views_per_step: Some(3), ..plain() },
        OptimizeSpec { clean_steps: Some(12), ..plain() },
        OptimizeSpec { size: Some(ImageSize { height: 48, width: 80 }), ..plain() },
    ];
    let mut pngs = Vec::new();
    for (place, case) in cases.into_iter().enumerate() {
        let job = client.run(case).await;
        assert_eq!(job.state(), State::Succeeded, "{place}: {:?}", job.error);
        for image in images(&job) {
            assert!(image.score > image.start_score, "{place}: {} after {}", image.score, image.start_score);
            let png = client.png(&image).await;
            assert!(!pngs.contains(&png), "{place} makes a difference");
            pngs.push(png);
        }
    }
}

#[tokio::test]
async fn magnitudes_come_back_as_their_digest() {
    let server = Server::start();
    let client = server.client().await;
    let made = |magnitude| {
        client.run(OptimizeSpec { parameterization: of(Kind::Maco(Maco { magnitude })), ..demo([channel()]) })
    };
    let back = |job: &Job| {
        let Some(job::Spec::Optimize(spec)) = &job.spec else { panic!("the spec is there") };
        match spec.parameterization.clone()?.kind? {
            Kind::Maco(maco) => maco.magnitude,
            _ => None,
        }
    };
    let found = back(&made(Some(magnitude())).await).expect("it was asked for");
    assert_eq!((found.channels, found.height, found.columns, found.values.len()), (1, 8, 5, 0));
    // BLAKE3 of the 40 numbers, by the reference implementation.
    assert_eq!(found.blake3, "40c3b458be7ef4e129cc8305839d7ff80cada0c795a7014bc3ca2e5e3d8c48dd");
    assert_eq!(back(&made(None).await), None);
}

/// A picture with an opacity is transparent where its channel needs nothing, if opacity costs.
#[tokio::test]
async fn opacity_is_what_the_objective_needs() {
    let server = Server::start();
    let client = server.client().await;
    let parameterization = Some(Parameterization { alpha: true, ..Parameterization::default() });
    let unit = term("unit", json!({"layer": "block3", "channel": 10}));
    let opacity = |weight| Term { weight: Some(weight), ..term("opacity", json!({})) };
    let mut means = Vec::new();
    for weight in [1e-9, 1.0] {
        // A unit in the middle, in proportion to its score.
        let leaf = |place| expression::Kind::Term(place);
        let parts = [leaf(0), leaf(1)].map(|kind| unitscope_proto::v1::Expression { kind: Some(kind) });
        let negation = unitscope_proto::v1::Expression {
            kind: Some(expression::Kind::Negation(Box::new(parts[1].clone()))),
        };
        let sum = expression::Kind::Sum(expression::List { parts: vec![parts[0].clone(), negation] });
        let objective = Some(unitscope_proto::v1::Expression { kind: Some(sum) });
        let spec = OptimizeSpec {
            parameterization: parameterization.clone(),
            objective,
            return_tensors: true,
            steps: Some(48),
            ..demo([unit.clone(), opacity(weight)])
        };
        let image = client.make(spec).await.remove(0);
        let png = image::load_from_memory(&client.png(&image).await).unwrap();
        assert_eq!(png.color(), image::ColorType::Rgba8);
        let alpha: Vec<f64> = png.to_rgba8().pixels().map(|pixel| f64::from(pixel.0[3]) / 255.0).collect();
        let mean = alpha.iter().sum::<f64>() / alpha.len() as f64;
        assert!((image.terms[1].values[0] - mean).abs() < 0.01, "{} is {mean}", image.terms[1].values[0]);
        assert!(image.score > image.start_score);
        means.push(mean);
    }
    assert!(means[1] < means[0] - 0.05, "{means:?}");
}

/// Views are counted over all steps, so that a picture that does not move shows at one step of two views what it shows at two steps of one;
/// values are their means.
#[tokio::test]
async fn a_step_of_several_views_is_their_mean() {
    let server = Server::start();
    let client = server.client().await;
    let still = optimizer::Sgd { learning_rate: Some(1e-30), ..optimizer::Sgd::default() };
    let still = || Some(Optimizer { kind: Some(optimizer::Kind::Sgd(still)), schedule: None });
    let made = async |views, steps_made| {
        let spec = OptimizeSpec {
            views_per_step: Some(views),
            steps: Some(steps_made),
            clean_steps: Some(0),
            optimizer: still(),
            ..demo([channel()])
        };
        let job = client.run(spec).await;
        let events = client.events(&job.name, 0).await;
        steps(&events).iter().map(|step| (step.scores[0], step.terms[0].values[0])).collect::<Vec<_>>()
    };
    let (one, two) = (made(1, 4).await, made(2, 2).await);
    assert_ne!(one[0], one[1], "views differ");
    for (step, mean) in two.iter().enumerate() {
        let (a, b) = (one[2 * step], one[2 * step + 1]);
        for (found, wanted) in [(mean.0, (a.0 + b.0) / 2.0), (mean.1, (a.1 + b.1) / 2.0)] {
            assert!((found - wanted).abs() <= 1e-9 * wanted.abs(), "{step}: {found} against {wanted}");
        }
    }
}
