//! Starts, shapes, inverses of all parameterizations. Their formulas are held to PyTorch in `golden_tests.rs`.

use super::*;
use crate::spec::{Basis as Kind, Parameterization};

const FOURIER: Kind = Kind::Fourier { standard_deviation: 0.01, decay_power: 1.0 };
const PIXEL: Kind = Kind::Pixel { standard_deviation: 0.01 };
const LAPLACIAN: Kind = Kind::Laplacian { standard_deviation: 0.01, levels: 4 };
const MACO: Kind = Kind::Maco { magnitude: None };
const CPPN: Kind = Kind::Cppn { layers: 2, channels: 5 };

fn plain(basis: Kind) -> Parameterization {
    Parameterization { basis, decorrelate_colors: false, alpha: false, shared: None }
}

fn spec(parameterization: Parameterization, height: u32, width: u32, images: u32) -> OptimizeSpec {
    OptimizeSpec { parameterization, images, ..crate::optimize::testing::spec(height, width) }
}

/// Lucid's start before the sigmoid has these deviations at sd 0.01, p = 1 and the division by 4 (derived
/// from its formula; a mean over the whole picture's spectrum).
#[test]
fn a_fourier_start_is_as_strong_as_lucids() {
    for (side, expected) in [(64, 0.0180), (128, 0.0195), (224, 0.0206)] {
        let canvas = Canvas::start(&spec(plain(FOURIER), side, side, 8), 3, Device::Cpu).unwrap();
        let images = canvas.images().unwrap();
        let logits = images.logit(None::<f64>);
        let deviation = logits.std(false).double_value(&[]);
        assert!((deviation / expected - 1.0).abs() < 0.1, "{side}: {deviation} against {expected}");
    }
}

#[test]
fn pictures_are_taken_back_exactly() {
    let shared = Some(spec::Shared { divisors: vec![2, 4], anchors: 2 });
    for basis in [FOURIER, PIXEL, LAPLACIAN] {
        assert!(basis.has_inverse());
        for (height, width, channels, alpha) in
            [(96, 160, 3, false), (33, 20, 3, true), (8, 9, 1, false), (8, 8, 5, true)]
        {
            let decorrelate_colors = channels == 3;
            let shared = shared.clone().filter(|_| alpha);
            let given = Parameterization { decorrelate_colors, alpha, shared, ..plain(basis.clone()) };
            let spec = spec(given, height, width, 3);
            let mut canvas = Canvas::start(&spec, channels, Device::Cpu).unwrap();
            let before = canvas.images().unwrap().detach();
            let shape = [2, channels + i64::from(alpha), i64::from(height), i64::from(width)];
            let wanted = super::noise(&shape).sigmoid();
            canvas.set_images(&Tensor::from_slice(&[0i64, 2]), &wanted).unwrap();
            let after = canvas.images().unwrap().detach();
            let moved = Tensor::stack(&[after.get(0), after.get(2)], 0);
            let error = (moved - &wanted).abs().max().double_value(&[]);
            assert!(error < 1e-5, "{basis:?} {height}×{width}×{channels}: {error}");
            assert_eq!(after.get(1), before.get(1), "the one between stays as it is");
        }
    }
}

#[test]
fn others_say_that_they_have_no_inverse() {
    for basis in [MACO, CPPN] {
        assert!(!basis.has_inverse());
        let mut canvas = Canvas::start(&spec(plain(basis), 6, 8, 1), 3, Device::Cpu).unwrap();
        let pictures = canvas.images().unwrap().detach();
        assert!(canvas.set_images(&Tensor::from_slice(&[0i64]), &pictures).is_err());
    }
}

#[test]
fn images_have_the_asked_shape_and_range_and_do_not_depend_on_their_number() {
    for basis in [FOURIER, PIXEL, LAPLACIAN, MACO, CPPN] {
        for (height, width) in [(96, 160), (33, 20), (1, 1)] {
            let made = |images| {
                let spec = spec(plain(basis.clone()), height, width, images);
                Canvas::start(&spec, 3, Device::Cpu).unwrap().images().unwrap()
            };
            let (a, b) = (made(1), made(3));
            assert_eq!(b.size(), [3, 3, i64::from(height), i64::from(width)]);
            let (least, most) = (b.min().double_value(&[]), b.max().double_value(&[]));
            assert!(least > 0.0 && most < 1.0, "{basis:?} {height}×{width}: {least} … {most}");
            assert!(a.get(0).allclose(&b.get(0), 1e-6, 1e-6, false));
            // A network whose last layer is 0 makes grey.
            if height > 1 && basis != CPPN {
                assert!(!b.get(0).allclose(&b.get(1), 1e-3, 1e-3, false), "{basis:?}: starts differ");
            }
        }
    }
}

#[test]
fn opacity_is_a_channel_that_colours_do_not_mix_with() {
    let given = Parameterization { decorrelate_colors: true, alpha: true, ..plain(FOURIER) };
    let canvas = Canvas::start(&spec(given, 6, 10, 2), 3, Device::Cpu).unwrap();
    let images = canvas.images().unwrap();
    assert_eq!(images.size(), [2, 4, 6, 10]);
    let opacity = images.narrow(1, 3, 1).sum(tch::Kind::Float);
    let gradient = Tensor::run_backward(&[opacity], &[&canvas.leaves()[0]], false, false).remove(0);
    assert_eq!(gradient.narrow(1, 0, 3).abs().max().double_value(&[]), 0.0);
    assert!(gradient.narrow(1, 3, 1).abs().max().double_value(&[]) > 0.0);
}
