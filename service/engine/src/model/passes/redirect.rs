//! Redirect: activations that block gradients where they are off let them through; knows no tensors.
//!
//! y = f(x) becomes y + (z − sg(z)) with z = x − y, where sg stops gradients: the same values, since the bracket is exactly zero, and
//! a gradient of f' + (1 − f') = 1 everywhere. For f = ReLU, z is min(x, 0): the form that lucid's `redirected_relu_grad` has on the side
//! where a unit is off, without its filter by sign. It is meant for images whose gradient is exactly zero, and for them alone.

use std::collections::{HashMap, HashSet};

use super::super::graph::{Argument, Graph, Node, Operator, Output, ValueId, ValueKind};

/// Activations whose slope is exactly zero over a half line or more.
const REDIRECTED: &[&str] = &["relu", "relu6", "hardtanh", "threshold"];

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
pub fn redirect(mut graph: Graph, reach: Reach) -> Graph {
    let chosen = match reach {
        Reach::Last => Some(last(&graph)),
        Reach::All => None,
    };
    let mut redirected: HashMap<ValueId, ValueId> = HashMap::new();
    let nodes = std::mem::take(&mut graph.nodes);
    for mut node in nodes {
        let mut current = |id: ValueId| redirected.get(&id).copied().unwrap_or(id);
        for (_, argument) in &mut node.arguments {
            *argument = argument.map_tensors(&mut current);
        }
        let ends = ends(&node).filter(|(_, y)| chosen.as_ref().is_none_or(|chosen| chosen.contains(y)));
        let modules = node.modules.clone();
        graph.nodes.push(node);
        let Some((x, y)) = ends else { continue };
        let mut call = |name: &str, overload: &str, arguments: &[(&str, ValueId)]| {
            let made = graph.add_value("redirected", ValueKind::Tensor);
            graph.nodes.push(Node {
                operator: Operator::Aten { name: name.to_owned(), overload: overload.to_owned() },
                arguments: arguments
                    .iter()
                    .map(|(name, id)| ((*name).to_owned(), Argument::Tensor(*id)))
                    .collect(),
                outputs: vec![Output::Tensor(Some(made))],
                modules: modules.clone(),
            });
            made
        };
        let blocked = call("sub", "Tensor", &[("self", x), ("other", y)]);
        let stopped = call("detach", "", &[("self", blocked)]);
        let zero = call("sub", "Tensor", &[("self", blocked), ("other", stopped)]);
        redirected.insert(y, call("add", "Tensor", &[("self", y), ("other", zero)]));
    }
    for id in &mut graph.outputs {
        *id = redirected.get(id).copied().unwrap_or(*id);
    }
    graph
}

/// Values of the activations from which a tap is reached without another one between.
fn last(graph: &Graph) -> HashSet<ValueId> {
    let mut reached: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let mut found = HashSet::new();
    for node in graph.nodes.iter().rev() {
        if !node.defines().any(|(id, _)| reached.contains(&id)) {
            continue;
        }
        if let Some((_, y)) = ends(node) {
            found.insert(y);
            continue;
        }
        node.for_each_read(|id, _| {
            reached.insert(id);
        });
    }
    found
}

/// What goes into an activation that is to be redirected, and what comes out.
fn ends(node: &Node) -> Option<(ValueId, ValueId)> {
    let Operator::Aten { name, .. } = &node.operator else { return None };
    let (value, _) = node.defines().next()?;
    REDIRECTED.contains(&name.as_str()).then_some((node.subject()?, value))
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
        let redirection = ["aten::sub.Tensor", "aten::detach", "aten::sub.Tensor", "aten::add.Tensor"];
        assert_eq!(operators[..2], ["aten::conv2d", "aten::relu"]);
        assert_eq!(operators[2..6], redirection);
        assert_eq!(operators[6..], ["aten::sigmoid", "aten::add"]);
        let made = graph.nodes[5].defines().next().unwrap().0;
        assert_eq!(graph.outputs, [made, network.id("a"), network.id("d")]);
        assert_eq!(graph.nodes[6].subject(), Some(made));
        let mut read = Vec::new();
        graph.nodes[7].for_each_read(|id, _| read.push(id));
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
            assert_eq!(last(&graph), expected.iter().map(|name| network.id(name)).collect(), "{taps:?}");
        };
        check(&["f"], &["f"]);
        check(&["e"], &["c", "d"]);
        check(&["b"], &["a"]);
        check(&["c", "b"], &["c", "a"]);
    }
}
