//! Small networks written as text, for the tests of the passes: `b = relu_(a) @ block block.relu` per line.
//!
//! `x` is the image; names that no line defines and that start with `w` or `v` are weights. A name before the parenthesis may carry an
//! overload (`add.Tensor`). After `@` stand the paths of the modules around the node, outermost first, `path#1` for a second call.
//! Integers are literals; several outputs are joined by `,`; a list of outputs is written `[a,b]`. An argument may have a name
//! (`stride=2`), and be a list of integers (`[2 2]`), a truth value (`true`), a text (`'same'`) or nothing (`none`). Whatever defines a value may give its
//! shape: `a:1x8x16x16 = conv2d(x, weight=w:8x3x3x3)`.

#[cfg(feature = "torch")]
pub mod npz;

use std::collections::HashMap;

use super::graph::{Argument, Graph, ModuleCall, Node, Operator, Output, Size, Value, ValueId, ValueKind};
use super::number::NumberOperator;

/// A graph, and its values by name.
pub struct Network {
    pub graph: Graph,
    /// Those that the text gives.
    pub shapes: HashMap<ValueId, Vec<u64>>,
    names: HashMap<String, ValueId>,
}

/// Parses a network. Its last line's last value is the output.
pub fn network(text: &str) -> Network {
    let mut network = Network { graph: Graph::default(), shapes: HashMap::new(), names: HashMap::new() };
    network.graph.input = network.define("x", ValueKind::Tensor);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        network.line(line);
    }
    network.graph.validate().unwrap();
    network
}

impl Network {
    /// The value of this name.
    pub fn id(&self, name: &str) -> ValueId {
        self.names[name]
    }

    fn define(&mut self, text: &str, kind: ValueKind) -> ValueId {
        let id = ValueId(self.graph.values.len());
        let (name, shape) = text.split_once(':').unwrap_or((text, ""));
        if !shape.is_empty() {
            self.shapes.insert(id, shape.split('x').map(|size| size.parse().unwrap()).collect());
        }
        self.graph.values.push(Value { name: name.to_owned(), kind });
        assert!(self.names.insert(name.to_owned(), id).is_none(), "{name} is defined twice");
        id
    }

    fn argument(&mut self, text: &str) -> Argument {
        if let Ok(value) = text.parse() {
            return Argument::Int(value);
        }
        match text {
            "true" | "false" => return Argument::Bool(text == "true"),
            "none" => return Argument::Absent,
            _ => {}
        }
        if let Some(text) = text.strip_prefix('\'') {
            return Argument::Text(text.trim_end_matches('\'').to_owned());
        }
        if let Some(list) = text.strip_prefix('[') {
            let names: Vec<_> = list.trim_end_matches(']').split(' ').map(str::to_owned).collect();
            if let Ok(sizes) = names.iter().map(|name| name.parse().map(Size::Known)).collect() {
                return Argument::Ints(sizes);
            }
            let ids = names.iter().map(|name| match self.argument(name) {
                Argument::Tensor(id) => Some(id),
                _ => None,
            });
            if names.iter().any(|name| name == "none") {
                return Argument::OptionalTensors(ids.collect());
            }
            return Argument::Tensors(ids.flatten().collect());
        }
        let name = text.split_once(':').map_or(text, |(name, _)| name);
        if !self.names.contains_key(name) && text.starts_with(['w', 'v']) {
            let id = self.define(text, ValueKind::Tensor);
            self.graph.weights.push((id, name.to_owned()));
        }
        match self.graph.values[self.id(name).0].kind {
            ValueKind::Tensor => Argument::Tensor(self.id(name)),
            ValueKind::Number => Argument::Ints(vec![Size::Computed(self.id(name))]),
        }
    }

    fn line(&mut self, line: &str) {
        let (outputs, rest) = line.split_once(" = ").unwrap();
        let (call, paths) = rest.split_once(" @ ").unwrap_or((rest, ""));
        let (name, arguments) = call.trim_end_matches(')').split_once('(').unwrap();
        let arguments: Vec<_> = arguments
            .split(", ")
            .enumerate()
            .map(|(index, text)| {
                let place = ["self", "other", "third", "fourth", "fifth"].get(index).copied();
                let (name, text) = text.split_once('=').unwrap_or((place.unwrap_or("more"), text));
                (name.to_owned(), self.argument(text))
            })
            .collect();
        let operator = match name {
            "size" => Operator::Number(NumberOperator::Elements),
            _ => {
                let (name, overload) = name.split_once('.').unwrap_or((name, ""));
                Operator::Aten { name: name.to_owned(), overload: overload.to_owned() }
            }
        };
        let ids = |network: &mut Self, list: &str| {
            list.trim_matches(['[', ']'])
                .split(',')
                .map(|name| network.define(name, ValueKind::Tensor))
                .collect::<Vec<_>>()
        };
        let outputs = if name == "size" {
            vec![Output::Number(self.define(outputs, ValueKind::Number))]
        } else if outputs.starts_with('[') {
            vec![Output::Tensors(ids(self, outputs))]
        } else {
            ids(self, outputs).into_iter().map(|id| Output::Tensor(Some(id))).collect()
        };
        let root = ModuleCall { path: String::new(), kind: "Network".to_owned(), call: 0 };
        let modules = [root].into_iter().chain(paths.split_whitespace().map(|path| {
            let (path, call) =
                path.split_once('#').map_or((path, 0), |(path, call)| (path, call.parse().unwrap()));
            ModuleCall { path: path.to_owned(), kind: format!("nn.{path}"), call }
        }));
        self.graph.nodes.push(Node { operator, arguments, outputs, modules: modules.collect() });
        if let Some((id, ValueKind::Tensor)) = self.graph.nodes.last().and_then(|node| node.defines().last())
        {
            self.graph.outputs = vec![id];
        }
    }
}
