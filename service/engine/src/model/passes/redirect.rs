//! Redirect: activations that block gradients where they are off let them through; knows no tensors.
//!
//! y = f(x) becomes y + (z − sg(z)) with z = x − y, where sg stops gradients: the same values, since the bracket is exactly zero, and
//! a gradient of f' + (1 − f') = 1 everywhere. For f = ReLU, z is min(x, 0): the form that lucid's `redirected_relu_grad` has on the side
//! where a unit is off, without its filter by sign. It is meant for images whose gradient is exactly zero, and for them alone.

use std::collections::HashMap;

use super::super::graph::{Argument, Graph, Node, Operator, Output, ValueId, ValueKind};

/// Activations whose slope is exactly zero over a half line or more.
const REDIRECTED: &[&str] = &["relu", "relu6", "hardtanh", "threshold"];

/// The graph with every such activation redirected; whoever read or tapped its value reads the redirected one, whose numbers are the same.
pub fn redirect(mut graph: Graph) -> Graph {
    let mut redirected: HashMap<ValueId, ValueId> = HashMap::new();
    let nodes = std::mem::take(&mut graph.nodes);
    for mut node in nodes {
        let mut current = |id: ValueId| redirected.get(&id).copied().unwrap_or(id);
        for (_, argument) in &mut node.arguments {
            *argument = argument.map_tensors(&mut current);
        }
        let ends = ends(&node);
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
        let graph = redirect(graph);
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
}
