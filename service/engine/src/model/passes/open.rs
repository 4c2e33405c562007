//! Open: lets gradients through wherever they could pass for some image, so that what a value depends on can be read off them; knows no tensors.
//!
//! Activations that are off pass a slope of 1 (`redirect`), and maxima become averages over the same windows, since a maximum passes its
//! gradient to one position of many. Values change; which pixels can change them does not.

use super::super::graph::{Argument, Graph, Node, Operator, Size};
use super::redirect::{Reach, redirect};

/// Max pools, and the averages over the same windows.
const POOLS: &[(&str, &str)] =
    &[("max_pool1d", "avg_pool1d"), ("max_pool2d", "avg_pool2d"), ("max_pool3d", "avg_pool3d")];

/// The graph with every such operator replaced.
pub fn open(mut graph: Graph) -> Graph {
    graph.nodes.iter_mut().for_each(average);
    redirect(graph, Reach::All)
}

/// Averages know no dilation: a dilated maximum stays.
fn average(node: &mut Node) {
    let Operator::Aten { name, .. } = &mut node.operator else { return };
    let Some((_, average)) = POOLS.iter().find(|(maximum, _)| name == maximum) else { return };
    let plain = |argument: &Argument| match argument {
        Argument::Ints(sizes) => sizes.iter().all(|size| *size == Size::Known(1)),
        other => *other == Argument::Int(1),
    };
    if node.arguments.iter().all(|(name, argument)| name != "dilation" || plain(argument)) {
        (*average).clone_into(name);
        node.arguments.retain(|(name, _)| name != "dilation");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    fn check(text: &str, operators: &[&str]) {
        let graph = open(network(text).graph);
        graph.validate().unwrap();
        let found: Vec<_> = graph.nodes.iter().map(|node| node.operator.to_string()).collect();
        assert_eq!(found, operators);
        let dilated =
            graph.nodes.iter().any(|node| found[0].contains("avg") && node.argument("dilation").is_some());
        assert!(!dilated, "averages know no dilation");
    }

    #[test]
    fn maxima_become_averages_where_they_can() {
        let average = ["aten::avg_pool2d"];
        check("a = max_pool2d(x, kernel_size=[3 3], stride=[2 2], padding=[0 0], dilation=[1 1])", &average);
        check("a = max_pool2d(x, kernel_size=3, dilation=1)", &average);
        check("a = max_pool2d(x, kernel_size=[3 3], dilation=[2 2])", &["aten::max_pool2d"]);
    }

    #[test]
    fn activations_are_redirected() {
        let redirected =
            ["aten::relu", "aten::sub.Tensor", "aten::detach", "aten::sub.Tensor", "aten::add.Tensor"];
        check("a = relu(x)", &redirected);
    }
}
