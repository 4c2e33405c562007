//! Classes that their colours define: embers, ocean, rainbow. It knows nothing of pixels.

use std::f32::consts::TAU;

use super::{Pattern, Point};
use crate::colour::{Colour, hsv, ramp};
use crate::random::Random;

/// A sum of waves with random directions, warped by another: soft shapes like clouds or water.
struct Plasma {
    waves: Vec<[f32; 4]>,
}

/// How many waves; fewer look like stripes, more like fog.
const WAVES: usize = 5;

impl Plasma {
    fn draw(random: &mut Random) -> Plasma {
        let waves = (0..WAVES)
            .map(|_| {
                let (sin, cos) = random.between(0.0, TAU).sin_cos();
                let frequency = random.between(0.8, 3.2);
                [frequency * cos, frequency * sin, random.unit(), 1.0 / frequency.sqrt()]
            })
            .collect();
        Plasma { waves }
    }

    /// In `-1.0..=1.0`.
    fn at(&self, point: Point) -> f32 {
        let mut warp = 0.0;
        let (mut sum, mut whole) = (0.0, 0.0);
        for [x, y, phase, weight] in &self.waves {
            let wave = (TAU * (x * point.x + y * point.y + phase) + 1.5 * warp).sin();
            sum += weight * wave;
            whole += weight;
            warp = wave;
        }
        sum / whole
    }
}

/// Clouds whose colour runs through a ramp.
struct Clouds {
    plasma: Plasma,
    colours: Vec<Colour>,
}

/// Dark red through orange to yellow.
pub fn embers(random: &mut Random) -> Box<dyn Pattern> {
    let hue = random.between(-0.02, 0.02);
    let colours = vec![
        hsv(hue - 0.02, 0.95, random.between(0.1, 0.4)),
        hsv(hue, 0.95, random.between(0.7, 0.95)),
        hsv(hue + 0.06, 0.95, 1.0),
        hsv(hue + 0.13, random.between(0.5, 0.9), 1.0),
    ];
    Box::new(Clouds { plasma: Plasma::draw(random), colours })
}

/// Deep blue through turquoise to foam.
pub fn ocean(random: &mut Random) -> Box<dyn Pattern> {
    let hue = random.between(-0.03, 0.03);
    let colours = vec![
        hsv(hue + 0.64, 0.9, random.between(0.25, 0.5)),
        hsv(hue + 0.58, 0.85, random.between(0.65, 0.95)),
        hsv(hue + 0.5, 0.75, random.between(0.75, 0.95)),
        hsv(hue + 0.46, random.between(0.2, 0.5), 1.0),
    ];
    Box::new(Clouds { plasma: Plasma::draw(random), colours })
}

impl Pattern for Clouds {
    fn at(&self, point: Point) -> Colour {
        // Sums of waves crowd around zero; the factor spreads them over the ramp.
        ramp(&self.colours, 0.5 + 0.8 * self.plasma.at(point))
    }
}

/// All hues in order along one direction, gently bent.
struct Rainbow {
    plasma: Plasma,
    angle_rad: f32,
    turns: f32,
    phase: f32,
    bend: f32,
    saturation: f32,
    value: f32,
}

/// At least one whole turn of the colour circle.
pub fn rainbow(random: &mut Random) -> Box<dyn Pattern> {
    let turns = random.between(1.0, 1.9);
    Box::new(Rainbow {
        plasma: Plasma::draw(random),
        angle_rad: random.between(0.0, TAU),
        turns: if random.chance(0.5) { turns } else { -turns },
        phase: random.unit(),
        bend: random.between(0.05, 0.3),
        saturation: random.between(0.7, 1.0),
        value: random.between(0.8, 1.0),
    })
}

impl Pattern for Rainbow {
    fn at(&self, point: Point) -> Colour {
        let along = point.turned(self.angle_rad).x * self.turns + self.phase;
        hsv(along + self.bend * self.plasma.at(point), self.saturation, self.value)
    }
}
