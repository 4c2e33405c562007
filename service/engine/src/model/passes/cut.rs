//! Cut: keeps what the outputs need, and nothing else.

use super::super::graph::Graph;

/// The graph without the nodes and weights that its outputs do not depend on.
pub fn cut(mut graph: Graph) -> Graph {
    let mut needed = vec![false; graph.values.len()];
    for &id in &graph.outputs {
        needed[id.0] = true;
    }
    let mut kept = Vec::with_capacity(graph.nodes.len());
    for node in graph.nodes.drain(..).rev() {
        if node.defines().any(|(id, _)| needed[id.0]) {
            node.for_each_read(|id, _| needed[id.0] = true);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    graph.weights.retain(|(id, _)| needed[id.0]);
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    fn check(text: &str, outputs: &[&str], kept: &[&str], weights: usize) {
        let mut network = network(text);
        network.graph.outputs = outputs.iter().map(|name| network.id(name)).collect();
        let graph = cut(network.graph.clone());
        graph.validate().unwrap();
        let operators: Vec<_> = graph.nodes.iter().map(|node| node.operator.to_string()).collect();
        assert_eq!(operators, kept);
        assert_eq!(graph.weights.len(), weights);
    }

    const NETWORK: &str = "
        a = conv2d(x, w) @ c
        n = size(a) @ c
        b = relu(a) @ r
        c = reshape(b, n)
        d = linear(c, v) @ fc";

    #[test]
    fn drops_what_lies_behind_the_outputs() {
        check(NETWORK, &["b"], &["aten::conv2d", "aten::relu"], 1);
        check(NETWORK, &["a", "b"], &["aten::conv2d", "aten::relu"], 1);
    }

    #[test]
    fn keeps_the_numbers_that_sizes_come_from() {
        let all = [
            "aten::conv2d",
            "torch.ops.aten.sym_numel.default",
            "aten::relu",
            "aten::reshape",
            "aten::linear",
        ];
        check(NETWORK, &["d"], &all, 2);
        check(NETWORK, &["c"], &all[..4], 1);
    }

    #[test]
    fn an_output_that_is_an_input_needs_no_node() {
        check(NETWORK, &["x"], &[], 0);
    }
}
