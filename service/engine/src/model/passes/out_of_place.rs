//! Out-of-place: `relu_`, `add_` and friends lose their underscore, so that every value is written once; a recorded `view` becomes `reshape`.
//!
//! Exports keep in-place operators. After `r = relu_(b)` PyTorch reads the new values through `b`, through `r`, and through every view of `b`,
//! whenever it was made. Here `r = relu(b)` is a value of its own; later reads of `b` read `r` instead, later reads of a view read the view made
//! anew of `r`, and after writing to a view (`y[:, 0].mul_(2)`) its base is put together anew. Earlier values stay what they were, so that
//! a layer before an in-place activation can be tapped.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::error::ModelError;
use super::super::graph::{Argument, Graph, ModuleCall, Node, Operator, Output, ValueId, ValueKind};
use super::super::limits::{self, at_most};
use super::super::operators::{self, Sharing};

/// The graph without in-place operators.
///
/// # Errors
/// [`ModelError::Unsupported`] where a write could be seen through memory that only the running program knows to be shared;
/// [`ModelError::Format`] for an in-place operator that does not begin with the tensor that it writes to; [`ModelError::TooLarge`].
pub fn out_of_place(graph: Graph) -> Result<Graph, ModelError> {
    if !graph.nodes.iter().any(|node| plain_form(node).is_some() || is_view(node)) {
        return Ok(graph);
    }
    let mut rewriting = Rewriting::new(graph);
    let nodes = std::mem::take(&mut rewriting.graph.nodes);
    for (index, node) in nodes.into_iter().enumerate() {
        rewriting.position = index;
        rewriting.node(node)?;
    }
    rewriting.position = usize::MAX;
    let outside: Arc<[ModuleCall]> = Arc::new([]);
    let outputs = std::mem::take(&mut rewriting.graph.outputs);
    rewriting.graph.outputs =
        outputs.into_iter().map(|id| rewriting.read(id, &outside)).collect::<Result<_, _>>()?;
    Ok(rewriting.graph)
}

struct Rewriting {
    graph: Graph,
    position: usize,
    /// Position of the last node that reads a value; `usize::MAX` for outputs.
    last_read: Vec<usize>,
    /// Results of in-place operators are the very tensor that they wrote to: from such a value to the first name of the tensor.
    tensor: HashMap<ValueId, ValueId>,
    /// What a tensor, by its first name, holds now.
    current: HashMap<ValueId, ValueId>,
    /// How a view came from its base, by first names.
    view: HashMap<ValueId, View>,
    /// The views of each base, by first names.
    views: HashMap<ValueId, Vec<ValueId>>,
    /// Views whose base was written to since they were made.
    stale: HashMap<ValueId, bool>,
}

#[derive(Clone)]
struct View {
    base: ValueId,
    node: Node,
    sharing: Sharing,
    /// Views of views up to here, itself included.
    depth: usize,
}

impl Rewriting {
    fn new(graph: Graph) -> Self {
        let mut last_read = vec![0; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            node.for_each_read(|id, _| last_read[id.0] = index);
        }
        for id in &graph.outputs {
            last_read[id.0] = usize::MAX;
        }
        Self {
            graph,
            position: 0,
            last_read,
            tensor: HashMap::new(),
            current: HashMap::new(),
            view: HashMap::new(),
            views: HashMap::new(),
            stale: HashMap::new(),
        }
    }

    fn node(&mut self, mut node: Node) -> Result<(), ModelError> {
        let subject = node.subject().map(|id| self.first_name(id));
        let original = node.clone();
        let mut failed = None;
        let modules = node.modules.clone();
        for (_, argument) in &mut node.arguments {
            *argument = argument.map_tensors(&mut |id| {
                self.read(id, &modules).unwrap_or_else(|error| {
                    failed = Some(error);
                    id
                })
            });
        }
        if let Some(error) = failed {
            return Err(error);
        }
        match (plain_form(&node).map(str::to_owned), subject) {
            (Some(plain), Some(subject)) => self.write(node, &plain, subject),
            (Some(plain), None) => Err(ModelError::format(format!(
                "in-place operator `{plain}_` does not begin with the tensor that it writes to"
            ))),
            (None, _) => {
                self.remember_view(&original, subject)?;
                if is_view(&node) {
                    node.operator = aten("reshape", "");
                    if let Some((name, _)) = node.arguments.get_mut(1) {
                        "shape".clone_into(name);
                    }
                }
                self.graph.nodes.push(node);
                Ok(())
            }
        }
    }

