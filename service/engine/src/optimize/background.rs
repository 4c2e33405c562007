//! What is behind the transparent parts of pictures, where pictures have any.

use super::parameterization::color;
use super::parameterization::fourier::Fourier;
use crate::seed::{Draws, Use};
use crate::spec::OptimizeSpec;
use tch::{Device, TchError, Tensor};

/// Of lucid's noise (`optvis/transform.py`, `collapse_alpha_random`): far stronger than a picture's start.
const STANDARD_DEVIATION: f64 = 0.5;

/// Mid grey, what pictures are scored over.
const GREY: f64 = 0.5;

/// Lays pictures over noise with the spectrum of photographs, new for every picture and view, so that what stays transparent cannot help
/// (Mordvintsev et al. 2018, "Differentiable Image Parameterizations"; lucid, `optvis/transform.py`, `collapse_alpha_random`).
pub struct Background {
    fourier: Fourier,
    decorrelate_colors: bool,
    seed: u64,
    channels: i64,
}

impl Background {
    /// For a spec whose pictures have an opacity besides `channels`; `None` for others.
    pub fn of(spec: &OptimizeSpec, channels: i64, device: Device) -> Result<Option<Self>, TchError> {
        if !spec.parameterization.alpha {
            return Ok(None);
        }
        let fourier = Fourier::new(channels, i64::from(spec.height), i64::from(spec.width), 1.0, device)?
            .starting_at(STANDARD_DEVIATION);
        let decorrelate_colors = spec.parameterization.decorrelate_colors;
        Ok(Some(Self { fourier, decorrelate_colors, seed: spec.seed, channels }))
    }

    /// Colours and opacity, `[n, c + 1, h, w]`, of the pictures `numbers`, over the noise of a `view`, or over mid grey: α · x + (1 − α) · b,
    /// `[n, c, h, w]`.
    pub fn behind(&self, numbers: &[u32], view: Option<u32>, pictures: &Tensor) -> Result<Tensor, TchError> {
        let background = match view {
            Some(view) => self.noise(numbers, view, pictures.device())?,
            None => pictures.detach().f_narrow(1, 0, self.channels)?.f_full_like(GREY)?,
        };
        over(pictures, &background)
    }

    fn noise(&self, numbers: &[u32], view: u32, device: Device) -> Result<Tensor, TchError> {
        let rows = numbers
            .iter()
            .map(|&image| self.fourier.drawn(&mut Draws::new(self.seed, image, view, Use::Background)));
        let rows: Vec<Tensor> = rows.collect::<Result<_, TchError>>()?;
        let plain = self.fourier.pictures(&Tensor::f_stack(&rows, 0)?.f_to(device)?)?;
        let colored = if self.decorrelate_colors { color::correlate(&plain)? } else { plain };
        colored.f_sigmoid()
    }
}

/// Colours and opacity, `[n, c + 1, h, w]`, over `background`, `[n, c, h, w]`.
pub fn over(pictures: &Tensor, background: &Tensor) -> Result<Tensor, TchError> {
    let channels = background.size()[1];
    let (colors, opacity) = (pictures.f_narrow(1, 0, channels)?, pictures.f_narrow(1, channels, 1)?);
    // b + α · (x − b), where nothing is left of b at an opacity of 1.
    background.f_add(&opacity.f_mul(&colors.f_sub(background)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Parameterization;
    use tch::Kind;

    fn background() -> Background {
        let testing = crate::optimize::testing::spec(6, 10);
        let parameterization = Parameterization { alpha: true, ..testing.parameterization.clone() };
        let spec = OptimizeSpec { parameterization, ..testing };
        Background::of(&spec, 3, Device::Cpu).unwrap().unwrap()
    }

    #[test]
    fn what_is_opaque_hides_it_and_what_is_transparent_shows_it() {
        let colors = Tensor::full([2, 3, 6, 10], 0.25, (Kind::Float, Device::Cpu));
        let over = |opacity: f64, view| {
            let opacity = Tensor::full([2, 1, 6, 10], opacity, (Kind::Float, Device::Cpu));
            let pictures = Tensor::cat(&[&colors, &opacity], 1);
            background().behind(&[0, 3], view, &pictures).unwrap()
        };
        assert!(over(1.0, Some(1)).allclose(&colors, 1e-6, 1e-6, false));
        assert!(over(0.0, None).allclose(&colors.full_like(0.5), 0.0, 0.0, false));
        assert!(over(0.5, None).allclose(&colors.full_like(0.375), 1e-6, 1e-6, false));
        let noise = over(0.0, Some(1));
        assert!(noise.std(false).double_value(&[]) > 0.05, "it is seen");
        assert_ne!(noise.get(0), noise.get(1), "it is each picture's own");
        assert_ne!(noise, over(0.0, Some(2)), "it is new for each view");
    }
}
