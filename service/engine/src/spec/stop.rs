//! When pictures and runs end before the last step. It knows no tensor and no clock.

/// Ends beside the number of steps; by default there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stop {
    /// A picture ends when its score no longer rises.
    pub plateau: Option<Plateau>,
    /// A picture ends when its score without transforms reaches this; finite.
    pub target: Option<f64>,
    /// The run ends after the step in which it is this old, `> 0.0`. Whoever observes the run has the clock.
    pub seconds: Option<f64>,
}

/// A score no longer rises when its mean over the last `window` steps is not above that over the `window` steps before by more than
/// `tolerance` × the larger of the two means' absolute values.
///
/// After the search for stopping of Zimmermann et al., which smooths gradient norms over halves of a window; these are scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    /// Steps of each mean, at least 1.
    pub window: u32,
    /// `0.0..=1.0`.
    pub tolerance: f64,
}

impl Plateau {
    /// As the proto says: long enough that the draws of transforms average out.
    pub const DEFAULT: Plateau = Plateau { window: 64, tolerance: 0.005 };
}
