//! The loop of gradient ascent: parameters → pictures → views → activations → terms, and back.

use super::input::Normalization;
use super::loss::{self, Layer, LossError, Reading};
use super::optimizer::Optimizer;
use super::parameterization::Canvas;
use super::plan::{Group, Pass, Plan};
use super::{DEAD_STEPS, End, Observer, Outcome, Picture, RunError, StepReport, buffer, transform};
use crate::model::{Program, gradients};
use crate::plugin::{Axis, StepInfo, TermKind};
use crate::seed::{Draws, Use};
use std::collections::BTreeMap;
use tch::{Device, Kind, TchError, Tensor};

impl Plan {
    /// Makes the pictures on `device`, telling `observer` after each step.
    ///
    /// # Errors
    /// A term that failed, a value that is not finite, an operator that failed; each names the term or layer and the step.
    pub fn run(self, device: Device, observer: &mut dyn Observer) -> Result<Vec<Outcome>, RunError> {
        let steps = self.spec.steps;
        let mut ascent = Ascent::start(self, device)?;
        let start = ascent.clean_scores(0, observer)?;
        let mut cancelled = false;
        for step in 1..=steps {
            cancelled = observer.cancelled();
            if cancelled || ascent.all_dead() {
                break;
            }
            let report = ascent.step(step, observer)?;
            observer.step(report);
            ascent.show(step, observer)?;
        }
        ascent.finish(&start, cancelled, observer)
    }
}

/// A run between two steps.
struct Ascent {
    plan: Plan,
    canvas: Canvas,
    optimizer: Optimizer,
    normalization: Normalization,
    /// By the layers that a pass reads.
    programs: BTreeMap<Vec<usize>, Program>,
    /// What each axis of each layer of the plan means.
    axes: Vec<Vec<Axis>>,
    /// One per pass of each group, filled anew each step.
    readings: Vec<Vec<Reading>>,
    /// For each picture how many steps in a row its gradient was exactly zero.
    still_steps: Vec<u32>,
    /// Steps made for each picture.
    steps_made: Vec<u32>,
}

/// What the terms and the network say of the pictures at one step.
struct Evaluation {
    /// For each picture the maximized sum.
    scores: Vec<f64>,
    /// For each term its values for its pictures.
    terms: Vec<Vec<f64>>,
    /// `[n, c, h, w]`: the gradient of the sum that came through the network and from penalties.
    gradient: Tensor,
    /// For each picture whether the network let any gradient through.
    moved: Vec<bool>,
}

impl Ascent {
    fn start(plan: Plan, device: Device) -> Result<Self, RunError> {
        let at_start = |error| RunError::Torch { step: 0, error };
        let input = &plan.model.manifest().input;
        let canvas = Canvas::start(&plan.spec, input.mean.len() as i64, device).map_err(at_start)?;
        let optimizer = Optimizer::new(plan.spec.optimizer, canvas.parameters()).map_err(at_start)?;
        let normalization = Normalization::new(input, device).map_err(at_start)?;
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
        let images = plan.spec.images as usize;
        let readings = plan.groups.iter().map(|_| Vec::new()).collect();
        Ok(Self {
            canvas,
            optimizer,
            normalization,
            programs,
            axes,
            readings,
            still_steps: vec![0; images],
            steps_made: vec![0; images],
            plan,
        })
    }

