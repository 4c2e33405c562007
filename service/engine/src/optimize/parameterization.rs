//! How numbers become a picture: one file per parameterization, and what they share: the start, colours, transparency, a common part.

pub mod color;
mod cppn;
pub mod fourier;
mod laplacian;
mod maco;
mod pixel;
mod shared;

use crate::seed::{Draws, Use};
use crate::spec::{self, OptimizeSpec};
use shared::Shared;
use tch::{Device, TchError, Tensor};

/// What the optimizer moves, and the way from there to pictures.
trait Basis {
    /// The shape of one picture's numbers.
    fn shape(&self) -> Vec<i64>;
    /// Where one picture starts: as many numbers.
    fn start(&self, draws: &mut Draws) -> Vec<f32>;
    /// `[n, shape…]` to `[n, c, h, w]`, f32, around 0, differentiable.
    fn images(&self, numbers: &Tensor) -> Result<Tensor, TchError>;
    /// Numbers that [`Basis::images`] takes to these; `None` where not every picture can be reached ([`spec::Basis::has_inverse`]).
    fn numbers(&self, images: &Tensor) -> Result<Option<Tensor>, TchError>;
}

/// The basis of a spec, for `channels` of `height` × `width` pixels.
fn basis(
    spec: &spec::Basis,
    channels: i64,
    height: i64,
    width: i64,
    device: Device,
) -> Result<Box<dyn Basis>, TchError> {
    Ok(match spec {
        &spec::Basis::Pixel { standard_deviation } => {
            Box::new(pixel::Pixel { shape: [channels, height, width], standard_deviation })
        }
        &spec::Basis::Fourier { standard_deviation, decay_power } => {
            let fourier = fourier::Fourier::new(channels, height, width, decay_power, device)?;
            Box::new(fourier.starting_at(standard_deviation))
        }
        &spec::Basis::Laplacian { standard_deviation, levels } => {
            Box::new(laplacian::Laplacian { channels, height, width, levels, standard_deviation })
        }
        &spec::Basis::Cppn { layers, channels: units } => {
            Box::new(cppn::Cppn::new(channels, height, width, layers, units, device)?)
        }
        spec::Basis::Maco { magnitude } => {
            Box::new(maco::Maco::new(channels, height, width, magnitude.as_deref(), device)?)
        }
    })
}

/// Numbers that wait for the way back, for one picture of `pixels` pixels, roughly.
pub fn elements(basis: &spec::Basis, pixels: u64, channels: u64) -> u64 {
    match *basis {
        // Per layer the sum, its arc tangent, the square and the two of the next layer's input.
        spec::Basis::Cppn { layers, channels: units } => {
            pixels.saturating_mul(u64::from(layers) * u64::from(units) * 6)
        }
        _ => pixels.saturating_mul(4 * channels),
    }
}

/// The pictures of a job as what the optimizer moves.
pub struct Canvas {
    /// Leaves that require gradients. The first holds each picture's own numbers, its first axis counts pictures; a second one those that they
    /// share, its first axis is 1.
    leaves: Vec<Tensor>,
    basis: Box<dyn Basis>,
    shared: Option<Shared>,
    decorrelate_colors: bool,
    alpha: bool,
}

