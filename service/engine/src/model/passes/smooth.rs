//! Smooth: max pools keep their values and get the gradient of an average over the same windows; knows no tensors.
//!
//! A maximum passes its gradient to one position of many, which makes gradients sparse and patterned by the pool's stride (Olah et al., Feature
//! Visualization, 2017). y = max(x) becomes max(sg(x)) + avg(x) − avg(sg(x)), by `lend`. The average leaves padding out, as the maximum does, and its
//! windows at the lower edge are cut as the maximum's are (`ceil_mode`). Averages know no dilation: a dilated maximum keeps its own gradient.
//! Adaptive pools and plain maxima (`amax`) are no layers of windows, and stay as well.

use super::super::graph::{Argument, Graph, Node, Operator, Size};
use super::lend::lend;

/// Max pools, and the averages over the same windows.
const POOLS: &[(&str, &str)] = &[
    ("max_pool1d", "avg_pool1d"),
    ("max_pool2d", "avg_pool2d"),
    ("max_pool3d", "avg_pool3d"),
    ("max_pool2d_with_indices", "avg_pool2d"),
    ("max_pool3d_with_indices", "avg_pool3d"),
];

/// What an average takes of a maximum's arguments.
const WINDOW: &[&str] = &["kernel_size", "stride", "padding", "ceil_mode"];

/// The graph with such max pools. Their indices, where they have some, stay what they were.
pub fn smooth(graph: Graph) -> Graph {
    lend(
        graph,
        |lending, node| {
            let average = average(node)?;
            let (y, _) = node.defines().next()?;
            let x = node.subject()?;
            let stopped = lending.call("detach", "", &[("self", Argument::Tensor(x))]);
            let (_, subject) = node.arguments.first_mut()?;
            *subject = Argument::Tensor(stopped);
            Some((y, (average, x, node.arguments.clone())))
        },
        |lending, _, (average, x, given)| {
            let mut arguments = vec![("self", Argument::Tensor(x))];
            let window =
                |name: &&'static str| Some((*name, given.iter().find(|(given, _)| given == name)?.1.clone()));
            arguments.extend(WINDOW.iter().filter_map(window));
            arguments.push(("count_include_pad", Argument::Bool(false)));
            lending.call(average, "", &arguments)
        },
    )
}

/// The average over the windows of a max pool.
fn average(node: &Node) -> Option<&'static str> {
    let Operator::Aten { name, .. } = &node.operator else { return None };
    let (_, average) = POOLS.iter().find(|(maximum, _)| name == maximum)?;
    let plain = match node.argument("dilation") {
        Some(Argument::Ints(sizes)) => sizes.iter().all(|size| *size == Size::Known(1)),
        Some(other) => *other == Argument::Int(1),
        None => true,
    };
    plain.then_some(*average)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    /// The operators, and the average's arguments beside its subject.
    fn check(text: &str, expected: &[&str], arguments: &[&str]) {
        let graph = smooth(network(text).graph);
        graph.validate().unwrap();
        let found: Vec<_> = graph.nodes.iter().map(|node| node.operator.to_string()).collect();
        assert_eq!(found, expected);
        let average = graph.nodes.iter().find(|node| node.operator.to_string().contains("avg"));
        let names = average.iter().flat_map(|node| node.arguments.iter().skip(1).map(|(name, _)| name));
        assert_eq!(names.collect::<Vec<_>>(), arguments);
    }

    #[test]
    fn maxima_get_the_gradient_of_averages_where_they_can() {
        let smoothed = |maximum, average| {
            let lent = ["aten::nan_to_num", "aten::detach", "aten::sub.Tensor", "aten::sub.Tensor"];
            ["aten::detach", maximum, average].into_iter().chain(lent).collect::<Vec<_>>()
        };
        let plane = smoothed("aten::max_pool2d", "aten::avg_pool2d");
        check(
            "a = max_pool2d(x, kernel_size=[3 3], stride=[2 2], padding=[1 1], dilation=[1 1], ceil_mode=true)",
            &plane,
            &["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"],
        );
        check("a = max_pool2d(x, kernel_size=3, dilation=1)", &plane, &["kernel_size", "count_include_pad"]);
        check("a = max_pool2d(x, kernel_size=[3 3], dilation=[2 2])", &["aten::max_pool2d"], &[]);
        check(
            "a,b = max_pool2d_with_indices(x, kernel_size=[3 3])",
            &smoothed("aten::max_pool2d_with_indices", "aten::avg_pool2d"),
            &["kernel_size", "count_include_pad"],
        );
        check("a,b = adaptive_max_pool2d(x, output_size=[1 1])", &["aten::adaptive_max_pool2d"], &[]);
    }

    #[test]
    fn readers_of_indices_read_those_that_there_were() {
        let network = network(
            "a,b = max_pool2d_with_indices(x, kernel_size=[2 2])
             c = add.Tensor(a, b)",
        );
        let graph = smooth(network.graph.clone());
        let mut read = Vec::new();
        graph.nodes.last().unwrap().for_each_read(|id, _| read.push(id));
        assert_eq!(read[1], network.id("b"));
        assert!(graph.nodes[1].defines().all(|(id, _)| id != read[0]), "the maximum is read smoothed");
    }
}
