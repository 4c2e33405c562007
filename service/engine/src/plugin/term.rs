//! One instance of a term: created, asked for its taps, prepared, called once per step, destroyed; every answer is checked.

mod verify;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Arc;

use unitscope_sdk::abi::{us_error, us_io, us_status, us_view};

use super::call::{Lent, call, copy_taps, row, with_step};
use super::error::{Stage, TermError};
use super::guard::Element;
use super::info::{ParamValue, TermInfo, TermKind};
use super::params;
use super::stage::Staged;
use super::view::View;

/// A term at work in one job. Calls need `&mut`, so they never overlap; it may move between threads.
pub struct Instance {
    info: Arc<TermInfo>,
    handle: *mut c_void,
    taps: Vec<Tap>,
    prepared: bool,
    /// Panicked, or wrote where it should not: only `destroy` is left.
    poisoned: bool,
}

// SAFETY: the header lets calls on one instance come from different threads as long as they do not overlap.
unsafe impl Send for Instance {}

/// What a term reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tap {
    /// A layer's value. The path may end in `:pre`, or in `:pre?`: the value before the activation where there is one.
    Layer {
        /// The path as the plugin wrote it.
        path: String,
        /// Of the term's reference image, through the picture's draw of the random transforms; its gradient is never wanted.
        reference: bool,
    },
    /// The picture, in 0..=1, before the random transforms.
    Image {
        /// The term's reference image in its place; its gradient is never wanted.
        reference: bool,
    },
    /// The picture's opacity, in 0..=1.
    Alpha,
}

impl Tap {
    /// Whether it reads the term's reference image in place of the picture.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        match self {
            Tap::Layer { reference, .. } | Tap::Image { reference } => *reference,
            Tap::Alpha => false,
        }
    }
}

impl std::fmt::Display for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tap::Layer { path, .. } => write!(f, "layer `{path}`")?,
            Tap::Image { .. } => f.write_str("the image")?,
            Tap::Alpha => f.write_str("the opacity")?,
        }
        f.write_str(if self.is_reference() { " of the reference" } else { "" })
    }
}

/// One step of a job, as a term sees it.
#[derive(Clone, Copy)]
pub struct StepInfo<'a> {
    /// 0 at first.
    pub step: u64,
    /// How many the job has.
    pub total_steps: u64,
    /// The term's entropy in this step.
    pub seed: u64,
    /// Whether the job was cancelled; asked on the calling thread only.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl TermInfo {
    /// Checks `given` against the schema, fills in defaults, and makes an instance. `labels` are those of the model's classes, by number;
    /// none where it has none.
    ///
    /// # Errors
    /// [`TermError::Parameter`] for a value that breaks the schema, else what the plugin said.
    pub fn create(
        self: &Arc<Self>,
        given: &BTreeMap<String, ParamValue>,
        labels: &[String],
        job_seed: u64,
    ) -> Result<Instance, TermError> {
        let values = params::resolve(self, given, labels)?;
        let raw = params::to_raw(&self.params, &values);
        let create = self.raw.vtbl.create.expect("a term without `create` is refused when it is loaded");
        let mut handle = std::ptr::null_mut();
        call(self, Stage::Create, |error| {
            // SAFETY: the pointers are valid for the call, `term` and `host` for the life of the process; `raw` has one
            // value per row of the schema, of the row's type.
            unsafe {
                create(
                    self.raw.term,
                    self.raw.host,
                    raw.as_ptr(),
                    raw.len() as u64,
                    job_seed,
                    &raw mut handle,
                    error,
                )
            }
        })?;
        Ok(Instance { info: Arc::clone(self), handle, taps: Vec::new(), prepared: false, poisoned: false })
    }
}

impl Instance {
    /// The term.
    #[must_use]
    pub fn info(&self) -> &TermInfo {
        &self.info
    }

    /// What it wants to read; nothing for a step operation. Asked of the plugin once.
    ///
    /// # Errors
    /// [`TermError::BadTap`], or what the plugin said.
    pub fn taps(&mut self) -> Result<Vec<Tap>, TermError> {
        if !self.taps.is_empty() || self.info.kind == TermKind::StepOperation {
            return Ok(self.taps.clone());
        }
        let function =
            self.info.raw.vtbl.taps.expect("an objective without `taps` is refused when it is loaded");
        let (mut taps, mut n, handle) = (std::ptr::null(), 0, self.handle);
        self.call(Stage::Taps, |error| {
            // SAFETY: the handle came from this term's `create`; the pointers are valid for the call.
            unsafe { function(handle, &raw mut taps, &raw mut n, error) }
        })?;
        // SAFETY: the header: the array and its strings stay as they are until the next call on this instance.
        self.taps = unsafe { copy_taps(taps, n) }.map_err(|reason| self.bad_tap(reason))?;
        Ok(self.taps.clone())
    }

