//! What an optimization is asked for, with every default filled in. It knows no proto and no tensor.
//!
//! Fields bear the names of the proto's `OptimizeSpec`, so that a [`FieldError`] points at what the client sent.

mod elimination;
mod optimizer;
mod parameterization;
mod stop;

pub use elimination::Elimination;
pub use optimizer::{Moments, Optimizer, Rule, Schedule};
pub use parameterization::{Basis, Parameterization, Shared};
pub use stop::{Plateau, Stop};

use crate::plugin::ParamValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that decides the pictures of one job.
///
/// Numbers are within their ranges already (the proto states them): whoever builds a spec checks that. What needs the
/// model or the plugins is checked by [`crate::optimize::prepare`].
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizeSpec {
    /// How many pictures, at least 1.
    pub images: u32,
    /// The summands of what each picture maximizes, and step operations.
    pub terms: Vec<TermSpec>,
    /// Pictures that terms compare with, each of the spec's size and the model's channels.
    pub references: Vec<Arc<Picture>>,
    /// The place of the reference that every picture starts from; `None` for noise.
    pub start: Option<usize>,
    /// What each picture maximizes; `None` for the sum of all objectives less that of all penalties.
    pub objective: Option<Expression>,
    /// Steps of the optimizer, at least 1.
    pub steps: u32,
    /// The key of every random draw.
    pub seed: u64,
    /// Rows of each picture, at least 1.
    pub height: u32,
    /// Columns of each picture, at least 1.
    pub width: u32,
    /// How numbers become a picture.
    pub parameterization: Parameterization,
    /// What is done to a picture before the network sees it, in order.
    pub transforms: Vec<Transform>,
    /// Views of each picture that a step shows to the network, with the mean of their gradients, at least 1.
    pub views_per_step: u32,
    /// The last steps, at which the network sees the picture as it is, `0..=steps`.
    pub clean_steps: u32,
    /// The rule that turns gradients into steps.
    pub optimizer: Optimizer,
    /// Ends beside the number of steps.
    pub stop: Stop,
    /// Families of pictures of which the worse half goes early.
    pub elimination: Option<Elimination>,
    /// Steps after which every picture is kept, rising, each in `1..=steps`.
    pub snapshot_steps: Vec<u32>,
    /// Pictures that share one pass, at least 1.
    pub images_per_pass: u32,
    /// Let gradients through activations that are off, for pictures whose gradient through the network is exactly zero.
    pub redirect: bool,
    /// Give max pools the gradient of an average over the same windows.
    pub smooth_max_pools: bool,
}

impl OptimizeSpec {
    /// Whether this step, counted from 1, shows the network the pictures as they are.
    #[must_use]
    pub fn is_clean(&self, step: u32) -> bool {
        self.transforms.is_empty() || self.steps.saturating_sub(step) < self.clean_steps
    }
}

/// One summand, or a step operation.
#[derive(Clone, Debug, PartialEq)]
pub struct TermSpec {
    /// The term's id, such as `channel`.
    pub id: String,
    /// Finite and not zero.
    pub weight: f64,
    /// A further factor for each of `images`, finite.
    pub image_weights: Vec<f64>,
    /// Parameters as the client gave them; the plugin host checks them against the schema.
    pub params: BTreeMap<String, ParamValue>,
    /// The pictures it applies to, rising and not empty.
    pub images: Vec<u32>,
    /// The place of the reference that it compares with, where it compares.
    pub reference: Option<usize>,
}

/// Arithmetic on the values of terms, for each picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// The value of the term at this place of the list, times its weights; 0 for pictures that it does not apply to. Not a step operation.
    Term(usize),
    /// Finite.
    Constant(f64),
    /// 0 where it is empty.
    Sum(Vec<Expression>),
    /// 1 where it is empty.
    Product(Vec<Expression>),
    /// With the other sign.
    Negation(Box<Expression>),
}

impl Expression {
    /// Whether the term at this place is in it.
    #[must_use]
    pub fn reads(&self, place: usize) -> bool {
        self.any_term(&mut |other| other == place)
    }

