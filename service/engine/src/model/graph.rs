//! The intermediate representation of a network: a list of operator calls with named arguments; knows no file format and no libtorch.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::ModelError;
use super::limits::{self, at_most};
use super::number::NumberOperator;

/// A network as a list of calls in an order in which they can run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    /// Every tensor and number of the graph, by [`ValueId`].
    pub values: Vec<Value>,
    /// Calls, each after those whose values it reads.
    pub nodes: Vec<Node>,
    /// The image, `[n, c, h, w]`.
    pub input: ValueId,
    /// Parameters, buffers and constants: the graph's value and the name that it is stored under.
    pub weights: Vec<(ValueId, String)>,
    /// What the network returns, or what has been tapped.
    pub outputs: Vec<ValueId>,
}

/// Index into [`Graph::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ValueId(pub usize);

/// A tensor, or a number that the graph computes from sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Unique in the graph.
    pub name: String,
    /// Tensor or number.
    pub kind: ValueKind,
}

/// What a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A tensor.
    Tensor,
    /// An integer, float or truth value that is known once the input's size is.
    Number,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What is called.
    pub operator: Operator,
    /// By the names of the operator's schema; what is left out takes the schema's default.
    pub arguments: Vec<(String, Argument)>,
    /// What the call returns, in the schema's order.
    pub outputs: Vec<Output>,
    /// The module calls around it, outermost first; the first is the network itself.
    pub modules: Arc<[ModuleCall]>,
}

/// What a node calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// An ATen operator, such as `conv2d` with the overload `` or `add` with the overload `Tensor`.
    Aten {
        /// Without `aten::`.
        name: String,
        /// Empty for the default overload.
        overload: String,
    },
    /// Arithmetic on sizes, which the executor does itself.
    Number(NumberOperator),
}

/// One call of a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModuleCall {
    /// Such as `features.0.conv`; empty for the network itself.
    pub path: String,
    /// The module's class, such as `torch.nn.modules.conv.Conv2d`.
    pub kind: String,
    /// Which of the module's calls: 0 for the first.
    pub call: usize,
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// None.
    Absent,
    /// A tensor.
    Tensor(ValueId),
    /// A list of tensors.
    Tensors(Vec<ValueId>),
    /// A list of tensors with gaps, as `index` takes.
    OptionalTensors(Vec<Option<ValueId>>),
    /// A number that the graph computes.
    Number(ValueId),
    /// An integer; also a dtype, layout or memory format, in libtorch's numbering.
    Int(i64),
    /// Integers, known or computed.
    Ints(Vec<Size>),
    /// A float.
    Float(f64),
    /// Floats.
    Floats(Vec<f64>),
    /// A truth value.
    Bool(bool),
    /// Truth values.
    Bools(Vec<bool>),
    /// A string.
    Text(String),
    /// The device that the graph runs on.
    Device,
}

/// An integer in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Known.
    Known(i64),
    /// Computed by the graph.
    Computed(ValueId),
}

/// One return value of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A tensor; `None` where nobody can refer to it.
    Tensor(Option<ValueId>),
    /// A list of tensors, each a value of its own.
    Tensors(Vec<ValueId>),
    /// A number.
    Number(ValueId),
}

impl Graph {
    /// Adds a value with a name that is not taken.
    pub fn add_value(&mut self, name: &str, kind: ValueKind) -> ValueId {
        let id = ValueId(self.values.len());
        self.values.push(Value { name: format!("{name}.{}", id.0), kind });
        id
    }

    /// Checks that every value is defined once and before its use, that names are unique, and that all counts keep to the caps.
    ///
    /// # Errors
    /// [`ModelError::Format`] and [`ModelError::TooLarge`].
    pub fn validate(&self) -> Result<(), ModelError> {
        at_most("the graph's number of nodes", self.nodes.len() as u64, limits::NODES as u64)?;
        let mut names = HashSet::new();
        for value in &self.values {
            if !names.insert(value.name.as_str()) {
                return Err(ModelError::format(format!("value `{}` is declared twice", value.name)));
            }
        }
        let mut defined = vec![false; self.values.len()];
        for id in self.weights.iter().map(|(id, _)| *id).chain([self.input]) {
            self.define(&mut defined, id, ValueKind::Tensor)?;
        }
        for node in &self.nodes {
            at_most(
                format!("the number of arguments of `{}`", node.operator),
                node.width() as u64,
                limits::ARGUMENTS as u64,
            )?;
            let mut unused = None;
            node.for_each_read(|id, kind| {
                if !defined.get(id.0).copied().unwrap_or(false) || self.values[id.0].kind != kind {
                    unused = Some(id);
                }
            });
            if let Some(id) = unused {
                return Err(ModelError::format(format!(
                    "`{}` reads value `{}` before it is defined, or as the wrong kind",
                    node.operator,
                    self.name(id)
                )));
            }
            for (id, kind) in node.defines() {
                self.define(&mut defined, id, kind)?;
            }
        }
        match self.outputs.iter().find(|id| !defined.get(id.0).copied().unwrap_or(false)) {
            Some(&id) => Err(ModelError::format(format!("output `{}` is never defined", self.name(id)))),
            None => Ok(()),
        }
    }

