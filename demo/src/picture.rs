//! From a pattern to a picture's bytes: sampling, contrast, blur, noise. It knows no class by name.

use crate::colour::Colour;
use crate::pattern::{CLASSES, Pattern, Point};
use crate::random::Random;

/// Samples per pixel and axis: sixteen per pixel make edges smooth at 64 pixels.
const SAMPLES: usize = 4;

/// Picture `index` of class `class` (in label order) under this seed: [size, size, 3] bytes, RGB.
pub fn picture(seed: u64, class: usize, index: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new([seed, class as u64, index]);
    let pattern = (CLASSES[class].draw)(&mut random);
    let mut pixels = sample(&*pattern, size);
    if random.chance(0.4) {
        pixels = blur(&pixels, size, random.between(0.3, 0.8));
    }
    let contrast = random.between(0.75, 1.0);
    let centre = random.between(0.4, 0.6);
    let noise = if random.chance(0.5) { random.between(0.0, 0.05) } else { 0.0 };
    pixels
        .iter()
        .flatten()
        .map(|value| centre + contrast * (value - centre) + noise * random.normal())
        .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
        .collect()
}

/// [size · size] colours, row by row, each the mean over its pixel.
fn sample(pattern: &dyn Pattern, size: usize) -> Vec<Colour> {
    let fine = (size * SAMPLES) as f32;
    let place = |pixel: usize, step: usize| ((pixel * SAMPLES + step) as f32 + 0.5) / fine;
    (0..size * size)
        .map(|pixel| {
            let mut sum = [0.0; 3];
            for step in 0..SAMPLES * SAMPLES {
                let x = place(pixel % size, step % SAMPLES);
                let y = place(pixel / size, step / SAMPLES);
                let colour = pattern.at(Point { x, y });
                sum = std::array::from_fn(|i| sum[i] + colour[i]);
            }
            sum.map(|value| value / (SAMPLES * SAMPLES) as f32)
        })
        .collect()
}

/// A Gaussian of this width (standard deviation, under one pixel) as three taps per axis; edges repeat.
fn blur(pixels: &[Colour], size: usize, sigma_px: f32) -> Vec<Colour> {
    let side = (-0.5 / (sigma_px * sigma_px)).exp();
    let (centre, side) = (1.0 / (1.0 + 2.0 * side), side / (1.0 + 2.0 * side));
    let pass = |from: &[Colour], step: usize, position: fn(usize, usize) -> usize| -> Vec<Colour> {
        (0..from.len())
            .map(|i| {
                let before = if position(i, size) == 0 { i } else { i - step };
                let after = if position(i, size) + 1 == size { i } else { i + step };
                std::array::from_fn(|c| centre * from[i][c] + side * (from[before][c] + from[after][c]))
            })
            .collect()
    };
    let rows = pass(pixels, 1, |i, size| i % size);
    pass(&rows, size, |i, size| i / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Class;

    #[test]
    fn a_picture_depends_on_seed_class_and_index_alone() {
        for (class, Class { name, .. }) in CLASSES.iter().enumerate() {
            let first = picture(1, class, 2, 16);
            assert_eq!(first.len(), 16 * 16 * 3);
            assert_eq!(first, picture(1, class, 2, 16));
            assert_ne!(first, picture(2, class, 2, 16), "seed of {name}");
            assert_ne!(first, picture(1, class, 3, 16), "index of {name}");
        }
    }

    /// The stored model's accuracy holds for these very pictures: whoever changes the drawing trains it anew.
    #[test]
    fn pictures_never_change() {
        // Mean byte of the first picture of each class; half a grey level is room for another platform's sine.
        const MEANS: [f32; 16] = [
            104.0, 121.8, 102.5, 120.9, 105.9, 90.8, 141.0, 101.2, 143.6, 124.1, 93.3, 130.6, 93.7, 127.2,
            145.6, 101.5,
        ];
        for (class, expected) in MEANS.iter().enumerate() {
            let bytes = picture(0, class, 0, 16);
            let mean = bytes.iter().map(|byte| f32::from(*byte)).sum::<f32>() / bytes.len() as f32;
            assert!((mean - expected).abs() < 0.5, "{}: {mean}, not {expected}", CLASSES[class].name);
        }
    }

    #[test]
    fn every_picture_shows_something() {
        for (class, Class { name, .. }) in CLASSES.iter().enumerate() {
            for index in 0..10 {
                let bytes = picture(3, class, index, 32);
                let least = bytes.iter().min().copied().unwrap_or(0);
                let most = bytes.iter().max().copied().unwrap_or(0);
                assert!(most - least > 60, "{name} {index}: {least} to {most}");
            }
        }
    }

    #[test]
    fn blur_keeps_the_mean_of_a_flat_picture_and_spreads_a_point() {
        let flat = vec![[0.5; 3]; 25];
        assert!(blur(&flat, 5, 0.7).iter().flatten().all(|v| (v - 0.5).abs() < 1e-6));
        let mut point = vec![[0.0; 3]; 25];
        point[12] = [1.0; 3];
        let spread = blur(&point, 5, 0.7);
        assert!(spread[12][0] < 0.5 && spread[7][0] > 0.05 && (spread[7][0] - spread[11][0]).abs() < 1e-6);
    }
}
