//! Optimizers: rules that turn gradients into steps. They ascend, and treat each image apart.

use crate::spec::{self, Moments, Rule};
use tch::{TchError, Tensor};

/// A rule with its memory, for parameters whose first axis counts images.
pub struct Optimizer {
    spec: spec::Optimizer,
    /// Steps made.
    step: u32,
    /// The mean gradient, or SGD's sum of gradients.
    mean: Tensor,
    /// The mean square of the gradient.
    square: Tensor,
    /// NAdam's product of the momenta so far.
    momentum_product: f64,
}

impl Optimizer {
    /// The rule at its start.
    pub fn new(spec: spec::Optimizer, parameters: &Tensor) -> Result<Self, TchError> {
        let mean = parameters.detach().f_zeros_like()?;
        Ok(Self { spec, step: 0, square: mean.f_zeros_like()?, mean, momentum_product: 1.0 })
    }

    /// Moves `parameters` up along `gradient` (same shape), in place; images where `moving` (`[n]`, bool) is false stay.
    ///
    /// The formulas are those of [`Rule`]'s sources, with a plus for ascent; the rate is [`spec::Optimizer::rate`].
    pub fn ascend(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        moving: &Tensor,
    ) -> Result<(), TchError> {
        self.step += 1;
        tch::no_grad(|| {
            let change = self.change(parameters, gradient)?;
            let mut shape = vec![1; parameters.dim()];
            shape[0] = parameters.size()[0];
            let change = change.f_where_self(&moving.f_reshape(&shape)?, &change.f_zeros_like()?)?;
            let _ = parameters.shallow_clone().f_add_(&change)?;
            Ok(())
        })
    }

    /// What this step adds to the parameters.
    fn change(&mut self, parameters: &Tensor, gradient: &Tensor) -> Result<Tensor, TchError> {
        let rate = self.spec.rate(self.step);
        match self.spec.rule {
            Rule::Adam(moments) => self.adam(moments, gradient, rate),
            Rule::AdamW { moments, weight_decay } => {
                let lost = parameters.f_mul_scalar(rate * weight_decay)?;
                self.adam(moments, gradient, rate)?.f_sub(&lost)
            }
            Rule::NAdam { moments, momentum_decay } => self.nadam(moments, momentum_decay, gradient, rate),
            Rule::RmsProp { decay, epsilon } => {
                self.remember_square(decay, gradient)?;
                gradient.f_mul_scalar(rate)?.f_div(&self.square.f_sqrt()?.f_add_scalar(epsilon)?)
            }
            Rule::Sgd { momentum, nesterov } => {
                self.mean = self.mean.f_mul_scalar(momentum)?.f_add(gradient)?;
                let direction = match nesterov {
                    true => gradient.f_add(&self.mean.f_mul_scalar(momentum)?)?,
                    false => self.mean.shallow_clone(),
                };
                direction.f_mul_scalar(rate)
            }
        }
    }

    fn adam(&mut self, moments: Moments, gradient: &Tensor, rate: f64) -> Result<Tensor, TchError> {
        let deviation = self.remember(moments, gradient)?;
        let mean = self.mean.f_div_scalar(1.0 - power(moments.beta1, self.step))?;
        mean.f_mul_scalar(rate)?.f_div(&deviation)
    }

    fn nadam(
        &mut self,
        moments: Moments,
        momentum_decay: f64,
        gradient: &Tensor,
        rate: f64,
    ) -> Result<Tensor, TchError> {
        let deviation = self.remember(moments, gradient)?;
        // Dozat's schedule of the momentum; 0.96 is the paper's constant.
        let momentum =
            |step: u32| moments.beta1 * (1.0 - 0.5 * 0.96f64.powf(f64::from(step) * momentum_decay));
        let (now, next) = (momentum(self.step), momentum(self.step + 1));
        self.momentum_product *= now;
        let fresh = gradient.f_mul_scalar(rate * (1.0 - now) / (1.0 - self.momentum_product))?;
        let kept = self.mean.f_mul_scalar(rate * next / (1.0 - self.momentum_product * next))?;
        fresh.f_add(&kept)?.f_div(&deviation)
    }

    /// Takes the gradient into both means and returns √(mean square, without its bias to the start) + ε.
    fn remember(&mut self, moments: Moments, gradient: &Tensor) -> Result<Tensor, TchError> {
        let Moments { beta1, beta2, epsilon } = moments;
        self.mean = self.mean.f_mul_scalar(beta1)?.f_add(&gradient.f_mul_scalar(1.0 - beta1)?)?;
        self.remember_square(beta2, gradient)?;
        self.square.f_div_scalar(1.0 - power(beta2, self.step))?.f_sqrt()?.f_add_scalar(epsilon)
    }

    fn remember_square(&mut self, decay: f64, gradient: &Tensor) -> Result<(), TchError> {
        let square = gradient.f_square()?.f_mul_scalar(1.0 - decay)?;
        self.square = self.square.f_mul_scalar(decay)?.f_add(&square)?;
        Ok(())
    }
}