    /// Shows it the shapes of its taps, in their order; of the image, for a step operation. Views may be without data.
    ///
    /// # Errors
    /// [`TermError::Refused`] where the request does not fit the shapes, else what the plugin said.
    pub fn prepare(&mut self, shapes: &[View<'_>]) -> Result<(), TermError> {
        self.check_views(shapes)?;
        if let Some(function) = self.info.raw.vtbl.prepare {
            let shapes: Vec<View<'static>> = shapes.iter().map(View::without_data).collect();
            let raw: Vec<us_view> = shapes.iter().map(View::as_raw).collect();
            let handle = self.handle;
            self.call(Stage::Prepare, |error| {
                // SAFETY: the handle came from this term's `create`; `raw` borrows from `shapes`, which outlives the call.
                unsafe { function(handle, raw.as_ptr(), raw.len() as u64, error) }
            })?;
        }
        self.prepared = true;
        Ok(())
    }

    /// Computes the term on its taps, all of n images: sets `values` to n values, and, with `gradients`, adds
    /// `scale[i] · ∂values[i]/∂taps[k]` into one buffer per tap, of its shape and type. A buffer [without data](View::without_data) says
    /// that this tap's gradient is not wanted; the gradient of a tap of the reference image never is. Buffers that the plugin is handed directly
    /// (see [`GuardedBuffer`](super::GuardedBuffer)) are checked for writes outside by the caller.
    ///
    /// # Errors
    /// Everything that [`TermError`] lists for a step.
    pub fn eval(
        &mut self,
        step: &StepInfo<'_>,
        taps: &[View<'_>],
        gradients: Option<&[View<'_>]>,
        scale: &[f64],
        values: &mut [f64],
    ) -> Result<(), TermError> {
        let function =
            self.info.raw.vtbl.eval.ok_or_else(|| self.misused("a step operation has no `eval`"))?;
        self.check_eval(taps, gradients, scale, values)?;
        let mut lent_taps = Lent::new(&self.info, taps, Staged::copy);
        let mut lent_gradients = gradients.map(|views| Lent::new(&self.info, views, Staged::zeros));
        let (mut scales, mut results) = (row(scale), row(values));
        results.values_mut().fill(f64::CANARY);
        let input = lent_taps.raw();
        let output = lent_gradients.as_mut().map(Lent::raw);
        let mut io = us_io {
            struct_size: size_of::<us_io>() as u32,
            n_taps: taps.len() as u32,
            n: values.len() as u64,
            r#in: input.as_ptr(),
            grad: output.as_ref().map_or(std::ptr::null(), Vec::as_ptr),
            scale: scales.data(),
            value: results.data(),
        };
        let handle = self.handle;
        let outcome = self.call(Stage::Eval, |error| {
            // SAFETY: the handle came from this term's `create`; every pointer in `io` and in the step is valid for the call.
            with_step(step, |raw| unsafe { function(handle, raw, &raw mut io, error) })
        });
        // A write outside explains whatever else went wrong, so it is looked for first.
        let gradients_intact = lent_gradients.as_ref().is_none_or(Lent::check);
        for (intact, what) in [
            (results.check(), "its values' buffer"),
            (scales.check(), "its scales' buffer"),
            (lent_taps.check(), "a tap's copy"),
            (gradients_intact, "a gradient's buffer"),
        ] {
            self.check_intact(intact, what)?;
        }
        outcome?;
        self.check_values(results.values())?;
        if let (Some(lent), Some(views)) = (&lent_gradients, gradients) {
            lent.add_back();
            self.check_gradients(views)?;
        }
        values.copy_from_slice(results.values());
        Ok(())
    }

    /// Edits the image or its gradient in place, as the term's info says; both [batch, channel, height, width], of one shape.
    ///
    /// # Errors
    /// Everything that [`TermError`] lists for a step.
    pub fn apply(
        &mut self,
        step: &StepInfo<'_>,
        image: &View<'_>,
        gradient: &View<'_>,
    ) -> Result<(), TermError> {
        let function =
            self.info.raw.vtbl.apply.ok_or_else(|| self.misused("only a step operation has `apply`"))?;
        self.check_apply(image, gradient)?;
        let views = [*image, *gradient];
        let mut lent = Lent::new(&self.info, &views, Staged::copy);
        let raw = lent.raw();
        let handle = self.handle;
        let outcome = self.call(Stage::Apply, |error| {
            // SAFETY: the handle came from this term's `create`; the views are valid for the call, and the caller made them
            // from memory that may be written.
            with_step(step, |step| unsafe {
                function(handle, step, &raw const raw[0], &raw const raw[1], error)
            })
        });
        let intact = lent.check();
        self.check_intact(intact, "the image's or gradient's copy")?;
        outcome?;
        lent.copy_back();
        for (view, what) in [(image, "image"), (gradient, "gradient of the image")] {
            self.check_finite(view, || what.to_owned())?;
        }
        Ok(())
    }

    /// Calls one of the term's functions; a panic poisons the instance.
    fn call(
        &mut self,
        stage: Stage,
        function: impl FnOnce(*mut us_error) -> us_status,
    ) -> Result<(), TermError> {
        if self.poisoned {
            return Err(
                self.misused("it panicked or wrote outside of its buffers before, and is not called again")
            );
        }
        let result = call(&self.info, stage, function);
        self.poisoned = matches!(result, Err(TermError::Panicked { .. } | TermError::WroteOutside { .. }));
        result
    }

    fn misused(&self, reason: &str) -> TermError {
        TermError::Misused { term: self.info.id.clone(), reason: reason.to_owned() }
    }

    fn bad_tap(&self, reason: String) -> TermError {
        TermError::BadTap { term: self.info.id.clone(), reason }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let destroy =
            self.info.raw.vtbl.destroy.expect("a term without `destroy` is refused when it is loaded");
        // SAFETY: the handle came from this term's `create`, no call on it is under way, and this happens once.
        unsafe { destroy(self.handle) };
    }
}
