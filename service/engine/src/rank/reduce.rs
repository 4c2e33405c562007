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
/// `values` holds channels × elements numbers (see [`Extent::elements`]). Sums are made in float64.
pub fn reduce(values: &[f32], order: Order, extent: &Extent, reading: &Reading, target: &mut Target) {
    if let Some(weights) = &reading.direction {
        let along = project(values, order, extent, weights);
        let single = Extent { channels: 1, ..*extent };
        return reduce_channels(&along, Order::ChannelsLast, &single, reading, target);
    }
    reduce_channels(values, order, extent, reading, target);
}

/// The activation along a direction at each element.
fn project(values: &[f32], order: Order, extent: &Extent, weights: &[f32]) -> Vec<f32> {
    let positions = extent.elements();
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

fn reduce_channels(values: &[f32], order: Order, extent: &Extent, reading: &Reading, target: &mut Target) {
    let elements = extent.elements();
    let channels = extent.channels as usize;
    let at = |position: usize, scores: &mut [f32]| match order {
        Order::ChannelsLast => scores.copy_from_slice(&values[position * channels..][..channels]),
        Order::ChannelsFirst => {
            for (score, plane) in scores.iter_mut().zip(values.chunks_exact(elements)) {
                *score = plane[position];
            }
        }
    };
    if let Some(element) = reading.single(extent) {
        return at(element as usize, target.scores);
    }
    let activations = Positions { values, order, channels, elements, prefix: extent.prefix as usize };
    match reading.reducer {
        Reducer::AbsMax => largest(&activations, f32::abs, target),
        Reducer::Mean => {
            let count = extent.positions() as f64;
            sums(&activations, |value| value, |sum| sum / count, target.scores);
        }
        Reducer::L2 => sums(&activations, |value| value * value, f64::sqrt, target.scores),
        _ => largest(&activations, |value| value, target),
    }
}

/// One image's activations, of which the first `prefix` elements are no positions.
struct Positions<'a> {
    values: &'a [f32],
    order: Order,
    channels: usize,
    elements: usize,
    prefix: usize,
}

impl<'a> Positions<'a> {
    /// The positions of each channel.
    fn planes(&self) -> impl Iterator<Item = &'a [f32]> {
        let prefix = self.prefix;
        self.values.chunks_exact(self.elements).map(move |plane| &plane[prefix..])
    }

    /// The channels of each position.
    fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        self.values[self.prefix * self.channels..].chunks_exact(self.channels)
    }
}

/// Largest `size(value)` of each channel. A NaN, once met, stays: nothing is larger.
fn largest(activations: &Positions, size: impl Fn(f32) -> f32, target: &mut Target) {
    let Target { scores, positions: places } = target;
    let larger = |value: f32, best: f32| value > best || value.is_nan();
    let mut rows = activations.rows();
    match (activations.order, places.is_empty()) {
        (Order::ChannelsFirst, _) => {
            for (channel, plane) in activations.planes().enumerate() {
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
            let first = rows.next().unwrap_or_default();
            scores.iter_mut().zip(first).for_each(|(score, &value)| *score = size(value));
            for row in rows {
                for (score, &value) in scores.iter_mut().zip(row) {
                    let value = size(value);
                    *score = if larger(value, *score) { value } else { *score };
                }
            }
        }
        (Order::ChannelsLast, false) => {
            let first = rows.next().unwrap_or_default();
            scores.iter_mut().zip(first).for_each(|(score, &value)| *score = size(value));
            places.fill(0);
            // Without branches, so that it runs on vectors: this is most of what a reading of a large layer costs.
            for (position, row) in (1_u32..).zip(rows) {
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
fn sums(activations: &Positions, part: impl Fn(f64) -> f64, finish: impl Fn(f64) -> f64, scores: &mut [f32]) {
    match activations.order {
        Order::ChannelsFirst => {
            for (score, plane) in scores.iter_mut().zip(activations.planes()) {
                *score = finish(plane.iter().map(|&value| part(f64::from(value))).sum()) as f32;
            }
        }
        Order::ChannelsLast => {
            let mut sums = vec![0.0_f64; activations.channels];
            for row in activations.rows() {
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
    use super::super::reading::Space;
    use super::*;

    /// Two channels of 2 × 3 positions.
    const VALUES: [[f32; 6]; 2] = [[1.0, -9.0, 3.0, 3.0, 0.0, 2.0], [-1.0, -2.0, -0.5, -4.0, -0.5, -6.0]];
    const EXTENT: Extent =
        Extent { channels: 2, prefix: 0, rows: 2, columns: 3, space: Space::Map, channel_axis: 1 };

    /// In both orders of memory.
    fn found(values: [[f32; 6]; 2], reading: &Reading, extent: &Extent) -> (Vec<f32>, Vec<u32>) {
        let first: Vec<f32> = values.concat();
        let last: Vec<f32> = (0..6).flat_map(|position| values.map(|plane| plane[position])).collect();
        let units = reading.units(extent) as usize;
        let run = |values: &[f32], order| {
            let places = if reading.has_positions(extent) { units } else { 0 };
            let (mut scores, mut positions) = (vec![7.0; units], vec![7; places]);
            let mut target = Target { scores: &mut scores, positions: &mut positions };
            reduce(values, order, extent, reading, &mut target);
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
        let found = found(VALUES, &reading(reducer, direction), &EXTENT);
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
    fn tokens_that_are_no_patches_are_read_by_themselves() {
        let patches = Extent { prefix: 2, rows: 2, columns: 2, space: Space::Patches, ..EXTENT };
        let check = |reducer, direction: Option<&[f32]>, scores: &[f32], positions: &[u32]| {
            let found = found(VALUES, &reading(reducer, direction), &patches);
            assert_eq!(found, (scores.to_vec(), positions.to_vec()), "{reducer:?} {direction:?}");
        };
        check(Reducer::Max, None, &[3.0, -0.5], &[0, 0]);
        check(Reducer::AbsMax, None, &[3.0, 6.0], &[0, 3]);
        check(Reducer::Mean, None, &[2.0, -11.0 / 4.0], &[]);
        check(Reducer::L2, None, &[22_f32.sqrt(), 52.5_f32.sqrt()], &[]);
        check(Reducer::Centre, None, &[2.0, -6.0], &[]);
        check(Reducer::At { row: 0, column: 1 }, None, &[3.0, -4.0], &[]);
        check(Reducer::Token(1), None, &[-9.0, -2.0], &[]);
        check(Reducer::ClassToken, None, &[1.0, -1.0], &[]);
        check(Reducer::Max, Some(&[2.0, -1.0]), &[10.0], &[1]);
        check(Reducer::ClassToken, Some(&[2.0, -1.0]), &[3.0], &[]);
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
                let (scores, _) = found(values, &reading(reducer, None), &EXTENT);
                assert!(!scores[0].is_nan() && scores[1].is_nan(), "{reducer:?} {place}: {scores:?}");
            }
        }
    }
}