    /// Turns an in-place operator into the plain one, whose result is what the tensor holds from here on.
    fn write(&mut self, mut node: Node, plain: &str, subject: ValueId) -> Result<(), ModelError> {
        let overload = match &node.operator {
            Operator::Aten { overload, .. } => overload.clone(),
            Operator::Number(_) => String::new(),
        };
        node.operator = aten(plain, &overload);
        // The one family whose plain form calls its subject otherwise.
        if let Some((name, _)) = node.arguments.first_mut().filter(|_| plain.ends_with("dropout")) {
            "input".clone_into(name);
        }
        let [Output::Tensor(result)] = node.outputs.as_mut_slice() else {
            return Err(ModelError::format(format!(
                "in-place operator `{plain}_` does not return one tensor"
            )));
        };
        let result = *result.get_or_insert_with(|| self.graph.add_value(plain, ValueKind::Tensor));
        let modules = node.modules.clone();
        self.graph.nodes.push(node);
        self.tensor.insert(result, subject);
        self.current.insert(subject, result);
        self.write_to_bases(subject, &modules)
    }

    /// After a write to a view, what its base holds; and every other view of the same memory is stale.
    fn write_to_bases(&mut self, written: ValueId, modules: &Arc<[ModuleCall]>) -> Result<(), ModelError> {
        self.mark_views_stale(written);
        let Some(View { base, node, .. }) = self.view.get(&written).cloned() else { return Ok(()) };
        if !self.family_is_read_later(base, written) {
            return Ok(());
        }
        let old = self.read(base, modules)?;
        let scatter = scatter(&node, old, self.current[&written])?;
        let new = self.push(scatter, modules)?;
        self.current.insert(base, new);
        // Everything else that was made of the base is stale; the written view itself is not.
        self.write_to_bases(base, modules)?;
        self.stale.insert(written, false);
        Ok(())
    }

    fn mark_views_stale(&mut self, base: ValueId) {
        for id in self.views.get(&base).cloned().unwrap_or_default() {
            // Views of what is stale are stale already.
            if self.stale.insert(id, true) != Some(true) {
                self.mark_views_stale(id);
            }
        }
    }

    /// Whether anybody reads the base, or a view of it other than the one that was written to, after this node.
    fn family_is_read_later(&self, base: ValueId, written: ValueId) -> bool {
        let mut root = base;
        while let Some(view) = self.view.get(&root) {
            root = view.base;
        }
        let below = |mut id: ValueId, ancestor: ValueId| loop {
            if id == ancestor {
                return true;
            }
            match self.view.get(&id) {
                Some(view) => id = view.base,
                None => return false,
            }
        };
        (0..self.last_read.len()).map(ValueId).any(|id| {
            let tensor = self.first_name(id);
            self.last_read[id.0] > self.position && below(tensor, root) && !below(tensor, written)
        })
    }

    /// The value that holds what PyTorch would read through this name now.
    fn read(&mut self, id: ValueId, modules: &Arc<[ModuleCall]>) -> Result<ValueId, ModelError> {
        let tensor = self.first_name(id);
        if self.stale.get(&tensor).copied().unwrap_or(false) {
            let View { base, node, sharing, .. } = self.view[&tensor].clone();
            if sharing == Sharing::Maybe {
                return Err(unclear(&node));
            }
            let base = self.read(base, modules)?;
            let made_anew = self.replay(&node, base, tensor, modules)?;
            self.current.insert(tensor, made_anew);
            self.stale.insert(tensor, false);
        }
        Ok(self.current.get(&tensor).copied().unwrap_or(tensor))
    }

    /// The view made anew of what its base holds now. It belongs to the modules of its reader: theirs is the moment of the read.
    fn replay(
        &mut self,
        node: &Node,
        base: ValueId,
        view: ValueId,
        modules: &Arc<[ModuleCall]>,
    ) -> Result<ValueId, ModelError> {
        self.check_size()?;
        let mut node = node.clone();
        node.modules = modules.clone();
        if let Some((_, subject)) = node.arguments.first_mut() {
            *subject = Argument::Tensor(base);
        }
        let mut made = view;
        for output in &mut node.outputs {
            let ids: &mut [ValueId] = match output {
                Output::Tensor(Some(id)) => std::slice::from_mut(id),
                Output::Tensors(ids) => ids,
                Output::Tensor(None) | Output::Number(_) => &mut [],
            };
            for id in ids {
                let new = self.graph.add_value("view", ValueKind::Tensor);
                if *id == view {
                    made = new;
                }
                *id = new;
            }
        }
        if is_view(&node) {
            node.operator = aten("reshape", "");
            if let Some((name, _)) = node.arguments.get_mut(1) {
                "shape".clone_into(name);
            }
        }
        self.graph.nodes.push(node);
        Ok(made)
    }

