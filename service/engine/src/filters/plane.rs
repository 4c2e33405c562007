//! The one plane that stands for a filter of several channels: its first principal component over them. It knows no Gabor function.

/// A filter as the best product of one plane and one direction among its channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// One value a pixel, in the order of the filter's: the filter's weights along `direction`.
    pub values: Vec<f64>,
    /// One number a channel, of length 1; they do not sum to less than 0, which settles the sign.
    pub direction: Vec<f64>,
    /// Which part of the sum of the filter's squared weights the plane holds, 0 … 1; 1 for a filter of zeros.
    pub share: f64,
}

/// Directions that are still moving after so many rounds belong to two components of almost one size, of which any mixture is as good.
const ROUNDS: usize = 200;

/// Below this squared step a direction is found.
const STILL: f64 = 1e-20;

/// The plane `Σ_c d_c w_c` of a filter's channels `w_c` along the direction `d` of length 1 that makes its sum of squares largest: the first left singular
/// vector of the matrix [channels, pixels], without centring (Eckart and Young 1936). Unlike a mean over the channels, it does not vanish where these
/// oppose each other. `weights` is [channels, pixels], row by row; one that is not finite makes values that are not.
///
/// # Panics
/// Where `weights` does not hold a whole number of planes.
pub fn principal(weights: &[f32], pixels: usize) -> Plane {
    assert!(pixels > 0 && weights.len().is_multiple_of(pixels), "a filter is a number of planes");
    let channels: Vec<&[f32]> = weights.chunks_exact(pixels).collect();
    // No eigenvector of a filter that anybody trained is at right angles to it.
    let mut direction = unit((0..channels.len()).map(|channel| 1.0 + (channel as f64).sin()).collect());
    for _ in 0..ROUNDS {
        let along = project(&channels, &direction, pixels);
        let next = unit(channels.iter().map(|channel| dot(channel, &along)).collect());
        let moved: f64 = next.iter().zip(&direction).map(|(new, old)| (new - old).powi(2)).sum();
        direction = next;
        if moved <= STILL || moved.is_nan() {
            break;
        }
    }
    if direction.iter().sum::<f64>() < 0.0 {
        direction.iter_mut().for_each(|part| *part = -*part);
    }
    let values = project(&channels, &direction, pixels);
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let whole = squares(&mut weights.iter().map(|&weight| f64::from(weight)));
    let share = if whole == 0.0 { 1.0 } else { (squares(&mut values.iter().copied()) / whole).min(1.0) };
    Plane { values, direction, share }
}

fn project(channels: &[&[f32]], direction: &[f64], pixels: usize) -> Vec<f64> {
    let mut plane = vec![0.0; pixels];
    for (channel, part) in channels.iter().zip(direction) {
        plane.iter_mut().zip(*channel).for_each(|(sum, &weight)| *sum += part * f64::from(weight));
    }
    plane
}

fn dot(channel: &[f32], plane: &[f64]) -> f64 {
    channel.iter().zip(plane).map(|(&weight, value)| f64::from(weight) * value).sum()
}

/// Of length 1; the even direction where there is none.
fn unit(parts: Vec<f64>) -> Vec<f64> {
    let length = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
    if length == 0.0 {
        return vec![(parts.len() as f64).sqrt().recip(); parts.len()];
    }
    parts.into_iter().map(|part| part / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(weights: &[f32], pixels: usize, values: &[f64], direction: &[f64], share: f64) {
        let plane = principal(weights, pixels);
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&plane.values, values) && plane.values.len() == values.len(), "{plane:?}");
        assert!(close(&plane.direction, direction) && plane.direction.len() == direction.len(), "{plane:?}");
        assert!((plane.share - share).abs() < 1e-9, "{plane:?}");
    }

    #[test]
    fn one_channel_is_its_own_plane() {
        check(&[1.0, -2.0, 0.5], 3, &[1.0, -2.0, 0.5], &[1.0], 1.0);
        check(&[0.0; 4], 4, &[0.0; 4], &[1.0], 1.0);
    }

    #[test]
    fn channels_that_oppose_each_other_do_not_cancel() {
        // 2, -1 and 2 times the plane (3, -4).
        check(&[6.0, -8.0, -3.0, 4.0, 6.0, -8.0], 2, &[9.0, -12.0], &[2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0], 1.0);
        // The sign is the one of the larger part.
        check(&[1.0, 0.0, -2.0, 0.0], 2, &[-(5_f64.sqrt()), 0.0], &[-(0.2_f64.sqrt()), 0.8_f64.sqrt()], 1.0);
    }

    #[test]
    fn the_larger_of_two_components_is_shown() {
        check(&[3.0, 0.0, 0.0, 4.0], 2, &[0.0, 4.0], &[0.0, 1.0], 16.0 / 25.0);
    }

    #[test]
    fn what_is_not_finite_ends() {
        assert!(!principal(&[f32::NAN, 1.0, 1.0, 2.0], 2).values[0].is_finite());
        assert!(!principal(&[f32::INFINITY, 1.0], 2).values[0].is_finite());
        assert!(principal(&[f32::MAX; 8], 2).values.iter().all(|value| value.is_finite()));
    }
}
