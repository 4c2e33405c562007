//! Fits a Gabor function to a plane: from several starts, the best of which is taken. It knows no filter's channels.

use std::f64::consts::{PI, TAU};

use super::gabor::{Gabor, places};
use super::least_squares::{PARAMETERS, Parameters, Problem};
use super::spectrum::peaks;

/// A Gabor function, and how well it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The function.
    pub gabor: Gabor,
    /// 1 − the squared rest / the squared differences from the mean, 0 … 1.
    pub r2: f64,
}

/// Why there is no fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum NoFit {
    #[error(
        "a kernel of {height}×{width} has too few numbers for the 9 parameters of a Gabor function; \
         kernels from {SMALLEST_SIDE}×{SMALLEST_SIDE} are fitted"
    )]
    Small { height: usize, width: usize },
    #[error(
        "a kernel of {height}×{width} is larger than {LARGEST_SIDE}×{LARGEST_SIDE}, up to which kernels are fitted"
    )]
    Large { height: usize, width: usize },
    #[error("all weights are equal, so that there is nothing to fit")]
    Constant,
    #[error("the filter has a weight that is not finite")]
    NotFinite,
}

/// A kernel of 3×3 has as many numbers as a Gabor function has parameters, so that everything would fit.
pub const SMALLEST_SIDE: usize = 5;

/// Vision networks have kernels of up to 32×32 (patch embeddings); a fit of this size takes about 0.1 s.
pub const LARGEST_SIDE: usize = 64;

/// Envelopes in pixels: narrower ones have nothing between two pixels.
const LEAST_SIGMA_PX: f64 = 0.3;

/// Of the wave's even and odd part and of the offset, in multiples of the largest weight: a wave that no pixel shows at its height (half of a long one, or one
/// that is sampled where it is zero) may be of any.
const MOST_LEVEL: f64 = 10.0;

/// Differences from the mean below this part of the largest weight are the rounding of float32.
const EVEN: f64 = 1e-6;

/// Peaks of the spectrum that a fit begins with.
const PEAKS: usize = 3;

/// Envelopes that it begins with: parts of the kernel's longer side, along the wave and along its crests.
const ENVELOPES: [[f64; 2]; 4] = [[0.14, 0.14], [0.2, 0.35], [0.3, 0.3], [0.4, 0.2]];

/// Steps that every start makes, and that the best of them make then.
const FIRST_STEPS: usize = 15;
const LAST_STEPS: usize = 150;

/// So many go on.
const FINALISTS: usize = 5;

/// The Gabor function that fits a plane of [height, width] best, in the sense of least squares, of those that are reached from the peaks of its spectrum.
/// Its centre lies within the kernel, its frequency is at most 0.5 and at least an eighth of a cycle over the longer side, and its envelope's deviations
/// lie between 0.3 px and the longer side. Equal planes give equal fits.
///
/// # Errors
/// A [`NoFit`].
///
/// # Panics
/// Where `values` does not hold `height` × `width` numbers.
pub fn fit(values: &[f64], height: usize, width: usize) -> Result<Fit, NoFit> {
    assert_eq!(values.len(), height * width, "a plane has height × width values");
    if values.iter().any(|value| !value.is_finite()) {
        return Err(NoFit::NotFinite);
    }
    if height.min(width) < SMALLEST_SIDE {
        return Err(NoFit::Small { height, width });
    }
    if height.max(width) > LARGEST_SIDE {
        return Err(NoFit::Large { height, width });
    }
    let scale = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let targets: Vec<f64> =
        values.iter().map(|value| if scale > 0.0 { value / scale } else { 0.0 }).collect();
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    if targets.iter().all(|value| (value - mean).abs() <= EVEN) {
        return Err(NoFit::Constant);
    }
    let places: Vec<[f64; 2]> = places(height, width).collect();
    let problem =
        Problem { places: &places, targets: &targets, bounds: bounds(height, width), function: wave };
    let mut tried: Vec<(Parameters, f64)> = starts(&targets, &places, [height, width])
        .into_iter()
        .map(|start| problem.descend(start, FIRST_STEPS))
        .collect();
    tried.sort_by(|a, b| a.1.total_cmp(&b.1));
    let finished = tried.iter().take(FINALISTS).map(|(start, _)| problem.descend(*start, LAST_STEPS));
    let (best, rest) = finished.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or(NoFit::Constant)?;
    let total: f64 = targets.iter().map(|value| (value - mean).powi(2)).sum();
    Ok(Fit { gabor: named(&best, scale), r2: (1.0 - rest / total).clamp(0.0, 1.0) })
}

