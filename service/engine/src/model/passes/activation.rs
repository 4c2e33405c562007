//! Activation: which values of a graph are activations with a side on which they are off, and of what; knows no gradients and no tensors.
//!
//! Off the list: ELU, CELU and SELU, whose slope is above zero wherever float32 can tell (x > −103); sigmoid, tanh and softplus, which are gates or
//! saturate on both sides; and shrinkages, which are off in the middle.

use std::collections::HashMap;

use super::super::graph::{Argument, Graph, Node, ValueId};

/// An activation's value is the key that it is found by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// What is activated.
    pub x: ValueId,
    /// The slope where it is on.
    pub slope: f64,
    /// Whether it falls on a part of its off side: whoever climbs there goes further off.
    pub dips: bool,
}

/// Activations, and their slopes where they are on.
const RISING: &[(&str, f64)] = &[
    ("relu", 1.0),
    ("relu6", 1.0),
    ("hardtanh", 1.0),
    ("threshold", 1.0),
    ("leaky_relu", 1.0),
    ("prelu", 1.0),
    ("hardsigmoid", 1.0 / 6.0),
];

/// Those that fall before they rise. Their slopes on the far side are about 1.
const DIPPING: &[&str] = &["gelu", "silu", "hardswish", "mish"];

/// The other names of ReLU, ReLU6 and hardtanh.
const CLAMPS: &[&str] = &["clamp", "clip", "clamp_min", "clamp_max"];

/// What a gate is made of beside [`RISING`] and [`CLAMPS`].
const GATES: &[&str] = &["sigmoid", "tanh", "softplus"];

/// Operators that make a gate of x: `relu6(x + 3) / 6` has three.
const GATE_LENGTH: usize = 16;

/// What stretches or shifts a gate, by a number above zero.
const SCALES: &[&str] = &["mul", "multiply", "div", "divide", "true_divide"];

/// All activations, by their values. A product of x and a gate of x (`x * sigmoid(x)`, `x * relu6(x + 3) / 6`) is one, which dips; its
/// gate is none.
pub fn activations(graph: &Graph) -> HashMap<ValueId, Activation> {
    let producers = graph.producers();
    let producer = |id: ValueId| producers[id.0].map(|index| &graph.nodes[index]);
    let mut found = HashMap::new();
    let mut gates = Vec::new();
    for node in &graph.nodes {
        let Some((value, _)) = node.defines().next() else { continue };
        if let Some((x, gate)) = gated(node, producer) {
            gates.extend(gate);
            let value = scaled(graph, value).unwrap_or(value);
            found.insert(value, Activation { x, slope: 1.0, dips: true });
        } else if let Some(activation) = plain(node) {
            found.insert(value, activation);
        }
    }
    for gate in gates {
        found.remove(&gate);
    }
    found
}

/// An activation that is an operator of its own.
fn plain(node: &Node) -> Option<Activation> {
    let (name, x) = (node.aten()?, node.subject()?);
    let rising = RISING.iter().find(|(rising, _)| *rising == name).map(|(_, slope)| (*slope, false));
    let dipping = DIPPING.contains(&name).then_some((1.0, true));
    let clamp = activates(node).then_some((1.0, false));
    let (slope, dips) = rising.or(dipping).or(clamp)?;
    Some(Activation { x, slope, dips })
}

/// Whether a clamp is an activation: its bounds are numbers, the lower not above 0. One at a small positive number keeps a
/// division or a root from zero, where a slope would be endless.
fn activates(node: &Node) -> bool {
    let bound = |name: &str| match node.argument(name) {
        Some(Argument::Int(value)) => Some(*value as f64),
        Some(Argument::Float(value)) => Some(*value),
        _ => None,
    };
    let known = |(_, argument): &(String, Argument)| {
        matches!(argument, Argument::Int(_) | Argument::Float(_) | Argument::Absent)
    };
    node.aten().is_some_and(|name| CLAMPS.contains(&name))
        && node.arguments.iter().skip(1).all(known)
        && bound("min").is_none_or(|bound| bound <= 0.0)
}

/// x of a product of x and a gate of x, and the values that the gate is made of.
fn gated<'a>(node: &Node, producer: impl Fn(ValueId) -> Option<&'a Node>) -> Option<(ValueId, Vec<ValueId>)> {
    let ("mul" | "multiply", [(_, Argument::Tensor(a)), (_, Argument::Tensor(b)), ..]) =
        (node.aten()?, node.arguments.as_slice())
    else {
        return None;
    };
    let gate = |x: ValueId, mut value: ValueId| {
        let mut values = Vec::new();
        let mut bends = false;
        while value != x {
            let node = producer(value)?;
            let name = node.aten()?;
            let bend = plain(node).is_some_and(|plain| !plain.dips) || GATES.contains(&name);
            let joint = (name == "add" || SCALES.contains(&name)) && by_a_positive_number(node);
            if !bend && !joint || values.len() == GATE_LENGTH {
                return None;
            }
            bends |= bend;
            values.push(value);
            value = node.subject()?;
        }
        bends.then_some((x, values))
    };
    gate(*a, *b).or_else(|| gate(*b, *a))
}

