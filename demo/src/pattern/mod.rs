//! The sixteen classes and what a pattern is. It knows nothing of pixels.

mod clouds;
mod radial;
mod shapes;
mod stripes;
mod tiles;

use crate::colour::Colour;
use crate::random::Random;

/// One class: its name, which is its folder and its label, and how one of its pictures is drawn.
pub struct Class {
    pub name: &'static str,
    pub draw: fn(&mut Random) -> Box<dyn Pattern>,
}

/// In label order. The demo model's labels.txt holds the same names.
pub const CLASSES: [Class; 16] = [
    Class { name: "bricks", draw: tiles::bricks },
    Class { name: "checks", draw: tiles::checks },
    Class { name: "diagonal stripes", draw: stripes::diagonal },
    Class { name: "dots", draw: shapes::dots },
    Class { name: "embers", draw: clouds::embers },
    Class { name: "flowers", draw: shapes::flowers },
    Class { name: "grid", draw: tiles::grid },
    Class { name: "horizontal stripes", draw: stripes::horizontal },
    Class { name: "ocean", draw: clouds::ocean },
    Class { name: "rainbow", draw: clouds::rainbow },
    Class { name: "rings", draw: radial::rings },
    Class { name: "spiral", draw: radial::spiral },
    Class { name: "stars", draw: shapes::stars },
    Class { name: "sunburst", draw: radial::sunburst },
    Class { name: "vertical stripes", draw: stripes::vertical },
    Class { name: "waves", draw: stripes::waves },
];

/// A picture before it is sampled: a colour at every point of the plane.
pub trait Pattern {
    /// The colour at a point; the picture is the square from (0, 0), top left, to (1, 1), bottom right.
    fn at(&self, point: Point) -> Colour;
}

/// A place in the picture, in picture sides.
#[derive(Clone, Copy)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl Point {
    /// The same place in axes turned by this angle about the picture's centre.
    pub fn turned(self, angle_rad: f32) -> Point {
        let (sin, cos) = angle_rad.sin_cos();
        let (x, y) = (self.x - 0.5, self.y - 0.5);
        Point { x: cos * x + sin * y, y: cos * y - sin * x }
    }

    /// Distance and direction (radians) from another place.
    pub fn polar(self, centre: Point) -> (f32, f32) {
        let (x, y) = (self.x - centre.x, self.y - centre.y);
        (x.hypot(y), y.atan2(x))
    }
}

/// An angle within ± `degrees`, in radians.
fn tilt(random: &mut Random, degrees: f32) -> f32 {
    random.between(-degrees, degrees).to_radians()
}
