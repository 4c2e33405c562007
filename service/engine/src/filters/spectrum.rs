//! Where a kernel's spectrum peaks: the waves that a fit begins with. It knows no Gabor function.

use std::f64::consts::TAU;

/// The waves `[x, y]`, in cycles a pixel, at the highest local maxima of the kernel's power spectrum, at most `most` of them, highest first; none for a constant
/// kernel. The transform is that of the kernel without its mean, padded with zeros to at least twice its size, so that peaks between the kernel's own frequencies
/// are found. `values` is [height, width].
pub(super) fn peaks(values: &[f64], height: usize, width: usize, most: usize) -> Vec<[f64; 2]> {
    let size = (2 * height.max(width)).next_power_of_two().max(LEAST_SIZE);
    let power = power(values, height, width, size);
    let half = size / 2;
    let mut found = Vec::new();
    // A real kernel's spectrum is symmetric: half of it says all.
    for v in 0..=half {
        for u in 0..size {
            let wave = [signed(u, size), signed(v, size)];
            let frequency = wave[0].hypot(wave[1]);
            let here = power[v * size + u];
            let neighbours = [size - 1, 0, 1].into_iter().flat_map(|dv| [size - 1, 0, 1].map(|du| (dv, du)));
            let highest = neighbours
                .map(|(dv, du)| power[(v + dv) % size * size + (u + du) % size])
                .fold(0.0, f64::max);
            if here > 0.0 && here >= highest && frequency > 0.0 && frequency <= 0.5 {
                found.push((here, wave));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().take(most).map(|(_, wave)| wave).collect()
}

/// Of the transform, in both directions: a 64th of a cycle a pixel is near enough to begin with.
const LEAST_SIZE: usize = 64;

/// The place of a transform as a frequency in −0.5 … 0.5.
fn signed(place: usize, size: usize) -> f64 {
    let place = if place > size / 2 { place as f64 - size as f64 } else { place as f64 };
    place / size as f64
}

/// [size, size], rows first.
fn power(values: &[f64], height: usize, width: usize, size: usize) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let turns: Vec<(f64, f64)> = (0..size)
        .map(|place| (-TAU * place as f64 / size as f64).sin_cos())
        .map(|(sin, cos)| (cos, sin))
        .collect();
    // [height, size]: every row's transform.
    let mut rows = vec![(0.0, 0.0); height * size];
    for (y, row) in values.chunks_exact(width).enumerate() {
        for u in 0..size {
            rows[y * size + u] = row.iter().enumerate().fold((0.0, 0.0), |(re, im), (x, value)| {
                let (cos, sin) = turns[u * x % size];
                (re + (value - mean) * cos, im + (value - mean) * sin)
            });
        }
    }
    let mut power = vec![0.0; size * size];
    for v in 0..size {
        for u in 0..size {
            let (re, im) = (0..height).fold((0.0, 0.0), |(re, im), y| {
                let ((cos, sin), (a, b)) = (turns[v * y % size], rows[y * size + u]);
                (re + a * cos - b * sin, im + a * sin + b * cos)
            });
            power[v * size + u] = re * re + im * im;
        }
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::gabor::places;

    #[test]
    fn a_wave_is_found_where_it_is() {
        for wave in [[0.25, 0.0], [0.0, 0.3125], [0.125, 0.25], [-0.1875, 0.25]] {
            let values: Vec<f64> =
                places(11, 9).map(|[x, y]| (TAU * (wave[0] * x + wave[1] * y) + 0.7).cos() + 3.0).collect();
            let found = peaks(&values, 11, 9, 3)[0];
            assert!(found.iter().zip(wave).all(|(a, b)| (a - b).abs() <= 1.0 / 64.0), "{wave:?}: {found:?}");
        }
    }

    #[test]
    fn a_constant_kernel_has_no_wave() {
        assert_eq!(peaks(&[2.0; 49], 7, 7, 3), Vec::<[f64; 2]>::new());
    }
}
