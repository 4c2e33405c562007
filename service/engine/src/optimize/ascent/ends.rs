//! Pictures that end before the last step: what the spec's stops and its elimination say of their scores.

use super::halving::worse_half;
use super::plateau::Track;
use super::{Ascent, End, Observer, RunError};
use crate::spec::{Elimination, OptimizeSpec, Stop};

/// How pictures ended so far, but for those that died.
pub struct Ends {
    stop: Stop,
    elimination: Option<Elimination>,
    /// Steps of the elimination that are behind.
    halvings: usize,
    /// By picture.
    tracks: Vec<Track>,
    /// By picture; `None` for those that may still move.
    ends: Vec<Option<End>>,
}

impl Ends {
    /// None yet.
    pub fn new(spec: &OptimizeSpec) -> Self {
        let images = spec.images as usize;
        Self {
            stop: spec.stop,
            elimination: spec.elimination.clone(),
            halvings: 0,
            tracks: vec![Track::default(); images],
            ends: vec![None; images],
        }
    }

    /// How a picture ended, where it did.
    pub fn of(&self, place: usize) -> Option<&End> {
        self.ends[place].as_ref()
    }

    /// Takes an end back: the step after which it came is undone.
    pub fn take_back(&mut self, place: usize) {
        self.ends[place] = None;
    }

    /// Ends a picture, unless it has ended.
    fn end(&mut self, place: usize, end: End) {
        self.ends[place].get_or_insert(end);
    }

    fn is_out(&self, place: usize) -> bool {
        self.ends[place] == Some(End::Eliminated)
    }

    /// The pictures of each family that are still in.
    fn families(&self) -> Vec<Vec<usize>> {
        let images: Vec<usize> = (0..self.ends.len()).collect();
        let starts = self.elimination.as_ref().map_or(1, |elimination| elimination.starts.max(1) as usize);
        let inside = |family: &[usize]| family.iter().copied().filter(|&place| !self.is_out(place)).collect();
        images.chunks(starts).map(inside).collect()
    }

    /// Whether pictures go after this step.
    fn halves_at(&self, step: u32) -> bool {
        let next = self.elimination.as_ref().and_then(|elimination| elimination.steps.get(self.halvings));
        next == Some(&step) && self.families().iter().any(|family| family.len() > 1)
    }

    /// Eliminates the worse half of each family, however its pictures have ended.
    fn halve(&mut self, scores: &[f64]) {
        for place in self.families().iter().flat_map(|family| worse_half(family, scores)) {
            self.ends[place] = Some(End::Eliminated);
        }
        self.halvings += 1;
    }

    /// Does what is left of the elimination where the run ended before.
    pub fn halve_to_the_last(&mut self, scores: &[f64]) {
        while self.elimination.as_ref().is_some_and(|elimination| self.halvings < elimination.steps.len()) {
            self.halve(scores);
        }
    }

    /// Whether the scores of a picture, of which this is the last, have stopped rising.
    fn is_flat_with(&mut self, place: usize, score: f64) -> bool {
        self.stop.plateau.is_some_and(|rule| self.tracks[place].is_flat_with(score, rule))
    }
}

impl Ascent {
    /// Ends pictures for which `step` was the last, by their scores on its views and on the pictures that it made.
    pub(super) fn judge(
        &mut self,
        step: u32,
        scores: &[f64],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let moving: Vec<usize> = (0..scores.len()).filter(|&place| !self.rests(place)).collect();
        if let Some(target) = self.ends.stop.target {
            self.judge_targets(step, target, &moving, scores, cancelled)?;
        }
        for place in moving {
            // The score of a unit that is off stands still too; how long it may is for `Life` to say.
            if self.ends.is_flat_with(place, scores[place]) && self.lives[place].off == 0 {
                self.ends.end(place, End::Plateau);
            }
        }
        Ok(())
    }

