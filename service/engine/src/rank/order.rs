//! The order that scores put images in: the largest, the smallest, bands between, percentiles, and statistics; knows no image.

mod statistics;

pub use statistics::{ClassMean, HISTOGRAM_BINS, Histogram, Statistics, statistics};

/// One unit's scores over a dataset, in order: by score, then by the place of the image, which is the order of image ids. NaN is left out.
///
/// Built in O(n log n): a million scores take about 40 ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered {
    /// Score's rank among all float32 in the upper half, image in the lower; rising.
    keys: Vec<u64>,
    not_a_number: u64,
}

/// An image in the order of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Which image, as its place in the scores.
    pub image: u32,
    /// Its score.
    pub score: f32,
    /// 1 is the largest.
    pub rank: u64,
    /// 0 … 100: the share of images that score less, and half of those that score the same.
    pub percentile: f64,
}

/// Which images are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pick {
    /// The largest scores, largest first.
    Top(u32),
    /// The smallest scores, smallest first.
    Bottom(u32),
    /// So many images whose rank lies between two percentiles, 0 ≤ low ≤ high ≤ 100, spread evenly over them, largest first.
    Percentiles {
        /// 0 … 100.
        low: f64,
        /// `low` … 100.
        high: f64,
        /// How many at most.
        count: u32,
    },
    /// So many images whose score lies between two numbers, both included, spread evenly over them by rank, largest first.
    Scores {
        /// Finite.
        low: f64,
        /// At least `low`, finite.
        high: f64,
        /// How many at most.
        count: u32,
    },
}

impl Ordered {
    /// Orders those images that `keep` accepts.
    #[must_use]
    pub fn new(scores: &[f32], keep: impl Fn(u32) -> bool) -> Self {
        let mut not_a_number = 0;
        let mut keys = Vec::with_capacity(scores.len());
        for (image, &score) in (0_u32..).zip(scores) {
            if !keep(image) {
                continue;
            }
            if score.is_nan() {
                not_a_number += 1;
            } else {
                keys.push(u64::from(rank_bits(score)) << 32 | u64::from(image));
            }
        }
        keys.sort_unstable();
        Self { keys, not_a_number }
    }

    /// How many images are in the order.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no image is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many images scored NaN.
    #[must_use]
    pub fn not_a_number(&self) -> u64 {
        self.not_a_number
    }

    /// Images and scores, smallest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, f32)> + ExactSizeIterator {
        self.keys.iter().map(|&key| (key as u32, score_of(key)))
    }

    /// The images asked for.
    #[must_use]
    pub fn pick(&self, pick: Pick) -> Vec<Ranked> {
        let all = self.keys.len();
        match pick {
            Pick::Top(count) => self.equal_by_image(count as usize),
            Pick::Bottom(count) => (0..all.min(count as usize)).map(|place| self.ranked(place)).collect(),
            Pick::Percentiles { low, high, count } => {
                // A place's percentile is that of its middle, so that 0 … 100 holds every place, and 45 … 55 of 1,000 the places 450 … 549.
                let place = |percentile: f64| (percentile / 100.0 * all as f64).round() as usize;
                self.spread(place(low).min(all), place(high).min(all), count as usize)
            }
            Pick::Scores { low, high, count } => {
                let first = self.keys.partition_point(|&key| f64::from(score_of(key)) < low);
                let end = self.keys.partition_point(|&key| f64::from(score_of(key)) <= high);
                self.spread(first, end, count as usize)
            }
        }
    }

    /// 0 … 100: the share of scores below, and half of those that are equal. 0 where nothing is ordered.
    #[must_use]
    pub fn percentile(&self, score: f32) -> f64 {
        if self.keys.is_empty() || score.is_nan() {
            return 0.0;
        }
        let (below, to) = self.equals(score);
        100.0 * (below as f64 + (to - below) as f64 / 2.0) / self.keys.len() as f64
    }

    /// Where the scores that equal this one begin and end.
    fn equals(&self, score: f32) -> (usize, usize) {
        let bits = rank_bits(score);
        let below = self.keys.partition_point(|&key| ((key >> 32) as u32) < bits);
        (below, self.keys.partition_point(|&key| ((key >> 32) as u32) <= bits))
    }

    /// The largest, largest first; of equal ones, as everywhere, the lower image first.
    fn equal_by_image(&self, count: usize) -> Vec<Ranked> {
        let mut found = Vec::with_capacity(count.min(self.keys.len()));
        let mut end = self.keys.len();
        while end > 0 && found.len() < count {
            let (begin, _) = self.equals(score_of(self.keys[end - 1]));
            found.extend((begin..end).take(count - found.len()).map(|place| self.ranked(place)));
            end = begin;
        }
        found
    }

    /// `count` places of `first..end`, each in the middle of its share.
    fn spread(&self, first: usize, end: usize, count: usize) -> Vec<Ranked> {
        let room = end.saturating_sub(first);
        let count = count.min(room);
        let place = |nth: usize| first + (2 * nth + 1) * room / (2 * count);
        (0..count).rev().map(|nth| self.ranked(place(nth))).collect()
    }

    fn ranked(&self, place: usize) -> Ranked {
        let key = self.keys[place];
        let score = score_of(key);
        // Equal scores come in order of image, from the top as well as from the bottom.
        let (below, to) = self.equals(score);
        let rank = (self.keys.len() - to + (place - below) + 1) as u64;
        Ranked { image: key as u32, score, rank, percentile: self.percentile(score) }
    }
}

/// Bits that compare as the floats do; −0 and 0 are equal. Not for NaN.
fn rank_bits(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn score_of(key: u64) -> f32 {
    let bits = (key >> 32) as u32;
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests;
