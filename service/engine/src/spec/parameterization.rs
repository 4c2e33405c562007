//! How numbers become a picture, as the request says it.

use super::Spectrum;
use std::sync::Arc;

/// How numbers become a picture: what the optimizer moves, and what all parameterizations share.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameterization {
    /// What the optimizer moves.
    pub basis: Basis,
    /// Optimize in a decorrelated colour space; only for models that take three colours.
    pub decorrelate_colors: bool,
    /// A further channel that says how opaque each pixel is; the network sees what is transparent over noise, new at each step.
    pub alpha: bool,
    /// A part that all pictures have in common.
    pub shared: Option<Shared>,
}

/// What the optimizer moves, one kind a file in `optimize/parameterization`.
#[derive(Clone, Debug, PartialEq)]
pub enum Basis {
    /// One number per pixel and channel.
    Pixel {
        /// Standard deviation of the start, a normal float32 > 0.
        standard_deviation: f64,
    },
    /// A spectrum scaled by `1 / frequency^decay_power`.
    Fourier {
        /// Standard deviation of the start, a normal float32 > 0.
        standard_deviation: f64,
        /// `0.0..=4.0`.
        decay_power: f64,
    },
    /// Pictures of the size, of half the size, of a quarter, …, enlarged and summed.
    Laplacian {
        /// Standard deviation of every level's start, a normal float32 > 0.
        standard_deviation: f64,
        /// `1..=12`.
        levels: u32,
    },
    /// The phases of a spectrum whose magnitudes stay as they are.
    Maco {
        /// The magnitudes; `None` for `1 / frequency`.
        magnitude: Option<Arc<Spectrum>>,
    },
    /// A small network that takes a pixel's place and gives its colour.
    Cppn {
        /// Hidden layers, `1..=16`.
        layers: u32,
        /// Units of each, `1..=64`.
        channels: u32,
    },
}

/// A part that all pictures have in common: small pictures, enlarged to the size and, where there are several, blended from the first picture
/// to the last, added to each picture's own before the sigmoid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// One level for each: it has the picture's sides divided by this, `1..=64`.
    pub divisors: Vec<u32>,
    /// Small pictures of each level, `1..=images`.
    pub anchors: u32,
}

impl Parameterization {
    /// Drops what a job needs only while it runs: the numbers of a spectrum. Its size stays.
    pub fn forget_values(&mut self) {
        if let Basis::Maco { magnitude: Some(spectrum) } = &mut self.basis {
            let Spectrum { channels, height, columns, .. } = **spectrum;
            *spectrum = Arc::new(Spectrum { channels, height, columns, values: Vec::new() });
        }
    }
}

impl Basis {
    /// Lucid's default standard deviation of the start (`param/images.py`, `image`).
    pub const STANDARD_DEVIATION: f64 = 0.01;
    /// Lucid's default power of the frequency (`param/spatial.py`, `fft_image`).
    pub const DECAY_POWER: f64 = 1.0;
    /// Lucid's default number of levels (`param/spatial.py`, `laplacian_pyramid`).
    pub const LEVELS: u32 = 4;
    /// Lucid's default number of hidden layers (`param/cppn.py`).
    pub const CPPN_LAYERS: u32 = 8;
    /// Lucid's default number of units of each (`param/cppn.py`).
    pub const CPPN_CHANNELS: u32 = 24;

    /// Its name in requests.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Basis::Pixel { .. } => "pixel",
            Basis::Fourier { .. } => "fourier",
            Basis::Laplacian { .. } => "laplacian",
            Basis::Maco { .. } => "maco",
            Basis::Cppn { .. } => "cppn",
        }
    }

    /// Whether every picture can be taken back to numbers that give it.
    #[must_use]
    pub fn has_inverse(&self) -> bool {
        matches!(self, Basis::Pixel { .. } | Basis::Fourier { .. } | Basis::Laplacian { .. })
    }
}
