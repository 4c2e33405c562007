//! What a network costs: the multiply-accumulates of each call, and of everything that a value needs; knows no weights' values.
//!
//! Counted as `torch.utils.flop_counter.FlopCounterMode` does, at half its numbers (it counts two operations each): convolutions, matrix products and attention;
//! nothing for biases, norms, activations, pooling and other elementwise work. Products with a vector (`mv`, `dot`), which it leaves out, count too, and
//! so does attention whichever kernel runs it.

mod einsum;

use std::collections::HashMap;

use super::graph::{Argument, Graph, Node, Operator, ValueId};
use einsum::einsum;

/// The cost of each call of a graph.
#[derive(Debug, Clone)]
pub struct Costs {
    nodes: Vec<u64>,
}

type Shapes = HashMap<ValueId, Vec<u64>>;

impl Costs {
    /// Of one pass in which all tensors, weights included, have these shapes. A call whose shapes are not known costs nothing.
    pub fn new(graph: &Graph, shapes: &Shapes) -> Self {
        Self { nodes: graph.nodes.iter().map(|node| macs(node, shapes).unwrap_or(0)).collect() }
    }

    /// Multiply-accumulates of the node at this index.
    pub fn node(&self, index: usize) -> u64 {
        self.nodes[index]
    }

    /// Multiply-accumulates of all nodes, whether the network's output needs them or not.
    pub fn total(&self) -> u64 {
        self.nodes.iter().copied().fold(0, u64::saturating_add)
    }

    /// Multiply-accumulates of all nodes that each of these values needs, its own among them.
    ///
    /// Nodes that cost something are taken 64 at a time: one walk over the graph says for each value which of the 64 it needs.
    pub fn reach(&self, graph: &Graph, values: &[ValueId]) -> Vec<u64> {
        let producers = graph.producers();
        let needs: Vec<Vec<usize>> = graph.nodes.iter().map(|node| needed(node, &producers)).collect();
        let costly: Vec<usize> = (0..self.nodes.len()).filter(|&index| self.nodes[index] > 0).collect();
        let mut reached = vec![0_u64; values.len()];
        for block in costly.chunks(u64::BITS as usize) {
            let mut needed = vec![0_u64; graph.nodes.len()];
            for (bit, &index) in block.iter().enumerate() {
                needed[index] |= 1 << bit;
            }
            for (index, needs) in needs.iter().enumerate() {
                needed[index] = needs.iter().fold(needed[index], |all, &before| all | needed[before]);
            }
            for (sum, value) in reached.iter_mut().zip(values) {
                let mut bits = producers.get(value.0).copied().flatten().map_or(0, |index| needed[index]);
                while bits != 0 {
                    *sum = sum.saturating_add(self.nodes[block[bits.trailing_zeros() as usize]]);
                    bits &= bits - 1;
                }
            }
        }
        reached
    }
}

/// The nodes whose results a node reads, each once.
fn needed(node: &Node, producers: &[Option<usize>]) -> Vec<usize> {
    let mut needed = Vec::new();
    node.for_each_read(|id, _| needed.extend(producers[id.0]));
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Multiply-accumulates of one call; `None` where it is none of those that count, or a shape is not known.
fn macs(node: &Node, shapes: &Shapes) -> Option<u64> {
    let Operator::Aten { name, .. } = &node.operator else { return None };
    let shape = |id: ValueId| shapes.get(&id).map(Vec::as_slice);
    let list = match node.argument("tensors") {
        Some(Argument::Tensors(list)) => list.clone(),
        _ => node.arguments.iter().filter_map(|(_, argument)| argument.tensor()).collect(),
    };
    let tensors: Vec<Option<&[u64]>> = list.into_iter().map(shape).collect();
    let result = node.defines().next().and_then(|(id, _)| shape(id));
    match (name.as_str(), tensors.as_slice()) {
        ("conv1d" | "conv2d" | "conv3d", [_, Some(weight), ..]) => Some(convolution(result?, weight)),
        ("conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d", [Some(input), Some(weight), ..]) => {
            Some(convolution(input, weight))
        }
        ("convolution", [input, Some(weight), ..]) => {
            let is_transposed = node.argument("transposed") == Some(&Argument::Bool(true));
            Some(convolution(if is_transposed { (*input)? } else { result? }, weight))
        }
        ("linear" | "matmul" | "mm" | "bmm" | "mv" | "dot", [Some(a), ..])
        | ("addmm" | "baddbmm", [_, Some(a), _, ..]) => Some(product(result?).saturating_mul(*a.last()?)),
        // The sum over the batch stays inside of the product.
        ("addbmm", [_, Some(a), Some(b), ..]) => Some(product(a).saturating_mul(*b.last()?)),
        ("scaled_dot_product_attention", [Some(query), Some(key), Some(value), ..]) => {
            attention(query, key, value)
        }
        ("einsum", operands) => einsum(node, &operands.iter().copied().collect::<Option<Vec<_>>>()?),
        _ => None,
    }
}

/// Each element of `moved` (of the result; of the input, where the convolution is transposed) meets the whole kernel of its group: its images and positions times the
/// weight's elements, `[out, in / groups, …]`.
fn convolution(moved: &[u64], weight: &[u64]) -> u64 {
    let axes = weight.len().saturating_sub(2);
    let channel = moved.len().checked_sub(axes + 1);
    let rest = moved.iter().enumerate().filter(|(axis, _)| Some(*axis) != channel);
    rest.fold(product(weight), |macs, (_, &size)| macs.saturating_mul(size))
}

/// Queries times keys, and the weights times values, for every head; masked ones too.
fn attention(query: &[u64], key: &[u64], value: &[u64]) -> Option<u64> {
    let [heads @ .., queries, depth] = query else { return None };
    let keys = *key.get(key.len().checked_sub(2)?)?;
    let each = queries.saturating_mul(keys).saturating_mul(depth.saturating_add(*value.last()?));
    Some(product(heads).saturating_mul(each))
}

fn product(shape: &[u64]) -> u64 {
    shape.iter().copied().fold(1, u64::saturating_mul)
}

#[cfg(test)]
mod tests;