/// The product of a value and a number, if nothing else is made of the value.
fn scaled(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let mut readers = graph.nodes.iter().filter(|node| {
        let mut found = false;
        node.for_each_read(|id, _| found |= id == value);
        found
    });
    let reader = readers.next().filter(|_| readers.next().is_none() && !graph.outputs.contains(&value))?;
    let scales = SCALES.contains(&reader.aten()?) && by_a_positive_number(reader);
    let (scaled, _) = reader.defines().next()?;
    (scales && reader.subject() == Some(value)).then_some(scaled)
}

fn by_a_positive_number(node: &Node) -> bool {
    match node.arguments.get(1) {
        Some((_, Argument::Int(value))) => *value > 0,
        Some((_, Argument::Float(value))) => *value > 0.0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    /// `value of x`, with `, dips` and the slope where it is not 1.
    fn check(text: &str, expected: &[&str]) {
        let network = network(text);
        let name = |id: ValueId| &network.graph.values[id.0].name;
        let mut found: Vec<String> = activations(&network.graph)
            .into_iter()
            .map(|(value, Activation { x, slope, dips })| {
                let slope = if slope == 1.0 { String::new() } else { format!(", {slope:.3}") };
                format!("{} of {}{slope}{}", name(value), name(x), if dips { ", dips" } else { "" })
            })
            .collect();
        found.sort();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn operators_of_their_own() {
        for name in ["relu", "relu6", "hardtanh", "threshold", "leaky_relu", "clamp_max"] {
            check(&format!("a = {name}(x)"), &["a of x"]);
        }
        check("a = prelu(x, weight=w)", &["a of x"]);
        check("a = hardsigmoid(x)", &["a of x, 0.167"]);
        for name in ["gelu", "silu", "hardswish", "mish"] {
            check(&format!("a = {name}(x)"), &["a of x, dips"]);
        }
        for name in ["elu", "celu", "selu", "sigmoid", "tanh", "softplus", "softshrink", "amax"] {
            check(&format!("a = {name}(x)"), &[]);
        }
    }

    #[test]
    fn clamps_whose_bounds_are_numbers() {
        check("a = clamp_min(x, min=0)", &["a of x"]);
        check("a = clamp(x, min=none, max=6)", &["a of x"]);
        check("a = clamp(x, min=0, max=6)", &["a of x"]);
        check("a = clamp(x, min=-1, max=1)", &["a of x"]);
        check("a = clamp(x, min=1)", &[]);
        check("a = clamp.Tensor(x, min=w)", &[]);
    }

    #[test]
    fn products_of_x_and_a_gate_of_x() {
        let hardswish = |gate: &str| format!("a = add.Tensor(x, 3)\n b = {gate}\n");
        for gate in ["relu6(a)", "hardtanh(a)", "clamp(a, min=0, max=6)"] {
            let whole = hardswish(gate) + "c = mul.Tensor(x, b)\n d = div.Tensor(c, 6)";
            check(&whole, &["d of x, dips"]);
            let inside = hardswish(gate) + "c = div.Tensor(b, 6)\n d = mul.Tensor(x, c)";
            check(&inside, &["d of x, dips"]);
            // The product itself is read too.
            check(&(whole + "\n e = add.Tensor(d, c)"), &["c of x, dips"]);
        }
        check("a = sigmoid(x)\n b = mul.Tensor(x, a)", &["b of x, dips"]);
        check("a = mul.Tensor(x, 2)\n b = sigmoid(a)\n c = mul.Tensor(b, x)", &["c of x, dips"]);
        check("a = softplus(x)\n b = tanh(a)\n c = mul.Tensor(x, b)", &["c of x, dips"]);
        check("a = hardsigmoid(x)\n b = mul.Tensor(a, x)", &["b of x, dips"]);
    }

    #[test]
    fn other_products() {
        check("a = conv2d(x, w)\n b = hardsigmoid(a)\n c = mul.Tensor(x, b)", &["b of a, 0.167"]);
        check("a = relu(x)\n b = mul.Tensor(a, a)", &["a of x"]);
        check("a = mul.Tensor(x, -1)\n b = sigmoid(a)\n c = mul.Tensor(x, b)", &[]);
        check("a = sigmoid(x)\n b = mul.Tensor(x, a)\n c = mul.Tensor(b, -1)", &["b of x, dips"]);
    }

    #[test]
    fn a_gate_has_so_many_operators_only() {
        let network = |length: usize| {
            let add = |at: usize| format!("a{} = add.Scalar(a{at}, 1)\n", at + 1);
            let adds: String = (0..length).map(add).collect();
            format!("a0 = sigmoid(x)\n{adds}y = mul.Tensor(x, a{length})")
        };
        check(&network(GATE_LENGTH - 1), &["y of x, dips"]);
        assert!(
            !activations(&crate::model::testing::network(&network(GATE_LENGTH)).graph)
                .values()
                .any(|activation| activation.dips)
        );
    }
}
