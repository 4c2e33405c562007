//! A picture as a small network that takes a pixel's place and gives its colour: smooth at every size.

use super::Basis;
use crate::seed::Draws;
use tch::{Device, Kind, TchError, Tensor};

/// A compositional pattern-producing network for each picture (Stanley 2007; Mordvintsev et al. 2018, "Differentiable Image
/// Parameterizations"; lucid, `optvis/param/cppn.py`): places in −√3 … √3, hidden layers x ↦ \[atan(Wx + b) / 0.67, atan²(Wx + b) / 0.6\], then
/// one layer without; weights start with variance 1 / inputs, those of the last layer and all b at 0.
pub struct Cppn {
    /// `[h · w, 2]`: each pixel's column and row; the longer side spans −√3 … √3.
    places: Tensor,
    height: i64,
    width: i64,
    /// Inputs and outputs of each layer.
    layers: Vec<(i64, i64)>,
}

impl Cppn {
    /// A network of `layers` hidden layers of `units` each.
    pub fn new(
        channels: i64,
        height: i64,
        width: i64,
        layers: u32,
        units: u32,
        device: Device,
    ) -> Result<Self, TchError> {
        let units = i64::from(units);
        let mut sizes = Vec::new();
        let mut inputs = 2;
        for _ in 0..layers {
            sizes.push((inputs, units));
            inputs = 2 * units;
        }
        sizes.push((inputs, channels));
        // Even places over a side have deviation 1 if it spans −√3 … √3.
        let root = 3f64.sqrt();
        let longer = (height.max(width) - 1).max(1) as f64;
        let along = |side: i64| -> Result<Tensor, TchError> {
            let end = root * (side - 1) as f64 / longer;
            Tensor::f_linspace(-end, end, side, (Kind::Float, device))
        };
        let columns = along(width)?.f_unsqueeze(0)?.f_expand([height, width], false)?;
        let rows = along(height)?.f_unsqueeze(1)?.f_expand([height, width], false)?;
        let places = Tensor::f_stack(&[columns, rows], -1)?.f_reshape([height * width, 2])?;
        Ok(Self { places, height, width, layers: sizes })
    }
}

impl Basis for Cppn {
    fn shape(&self) -> Vec<i64> {
        vec![self.layers.iter().map(|(inputs, outputs)| (inputs + 1) * outputs).sum()]
    }

    fn start(&self, draws: &mut Draws) -> Vec<f32> {
        let mut numbers = Vec::new();
        for &(inputs, outputs) in &self.layers[..self.layers.len() - 1] {
            let deviation = 1.0 / (inputs as f64).sqrt();
            numbers.extend(super::normals(draws, inputs * outputs, deviation));
            numbers.extend((0..outputs).map(|_| 0.0));
        }
        numbers.resize(self.shape()[0] as usize, 0.0);
        numbers
    }

    fn images(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        let n = numbers.size()[0];
        let mut values = self.places.f_unsqueeze(0)?.f_expand([n, -1, -1], false)?;
        let mut first = 0;
        for (place, &(inputs, outputs)) in self.layers.iter().enumerate() {
            let weights = numbers.f_narrow(1, first, inputs * outputs)?.f_reshape([n, inputs, outputs])?;
            first += inputs * outputs;
            let biases = numbers.f_narrow(1, first, outputs)?.f_unsqueeze(1)?;
            first += outputs;
            values = values.f_bmm(&weights)?.f_add(&biases)?;
            if place + 1 < self.layers.len() {
                let turned = values.f_atan()?;
                values =
                    Tensor::f_cat(&[turned.f_div_scalar(0.67)?, turned.f_square()?.f_div_scalar(0.6)?], 2)?;
            }
        }
        let channels = values.size()[2];
        values.f_transpose(1, 2)?.f_reshape([n, channels, self.height, self.width])
    }

    fn numbers(&self, _: &Tensor) -> Result<Option<Tensor>, TchError> {
        Ok(None)
    }
}