    /// What is made anew at every read must not pile up.
    fn check_size(&self) -> Result<(), ModelError> {
        at_most("the graph's number of nodes", self.graph.nodes.len() as u64, limits::NODES as u64)?;
        at_most("the graph's number of values", self.graph.values.len() as u64, limits::VALUES as u64)?;
        Ok(())
    }

    fn remember_view(&mut self, node: &Node, subject: Option<ValueId>) -> Result<(), ModelError> {
        let (Some(base), Operator::Aten { name, overload }) = (subject, &node.operator) else {
            return Ok(());
        };
        let sharing = operators::allowed(name, overload).map_or(Sharing::No, |allowed| allowed.sharing);
        if sharing != Sharing::No {
            let depth = 1 + self.view.get(&base).map_or(0, |view| view.depth);
            at_most("the number of views of views", depth as u64, limits::VIEW_DEPTH as u64)?;
            for (id, kind) in node.defines() {
                if kind == ValueKind::Tensor {
                    self.view.insert(id, View { base, node: node.clone(), sharing, depth });
                    self.views.entry(base).or_default().push(id);
                }
            }
        }
        Ok(())
    }

    fn first_name(&self, id: ValueId) -> ValueId {
        self.tensor.get(&id).copied().unwrap_or(id)
    }

    fn push(
        &mut self,
        (operator, arguments): Called,
        modules: &Arc<[ModuleCall]>,
    ) -> Result<ValueId, ModelError> {
        self.check_size()?;
        let id = self.graph.add_value(operator, ValueKind::Tensor);
        self.graph.nodes.push(Node {
            operator: aten(operator, if operator == "transpose" { "int" } else { "" }),
            arguments,
            outputs: vec![Output::Tensor(Some(id))],
            modules: modules.clone(),
        });
        Ok(id)
    }
}

/// An operator's name and its arguments.
type Called = (&'static str, Vec<(String, Argument)>);

/// The base of a view, put together of its old values and the view's new ones. Results that share memory only sometimes are refused.
fn scatter(view: &Node, base: ValueId, new: ValueId) -> Result<Called, ModelError> {
    let Operator::Aten { name, .. } = &view.operator else { return Err(unclear(view)) };
    let tensor = |name: &str, id| (name.to_owned(), Argument::Tensor(id));
    let rest = || view.arguments.iter().skip(1).cloned();
    Ok(match name.as_str() {
        "slice" => {
            ("slice_scatter", [tensor("self", base), tensor("src", new)].into_iter().chain(rest()).collect())
        }
        "select" => {
            ("select_scatter", [tensor("self", base), tensor("src", new)].into_iter().chain(rest()).collect())
        }
        "transpose" => ("transpose", [tensor("self", new)].into_iter().chain(rest()).collect()),
        "view" | "squeeze" | "unsqueeze" | "unflatten" | "view_as" => {
            ("reshape_as", vec![tensor("self", new), tensor("other", base)])
        }
        "detach" | "alias" | "lift_fresh" => ("alias", vec![tensor("self", new)]),
        _ => return Err(unclear(view)),
    })
}

fn unclear(view: &Node) -> ModelError {
    ModelError::Unsupported(format!(
        "the network writes in place to a tensor that shares memory through `{}` (in module `{}`) and reads the other one later; \
         write `y = x + 1` in place of `x += 1` there",
        view.operator,
        view.module()
    ))
}

fn aten(name: &str, overload: &str) -> Operator {
    Operator::Aten { name: name.to_owned(), overload: overload.to_owned() }
}

/// The plain form of an in-place node.
fn plain_form(node: &Node) -> Option<&str> {
    match &node.operator {
        Operator::Aten { name, .. } => operators::plain_form(name),
        Operator::Number(_) => None,
    }
}

/// Whether the node is a recorded `view`, which fails on tensors of another memory layout (channels-last).
fn is_view(node: &Node) -> bool {
    matches!(&node.operator, Operator::Aten { name, .. } if name == "view" || name == "_unsafe_view")
}

#[cfg(test)]
mod tests;
