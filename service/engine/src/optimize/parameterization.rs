//! How numbers become a picture: one file per parameterization, and the colour space they share.

mod color;
mod fourier;
mod pixel;

use crate::seed::{Draws, Use};
use crate::spec::{self, OptimizeSpec};
use tch::{Device, TchError, Tensor};

/// The pictures of a job as what the optimizer moves.
pub struct Canvas {
    /// A leaf that requires gradients; its first axis counts images.
    parameters: Tensor,
    kind: Kinds,
    decorrelate_colors: bool,
}

enum Kinds {
    Pixel,
    Fourier(fourier::Fourier),
}

impl Canvas {
    /// Draws the start of every picture of the spec, each from its own key.
    pub fn start(spec: &OptimizeSpec, channels: i64, device: Device) -> Result<Self, TchError> {
        let (height, width) = (i64::from(spec.height), i64::from(spec.width));
        let (shape, kind, deviation) = match spec.parameterization {
            spec::Parameterization::Pixel { standard_deviation } => {
                (vec![channels, height, width], Kinds::Pixel, standard_deviation)
            }
            spec::Parameterization::Fourier { standard_deviation, decay_power } => {
                let fourier = fourier::Fourier::new(height, width, decay_power, device)?;
                (fourier.shape(channels), Kinds::Fourier(fourier), standard_deviation)
            }
        };
        let starts: Vec<Tensor> = (0..spec.images)
            .map(|image| {
                let mut draws = Draws::new(spec.seed, image, 0, Use::Start);
                let count = shape.iter().product::<i64>();
                let values: Vec<f32> = (0..count).map(|_| (draws.normal() * deviation) as f32).collect();
                Tensor::f_from_slice(&values)?.f_reshape(&shape)
            })
            .collect::<Result<_, _>>()?;
        let parameters = Tensor::f_stack(&starts, 0)?.f_to(device)?.set_requires_grad(true);
        Ok(Self { parameters, kind, decorrelate_colors: spec.decorrelate_colors })
    }

    /// What the optimizer moves; the first axis counts images.
    pub fn parameters(&self) -> &Tensor {
        &self.parameters
    }

    /// The pictures, `[n, c, h, w]`, f32, each in `0..=1`, differentiable in the parameters.
    ///
    /// The sigmoid keeps them in range without clipping gradients (lucid, `optvis/param/color.py`, `to_valid_rgb`).
    pub fn images(&self) -> Result<Tensor, TchError> {
        let plain = match &self.kind {
            Kinds::Pixel => pixel::images(&self.parameters)?,
            Kinds::Fourier(fourier) => fourier.images(&self.parameters)?,
        };
        let colored = if self.decorrelate_colors { color::correlate(&plain)? } else { plain };
        colored.f_sigmoid()
    }

    /// Makes these pictures, `[n, c, h, w]`, f32, in `0..=1`, the ones at `places`: the exact inverse of [`Canvas::images`], but for
    /// values nearer than a quarter of a grey level to 0 or 1, which the sigmoid does not reach.
    pub fn set_images(&mut self, places: &Tensor, pictures: &Tensor) -> Result<(), TchError> {
        let logits = pictures.f_clamp(NEAREST, 1.0 - NEAREST)?.f_logit(None::<f64>)?;
        let plain = if self.decorrelate_colors { color::decorrelate(&logits)? } else { logits };
        let parameters = match &self.kind {
            Kinds::Pixel => plain,
            Kinds::Fourier(fourier) => fourier.parameters(&plain)?,
        };
        tch::no_grad(|| self.parameters.f_index_copy_(0, places, &parameters).map(|_| ()))
    }
}

/// How near to black and white a picture may come before it is taken back through the sigmoid: a quarter of a grey level.
const NEAREST: f64 = 1.0 / 1024.0;

/// A standard normal `[n, c, h, w]` for tests of the parts.
#[cfg(test)]
fn noise(shape: &[i64]) -> Tensor {
    let mut draws = Draws::new(3, 0, 0, Use::Start);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| draws.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Parameterization;

    fn spec(parameterization: Parameterization, height: u32, width: u32, images: u32) -> OptimizeSpec {
        OptimizeSpec { parameterization, images, ..crate::optimize::testing::spec(height, width) }
    }

    const FOURIER: Parameterization =
        Parameterization::Fourier { standard_deviation: 0.01, decay_power: 1.0 };

    /// Lucid's start before the sigmoid has these deviations at sd 0.01, p = 1 and the division by 4 (derived
    /// from its formula; a mean over the whole picture's spectrum).
    #[test]
    fn a_fourier_start_is_as_strong_as_lucids() {
        for (side, expected) in [(64, 0.0180), (128, 0.0195), (224, 0.0206)] {
            let canvas = Canvas::start(&spec(FOURIER, side, side, 8), 3, Device::Cpu).unwrap();
            let images = canvas.images().unwrap();
            let logits = images.logit(None::<f64>);
            let deviation = logits.std(false).double_value(&[]);
            assert!((deviation / expected - 1.0).abs() < 0.1, "{side}: {deviation} against {expected}");
        }
    }

    #[test]
    fn pictures_are_taken_back_exactly() {
        for parameterization in [FOURIER, Parameterization::Pixel { standard_deviation: 0.01 }] {
            for (height, width, channels) in [(96, 160, 3), (33, 20, 3), (8, 9, 1), (8, 8, 5)] {
                let spec = OptimizeSpec {
                    decorrelate_colors: channels == 3,
                    ..spec(parameterization, height, width, 3)
                };
                let mut canvas = Canvas::start(&spec, channels, Device::Cpu).unwrap();
                let before = canvas.images().unwrap().detach();
                let shape = [2, channels, i64::from(height), i64::from(width)];
                let wanted = super::noise(&shape).sigmoid();
                canvas.set_images(&Tensor::from_slice(&[0i64, 2]), &wanted).unwrap();
                let after = canvas.images().unwrap().detach();
                let moved = Tensor::stack(&[after.get(0), after.get(2)], 0);
                let error = (moved - &wanted).abs().max().double_value(&[]);
                assert!(error < 1e-5, "{parameterization:?} {height}×{width}×{channels}: {error}");
                assert_eq!(after.get(1), before.get(1), "the one between stays as it is");
            }
        }
    }

    #[test]
    fn images_have_the_asked_shape_and_range_and_do_not_depend_on_their_number() {
        for parameterization in [FOURIER, Parameterization::Pixel { standard_deviation: 0.01 }] {
            for (height, width) in [(96, 160), (33, 20), (1, 1)] {
                let one = Canvas::start(&spec(parameterization, height, width, 1), 3, Device::Cpu).unwrap();
                let three = Canvas::start(&spec(parameterization, height, width, 3), 3, Device::Cpu).unwrap();
                let (a, b) = (one.images().unwrap(), three.images().unwrap());
                assert_eq!(b.size(), [3, 3, i64::from(height), i64::from(width)]);
                assert!(b.min().double_value(&[]) > 0.0 && b.max().double_value(&[]) < 1.0);
                assert!(a.get(0).allclose(&b.get(0), 1e-6, 1e-6, false));
                if height > 1 {
                    assert!(!b.get(0).allclose(&b.get(1), 1e-3, 1e-3, false), "starts differ");
                }
            }
        }
    }
}
