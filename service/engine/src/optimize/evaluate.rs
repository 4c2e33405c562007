//! What the network and the terms say of the pictures at one step: passes forward, terms, passes backward. It knows no
//! parameters and no optimizer.

mod backward;
mod forward;
mod remaining;

pub use backward::{Flow, norms};
pub use forward::reference;

use super::background::Background;
use super::input::Normalization;
use super::loss::{self, BoundTerm, LossError, Reading};
use super::objective::Role;
use super::plan::{Group, Plan};
use super::{RunError, buffer};
use crate::model::{Gradients, Program, Reach};
use crate::plugin::{Axis, StepInfo, TermKind};
use crate::seed::{Draws, Use};
use std::collections::{BTreeMap, BTreeSet};
use tch::{Device, TchError, Tensor};

/// A plan on its device, with what it keeps from step to step.
pub struct Evaluator {
    pub plan: Plan,
    normalization: Normalization,
    background: Option<Background>,
    /// The view that pictures are shown at, counted over all steps from 1.
    view: u32,
    /// By the layers that a pass reads.
    programs: BTreeMap<Vec<usize>, Program>,
    /// The same, with activations that are off letting gradients through; made when first needed.
    redirected: BTreeMap<(Reach, Vec<usize>), Program>,
    /// The layers that an activation which dips lies before ([`crate::model::Model::dips`]).
    dipping: BTreeSet<Vec<usize>>,
    /// The pictures whose gradient is redirected at a step at which their own is exactly zero, or no better than that
    /// where activations dip; with the reach that they were last moved by.
    pub waking: Vec<Option<Reach>>,
    /// Whether any term drives a picture through a layer.
    driven: Vec<bool>,
    /// What each axis of each layer of the plan means.
    axes: Vec<Vec<Axis>>,
    /// The spec's references, each `[1, c, h, w]`.
    references: Vec<Tensor>,
    /// One per pass of each group, filled anew each step.
    readings: Vec<Vec<Reading>>,
    /// The plan's groups, while pictures are left out of them.
    whole: Option<Vec<Group>>,
}

/// What the terms and the network say of the pictures at one step.
pub struct Evaluation {
    /// For each picture the maximized sum; NaN, as its values, where it is left out.
    pub scores: Vec<f64>,
    /// For each term its values for its pictures.
    pub terms: Vec<Vec<f64>>,
    /// `[n, c, h, w]`: the gradient of the sum that came through the network and from penalties.
    pub gradient: Tensor,
    /// For each picture what the network let through.
    pub flows: Vec<Flow>,
}

impl Evaluation {
    /// Adds what another view said.
    fn add(&mut self, other: Evaluation) -> Result<(), TchError> {
        let all = |own: &mut Vec<f64>, other: Vec<f64>| own.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        all(&mut self.scores, other.scores);
        self.terms.iter_mut().zip(other.terms).for_each(|(own, other)| all(own, other));
        self.gradient = self.gradient.f_add(&other.gradient)?;
        for (own, other) in self.flows.iter_mut().zip(other.flows) {
            *own = own.or(other);
        }
        Ok(())
    }

    /// From a sum over views to their mean.
    fn divide(&mut self, views: u32) -> Result<(), TchError> {
        let views = f64::from(views);
        let values = self.scores.iter_mut().chain(self.terms.iter_mut().flatten());
        values.for_each(|value| *value /= views);
        self.gradient = self.gradient.f_div_scalar(views)?;
        Ok(())
    }
}

