//! Whether a picture's score still rises. It knows numbers, not where they come from.

use crate::spec::Plateau;
use std::collections::VecDeque;

/// The scores of one picture on the views of its last steps: at most two windows of them.
#[derive(Clone, Debug, Default)]
pub struct Track(VecDeque<f64>);

impl Track {
    /// Takes the score of the next step, and tells whether scores have stopped rising by then. Means that are not finite rise.
    pub fn is_flat_with(&mut self, score: f64, rule: Plateau) -> bool {
        let window = rule.window as usize;
        if self.0.len() == 2 * window {
            self.0.pop_front();
        }
        self.0.push_back(score);
        if self.0.len() < 2 * window {
            return false;
        }
        let mean = |sum: f64| sum / f64::from(rule.window);
        let before = mean(self.0.iter().take(window).sum());
        let last = mean(self.0.iter().skip(window).sum());
        last - before <= rule.tolerance * last.abs().max(before.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step, from 1, at which these scores end, if they do.
    fn check(window: u32, tolerance: f64, scores: impl IntoIterator<Item = f64>, expected: Option<usize>) {
        let mut track = Track::default();
        let rule = Plateau { window, tolerance };
        let end = scores.into_iter().position(|score| track.is_flat_with(score, rule));
        assert_eq!(end.map(|place| place + 1), expected, "window {window}, tolerance {tolerance}");
    }

    #[test]
    fn two_windows_are_needed() {
        for window in [1, 2, 64] {
            check(window, 0.0, vec![1.0; 2 * window as usize - 1], None);
            check(window, 0.0, vec![1.0; 200], Some(2 * window as usize));
        }
    }

    #[test]
    fn what_rises_goes_on_and_what_falls_ends() {
        check(4, 0.0, (0..100).map(f64::from), None);
        check(4, 0.0, (0..100).map(|step| -f64::from(step)), Some(8));
        // Rises to 9 and falls: means of 4 steps are level at 7.5 and 7.5 once both windows hold 6, 7, 8, 9.
        let hill = (0..10).chain((0..10).rev()).map(f64::from);
        check(4, 0.0, hill, Some(14));
    }

    #[test]
    fn the_tolerance_is_a_share_of_the_larger_mean() {
        let jump = |from: f64, to: f64| [from, from, to, to];
        check(2, 0.1, jump(90.0, 100.0), Some(4));
        check(2, 0.1, jump(89.0, 100.0), None);
        // Of negative scores the earlier one is the larger.
        check(2, 0.1, jump(-100.0, -90.0), Some(4));
        check(2, 0.1, jump(-100.0, -89.0), None);
        check(2, 1.0, jump(-1.0, 0.0), Some(4));
        check(2, 1.0, jump(-1.0, 0.5), None);
    }

    #[test]
    fn noise_within_a_window_is_averaged_out() {
        let noisy = |step: u32| f64::from(step) + if step.is_multiple_of(2) { 50.0 } else { -50.0 };
        check(8, 0.0, (0..100).map(noisy), None);
        check(1, 0.0, (0..100).map(noisy), Some(2));
    }

    #[test]
    fn scores_that_are_no_numbers_never_end() {
        check(2, 0.5, vec![f64::NAN; 9], None);
        check(2, 0.5, vec![f64::INFINITY; 9], None);
    }

    #[test]
    fn old_scores_are_forgotten() {
        let mut track = Track::default();
        for step in 0..1000 {
            track.is_flat_with(f64::from(step), Plateau { window: 3, tolerance: 0.0 });
        }
        assert_eq!(track.0, [994.0, 995.0, 996.0, 997.0, 998.0, 999.0]);
    }
}
