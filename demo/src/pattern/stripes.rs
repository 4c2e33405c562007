//! Stripes, told apart by their direction or their form. It knows nothing of pixels.

use std::f32::consts::TAU;

use super::{Pattern, Point, tilt};
use crate::colour::{Colour, blend, palette};
use crate::random::Random;

/// Bands of colour across one direction, straight or waving.
struct Stripes {
    angle_rad: f32,
    period: f32,
    phase: f32,
    colours: Vec<Colour>,
    soft: bool,
    wave: Option<Wave>,
}

/// A sideways swing of the bands.
struct Wave {
    height: f32,
    length: f32,
    phase: f32,
}

/// Stripes that run across, up to 8° off.
pub fn horizontal(random: &mut Random) -> Box<dyn Pattern> {
    let angle = tilt(random, 8.0);
    Box::new(straight(random, angle))
}

/// Stripes that run upright, up to 8° off.
pub fn vertical(random: &mut Random) -> Box<dyn Pattern> {
    let angle = 90f32.to_radians() + tilt(random, 8.0);
    Box::new(straight(random, angle))
}

/// Stripes that rise to the right at 45°, up to 12° off.
pub fn diagonal(random: &mut Random) -> Box<dyn Pattern> {
    let angle = -45f32.to_radians() + tilt(random, 12.0);
    Box::new(straight(random, angle))
}

/// Stripes in any direction that swing like water.
pub fn waves(random: &mut Random) -> Box<dyn Pattern> {
    let angle = random.between(0.0, TAU);
    let length = random.between(0.28, 0.5);
    let wave = Wave { height: length * random.between(0.16, 0.24), length, phase: random.unit() };
    Box::new(Stripes { wave: Some(wave), ..straight(random, angle) })
}

fn straight(random: &mut Random, angle_rad: f32) -> Stripes {
    let count = random.count(2, 4);
    Stripes {
        angle_rad,
        period: random.between(0.07, 0.13) * count as f32,
        phase: random.unit(),
        colours: palette(random, count),
        soft: random.chance(0.3),
        wave: None,
    }
}

impl Pattern for Stripes {
    fn at(&self, point: Point) -> Colour {
        let turned = point.turned(self.angle_rad);
        let swing = self
            .wave
            .as_ref()
            .map_or(0.0, |wave| wave.height * (TAU * (turned.x / wave.length + wave.phase)).sin());
        let position = (turned.y + swing) / self.period + self.phase;
        band(&self.colours, position, self.soft)
    }
}

/// The colour of a repeating row of bands at `position`, in periods; soft bands flow into each other.
pub fn band(colours: &[Colour], position: f32, soft: bool) -> Colour {
    let place = position.rem_euclid(1.0) * colours.len() as f32;
    let index = (place as usize).min(colours.len() - 1);
    let share = if soft { place - index as f32 } else { 0.0 };
    let smooth = share * share * (3.0 - 2.0 * share);
    blend(colours[index], colours[(index + 1) % colours.len()], smooth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_repeat() {
        let colours = [[0.0; 3], [1.0; 3]];
        for (position, grey) in [(0.2, 0.0), (0.7, 1.0), (1.2, 0.0), (-0.3, 1.0)] {
            assert_eq!(band(&colours, position, false), [grey; 3], "{position}");
        }
        assert_eq!(band(&colours, 0.25, true), [0.5; 3]);
    }

    /// How far the colour moves along each axis, summed over a lattice of points.
    fn roughness(pattern: &dyn Pattern) -> (f32, f32) {
        let (mut across, mut down) = (0.0, 0.0);
        for i in 0..40 * 40 {
            let point = Point { x: (i % 40) as f32 / 40.0, y: (i / 40) as f32 / 40.0 };
            let here = pattern.at(point);
            let step = 1.0 / 40.0;
            across += crate::colour::distance(here, pattern.at(Point { x: point.x + step, ..point }));
            down += crate::colour::distance(here, pattern.at(Point { y: point.y + step, ..point }));
        }
        (across, down)
    }

    #[test]
    fn directions_are_what_they_say() {
        for index in 0..20 {
            let (across, down) = roughness(&*horizontal(&mut Random::new([0, 0, index])));
            assert!(down > 3.0 * across, "{across} {down}");
            let (across, down) = roughness(&*vertical(&mut Random::new([0, 0, index])));
            assert!(across > 3.0 * down, "{across} {down}");
        }
    }

    #[test]
    fn diagonals_rise_to_the_right() {
        for index in 0..20 {
            let pattern = diagonal(&mut Random::new([0, 0, index]));
            let change = |dx: f32, dy: f32| -> f32 {
                (0..400)
                    .map(|i| Point { x: (i % 20) as f32 / 20.0, y: (i / 20) as f32 / 20.0 })
                    .map(|p| {
                        crate::colour::distance(pattern.at(p), pattern.at(Point { x: p.x + dx, y: p.y + dy }))
                    })
                    .sum()
            };
            assert!(change(0.03, 0.03) > 2.0 * change(0.03, -0.03));
        }
    }
}
