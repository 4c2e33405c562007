//! Optimizers: rules that turn gradients into steps. They ascend, and treat each image apart.

use crate::spec::Optimizer as Rule;
use tch::{TchError, Tensor};

/// A rule with its memory, for parameters whose first axis counts images.
pub struct Optimizer {
    rule: Rule,
    step: i32,
    mean: Tensor,
    square: Tensor,
}

impl Optimizer {
    /// The rule at its start.
    pub fn new(rule: Rule, parameters: &Tensor) -> Result<Self, TchError> {
        let mean = parameters.detach().f_zeros_like()?;
        Ok(Self { rule, step: 0, square: mean.f_zeros_like()?, mean })
    }

    /// Moves `parameters` up along `gradient` (same shape), in place; images where `moving` (`[n]`, bool) is false stay.
    ///
    /// Adam: Kingma and Ba 2015, algorithm 1, with a plus for ascent.
    pub fn ascend(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        moving: &Tensor,
    ) -> Result<(), TchError> {
        let Rule::Adam { learning_rate, beta1, beta2, epsilon } = self.rule;
        self.step += 1;
        tch::no_grad(|| {
            self.mean = self.mean.f_mul_scalar(beta1)?.f_add(&gradient.f_mul_scalar(1.0 - beta1)?)?;
            let square = gradient.f_square()?.f_mul_scalar(1.0 - beta2)?;
            self.square = self.square.f_mul_scalar(beta2)?.f_add(&square)?;
            let mean = self.mean.f_div_scalar(1.0 - beta1.powi(self.step))?;
            let deviation = self.square.f_div_scalar(1.0 - beta2.powi(self.step))?.f_sqrt()?;
            let change = mean.f_mul_scalar(learning_rate)?.f_div(&deviation.f_add_scalar(epsilon)?)?;
            let mut shape = vec![1; parameters.dim()];
            shape[0] = parameters.size()[0];
            let change = change.f_where_self(&moving.f_reshape(&shape)?, &change.f_zeros_like()?)?;
            let _ = parameters.shallow_clone().f_add_(&change)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Against the algorithm written out for one number.
    #[test]
    fn adam_follows_the_paper() {
        let (rate, b1, b2, eps) = (0.05, 0.9, 0.999, 1e-8);
        let rule = Rule::Adam { learning_rate: rate, beta1: b1, beta2: b2, epsilon: eps };
        let parameters = Tensor::zeros([1, 1], (Kind::Double, Device::Cpu));
        let moving = Tensor::from_slice(&[true]);
        let mut optimizer = Optimizer::new(rule, &parameters).unwrap();
        let (mut x, mut m, mut v) = (0.0f64, 0.0f64, 0.0f64);
        for step in 1..=20 {
            let gradient = (f64::from(step) * 0.7).sin() + 0.2;
            m = b1 * m + (1.0 - b1) * gradient;
            v = b2 * v + (1.0 - b2) * gradient * gradient;
            x += rate * (m / (1.0 - b1.powi(step))) / ((v / (1.0 - b2.powi(step))).sqrt() + eps);
            let gradient = Tensor::from_slice(&[gradient]).reshape([1, 1]);
            optimizer.ascend(&parameters, &gradient, &moving).unwrap();
        }
        let found = parameters.double_value(&[0, 0]);
        assert!((found - x).abs() < 1e-12, "{found} against {x}");
    }

    #[test]
    fn images_that_do_not_move_stay() {
        let parameters = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let mut optimizer = Optimizer::new(Rule::DEFAULT, &parameters).unwrap();
        let moving = Tensor::from_slice(&[true, false]);
        optimizer.ascend(&parameters, &parameters.ones_like(), &moving).unwrap();
        assert!(parameters.get(0).min().double_value(&[]) > 0.04);
        assert_eq!(parameters.get(1).abs().max().double_value(&[]), 0.0);
    }
}
