//! A picture as a sum of pictures of ever fewer pixels, each enlarged to the whole.

use super::{Basis, normals};
use crate::seed::Draws;
use tch::{TchError, Tensor};

/// Σ over levels k of enlarge(z_k), where z_k has the picture's sides divided by 2^k and is enlarged bilinearly (lucid,
/// `optvis/param/spatial.py`, `laplacian_pyramid`), from the centres of pixels, where lucid enlarges from their corners.
pub struct Laplacian {
    /// Of the picture.
    pub channels: i64,
    /// Rows of the picture.
    pub height: i64,
    /// Columns of the picture.
    pub width: i64,
    /// At least 1; the first has the picture's size.
    pub levels: u32,
    /// Of every level's start.
    pub standard_deviation: f64,
}

impl Laplacian {
    /// Rows and columns of each level, at least one of each.
    fn sizes(&self) -> impl Iterator<Item = [i64; 2]> {
        (0..self.levels).map(|level| [(self.height >> level).max(1), (self.width >> level).max(1)])
    }
}

impl Basis for Laplacian {
    fn shape(&self) -> Vec<i64> {
        vec![self.sizes().map(|[height, width]| self.channels * height * width).sum()]
    }

    fn start(&self, draws: &mut Draws) -> Vec<f32> {
        normals(draws, self.shape()[0], self.standard_deviation)
    }

    fn images(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        let n = numbers.size()[0];
        let (mut first, mut sum) = (0, None);
        for size in self.sizes() {
            let [height, width] = size;
            let count = self.channels * height * width;
            let level = numbers.f_narrow(1, first, count)?.f_reshape([n, self.channels, height, width])?;
            let level = enlarge(&level, [self.height, self.width])?;
            sum = Some(match sum {
                None => level,
                Some(sum) => level.f_add(&sum)?,
            });
            first += count;
        }
        Ok(sum.expect("there is at least one level"))
    }

    /// What a coarse level can hold of the picture it gets, the finest one the rest, so that their sum is the picture.
    fn numbers(&self, images: &Tensor) -> Result<Option<Tensor>, TchError> {
        let sizes: Vec<[i64; 2]> = self.sizes().collect();
        let mut rest = images.shallow_clone();
        let mut levels = Vec::new();
        for &[height, width] in sizes[1..].iter().rev() {
            let level =
                rest.f_internal_upsample_bilinear2d_aa([height, width], false, None::<f64>, None::<f64>)?;
            rest = rest.f_sub(&enlarge(&level, [self.height, self.width])?)?;
            levels.push(level);
        }
        levels.push(rest);
        let flat: Vec<Tensor> = levels.iter().rev().map(|l| l.f_flatten(1, -1)).collect::<Result<_, _>>()?;
        Tensor::f_cat(&flat, 1).map(Some)
    }
}

fn enlarge(level: &Tensor, size: [i64; 2]) -> Result<Tensor, TchError> {
    level.f_upsample_bilinear2d(size, false, None::<f64>, None::<f64>)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One number of the coarsest level moves a patch of the picture, on pictures whose sides differ.
    #[test]
    fn a_number_of_a_coarse_level_is_a_patch() {
        let pyramid = Laplacian { channels: 1, height: 8, width: 16, levels: 3, standard_deviation: 1.0 };
        let count = pyramid.shape()[0];
        assert_eq!(count, 8 * 16 + 4 * 8 + 2 * 4);
        let numbers = Tensor::zeros([1, count], (tch::Kind::Float, tch::Device::Cpu));
        // Row 0, column 2 of 2 × 4.
        let _ = numbers.get(0).get(8 * 16 + 4 * 8 + 2).fill_(1.0);
        let image = pyramid.images(&numbers).unwrap();
        // Its middle, between pixels 9 and 10 of 16 and 1 and 2 of 8, a half pixel of 4 away from where it would be 1.
        assert!((image.double_value(&[0, 0, 1, 9]) - 0.875).abs() < 1e-6);
        assert!((image.double_value(&[0, 0, 0, 9]) - 0.875).abs() < 1e-6);
        assert_eq!(image.double_value(&[0, 0, 7, 9]), 0.0);
        assert_eq!(image.double_value(&[0, 0, 1, 1]), 0.0);
    }
}
