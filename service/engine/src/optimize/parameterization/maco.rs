//! A picture whose spectrum has fixed magnitudes: the optimizer moves phases alone.

use super::Basis;
use crate::seed::Draws;
use crate::spec::Spectrum;
use std::f64::consts::PI;
use tch::{Device, Kind, TchError, Tensor};

/// Keeps the division by a deviation finite (xplique, `features_visualizations/preconditioning.py`).
const EPSILON: f64 = 1e-5;

/// Magnitude-constrained optimization (Fel et al. 2023; xplique, `maco_image_parametrization`): phases, standardized over each picture to mean 0 and
/// deviation π/√3, and magnitudes M make the spectrum M·e^{iφ}; its inverse transform, standardized over each picture to mean 0 and deviation 1,
/// is the picture before colours and sigmoid. π/√3 is the deviation of even phases; the source's 1 keeps phases near 0, where all waves meet
/// in the corner of the picture.
pub struct Maco {
    channels: i64,
    height: i64,
    width: i64,
    /// `[1 or c, h, w / 2 + 1]`, f32.
    magnitude: Tensor,
}

impl Maco {
    /// With these magnitudes, resampled to the picture's frequencies, or 1 / f, of photographs, where there are none.
    pub fn new(
        channels: i64,
        height: i64,
        width: i64,
        magnitude: Option<&Spectrum>,
        device: Device,
    ) -> Result<Self, TchError> {
        let values = match magnitude {
            Some(spectrum) => resampled(spectrum, height, width),
            None => natural(height, width),
        };
        let shape = [-1, height, width / 2 + 1];
        Ok(Self {
            channels,
            height,
            width,
            magnitude: Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to(device)?,
        })
    }
}

impl Basis for Maco {
    fn shape(&self) -> Vec<i64> {
        vec![self.channels, self.height, self.width / 2 + 1]
    }

    /// Even over all phases.
    fn start(&self, draws: &mut Draws) -> Vec<f32> {
        let count: i64 = self.shape().iter().product();
        (0..count).map(|_| draws.uniform(-PI, PI) as f32).collect()
    }

    fn images(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        let phase = standardize(numbers)?.f_mul_scalar(PI / 3f64.sqrt())?;
        let spectrum = Tensor::f_complex(
            &phase.f_cos()?.f_mul(&self.magnitude)?,
            &phase.f_sin()?.f_mul(&self.magnitude)?,
        )?;
        let size = [self.height, self.width];
        standardize(&spectrum.f_fft_irfft2(&size[..], [-2, -1].as_slice(), "ortho")?)
    }

    fn numbers(&self, _: &Tensor) -> Result<Option<Tensor>, TchError> {
        Ok(None)
    }
}

/// Each picture's numbers with mean 0 and deviation 1.
fn standardize(numbers: &Tensor) -> Result<Tensor, TchError> {
    let all = [1, 2, 3];
    let centred = numbers.f_sub(&numbers.f_mean_dim(all.as_slice(), true, Kind::Float)?)?;
    let variance = centred.f_square()?.f_mean_dim(all.as_slice(), true, Kind::Float)?;
    // A root has no slope at 0, where pictures of one pixel are.
    let deviation = variance.f_add_scalar(f64::from(f32::MIN_POSITIVE))?.f_sqrt()?.f_add_scalar(EPSILON)?;
    centred.f_div(&deviation)
}

/// Where the frequencies of `height` × `width` pixels lie, in cycles per pixel: rows −0.5 … 0.5 in the order of the Fourier transform,
/// columns 0 … 0.5.
fn frequencies(height: i64, width: i64) -> impl Iterator<Item = (f64, f64)> {
    let row = move |k: i64| (if k > (height - 1) / 2 { k - height } else { k }) as f64 / height as f64;
    (0..height).flat_map(move |k| (0..=width / 2).map(move |l| (row(k), l as f64 / width as f64)))
}

/// 1 / f, where the mean of the picture counts as the lowest frequency that fits.
fn natural(height: i64, width: i64) -> Vec<f32> {
    let lowest = 1.0 / height.max(width) as f64;
    frequencies(height, width).map(|(row, column)| (1.0 / row.hypot(column).max(lowest)) as f32).collect()
}

/// The spectrum at the frequencies of `height` × `width` pixels, bilinearly, one channel after the other.
fn resampled(spectrum: &Spectrum, height: i64, width: i64) -> Vec<f32> {
    let (rows, columns) = (spectrum.height as usize, spectrum.columns as usize);
    let mut values = Vec::new();
    for plane in spectrum.values.chunks_exact(rows * columns) {
        values.extend(frequencies(height, width).map(|(row, column)| {
            // Row frequencies come round; the highest column frequency is the last column.
            let row = (row * rows as f64).rem_euclid(rows as f64);
            let column = (column * (2 * (columns - 1)) as f64).min((columns - 1) as f64);
            let (k, l) = (row.floor() as usize % rows, column.floor() as usize);
            let (next_k, next_l) = ((k + 1) % rows, (l + 1).min(columns - 1));
            let (down, right) = (row.fract(), column.fract());
            let at = |k: usize, l: usize| f64::from(plane[k * columns + l]);
            let above = at(k, l) * (1.0 - right) + at(k, next_l) * right;
            let below = at(next_k, l) * (1.0 - right) + at(next_k, next_l) * right;
            (above * (1.0 - down) + below * down) as f32
        }));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;

    /// The magnitudes of what is made are in the asked proportions, whatever the phases; rows and columns are not swapped.
    #[test]
    fn a_picture_has_the_magnitudes_that_were_asked_for() {
        let (height, width) = (12, 20);
        let maco = Maco::new(3, height, width, None, Device::Cpu).unwrap();
        let phases = noise(&[2, 3, height, width / 2 + 1]);
        let made = maco.images(&phases).unwrap();
        let found = made.fft_rfft2(&[height, width][..], [-2, -1].as_slice(), "ortho").abs();
        let share = &found / &maco.magnitude;
        // Real parts alone survive in columns 0 and w / 2, and the mean is taken away.
        let inside = share.narrow(3, 1, width / 2 - 1);
        for image in 0..2 {
            let inside = inside.get(image);
            let (least, most) = (inside.min().double_value(&[]), inside.max().double_value(&[]));
            assert!(most / least < 1.001, "{least} … {most}");
        }
        let deviation = made.get(1).std(false).double_value(&[]);
        assert!((deviation - 1.0).abs() < 1e-3, "{deviation}");
    }

    /// A spectrum of twice the size has the same magnitudes at the same frequencies.
    #[test]
    fn a_spectrum_is_read_at_the_pictures_frequencies() {
        let (height, width) = (8, 12);
        // Every second frequency of the larger spectrum is one of the smaller, and no two rows are alike.
        let of = |height: i64, width: i64| -> Vec<f32> {
            frequencies(height, width).map(|(row, column)| (2.0 + row + 3.0 * column) as f32).collect()
        };
        let spectrum = Spectrum { channels: 1, height: 16, columns: 13, values: of(16, 24) };
        let (found, expected) = (resampled(&spectrum, height, width), of(height, width));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{found} against {expected}");
        }
    }
}
