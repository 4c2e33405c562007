//! What a term says about itself: kind, docs, parameters. Copied from its descriptor once, checked; `GetTerm` shows the same.

use super::library::RawTerm;

/// A loaded term.
#[derive(Debug)]
pub struct TermInfo {
    /// The name in requests, unique among all loaded plugins.
    pub id: String,
    /// The term's own version.
    pub version: String,
    /// A few words.
    pub title: String,
    /// Formula, range of values, source.
    pub doc: String,
    /// What the host does with it.
    pub kind: TermKind,
    /// The plugin that offers it.
    pub plugin_id: String,
    /// That plugin's version.
    pub plugin_version: String,
    /// blake3 of the plugin's file, hex.
    pub library_digest: String,
    /// An image's value depends on the other images of the batch.
    pub batch_coupled: bool,
    /// Takes any strides; else the host hands it row-major copies.
    pub strided: bool,
    /// Takes float64 beside float32.
    pub float64: bool,
    /// Step operations: writes the image, which needs a parameterization with an exact inverse.
    pub edits_image: bool,
    /// Step operations: writes the image's gradient.
    pub edits_gradient: bool,
    /// Its parameters, in the order of its schema.
    pub params: Vec<ParamInfo>,
    pub(super) raw: RawTerm,
}

/// What the host does with a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// Maximized.
    Objective,
    /// Minimized.
    Penalty,
    /// Edits the image or its gradient between steps.
    StepOperation,
}

/// One row of a term's schema.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInfo {
    /// Its name in requests.
    pub name: String,
    /// Sentences for the person who sets it.
    pub doc: String,
    /// For example "px"; empty where it has none.
    pub unit: String,
    /// Its type.
    pub kind: ParamKind,
    /// What it is where a request leaves it out; none: the plugin is told that it was left out.
    pub default: Option<ParamValue>,
    /// A request must give it.
    pub required: bool,
    /// The least number (or element of a list), inclusive.
    pub min: Option<f64>,
    /// The largest number (or element of a list), inclusive.
    pub max: Option<f64>,
    /// For [`ParamKind::Enum`]: what it may be.
    pub choices: Vec<String>,
}

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum ParamKind {
    Bool,
    Int,
    Float,
    String,
    /// One of [`ParamInfo::choices`]; a [`ParamValue::String`].
    Enum,
    /// A layer's path; a [`ParamValue::String`] that the caller checks against its model.
    Layer,
    IntList,
    FloatList,
    /// A class of the model's output; a [`ParamValue::Int`], or its label as a [`ParamValue::String`].
    Class,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum ParamValue {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    IntList(Vec<i64>),
    FloatList(Vec<f64>),
}
