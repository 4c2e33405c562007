//! The Gabor function: a plane wave under an elliptic Gaussian. It knows no fit.

use std::f64::consts::TAU;

/// `amplitude · exp(−(x'² / 2σ₁² + y'² / 2σ₂²)) · cos(2π · frequency · x' + phase) + offset`, where `x'` runs from the centre along the wave, towards
/// `orientation_deg`, and `y'` along its crests (Jones and Palmer 1987, J. Neurophysiol. 58: 1233, with an offset).
///
/// Places are `[x, y]` in pixels from the middle of the kernel, x to the right and y down, as in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gabor {
    /// Where the wave runs, in 0 … 180 degrees (excluded) from x towards y, which is clockwise to the eye: 0 for vertical stripes, 90 for horizontal ones.
    pub orientation_deg: f64,
    /// Cycles a pixel, above 0 and at most 0.5.
    pub frequency: f64,
    /// At the centre, above −180 and at most 180: 0 for a bright stripe there, 180 for a dark one, ±90 for an edge.
    pub phase_deg: f64,
    /// Of the envelope.
    pub center_px: [f64; 2],
    /// Standard deviations of the envelope, along the wave and along its crests.
    pub sigma_px: [f64; 2],
    /// Not below 0; in the unit of the kernel's weights.
    pub amplitude: f64,
    /// What is added everywhere, in the same unit.
    pub offset: f64,
}

impl Gabor {
    /// The value at `[x, y]`.
    pub fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let (sin, cos) = self.orientation_deg.to_radians().sin_cos();
        let (dx, dy) = (x - self.center_px[0], y - self.center_px[1]);
        let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let [wave, crest] = self.sigma_px;
        let envelope = (-0.5 * ((along / wave).powi(2) + (across / crest).powi(2))).exp();
        self.amplitude * envelope * (TAU * self.frequency * along + self.phase_deg.to_radians()).cos()
            + self.offset
    }
}

/// The places of a kernel's pixels, row by row.
pub(super) fn places(height: usize, width: usize) -> impl Iterator<Item = [f64; 2]> {
    let middle = |length: usize| (length as f64 - 1.0) / 2.0;
    (0..height).flat_map(move |row| {
        (0..width).map(move |column| [column as f64 - middle(width), row as f64 - middle(height)])
    })
}
