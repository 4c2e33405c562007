//! Optimization: pictures that drive units, by gradient ascent. It knows no clock, no file and no gRPC.

mod ascent;
mod background;
mod buffer;
mod evaluate;
#[cfg(test)]
mod golden_tests;
mod input;
mod limits;
mod loss;
mod objective;
mod optimizer;
mod parameterization;
mod patches;
mod plan;
mod transform;

pub use crate::spec::Picture;
pub use plan::{Plan, prepare};

use crate::plugin::TermError;

/// Whoever watches a run.
pub trait Observer {
    /// Asked before each step; `true` ends the run there with the pictures made so far.
    fn cancelled(&self) -> bool;
    /// Asked while the scores of the finished pictures are taken, after a cancelling too; `true` leaves them out.
    fn gives_up(&self) -> bool;
    /// Asked after each step but the last; `true` ends the run there, with its pictures done: it is no cancelling.
    fn out_of_time(&self) -> bool;
    /// Told after each step.
    fn step(&mut self, report: StepReport);
    /// Given every picture after each of the spec's snapshot steps.
    fn snapshot(&mut self, step: u32, image: u32, picture: Picture);
    /// Asked after each step; `true` gets every picture through [`Observer::preview`].
    fn wants_preview(&self) -> bool;
    /// Given a picture on its way, where wanted.
    fn preview(&mut self, step: u32, image: u32, picture: Picture);
}

/// What one step found, on the transformed views, before the update. Scores and values of pictures that were eliminated are NaN, their
/// gradients 0.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps made, from 1.
    pub step: u32,
    /// The maximized sum of each picture.
    pub scores: Vec<f64>,
    /// For each term of the spec its values for its pictures, unweighted; none for step operations.
    pub terms: Vec<Vec<f64>>,
    /// L2 norm of each picture's gradient, before step operations.
    pub gradient_norms: Vec<f64>,
}

/// One finished picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Steps made for it.
    pub steps: u32,
    /// The maximized sum on the clean picture; NaN where the run was cancelled before it was taken.
    pub score: f64,
    /// The same at the start.
    pub start_score: f64,
    /// For each term of the spec its value on the clean picture, where it applies to it and has one; NaN as the score is.
    pub terms: Vec<Option<f64>>,
    /// The clean picture.
    pub picture: Picture,
}

/// How a picture ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps were made.
    Completed,
    /// At the end its gradient was exactly zero for [`DEAD_STEPS`] steps in a row or more.
    Dead {
        /// What to try.
        hint: String,
    },
    /// Its score had stopped rising ([`crate::spec::Plateau`]).
    Plateau,
    /// Its score without transforms had reached the target.
    TargetReached,
    /// It still moved when the time was up.
    OutOfTime,
    /// Others of its family ([`crate::spec::Elimination`]) had higher scores.
    Eliminated,
    /// The run was cancelled, or a value was not finite.
    Stopped,
}

/// Steps with a gradient of exactly zero after which a picture ends as dead, or its gradient is redirected: as long as lucid redirects dead ReLUs at the start
/// (`misc/redirected_relu_grad.py`), by when jitter has shown the unit many views.
pub const DEAD_STEPS: u32 = 16;

/// Steps with a gradient of exactly zero through the network as it is, after which a picture ends as dead though redirected gradients
/// moved it all the while, or did not lead where those did. `inception_4d:139` of the BVLC GoogLeNet wakes within 16.
pub const OFF_STEPS: u32 = 128;

/// A run that ended early.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: RunError,
    /// Where a value was not finite: the pictures as they were before the update that led to it. Else empty.
    pub outcomes: Vec<Outcome>,
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        Self { error, outcomes: Vec::new() }
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A plugin failed.
    #[error("step {step}: {error}")]
    Term {
        /// The step, from 1; 0 before the first.
        step: u32,
        /// What the host found.
        error: TermError,
    },
    /// The network failed.
    #[error("step {step}: {error}")]
    Model {
        /// The step, from 1; 0 before the first.
        step: u32,
        /// What failed.
        error: crate::model::ModelError,
    },
    /// libtorch failed outside the network.
    #[error("step {step}: {error}")]
    Torch {
        /// The step, from 1; 0 before the first.
        step: u32,
        /// What failed.
        error: tch::TchError,
    },
    /// A value that is not finite appeared.
    #[error(
        "step {step}: {what} of image {image} is not finite; a smaller learning rate or other weights may help"
    )]
    NotFinite {
        /// The step, from 1.
        step: u32,
        /// The picture, from 0.
        image: u32,
        /// Which value.
        what: String,
    },
}

impl RunError {
    /// Whether a plugin stopped because the run was cancelled.
    fn is_cancelled(&self) -> bool {
        matches!(self, RunError::Term { error: TermError::Cancelled { .. }, .. })
    }

    /// Whether a value was not finite.
    #[must_use]
    pub fn is_not_finite(&self) -> bool {
        matches!(self, RunError::NotFinite { .. } | RunError::Term { error: TermError::NonFinite { .. }, .. })
    }
}

#[cfg(test)]
mod testing {
    //! A plain spec, for tests of the parts.

    use crate::spec::{Basis, OptimizeSpec, Optimizer, Parameterization, Stop};

    /// One picture from pixels, without terms and transforms.
    pub fn spec(height: u32, width: u32) -> OptimizeSpec {
        OptimizeSpec {
            images: 1,
            terms: vec![],
            references: vec![],
            start: None,
            objective: None,
            steps: 1,
            seed: 5,
            height,
            width,
            parameterization: Parameterization {
                basis: Basis::Pixel { standard_deviation: 0.01 },
                decorrelate_colors: false,
                alpha: false,
                shared: None,
            },
            transforms: vec![],
            views_per_step: 1,
            clean_steps: 0,
            optimizer: Optimizer::DEFAULT,
            stop: Stop::default(),
            elimination: None,
            snapshot_steps: vec![],
            images_per_pass: 8,
            redirect: true,
            smooth_max_pools: false,
        }
    }
}
