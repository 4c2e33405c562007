//! The shapes of all values of a graph, found without computing any; knows no file.

#[cfg(any(test, feature = "torch"))]
mod convolution;
#[cfg(feature = "torch")]
mod meta;

use std::collections::HashMap;

use super::caps::Caps;
use super::error::ModelError;
use super::graph::{Argument, Graph, Node, Operator, Output, Size, ValueId};
use super::growth::Known;
use super::number::{Number, NumberOperator};
use super::operators;

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
        let arguments: Vec<(String, Argument)> =
            node.arguments.iter().map(|(name, argument)| (name.clone(), self.settled(argument))).collect();
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
        let refused = |message: String| refused(node, message);
        let value = if matches!(operator, NumberOperator::Size | NumberOperator::Elements) {
            let subject = node.subject().and_then(|id| self.facts.get(&id));
            let fact = subject.ok_or_else(|| refused("it takes a tensor".to_owned()))?;
            if operator == NumberOperator::Elements {
                Number::Int(i64::try_from(fact.elements()).unwrap_or(i64::MAX))
            } else {
                let axis = match node.argument("dim") {
                    Some(Argument::Int(axis)) if *axis < 0 => *axis + fact.sizes.len() as i64,
                    Some(Argument::Int(axis)) => *axis,
                    _ => return Err(refused("it takes a dimension".to_owned())),
                };
                let size = usize::try_from(axis).ok().and_then(|axis| fact.sizes.get(axis));
                Number::Int(*size.ok_or_else(|| refused(format!("dimension {axis} of {:?}", fact.sizes)))?)
            }
        } else {
            let operand = |(_, argument): &(String, Argument)| match argument {
                Argument::Number(id) => self.numbers.get(id).copied(),
                Argument::Int(value) => Some(Number::Int(*value)),
                Argument::Float(value) => Some(Number::Float(*value)),
                Argument::Bool(value) => Some(Number::Bool(*value)),
                _ => None,
            };
            let operands: Option<Vec<Number>> = node.arguments.iter().map(operand).collect();
            let operands = operands.ok_or_else(|| refused("it takes numbers".to_owned()))?;
            operator.apply(&operands).map_err(refused)?
        };
        self.numbers.extend(node.defines().map(|(id, _)| (id, value)));
        Ok(())
    }

    /// The argument with its numbers as they are at this size.
    fn settled(&self, argument: &Argument) -> Argument {
        settled(argument, &self.numbers)
    }

    fn known(&self, argument: &Argument) -> Known {
        known(argument, |id| self.facts.get(&id).map(Fact::shape).unwrap_or_default())
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

/// An argument with those of its numbers that are known in their place.
pub(super) fn settled(argument: &Argument, numbers: &HashMap<ValueId, Number>) -> Argument {
    match argument {
        Argument::Number(id) => match numbers.get(id) {
            Some(Number::Int(value)) => Argument::Int(*value),
            Some(Number::Float(value)) => Argument::Float(*value),
            Some(Number::Bool(value)) => Argument::Bool(*value),
            None => argument.clone(),
        },
        Argument::Ints(sizes) => {
            let known = |size: &Size| match size {
                Size::Computed(id) => {
                    numbers.get(id).and_then(|number| number.int()).map_or(*size, Size::Known)
                }
                known @ Size::Known(_) => *known,
            };
            Argument::Ints(sizes.iter().map(known).collect())
        }
        other => other.clone(),
    }
}

/// What the size bound needs to know of an argument whose numbers are settled.
fn known(argument: &Argument, shape: impl Fn(ValueId) -> Vec<u64>) -> Known {
    match argument {
        Argument::Tensor(id) => Known::Shape(shape(*id)),
        Argument::Tensors(ids) => Known::Shapes(ids.iter().map(|&id| shape(id)).collect()),
        Argument::OptionalTensors(ids) => Known::Shapes(ids.iter().flatten().map(|&id| shape(id)).collect()),
        Argument::Int(value) => Known::Int(*value),
        Argument::Float(value) => Known::Float(*value),
        Argument::Ints(sizes) => Known::Ints(
            sizes
                .iter()
                .filter_map(|size| match size {
                    Size::Known(value) => Some(*value),
                    Size::Computed(_) => None,
                })
                .collect(),
        ),
        Argument::Floats(values) => Known::Floats(values.clone()),
        Argument::Text(text) => Known::Text(text.clone()),
        _ => Known::Other,
    }
}

fn refused(node: &Node, message: String) -> ModelError {
    ModelError::Run { operator: node.operator.to_string(), module: node.module().to_owned(), message }
}
