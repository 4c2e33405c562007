//! Fold: batch norm into the convolution or linear layer before it; knows which weights are to be made, not their numbers.
//!
//! A value that is tapped, or that anybody else reads, is never folded away.

use std::collections::{HashMap, HashSet};

use super::super::graph::{Argument, Graph, Node, Output, ValueId, ValueKind};

/// A weight and a bias that stand for a convolution or linear layer with the batch norm after it:
/// weight · s and (bias − mean) · s + shift, with s = scale / √(variance + epsilon), by output channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Folding {
    /// Names of the two tensors to be made.
    pub made: [String; 2],
    /// Stored name; `[out, …]`.
    pub weight: String,
    /// Stored names, each `[out]`; where there is none: 0 for the biases, 1 for the scale.
    pub bias: Option<String>,
    /// See [`Folding::bias`].
    pub scale: Option<String>,
    /// See [`Folding::bias`].
    pub shift: Option<String>,
    /// Stored name; `[out]`.
    pub mean: String,
    /// Stored name; `[out]`.
    pub variance: String,
    /// Of the batch norm.
    pub epsilon: f64,
}

/// The graph without the batch norms that can be folded, and the weights that it reads instead. `rank` says how many axes a value has,
/// where that is known.
pub fn fold(mut graph: Graph, rank: impl Fn(ValueId) -> Option<usize>) -> (Graph, Vec<Folding>) {
    let mut foldings = Vec::new();
    let mut gone = HashSet::new();
    for index in 0..graph.nodes.len() {
        if let Some(pair) = Pair::find(&graph, index, &rank) {
            gone.insert(index);
            foldings.push(pair.join(&mut graph));
        }
    }
    let mut index = 0;
    graph.nodes.retain(|_| {
        index += 1;
        !gone.contains(&(index - 1))
    });
    (graph, foldings)
}

/// A batch norm, and the layer that alone feeds it.
struct Pair {
    layer: usize,
    norm: usize,
    weight: String,
    bias: Option<String>,
    scale: Option<String>,
    shift: Option<String>,
    mean: String,
    variance: String,
    epsilon: f64,
}

impl Pair {
    fn find(graph: &Graph, norm: usize, rank: &impl Fn(ValueId) -> Option<usize>) -> Option<Self> {
        let node = &graph.nodes[norm];
        let normalizes = match node.aten()? {
            "batch_norm" => node.argument("training") == Some(&Argument::Bool(false)),
            "_native_batch_norm_legit_no_training" => node.defines().count() == 1,
            _ => false,
        };
        let value = node.subject().filter(|_| normalizes)?;
        let mut readers = graph.nodes.iter().filter(|other| {
            let mut reads = false;
            other.for_each_read(|id, _| reads |= id == value);
            reads
        });
        if graph.outputs.contains(&value) || readers.nth(1).is_some() {
            return None;
        }
        let layer =
            graph.nodes[..norm].iter().position(|other| other.defines().any(|(id, _)| id == value))?;
        if !takes_a_factor(&graph.nodes[layer], rank(value)) {
            return None;
        }
        let stored: HashMap<ValueId, &String> = graph.weights.iter().map(|(id, name)| (*id, name)).collect();
        let required = |node: &Node, name: &str| match node.argument(name)? {
            Argument::Tensor(id) => stored.get(id).map(|name| (*name).clone()),
            _ => None,
        };
        let optional = |node: &Node, name: &str| match node.argument(name) {
            Some(Argument::Tensor(id)) => stored.get(id).map(|name| Some((*name).clone())),
            _ => Some(None),
        };
        let (before, node) = (&graph.nodes[layer], &graph.nodes[norm]);
        Some(Self {
            layer,
            norm,
            weight: required(before, "weight")?,
            bias: optional(before, "bias")?,
            scale: optional(node, "weight")?,
            shift: optional(node, "bias")?,
            mean: required(node, "running_mean")?,
            variance: required(node, "running_var")?,
            epsilon: match node.argument("eps") {
                Some(Argument::Float(value)) => *value,
                _ => return None,
            },
        })
    }