impl Evaluator {
    /// Brings the plan's networks to `device`.
    pub fn new(plan: Plan, device: Device) -> Result<Self, RunError> {
        let input = &plan.model.manifest().input;
        let normalization = Normalization::new(input, device);
        let normalization = normalization.map_err(|error| RunError::Torch { step: 0, error })?;
        let background = Background::of(&plan.spec, i64::from(input.channels.count()), device);
        let background = background.map_err(|error| RunError::Torch { step: 0, error })?;
        let (mut programs, mut dipping) = (BTreeMap::new(), BTreeSet::new());
        let gradients = Gradients { redirect: None, smooth_max_pools: plan.spec.smooth_max_pools };
        let size = [plan.spec.height, plan.spec.width];
        for pass in plan.groups.iter().flat_map(|group| &group.passes) {
            let paths: Vec<String> = pass.layers.iter().map(|&layer| plan.layers[layer].clone()).collect();
            if !paths.is_empty() && !programs.contains_key(&pass.layers) {
                let at_start = |error| RunError::Model { step: 0, error };
                let program = plan.model.program_with(&paths, size, gradients, device).map_err(at_start)?;
                programs.insert(pass.layers.clone(), program);
                if plan.model.dips(&paths, size).map_err(at_start)? {
                    dipping.insert(pass.layers.clone());
                }
            }
        }
        let axes = |path: &String| {
            let info = plan.model.layer(path).expect("the plan holds layers that the model has");
            buffer::roles(&info.axes)
        };
        let axes = plan.layers.iter().map(axes).collect();
        let readings = plan.groups.iter().map(|_| Vec::new()).collect();
        let images = plan.spec.images as usize;
        let references = plan.spec.references.iter().map(|picture| reference(picture, device));
        let references =
            references.collect::<Result<_, _>>().map_err(|error| RunError::Torch { step: 0, error })?;
        Ok(Self {
            normalization,
            background,
            view: 0,
            programs,
            redirected: BTreeMap::new(),
            dipping,
            waking: vec![None; images],
            driven: (0..plan.spec.images).map(|image| plan.is_driven(image)).collect(),
            references,
            axes,
            readings,
            whole: None,
            plan,
        })
    }

