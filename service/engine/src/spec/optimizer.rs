//! What turns gradients into steps: the rule, its learning rate and how that changes. It knows no tensor.

/// The rule that turns gradients into steps, and how far it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// The rule.
    pub rule: Rule,
    /// A normal float32 > 0.
    pub learning_rate: f64,
    /// Steps over which the rate rises to its full size.
    pub warmup_steps: u32,
    /// How the rate falls.
    pub schedule: Schedule,
}

impl Optimizer {
    /// Adam as lucid has it (`optvis/render.py`: learning rate 0.05), with the paper's other constants.
    pub const DEFAULT: Optimizer = Optimizer {
        rule: Rule::Adam(Moments::DEFAULT),
        learning_rate: 0.05,
        warmup_steps: 0,
        schedule: Schedule::Constant,
    };

    /// The rate of `step`, which counts from 1: learning rate × min(1, step / warm-up steps) × the schedule's share.
    #[must_use]
    pub fn rate(&self, step: u32) -> f64 {
        let risen = match self.warmup_steps {
            0 => 1.0,
            steps => (f64::from(step) / f64::from(steps)).min(1.0),
        };
        self.learning_rate * risen * self.schedule.share(step)
    }
}

/// How a step follows from the gradients so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Kingma and Ba 2015, algorithm 1.
    Adam(Moments),
    /// Adam that looks ahead by Nesterov's momentum (Dozat 2016, in the form of `torch.optim.NAdam`).
    NAdam {
        /// As in Adam.
        moments: Moments,
        /// The ψ of the momentum β1 · (1 − 0.5 · 0.96^(step · ψ)), `0.0..=1.0`.
        momentum_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
    AdamW {
        /// As in Adam.
        moments: Moments,
        /// The share of the parameters, times the rate, that each step takes away, `0.0..=1.0`.
        weight_decay: f64,
    },
    /// Hinton's lecture 6e, 2012, with the ε outside the root as `torch.optim.RMSprop` has it.
    RmsProp {
        /// What the mean square keeps from step to step, `0.0..1.0`.
        decay: f64,
        /// A normal float32 > 0.
        epsilon: f64,
    },
    /// The gradient itself, with momentum (Sutskever et al. 2013, in the form of `torch.optim.SGD`).
    Sgd {
        /// What the sum of gradients keeps from step to step, `0.0..1.0`.
        momentum: f64,
        /// Look ahead by one momentum; only with momentum > 0.
        nesterov: bool,
    },
}

impl Rule {
    /// Torch's default of ψ (`torch.optim.NAdam`).
    pub const MOMENTUM_DECAY: f64 = 4e-3;
    /// Torch's default of the weight decay (`torch.optim.AdamW`).
    pub const WEIGHT_DECAY: f64 = 0.01;
    /// Torch's default of the mean square's decay (`torch.optim.RMSprop`).
    pub const SQUARE_DECAY: f64 = 0.99;
    /// Torch's default learning rate of RMSprop, whose first step is 1 / √(1 − decay) times that.
    pub const RMSPROP_RATE: f64 = 0.01;
    /// The learning rate of plain ascent along a normalized gradient (flashtorch, `activmax.py`).
    pub const SGD_RATE: f64 = 1.0;
}

/// The constants of Adam and its relatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// What the mean gradient keeps from step to step, `0.0..1.0`.
    pub beta1: f64,
    /// What the mean square keeps from step to step, `0.0..1.0`.
    pub beta2: f64,
    /// Added to the root of the mean square; a normal float32 > 0.
    pub epsilon: f64,
}

impl Moments {
    /// The paper's (Kingma and Ba 2015, algorithm 1).
    pub const DEFAULT: Moments = Moments { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}

/// How the learning rate falls from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// (1 + cos(π · (step − 1) / steps)) / 2, and 0 after `steps`: Loshchilov and Hutter 2017 (SGDR), equation 5 without
    /// restarts, with a least rate of 0.
    Cosine {
        /// At least 1.
        steps: u32,
    },
    /// decay^(step − 1).
    Exponential {
        /// `0.0..=1.0`.
        decay: f64,
    },
}

impl Schedule {
    /// The share of the learning rate that is left at `step`, which counts from 1.
    fn share(&self, step: u32) -> f64 {
        let before = f64::from(step.saturating_sub(1));
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine { steps } => {
                let done = (before / f64::from(steps)).min(1.0);
                (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
            }
            Schedule::Exponential { decay } => decay.powf(before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(warmup_steps: u32, schedule: Schedule, expected: &[(u32, f64)]) {
        let optimizer = Optimizer { learning_rate: 2.0, warmup_steps, schedule, ..Optimizer::DEFAULT };
        for &(step, expected) in expected {
            let found = optimizer.rate(step);
            assert!((found - expected).abs() < 1e-12, "{schedule:?} at {step}: {found} against {expected}");
        }
    }

    #[test]
    fn rates_follow_their_schedule() {
        check(0, Schedule::Constant, &[(1, 2.0), (1000, 2.0)]);
        check(4, Schedule::Constant, &[(1, 0.5), (2, 1.0), (4, 2.0), (5, 2.0)]);
        // A third of the way cos is 1/2, half of the way it is 0.
        check(
            0,
            Schedule::Cosine { steps: 6 },
            &[(1, 2.0), (3, 1.5), (4, 1.0), (5, 0.5), (7, 0.0), (9, 0.0)],
        );
        check(0, Schedule::Exponential { decay: 0.5 }, &[(1, 2.0), (2, 1.0), (4, 0.25)]);
        check(2, Schedule::Exponential { decay: 0.5 }, &[(1, 1.0), (2, 1.0), (3, 0.5)]);
    }
}
