//! What terms say of layers, back through the network to the pictures; redirected where a unit is off. It knows no term's value.

use super::super::RunError;
use super::super::plan::Pass;
use super::forward::Forward;
use super::{Evaluation, Evaluator};
use crate::model::{Gradients, Reach, gradients};
use tch::{Kind, TchError, Tensor};

/// What of a picture's gradient came through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Some, or no term drives the picture through a layer.
    Own,
    /// None, or none that leads anywhere, but some where activations that are off let it through.
    Redirected(Reach),
    /// None.
    None,
}

impl Flow {
    /// What came through of a picture whose views let this and `other` through.
    pub fn or(self, other: Flow) -> Flow {
        match (self, other) {
            (Flow::Own, _) | (_, Flow::Own) => Flow::Own,
            (Flow::Redirected(reach), _) | (_, Flow::Redirected(reach)) => Flow::Redirected(reach),
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
            let (through, flows) = self.through(step, (group, place), forward)?;
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

    /// What comes through the network to the pictures of a pass, `[n, c, h, w]`, and of each how: their own gradients, or redirected ones for those
    /// that wake.
    fn through(
        &mut self,
        step: u32,
        (group, place): (usize, usize),
        forward: &Forward,
    ) -> Result<(Tensor, Vec<Flow>), RunError> {
        let torch = |error| RunError::Torch { step, error };
        let slopes = self.slopes(step, group, place)?;
        let mut through = back(step, &forward.taps, &forward.clean, &slopes)?;
        let mut flows = self.flows(step, &self.plan.groups[group].passes[place], &through, Flow::Own)?;
        for reach in [Reach::Last, Reach::All] {
            let pass = &self.plan.groups[group].passes[place];
            let asks = |(flow, &image): (&Flow, &u32)| self.asks(*flow, image, &pass.layers, reach);
            let asking: Vec<bool> = flows.iter().zip(&pass.images).map(asks).collect();
            if !asking.contains(&true) {
                continue;
            }
            self.make_redirected(step, group, place, reach)?;
            let pass = &self.plan.groups[group].passes[place];
            let other = self.redirected_gradient(step, pass, reach, &forward.clean, &slopes)?;
            let others = self.flows(step, pass, &other, Flow::Redirected(reach))?;
            let along = dots(&through, &other).map_err(torch)?;
            let taken = |row: usize| {
                asking[row] && others[row] != Flow::None && (flows[row] == Flow::None || along[row] <= 0.0)
            };
            let taken: Vec<bool> = (0..flows.len()).map(taken).collect();
            through = pick(&taken, &other, &through).map_err(torch)?;
            for row in (0..flows.len()).filter(|&row| taken[row]) {
                flows[row] = others[row];
            }
        }
        Ok((through, flows))
    }

    /// Whether a picture of which so much came through is to get a redirected gradient, or to be compared with it: where activations dip, a gradient
    /// that is not zero may lead back to where it was.
    fn asks(&self, flow: Flow, image: u32, layers: &[usize], reach: Reach) -> bool {
        match (flow, self.waking[image as usize]) {
            (Flow::None, Some(_)) => true,
            (Flow::Own, Some(moved_by)) => moved_by == reach && self.dipping.contains(layers),
            _ => false,
        }
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
            let smooth_max_pools = self.plan.spec.smooth_max_pools;
            let gradients = Gradients { redirect: Some(reach), smooth_max_pools };
            let program = self.plan.model.program_with(&paths, size, gradients, self.normalization.device());
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

/// The dot product of each picture's parts of two `[n, …]`.
fn dots(a: &Tensor, b: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = |tensor: &Tensor| tensor.f_reshape([tensor.size()[0], -1])?.f_to_kind(Kind::Double);
    Vec::<f64>::try_from(flat(a)?.f_mul(&flat(b)?)?.f_sum_dim_intlist([1].as_slice(), false, None)?)
}

/// The L2 norm of each picture's part of `[n, …]`.
pub fn norms(gradient: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = gradient.f_reshape([gradient.size()[0], -1])?.f_to_kind(Kind::Double)?;
    Vec::<f64>::try_from(flat.f_square()?.f_sum_dim_intlist([1].as_slice(), false, None)?.f_sqrt()?)
}
