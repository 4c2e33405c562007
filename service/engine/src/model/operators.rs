//! The allow list: every ATen operator that a graph may call, how large its result can get, and what it shares memory with.
//!
//! Off the list on purpose: files (`from_file`), randomness, uninitialized memory (`empty`), strides (`as_strided`), results whose size depends on values (`nonzero`, `unique`), sparse, quantized and
//! complex tensors, training.

/// An operator that a graph may call, with all its overloads but `out` ones. In-place forms (`relu_`) are allowed with their plain form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Without `aten::`.
    pub name: &'static str,
    /// A bound on the size of what it returns.
    pub growth: Growth,
    /// Whether its result shares memory with its first argument.
    pub sharing: Sharing,
}

/// How the number of elements of the largest result follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// At most the first tensor.
    Same,
    /// At most the tensors' common broadcast shape.
    Broadcast,
    /// At most the largest tensor.
    Largest,
    /// At most all tensors together: `cat`, `stack`.
    Sum,
    /// The tensors' batch axes, the rows of the first and the columns of the second.
    Product,
    /// `linear`, whose second factor is transposed.
    Linear,
    /// Query length times key length, per head.
    Attention,
    /// The input's axes grown by the padding, with the weight's output channels.
    Convolution,
    /// As [`Growth::Convolution`], each axis also multiplied by the stride.
    TransposedConvolution,
    /// The input's axes, each grown by the pool's padding on both sides.
    Pool,
    /// The input's axes, each grown by a pair of the padding list, last axis first.
    Pad,
    /// A list of sizes replaces the last axes.
    Sizes,
    /// As [`Growth::Sizes`], or the tensor's size times a list of factors.
    Resize,
    /// The tensor's size times all factors.
    Repeat,
    /// As many elements as the range has steps.
    Range,
    /// At most the first tensor, cut into as many tensors as the sizes ask for.
    Pieces,
    /// A kernel's area of values for each element.
    Windows,
    /// A row of the table, or a slice of the tensor, for each index.
    Lookup,
    /// The grid's points, for each channel.
    Grid,
    /// The product of the sizes of the letters that the equation names on its right.
    Einsum,
}

/// Whether a result shares memory with the first argument, so that writing to one is seen in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// New memory.
    No,
    /// Always.
    View,
    /// Depends on strides, types or modes.
    Maybe,
}

use Growth::{
    Attention, Broadcast, Convolution, Einsum, Grid, Largest, Linear, Lookup, Pad, Pieces, Pool, Product,
    Range, Repeat, Resize, Same, Sizes, Sum, TransposedConvolution, Windows,
};

