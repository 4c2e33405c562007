//! The loop of gradient ascent: parameters → pictures → views → activations → terms, and back.

mod ends;
mod halving;
mod plateau;

use super::evaluate::{Evaluation, Evaluator, Flow, norms, reference};
use super::loss::BoundTerm;
use super::optimizer::Optimizer;
use super::parameterization::Canvas;
use super::plan::Plan;
use super::{DEAD_STEPS, End, Failed, OFF_STEPS, Observer, Outcome, Picture, RunError, StepReport};
use crate::model::{Reach, gradients};
use crate::plugin::TermKind;
use ends::Ends;
use tch::{Device, Kind, TchError, Tensor};

impl Plan {
    /// Makes the pictures on `device`, telling `observer` after each step. Cancelled before its first step, it makes none.
    ///
    /// # Errors
    /// A term that failed, a value that is not finite, an operator that failed; each names the term or layer and the step.
    pub fn run(self, device: Device, observer: &mut dyn Observer) -> Result<Vec<Outcome>, Failed> {
        let steps = self.spec.steps;
        let mut ascent = Ascent::start(self, device)?;
        let start = match ascent.clean_scores(0, &|| observer.cancelled()) {
            Err(error) if error.is_cancelled() && observer.cancelled() => return Ok(Vec::new()),
            start => start?,
        };
        let mut cancelled = false;
        for step in 1..=steps {
            cancelled = observer.cancelled();
            if cancelled || ascent.all_rest() {
                break;
            }
            match ascent.advance(step, observer) {
                Err(error) if error.is_cancelled() && observer.cancelled() => {
                    cancelled = true;
                    break;
                }
                Err(error) if error.is_not_finite() => return Err(ascent.restore(&start, error, observer)),
                advanced => advanced?,
            }
        }
        match ascent.last_scores(&|| observer.gives_up()) {
            Err(error) if error.is_cancelled() && observer.gives_up() => {
                Ok(ascent.outcomes(&start, None, true)?)
            }
            Err(error) if error.is_not_finite() => Err(ascent.restore(&start, error, observer)),
            end => {
                let end = end?;
                if !cancelled {
                    ascent.ends.halve_to_the_last(&end.scores);
                }
                Ok(ascent.outcomes(&start, Some(&end), cancelled)?)
            }
        }
    }
}

/// A run between two steps.
struct Ascent {
    evaluator: Evaluator,
    canvas: Canvas,
    /// One for each of the canvas's leaves.
    optimizers: Vec<Optimizer>,
    /// By picture.
    lives: Vec<Life>,
    ends: Ends,
    /// Steps made for each picture.
    steps_made: Vec<u32>,
    /// Parameters and steps made before the last update.
    before: Option<(Vec<Tensor>, Vec<u32>)>,
}

impl Ascent {
    fn start(plan: Plan, device: Device) -> Result<Self, RunError> {
        let at_start = |error| RunError::Torch { step: 0, error };
        let channels = i64::from(plan.model.manifest().input.channels.count());
        let mut canvas = Canvas::start(&plan.spec, channels, device).map_err(at_start)?;
        if let Some(start) = plan.spec.start {
            let picture = reference(&plan.spec.references[start], device).map_err(at_start)?;
            let picture = match plan.spec.parameterization.alpha {
                true => half_opaque(&picture).map_err(at_start)?,
                false => picture,
            };
            let all: Vec<i64> = (0..i64::from(plan.spec.images)).collect();
            let pictures = picture.f_repeat([all.len() as i64, 1, 1, 1]).map_err(at_start)?;
            let places = Tensor::f_from_slice(&all).and_then(|all| all.f_to(device)).map_err(at_start)?;
            canvas.set_images(&places, &pictures).map_err(at_start)?;
        }
        let optimizer = |leaf| Optimizer::new(plan.spec.optimizer, leaf);
        let optimizers = canvas.leaves().iter().map(optimizer).collect::<Result<_, _>>().map_err(at_start)?;
        let images = plan.spec.images as usize;
        let ends = Ends::new(&plan.spec);
        let evaluator = Evaluator::new(plan, device)?;
        Ok(Self {
            evaluator,
            canvas,
            optimizers,
            lives: vec![Life::NEW; images],
            ends,
            steps_made: vec![0; images],
            before: None,
        })
    }

