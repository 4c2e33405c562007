//! What all pictures have in common: small pictures, enlarged. Neighbours of an interpolation, or what shows several units, then look alike.

use super::normals;
use crate::seed::Draws;
use crate::spec;
use tch::{TchError, Tensor};

/// Σ over levels of enlarge(z), where z has so many anchors, the picture's channels, and its sides divided by the level's divisor; it is
/// enlarged linearly over pictures, rows and columns (lucid, `optvis/param/lowres.py`, `lowres_tensor`), from the centres of pixels, where
/// lucid enlarges from their corners.
pub struct Shared {
    channels: i64,
    height: i64,
    width: i64,
    /// Pictures of each level.
    anchors: i64,
    /// Rows and columns of each level.
    sizes: Vec<[i64; 2]>,
}

impl Shared {
    /// Of pictures of this size.
    pub fn new(spec: &spec::Shared, channels: i64, height: i64, width: i64) -> Self {
        let size = |&divisor: &u32| [height, width].map(|side| (side / i64::from(divisor)).max(1));
        let sizes = spec.divisors.iter().map(size).collect();
        Self { channels, height, width, anchors: i64::from(spec.anchors), sizes }
    }

    /// Where it starts; as deep in the grey as a picture of pixels.
    pub fn start(&self, draws: &mut Draws) -> Vec<f32> {
        let count = self.sizes.iter().map(|size| self.count(*size)).sum();
        normals(draws, count, spec::Basis::STANDARD_DEVIATION)
    }

    /// `[1, numbers]` to `[n, c, h, w]`.
    pub fn images(&self, numbers: &Tensor, n: i64) -> Result<Tensor, TchError> {
        let mut first = 0;
        let mut sum = None;
        for &[height, width] in &self.sizes {
            let count = self.count([height, width]);
            // The pictures of a level as the depth of one volume.
            let level =
                numbers.f_narrow(1, first, count)?.f_reshape([self.anchors, self.channels, height, width])?;
            let volume = level.f_transpose(0, 1)?.f_unsqueeze(0)?;
            let size = [n, self.height, self.width];
            let whole = volume.f_upsample_trilinear3d(size, false, None::<f64>, None::<f64>, None::<f64>)?;
            let whole = whole.f_squeeze_dim(0)?.f_transpose(0, 1)?;
            sum = Some(match sum {
                None => whole,
                Some(sum) => whole.f_add(&sum)?,
            });
            first += count;
        }
        Ok(sum.expect("there is at least one level, as the spec was checked"))
    }

    fn count(&self, size: [i64; 2]) -> i64 {
        self.anchors * self.channels * size[0] * size[1]
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;

    fn shared(divisors: &[u32], anchors: u32) -> (Shared, Tensor) {
        let shared = Shared::new(&spec::Shared { divisors: divisors.to_vec(), anchors }, 3, 8, 16);
        let count = shared.sizes.iter().map(|size| shared.count(*size)).sum();
        (shared, noise(&[1, count]))
    }

    #[test]
    fn one_anchor_is_the_same_for_all() {
        let (shared, numbers) = shared(&[2, 8], 1);
        let images = shared.images(&numbers, 3).unwrap();
        assert_eq!(images.size(), [3, 3, 8, 16]);
        assert_eq!(images.get(0), images.get(2));
    }

    #[test]
    fn between_two_anchors_pictures_are_blended_from_the_first_to_the_last() {
        let (shared, numbers) = shared(&[4], 2);
        let images = shared.images(&numbers, 6).unwrap();
        let ends = (images.get(0) + images.get(5)) / 2.0;
        let middle = (images.get(2) + images.get(3)) / 2.0;
        assert!(middle.allclose(&ends, 1e-5, 1e-6, false));
        assert_ne!(images.get(0), images.get(5));
    }
}
