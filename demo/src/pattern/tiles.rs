//! Patterns of straight-edged tiles: bricks, checks, grid. It knows nothing of pixels.

use super::{Pattern, Point, tilt};
use crate::colour::{Colour, palette};
use crate::random::{Random, cell_hash};

/// Rows of bricks, each row shifted by half a brick, with mortar between.
struct Bricks {
    angle_rad: f32,
    height: f32,
    shift: [f32; 2],
    mortar: f32,
    mortar_colour: Colour,
    colours: Vec<Colour>,
    key: u64,
}

/// Bricks of two or three colours.
pub fn bricks(random: &mut Random) -> Box<dyn Pattern> {
    let count = random.count(2, 3);
    let mut colours = palette(random, count + 1);
    let height = random.between(0.13, 0.22);
    Box::new(Bricks {
        angle_rad: tilt(random, 8.0),
        height,
        shift: [random.unit(), random.unit()],
        mortar: random.between(0.14, 0.22),
        mortar_colour: colours.remove(0),
        colours,
        key: random.count(0, 1 << 20) as u64,
    })
}

impl Pattern for Bricks {
    fn at(&self, point: Point) -> Colour {
        let turned = point.turned(self.angle_rad);
        let y = turned.y / self.height + self.shift[1];
        let row = y.floor();
        // A brick is twice as long as it is high; lengths along it are in heights.
        let x = turned.x / self.height + 2.0 * self.shift[0] + row.rem_euclid(2.0);
        let column = (x / 2.0).floor();
        if y - row < self.mortar || x - 2.0 * column < self.mortar {
            return self.mortar_colour;
        }
        pick(&self.colours, cell_hash(self.key, column as i32, row as i32))
    }
}

/// Squares of alternating colours.
struct Checks {
    angle_rad: f32,
    side: f32,
    shift: [f32; 2],
    even: Vec<Colour>,
    odd: Vec<Colour>,
    key: u64,
}

/// A checkerboard of two colours, or of one colour against two.
pub fn checks(random: &mut Random) -> Box<dyn Pattern> {
    let count = random.count(2, 3);
    let mut odd = palette(random, count);
    Box::new(Checks {
        angle_rad: tilt(random, 20.0),
        side: random.between(0.1, 0.22),
        shift: [random.unit(), random.unit()],
        even: vec![odd.remove(0)],
        odd,
        key: random.count(0, 1 << 20) as u64,
    })
}

impl Pattern for Checks {
    fn at(&self, point: Point) -> Colour {
        let turned = point.turned(self.angle_rad);
        let column = (turned.x / self.side + self.shift[0]).floor() as i32;
        let row = (turned.y / self.side + self.shift[1]).floor() as i32;
        let colours = if (column + row).rem_euclid(2) == 0 { &self.even } else { &self.odd };
        pick(colours, cell_hash(self.key, column, row))
    }
}

/// Thin lines in two directions over a ground.
struct Grid {
    angle_rad: f32,
    side: f32,
    shift: [f32; 2],
    thickness: f32,
    across: Colour,
    upright: Colour,
    ground: Colour,
}

/// A grid whose two directions have a colour each, or share one.
pub fn grid(random: &mut Random) -> Box<dyn Pattern> {
    let colours = palette(random, 3);
    Box::new(Grid {
        angle_rad: tilt(random, 15.0),
        side: random.between(0.16, 0.28),
        shift: [random.unit(), random.unit()],
        thickness: random.between(0.2, 0.32),
        across: colours[0],
        upright: if random.chance(0.5) { colours[0] } else { colours[1] },
        ground: colours[2],
    })
}

impl Pattern for Grid {
    fn at(&self, point: Point) -> Colour {
        let turned = point.turned(self.angle_rad);
        let x = (turned.x / self.side + self.shift[0]).rem_euclid(1.0);
        let y = (turned.y / self.side + self.shift[1]).rem_euclid(1.0);
        if y < self.thickness {
            self.across
        } else if x < self.thickness {
            self.upright
        } else {
            self.ground
        }
    }
}

/// The colour that a cell's draw (`0.0..1.0`) stands for.
pub fn pick(colours: &[Colour], draw: f32) -> Colour {
    colours[((draw * colours.len() as f32) as usize).min(colours.len() - 1)]
}
