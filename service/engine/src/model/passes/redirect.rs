//! Redirect: activations that block gradients where they are off let them through; knows no tensors.
//!
//! Where y = f(x) is such an activation (`activation`), it gets the slope s that f has where it is on, everywhere: z = s·x − y is lent to it (`lend`),
//! so that the values are the same and the gradient is f' + (s − f') = s. For f = ReLU, z is min(x, 0): the form that lucid's
//! `redirected_relu_grad` has on the side where a unit is off, without its filter by sign. Where GELU, SiLU, hardswish and mish are on, their
//! own slopes are within 0.5 … 1.5; where they are off, they are zero or lead further off, so that whoever uses these gradients goes on until
//! the own ones lead on (`optimize/evaluate/backward`). It is meant for images whose gradient is exactly zero, and for them alone.

use std::collections::{HashMap, HashSet};

use super::super::graph::{Argument, Graph, ValueId};
use super::activation::{Activation, activations};
use super::lend::lend;

/// Which activations are redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Those with no other between them and a tap: a unit that is off climbs by its value before the activation, through a network that is
    /// otherwise as it is.
    Last,
    /// All: for units that no gradient reaches even so.
    All,
}

/// The graph with such activations redirected; whoever read or tapped their values reads the redirected ones, whose numbers are the same.
pub fn redirect(graph: Graph, reach: Reach) -> Graph {
    let mut chosen = activations(&graph);
    if reach == Reach::Last {
        let last = last(&graph, &chosen);
        chosen.retain(|value, _| last.contains(value));
    }
    lend(
        graph,
        |_, node| {
            let (y, _) = node.defines().next()?;
            Some((y, *chosen.get(&y)?))
        },
        |lending, y, Activation { x, slope, .. }| {
            let x = lending.current(x);
            let on = match slope {
                1.0 => x,
                slope => {
                    let arguments = [("self", Argument::Tensor(x)), ("other", Argument::Float(slope))];
                    lending.call("mul", "Scalar", &arguments)
                }
            };
            lending.sub(on, y)
        },
    )
}

/// Values of the activations from which a tap is reached without another one between.
fn last(graph: &Graph, activations: &HashMap<ValueId, Activation>) -> HashSet<ValueId> {
    let mut reached: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let mut found = HashSet::new();
    for node in graph.nodes.iter().rev() {
        if !node.defines().any(|(id, _)| reached.contains(&id)) {
            continue;
        }
        let mut values = node.defines().map(|(id, _)| id);
        if let Some(y) = values.find(|id| activations.contains_key(id)) {
            found.insert(y);
            continue;
        }
        node.for_each_read(|id, _| {
            reached.insert(id);
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    #[test]
    fn everybody_reads_the_redirected_value() {
        let network = network(
            "
            a = conv2d(x, w)
            b = relu(a)
            c = sigmoid(b)
            d = add(c, b)",
        );
        let mut graph = network.graph.clone();
        graph.outputs = vec![network.id("b"), network.id("a"), network.id("d")];
        let graph = redirect(graph, Reach::All);
        graph.validate().unwrap();
        let operators: Vec<_> = graph.nodes.iter().map(|node| node.operator.to_string()).collect();
        let redirection =
            ["aten::sub.Tensor", "aten::nan_to_num", "aten::detach", "aten::sub.Tensor", "aten::sub.Tensor"];
        assert_eq!(operators[..2], ["aten::conv2d", "aten::relu"]);
        assert_eq!(operators[2..7], redirection);
        assert_eq!(operators[7..], ["aten::sigmoid", "aten::add"]);
        let made = graph.nodes[6].defines().next().unwrap().0;
        assert_eq!(graph.outputs, [made, network.id("a"), network.id("d")]);
        assert_eq!(graph.nodes[7].subject(), Some(made));
        let mut read = Vec::new();
        graph.nodes[8].for_each_read(|id, _| read.push(id));
        assert_eq!(read, [network.id("c"), made]);
    }

    #[test]
    fn the_last_ones_have_no_other_between_them_and_a_tap() {
        let network = network(
            "
            a = relu(x)
            b = conv2d(a, w)
            c = relu(b)
            d = relu6(b)
            e = cat([c d])
            f = relu(e)",
        );
        let check = |taps: &[&str], expected: &[&str]| {
            let outputs = taps.iter().map(|name| network.id(name)).collect();
            let graph = Graph { outputs, ..network.graph.clone() };
            let found = last(&graph, &activations(&graph));
            assert_eq!(found, expected.iter().map(|name| network.id(name)).collect(), "{taps:?}");
        };
        check(&["f"], &["f"]);
        check(&["e"], &["c", "d"]);
        check(&["b"], &["a"]);
        check(&["c", "b"], &["c", "a"]);
    }
}