    /// The sum and its parts for `pictures` `[n, c, h, w]` with gradients: their mean over this step's views, of which clean steps have one.
    pub fn climb(
        &mut self,
        step: u32,
        pictures: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Evaluation, RunError> {
        let per_step = self.plan.spec.views_per_step;
        let views = if self.plan.spec.is_clean(step) { 1 } else { per_step };
        // Comes round only where a server allows more than 2^27 steps.
        self.view = (step - 1).wrapping_mul(per_step).wrapping_add(1);
        let mut sum = self.evaluate(step, pictures, true, cancelled)?;
        for _ in 1..views {
            self.view += 1;
            let next = self.evaluate(step, pictures, true, cancelled)?;
            sum.add(next).map_err(|error| RunError::Torch { step, error })?;
        }
        if views > 1 {
            sum.divide(views).map_err(|error| RunError::Torch { step, error })?;
        }
        Ok(sum)
    }

    /// The sum and its parts for `pictures` `[n, c, h, w]` without gradients, and without transforms.
    pub fn score(
        &mut self,
        step: u32,
        pictures: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Evaluation, RunError> {
        self.evaluate(step, pictures, false, cancelled)
    }

    /// With `climb` on this view and with gradients, else on the clean pictures and without.
    fn evaluate(
        &mut self,
        step: u32,
        pictures: &Tensor,
        climb: bool,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Evaluation, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let mut evaluation = Evaluation {
            scores: vec![f64::NAN; self.plan.spec.images as usize],
            terms: self.plan.terms.iter().map(|term| vec![f64::NAN; term.images.len()]).collect(),
            gradient: pictures.f_zeros_like().map_err(torch)?,
            flows: vec![Flow::None; self.plan.spec.images as usize],
        };
        for place in 0..self.plan.groups.len() {
            let forwards = self.forward(step, place, pictures, climb)?;
            self.evaluate_terms(step, place, climb, &mut evaluation, cancelled)?;
            if climb {
                self.backward(step, place, &forwards, &mut evaluation)?;
            }
        }
        Ok(evaluation)
    }

    /// Asks every term for its values on the readings of a group, and for gradients, scaled by what the objective makes of them.
    fn evaluate_terms(
        &mut self,
        step: u32,
        group: usize,
        climb: bool,
        evaluation: &mut Evaluation,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let roles = self.plan.objective.roles().to_vec();
        for (place, role) in roles.iter().enumerate() {
            let slope = match role {
                Role::Linear(slope) if climb => Some(*slope),
                // Its slope follows from values that are not known yet.
                _ => None,
            };
            let term = &self.plan.terms[place];
            let scales: Option<Vec<f64>> =
                slope.map(|slope| (0..term.images.len()).map(|slot| slope * term.weight(slot)).collect());
            self.ask(step, group, place, scales.as_deref(), evaluation, cancelled)?;
        }
        let passes = &self.plan.groups[group].passes;
        let images: Vec<u32> = passes.iter().flat_map(|pass| pass.images.iter().copied()).collect();
        let leaves: Vec<Vec<f64>> = images.iter().map(|&image| self.leaves(image, evaluation)).collect();
        for (&image, leaves) in images.iter().zip(&leaves) {
            evaluation.scores[image as usize] = self.plan.objective.value(leaves);
        }
        if !climb || !roles.contains(&Role::Product) {
            return Ok(());
        }
        let slopes: Vec<Vec<f64>> = leaves.iter().map(|leaves| self.plan.objective.slopes(leaves)).collect();
        if let Some(row) = slopes.iter().position(|slopes| slopes.iter().any(|slope| !slope.is_finite())) {
            return Err(RunError::NotFinite {
                step,
                image: images[row],
                what: "a product's slope".to_owned(),
            });
        }
        for place in (0..roles.len()).filter(|&place| roles[place] == Role::Product) {
            let term = &self.plan.terms[place];
            let mut scales = vec![0.0; term.images.len()];
            for (image, slopes) in images.iter().zip(&slopes) {
                if let Ok(slot) = term.images.binary_search(image) {
                    scales[slot] = slopes[place] * term.weight(slot);
                }
            }
            self.ask(step, group, place, Some(&scales), evaluation, cancelled)?;
        }
        Ok(())
    }

    /// Asks one term, unless it is a step operation.
    fn ask(
        &mut self,
        step: u32,
        group: usize,
        place: usize,
        scales: Option<&[f64]>,
        evaluation: &mut Evaluation,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        if self.plan.terms[place].kind() == TermKind::StepOperation {
            return Ok(());
        }
        let info = self.step_info(step, place, cancelled);
        let term = &mut self.plan.terms[place];
        let found = loss::evaluate(term, &info, &self.readings[group], scales);
        for part in found.map_err(|error| run_error(step, error))? {
            for (image, value) in part.images.iter().zip(part.values) {
                let slot = term.images.binary_search(image).expect("a term has values for its own images");
                evaluation.terms[place][slot] = value;
            }
        }
        Ok(())
    }

    /// The weighted value of every term for a picture; 0 where it has none.
    fn leaves(&self, image: u32, evaluation: &Evaluation) -> Vec<f64> {
        let leaf = |(term, values): (&BoundTerm, &Vec<f64>)| match term.images.binary_search(&image) {
            Ok(slot) if term.kind() != TermKind::StepOperation => term.weight(slot) * values[slot],
            _ => 0.0,
        };
        self.plan.terms.iter().zip(&evaluation.terms).map(leaf).collect()
    }

    /// Lets those step operations that edit the gradient of `pictures`, both `[n, c, h, w]`, do so in place; tells whether any did.
    pub fn edit_gradient(
        &mut self,
        step: u32,
        pictures: &Tensor,
        gradient: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<bool, RunError> {
        let mut any = false;
        for place in self.operations(false) {
            let (rows, edited) = self.apply(step, place, pictures, gradient, cancelled)?;
            let copied = gradient.shallow_clone().f_index_copy_(0, &rows, &edited).map(|_| ());
            copied.map_err(|error| RunError::Torch { step, error })?;
            any = true;
        }
        Ok(any)
    }

    /// The places of step operations that edit pictures, or gradients.
    pub fn operations(&self, images: bool) -> Vec<usize> {
        let wanted =
            |term: &BoundTerm| term.kind() == TermKind::StepOperation && term.edits_images() == images;
        self.plan.terms.iter().enumerate().filter(|(_, term)| wanted(term)).map(|(place, _)| place).collect()
    }

    /// What a step operation makes of its pictures or of their gradients, and which rows they are.
    pub fn apply(
        &mut self,
        step: u32,
        place: usize,
        pictures: &Tensor,
        gradient: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(Tensor, Tensor), RunError> {
        let info = self.step_info(step, place, cancelled);
        let applied = self.plan.terms[place].apply(&info, pictures, gradient);
        applied.map_err(|error| run_error(step, error))
    }

    fn step_info<'a>(&self, step: u32, place: usize, cancelled: &'a dyn Fn() -> bool) -> StepInfo<'a> {
        let purpose = Use::Term(place as u32);
        StepInfo {
            step: u64::from(step.saturating_sub(1)),
            total_steps: u64::from(self.plan.spec.steps),
            seed: Draws::new(self.plan.spec.seed, 0, step, purpose).bits(),
            cancelled,
        }
    }
}

fn run_error(step: u32, error: LossError) -> RunError {
    match error {
        LossError::Term(error) => RunError::Term { step, error },
        LossError::Torch(error) => RunError::Torch { step, error },
    }
}
