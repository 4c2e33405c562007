//! Planted Gabor functions are found again; what is none is not taken for one.

use super::*;
use crate::seed::{Draws, Use};

/// Its values, with noise of `noise` standard deviations of them.
fn planted(gabor: &Gabor, side: usize, noise: f64, seed: u64) -> Vec<f64> {
    let mut values: Vec<f64> = places(side, side).map(|place| gabor.at(place)).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    let mut draws = Draws::new(seed, 0, 0, Use::Start);
    values.iter_mut().for_each(|value| *value += noise * deviation * draws.normal());
    values
}

/// Between two orientations, in degrees; 179 and 1 are 2 apart.
fn apart(a: f64, b: f64) -> f64 {
    let difference = (a - b).rem_euclid(180.0);
    difference.min(180.0 - difference)
}

/// Every planted function of this grid is recovered: its orientation within 5°, and r² at least 0.95. Noise of 0.15 of its deviation leaves an r² of about 0.98.
fn check_recovered(side: usize, frequencies: &[f64], sigmas: &[[f64; 2]]) {
    let mut cases = Vec::new();
    for orientation in (0..180).step_by(15) {
        for &frequency in frequencies {
            for phase_deg in [-90.0, -45.0, 0.0, 45.0, 90.0, 180.0] {
                cases.extend(sigmas.iter().map(|&sigma_px| Gabor {
                    orientation_deg: f64::from(orientation) + 3.0,
                    frequency,
                    phase_deg,
                    center_px: [0.4, -0.7],
                    sigma_px,
                    amplitude: 0.3,
                    offset: 0.02,
                }));
            }
        }
    }
    for (seed, gabor) in cases.iter().enumerate() {
        let found = fit(&planted(gabor, side, 0.15, seed as u64), side, side).unwrap();
        let turned = apart(found.gabor.orientation_deg, gabor.orientation_deg);
        assert!(turned <= 5.0 && found.r2 >= 0.95, "{gabor:?} of {side} px came back as {found:?}");
    }
}

#[test]
fn planted_functions_of_7_pixels_are_recovered() {
    check_recovered(7, &[0.15, 0.2, 0.28, 0.36], &[[1.2, 1.4], [1.5, 2.2], [2.0, 1.5], [2.4, 2.4]]);
}

#[test]
fn planted_functions_of_11_pixels_are_recovered() {
    check_recovered(11, &[0.1, 0.15, 0.2, 0.28, 0.38], &[[1.8, 2.0], [2.2, 3.2], [3.0, 2.2], [3.6, 3.6]]);
}

/// Without noise every parameter comes back, in kernels of any shape.
fn check_exact(height: usize, width: usize, gabor: Gabor) {
    let values: Vec<f64> = places(height, width).map(|place| gabor.at(place)).collect();
    let found = fit(&values, height, width).unwrap();
    let numbers = |gabor: &Gabor| {
        let Gabor { center_px: [x, y], sigma_px: [wave, crest], .. } = *gabor;
        let relative = gabor.offset / gabor.amplitude;
        [gabor.orientation_deg, gabor.frequency, gabor.phase_deg, x, y, wave, crest, relative]
    };
    let close = numbers(&found.gabor)
        .iter()
        .zip(numbers(&gabor))
        .all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + b.abs()));
    assert!((found.gabor.amplitude / gabor.amplitude - 1.0).abs() < 1e-3, "{gabor:?} came back as {found:?}");
    assert!(close && found.r2 > 0.999_999, "{gabor:?} came back as {found:?}");
    assert_eq!(fit(&values, height, width).unwrap(), found, "equal planes give equal fits");
}

#[test]
fn every_parameter_comes_back() {
    let gabor = Gabor {
        orientation_deg: 62.0,
        frequency: 0.21,
        phase_deg: 35.0,
        center_px: [0.5, -0.3],
        sigma_px: [1.4, 2.1],
        amplitude: 0.25,
        offset: -0.03,
    };
    check_exact(7, 7, gabor);
    check_exact(8, 11, gabor);
    check_exact(
        16,
        16,
        Gabor { orientation_deg: 171.0, phase_deg: -110.0, amplitude: 4e-9, offset: 1e-9, ..gabor },
    );
    check_exact(5, 5, Gabor { sigma_px: [1.0, 1.1], frequency: 0.3, amplitude: 1e20, offset: 0.0, ..gabor });
}

