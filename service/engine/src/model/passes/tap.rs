//! Tap: which value is a layer's output, and the value before its activation; knows no tensors.
//!
//! A layer's output is what leaves the set of nodes around which its module runs, not what its last direct node computes: a residual block's
//! output belongs to its last ReLU.

use std::collections::{HashMap, HashSet};

use super::super::graph::{Argument, Graph, Node, Operator, Output, ValueId, ValueKind};
use super::super::operators::is_activation;

/// What one call of a module leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The module's path; empty for the network itself.
    pub path: String,
    /// The module's class.
    pub kind: String,
    /// Which of the module's calls.
    pub call: usize,
    /// Its output.
    pub value: ValueId,
    /// The value before the activation that makes the output.
    pub pre: Option<ValueId>,
}

/// Every call of every module that computes a tensor, in the order of their outputs; the network itself comes last. Adds a node where the value
/// before a layer's activation exists only in parts (branches that are activated, then concatenated).
pub fn sites(graph: &mut Graph) -> Vec<Site> {
    let outputs: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.values.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        // A size read by arithmetic does not make the tensor leave.
        if matches!(node.operator, Operator::Aten { .. }) {
            node.for_each_read(|id, _| readers[id.0].push(index));
        }
    }
    // (node, value) of what leaves each call; a later node overrides an earlier one, and what leaves overrides what does not.
    let mut found: HashMap<(&str, usize), (bool, usize, ValueId)> = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        for (id, _) in node.defines().filter(|(_, kind)| *kind == ValueKind::Tensor) {
            for (depth, module) in node.modules.iter().enumerate() {
                let outside = |&reader: &usize| graph.nodes[reader].modules.get(depth) != Some(module);
                let leaves = outputs.contains(&id) || readers[id.0].iter().any(outside);
                let place = found.entry((&module.path, module.call)).or_insert((leaves, index, id));
                if leaves >= place.0 {
                    *place = (leaves, index, id);
                }
            }
        }
    }
    let mut order: Vec<(usize, usize, Site)> = found
        .into_iter()
        .map(|((path, call), (_, index, value))| {
            let modules = &graph.nodes[index].modules;
            let depth =
                modules.iter().position(|module| module.path == path && module.call == call).unwrap_or(0);
            // The innermost of the modules that share an output comes first: it is done first.
            let site =
                Site { path: path.to_owned(), kind: modules[depth].kind.clone(), call, value, pre: None };
            (index, usize::MAX - depth, site)
        })
        .collect();
    order.sort_by(|a, b| {
        (a.2.path.is_empty(), a.0, a.1, &a.2.path).cmp(&(b.2.path.is_empty(), b.0, b.1, &b.2.path))
    });
    let mut sites: Vec<Site> = order.into_iter().map(|(_, _, site)| site).collect();
    if let (Some(site), Some(&first)) =
        (sites.last_mut().filter(|site| site.path.is_empty()), graph.outputs.first())
    {
        site.value = first;
    }
    let producers = graph.producers();
    let mut known = HashMap::new();
    for site in &mut sites {
        let value = site.value;
        site.pre = *known.entry(value).or_insert_with(|| before_activation(graph, &producers, value));
    }
    sites
}

/// The value before the activation that makes `value`. Where `value` concatenates activations, what they activate is concatenated likewise.
fn before_activation(graph: &mut Graph, producers: &[Option<usize>], value: ValueId) -> Option<ValueId> {
    let index = producers.get(value.0).copied().flatten()?;
    let node = &graph.nodes[index];
    if let Some(pre) = activated(node) {
        return Some(pre);
    }
    let Operator::Aten { name, .. } = &node.operator else { return None };
    let Some((_, Argument::Tensors(branches))) = node.arguments.first() else { return None };
    if name != "cat" {
        return None;
    }
    let pre: Vec<ValueId> =
        branches.iter().map(|id| activated(&graph.nodes[producers[id.0]?])).collect::<Option<_>>()?;
    let mut node = node.clone();
    let joined = graph.add_value("pre", ValueKind::Tensor);
    node.arguments[0].1 = Argument::Tensors(pre);
    node.outputs = vec![Output::Tensor(Some(joined))];
    // At the end: everything that it reads is defined there, and the positions of the others stay.
    graph.nodes.push(node);
    Some(joined)
}

fn activated(node: &Node) -> Option<ValueId> {
    match &node.operator {
        Operator::Aten { name, .. } if is_activation(name) => node.subject(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    /// `path#call=value` and `:pre=value` where there is one, in order; `+` stands for the node that the pass adds.
    fn check(text: &str, expected: &[&str]) {
        let mut network = network(text);
        let values = network.graph.values.len();
        let found = sites(&mut network.graph);
        network.graph.validate().unwrap();
        let name = |id: ValueId| {
            if id.0 < values { network.graph.values[id.0].name.clone() } else { "+".to_owned() }
        };
        let found: Vec<_> = found
            .iter()
            .map(|site| {
                let pre = site.pre.map(|id| format!(":pre={}", name(id))).unwrap_or_default();
                format!("{}#{}={}{pre}", site.path, site.call, name(site.value))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_layer_is_what_leaves_its_nodes() {
        // The block's last direct node is the addition; its output is made by its last ReLU.
        check(
            "a = conv2d(x, w) @ block block.conv
             b = relu(a) @ block block.relu1
             c = add.Tensor(b, x) @ block
             d = relu(c) @ block block.relu2
             e = neg(d)",
            &["block.conv#0=a", "block.relu1#0=b:pre=a", "block.relu2#0=d:pre=c", "block#0=d:pre=c", "#0=e"],
        );
    }

    #[test]
    fn what_is_read_inside_only_does_not_leave() {
        check(
            "a = conv2d(x, w) @ block
             b = relu(a) @ block
             n = size(b)
             c = mul.Tensor(b, a) @ block
             d = reshape(c, n)",
            &["block#0=c", "#0=d"],
        );
    }

    #[test]
    fn what_leaves_comes_before_what_is_computed_last() {
        check("a = neg(x) @ m\n b = abs(a) @ m\n c = exp(a)", &["m#0=a", "#0=c"]);
    }

    #[test]
    fn each_call_of_a_module_is_a_layer() {
        check(
            "a = conv2d(x, w) @ f f.conv
             b = relu(a) @ f f.relu
             c = conv2d(b, w) @ f#1 f.conv#1
             d = relu(c) @ f#1 f.relu#1",
            &[
                "f.conv#0=a",
                "f.relu#0=b:pre=a",
                "f#0=b:pre=a",
                "f.conv#1=c",
                "f.relu#1=d:pre=c",
                "f#1=d:pre=c",
                "#0=d:pre=c",
            ],
        );
    }

    #[test]
    fn concatenated_activations_have_a_concatenated_pre() {
        check(
            "a = conv2d(x, w1) @ block
             b = relu(a) @ block
             c = conv2d(x, w2) @ block
             d = relu(c) @ block
             e = cat([b d], 1) @ block
             f = neg(e)",
            &["block#0=e:pre=+", "#0=f"],
        );
        check("a = relu(x)\n b = neg(x)\n c = cat([a b], 1) @ joined", &["joined#0=c", "#0=c"]);
    }

    #[test]
    fn what_nobody_reads_is_still_a_layer() {
        check("a = conv2d(x, w) @ dead\n b = neg(x) @ live", &["dead#0=a", "live#0=b", "#0=b"]);
    }
}