    fn define(&self, defined: &mut [bool], id: ValueId, kind: ValueKind) -> Result<(), ModelError> {
        match defined.get_mut(id.0) {
            Some(done) if !*done && self.values[id.0].kind == kind => {
                *done = true;
                Ok(())
            }
            _ => Err(ModelError::format(format!(
                "value `{}` is defined twice, or as the wrong kind",
                self.name(id)
            ))),
        }
    }

    fn name(&self, id: ValueId) -> &str {
        self.values.get(id.0).map_or("?", |value| &value.name)
    }

    /// For each node, the values that no later node reads or makes.
    pub fn last_reads(&self) -> Vec<Vec<ValueId>> {
        let mut last = vec![None; self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            node.defines().for_each(|(id, _)| last[id.0] = Some(index));
            node.for_each_read(|id, _| last[id.0] = Some(index));
        }
        let mut dropped = vec![Vec::new(); self.nodes.len()];
        for (value, index) in last.into_iter().enumerate() {
            if let Some(index) = index {
                dropped[index].push(ValueId(value));
            }
        }
        dropped
    }

    /// Index of the node that defines each value; `None` for the input and the weights.
    pub fn producers(&self) -> Vec<Option<usize>> {
        let mut producers = vec![None; self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for (id, _) in node.defines() {
                producers[id.0] = Some(index);
            }
        }
        producers
    }
}

impl Node {
    /// Calls `visit` for every value that the node reads.
    pub fn for_each_read(&self, mut visit: impl FnMut(ValueId, ValueKind)) {
        for (_, argument) in &self.arguments {
            argument.for_each_read(&mut visit);
        }
    }

    /// The values that the node defines.
    pub fn defines(&self) -> impl Iterator<Item = (ValueId, ValueKind)> + '_ {
        self.outputs.iter().flat_map(|output| {
            let (list, kind): (&[ValueId], _) = match output {
                Output::Tensor(id) => (id.as_slice(), ValueKind::Tensor),
                Output::Tensors(ids) => (ids, ValueKind::Tensor),
                Output::Number(id) => (std::slice::from_ref(id), ValueKind::Number),
            };
            list.iter().map(move |&id| (id, kind))
        })
    }

    /// The argument of this name.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|(given, _)| given == name).map(|(_, argument)| argument)
    }

    /// The first argument, if it is a tensor: what `relu`, `view` and most others work on.
    pub fn subject(&self) -> Option<ValueId> {
        match self.arguments.first() {
            Some((_, Argument::Tensor(id))) => Some(*id),
            _ => None,
        }
    }

    /// The operator's name, such as `conv2d`; none of arithmetic on sizes.
    pub fn aten(&self) -> Option<&str> {
        match &self.operator {
            Operator::Aten { name, .. } => Some(name),
            Operator::Number(_) => None,
        }
    }

    /// Path of the innermost module around the node; empty for the network itself.
    pub fn module(&self) -> &str {
        self.modules.last().map_or("", |call| &call.path)
    }

    fn width(&self) -> usize {
        let mut width = self.defines().count() + self.arguments.len();
        self.for_each_read(|_, _| width += 1);
        width
    }
}

impl Argument {
    /// The tensor, if it is one.
    pub fn tensor(&self) -> Option<ValueId> {
        match self {
            Self::Tensor(id) => Some(*id),
            _ => None,
        }
    }

    fn for_each_read(&self, visit: &mut impl FnMut(ValueId, ValueKind)) {
        match self {
            Self::Tensor(id) => visit(*id, ValueKind::Tensor),
            Self::Tensors(ids) => ids.iter().for_each(|&id| visit(id, ValueKind::Tensor)),
            Self::OptionalTensors(ids) => ids.iter().flatten().for_each(|&id| visit(id, ValueKind::Tensor)),
            Self::Number(id) => visit(*id, ValueKind::Number),
            Self::Ints(sizes) => sizes.iter().for_each(|size| {
                if let Size::Computed(id) = size {
                    visit(*id, ValueKind::Number);
                }
            }),
            Self::Absent
            | Self::Int(_)
            | Self::Float(_)
            | Self::Floats(_)
            | Self::Bool(_)
            | Self::Bools(_)
            | Self::Text(_)
            | Self::Device => {}
        }
    }

    /// The same argument with every tensor that it reads replaced.
    pub fn map_tensors(&self, replace: &mut impl FnMut(ValueId) -> ValueId) -> Self {
        match self {
            Self::Tensor(id) => Self::Tensor(replace(*id)),
            Self::Tensors(ids) => Self::Tensors(ids.iter().map(|&id| replace(id)).collect()),
            Self::OptionalTensors(ids) => {
                Self::OptionalTensors(ids.iter().map(|id| id.map(&mut *replace)).collect())
            }
            other => other.clone(),
        }
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Aten { name, overload } if overload.is_empty() => write!(f, "aten::{name}"),
            Self::Aten { name, overload } => write!(f, "aten::{name}.{overload}"),
            Self::Number(operator) => write!(f, "{operator}"),
        }
    }
}
