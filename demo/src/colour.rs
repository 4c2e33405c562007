//! Colours and how the patterns draw them. It knows no shape.

use crate::random::Random;

/// Red, green, blue in `0.0..=1.0`, as written to the file (no gamma).
pub type Colour = [f32; 3];

/// The colour `share` of the way from `from` to `to`; the share is clamped to `0.0..=1.0`.
pub fn blend(from: Colour, to: Colour, share: f32) -> Colour {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

/// Hue in turns (any real number), saturation and value in `0.0..=1.0` (Smith 1978).
pub fn hsv(hue: f32, saturation: f32, value: f32) -> Colour {
    [5.0, 3.0, 1.0].map(|offset: f32| {
        let sector = (offset + hue * 6.0).rem_euclid(6.0);
        value - value * saturation * sector.min(4.0 - sector).clamp(0.0, 1.0)
    })
}

/// `count` colours that differ clearly from each other: mostly vivid, now and then near white, black or grey.
pub fn palette(random: &mut Random, count: usize) -> Vec<Colour> {
    // Euclidean in RGB; two stripes closer than this are hard to tell apart under noise and blur.
    const APART: f32 = 0.55;
    // Enough for four colours in practice; after it the last draw is taken as it is, so that drawing always ends.
    const TRIES: usize = 24;
    let mut colours: Vec<Colour> = Vec::with_capacity(count);
    while colours.len() < count {
        let mut colour = any(random);
        for _ in 0..TRIES {
            if colours.iter().all(|other| distance(*other, colour) >= APART) {
                break;
            }
            colour = any(random);
        }
        colours.push(colour);
    }
    colours
}

fn any(random: &mut Random) -> Colour {
    let hue = random.unit();
    if random.chance(0.12) {
        hsv(hue, 0.08, random.unit())
    } else {
        hsv(hue, random.between(0.55, 1.0), random.between(0.4, 1.0))
    }
}

/// Euclidean distance in RGB.
pub fn distance(a: Colour, b: Colour) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
}

/// The colour at `position` (`0.0..=1.0`) of a ramp whose colours are evenly spaced.
pub fn ramp(colours: &[Colour], position: f32) -> Colour {
    let scaled = position.clamp(0.0, 1.0) * (colours.len() - 1) as f32;
    let left = (scaled as usize).min(colours.len() - 2);
    blend(colours[left], colours[left + 1], scaled - left as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsv_meets_the_primaries() {
        for (hue, colour) in [
            (0.0, [1.0, 0.0, 0.0]),
            (1.0 / 3.0, [0.0, 1.0, 0.0]),
            (2.0 / 3.0, [0.0, 0.0, 1.0]),
            (-5.0 / 6.0, [1.0, 1.0, 0.0]),
        ] {
            assert!(distance(hsv(hue, 1.0, 1.0), colour) < 1e-5, "{hue}");
        }
        assert_eq!(hsv(0.3, 0.0, 0.25), [0.25; 3]);
    }

    #[test]
    fn palettes_are_apart() {
        for index in 0..200 {
            let colours = palette(&mut Random::new([1, 2, index]), 2);
            assert!(distance(colours[0], colours[1]) >= 0.55, "{colours:?}");
        }
    }

    #[test]
    fn ramps_pass_through_their_colours() {
        let colours = [[0.0; 3], [1.0, 0.0, 0.0], [1.0; 3]];
        for (position, colour) in
            [(-1.0, colours[0]), (0.5, colours[1]), (0.75, [1.0, 0.5, 0.5]), (2.0, colours[2])]
        {
            assert_eq!(ramp(&colours, position), colour);
        }
    }
}
