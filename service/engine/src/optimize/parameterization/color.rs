//! The decorrelated colour space: steps in it move colours as they vary in photographs.

use tch::{Kind, TchError, Tensor};

/// The square root of the colour covariance of ImageNet (lucid, `optvis/param/color.py`, `color_correlation_svd_sqrt`).
const CORRELATION_ROOT: [[f64; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];

/// `[n, 3, h, w]` in the decorrelated space to red, green and blue: each pixel times the root, which is divided by the largest
/// norm of its columns, as lucid does (`_linear_decorrelate_color`).
pub fn correlate(images: &Tensor) -> Result<Tensor, TchError> {
    mix(images, &root()?)
}

/// The inverse of [`correlate`].
pub fn decorrelate(images: &Tensor) -> Result<Tensor, TchError> {
    mix(images, &root()?.f_inverse()?)
}

/// `[3, 3]`, f64.
fn root() -> Result<Tensor, TchError> {
    let largest = (0..3)
        .map(|column| CORRELATION_ROOT.iter().map(|row| row[column].powi(2)).sum::<f64>().sqrt())
        .fold(0.0, f64::max);
    let flat: Vec<f64> = CORRELATION_ROOT.concat().iter().map(|value| value / largest).collect();
    Tensor::f_from_slice(&flat)?.f_reshape([3, 3])
}

fn mix(images: &Tensor, matrix: &Tensor) -> Result<Tensor, TchError> {
    let matrix = matrix.f_reshape([3, 3, 1, 1])?.f_to_kind(Kind::Float)?.f_to(images.device())?;
    images.f_conv2d(&matrix, None::<&Tensor>, 1, 0, 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn a_pixel_is_multiplied_by_the_normalized_root() {
        let pixel = Tensor::from_slice(&[1.0f32, 2.0, 3.0]).reshape([1, 3, 1, 1]);
        let found = Vec::<f32>::try_from(correlate(&pixel).unwrap().reshape([3])).unwrap();
        // The first column's norm, √(0.26² + 0.27² + 0.27²), is the largest.
        let norm = (0.26f32.powi(2) + 2.0 * 0.27f32.powi(2)).sqrt();
        let expected = [0.26 + 2.0 * 0.09 + 3.0 * 0.02, 0.27 - 3.0 * 0.05, 0.27 - 2.0 * 0.09 + 3.0 * 0.03];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected / norm).abs() < 1e-6, "{found} against {}", expected / norm);
        }
    }

    #[test]
    fn grey_stays_grey_in_sign() {
        let grey = Tensor::from_slice(&[1.0f32, 0.0, 0.0]).reshape([1, 3, 1, 1]).to(Device::Cpu);
        let found = Vec::<f32>::try_from(correlate(&grey).unwrap().reshape([3])).unwrap();
        assert!(found.iter().all(|value| *value > 0.5), "the first axis is brightness: {found:?}");
    }
}
