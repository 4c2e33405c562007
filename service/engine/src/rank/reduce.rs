//! From one image's activations of a layer to one number per unit; knows plain slices, no tensor.

use super::reading::{Extent, Reading, Reducer};

/// How activations lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All positions of a channel, then the next channel.
    ChannelsFirst,
    /// All channels of a position, then the next position.
    ChannelsLast,
}

/// Where the numbers of one image go.
pub struct Target<'a> {
    /// One for each unit.
    pub scores: &'a mut [f32],
    /// One for each unit, row × columns + column, where the reading has positions; else empty.
    pub positions: &'a mut [u32],
}

/// Writes one number per unit. A unit that is NaN at any position is NaN; of equal maxima the first position counts.
///
/// `values` holds channels × positions numbers. Sums are made in float64.
pub fn reduce(values: &[f32], order: Order, extent: &Extent, reading: &Reading, target: &mut Target) {
    if let Some(weights) = &reading.direction {
        let along = project(values, order, extent, weights);
        let single = Extent { channels: 1, ..*extent };
        return reduce_channels(&along, Order::ChannelsLast, &single, reading.reducer, target);
    }
    reduce_channels(values, order, extent, reading.reducer, target);
}

/// The activation along a direction at each position.
fn project(values: &[f32], order: Order, extent: &Extent, weights: &[f32]) -> Vec<f32> {
    let positions = extent.positions();
    match order {
        Order::ChannelsLast => {
            let dot = |row: &[f32]| {
                row.iter().zip(weights).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
            };
            values.chunks_exact(weights.len()).map(|row| dot(row) as f32).collect()
        }
        Order::ChannelsFirst => {
            let mut sums = vec![0.0_f64; positions];
            for (plane, &weight) in values.chunks_exact(positions).zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(plane) {
                    *sum += f64::from(value) * f64::from(weight);
                }
            }
            sums.into_iter().map(|sum| sum as f32).collect()
        }
    }
}

fn reduce_channels(values: &[f32], order: Order, extent: &Extent, reducer: Reducer, target: &mut Target) {
    let positions = extent.positions();
    let channels = extent.channels as usize;
    let at = |position: usize, scores: &mut [f32]| match order {
        Order::ChannelsLast => scores.copy_from_slice(&values[position * channels..][..channels]),
        Order::ChannelsFirst => {
            for (score, plane) in scores.iter_mut().zip(values.chunks_exact(positions)) {
                *score = plane[position];
            }
        }
    };
    match reducer {
        Reducer::Max => largest(values, order, channels, positions, |value| value, target),
        Reducer::AbsMax => largest(values, order, channels, positions, f32::abs, target),
        Reducer::Mean => {
            let count = positions as f64;
            sums(values, order, channels, positions, |value| value, |sum| sum / count, target.scores);
        }
        Reducer::L2 => {
            sums(values, order, channels, positions, |value| value * value, f64::sqrt, target.scores)
        }
        Reducer::Centre => {
            at((extent.rows / 2 * extent.columns + extent.columns / 2) as usize, target.scores)
        }
        Reducer::At { row, column } => at((row * extent.columns + column) as usize, target.scores),
    }
}

/// Largest `size(value)` of each channel. A NaN, once met, stays: nothing is larger.
fn largest(
    values: &[f32],
    order: Order,
    channels: usize,
    positions: usize,
    size: impl Fn(f32) -> f32,
    target: &mut Target,
) {
    let Target { scores, positions: places } = target;
    let larger = |value: f32, best: f32| value > best || value.is_nan();
    match (order, places.is_empty()) {
        (Order::ChannelsFirst, _) => {
            for (channel, plane) in values.chunks_exact(positions).enumerate() {
                let (mut best, mut place) = (size(plane[0]), 0);
                for (position, &value) in plane.iter().enumerate().skip(1) {
                    if larger(size(value), best) {
                        (best, place) = (size(value), position as u32);
                    }
                }
                scores[channel] = best;
                if let Some(slot) = places.get_mut(channel) {
                    *slot = place;
                }
            }
        }
        (Order::ChannelsLast, true) => {
            scores.iter_mut().zip(values).for_each(|(score, &value)| *score = size(value));
            for row in values.chunks_exact(channels).skip(1) {
                for (score, &value) in scores.iter_mut().zip(row) {
                    let value = size(value);
                    *score = if larger(value, *score) { value } else { *score };
                }
            }
        }
        (Order::ChannelsLast, false) => {
            scores.iter_mut().zip(values).for_each(|(score, &value)| *score = size(value));
            places.fill(0);
            // Without branches, so that it runs on vectors: this is most of what a reading of a large layer costs.
            for (position, row) in (1_u32..).zip(values.chunks_exact(channels).skip(1)) {
                for ((score, place), &value) in scores.iter_mut().zip(places.iter_mut()).zip(row) {
                    let value = size(value);
                    let better = larger(value, *score);
                    *score = if better { value } else { *score };
                    *place = if better { position } else { *place };
                }
            }
        }
    }
}