    /// One step up: evaluates the views of this step, lets step operations edit the gradient, and moves.
    fn step(&mut self, step: u32, observer: &dyn Observer) -> Result<StepReport, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let pictures = self.canvas.images().map_err(torch)?;
        let evaluation = self.evaluate(step, &pictures.detach(), true, observer)?;
        let gradient = evaluation.gradient;
        let norms = norms(&gradient).map_err(torch)?;
        self.check_finite(step, &norms, "the gradient")?;
        for (place, moved) in evaluation.moved.iter().enumerate() {
            if !self.dead(place) {
                self.still_steps[place] = if *moved { 0 } else { self.still_steps[place] + 1 };
                self.steps_made[place] = step;
            }
        }
        self.apply_step_operations(step, &pictures.detach(), &gradient, observer)?;
        let moving: Vec<bool> = (0..norms.len()).map(|place| !self.dead(place)).collect();
        let parameters = self.canvas.parameters();
        let up = gradients(&[pictures], &[parameters.shallow_clone()], &[gradient]);
        let up = up.map_err(|error| RunError::Model { step, error })?.into_iter().next().flatten();
        let up = up.expect("pictures depend on the parameters by construction");
        let moving = Tensor::f_from_slice(&moving).and_then(|m| m.f_to(up.device())).map_err(torch)?;
        self.optimizer.ascend(parameters, &up, &moving).map_err(torch)?;
        Ok(StepReport { step, scores: evaluation.scores, terms: evaluation.terms, gradient_norms: norms })
    }

    /// The sum and its parts for `pictures` `[n, c, h, w]`; with `climb` on this step's views and with gradients, else on the clean
    /// pictures and without.
    fn evaluate(
        &mut self,
        step: u32,
        pictures: &Tensor,
        climb: bool,
        observer: &dyn Observer,
    ) -> Result<Evaluation, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let mut evaluation = Evaluation {
            scores: vec![0.0; self.plan.spec.images as usize],
            terms: self.plan.terms.iter().map(|term| vec![f64::NAN; term.images.len()]).collect(),
            gradient: pictures.f_zeros_like().map_err(torch)?,
            moved: vec![false; self.plan.spec.images as usize],
        };
        for place in 0..self.plan.groups.len() {
            let forwards = self.forward(step, place, pictures, climb)?;
            self.evaluate_terms(step, place, climb, &mut evaluation, observer)?;
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
        let Group { passes } = &self.plan.groups[group];
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
        let run = || {
            let view = match climb {
                true => transform::views(&self.plan.spec, &pass.images, step, &clean).map_err(torch)?,
                false => clean.shallow_clone(),
            };
            let input = self.normalization.apply(&view).map_err(torch)?;
            let filled = self.fill(&input).map_err(torch)?;
            let taps = program.run(&filled).map_err(|error| RunError::Model { step, error })?;
            let count = pass.images.len() as i64;
            taps.iter().map(|tap| tap.f_narrow(0, 0, count).map_err(torch)).collect()
        };
        let taps = if climb { run() } else { tch::no_grad(run) }?;
        Ok(Forward { clean, rows, taps })
    }

    /// Adds zeros where the export fixed a larger batch than the pass has pictures.
    fn fill(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let mut size = input.size();
        match self.plan.model.fixed().batch {
            Some(batch) if i64::from(batch) > size[0] => {
                size[0] = i64::from(batch) - size[0];
                Tensor::f_cat(&[input.shallow_clone(), input.f_new_zeros(&size, (input.kind(), input.device()))?], 0)
            }
            _ => Ok(input.shallow_clone()),
        }
    }

    /// Asks every term for its values on the readings of a group.
    fn evaluate_terms(
        &mut self,
        step: u32,
        group: usize,
        climb: bool,
        evaluation: &mut Evaluation,
        observer: &dyn Observer,
    ) -> Result<(), RunError> {
        for place in 0..self.plan.terms.len() {
            if self.plan.terms[place].kind() == TermKind::StepOperation {
                continue;
            }
            let info = self.step_info(step, place, observer);
            let term = &mut self.plan.terms[place];
            let found = loss::evaluate(term, &info, &mut self.readings[group], climb);
            for part in found.map_err(|error| run_error(step, error))? {
                for (image, value) in part.images.iter().zip(part.values) {
                    let slot = term.images.binary_search(image).expect("a term has values for its own images");
                    evaluation.terms[place][slot] = value;
                    evaluation.scores[*image as usize] += term.factor() * value;
                }
            }
        }
        Ok(())
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
        let passes = &self.plan.groups[group].passes;
        for ((pass, forward), reading) in passes.iter().zip(forwards).zip(&mut self.readings[group]) {
            let device = forward.clean.device();
            let mut through = forward.clean.f_zeros_like().map_err(torch)?;
            if !pass.layers.is_empty() {
                let mut gradients_of_taps = Vec::with_capacity(pass.layers.len());
                for &layer in &pass.layers {
                    let gradient = reading.layer_gradient(layer);
                    let gradient = gradient.expect("a pass reads its own layers");
                    gradients_of_taps.push(gradient.f_to(device).map_err(torch)?);
                }
                let clean = [forward.clean.shallow_clone()];
                let found = gradients(&forward.taps, &clean, &gradients_of_taps);
                let found = found.map_err(|error| RunError::Model { step, error })?;
                if let Some(gradient) = found.into_iter().next().flatten() {
                    through = gradient;
                }
            }
            for (image, norm) in pass.images.iter().zip(norms(&through).map_err(torch)?) {
                // A gradient that is not a number is no sign of death; it is reported where norms are checked.
                evaluation.moved[*image as usize] = norm != 0.0 || pass.layers.is_empty();
            }
            let own = reading.picture_gradient().f_to(device).map_err(torch)?;
            let sum = through.f_add(&own).map_err(torch)?;
            let _ = evaluation.gradient.f_index_copy_(0, &forward.rows, &sum).map_err(torch)?;
        }
        Ok(())
    }

    fn apply_step_operations(
        &mut self,
        step: u32,
        pictures: &Tensor,
        gradient: &Tensor,
        observer: &dyn Observer,
    ) -> Result<(), RunError> {
        let mut any = false;
        for place in 0..self.plan.terms.len() {
            if self.plan.terms[place].kind() == TermKind::StepOperation {
                let info = self.step_info(step, place, observer);
                let applied = self.plan.terms[place].apply(&info, pictures, gradient);
                applied.map_err(|error| run_error(step, error))?;
                any = true;
            }
        }
        if any {
            let norms = norms(gradient).map_err(|error| RunError::Torch { step, error })?;
            self.check_finite(step, &norms, "the gradient after step operations")?;
        }
        Ok(())
    }

    fn step_info<'a>(&self, step: u32, place: usize, observer: &'a dyn Observer) -> StepInfo<'a> {
        let purpose = Use::Term(place as u32);
        StepInfo {
            step: u64::from(step),
            total_steps: u64::from(self.plan.spec.steps),
            seed: Draws::new(self.plan.spec.seed, 0, step, purpose).bits(),
            cancelled: observer,
        }
    }

    fn check_finite(&self, step: u32, values: &[f64], what: &str) -> Result<(), RunError> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(RunError::NotFinite { step, image: place as u32, what: what.to_string() }),
            None => Ok(()),
        }
    }

    fn dead(&self, place: usize) -> bool {
        self.still_steps[place] >= DEAD_STEPS
    }

    fn all_dead(&self) -> bool {
        (0..self.still_steps.len()).all(|place| self.dead(place))
    }

    /// Hands out snapshots and previews of the pictures as they are after `step`.
    fn show(&self, step: u32, observer: &mut dyn Observer) -> Result<(), RunError> {
        let kept = self.plan.spec.snapshot_steps.contains(&step);
        let previewed = observer.wants_preview();
        if !kept && !previewed {
            return Ok(());
        }
        let pictures = self.pictures(step)?;
        for (image, picture) in pictures.into_iter().enumerate() {
            if previewed {
                observer.preview(step, image as u32, picture.clone());
            }
            if kept {
                observer.snapshot(step, image as u32, picture);
            }
        }
        Ok(())
    }

    fn pictures(&self, step: u32) -> Result<Vec<Picture>, RunError> {
        let pictures = tch::no_grad(|| self.canvas.images());
        let split = pictures.and_then(|pictures| {
            (0..pictures.size()[0]).map(|row| picture(&pictures.f_get(row)?)).collect::<Result<_, _>>()
        });
        split.map_err(|error| RunError::Torch { step, error })
    }

    /// The sum and its parts on the pictures themselves.
    fn clean_scores(&mut self, step: u32, observer: &dyn Observer) -> Result<Evaluation, RunError> {
        let pictures = tch::no_grad(|| self.canvas.images());
        let pictures = pictures.map_err(|error| RunError::Torch { step, error })?;
        self.evaluate(step, &pictures, false, observer)
    }

    fn finish(
        mut self,
        start: &Evaluation,
        cancelled: bool,
        observer: &dyn Observer,
    ) -> Result<Vec<Outcome>, RunError> {
        let last = self.steps_made.iter().copied().max().unwrap_or(0);
        let end = self.clean_scores(last, observer)?;
        let pictures = self.pictures(last)?;
        let outcome = |(place, picture): (usize, Picture)| {
            let image = place as u32;
            let value = |(term, values): (&loss::BoundTerm, &Vec<f64>)| {
                let slot = term.images.binary_search(&image).ok()?;
                (term.kind() != TermKind::StepOperation).then_some(values[slot])
            };
            Outcome {
                end: match self.dead(place) {
                    true => End::Dead { hint: self.hint(image) },
                    false if cancelled => End::Stopped,
                    false => End::Completed,
                },
                steps: self.steps_made[place],
                score: end.scores[place],
                start_score: start.scores[place],
                terms: self.plan.terms.iter().zip(&end.terms).map(value).collect(),
                picture,
            }
        };
        Ok(pictures.into_iter().enumerate().map(outcome).collect())
    }

    /// What to try for a dead picture.
    fn hint(&self, image: u32) -> String {
        let passes = self.plan.groups.iter().flat_map(|group| &group.passes);
        let read = passes.filter(|pass| pass.images.contains(&image)).flat_map(|pass| &pass.layers);
        let paths: Vec<&String> = read.map(|&layer| &self.plan.layers[layer]).collect();
        let has_pre = |path: &&&String| self.plan.model.layer(&format!("{path}:pre")).is_ok();
        let why = format!("the gradient was exactly zero for {DEAD_STEPS} steps in a row");
        match paths.iter().find(has_pre) {
            Some(path) => format!("{why}: the unit does not react; try `{path}:pre`, its value before the activation"),
            None => format!("{why}: the unit does not react; try another seed, or a layer before it"),
        }
    }
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

fn run_error(step: u32, error: LossError) -> RunError {
    match error {
        LossError::Term(error) => RunError::Term { step, error },
        LossError::Torch(error) => RunError::Torch { step, error },
    }
}

/// The L2 norm of each picture's part of `[n, …]`.
fn norms(gradient: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = gradient.f_reshape([gradient.size()[0], -1])?.f_to_kind(Kind::Double)?;
    Vec::<f64>::try_from(flat.f_square()?.f_sum_dim_intlist([1].as_slice(), false, None)?.f_sqrt()?)
}

fn rows(images: &[u32], device: Device) -> Result<Tensor, TchError> {
    let rows: Vec<i64> = images.iter().map(|&image| i64::from(image)).collect();
    Tensor::f_from_slice(&rows)?.f_to(device)
}

/// `[c, h, w]` to numbers.
fn picture(tensor: &Tensor) -> Result<Picture, TchError> {
    let (channels, height, width) = tensor.size3()?;
    let flat = tensor.f_to(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    Ok(Picture {
        channels: channels as u32,
        height: height as u32,
        width: width as u32,
        values: Vec::<f32>::try_from(flat)?,
    })
}
