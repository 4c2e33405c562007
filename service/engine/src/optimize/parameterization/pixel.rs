//! Pixels as themselves: the plain parameterization of Erhan et al. 2009.

use super::{Basis, normals};
use crate::seed::Draws;
use tch::{TchError, Tensor};

/// One number per pixel and channel.
pub struct Pixel {
    /// Channels, rows, columns.
    pub shape: [i64; 3],
    /// Of the start.
    pub standard_deviation: f64,
}

impl Basis for Pixel {
    fn shape(&self) -> Vec<i64> {
        self.shape.to_vec()
    }

    fn start(&self, draws: &mut Draws) -> Vec<f32> {
        normals(draws, self.shape.iter().product(), self.standard_deviation)
    }

    fn images(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        Ok(numbers.shallow_clone())
    }

    fn numbers(&self, images: &Tensor) -> Result<Option<Tensor>, TchError> {
        Ok(Some(images.shallow_clone()))
    }
}
