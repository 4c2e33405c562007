//! A Gaussian blur of one image's channels, for `blur_gradient` and `blur_image`.

use unitscope_sdk::{Float, Grid, GridMut, Param, Value};

/// Beyond three standard deviations a Gaussian has 0.3 % of its weight.
const REACH: f64 = 3.0;

/// The largest one costs 385 products per pixel and direction.
pub const SIGMA: Param = Param::float("sigma_px", "The Gaussian's standard deviation.")
    .default(Value::Float(1.0))
    .min(0.1)
    .max(64.0)
    .unit("px");

/// exp(−d²/(2·sigma_px²)) for d = 0, 1, … up to 3·sigma_px, rounded up; no sum is taken out, because the border's is another one.
pub struct Gaussian {
    weights: Vec<f64>,
}

impl Gaussian {
    pub fn new(sigma_px: f64) -> Gaussian {
        let reach = (REACH * sigma_px).ceil() as usize;
        let weight = |d: usize| (-0.5 * (d as f64 / sigma_px).powi(2)).exp();
        Gaussian { weights: (0..=reach).map(weight).collect() }
    }

    /// Blurs every channel: along rows, then along columns, each time the weighted mean of the pixels that there are.
    pub fn apply<T: Float>(&self, image: &mut GridMut<'_, T>) {
        let [channels, height, width] = image.as_grid().sizes();
        let mut values = Vec::new();
        for channel in 0..channels {
            let mut channel = image.channel(channel);
            channel.as_grid().copy_to(&mut values);
            let plane: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
            let blurred = self.columns(&self.columns(&plane, width), height);
            let blurred: Vec<T> = blurred.into_iter().map(T::from_f64).collect();
            channel.update(&Grid::channels_last(&blurred, [1, height, width]), |new, out| *out = new);
        }
    }

    /// The blur along rows of this length, transposed: row by row in, column by column out.
    fn columns(&self, plane: &[f64], length: usize) -> Vec<f64> {
        let rows = plane.len() / length;
        let mut out = vec![0.0; plane.len()];
        for (row, values) in plane.chunks(length).enumerate() {
            for at in 0..length {
                let (mut sum, mut total) = (0.0, 0.0);
                let first = at.saturating_sub(self.weights.len() - 1);
                for (other, value) in values.iter().enumerate().take(at + self.weights.len()).skip(first) {
                    let weight = self.weights[at.abs_diff(other)];
                    sum += weight * value;
                    total += weight;
                }
                out[at * rows + row] = sum / total;
            }
        }
        out
    }
}
