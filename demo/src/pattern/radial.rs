//! Patterns around a centre: rings, spiral, sunburst. It knows nothing of pixels.

use std::f32::consts::TAU;

use super::stripes::band;
use super::{Pattern, Point};
use crate::colour::{Colour, palette};
use crate::random::Random;

/// Bands by distance, by direction or by both, around a centre.
struct Radial {
    centre: Point,
    /// Periods per picture side outwards.
    per_side: f32,
    /// Periods per turn; negative turns the other way.
    per_turn: f32,
    phase: f32,
    colours: Vec<Colour>,
    soft: bool,
    /// A disc over the centre, and its radius in picture sides.
    disc: Option<(Colour, f32)>,
}

/// Rings around one centre.
pub fn rings(random: &mut Random) -> Box<dyn Pattern> {
    let count = random.count(2, 4);
    let band_width = random.between(0.05, 0.09);
    let pattern = Radial { per_side: 1.0 / (band_width * count as f32), ..around(random, count) };
    Box::new(pattern)
}

/// Two or three arms that wind outwards, either way.
pub fn spiral(random: &mut Random) -> Box<dyn Pattern> {
    let count = random.count(2, 3);
    let arms = random.count(1, 3) as f32;
    let band_width = random.between(0.07, 0.11);
    let turn = if random.chance(0.5) { 1.0 } else { -1.0 };
    let per_side = 1.0 / (band_width * count as f32);
    // The fewer arms, the more a spiral looks like rings: three arms at two colours, two at three.
    let per_turn = turn * (arms + if count == 2 { 2.0 } else { 1.0 }).min(4.0);
    Box::new(Radial { per_side, per_turn, ..around(random, count) })
}

/// Rays from one centre, with or without a sun.
pub fn sunburst(random: &mut Random) -> Box<dyn Pattern> {
    let count = random.count(2, 3);
    let rays = random.count(10, 18) / count;
    let mut pattern = Radial { per_turn: rays as f32, ..around(random, count) };
    if random.chance(0.5) {
        pattern.disc = Some((palette(random, 1)[0], random.between(0.06, 0.13)));
    }
    Box::new(pattern)
}

fn around(random: &mut Random, count: usize) -> Radial {
    Radial {
        centre: Point { x: random.between(0.25, 0.75), y: random.between(0.25, 0.75) },
        per_side: 0.0,
        per_turn: 0.0,
        phase: random.unit(),
        colours: palette(random, count),
        soft: random.chance(0.3),
        disc: None,
    }
}

impl Pattern for Radial {
    fn at(&self, point: Point) -> Colour {
        let (distance, angle) = point.polar(self.centre);
        if let Some((colour, radius)) = self.disc
            && distance < radius
        {
            return colour;
        }
        let position = distance * self.per_side + angle / TAU * self.per_turn + self.phase;
        band(&self.colours, position, self.soft)
    }
}
