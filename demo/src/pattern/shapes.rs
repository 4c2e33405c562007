//! Shapes scattered on a ground: dots, flowers, stars. It knows nothing of pixels.

use std::f32::consts::{PI, TAU};

use super::{Pattern, Point};
use crate::colour::{Colour, blend, palette};
use crate::random::{Random, cell_hash};

use super::tiles::pick;

/// One shape per cell of a turned lattice, each with its own colour, place, size and angle.
struct Scatter {
    angle_rad: f32,
    side: f32,
    shift: [f32; 2],
    /// In cell sides: how far a shape's centre may stray, and its greatest radius.
    stray: f32,
    radius: f32,
    outline: Outline,
    ground: [Colour; 2],
    colours: Vec<Colour>,
    heart: Colour,
    key: u64,
}

/// The form of a shape: its edge as a share of its radius, by direction.
enum Outline {
    Dot,
    Flower { petals: f32 },
    Star,
}

/// Discs.
pub fn dots(random: &mut Random) -> Box<dyn Pattern> {
    let side = random.between(0.16, 0.32);
    Box::new(scatter(random, Outline::Dot, side, random_radius(0.3, 0.4)))
}

/// Five to seven round petals around a heart of another colour.
pub fn flowers(random: &mut Random) -> Box<dyn Pattern> {
    let petals = random.count(5, 7) as f32;
    let side = random.between(0.36, 0.6);
    Box::new(scatter(random, Outline::Flower { petals }, side, random_radius(0.44, 0.5)))
}

/// Five-pointed stars.
pub fn stars(random: &mut Random) -> Box<dyn Pattern> {
    let side = random.between(0.32, 0.55);
    Box::new(scatter(random, Outline::Star, side, random_radius(0.44, 0.52)))
}

fn random_radius(low: f32, high: f32) -> impl FnOnce(&mut Random) -> f32 {
    move |random| random.between(low, high)
}

fn scatter(
    random: &mut Random,
    outline: Outline,
    side: f32,
    radius: impl FnOnce(&mut Random) -> f32,
) -> Scatter {
    let count = random.count(1, 3);
    let mut colours = palette(random, count + 2);
    let ground = colours.remove(0);
    let heart = colours.remove(0);
    let far = blend(ground, palette(random, 1)[0], random.between(0.0, 0.4));
    Scatter {
        angle_rad: random.between(0.0, TAU),
        side,
        shift: [random.unit(), random.unit()],
        stray: 0.05,
        radius: radius(random),
        outline,
        ground: [ground, far],
        colours,
        heart,
        key: random.count(0, 1 << 20) as u64,
    }
}

impl Pattern for Scatter {
    fn at(&self, point: Point) -> Colour {
        let turned = point.turned(self.angle_rad);
        let row = (turned.y / self.side + self.shift[1]).floor() as i32;
        // Odd rows are shifted by half a cell, so a shape can reach into the rows beside its own.
        for row in [row, row - 1, row + 1] {
            let half = if row.rem_euclid(2) == 0 { 0.0 } else { 0.5 };
            let x = turned.x / self.side + self.shift[0] + half;
            let y = turned.y / self.side + self.shift[1];
            if let Some(colour) = self.shape(x, y, row) {
                return colour;
            }
        }
        blend(self.ground[0], self.ground[1], point.y)
    }
}

impl Scatter {
    /// The colour of the shape of the cell around `x` in `row`, if it covers the place; lengths in cell sides.
    fn shape(&self, x: f32, y: f32, row: i32) -> Option<Colour> {
        let column = x.floor() as i32;
        let draw = |use_: u64| cell_hash(self.key ^ (use_ << 32), column, row);
        let centre = Point {
            x: column as f32 + 0.5 + self.stray * (2.0 * draw(1) - 1.0),
            y: row as f32 + 0.5 + self.stray * (2.0 * draw(2) - 1.0),
        };
        let (distance, angle) = Point { x, y }.polar(centre);
        let reach = distance / (self.radius * (0.8 + 0.2 * draw(3)));
        if reach > self.outline.edge(angle + TAU * draw(4)) {
            return None;
        }
        let heart = matches!(self.outline, Outline::Flower { .. }) && reach < 0.32;
        Some(if heart { self.heart } else { pick(&self.colours, draw(5)) })
    }
}

impl Outline {
    /// How far the shape reaches in this direction, as a share of its radius.
    fn edge(&self, angle_rad: f32) -> f32 {
        match self {
            Outline::Dot => 1.0,
            Outline::Flower { petals } => 0.48 + 0.52 * (petals * angle_rad / 2.0).cos().abs(),
            Outline::Star => {
                // The straight edge from a point (radius 1) to the next notch (radius NOTCH, a regular pentagram's).
                const NOTCH: f32 = 0.382;
                let wedge = PI / 5.0;
                let from_point = wedge - (angle_rad.rem_euclid(2.0 * wedge) - wedge).abs();
                NOTCH * wedge.sin() / (NOTCH * (wedge - from_point).sin() + from_point.sin())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_reach_the_radius_and_no_further() {
        for outline in [Outline::Dot, Outline::Flower { petals: 6.0 }, Outline::Star] {
            let edges: Vec<f32> = (0..3600).map(|i| outline.edge(i as f32 * TAU / 3600.0)).collect();
            let most = edges.iter().copied().fold(0.0, f32::max);
            assert!((most - 1.0).abs() < 1e-3, "{most}");
            assert!(edges.iter().all(|edge| *edge > 0.3));
        }
    }

    #[test]
    fn a_star_has_five_points() {
        let peaks = (0..3600)
            .filter(|i| {
                let edge = |j: i32| Outline::Star.edge(j as f32 * TAU / 3600.0);
                edge(*i) > edge(i - 1) && edge(*i) >= edge(i + 1)
            })
            .count();
        assert_eq!(peaks, 5);
    }
}