#[test]
fn slopes_are_those_of_the_function() {
    let at = [0.3, -0.4, 0.7, 0.2, 0.5, 0.8, 0.6, -0.4, 0.1];
    for place in [[1.0, 2.0], [-2.0, 0.5], [0.0, 0.0]] {
        let (value, slopes) = wave(&at, place);
        assert!(
            (value - named(&at, 1.0).at(place)).abs() < 1e-12,
            "the fitted function is the documented one"
        );
        for parameter in 0..PARAMETERS {
            let moved = |by: f64| {
                let mut moved = at;
                moved[parameter] += by;
                wave(&moved, place).0
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - slopes[parameter]).abs() < 1e-7, "{parameter}: {slope} {}", slopes[parameter]);
        }
    }
}

#[test]
fn orientations_and_phases_have_one_name() {
    let check = |angle_deg: f64, even, odd, orientation: f64, phase: f64| {
        let gabor = named(&[0.0, 0.0, angle_deg.to_radians(), 0.2, 0.0, 0.0, even, odd, 0.0], 1.0);
        assert!(
            apart(gabor.orientation_deg, orientation) < 1e-9 && gabor.orientation_deg < 180.0,
            "{gabor:?}"
        );
        assert!((gabor.phase_deg - phase).abs() < 1e-9, "{gabor:?}");
    };
    check(30.0, 0.0, 1.0, 30.0, 90.0);
    check(210.0, 0.0, 1.0, 30.0, -90.0);
    check(-150.0, 1.0, 1.0, 30.0, -45.0);
    check(180.0, -1.0, 0.0, 0.0, 180.0);
    check(0.0, -1.0, -0.0, 0.0, 180.0);
    check(-1e-15, 1.0, 0.0, 0.0, 0.0);
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let check = |values: &[f64], height, width, says: &str| {
        let reason = fit(values, height, width).unwrap_err().to_string();
        assert!(reason.contains(says), "{reason}");
    };
    check(&[0.0; 49], 7, 7, "all weights are equal");
    check(&[0.3; 49], 7, 7, "all weights are equal");
    check(&[1.0], 1, 1, "1×1 has too few numbers");
    check(&[0.1, 0.2, 0.3, -0.1, 0.4, 0.5, 0.6, 0.9, 0.7], 3, 3, "3×3 has too few numbers");
    check(&[0.5; 7], 1, 7, "1×7 has too few numbers");
    check(&[0.5; 65 * 5], 65, 5, "65×5 is larger than 64×64");
    check(&[f64::NAN; 49], 7, 7, "not finite");
    check(&[f64::INFINITY; 49], 7, 7, "not finite");
}

/// r² of kernels of white noise, in order.
fn noise(side: usize, kernels: u32) -> Vec<f64> {
    let mut found: Vec<f64> = (0..kernels)
        .map(|kernel| {
            let mut draws = Draws::new(5, kernel, 0, Use::Start);
            let values: Vec<f64> = (0..side * side).map(|_| draws.normal()).collect();
            fit(&values, side, side).unwrap().r2
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found
}

/// docs/filters.md quotes what this prints (`cargo test -p unitscope-engine --no-default-features noise_fits_badly -- --nocapture`).
#[test]
fn noise_fits_badly() {
    for (side, most) in [(5, 0.9), (7, 0.6), (11, 0.3)] {
        let found = noise(side, 200);
        let (middle, high) = (found[100], found[190]);
        println!("{side}×{side}: r² of noise has the median {middle:.2} and the 95th percentile {high:.2}");
        assert!(middle < most, "{side}: {middle}");
    }
}

#[test]
fn odd_kernels_end_with_a_number() {
    let one = |place: usize| (0..49).map(|pixel| f64::from(u8::from(pixel == place))).collect::<Vec<_>>();
    let ramp: Vec<f64> = (0..49).map(f64::from).collect();
    let checks: Vec<f64> = (0..49).map(|pixel| f64::from(pixel % 2)).collect();
    let huge: Vec<f64> = (0..49).map(|pixel| f64::from(pixel * pixel) * 1e300).collect();
    for values in [one(0), one(24), one(48), ramp, checks, huge] {
        let found = fit(&values, 7, 7).unwrap();
        assert!((0.0..=1.0).contains(&found.r2), "{found:?}");
        let Gabor { frequency, sigma_px, amplitude, .. } = found.gabor;
        assert!(frequency > 0.0 && frequency <= 0.5 && amplitude.is_finite(), "{found:?}");
        assert!(sigma_px.iter().all(|sigma| (0.299..=7.001).contains(sigma)), "{found:?}");
    }
}
