//! What terms say of layers, back through the network to the pictures; redirected where a unit is off. It knows no term's value.

use super::super::RunError;
use super::super::plan::Pass;
use super::forward::Forward;
use super::{Evaluation, Evaluator};
use crate::model::{Reach, gradients};
use tch::{Kind, TchError, Tensor};

/// What of a picture's gradient came through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Some, or no term drives the picture through a layer.
    Own,
    /// None, but some where activations that are off let it through.
    Redirected,
    /// None.
    None,
}

impl Flow {
    /// What came through of a picture whose views let this and `other` through.
    pub fn or(self, other: Flow) -> Flow {
        match (self, other) {
            (Flow::Own, _) | (_, Flow::Own) => Flow::Own,
            (Flow::Redirected, _) | (_, Flow::Redirected) => Flow::Redirected,
            (Flow::None, Flow::None) => Flow::None,
        }
    }
}

impl Evaluator {
    /// Takes the gradients that terms put on layers back to the pictures.
    pub(super) fn backward(
        &mut self,
        step: u32,
        group: usize,
        forwards: &[Forward],
        evaluation: &mut Evaluation,
    ) -> Result<(), RunError> {
        let torch = |error| RunError::Torch { step, error };
        for (place, forward) in forwards.iter().enumerate() {
            let pass = &self.plan.groups[group].passes[place];
            let slopes = self.slopes(step, group, place)?;
            let mut through = back(step, &forward.taps, &forward.clean, &slopes)?;
            let mut flows = self.flows(step, pass, &through, Flow::Own)?;
            for reach in [Reach::Last, Reach::All] {
                let pass = &self.plan.groups[group].passes[place];
                let wakes =
                    |(flow, image): (&Flow, &u32)| *flow == Flow::None && self.waking[*image as usize];
                let waking: Vec<bool> = flows.iter().zip(&pass.images).map(wakes).collect();
                if !waking.contains(&true) {
                    break;
                }
                self.make_redirected(step, group, place, reach)?;
                let pass = &self.plan.groups[group].passes[place];
                let other = self.redirected_gradient(step, pass, reach, &forward.clean, &slopes)?;
                through = pick(&waking, &other, &through).map_err(torch)?;
                for (place, flow) in self.flows(step, pass, &other, Flow::Redirected)?.into_iter().enumerate()
                {
                    if waking[place] {
                        flows[place] = flow;
                    }
                }
            }
            let pass = &self.plan.groups[group].passes[place];
            for (image, flow) in pass.images.iter().zip(flows) {
                evaluation.flows[*image as usize] = flow;
            }
            let own = self.readings[group][place].picture_gradient().map_err(torch)?;
            let sum = own.f_to(through.device()).and_then(|own| through.f_add(&own)).map_err(torch)?;
            let _ = evaluation.gradient.f_index_copy_(0, &forward.rows, &sum).map_err(torch)?;
        }
        Ok(())
    }

    /// The gradients that terms gave for the layers of a pass, on the device.
    fn slopes(&self, step: u32, group: usize, place: usize) -> Result<Vec<Tensor>, RunError> {
        let (pass, reading) = (&self.plan.groups[group].passes[place], &self.readings[group][place]);
        let device = self.normalization.device();
        let slope = |&layer: &usize| {
            let gradient = reading.layer_gradient(layer).expect("a pass reads its own layers");
            gradient.f_to(device).map_err(|error| RunError::Torch { step, error })
        };
        pass.layers.iter().map(slope).collect()
    }

    fn make_redirected(
        &mut self,
        step: u32,
        group: usize,
        place: usize,
        reach: Reach,
    ) -> Result<(), RunError> {
        let layers = &self.plan.groups[group].passes[place].layers;
        if !self.redirected.contains_key(&(reach, layers.clone())) {
            let paths: Vec<String> = layers.iter().map(|&layer| self.plan.layers[layer].clone()).collect();
            let size = [self.plan.spec.height, self.plan.spec.width];
            let program =
                self.plan.model.redirected_program(&paths, size, reach, self.normalization.device());
            let program = program.map_err(|error| RunError::Model { step, error })?;
            self.redirected.insert((reach, layers.clone()), program);
        }
        Ok(())
    }

    /// What a pass's pictures get where activations that are off let gradients through. Values are the same, so that the terms
    /// need not be asked again.
    fn redirected_gradient(
        &self,
        step: u32,
        pass: &Pass,
        reach: Reach,
        pictures: &Tensor,
        slopes: &[Tensor],
    ) -> Result<Tensor, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let program = self.redirected.get(&(reach, pass.layers.clone())).expect("it was made for this pass");
        let clean = pictures.f_detach_copy().map_err(torch)?.set_requires_grad(true);
        let taps = self.taps(step, pass, &clean, program, true)?;
        back(step, &taps, &clean, slopes)
    }

    /// For each picture of a pass `flow`, or none where its gradient is exactly zero though terms drive it through a layer. A gradient that is
    /// not a number is no sign of death; it is reported where norms are checked.
    fn flows(&self, step: u32, pass: &Pass, gradient: &Tensor, flow: Flow) -> Result<Vec<Flow>, RunError> {
        let norms = norms(gradient).map_err(|error| RunError::Torch { step, error })?;
        let of = |(norm, &image): (f64, &u32)| {
            if norm != 0.0 || !self.driven[image as usize] { flow } else { Flow::None }
        };
        Ok(norms.into_iter().zip(&pass.images).map(of).collect())
    }
}

/// What flows from `slopes` at the taps back to the pictures, `[n, c, h, w]`.
fn back(step: u32, taps: &[Tensor], clean: &Tensor, slopes: &[Tensor]) -> Result<Tensor, RunError> {
    let found = gradients(taps, &[clean.shallow_clone()], slopes);
    let found = found.map_err(|error| RunError::Model { step, error })?.into_iter().next().flatten();
    found.map_or_else(|| clean.f_zeros_like(), Ok).map_err(|error| RunError::Torch { step, error })
}

/// Rows of `a` where `first` says so, else of `b`.
fn pick(first: &[bool], a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let first = Tensor::f_from_slice(first)?.f_reshape([-1, 1, 1, 1])?.f_to(a.device())?;
    a.f_where_self(&first, b)
}

/// The L2 norm of each picture's part of `[n, …]`.
pub fn norms(gradient: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = gradient.f_reshape([gradient.size()[0], -1])?.f_to_kind(Kind::Double)?;
    Vec::<f64>::try_from(flat.f_square()?.f_sum_dim_intlist([1].as_slice(), false, None)?.f_sqrt()?)
}
