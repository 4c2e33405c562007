//! lucid's small blur of one channel, for `blur` and `boundary_complexity`: what it takes away, and the exact gradient of that.

use unitscope_sdk::{Float, Grid, GridMut};

/// (K·x)[p] = Σ_q k(q − p)·x[q] / Σ_q k(q − p), over the pixels q inside of the image, with k = 1 up to `reach` − 1 rows and columns away, ½
/// at `reach`, 0 beyond: lucid's `_tf_blur`, whose width is 2·reach + 1.
pub struct Blur {
    reach: usize,
    height: usize,
    width: usize,
    /// Σ_q k(q − p) for every p.
    weights: Vec<f64>,
}

impl Blur {
    /// `reach` is at least 1.
    pub fn new(reach: usize, height: usize, width: usize) -> Blur {
        let mut blur = Blur { reach, height, width, weights: Vec::new() };
        blur.weights = blur.sum(&vec![1.0; height * width]);
        blur
    }

    /// Σ mask·(K·x − x)², and its gradient 2·(Kᵀ − 1)·(mask·(K·x − x)); k is symmetric, so that only the division by the weights has to
    /// change places in Kᵀ.
    pub fn roughness(&self, x: &[f64], mask: &[f64]) -> (f64, Vec<f64>) {
        let taken: Vec<f64> =
            self.sum(x).iter().zip(&self.weights).zip(x).map(|((s, w), x)| s / w - x).collect();
        let value = taken.iter().zip(mask).map(|(t, m)| m * t * t).sum();
        let masked: Vec<f64> = taken.iter().zip(mask).map(|(t, m)| t * m).collect();
        let divided: Vec<f64> = masked.iter().zip(&self.weights).map(|(m, w)| m / w).collect();
        let gradient = self.sum(&divided).iter().zip(&masked).map(|(s, m)| 2.0 * (s - m)).collect();
        (value, gradient)
    }

    /// Σ_q k(q − p)·x[q]: half of the larger window's sum and half of the smaller one's.
    fn sum(&self, x: &[f64]) -> Vec<f64> {
        let (large, small) = (self.window(x, self.reach), self.window(x, self.reach - 1));
        large.iter().zip(&small).map(|(large, small)| 0.5 * (large + small)).collect()
    }

    /// The sum over the pixels at most `reach` rows and columns away.
    fn window(&self, x: &[f64], reach: usize) -> Vec<f64> {
        let (height, width) = (self.height, self.width);
        let around = |at: usize, size: usize| at.saturating_sub(reach)..(at + reach + 1).min(size);
        let mut across = Vec::with_capacity(x.len());
        for row in x.chunks(width) {
            across.extend((0..width).map(|column| row[around(column, width)].iter().sum::<f64>()));
        }
        let mut out = Vec::with_capacity(x.len());
        for row in 0..height {
            let rows = around(row, height);
            out.extend(
                (0..width).map(|column| rows.clone().map(|row| across[row * width + column]).sum::<f64>()),
            );
        }
        out
    }
}

/// One channel of an image, row by row, in float64.
pub fn plane<T: Float>(image: &Grid<'_, T>, channel: usize) -> Vec<f64> {
    let mut values = Vec::new();
    image.channel(channel).copy_to(&mut values);
    values.into_iter().map(T::to_f64).collect()
}

/// Adds `share` times a plane to one channel of a gradient.
pub fn add_plane<T: Float>(gradient: &mut GridMut<'_, T>, channel: usize, plane: &[f64], share: f64) {
    let plane: Vec<T> = plane.iter().map(|value| T::from_f64(share * value)).collect();
    let mut channel = gradient.channel(channel);
    let sizes = channel.as_grid().sizes();
    channel.update(&Grid::channels_last(&plane, sizes), |value, gradient| *gradient += value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_lucids_window_with_halves_at_the_rim() {
        // A single 1 in the middle shows the window: ½ at the rim, of Σk = 1 + 8·½ = 5 and 9 + 16·½ = 17.
        for (reach, sum) in [(1, 5.0), (2, 17.0)] {
            let blur = Blur::new(reach, 7, 7);
            assert_eq!(blur.weights[24], sum);
            let mut x = vec![0.0; 49];
            x[24] = 1.0;
            let spread = blur.sum(&x);
            assert_eq!((spread[24], spread[24 + reach], spread[24 + reach + 1]), (1.0, 0.5, 0.0));
            assert_eq!(spread[24 - 7 * reach - reach], 0.5);
        }
    }

    #[test]
    fn a_flat_image_stays_as_it_is_at_the_border_too() {
        let (value, gradient) = Blur::new(2, 3, 5).roughness(&[0.25; 15], &[1.0; 15]);
        assert!(value < 1e-30 && gradient.iter().all(|g| g.abs() < 1e-15));
    }
}