    /// One step, told and shown, and which pictures end with it.
    fn advance(&mut self, step: u32, observer: &mut dyn Observer) -> Result<(), RunError> {
        let report = self.step(step, &|| observer.cancelled())?;
        let scores = report.scores.clone();
        observer.step(report);
        self.show(step, observer)?;
        self.judge(step, &scores, &|| observer.cancelled())?;
        self.eliminate(step, &|| observer.cancelled())?;
        self.watch_time(step, observer);
        Ok(())
    }

    /// One step up: evaluates the views of this step, lets step operations edit the gradient, and moves.
    fn step(&mut self, step: u32, cancelled: &dyn Fn() -> bool) -> Result<StepReport, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let pictures = self.canvas.images().map_err(torch)?;
        // Off for so long that it would end as dead: a unit that is off in some views only is better left to those in which it is on.
        let redirect = self.evaluator.plan.spec.redirect;
        let waking = |life: &Life| (redirect && life.off >= DEAD_STEPS).then_some(life.moved_by);
        self.evaluator.waking = self.lives.iter().map(waking).collect();
        let evaluation = self.evaluator.climb(step, &pictures.detach(), cancelled)?;
        let gradient = evaluation.gradient;
        let norms = norms_of(&gradient, step)?;
        self.check_finite(step, &norms, "the gradient")?;
        let steps_made = self.steps_made.clone();
        for (place, flow) in evaluation.flows.iter().enumerate() {
            if !self.rests(place) {
                self.lives[place].count(*flow);
                self.steps_made[place] = step;
            }
        }
        if self.evaluator.edit_gradient(step, &pictures.detach(), &gradient, cancelled)? {
            self.check_finite(step, &norms_of(&gradient, step)?, "the gradient after step operations")?;
        }
        let leaves = self.canvas.leaves();
        let up = gradients(&[pictures], leaves, &[gradient.shallow_clone()]);
        let up = up.map_err(|error| RunError::Model { step, error })?;
        let kept = leaves.iter().map(Tensor::f_detach_copy).collect::<Result<_, _>>().map_err(torch)?;
        self.before = Some((kept, steps_made));
        self.climb(&up).map_err(torch)?;
        self.edit_images(step, &gradient, cancelled)?;
        Ok(StepReport { step, scores: evaluation.scores, terms: evaluation.terms, gradient_norms: norms })
    }

    /// Moves each leaf of the canvas along its gradient: numbers of pictures that do not rest, and those that pictures share while any does not.
    fn climb(&mut self, up: &[Option<Tensor>]) -> Result<(), TchError> {
        let moving: Vec<bool> = (0..self.lives.len()).map(|place| !self.rests(place)).collect();
        let any = [moving.contains(&true)];
        for ((leaf, up), optimizer) in self.canvas.leaves().iter().zip(up).zip(&mut self.optimizers) {
            let up = up.as_ref().expect("pictures depend on every leaf by construction");
            let moving = if leaf.size()[0] == moving.len() as i64 { &moving[..] } else { &any[..] };
            optimizer.ascend(leaf, up, &Tensor::f_from_slice(moving)?.f_to(up.device())?)?;
        }
        Ok(())
    }

    /// Lets those step operations that edit pictures do so, after the move.
    fn edit_images(
        &mut self,
        step: u32,
        gradient: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let torch = |error| RunError::Torch { step, error };
        for place in self.evaluator.operations(true) {
            let pictures = tch::no_grad(|| self.canvas.images()).map_err(torch)?;
            let (rows, edited) = self.evaluator.apply(step, place, &pictures, gradient, cancelled)?;
            let images = self.evaluator.plan.terms[place].images.clone();
            let norms = norms_of(&edited, step)?;
            if let Some(row) = norms.iter().position(|norm| !norm.is_finite()) {
                let what = "what a step operation made".to_owned();
                return Err(RunError::NotFinite { step, image: images[row], what });
            }
            let changes =
                pictures.f_index_select(0, &rows).and_then(|before| norms_between(&before, &edited));
            // Pictures that it left alone, or that have ended, keep their very parameters.
            let changes = changes.map_err(torch)?.into_iter().zip(&images);
            let moved = changes.map(|(change, &image)| change != 0.0 && !self.rests(image as usize));
            let kept: Vec<i64> = (0..).zip(moved).filter(|(_, moved)| *moved).map(|(row, _)| row).collect();
            if !kept.is_empty() {
                let set =
                    Tensor::f_from_slice(&kept).and_then(|kept| kept.f_to(rows.device())).and_then(|kept| {
                        self.canvas
                            .set_images(&rows.f_index_select(0, &kept)?, &edited.f_index_select(0, &kept)?)
                    });
                set.map_err(torch)?;
            }
        }
        Ok(())
    }

    fn check_finite(&self, step: u32, values: &[f64], what: &str) -> Result<(), RunError> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(RunError::NotFinite { step, image: place as u32, what: what.to_string() }),
            None => Ok(()),
        }
    }

    fn dead(&self, place: usize) -> bool {
        self.lives[place].is_over(self.evaluator.plan.spec.redirect)
    }

    /// Whether a picture has ended, so that it is moved no more.
    fn rests(&self, place: usize) -> bool {
        self.dead(place) || self.ends.of(place).is_some()
    }

    fn all_rest(&self) -> bool {
        (0..self.lives.len()).all(|place| self.rests(place))
    }

    /// Hands out snapshots and previews of the pictures as they are after `step`.
    fn show(&self, step: u32, observer: &mut dyn Observer) -> Result<(), RunError> {
        let kept = self.evaluator.plan.spec.snapshot_steps.contains(&step);
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
            let alpha = self.evaluator.plan.spec.parameterization.alpha;
            (0..pictures.size()[0]).map(|row| picture(&pictures.f_get(row)?, alpha)).collect::<Result<_, _>>()
        });
        split.map_err(|error| RunError::Torch { step, error })
    }

    /// The sum and its parts on the pictures themselves.
    fn clean_scores(&mut self, step: u32, cancelled: &dyn Fn() -> bool) -> Result<Evaluation, RunError> {
        let pictures = tch::no_grad(|| self.canvas.images());
        let pictures = pictures.map_err(|error| RunError::Torch { step, error })?;
        self.evaluator.score(step, &pictures, cancelled)
    }

    /// The same of all pictures at the end, also of those that were eliminated.
    fn last_scores(&mut self, cancelled: &dyn Fn() -> bool) -> Result<Evaluation, RunError> {
        self.evaluator.take_all_back();
        self.clean_scores(self.last_step(), cancelled)
    }

    /// The last step of any picture.
    fn last_step(&self) -> u32 {
        self.steps_made.iter().copied().max().unwrap_or(0)
    }

    /// Takes the pictures back to before the update that led to `error`, the last ones whose values were all finite.
    fn restore(mut self, start: &Evaluation, error: RunError, observer: &dyn Observer) -> Failed {
        let Some((leaves, steps_made)) = self.before.take() else { return error.into() };
        let pairs = self.canvas.leaves().iter().zip(&leaves);
        let taken_back = tch::no_grad(|| {
            pairs.into_iter().try_for_each(|(leaf, kept)| leaf.shallow_clone().f_copy_(kept).map(|_| ()))
        });
        for (place, (made, before)) in self.steps_made.iter().zip(&steps_made).enumerate() {
            if made > before {
                self.ends.take_back(place);
            }
        }
        self.steps_made = steps_made;
        let outcomes = taken_back
            .map_err(|error| RunError::Torch { step: self.last_step(), error })
            .and_then(|()| self.last_scores(&|| observer.gives_up()))
            .and_then(|end| self.outcomes(start, Some(&end), true));
        // Without pictures the error itself is what there is to say.
        Failed { error, outcomes: outcomes.unwrap_or_default() }
    }

    /// What became of each picture; `end` holds its clean scores, where they were taken.
    fn outcomes(
        &self,
        start: &Evaluation,
        end: Option<&Evaluation>,
        stopped: bool,
    ) -> Result<Vec<Outcome>, RunError> {
        let pictures = self.pictures(self.last_step())?;
        let outcome = |(place, picture): (usize, Picture)| {
            let image = place as u32;
            let value = |(number, term): (usize, &BoundTerm)| {
                let slot = term.images.binary_search(&image).ok()?;
                let value = end.map_or(f64::NAN, |end| end.terms[number][slot]);
                (term.kind() != TermKind::StepOperation).then_some(value)
            };
            Outcome {
                end: self.end(place, stopped, end.is_some()),
                steps: self.steps_made[place],
                score: end.map_or(f64::NAN, |end| end.scores[place]),
                start_score: start.scores[place],
                terms: self.evaluator.plan.terms.iter().enumerate().map(value).collect(),
                picture,
            }
        };
        Ok(pictures.into_iter().enumerate().map(outcome).collect())
    }

    /// How a picture ended; `stopped` tells that the run did, `scored` that the clean scores were taken.
    fn end(&self, place: usize, stopped: bool, scored: bool) -> End {
        let dead = self.dead(place) || (!stopped && self.lives[place].off >= DEAD_STEPS);
        match self.ends.of(place) {
            None | Some(End::OutOfTime) if dead => End::Dead { hint: self.hint(place as u32) },
            Some(end) if scored || *end == End::Eliminated => end.clone(),
            None if !stopped => End::Completed,
            _ => End::Stopped,
        }
    }

    /// What to try for a dead picture.
    fn hint(&self, image: u32) -> String {
        let passes = self.evaluator.plan.groups.iter().flat_map(|group| &group.passes);
        let read = passes.filter(|pass| pass.images.contains(&image)).flat_map(|pass| &pass.layers);
        let paths: Vec<&String> = read.map(|&layer| &self.evaluator.plan.layers[layer]).collect();
        let has_pre = |path: &&&String| self.evaluator.plan.model.layer(&format!("{path}:pre")).is_ok();
        let Life { off, still, .. } = self.lives[image as usize];
        let why = match still == off {
            true => format!("the gradient was exactly zero for {still} steps in a row"),
            false => format!("the unit stayed off for {off} steps, though its gradient was redirected"),
        };
        match paths.iter().find(has_pre) {
            Some(path) => {
                format!("{why}: the unit does not react; try `{path}:pre`, its value before the activation")
            }
            None => format!("{why}: the unit does not react; try another seed, or a layer before it"),
        }
    }
}