/// `finish` of the sum of `part(value)` of each channel.
fn sums(
    values: &[f32],
    order: Order,
    channels: usize,
    positions: usize,
    part: impl Fn(f64) -> f64,
    finish: impl Fn(f64) -> f64,
    scores: &mut [f32],
) {
    match order {
        Order::ChannelsFirst => {
            for (score, plane) in scores.iter_mut().zip(values.chunks_exact(positions)) {
                *score = finish(plane.iter().map(|&value| part(f64::from(value))).sum()) as f32;
            }
        }
        Order::ChannelsLast => {
            let mut sums = vec![0.0_f64; channels];
            for row in values.chunks_exact(channels) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += part(f64::from(value));
                }
            }
            for (score, sum) in scores.iter_mut().zip(sums) {
                *score = finish(sum) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of 2 × 3 positions.
    const VALUES: [[f32; 6]; 2] = [[1.0, -9.0, 3.0, 3.0, 0.0, 2.0], [-1.0, -2.0, -0.5, -4.0, -0.5, -6.0]];
    const EXTENT: Extent = Extent { channels: 2, rows: 2, columns: 3, channel_axis: 1 };

    /// In both orders of memory.
    fn found(values: [[f32; 6]; 2], reading: &Reading) -> (Vec<f32>, Vec<u32>) {
        let first: Vec<f32> = values.concat();
        let last: Vec<f32> = (0..6).flat_map(|position| values.map(|plane| plane[position])).collect();
        let units = reading.units(&EXTENT) as usize;
        let run = |values: &[f32], order| {
            let places = if reading.has_positions(&EXTENT) { units } else { 0 };
            let (mut scores, mut positions) = (vec![7.0; units], vec![7; places]);
            let mut target = Target { scores: &mut scores, positions: &mut positions };
            reduce(values, order, &EXTENT, reading, &mut target);
            (scores, positions)
        };
        let (one, other) = (run(&first, Order::ChannelsFirst), run(&last, Order::ChannelsLast));
        let bits = |(scores, positions): &(Vec<f32>, Vec<u32>)| {
            (scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>(), positions.clone())
        };
        assert_eq!(bits(&one), bits(&other), "the orders differ");
        one
    }

    fn reading(reducer: Reducer, direction: Option<&[f32]>) -> Reading {
        Reading { layer: String::new(), reducer, direction: direction.map(<[f32]>::to_vec) }
    }

    fn check(reducer: Reducer, direction: Option<&[f32]>, scores: &[f32], positions: &[u32]) {
        let found = found(VALUES, &reading(reducer, direction));
        assert_eq!(found, (scores.to_vec(), positions.to_vec()), "{reducer:?} {direction:?}");
    }

    #[test]
    fn positions_become_one_number() {
        check(Reducer::Max, None, &[3.0, -0.5], &[2, 2]);
        check(Reducer::AbsMax, None, &[9.0, 6.0], &[1, 5]);
        check(Reducer::Mean, None, &[0.0, -14.0 / 6.0], &[]);
        check(Reducer::L2, None, &[104_f32.sqrt(), 57.5_f32.sqrt()], &[]);
        check(Reducer::Centre, None, &[0.0, -0.5], &[]);
        check(Reducer::At { row: 1, column: 2 }, None, &[2.0, -6.0], &[]);
    }

    #[test]
    fn directions_are_summed_before() {
        // 2a − b: 3, −16, 6.5, 10, 0.5, 10.
        let direction: &[f32] = &[2.0, -1.0];
        check(Reducer::Max, Some(direction), &[10.0], &[3]);
        check(Reducer::AbsMax, Some(direction), &[16.0], &[1]);
        check(Reducer::At { row: 0, column: 2 }, Some(direction), &[6.5], &[]);
        check(Reducer::Mean, Some(direction), &[14.0 / 6.0], &[]);
    }

    #[test]
    fn nan_anywhere_is_nan() {
        for place in 0..6 {
            let mut values = VALUES;
            values[1][place] = f32::NAN;
            for reducer in [Reducer::Max, Reducer::AbsMax, Reducer::Mean, Reducer::L2] {
                let (scores, _) = found(values, &reading(reducer, None));
                assert!(!scores[0].is_nan() && scores[1].is_nan(), "{reducer:?} {place}: {scores:?}");
            }
        }
    }
}
