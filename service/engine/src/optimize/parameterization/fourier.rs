//! A picture as its spectrum, with each frequency scaled so that all matter alike.

use super::{Basis, normals};
use crate::seed::Draws;
use crate::spec;
use tch::{Device, Kind, TchError, Tensor};

/// Keeps a fresh picture unsaturated (lucid, `optvis/param/spatial.py`, `fft_image`).
const IMAGE_SCALE: f64 = 4.0;

/// The Fourier parameterization of one picture size (lucid, `optvis/param/spatial.py`, `fft_image`; Olah,
/// Mordvintsev, Schubert 2017, "Preconditioning and Parameterization").
pub struct Fourier {
    channels: i64,
    height: i64,
    width: i64,
    /// `[h, w / 2 + 1, 1]`, f32: 1 / max(f, 1 / max(h, w))^p, with f in cycles per pixel.
    scale: Tensor,
    standard_deviation: f64,
}

impl Fourier {
    /// The parameterization of pictures of `channels` of `height` × `width` pixels, scaled by 1 / f^`decay_power`.
    pub fn new(
        channels: i64,
        height: i64,
        width: i64,
        decay_power: f64,
        device: Device,
    ) -> Result<Self, TchError> {
        let options = (Kind::Double, Device::Cpu);
        let rows = Tensor::f_fft_fftfreq(height, 1.0, options)?.f_unsqueeze(1)?;
        let columns = Tensor::f_fft_rfftfreq(width, 1.0, options)?.f_unsqueeze(0)?;
        let frequency = (rows.f_square()? + columns.f_square()?).f_sqrt()?;
        // The mean of the picture has frequency zero; it counts as the lowest frequency that fits.
        let lowest = 1.0 / height.max(width) as f64;
        let scale = frequency.f_clamp_min(lowest)?.f_pow_tensor_scalar(-decay_power)?;
        let scale = scale.f_unsqueeze(-1)?.f_to_kind(Kind::Float)?.f_to(device)?;
        let standard_deviation = spec::Basis::STANDARD_DEVIATION;
        Ok(Self { channels, height, width, scale, standard_deviation })
    }

    /// With a start of this deviation.
    pub fn starting_at(self, standard_deviation: f64) -> Self {
        Self { standard_deviation, ..self }
    }

    /// The start of one picture, `[c, h, w / 2 + 1, 2]`, on the CPU.
    pub fn drawn(&self, draws: &mut Draws) -> Result<Tensor, TchError> {
        Tensor::f_from_slice(&self.start(draws))?.f_reshape(self.shape())
    }

    /// `[n, c, h, w / 2 + 1, 2]` to `[n, c, h, w]`, around 0.
    pub fn pictures(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        self.images(numbers)
    }
}

impl Basis for Fourier {
    /// Real and imaginary parts of half a spectrum, the rest of which follows because pictures are real.
    fn shape(&self) -> Vec<i64> {
        vec![self.channels, self.height, self.width / 2 + 1, 2]
    }

    fn start(&self, draws: &mut Draws) -> Vec<f32> {
        normals(draws, self.shape().iter().product(), self.standard_deviation)
    }

    /// `[n, c, h, w / 2 + 1, 2]` to `[n, c, h, w]`.
    fn images(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        let spectrum = numbers.f_mul(&self.scale)?.f_view_as_complex()?;
        let size = [self.height, self.width];
        spectrum.f_fft_irfft2(&size[..], [-2, -1].as_slice(), "ortho")?.f_div_scalar(IMAGE_SCALE)
    }

    fn numbers(&self, images: &Tensor) -> Result<Option<Tensor>, TchError> {
        let size = [self.height, self.width];
        let scaled = images.f_mul_scalar(IMAGE_SCALE)?;
        let spectrum = scaled.f_fft_rfft2(&size[..], [-2, -1].as_slice(), "ortho")?;
        spectrum.f_view_as_real()?.f_div(&self.scale).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;

    /// One coefficient at row frequency `k` and column frequency `l` must give the wave that the definition of the inverse
    /// transform gives, on pictures whose sides differ.
    #[test]
    fn a_single_coefficient_is_a_single_wave() {
        let (height, width, k, l) = (12i64, 10i64, 3i64, 2i64);
        let fourier = Fourier::new(1, height, width, 1.0, Device::Cpu).unwrap();
        let parameters = Tensor::zeros([1, 1, height, width / 2 + 1, 2], (Kind::Float, Device::Cpu));
        let _ = parameters.get(0).get(0).get(k).get(l).get(0).fill_(1.0);
        let image = fourier.images(&parameters).unwrap();
        let frequency = ((k as f64 / height as f64).powi(2) + (l as f64 / width as f64).powi(2)).sqrt();
        let amplitude = 2.0 / frequency / ((height * width) as f64).sqrt() / IMAGE_SCALE;
        for row in 0..height {
            for column in 0..width {
                let turn = k as f64 * row as f64 / height as f64 + l as f64 * column as f64 / width as f64;
                let expected = amplitude * (std::f64::consts::TAU * turn).cos();
                let found = image.double_value(&[0, 0, row, column]);
                assert!((found - expected).abs() < 1e-5, "{row},{column}: {found} against {expected}");
            }
        }
    }

    #[test]
    fn odd_sizes_keep_their_size() {
        let fourier = Fourier::new(3, 7, 5, 1.0, Device::Cpu).unwrap();
        let mut shape = vec![2];
        shape.extend(fourier.shape());
        assert_eq!(fourier.images(&noise(&shape)).unwrap().size(), [2, 3, 7, 5]);
    }
}