/// For how many steps in a row a picture's gradient was exactly zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    /// Through the network as it is; also where it led back to zero, while redirected.
    off: u32,
    /// Redirected as well.
    still: u32,
    /// The redirection that last moved it.
    moved_by: Reach,
}

impl Life {
    const NEW: Self = Self { off: 0, still: 0, moved_by: Reach::Last };

    fn count(&mut self, flow: Flow) {
        self.off = if flow == Flow::Own { 0 } else { self.off + 1 };
        self.still = if flow == Flow::None { self.still + 1 } else { 0 };
        if let Flow::Redirected(reach) = flow {
            self.moved_by = reach;
        }
    }

    /// A picture that may be redirected has as many steps more to move.
    fn is_over(&self, redirect: bool) -> bool {
        let still = if redirect { 2 * DEAD_STEPS } else { DEAD_STEPS };
        self.still >= still || self.off >= OFF_STEPS
    }
}

fn norms_of(gradient: &Tensor, step: u32) -> Result<Vec<f64>, RunError> {
    norms(gradient).map_err(|error| RunError::Torch { step, error })
}

/// The L2 norm of each picture's change.
fn norms_between(before: &Tensor, after: &Tensor) -> Result<Vec<f64>, TchError> {
    norms(&after.f_sub(before)?)
}

/// `[n, c, h, w]` with a further channel, the opacity, in the middle between nothing and all.
fn half_opaque(picture: &Tensor) -> Result<Tensor, TchError> {
    let opacity = picture.f_narrow(1, 0, 1)?.f_full_like(0.5)?;
    Tensor::f_cat(&[picture.shallow_clone(), opacity], 1)
}

/// `[c, h, w]` to numbers.
fn picture(tensor: &Tensor, alpha: bool) -> Result<Picture, TchError> {
    let (channels, height, width) = tensor.size3()?;
    let flat = tensor.f_to(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    Ok(Picture {
        channels: channels as u32,
        alpha,
        height: height as u32,
        width: width as u32,
        values: Vec::<f32>::try_from(flat)?,
    })
}
