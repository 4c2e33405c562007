//! The table: how what an operator's result sees follows from what its arguments see. Never less than the truth, so what is not understood is lost.

use super::call::Call;
use super::extent::Extent;
use super::{mixing, moving, windows};

/// What an operator does to positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Rule {
    /// Element by element, with broadcasting.
    Elementwise,
    /// As [`Rule::Elementwise`] for the first tensor; the others give a shape or a type.
    First,
    /// The values of no tensor matter, only sizes.
    Sizes,
    /// Batch norm in inference, and what else has numbers for each channel.
    BatchNorm,
    /// Statistics over everything but the first axis.
    Everything,
    /// Statistics over the last axes.
    LastAxes,
    /// Mixes everything along one axis; the default of `dim`.
    Along(i64),
    /// Reduces axes.
    Reduction,
    /// A convolution, of as many axes as its weight says.
    Convolution,
    /// Max or average over windows of this many axes.
    Pool(usize),
    /// Pooling of this many axes to a given size.
    AdaptivePool(usize),
    /// Replaces the last axis.
    Linear,
    /// A product of matrices; the first `.0` tensors are added to it.
    Product(usize),
    /// Attention over all tokens.
    Attention,
    /// A new order of the axes.
    Permutation,
    /// The same elements in the same order, under another shape.
    Reshape,
    /// A part of one axis.
    Slice,
    /// One index of an axis, which goes.
    Select,
    /// Cut along one axis.
    Pieces,
    /// One index after the other of an axis, which goes.
    Unbind,
    /// Joined along one axis.
    Concatenation,
    /// Joined along a new axis.
    Stack,
    /// Padding, of which only constants are understood.
    Pad,
    /// Reorders positions along the axes that it names.
    Reorder,
    /// A square of positions moves into the channels.
    Unshuffle,
    /// Rows of a table by index, along one axis.
    Lookup,
    /// As Python's `x[:, index]`.
    Index,
    /// Not understood.
    Unknown,
}

