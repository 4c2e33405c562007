//! What the network and the terms say of the pictures at one step: passes forward, terms, passes backward. It knows no
//! parameters and no optimizer.

use super::input::Normalization;
use super::loss::{self, BoundTerm, Layer, LossError, Reading, Reference};
use super::objective::Role;
use super::plan::{Pass, Plan};
use super::{RunError, buffer, transform};
use crate::model::{Program, Reach, gradients};
use crate::plugin::{Axis, StepInfo, TermKind};
use crate::seed::{Draws, Use};
use crate::spec::Picture;
use std::collections::BTreeMap;
use tch::{Device, Kind, TchError, Tensor};

/// A plan on its device, with what it keeps from step to step.
pub struct Evaluator {
    pub plan: Plan,
    normalization: Normalization,
    /// By the layers that a pass reads.
    programs: BTreeMap<Vec<usize>, Program>,
    /// The same, with activations that are off letting gradients through; made when first needed.
    redirected: BTreeMap<(Reach, Vec<usize>), Program>,
    /// The pictures whose gradient is redirected at a step at which their own is exactly zero.
    pub waking: Vec<bool>,
    /// What each axis of each layer of the plan means.
    axes: Vec<Vec<Axis>>,
    /// The spec's references, each `[1, c, h, w]`.
    references: Vec<Tensor>,
    /// One per pass of each group, filled anew each step.
    readings: Vec<Vec<Reading>>,
}

/// What the terms and the network say of the pictures at one step.
pub struct Evaluation {
    /// For each picture the maximized sum.
    pub scores: Vec<f64>,
    /// For each term its values for its pictures.
    pub terms: Vec<Vec<f64>>,
    /// `[n, c, h, w]`: the gradient of the sum that came through the network and from penalties.
    pub gradient: Tensor,
    /// For each picture what the network let through.
    pub flows: Vec<Flow>,
}

/// What of a picture's gradient came through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Some, or the picture reads no layer.
    Own,
    /// None, but some where activations that are off let it through.
    Redirected,
    /// None.
    None,
}

impl Evaluator {
    /// Brings the plan's networks to `device`.
    pub fn new(plan: Plan, device: Device) -> Result<Self, RunError> {
        let input = &plan.model.manifest().input;
        let normalization = Normalization::new(input, device);
        let normalization = normalization.map_err(|error| RunError::Torch { step: 0, error })?;
        let mut programs = BTreeMap::new();
        for pass in plan.groups.iter().flat_map(|group| &group.passes) {
            let paths: Vec<String> = pass.layers.iter().map(|&layer| plan.layers[layer].clone()).collect();
            if !paths.is_empty() && !programs.contains_key(&pass.layers) {
                let program = plan.model.program(&paths, device);
                let program = program.map_err(|error| RunError::Model { step: 0, error })?;
                programs.insert(pass.layers.clone(), program);
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
            programs,
            redirected: BTreeMap::new(),
            waking: vec![false; images],
            references,
            axes,
            readings,
            plan,
        })
    }

    /// The sum and its parts for `pictures` `[n, c, h, w]`; with `climb` on this step's views and with gradients, else on the clean
    /// pictures and without.
    pub fn evaluate(
        &mut self,
        step: u32,
        pictures: &Tensor,
        climb: bool,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Evaluation, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let mut evaluation = Evaluation {
            scores: vec![0.0; self.plan.spec.images as usize],
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

    /// Runs the passes of a group and fills its readings.
    fn forward(
        &mut self,
        step: u32,
        group: usize,
        pictures: &Tensor,
        climb: bool,
    ) -> Result<Vec<Forward>, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let passes = &self.plan.groups[group].passes;
        let mut forwards = Vec::with_capacity(passes.len());
        for (place, pass) in passes.iter().enumerate() {
            let forward = self.forward_pass(step, pass, pictures, climb)?;
            let mut layers: Vec<Option<Layer>> = self.plan.layers.iter().map(|_| None).collect();
            for (&layer, value) in pass.layers.iter().zip(&forward.taps) {
                layers[layer] = Some(Layer { value, axes: &self.axes[layer] });
            }
            match self.readings[group].get_mut(place) {
                Some(reading) => reading.refresh(&forward.clean, &layers).map_err(torch)?,
                None => {
                    let reading = Reading::new(&pass.images, &forward.clean, &layers).map_err(torch)?;
                    self.readings[group].push(reading);
                }
            }
            let references = self.references(step, pass, climb)?;
            self.readings[group][place].set_references(references);
            forwards.push(forward);
        }
        Ok(forwards)
    }

    fn forward_pass(
        &self,
        step: u32,
        pass: &Pass,
        pictures: &Tensor,
        climb: bool,
    ) -> Result<Forward, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let rows = rows(&pass.images, pictures.device()).map_err(torch)?;
        let clean = pictures.f_index_select(0, &rows).map_err(torch)?.set_requires_grad(climb);
        let Some(program) = self.programs.get(&pass.layers) else {
            return Ok(Forward { clean, rows, taps: Vec::new() });
        };
        let run = || self.taps(step, pass, &clean, program, climb);
        let taps = if climb { run() } else { tch::no_grad(run) }?;
        Ok(Forward { clean, rows, taps })
    }

