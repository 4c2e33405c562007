//! Every random draw of the engine: a counter-based generator that knows no state but its key.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, Uniform};

/// The draws of one use, for one image at one step.
///
/// The key of the ChaCha8 stream is (seed, image, step, use) itself, so that an image's draws depend neither on its batch
/// mates nor on other jobs nor on what was drawn before.
pub struct Draws(ChaCha8Rng);

/// What draws are for; the numbers are part of what makes a result repeatable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The start of a picture; its step is 0.
    Start,
    /// The start of what pictures share; its image and step are 0.
    Shared,
    /// What is behind the transparent parts of a picture.
    Background,
    /// The transform at this place of the spec's list.
    Transform(u32),
    /// The seed of the term at this place of the spec's list.
    Term(u32),
    /// Noise by which it is found what a position sees; its seed and image are 0, its step is the pass.
    Support,
}

impl Draws {
    /// The draws for `(seed, image, step, purpose)`.
    pub fn new(seed: u64, image: u32, step: u32, purpose: Use) -> Self {
        let (kind, place) = match purpose {
            Use::Start => (1u32, 0),
            Use::Transform(place) => (2, place),
            Use::Term(place) => (3, place),
            Use::Shared => (4, 0),
            Use::Background => (5, 0),
            Use::Support => (6, 0),
        };
        let mut key = [0u8; 32];
        key[0..8].copy_from_slice(&seed.to_le_bytes());
        key[8..12].copy_from_slice(&image.to_le_bytes());
        key[12..16].copy_from_slice(&step.to_le_bytes());
        key[16..20].copy_from_slice(&kind.to_le_bytes());
        key[20..24].copy_from_slice(&place.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Draws from the normal distribution with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Draws evenly from `low..=high`, where `low <= high` and both are finite.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        Uniform::new_inclusive(low, high)
            .expect("the range is finite and ordered, as the spec was checked")
            .sample(&mut self.0)
    }

    /// Draws a whole number evenly from `0..=high`.
    pub fn whole(&mut self, high: u32) -> u32 {
        Uniform::new_inclusive(0, high).expect("the range holds 0").sample(&mut self.0)
    }

    /// Draws 64 bits.
    pub fn bits(&mut self) -> u64 {
        Uniform::new_inclusive(0, u64::MAX).expect("the range is whole").sample(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, image: u32, step: u32, purpose: Use) -> u64 {
        Draws::new(seed, image, step, purpose).bits()
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let base = first(1, 2, 3, Use::Transform(4));
        assert_eq!(base, first(1, 2, 3, Use::Transform(4)));
        for other in [
            first(0, 2, 3, Use::Transform(4)),
            first(1, 0, 3, Use::Transform(4)),
            first(1, 2, 0, Use::Transform(4)),
            first(1, 2, 3, Use::Transform(0)),
            first(1, 2, 3, Use::Term(4)),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_have_their_distribution() {
        let mut draws = Draws::new(7, 0, 0, Use::Start);
        let n = 20_000;
        let normals: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        // Five standard errors of each statistic.
        assert!(mean.abs() < 5.0 / f64::from(n).sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / f64::from(n)).sqrt(), "variance {variance}");
        let whole: Vec<u32> = (0..n).map(|_| draws.whole(3)).collect();
        for value in 0..=3 {
            let share = whole.iter().filter(|&&w| w == value).count() as f64 / f64::from(n);
            assert!((share - 0.25).abs() < 0.02, "share of {value} is {share}");
        }
        assert!((0..n).all(|_| (0.9..=1.1).contains(&draws.uniform(0.9, 1.1))));
    }
}
