//! The one trait: what a term says about itself, and what it does.

use crate::abi::{US_OBJECTIVE, US_PENALTY, US_STEP_OPERATION, US_TAP_ALPHA, US_TAP_IMAGE, US_TAP_LAYER};
use crate::call::{Apply, Eval};
use crate::error::{Code, Error};
use crate::float::Float;
use crate::params::{Param, Params};
use crate::tensor::Shape;

/// An objective, penalty or step operation. One value of the type serves one job; it may move between threads.
///
/// Objectives and penalties implement [`eval`](Term::eval), step operations [`apply`](Term::apply). A panic in any function
/// fails the job with its message, and the value is then only dropped.
pub trait Term: Sized + Send + 'static {
    /// Name, docs and schema.
    const INFO: TermInfo;

    /// Made once per job, from values that follow the schema.
    ///
    /// # Errors
    /// Where the values do not go together.
    fn new(params: &Params<'_>) -> Result<Self, Error>;

    /// What it reads; the image, unless said otherwise. Asked once; not of step operations.
    fn taps(&self) -> Vec<Tap> {
        vec![Tap::image()]
    }

    /// Sees the shapes of its taps (for a step operation: of the image) before the request is accepted, and again when they change.
    ///
    /// # Errors
    /// Where a parameter does not fit them; [`Shape`] has the usual checks.
    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        let _ = shapes;
        Ok(())
    }

    /// Sets every image's value, and adds `scale(i) · ∂value(i)/∂input(k)` to gradient k where it is wanted. An image's value depends
    /// on that image alone, unless the term is [`batch_coupled`](TermInfo::batch_coupled).
    ///
    /// # Errors
    /// As the term sees fit; the job then fails.
    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let _ = eval;
        Err(Error::new(Code::Unimplemented, "the term has no eval"))
    }

    /// Edits the image or its gradient, as its info says.
    ///
    /// # Errors
    /// As the term sees fit; the job then fails.
    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        let _ = apply;
        Err(Error::new(Code::Unimplemented, "the term has no apply"))
    }
}

/// What a term says about itself.
#[derive(Clone, Copy, Debug)]
pub struct TermInfo {
    pub(crate) kind: Kind,
    pub(crate) id: &'static str,
    pub(crate) version: &'static str,
    pub(crate) title: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) batch_coupled: bool,
}

impl TermInfo {
    const fn new(kind: Kind, id: &'static str, title: &'static str, doc: &'static str) -> TermInfo {
        TermInfo { kind, id, version: "1.0.0", title, doc, params: &[], batch_coupled: false }
    }

    /// A term that is maximized. The id is its name in requests: a-z, 0-9, `_` and `.`; the doc gives formula, range and source.
    #[must_use]
    pub const fn objective(id: &'static str, title: &'static str, doc: &'static str) -> TermInfo {
        TermInfo::new(Kind::Objective, id, title, doc)
    }

    /// A term that is minimized.
    #[must_use]
    pub const fn penalty(id: &'static str, title: &'static str, doc: &'static str) -> TermInfo {
        TermInfo::new(Kind::Penalty, id, title, doc)
    }

    /// A term that edits the image's gradient between steps.
    #[must_use]
    pub const fn gradient_operation(id: &'static str, title: &'static str, doc: &'static str) -> TermInfo {
        TermInfo::new(Kind::GradientOperation, id, title, doc)
    }

    /// A term that edits the image between steps; only parameterizations with an exact inverse can take it.
    #[must_use]
    pub const fn image_operation(id: &'static str, title: &'static str, doc: &'static str) -> TermInfo {
        TermInfo::new(Kind::ImageOperation, id, title, doc)
    }

    /// Its schema.
    #[must_use]
    pub const fn params(mut self, params: &'static [Param]) -> TermInfo {
        self.params = params;
        self
    }

    /// Its version, where it is not "1.0.0".
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> TermInfo {
        self.version = version;
        self
    }

    /// An image's value depends on the other images of the batch.
    #[must_use]
    pub const fn batch_coupled(mut self) -> TermInfo {
        self.batch_coupled = true;
        self
    }

    /// The name in requests.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }
}

/// What the host does with a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Maximized.
    Objective,
    /// Minimized.
    Penalty,
    /// Edits the image's gradient between steps.
    GradientOperation,
    /// Edits the image between steps.
    ImageOperation,
}

impl Kind {
    pub(crate) fn to_raw(self) -> u32 {
        match self {
            Kind::Objective => US_OBJECTIVE,
            Kind::Penalty => US_PENALTY,
            Kind::GradientOperation | Kind::ImageOperation => US_STEP_OPERATION,
        }
    }
}

/// What a term reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    pub(crate) what: u32,
    pub(crate) layer: Option<String>,
    pub(crate) reference: bool,
}

impl Tap {
    /// The value that leaves a layer. `conv1:pre` is the value before its activation, `conv1:pre?` that value where there is
    /// one, else the layer's own.
    #[must_use]
    pub fn layer(path: impl Into<String>) -> Tap {
        Tap { what: US_TAP_LAYER, layer: Some(path.into()), reference: false }
    }

    /// The picture before its random transforms: [n, 3, h, w] (1 channel where it is gray), in 0..=1.
    #[must_use]
    pub fn image() -> Tap {
        Tap { what: US_TAP_IMAGE, layer: None, reference: false }
    }

    /// The value that leaves a layer for the reference image of the request, through the same random transforms as the picture. It has
    /// the shape of [`Tap::layer`], and [`Eval::gradient`] is none for it.
    #[must_use]
    pub fn reference_layer(path: impl Into<String>) -> Tap {
        Tap { what: US_TAP_LAYER, layer: Some(path.into()), reference: true }
    }

    /// The reference image of the request, as [`Tap::image`] gives the picture; [`Eval::gradient`] is none for it.
    #[must_use]
    pub fn reference_image() -> Tap {
        Tap { what: US_TAP_IMAGE, layer: None, reference: true }
    }

    /// How opaque the picture is: [n, 1, h, w], in 0..=1. A request whose pictures have no opacity is refused.
    #[must_use]
    pub fn alpha() -> Tap {
        Tap { what: US_TAP_ALPHA, layer: None, reference: false }
    }
}
