//! Lend: gives values of a graph another gradient and leaves every bit of them as it is; knows no operator's meaning.
//!
//! y becomes y − (sg(z) − z), where sg stops gradients. The bracket is +0, also where z is not finite, and y − (+0) is y, −0 included; the gradient is
//! that of y + z. Where z is not finite, it lends nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::graph::{Argument, Graph, ModuleCall, Node, Operator, Output, ValueId, ValueKind};

/// A graph whose nodes are gone through in order.
pub struct Lending {
    graph: Graph,
    /// Around the node that is looked at.
    modules: Arc<[ModuleCall]>,
    /// By the values whose gradient they replace.
    replaced: HashMap<ValueId, ValueId>,
}

/// Goes through the nodes. `visit` sees each before it is kept, may change what it reads, and returns the value that is to get another gradient;
/// `lend` then makes z of that. Whoever read or tapped the value reads the one with the other gradient.
pub fn lend<T>(
    mut graph: Graph,
    mut visit: impl FnMut(&mut Lending, &mut Node) -> Option<(ValueId, T)>,
    mut lend: impl FnMut(&mut Lending, ValueId, T) -> ValueId,
) -> Graph {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut lending = Lending { graph, modules: Arc::new([]), replaced: HashMap::new() };
    for mut node in nodes {
        lending.modules = node.modules.clone();
        for (_, argument) in &mut node.arguments {
            *argument = argument.map_tensors(&mut |id| lending.current(id));
        }
        let found = visit(&mut lending, &mut node);
        lending.graph.nodes.push(node);
        if let Some((y, found)) = found {
            let z = lend(&mut lending, y, found);
            let bent = lending.bend(y, z);
            lending.replaced.insert(y, bent);
        }
    }
    let outputs = std::mem::take(&mut lending.graph.outputs);
    lending.graph.outputs = outputs.into_iter().map(|id| lending.current(id)).collect();
    lending.graph
}

impl Lending {
    /// The value with the gradient that `id` has now.
    pub fn current(&self, id: ValueId) -> ValueId {
        self.replaced.get(&id).copied().unwrap_or(id)
    }

    /// The result of a further call.
    pub fn call(&mut self, name: &str, overload: &str, arguments: &[(&str, Argument)]) -> ValueId {
        let made = self.graph.add_value("lent", ValueKind::Tensor);
        self.graph.nodes.push(Node {
            operator: Operator::Aten { name: name.to_owned(), overload: overload.to_owned() },
            arguments: arguments
                .iter()
                .map(|(name, argument)| ((*name).to_owned(), argument.clone()))
                .collect(),
            outputs: vec![Output::Tensor(Some(made))],
            modules: self.modules.clone(),
        });
        made
    }

    /// `a` − `b`.
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.call("sub", "Tensor", &[("self", Argument::Tensor(a)), ("other", Argument::Tensor(b))])
    }

    /// y − (sg(z) − z).
    fn bend(&mut self, y: ValueId, z: ValueId) -> ValueId {
        // Infinity less infinity is not a number.
        let finite = self.call("nan_to_num", "", &[("self", Argument::Tensor(z))]);
        let stopped = self.call("detach", "", &[("self", Argument::Tensor(finite))]);
        let zero = self.sub(stopped, finite);
        self.sub(y, zero)
    }
}
