//! Pictures that end before the last step: what the spec's stops say of their scores.

use super::plateau::Track;
use super::{Ascent, End, Observer, RunError};
use crate::spec::{OptimizeSpec, Stop};

/// How pictures ended so far, but for those that died.
pub struct Ends {
    stop: Stop,
    /// By picture.
    tracks: Vec<Track>,
    /// By picture; `None` for those that may still move.
    ends: Vec<Option<End>>,
}

impl Ends {
    /// None yet.
    pub fn new(spec: &OptimizeSpec) -> Self {
        let images = spec.images as usize;
        Self { stop: spec.stop, tracks: vec![Track::default(); images], ends: vec![None; images] }
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