/// (rule, names)
#[rustfmt::skip]
const TABLE: &[(Rule, &[&str])] = &[
    (Rule::Elementwise, &[
        "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid",
        "log_sigmoid", "logsigmoid", "tanh", "hardtanh", "hardsigmoid", "hardswish", "softplus",
        "softsign", "threshold", "hardshrink", "softshrink",
        "add", "sub", "rsub", "subtract", "mul", "multiply", "div", "divide", "true_divide",
        "floor_divide", "remainder", "fmod", "neg", "negative", "abs", "sign", "sgn", "square", "sqrt",
        "rsqrt", "pow", "float_power", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin",
        "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "erf", "erfc", "reciprocal",
        "floor", "ceil", "round", "trunc", "frac", "clamp", "clamp_min", "clamp_max", "clip", "maximum",
        "minimum", "fmax", "fmin", "lerp", "addcmul", "addcdiv", "where", "masked_fill", "eq", "ne", "lt",
        "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "logical_xor", "bitwise_and",
        "bitwise_or", "bitwise_not", "isnan", "isinf", "isfinite", "nan_to_num", "fill", "copy", "clone",
        "_to_copy", "lift_fresh_copy", "detach", "alias", "lift_fresh", "contiguous", "to", "dropout",
        "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "repeat", "tile",
        "repeat_interleave", "expand", "tril", "triu",
    ]),
    (Rule::First, &["expand_as", "type_as"]),
    (Rule::Sizes, &["zero", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"]),
    (Rule::BatchNorm, &["batch_norm", "_native_batch_norm_legit_no_training", "prelu"]),
    (Rule::Everything, &["group_norm", "native_group_norm", "instance_norm"]),
    (Rule::LastAxes, &["layer_norm", "native_layer_norm", "rms_norm"]),
    (Rule::Along(-1), &["glu", "sort", "argsort", "topk", "softmax", "_softmax", "log_softmax", "_log_softmax", "softmin", "cumsum"]),
    // They name no axis; it is always the second.
    (Rule::Along(1), &["local_response_norm", "channel_shuffle"]),
    (Rule::Reduction, &[
        "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "var_mean",
        "std_mean", "prod", "norm", "linalg_vector_norm", "linalg_norm", "frobenius_norm", "logsumexp",
        "all", "any", "median",
    ]),
    (Rule::Convolution, &["conv1d", "conv2d", "conv3d", "convolution"]),
    (Rule::Pool(1), &["max_pool1d", "avg_pool1d"]),
    (Rule::Pool(2), &["max_pool2d", "max_pool2d_with_indices", "avg_pool2d"]),
    (Rule::Pool(3), &["max_pool3d", "max_pool3d_with_indices", "avg_pool3d"]),
    (Rule::AdaptivePool(1), &["adaptive_avg_pool1d", "adaptive_max_pool1d"]),
    (Rule::AdaptivePool(2), &["adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d"]),
    (Rule::AdaptivePool(3), &["adaptive_avg_pool3d", "_adaptive_avg_pool3d", "adaptive_max_pool3d"]),
    (Rule::Linear, &["linear"]),
    (Rule::Product(0), &["mm", "bmm", "matmul"]),
    (Rule::Product(1), &["addmm", "baddbmm"]),
    (Rule::Attention, &["scaled_dot_product_attention"]),
    (Rule::Permutation, &["permute", "transpose", "swapaxes", "swapdims", "t", "mT", "numpy_T"]),
    (Rule::Reshape, &[
        "view", "view_as", "reshape", "reshape_as", "_unsafe_view", "flatten", "unflatten", "ravel",
        "squeeze", "unsqueeze",
    ]),
    (Rule::Slice, &["slice", "narrow"]),
    (Rule::Select, &["select"]),
    (Rule::Pieces, &[
        "split", "split_with_sizes", "tensor_split", "chunk", "unsafe_chunk", "unsafe_split",
        "unsafe_split_with_sizes",
    ]),
    (Rule::Unbind, &["unbind"]),
    (Rule::Concatenation, &["cat", "concat", "concatenate"]),
    (Rule::Stack, &["stack"]),
    (Rule::Pad, &[
        "pad", "constant_pad_nd", "zero_pad2d", "reflection_pad1d", "reflection_pad2d",
        "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d",
    ]),
    (Rule::Reorder, &["roll", "flip"]),
    (Rule::Unshuffle, &["pixel_unshuffle"]),
    (Rule::Lookup, &["index_select"]),
    (Rule::Index, &["index"]),
];

/// The rule of an operator.
pub(in crate::model) fn rule(call: &Call<'_>) -> Rule {
    let name = call.name();
    let known = TABLE.iter().find(|(_, names)| names.contains(&name)).map(|(rule, _)| *rule);
    match known {
        // `max(a, b)` is `maximum`.
        Some(Rule::Reduction) if call.has("other") => Rule::Elementwise,
        Some(Rule::Convolution) if call.flag("transposed") => Rule::Unknown,
        Some(rule) => rule,
        None => Rule::Unknown,
    }
}

/// One tensor that a call reads, and one that it makes.
pub(in crate::model) struct Ends<'a> {
    /// Which of the tensors that the call reads.
    pub input: usize,
    /// Whether another of them sees something of the image along this axis.
    pub company: bool,
    /// Its shape.
    pub from: &'a [u64],
    /// Shape of the result.
    pub to: &'a [u64],
    /// What the results before this one take together of each axis; `None` where that is not known.
    pub before: Option<&'a [u64]>,
}

/// What a result sees through one tensor that the call reads.
pub(super) fn through(rule: Rule, call: &Call<'_>, ends: &Ends<'_>, seen: Extent) -> Extent {
    if matches!((rule, ends.input), (Rule::First | Rule::Reshape, 1..)) || rule == Rule::Sizes {
        return Extent::Nothing;
    }
    let run = match seen {
        Extent::Nothing | Extent::All => return seen,
        Extent::Lost if mixing::mixes_all(rule, call, ends) => return Extent::All,
        Extent::Along(run) if run.axis < ends.from.len() => run,
        Extent::Lost | Extent::Along(_) => return Extent::Lost,
    };
    let several = matches!(
        rule,
        Rule::Elementwise | Rule::Attention | Rule::Concatenation | Rule::Stack | Rule::Product(_)
    );
    // A weight, a norm's statistics or an index that depends on the image.
    if ends.input > 0 && !several {
        return Extent::Lost;
    }
    match rule {
        Rule::Sizes | Rule::Unknown => None,
        Rule::Elementwise | Rule::First => moving::broadcast(ends, run),
        Rule::BatchNorm => Some(if call.flag("training") { Extent::All } else { seen }),
        Rule::Everything => Some(if run.axis == 0 { seen } else { Extent::All }),
        Rule::LastAxes => mixing::last_axes(call, ends, run),
        Rule::Along(default) => mixing::along(default, call, ends, run),
        Rule::Reduction => mixing::reduction(call, ends, run),
        Rule::Linear => Some(if run.axis + 1 == ends.from.len() { Extent::All } else { seen }),
        Rule::Product(added) => mixing::product(added, ends, run),
        Rule::Attention => mixing::attention(ends, run),
        Rule::Convolution => windows::convolution(call, ends, run),
        Rule::AdaptivePool(axes) => windows::adaptive_pool(axes, ends, run),
        Rule::Pool(axes) => windows::pool(axes, call, ends, run),
        Rule::Unshuffle => windows::unshuffle(call, ends, run),
        Rule::Pad => windows::pad(call, ends, run),
        Rule::Slice => windows::slice(call, ends, run),
        Rule::Pieces => windows::piece(call, ends, run),
        Rule::Permutation => moving::permutation(call, ends, run),
        Rule::Reshape => moving::reshape(ends, run),
        Rule::Select | Rule::Unbind => moving::without_axis(call, ends, run),
        Rule::Stack => moving::stack(call, ends, run),
        Rule::Concatenation | Rule::Lookup => moving::other_axis(call, ends, run),
        Rule::Reorder => moving::reorder(call, ends, run),
        Rule::Index => moving::index(call, ends, run),
    }
    .unwrap_or(Extent::Lost)
}