    /// The scores on views, which cost nothing, say when it is worth looking at the pictures themselves.
    fn judge_targets(
        &mut self,
        step: u32,
        target: f64,
        moving: &[usize],
        scores: &[f64],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let near: Vec<usize> = moving.iter().copied().filter(|&place| scores[place] >= target).collect();
        if near.is_empty() {
            return Ok(());
        }
        let clean = self.clean_scores(step, cancelled)?;
        for place in near {
            if clean.scores[place] >= target {
                self.ends.end(place, End::TargetReached);
            }
        }
        Ok(())
    }

    /// Takes the worse half of each family out of the passes, where that is due after `step`.
    pub(super) fn eliminate(&mut self, step: u32, cancelled: &dyn Fn() -> bool) -> Result<(), RunError> {
        if self.ends.halves_at(step) {
            let clean = self.clean_scores(step, cancelled)?;
            self.ends.halve(&clean.scores);
            self.evaluator.leave_out(|image| self.ends.is_out(image as usize));
        }
        Ok(())
    }

    /// Ends all pictures that still move, where the time is up before the last step.
    pub(super) fn watch_time(&mut self, step: u32, observer: &dyn Observer) {
        if step == self.evaluator.plan.spec.steps || !observer.out_of_time() {
            return;
        }
        for place in 0..self.lives.len() {
            if !self.rests(place) {
                self.ends.end(place, End::OutOfTime);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(images: u32, starts: u32, steps: &[u32]) -> Ends {
        let elimination = Some(Elimination { starts, steps: steps.to_vec() });
        Ends::new(&OptimizeSpec { images, elimination, ..crate::optimize::testing::spec(1, 1) })
    }

    fn out(ends: &Ends) -> Vec<usize> {
        (0..ends.ends.len()).filter(|&place| ends.is_out(place)).collect()
    }

    #[test]
    fn each_family_is_halved_by_itself() {
        let mut ends = ends(8, 4, &[2, 5]);
        let scores = [1.0, 2.0, 3.0, 4.0, 80.0, 70.0, 60.0, 50.0];
        assert_eq!([1, 2, 5].map(|step| ends.halves_at(step)), [false, true, false]);
        ends.halve(&scores);
        assert_eq!(out(&ends), [0, 1, 6, 7]);
        assert_eq!([2, 5].map(|step| ends.halves_at(step)), [false, true]);
        // The scores of those that are out are not asked for.
        ends.halve(&[f64::NAN, f64::NAN, 3.0, 2.0, 1.0, 2.0, f64::NAN, f64::NAN]);
        assert_eq!(out(&ends), [0, 1, 3, 4, 6, 7]);
    }

    #[test]
    fn a_family_of_one_is_left_alone() {
        let mut ends = ends(2, 2, &[1, 2, 3]);
        ends.halve(&[1.0, 2.0]);
        assert!(!ends.halves_at(2), "there is nothing to look at");
        ends.halve_to_the_last(&[1.0, 2.0]);
        assert_eq!(out(&ends), [0]);
    }

    #[test]
    fn what_an_early_end_left_is_done_at_once() {
        let mut ends = ends(5, 5, &[1, 2, 3]);
        ends.end(2, End::Plateau);
        ends.halve_to_the_last(&[3.0, 5.0, 1.0, 4.0, 2.0]);
        assert_eq!(out(&ends), [0, 2, 3, 4], "5, 3, 2, 1 are left");
        let mut none = Ends::new(&crate::optimize::testing::spec(1, 1));
        none.halve_to_the_last(&[1.0]);
        assert_eq!(out(&none), [0; 0]);
    }

    #[test]
    fn the_first_end_counts_but_for_elimination() {
        let mut ends = ends(2, 2, &[1]);
        ends.end(0, End::TargetReached);
        ends.end(0, End::OutOfTime);
        assert_eq!(ends.of(0), Some(&End::TargetReached));
        ends.halve(&[0.0, 1.0]);
        assert_eq!((ends.of(0), ends.of(1)), (Some(&End::Eliminated), None));
    }
}