    /// Lets the layer make the norm's value, from weights of their own.
    fn join(self, graph: &mut Graph) -> Folding {
        let mut make = || {
            let id = graph.add_value("folded", ValueKind::Tensor);
            let name = graph.values[id.0].name.clone();
            graph.weights.push((id, name.clone()));
            (id, name)
        };
        let ((weight, weight_name), (bias, bias_name)) = (make(), make());
        let value = graph.nodes[self.norm].defines().next().map(|(id, _)| id);
        let layer = &mut graph.nodes[self.layer];
        layer.outputs = vec![Output::Tensor(value)];
        let position = |layer: &Node, name: &str| layer.arguments.iter().position(|(given, _)| given == name);
        let at = position(layer, "weight").expect("a pair is found by its weight");
        layer.arguments[at].1 = Argument::Tensor(weight);
        match position(layer, "bias") {
            Some(at) => layer.arguments[at].1 = Argument::Tensor(bias),
            // The schemas have it after the weight.
            None => layer.arguments.insert(at + 1, ("bias".to_owned(), Argument::Tensor(bias))),
        }
        let Self { weight, bias, scale, shift, mean, variance, epsilon, .. } = self;
        Folding { made: [weight_name, bias_name], weight, bias, scale, shift, mean, variance, epsilon }
    }
}

/// Whether a factor by output channel, which is axis 1 of its value, can go into the layer's weight, whose axis 0 it is.
fn takes_a_factor(layer: &Node, rank: Option<usize>) -> bool {
    match layer.aten() {
        Some("conv1d" | "conv2d" | "conv3d") => true,
        Some("convolution") => layer.argument("transposed") == Some(&Argument::Bool(false)),
        // With more axes, channels are the last one, and the norm works on another.
        Some("linear") => rank == Some(2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    /// The operators that are left, and how many pairs of weights are made. Every batch norm is given the names that exports use.
    fn check(text: &str, outputs: &[&str], rank: usize, kept: &[&str], made: usize) {
        let mut network = network(text);
        network.graph.outputs = outputs.iter().map(|name| network.id(name)).collect();
        for node in &mut network.graph.nodes {
            let names: &[&str] = match node.aten() {
                Some("batch_norm") => {
                    node.arguments.push(("training".to_owned(), Argument::Bool(false)));
                    node.arguments.push(("eps".to_owned(), Argument::Float(1e-5)));
                    &["input", "weight", "bias", "running_mean", "running_var"]
                }
                Some("conv2d" | "linear") => &["input", "weight", "bias"],
                _ => continue,
            };
            for ((name, _), known) in node.arguments.iter_mut().zip(names) {
                (*known).clone_into(name);
            }
        }
        let (graph, foldings) = fold(network.graph, |_| Some(rank));
        graph.validate().unwrap();
        let operators: Vec<_> = graph.nodes.iter().map(|node| node.operator.to_string()).collect();
        assert_eq!(
            (operators.iter().map(|name| &name[6..]).collect::<Vec<_>>(), foldings.len()),
            (kept.to_vec(), made)
        );
    }

    const PAIR: &str = "
        a = conv2d(x, w)
        b = batch_norm(a, w1, w2, w3, w4)
        c = relu(b)";

    #[test]
    fn a_norm_goes_into_the_layer_that_alone_feeds_it() {
        check(PAIR, &["c"], 4, &["conv2d", "relu"], 1);
        check(PAIR, &["b", "c"], 4, &["conv2d", "relu"], 1);
        check(&PAIR.replace("conv2d(x, w)", "conv2d(x, w, v)"), &["c"], 4, &["conv2d", "relu"], 1);
        check(&PAIR.replace("conv2d", "linear"), &["c"], 2, &["linear", "relu"], 1);
        let twice = "
            a = conv2d(x, w)
            b = batch_norm(a, w1, w2, w3, w4)
            c = conv2d(b, w)
            d = batch_norm(c, w1, w2, w3, w4)";
        check(twice, &["d"], 4, &["conv2d", "conv2d"], 2);
    }

    #[test]
    fn what_is_tapped_or_read_by_others_stays() {
        check(PAIR, &["a", "c"], 4, &["conv2d", "batch_norm", "relu"], 0);
        check(&format!("{PAIR}\nd = add(c, a)"), &["d"], 4, &["conv2d", "batch_norm", "relu", "add"], 0);
    }

    #[test]
    fn what_a_factor_cannot_go_into_stays() {
        check(&PAIR.replace("conv2d", "linear"), &["c"], 3, &["linear", "batch_norm", "relu"], 0);
        check(&PAIR.replace("conv2d", "mul"), &["c"], 4, &["mul", "batch_norm", "relu"], 0);
        let computed = "
            a = conv2d(x, w)
            s = relu(w1)
            b = batch_norm(a, s, w2, w3, w4)";
        check(computed, &["b"], 4, &["conv2d", "relu", "batch_norm"], 0);
    }
}
