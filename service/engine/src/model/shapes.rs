//! The shapes of all values of a graph, found without computing any; knows no file.

#[cfg(any(test, feature = "torch"))]
mod convolution;
#[cfg(feature = "torch")]
mod meta;

use std::collections::HashMap;

use super::caps::Caps;
use super::error::ModelError;
use super::graph::{Argument, Graph, Node, Operator, Output, ValueId};
use super::growth::Known;
use super::number::{Number, NumberOperator};
use super::operators;
use super::sizes;

#[cfg(feature = "torch")]
pub use meta::MetaShapes;
#[cfg(feature = "torch")]
pub(super) use meta::fact;

/// Shape and element type of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its shape.
    pub sizes: Vec<i64>,
    /// libtorch's number.
    pub dtype: i64,
}

/// Knows the shapes of what operators return.
pub trait Shapes {
    /// Introduces the image, or a stored tensor.
    ///
    /// # Errors
    /// Where no such tensor can be.
    fn leaf(&mut self, id: ValueId, fact: &Fact) -> Result<(), ModelError>;

    /// What an operator returns, lists flattened. Numbers among the arguments are known ones.
    ///
    /// # Errors
    /// libtorch's words, or a cap.
    fn call(
        &mut self,
        name: &str,
        overload: &str,
        arguments: &[(String, Argument)],
    ) -> Result<Vec<Option<Fact>>, ModelError>;

    /// Names the results of the last call, so that later calls can take them.
    fn bind(&mut self, ids: &[Option<ValueId>]);
}

/// `c10::ScalarType` of float32.
pub const FLOAT: i64 = 6;

/// The shape and type of every tensor of the graph for an input of this shape, `[n, c, h, w]`, float32. Everything that a run would make keeps to the caps.
///
/// # Errors
/// [`ModelError::Run`] where an operator refuses its arguments, [`ModelError::TooLarge`], [`ModelError::Format`].
pub fn trace(
    graph: &Graph,
    weights: &HashMap<ValueId, Fact>,
    image: [u32; 4],
    shapes: &mut dyn Shapes,
) -> Result<HashMap<ValueId, Fact>, ModelError> {
    let input = Fact { sizes: image.map(i64::from).to_vec(), dtype: FLOAT };
    let mut facts = weights.clone();
    facts.insert(graph.input, input);
    for (id, fact) in &facts {
        shapes.leaf(*id, fact)?;
    }
    let caps = Caps { batch: u64::from(image[0]).max(1), live: 0 };
    let mut walk = Walk { facts, numbers: HashMap::new(), caps, shapes };
    let dropped = graph.last_reads();
    for (node, dropped) in graph.nodes.iter().zip(&dropped) {
        walk.node(node, dropped)?;
    }
    Ok(walk.facts)
}

struct Walk<'a> {
    facts: HashMap<ValueId, Fact>,
    numbers: HashMap<ValueId, Number>,
    caps: Caps,
    shapes: &'a mut dyn Shapes,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, dropped: &[ValueId]) -> Result<(), ModelError> {
        let (name, overload) = match &node.operator {
            Operator::Aten { name, overload } => (name, overload),
            Operator::Number(operator) => return self.number(node, *operator),
        };
        let arguments: Vec<(String, Argument)> = node
            .arguments
            .iter()
            .map(|(name, argument)| (name.clone(), sizes::settled(argument, &self.numbers)))
            .collect();
        if let Some(allowed) = operators::allowed(operators::plain_form(name).unwrap_or(name), overload) {
            let known: Vec<(&str, Known)> =
                arguments.iter().map(|(name, argument)| (name.as_str(), self.known(argument))).collect();
            self.caps.check(allowed.growth, &known, node)?;
        }
        let found = self.shapes.call(name, overload, &arguments).map_err(|error| match error {
            ModelError::Run { message, .. } => refused(node, message),
            other => other,
        })?;
        let too_few = || refused(node, "it returns fewer tensors than the graph names".to_owned());
        let mut ids = Vec::with_capacity(found.len());
        for output in &node.outputs {
            match output {
                Output::Tensor(id) => ids.push(*id),
                Output::Tensors(list) => ids.extend(list.iter().copied().map(Some)),
                Output::Number(_) => return Err(refused(node, "it returns a number".to_owned())),
            }
        }
        for (at, id) in ids.iter().enumerate() {
            if let Some(id) = id {
                let fact = found.get(at).cloned().flatten().ok_or_else(too_few)?;
                self.facts.insert(*id, fact);
            }
        }
        self.shapes.bind(&ids);
        let elements = |ids: &mut dyn Iterator<Item = ValueId>| -> u64 {
            ids.map(|id| self.facts.get(&id).map_or(0, Fact::elements)).fold(0, u64::saturating_add)
        };
        let made = elements(&mut ids.iter().flatten().copied());
        let gone = elements(&mut dropped.iter().copied().filter(|id| !self.numbers.contains_key(id)));
        self.caps.settle(made, gone);
        Ok(())
    }

    fn number(&mut self, node: &Node, operator: NumberOperator) -> Result<(), ModelError> {
        let shape = |id: ValueId| self.facts.get(&id).map(|fact| fact.sizes.clone());
        let value = sizes::number(node, operator, shape, |id| self.numbers.get(&id).copied());
        let value = value.map_err(|message| refused(node, message))?;
        self.numbers.extend(node.defines().map(|(id, _)| (id, value)));
        Ok(())
    }

    fn known(&self, argument: &Argument) -> Known {
        let shape = |id: ValueId| self.facts.get(&id).map(Fact::shape).unwrap_or_default();
        sizes::known(argument, shape, |id| self.numbers.get(&id).copied())
    }
}

impl Fact {
    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        self.shape().iter().fold(1, |product: u64, &size| product.saturating_mul(size))
    }

    /// Its shape.
    pub fn shape(&self) -> Vec<u64> {
        self.sizes.iter().map(|size| size.unsigned_abs()).collect()
    }
}

fn refused(node: &Node, message: String) -> ModelError {
    ModelError::Run { operator: node.operator.to_string(), module: node.module().to_owned(), message }
}
