//! What can be wrong with a model, its file, or a request for one of its layers; knows no gRPC.

use std::path::PathBuf;

use super::layers::Unlisted;

/// Everything that loading, cutting or running a model can fail with. Each message gives the value, the rule and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the model's folder cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody wrote to the model file while it was being read.
    #[error("`{}` changed while it was read; load it again once it is written, and put a new file in place by renaming it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// `model.toml` is missing a key or holds a value that no model can have.
    #[error("`{}`: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The value, the rule and the way out.
        reason: String,
    },
    /// The model file is no sound archive.
    #[error(
        "the model file is not a sound archive: {0}; save it again with torch.export.save or torch.jit.save"
    )]
    Archive(String),
    /// The TorchScript file cannot be read.
    #[error(
        "the TorchScript file cannot be read: {0}; save it again with torch.jit.save, or better export the network with torch.export (`python -m unitscope_export`)"
    )]
    Script(String),
    /// The graph in the archive cannot be what `torch.export` wrote.
    #[error("the exported program is malformed: {0}; export the model again")]
    Format(String),
    /// The program is sound, but of a kind that this project does not run.
    #[error("{0}")]
    Unsupported(String),
    /// The graph calls something that is not on the allow list.
    #[error(
        "operator `{operator}` (in module `{module}`) is not among the operators that a model may call; \
         replace it in the network by a common one, or ask for it to be added to the list"
    )]
    Operator {
        /// As the file names it.
        operator: String,
        /// Path of the innermost module around it; empty for the network itself.
        module: String,
    },
    /// No layer has this path.
    #[error("{}", unknown_layer(layer, model, near, *total))]
    UnknownLayer {
        /// What was asked for.
        layer: String,
        /// The model's name.
        model: String,
        /// The nearest names, best first.
        near: Vec<String>,
        /// How many layers the model has.
        total: usize,
    },
    /// Several layers have this name, but for `_`, `.` and case.
    #[error("layer `{layer}` of model `{model}` could be {}; write one as it stands there", either(paths))]
    AmbiguousLayer {
        /// What was asked for.
        layer: String,
        /// The model's name.
        model: String,
        /// What it could be.
        paths: Vec<String>,
    },
    /// A module of the model has this path, but it is no layer.
    #[error("module `{layer}` of model `{model}` is no layer: {}; ask for the one before or around it", match why {
        Unlisted::NoOperator => "it has no operator of its own, so that it passes its input on or does not run",
        Unlisted::NoImage => "what it computes belongs to no single image",
    })]
    UnlistedLayer {
        /// The module's path.
        layer: String,
        /// The model's name.
        model: String,
        /// Why it is none.
        why: Unlisted,
    },
    /// The module runs several times, so that its path alone names several values.
    #[error("layer `{layer}` runs {calls} times in model `{model}`; name one call, `{layer}#0` to `{layer}#{}`", calls - 1)]
    SeveralCalls {
        /// What was asked for.
        layer: String,
        /// The model's name.
        model: String,
        /// How often the module runs.
        calls: usize,
    },
    /// `path:pre` of a layer whose output no activation makes.
    #[error(
        "layer `{layer}` has no value before an activation: operator `{operator}` makes its output; \
         ask for `{layer}` itself"
    )]
    NoPreActivation {
        /// The layer, without `:pre`.
        layer: String,
        /// What makes its output.
        operator: String,
    },
    /// A layer that was asked for its kernels and has none.
    #[error("{}", no_convolution(layer, operator, near))]
    NoConvolution {
        /// What was asked for.
        layer: String,
        /// What makes its output.
        operator: String,
        /// The nearest convolutions, best first.
        near: Vec<String>,
    },
    /// A model that was asked for its first convolution.
    #[error(
        "model `{0}` has no layer that is a two-dimensional convolution, so that there are no filters to show"
    )]
    NoConvolutions(String),
    /// An input of another size than the export allows.
    #[error("{0}")]
    Input(String),
    /// A count or size above one of the caps of `model::limits`.
    #[error("{what} is {value}; the cap is {cap}, so that a broken file cannot exhaust the machine")]
    TooLarge {
        /// What was counted.
        what: String,
        /// How large it is.
        value: u64,
        /// The cap.
        cap: u64,
    },
    /// An operator refused its arguments while the graph ran.
    #[error("operator `{operator}` (in module `{module}`) failed: {message}")]
    Run {
        /// The operator.
        operator: String,
        /// Path of the innermost module around it.
        module: String,
        /// libtorch's words.
        message: String,
    },
    /// libtorch refused something outside the graph.
    #[error("libtorch failed: {0}")]
    Torch(String),
}

impl ModelError {
    /// A malformed program, in words.
    pub(crate) fn format(reason: impl Into<String>) -> Self {
        Self::Format(reason.into())
    }

    /// A broken archive, in words.
    pub(crate) fn archive(reason: impl Into<String>) -> Self {
        Self::Archive(reason.into())
    }
}

#[cfg(feature = "torch")]
impl From<tch::TchError> for ModelError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.to_string())
    }
}

fn no_convolution(layer: &str, operator: &str, near: &[String]) -> String {
    let way_out =
        if near.is_empty() { "the model has none".to_owned() } else { format!("ask for {}", either(near)) };
    format!(
        "layer `{layer}` is no two-dimensional convolution: operator `{operator}` makes its output; {way_out}"
    )
}

fn unknown_layer(layer: &str, model: &str, near: &[String], total: usize) -> String {
    let guess = if near.is_empty() { String::new() } else { format!("did you mean {}? ", either(near)) };
    format!(
        "layer `{layer}` is not in model `{model}`; {guess}`unitscope models show {model}` lists all {total}"
    )
}

/// ``a`, `b` or `c``, of at least one name.
fn either(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        one => one.concat(),
    }
}
