//! What a unit's scores look like as a whole: histogram, moments, classes; knows no image.

use super::Ordered;

/// Bins of a histogram, as sae_vis and Neuronpedia have it.
pub const HISTOGRAM_BINS: usize = 50;

/// A unit's scores as a whole. Of no image, every number is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Images with a score that is a number.
    pub count: u64,
    /// Images that scored NaN; they take part in nothing else.
    pub not_a_number: u64,
    /// Smallest score.
    pub min: f32,
    /// Largest score.
    pub max: f32,
    /// Mean of finite scores.
    pub mean: f64,
    /// Standard deviation of finite scores, of the images at hand (divided by their number).
    pub deviation: f64,
    /// Share of images that score above 0, 0 … 1.
    pub share_above_zero: f64,
    /// No image scores above 0: the unit never fires here.
    pub dead: bool,
    /// How scores are spread.
    pub histogram: Histogram,
    /// The mean of each class with a finite score, highest first.
    pub class_means: Vec<ClassMean>,
}

/// Counts of scores in bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Where the first bin begins: the smallest finite score.
    pub low: f32,
    /// Where the last bin ends: the largest finite score, which belongs to it.
    pub high: f32,
    /// [`HISTOGRAM_BINS`] counts; infinite scores count in the outermost bins. Where all scores are equal, all are in the first.
    pub counts: Vec<u64>,
}

/// A class's mean score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassMean {
    /// Which class.
    pub class: u32,
    /// The mean of its finite scores.
    pub mean: f64,
    /// How many images it has here.
    pub count: u64,
}

/// Statistics of ordered scores. `class_of` gives an image's class, if it has one.
#[must_use]
pub fn statistics(ordered: &Ordered, class_of: impl Fn(u32) -> Option<u32>) -> Statistics {
    let count = ordered.len() as u64;
    let mut finite = 0_u64;
    let (mut sum, mut above) = (0.0_f64, 0_u64);
    let mut classes: Vec<(f64, u64)> = Vec::new();
    for (image, score) in ordered.iter() {
        above += u64::from(score > 0.0);
        if !score.is_finite() {
            continue;
        }
        finite += 1;
        sum += f64::from(score);
        if let Some(class) = class_of(image) {
            let class = class as usize;
            if class >= classes.len() {
                classes.resize(class + 1, (0.0, 0));
            }
            classes[class].0 += f64::from(score);
            classes[class].1 += 1;
        }
    }
    let mean = if finite == 0 { 0.0 } else { sum / finite as f64 };
    let squares = ordered.iter().map(|(_, score)| f64::from(score)).filter(|score| score.is_finite());
    let squares: f64 = squares.map(|score| (score - mean) * (score - mean)).sum();
    let deviation = if finite == 0 { 0.0 } else { (squares / finite as f64).sqrt() };
    let share_above_zero = if count == 0 { 0.0 } else { above as f64 / count as f64 };
    let end = |found: Option<(u32, f32)>| found.map_or(0.0, |(_, score)| score);
    Statistics {
        count,
        not_a_number: ordered.not_a_number(),
        min: end(ordered.iter().next()),
        max: end(ordered.iter().next_back()),
        mean,
        deviation,
        share_above_zero,
        dead: above == 0,
        histogram: histogram(ordered),
        class_means: class_means(&classes),
    }
}

fn class_means(classes: &[(f64, u64)]) -> Vec<ClassMean> {
    let mut means: Vec<ClassMean> = (0_u32..)
        .zip(classes)
        .filter(|(_, (_, count))| *count > 0)
        .map(|(class, &(sum, count))| ClassMean { class, mean: sum / count as f64, count })
        .collect();
    means.sort_by(|a, b| b.mean.total_cmp(&a.mean).then(a.class.cmp(&b.class)));
    means
}

fn histogram(ordered: &Ordered) -> Histogram {
    let mut counts = vec![0; HISTOGRAM_BINS];
    let finite = |(_, score): &(u32, f32)| score.is_finite();
    let low = ordered.iter().find(finite).map_or(0.0, |(_, score)| score);
    let high = ordered.iter().rev().find(finite).map_or(0.0, |(_, score)| score);
    // In float64 the width of all float32 is finite.
    let width = f64::from(high) - f64::from(low);
    for (_, score) in ordered.iter() {
        let bin = if width > 0.0 {
            // Saturates at both ends, also for infinities.
            ((f64::from(score) - f64::from(low)) / width * HISTOGRAM_BINS as f64) as usize
        } else {
            0
        };
        counts[bin.min(HISTOGRAM_BINS - 1)] += 1;
    }
    Histogram { low, high, counts }
}
