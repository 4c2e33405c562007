//! Which pictures of a family go. It knows numbers, not where they come from.

use std::cmp::Ordering;

/// The worse half, rounded down, of the pictures `family` (rising) by their `scores`: NaN is worst, and of equals the later goes.
pub fn worse_half(family: &[usize], scores: &[f64]) -> Vec<usize> {
    let mut ranked = family.to_vec();
    // Stable, so that equals stay in their order.
    ranked.sort_by(|&a, &b| best_first(scores[a], scores[b]));
    ranked.split_off(family.len() - family.len() / 2)
}

fn best_first(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scores: &[f64], expected: &[usize]) {
        let family: Vec<usize> = (0..scores.len()).collect();
        let mut found = worse_half(&family, scores);
        found.sort_unstable();
        assert_eq!(found, expected, "{scores:?}");
    }

    #[test]
    fn the_worse_half_goes() {
        check(&[1.0, 4.0, 2.0, 3.0], &[0, 2]);
        check(&[-1.0, -4.0, -2.0, -3.0], &[1, 3]);
        check(&[f64::NEG_INFINITY, 0.0, f64::INFINITY, -1e300], &[0, 3]);
    }

    #[test]
    fn of_an_odd_number_the_smaller_half_goes_and_of_one_none() {
        check(&[3.0, 1.0, 2.0], &[1]);
        check(&[5.0, 1.0, 3.0, 2.0, 4.0], &[1, 3]);
        check(&[1.0], &[]);
        check(&[f64::NAN], &[]);
        check(&[], &[]);
    }

    #[test]
    fn of_equals_the_later_go() {
        check(&[2.0; 4], &[2, 3]);
        check(&[1.0, 1.0, 2.0, 1.0], &[1, 3]);
        check(&[0.0, -0.0], &[1]);
        check(&[-0.0, 0.0], &[1]);
    }

    #[test]
    fn what_is_no_number_is_worst() {
        check(&[f64::NAN, -1e9, 1.0, f64::NEG_INFINITY], &[0, 3]);
        check(&[f64::NAN, f64::NAN, f64::NAN, 0.0], &[1, 2]);
        check(&[f64::NAN; 4], &[2, 3]);
    }

    #[test]
    fn pictures_keep_their_numbers() {
        let scores = [9.0, 9.0, 9.0, 9.0, 5.0, 9.0, 7.0, 6.0];
        let mut found = worse_half(&[4, 6, 7], &scores);
        assert_eq!(found.pop(), Some(4));
        assert!(found.is_empty());
    }
}