    /// What the network makes of the references that terms compare a pass's pictures with, each through the pictures' own transforms.
    fn references(
        &self,
        step: u32,
        pass: &Pass,
        climb: bool,
    ) -> Result<BTreeMap<usize, Reference>, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let read = |&place: &usize| {
            let one = &self.references[place];
            let pictures = one.f_repeat([pass.images.len() as i64, 1, 1, 1]).map_err(torch)?;
            let mut layers: Vec<Option<Tensor>> = self.plan.layers.iter().map(|_| None).collect();
            if let Some(program) = self.programs.get(&pass.layers) {
                let taps = tch::no_grad(|| self.taps(step, pass, &pictures, program, climb))?;
                for (&layer, tap) in pass.layers.iter().zip(taps) {
                    layers[layer] = Some(tap.f_to(Device::Cpu).map_err(torch)?);
                }
            }
            Ok((place, Reference { pictures: pictures.f_to(Device::Cpu).map_err(torch)?, layers }))
        };
        pass.references.iter().map(read).collect()
    }

    /// What the network makes of the pass's pictures, or of their views at this step.
    fn taps(
        &self,
        step: u32,
        pass: &Pass,
        clean: &Tensor,
        program: &Program,
        climb: bool,
    ) -> Result<Vec<Tensor>, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let view = match climb {
            true => transform::views(&self.plan.spec, &pass.images, step, clean).map_err(torch)?,
            false => clean.shallow_clone(),
        };
        let input = self.normalization.apply(&view).map_err(torch)?;
        let filled = self.fill(&input).map_err(torch)?;
        let taps = program.run(&filled).map_err(|error| RunError::Model { step, error })?;
        let count = pass.images.len() as i64;
        taps.iter().map(|tap| tap.f_narrow(0, 0, count).map_err(torch)).collect()
    }

    /// Adds zeros where the export takes only larger batches than the pass has pictures.
    fn fill(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let mut size = input.size();
        let missing = i64::from(*self.plan.model.batches().start()) - size[0];
        if missing <= 0 {
            return Ok(input.shallow_clone());
        }
        size[0] = missing;
        Tensor::f_cat(&[input.shallow_clone(), input.f_new_zeros(&size, (input.kind(), input.device()))?], 0)
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

    /// Takes the gradients that terms put on layers back to the pictures.
    fn backward(
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
            let mut flows = flows(step, pass, &through, Flow::Own)?;
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
                for (place, flow) in
                    self::flows(step, pass, &other, Flow::Redirected)?.into_iter().enumerate()
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
            let own = self.readings[group][place].picture_gradient();
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
            let program = self.plan.model.redirected_program(&paths, reach, self.normalization.device());
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

/// A picture as `[1, c, h, w]`.
pub fn reference(picture: &Picture, device: Device) -> Result<Tensor, TchError> {
    let shape = [1, picture.channels, picture.height, picture.width].map(i64::from);
    Tensor::f_from_slice(&picture.values)?.f_reshape(shape)?.f_to(device)
}

/// A pass that was run.
struct Forward {
    /// `[n, c, h, w]`, the leaf that gradients are taken for.
    clean: Tensor,
    /// The pictures' numbers.
    rows: Tensor,
    /// One per layer of the pass.
    taps: Vec<Tensor>,
}

/// What flows from `slopes` at the taps back to the pictures, `[n, c, h, w]`.
fn back(step: u32, taps: &[Tensor], clean: &Tensor, slopes: &[Tensor]) -> Result<Tensor, RunError> {
    let found = gradients(taps, &[clean.shallow_clone()], slopes);
    let found = found.map_err(|error| RunError::Model { step, error })?.into_iter().next().flatten();
    found.map_or_else(|| clean.f_zeros_like(), Ok).map_err(|error| RunError::Torch { step, error })
}

/// For each picture of a pass `flow`, or none where its gradient is exactly zero. One that is not a number is no sign of death; it
/// is reported where norms are checked.
fn flows(step: u32, pass: &Pass, gradient: &Tensor, flow: Flow) -> Result<Vec<Flow>, RunError> {
    let norms = norms(gradient).map_err(|error| RunError::Torch { step, error })?;
    Ok(norms
        .into_iter()
        .map(|norm| if norm != 0.0 || pass.layers.is_empty() { flow } else { Flow::None })
        .collect())
}

/// Rows of `a` where `first` says so, else of `b`.
fn pick(first: &[bool], a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let first = Tensor::f_from_slice(first)?.f_reshape([-1, 1, 1, 1])?.f_to(a.device())?;
    a.f_where_self(&first, b)
}

fn run_error(step: u32, error: LossError) -> RunError {
    match error {
        LossError::Term(error) => RunError::Term { step, error },
        LossError::Torch(error) => RunError::Torch { step, error },
    }
}

/// The L2 norm of each picture's part of `[n, …]`.
pub fn norms(gradient: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = gradient.f_reshape([gradient.size()[0], -1])?.f_to_kind(Kind::Double)?;
    Vec::<f64>::try_from(flat.f_square()?.f_sum_dim_intlist([1].as_slice(), false, None)?.f_sqrt()?)
}

fn rows(images: &[u32], device: Device) -> Result<Tensor, TchError> {
    let rows: Vec<i64> = images.iter().map(|&image| i64::from(image)).collect();
    Tensor::f_from_slice(&rows)?.f_to(device)
}