/// The parameters' order: centre x and y in px, orientation in radians, frequency, logarithms of the envelope's deviations, and what is linear: the parts
/// `amplitude · cos(phase)` and `amplitude · sin(phase)`, and the offset.
fn wave(
    &[x, y, angle, frequency, wave, crest, even, odd, offset]: &Parameters,
    place: [f64; 2],
) -> (f64, Parameters) {
    let (sin, cos) = angle.sin_cos();
    let (dx, dy) = (place[0] - x, place[1] - y);
    let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
    let (tight_along, tight_across) = ((-2.0 * wave).exp(), (-2.0 * crest).exp());
    let envelope = (-0.5 * (along * along * tight_along + across * across * tight_across)).exp();
    let (turn_sin, turn_cos) = (TAU * frequency * along).sin_cos();
    let carrier = even * turn_cos - odd * turn_sin;
    let turned = -(even * turn_sin + odd * turn_cos);
    let value = envelope * carrier;
    let by_along = envelope * TAU * frequency * turned - value * along * tight_along;
    let by_across = -value * across * tight_across;
    let slopes = [
        by_across * sin - by_along * cos,
        -by_along * sin - by_across * cos,
        by_along * across - by_across * along,
        envelope * TAU * along * turned,
        value * along * along * tight_along,
        value * across * across * tight_across,
        envelope * turn_cos,
        -envelope * turn_sin,
        1.0,
    ];
    (value + offset, slopes)
}

fn bounds(height: usize, width: usize) -> [(f64, f64); PARAMETERS] {
    let free = (f64::NEG_INFINITY, f64::INFINITY);
    let within = |length: usize| (-(length as f64) / 2.0, length as f64 / 2.0);
    let longer = height.max(width) as f64;
    let sigma = (LEAST_SIGMA_PX.ln(), longer.ln());
    let level = (-MOST_LEVEL, MOST_LEVEL);
    [within(width), within(height), free, (1.0 / (8.0 * longer), 0.5), sigma, sigma, level, level, level]
}

/// Every peak of the spectrum with every envelope, around the centre of the squared differences from the mean. Their amplitudes are 0, so that the first step finds
/// what is linear.
fn starts(targets: &[f64], places: &[[f64; 2]], [height, width]: [usize; 2]) -> Vec<Parameters> {
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    let mut center = [0.0; 2];
    let mut weight = 0.0;
    for (place, value) in places.iter().zip(targets) {
        let square = (value - mean).powi(2);
        weight += square;
        center[0] += square * place[0];
        center[1] += square * place[1];
    }
    let [x, y] = center.map(|sum| sum / weight);
    let longer = height.max(width) as f64;
    let waves = peaks(targets, height, width, PEAKS);
    let start = |[u, v]: [f64; 2], [wave, crest]: [f64; 2]| {
        [x, y, v.atan2(u), u.hypot(v), (wave * longer).ln(), (crest * longer).ln(), 0.0, 0.0, 0.0]
    };
    waves.into_iter().flat_map(|peak| ENVELOPES.map(|envelope| start(peak, envelope))).collect()
}

/// The one of its many names (turned by 180°, with the phase turned back) whose orientation lies in 0 … 180°.
fn named(&[x, y, angle, frequency, wave, crest, even, odd, offset]: &Parameters, scale: f64) -> Gabor {
    let angle = angle.rem_euclid(TAU);
    let (angle, odd) = if angle >= PI { (angle - PI, -odd) } else { (angle, odd) };
    // A phase of −180° is one of 180°, also where a zero has a sign.
    let phase_deg = odd.atan2(even).to_degrees();
    Gabor {
        orientation_deg: angle.to_degrees() % 180.0,
        frequency,
        phase_deg: if phase_deg <= -180.0 { 180.0 } else { phase_deg },
        center_px: [x, y],
        sigma_px: [wave.exp(), crest.exp()],
        amplitude: even.hypot(odd) * scale,
        offset: offset * scale,
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