/// `base` to the number of a step. Steps are capped far below where they would leave `i32`.
fn power(base: f64, step: u32) -> f64 {
    base.powi(i32::try_from(step).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const RATE: f64 = 0.05;
    const B1: f64 = 0.9;
    const B2: f64 = 0.999;
    const EPS: f64 = 1e-8;

    /// Runs `rule` for 20 steps on one number that starts at 1, beside `reference`, which is the algorithm written out: it takes
    /// the step, the number and the gradient, and returns the next number.
    fn check(rule: Rule, mut reference: impl FnMut(i32, f64, f64) -> f64) {
        let parameters = Tensor::ones([1, 1], (Kind::Double, Device::Cpu));
        let moving = Tensor::from_slice(&[true]);
        let spec = spec::Optimizer { rule, learning_rate: RATE, ..spec::Optimizer::DEFAULT };
        let mut optimizer = Optimizer::new(spec, &parameters).unwrap();
        let mut x = 1.0;
        for step in 1..=20 {
            let gradient = (f64::from(step) * 0.7).sin() + 0.2;
            x = reference(step, x, gradient);
            let gradient = Tensor::from_slice(&[gradient]).reshape([1, 1]);
            optimizer.ascend(&parameters, &gradient, &moving).unwrap();
            let found = parameters.double_value(&[0, 0]);
            assert!((found - x).abs() < 1e-12, "{rule:?} at step {step}: {found} against {x}");
        }
    }

    #[test]
    fn adam_and_adamw_follow_their_papers() {
        for weight_decay in [None, Some(0.3)] {
            let rule = match weight_decay {
                None => Rule::Adam(Moments::DEFAULT),
                Some(weight_decay) => Rule::AdamW { moments: Moments::DEFAULT, weight_decay },
            };
            let (mut m, mut v) = (0.0f64, 0.0f64);
            check(rule, |step, x, gradient| {
                m = B1 * m + (1.0 - B1) * gradient;
                v = B2 * v + (1.0 - B2) * gradient * gradient;
                let kept = x * (1.0 - RATE * weight_decay.unwrap_or(0.0));
                kept + RATE * (m / (1.0 - B1.powi(step))) / ((v / (1.0 - B2.powi(step))).sqrt() + EPS)
            });
        }
    }

    /// `torch.optim.NAdam`'s documentation, line by line.
    #[test]
    fn nadam_follows_torch() {
        let (mut m, mut v, mut product) = (0.0f64, 0.0f64, 1.0f64);
        let psi = 0.2;
        check(Rule::NAdam { moments: Moments::DEFAULT, momentum_decay: psi }, |step, x, gradient| {
            let t = f64::from(step);
            let mu = B1 * (1.0 - 0.5 * 0.96f64.powf(t * psi));
            let mu_next = B1 * (1.0 - 0.5 * 0.96f64.powf((t + 1.0) * psi));
            product *= mu;
            m = B1 * m + (1.0 - B1) * gradient;
            v = B2 * v + (1.0 - B2) * gradient * gradient;
            let m_hat = mu_next * m / (1.0 - product * mu_next) + (1.0 - mu) * gradient / (1.0 - product);
            let v_hat = v / (1.0 - B2.powi(step));
            x + RATE * m_hat / (v_hat.sqrt() + EPS)
        });
    }

    #[test]
    fn rmsprop_divides_by_the_mean_square() {
        let mut v = 0.0f64;
        check(Rule::RmsProp { decay: 0.9, epsilon: 1e-3 }, |_, x, gradient| {
            v = 0.9 * v + 0.1 * gradient * gradient;
            x + RATE * gradient / (v.sqrt() + 1e-3)
        });
    }

    #[test]
    fn sgd_keeps_its_momentum() {
        for (momentum, nesterov) in [(0.0, false), (0.8, false), (0.8, true)] {
            let mut buffer = 0.0;
            check(Rule::Sgd { momentum, nesterov }, |_, x, gradient| {
                buffer = momentum * buffer + gradient;
                x + RATE * if nesterov { gradient + momentum * buffer } else { buffer }
            });
        }
    }

    #[test]
    fn the_schedule_sets_the_size_of_a_step() {
        let parameters = Tensor::zeros([1, 1], (Kind::Double, Device::Cpu));
        let spec = spec::Optimizer {
            rule: Rule::Sgd { momentum: 0.0, nesterov: false },
            learning_rate: 1.0,
            warmup_steps: 0,
            schedule: spec::Schedule::Exponential { decay: 0.5 },
        };
        let mut optimizer = Optimizer::new(spec, &parameters).unwrap();
        for _ in 0..3 {
            let ones = parameters.ones_like();
            optimizer.ascend(&parameters, &ones, &Tensor::from_slice(&[true])).unwrap();
        }
        assert_eq!(parameters.double_value(&[0, 0]), 1.0 + 0.5 + 0.25);
    }

    #[test]
    fn images_that_do_not_move_stay() {
        for rule in [
            Rule::Adam(Moments::DEFAULT),
            Rule::AdamW { moments: Moments::DEFAULT, weight_decay: 0.5 },
            Rule::Sgd { momentum: 0.9, nesterov: true },
        ] {
            let parameters = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
            let spec = spec::Optimizer { rule, ..spec::Optimizer::DEFAULT };
            let mut optimizer = Optimizer::new(spec, &parameters).unwrap();
            let moving = Tensor::from_slice(&[true, false]);
            optimizer.ascend(&parameters, &parameters.ones_like(), &moving).unwrap();
            assert!(parameters.get(0).min().double_value(&[]) > 1.02, "{rule:?}");
            assert_eq!(parameters.get(1), Tensor::ones([3], (Kind::Float, Device::Cpu)), "{rule:?}");
        }
    }
}