impl Canvas {
    /// Draws the start of every picture of the spec, each from its own key.
    pub fn start(spec: &OptimizeSpec, channels: i64, device: Device) -> Result<Self, TchError> {
        let (height, width) = (i64::from(spec.height), i64::from(spec.width));
        let given = &spec.parameterization;
        let channels = channels + i64::from(given.alpha);
        let basis = basis(&given.basis, channels, height, width, device)?;
        let shape = basis.shape();
        let start = |image| {
            let numbers = basis.start(&mut Draws::new(spec.seed, image, 0, Use::Start));
            Tensor::f_from_slice(&numbers)?.f_reshape(&shape)
        };
        let starts: Vec<Tensor> = (0..spec.images).map(start).collect::<Result<_, _>>()?;
        let mut leaves = vec![Tensor::f_stack(&starts, 0)?.f_to(device)?.set_requires_grad(true)];
        let shared = given.shared.as_ref().map(|shared| Shared::new(shared, channels, height, width));
        if let Some(shared) = &shared {
            let numbers = shared.start(&mut Draws::new(spec.seed, 0, 0, Use::Shared));
            let numbers = Tensor::f_from_slice(&numbers)?.f_unsqueeze(0)?;
            leaves.push(numbers.f_to(device)?.set_requires_grad(true));
        }
        Ok(Self { leaves, basis, shared, decorrelate_colors: given.decorrelate_colors, alpha: given.alpha })
    }

    /// What the optimizer moves: each picture's own numbers, whose first axis counts pictures, then those that all share, whose first axis
    /// is 1.
    pub fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// The pictures, `[n, c, h, w]`, f32, each in `0..=1`, differentiable in the leaves; the last channel is the opacity, where
    /// there is one.
    ///
    /// The sigmoid keeps them in range without clipping gradients (lucid, `optvis/param/color.py`, `to_valid_rgb`).
    pub fn images(&self) -> Result<Tensor, TchError> {
        let mut plain = self.basis.images(&self.leaves[0])?;
        if let Some(shared) = &self.shared {
            plain = plain.f_add(&shared.images(&self.leaves[1], plain.size()[0])?)?;
        }
        self.on_colors(&plain, color::correlate)?.f_sigmoid()
    }

    /// Makes these pictures, `[n, c, h, w]`, f32, in `0..=1`, the ones at `places`: the exact inverse of [`Canvas::images`], but for
    /// values nearer than a quarter of a grey level to 0 or 1, which the sigmoid does not reach. What pictures share stays as it is.
    pub fn set_images(&mut self, places: &Tensor, pictures: &Tensor) -> Result<(), TchError> {
        let logits = pictures.f_clamp(NEAREST, 1.0 - NEAREST)?.f_logit(None::<f64>)?;
        let mut plain = self.on_colors(&logits, color::decorrelate)?;
        if let Some(shared) = &self.shared {
            let all = shared.images(&self.leaves[1], self.leaves[0].size()[0])?.detach();
            plain = plain.f_sub(&all.f_index_select(0, places)?)?;
        }
        let numbers = self.basis.numbers(&plain)?;
        let numbers =
            numbers.ok_or_else(|| TchError::Shape("this parameterization has no inverse".into()))?;
        tch::no_grad(|| self.leaves[0].f_index_copy_(0, places, &numbers).map(|_| ()))
    }

    /// The pictures' colours through `mix`, where they are decorrelated; opacity as it is.
    fn on_colors(
        &self,
        plain: &Tensor,
        mix: fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        match (self.decorrelate_colors, self.alpha) {
            (false, _) => Ok(plain.shallow_clone()),
            (true, false) => mix(plain),
            (true, true) => {
                let colors = plain.size()[1] - 1;
                let mixed = mix(&plain.f_narrow(1, 0, colors)?)?;
                Tensor::f_cat(&[mixed, plain.f_narrow(1, colors, 1)?], 1)
            }
        }
    }
}

/// How near to black and white a picture may come before it is taken back through the sigmoid: a quarter of a grey level.
const NEAREST: f64 = 1.0 / 1024.0;

/// So many draws from a normal distribution around 0.
fn normals(draws: &mut Draws, count: i64, standard_deviation: f64) -> Vec<f32> {
    (0..count).map(|_| (draws.normal() * standard_deviation) as f32).collect()
}

/// A standard normal `[n, c, h, w]` for tests of the parts.
#[cfg(test)]
fn noise(shape: &[i64]) -> Tensor {
    let mut draws = Draws::new(3, 0, 0, Use::Start);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| draws.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

#[cfg(test)]
#[path = "parameterization_tests.rs"]
mod tests;