/// (growth, sharing, names)
#[rustfmt::skip]
const LIST: &[(Growth, Sharing, &[&str])] = &[
    // Layers.
    (Convolution, Sharing::No, &["conv1d", "conv2d", "conv3d", "convolution"]),
    (TransposedConvolution, Sharing::No, &["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]),
    (Linear, Sharing::No, &["linear"]),
    (Product, Sharing::No, &["addmm", "addbmm", "baddbmm", "mm", "bmm", "matmul", "mv", "dot"]),
    (Attention, Sharing::No, &["scaled_dot_product_attention"]),
    (Same, Sharing::No, &[
        "batch_norm", "_native_batch_norm_legit_no_training", "group_norm", "native_group_norm",
        "layer_norm", "native_layer_norm", "instance_norm", "rms_norm", "local_response_norm",
    ]),
    (Lookup, Sharing::No, &["embedding"]),
    // Pooling and resampling.
    (Pool, Sharing::No, &[
        "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices",
        "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    ]),
    (Sizes, Sharing::No, &[
        "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
        "_adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    ]),
    (Resize, Sharing::No, &[
        "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact2d",
        "upsample_bilinear2d", "_upsample_bilinear2d_aa", "upsample_bicubic2d",
        "_upsample_bicubic2d_aa", "upsample_linear1d", "upsample_trilinear3d",
    ]),
    (Same, Sharing::No, &["pixel_shuffle", "pixel_unshuffle", "channel_shuffle"]),
    (Grid, Sharing::No, &["grid_sampler", "grid_sampler_2d"]),
    (Windows, Sharing::No, &["im2col"]),
    (Pad, Sharing::No, &[
        "pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
        "replication_pad1d", "replication_pad2d", "replication_pad3d", "zero_pad2d",
    ]),
    // Activations.
    (Same, Sharing::No, &[
        "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
        "sigmoid", "log_sigmoid", "logsigmoid", "tanh", "hardtanh", "hardsigmoid", "hardswish",
        "softplus", "softsign", "threshold", "hardshrink", "softshrink", "glu", "softmax", "_softmax",
        "log_softmax", "_log_softmax", "softmin",
    ]),
    // Element by element.
    (Broadcast, Sharing::No, &[
        "cosine_similarity", "add", "sub", "rsub", "subtract", "mul", "multiply", "div", "divide", "true_divide",
        "floor_divide", "remainder", "fmod", "neg", "negative", "abs", "sign", "sgn", "square",
        "sqrt", "rsqrt", "pow", "float_power", "exp", "exp2", "expm1", "log", "log2", "log10",
        "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "erf", "erfc",
        "reciprocal", "floor", "ceil", "round", "trunc", "frac", "clamp", "clamp_min", "clamp_max",
        "clip", "maximum", "minimum", "fmax", "fmin", "lerp", "addcmul", "addcdiv", "where",
        "masked_fill", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not",
        "logical_xor", "bitwise_and", "bitwise_or", "bitwise_not", "isnan", "isinf", "isfinite",
        "nan_to_num", "fill", "zero", "copy", "zeros_like", "ones_like", "full_like", "clone",
        "_to_copy", "lift_fresh_copy", "_unsafe_view",
    ]),
    // Reductions.
    (Same, Sharing::No, &[
        "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "var_mean",
        "std_mean", "prod", "norm", "linalg_vector_norm", "linalg_norm", "frobenius_norm",
        "logsumexp", "cumsum", "all", "any", "sort", "argsort", "topk", "median",
    ]),
    // Shape.
    (Same, Sharing::View, &[
        "view", "view_as", "slice", "select", "narrow", "permute", "transpose", "t", "numpy_T", "mT",
        "movedim", "moveaxis", "swapaxes", "swapdims", "squeeze", "unsqueeze", "unflatten", "detach",
        "alias", "lift_fresh", "diagonal",
    ]),
    (Pieces, Sharing::View, &[
        "split", "split_with_sizes", "tensor_split", "chunk", "unsafe_chunk", "unsafe_split",
        "unsafe_split_with_sizes", "unbind",
    ]),
    (Sizes, Sharing::View, &["expand"]),
    (Broadcast, Sharing::View, &["expand_as"]),
    (Windows, Sharing::View, &["unfold"]),
    (Same, Sharing::Maybe, &[
        "reshape", "reshape_as", "flatten", "ravel", "contiguous", "to", "type_as", "dropout",
        "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
    ]),
    (Sum, Sharing::No, &["cat", "concat", "concatenate", "stack", "hstack", "vstack"]),
    (Repeat, Sharing::No, &["repeat", "tile", "repeat_interleave"]),
    (Same, Sharing::No, &[
        "roll", "flip", "tril", "triu", "slice_scatter", "select_scatter", "index_put", "index_fill",
        "index_add", "index_copy", "scatter", "scatter_add",
    ]),
    (Largest, Sharing::No, &["gather"]),
    (Lookup, Sharing::No, &["index", "index_select"]),
    // New tensors.
    (Sizes, Sharing::No, &["zeros", "ones", "full", "new_zeros", "new_ones", "new_full"]),
    (Range, Sharing::No, &["arange", "linspace", "scalar_tensor"]),
    (Einsum, Sharing::No, &["einsum"]),
];

/// Statements about sizes and values that the exporter leaves in a graph; they compute nothing.
const NO_EFFECT: &[&str] = &[
    "_assert_async",
    "_assert_scalar",
    "_assert_tensor_metadata",
    "sym_constrain_range",
    "sym_constrain_range_for_size",
];

/// Activations: functions of one element (softmax: of one axis) that end a layer. Their input is the layer's `:pre` value.
#[rustfmt::skip]
const ACTIVATIONS: &[&str] = &[
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid",
    "log_sigmoid", "tanh", "hardtanh", "hardsigmoid", "hardswish", "softplus", "softsign", "threshold",
    "softmax", "_softmax", "log_softmax", "_log_softmax",
];

/// The operator of this name (without `aten::`; in-place names are not looked through), if a graph may call it.
pub fn allowed(name: &str, overload: &str) -> Option<Allowed> {
    if overload.contains("out") || overload == "dtype" && name == "view" {
        return None;
    }
    LIST.iter().find_map(|(growth, sharing, names)| {
        let name = names.iter().find(|known| **known == name)?;
        Some(Allowed { name, growth: *growth, sharing: *sharing })
    })
}

/// The plain form of an in-place operator: `relu` of `relu_`.
pub fn plain_form(name: &str) -> Option<&str> {
    name.strip_suffix('_').filter(|plain| !plain.is_empty() && !plain.ends_with('_'))
}

/// Whether a node of this name only states something about its arguments.
pub fn has_no_effect(name: &str) -> bool {
    NO_EFFECT.contains(&name)
}

/// Whether this operator is an activation.
pub fn is_activation(name: &str) -> bool {
    ACTIVATIONS.contains(&name)
}
