//! Which convolution makes a value, where its kernels are, and whether they read the image's colours; knows no tensors.

use std::collections::HashMap;

use super::graph::{Argument, Graph, ValueId};

/// A two-dimensional convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// The layer that it makes.
    pub layer: String,
    /// How many filters it has: its output channels.
    pub filters: u64,
    /// Channels that one filter reads: those of its input, divided by its groups.
    pub channels: u64,
    /// Parts that its input is divided into.
    pub groups: u64,
    /// Rows of a kernel.
    pub height: u64,
    /// Columns of a kernel.
    pub width: u64,
    /// Whether a filter reads the image's own channels, in their order, and all of them.
    pub reads_image: bool,
    /// Its kernels, [filters, channels, height, width].
    pub(super) weight: ValueId,
}

impl Convolution {
    /// The one that makes `value`, the output of `layer`, if one does; transposed ones are none, as their kernels belong to what they read. `shapes` are
    /// those of all values.
    pub fn making(
        layer: &str,
        value: ValueId,
        graph: &Graph,
        shapes: &HashMap<ValueId, Vec<u64>>,
    ) -> Option<Self> {
        let node = graph.nodes.iter().find(|node| node.defines().any(|(id, _)| id == value))?;
        let plain = match node.aten()? {
            "conv2d" => true,
            "convolution" => node.argument("transposed") == Some(&Argument::Bool(false)),
            _ => false,
        };
        let tensor = |name| match node.argument(name) {
            Some(Argument::Tensor(id)) => Some(*id),
            _ => None,
        };
        let (input, weight) = (tensor("input").filter(|_| plain)?, tensor("weight")?);
        let &[filters, channels, height, width] = &shapes.get(&weight)?[..] else { return None };
        let groups = match node.argument("groups") {
            Some(Argument::Int(groups)) => groups.unsigned_abs(),
            _ => 1,
        };
        let reads_image = groups == 1
            && shapes.get(&graph.input).is_some_and(|shape| shape.get(1) == Some(&channels))
            && keeps_channels(graph, input);
        Some(Self { layer: layer.to_owned(), filters, channels, groups, height, width, reads_image, weight })
    }
}

/// Operators that leave every channel in its place: a network that normalizes its own input, or scales and pads it, still shows its colours to what follows.
const IN_PLACE: &[&str] = &[
    "add",
    "sub",
    "subtract",
    "rsub",
    "mul",
    "multiply",
    "div",
    "divide",
    "true_divide",
    "neg",
    "clamp",
    "to",
    "_to_copy",
    "clone",
    "contiguous",
    "alias",
    "detach",
    "batch_norm",
    "pad",
    "constant_pad_nd",
    "reflection_pad2d",
    "replication_pad2d",
    "zero_pad2d",
    "upsample_bilinear2d",
    "upsample_bicubic2d",
    "upsample_nearest2d",
    // Each colour for itself, and put together again.
    "slice",
    "select",
    "unsqueeze",
    "cat",
]; // A flip or an index would turn the colours round.

/// Whether all that lies between the image and this value leaves channels in their places.
fn keeps_channels(graph: &Graph, value: ValueId) -> bool {
    let mut needed = vec![false; graph.values.len()];
    needed[value.0] = true;
    let mut kept = true;
    for node in graph.nodes.iter().rev() {
        if node.defines().any(|(id, _)| needed[id.0]) {
            kept &= node.aten().is_none_or(|name| IN_PLACE.contains(&name));
            node.for_each_read(|id, _| needed[id.0] = true);
        }
    }
    kept && needed[graph.input.0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    fn found(text: &str, value: &str) -> Option<Convolution> {
        let mut network = network(text);
        network.shapes.insert(network.graph.input, vec![1, 3, 8, 8]);
        Convolution::making("layer", network.id(value), &network.graph, &network.shapes)
    }

    fn check(text: &str, value: &str, shape: Option<[u64; 5]>, reads_image: bool) {
        let found = found(text, value);
        let parts = found.as_ref().map(|c| [c.filters, c.channels, c.groups, c.height, c.width]);
        assert_eq!((parts, found.is_some_and(|c| c.reads_image)), (shape, reads_image), "{text}");
    }

    const FIRST: &str = "a = conv2d(input=x, weight=w:8x3x5x7)\n b = relu(a)";

    #[test]
    fn only_what_a_convolution_makes_has_kernels() {
        check(FIRST, "a", Some([8, 3, 1, 5, 7]), true);
        check(FIRST, "b", None, false);
        check("a = conv_transpose2d(input=x, weight=w:3x8x5x5)", "a", None, false);
        check("a = convolution(input=x, weight=w:3x8x5x5, transposed=true)", "a", None, false);
        check(
            "a = convolution(input=x, weight=w:8x3x5x5, transposed=false)",
            "a",
            Some([8, 3, 1, 5, 5]),
            true,
        );
        check("a = conv1d(input=x, weight=w:8x3x5)", "a", None, false);
        check("a = linear(input=x, weight=w:8x3)", "a", None, false);
    }

    #[test]
    fn colours_are_seen_until_channels_are_mixed() {
        let second =
            "a = relu(x)\n b = conv2d(input=a, weight=w:8x3x1x1)\n c = conv2d(input=b, weight=w1:4x8x3x3)";
        check(second, "b", Some([8, 3, 1, 1, 1]), false);
        check(second, "c", Some([4, 8, 1, 3, 3]), false);
        let mixed = "a = conv2d(input=x, weight=w:3x3x1x1)\n b = conv2d(input=a, weight=w1:8x3x5x5)";
        check(mixed, "b", Some([8, 3, 1, 5, 5]), false);
        check(
            "a = sub(x, w)\n b = div(a, v)\n c = conv2d(input=b, weight=w1:8x3x5x5)",
            "c",
            Some([8, 3, 1, 5, 5]),
            true,
        );
        check("a = flip(x, [1])\n c = conv2d(input=a, weight=w1:8x3x5x5)", "c", Some([8, 3, 1, 5, 5]), false);
        check("a = conv2d(input=x, weight=w:6x1x5x5, groups=3)", "a", Some([6, 1, 3, 5, 5]), false);
        check("a = conv2d(input=w1, weight=w:6x3x5x5)", "a", Some([6, 3, 1, 5, 5]), false);
    }
}
