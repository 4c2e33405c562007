//! A small counter-based random generator. It knows nothing of pictures.

/// Draws that depend on the key and on how many came before, and on nothing else.
///
/// The demo model's held-out accuracy and its goldens hold for these very pictures, so the stream must never change
/// with a dependency's version: it is SplitMix64 (Steele, Lea, Flood 2014), a counter hashed by a bijection.
pub struct Random {
    counter: u64,
}

/// The odd step of SplitMix64's counter: 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finalizer.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Random {
    /// A stream of its own for each picture: `key` holds the seed, the class and the picture's number.
    pub fn new(key: [u64; 3]) -> Random {
        let counter = key.iter().fold(0, |state: u64, part| mix(state.wrapping_add(STEP) ^ mix(*part)));
        Random { counter }
    }

    fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(STEP);
        mix(self.counter)
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        // 24 bits are what an f32 holds exactly.
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `low..=high`.
    pub fn count(&mut self, low: usize, high: usize) -> usize {
        let span = high - low + 1;
        low + ((self.unit() * span as f32) as usize).min(span - 1)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }
}

/// Uniform in `0.0..1.0`, the same for the same cell: what a tile's colour or a star's angle is drawn from.
pub fn cell_hash(key: u64, column: i32, row: i32) -> f32 {
    let cell = (u64::from(column as u32) << 32) | u64::from(row as u32);
    (mix(mix(cell.wrapping_add(STEP)) ^ key) >> 40) as f32 / (1u64 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_one_stream() {
        let draw = |key| {
            let mut random = Random::new(key);
            (0..8).map(|_| random.unit()).collect::<Vec<_>>()
        };
        assert_eq!(draw([1, 2, 3]), draw([1, 2, 3]));
        for other in [[0, 2, 3], [1, 0, 3], [1, 2, 0], [3, 2, 1]] {
            assert_ne!(draw([1, 2, 3]), draw(other), "{other:?}");
        }
    }

    #[test]
    fn draws_stay_in_bounds_and_reach_them() {
        let mut random = Random::new([7, 0, 0]);
        let units: Vec<f32> = (0..4000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = units.iter().sum::<f32>() / units.len() as f32;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        let counts: Vec<usize> = (0..400).map(|_| random.count(2, 4)).collect();
        assert!((2..=4).all(|n| counts.contains(&n)) && counts.iter().all(|n| (2..=4).contains(n)));
    }

    #[test]
    fn normal_has_unit_variance() {
        let mut random = Random::new([8, 0, 0]);
        let draws: Vec<f32> = (0..8000).map(|_| random.normal()).collect();
        let variance = draws.iter().map(|x| x * x).sum::<f32>() / draws.len() as f32;
        assert!((variance - 1.0).abs() < 0.06, "{variance}");
    }
}
