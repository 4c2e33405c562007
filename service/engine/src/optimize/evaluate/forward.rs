//! Pictures forward through the network, and the references that terms compare them with. It knows no term's value.

use super::super::loss::{Layer, Reading, Reference};
use super::super::plan::Pass;
use super::super::{RunError, transform};
use super::Evaluator;
use crate::model::Program;
use crate::spec::Picture;
use std::collections::BTreeMap;
use tch::{Device, TchError, Tensor};

/// A pass that was run.
pub(super) struct Forward {
    /// `[n, c, h, w]`, the leaf that gradients are taken for.
    pub clean: Tensor,
    /// The pictures' numbers.
    pub rows: Tensor,
    /// One per layer of the pass.
    pub taps: Vec<Tensor>,
}

impl Evaluator {
    /// Runs the passes of a group and fills its readings.
    pub(super) fn forward(
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
                    let (images, colors) = (&pass.images, self.channels());
                    let reading = Reading::new(images, &forward.clean, colors, &layers).map_err(torch)?;
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
    pub(super) fn taps(
        &self,
        step: u32,
        pass: &Pass,
        clean: &Tensor,
        program: &Program,
        climb: bool,
    ) -> Result<Vec<Tensor>, RunError> {
        let torch = |error| RunError::Torch { step, error };
        let opaque = self.opaque(pass, clean, climb).map_err(torch)?;
        let view = match climb && !self.plan.spec.is_clean(step) {
            true => transform::views(&self.plan.spec, &pass.images, self.view, &opaque).map_err(torch)?,
            false => opaque,
        };
        let input = self.normalization.apply(&view).map_err(torch)?;
        let filled = self.fill(&input).map_err(torch)?;
        let taps = program.run(&filled).map_err(|error| RunError::Model { step, error })?;
        let count = pass.images.len() as i64;
        taps.iter().map(|tap| tap.f_narrow(0, 0, count).map_err(torch)).collect()
    }

    /// Pictures with an opacity over what is behind them; references have none.
    fn opaque(&self, pass: &Pass, clean: &Tensor, climb: bool) -> Result<Tensor, TchError> {
        match &self.background {
            Some(background) if clean.size()[1] > self.channels() => {
                background.behind(&pass.images, climb.then_some(self.view), clean)
            }
            _ => Ok(clean.shallow_clone()),
        }
    }

    /// Of the model.
    fn channels(&self) -> i64 {
        i64::from(self.plan.model.manifest().input.channels.count())
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
}

/// A picture as `[1, c, h, w]`.
pub fn reference(picture: &Picture, device: Device) -> Result<Tensor, TchError> {
    let shape = [1, picture.channels, picture.height, picture.width].map(i64::from);
    Tensor::f_from_slice(&picture.values)?.f_reshape(shape)?.f_to(device)
}

fn rows(images: &[u32], device: Device) -> Result<Tensor, TchError> {
    let rows: Vec<i64> = images.iter().map(|&image| i64::from(image)).collect();
    Tensor::f_from_slice(&rows)?.f_to(device)
}