    /// Whether any term is in it.
    #[must_use]
    pub fn reads_terms(&self) -> bool {
        self.any_term(&mut |_| true)
    }

    fn any_term(&self, wanted: &mut impl FnMut(usize) -> bool) -> bool {
        match self {
            Expression::Term(place) => wanted(*place),
            Expression::Constant(_) => false,
            Expression::Sum(parts) | Expression::Product(parts) => {
                parts.iter().any(|part| part.any_term(wanted))
            }
            Expression::Negation(part) => part.any_term(wanted),
        }
    }
}

/// One random change of the picture; distances in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transform {
    /// Mid grey around the picture, for any width above 0; else its edge is repeated.
    Pad {
        /// Its width.
        px: u32,
    },
    /// A move by whole pixels, `-px / 2 ..= px / 2` in each direction.
    Jitter {
        /// The width of the range.
        px: u32,
    },
    /// An enlargement by a factor drawn evenly from `min..=max`.
    RandomScale {
        /// `0.25..=4.0`.
        min: f64,
        /// `min..=4.0`.
        max: f64,
    },
    /// A turn by an angle drawn evenly from `-degrees..=degrees`.
    RandomRotate {
        /// `0.0..=180.0`.
        degrees: f64,
    },
    /// A box of the picture, somewhere within it, enlarged to the whole: its sides are a share of the picture's, drawn evenly from
    /// `min..=max`.
    RandomCrop {
        /// `0.05..=1.0`.
        min: f64,
        /// `min..=1.0`.
        max: f64,
    },
    /// Left and right changed about.
    RandomFlip {
        /// How often, `0.0..=1.0`.
        probability: f64,
    },
    /// Each channel times e^s, plus m, with s and m drawn evenly for each (Ghiasi et al. 2022, "What do Vision Transformers Learn?").
    ColorShift {
        /// m lies in `-shift..=shift`; `0.0..=1.0`.
        shift: f64,
        /// s lies in `-scale..=scale`; `0.0..=2.0`.
        scale: f64,
    },
    /// Added to every number of the view, drawn from a normal distribution.
    Noise {
        /// `0.0..=1.0`.
        standard_deviation: f64,
    },
}

impl Transform {
    /// Lucid's standard list (`optvis/transform.py`), with its distances scaled from 224 pixels to the picture by the unit
    /// u = max(height, width) / 32: pad 3u, jitter 2u, scale 0.9 … 1.1, rotate ± 10°, jitter u. The crop to size is
    /// always made at the end.
    pub fn standard(height: u32, width: u32) -> Vec<Transform> {
        let px = |units: f64| (units * f64::from(height.max(width)) / 32.0).round() as u32;
        vec![
            Transform::Pad { px: px(3.0) },
            Transform::Jitter { px: px(2.0) },
            Transform::RandomScale { min: 0.9, max: 1.1 },
            Transform::RandomRotate { degrees: 10.0 },
            Transform::Jitter { px: px(1.0) },
        ]
    }
}

/// A picture: `[channels, height, width]`, each in `0.0..=1.0`, colours in the order red, green, blue.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// 3 for colours, 1 for grey, or whatever the model takes; one more with `alpha`.
    pub channels: u32,
    /// The last channel says how opaque each pixel is.
    pub alpha: bool,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Row by row, channel by channel.
    pub values: Vec<f32>,
}

/// Magnitudes of half a spectrum, as a real Fourier transform over the two sides of a picture gives them: `[channels, height, columns]`,
/// where columns are half of an even width, and one. Only their proportions matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// The model's, or 1 for all.
    pub channels: u32,
    /// Rows, `2..=4096`.
    pub height: u32,
    /// `2..=2049`.
    pub columns: u32,
    /// Row by row, channel by channel, finite and not negative; not all 0.
    pub values: Vec<f32>,
}

/// What is wrong with one field of a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// The field's path from the spec, such as `terms[2].params.channel`.
    pub field: String,
    /// The value, the rule and the way out.
    pub reason: String,
}

impl FieldError {
    /// Joins a path and a reason.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}
