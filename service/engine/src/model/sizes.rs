//! What is known of a call before it runs: its numbers, and what bounds its result; knows no tensors.

use std::collections::HashMap;

use super::graph::{Argument, Node, Size, ValueId};
use super::growth::Known;
use super::number::{Number, NumberOperator};

/// The number that a node makes. `sizes` gives the shape of a tensor, `numbers` an earlier number.
///
/// # Errors
/// In words: an operand that is missing or of another kind, an axis that is not there, and as [`NumberOperator::apply`].
pub fn number(
    node: &Node,
    operator: NumberOperator,
    sizes: impl Fn(ValueId) -> Option<Vec<i64>>,
    numbers: impl Fn(ValueId) -> Option<Number>,
) -> Result<Number, String> {
    if !matches!(operator, NumberOperator::Size | NumberOperator::Elements) {
        let operand = |(_, argument): &(String, Argument)| match argument {
            Argument::Number(id) => numbers(*id),
            Argument::Int(value) => Some(Number::Int(*value)),
            Argument::Float(value) => Some(Number::Float(*value)),
            Argument::Bool(value) => Some(Number::Bool(*value)),
            _ => None,
        };
        let operands: Option<Vec<Number>> = node.arguments.iter().map(operand).collect();
        return operator.apply(&operands.ok_or("it takes numbers")?);
    }
    let shape = node.subject().and_then(sizes).ok_or("it takes a tensor")?;
    if operator == NumberOperator::Elements {
        return Ok(Number::Int(shape.iter().fold(1, |product: i64, &size| product.saturating_mul(size))));
    }
    let axis = match node.argument("dim") {
        Some(Argument::Int(axis)) if *axis < 0 => *axis + shape.len() as i64,
        Some(Argument::Int(axis)) => *axis,
        _ => return Err("it takes a dimension".to_owned()),
    };
    let size = usize::try_from(axis).ok().and_then(|axis| shape.get(axis));
    size.map(|&size| Number::Int(size)).ok_or_else(|| format!("dimension {axis} of {shape:?}"))
}

/// An argument with those of its numbers that are known in their place.
pub fn settled(argument: &Argument, numbers: &HashMap<ValueId, Number>) -> Argument {
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

/// What the size bound needs to know of an argument. `shape` gives that of a tensor, `numbers` a number.
pub fn known(
    argument: &Argument,
    shape: impl Fn(ValueId) -> Vec<u64>,
    numbers: impl Fn(ValueId) -> Option<Number>,
) -> Known {
    match argument {
        Argument::Tensor(id) => Known::Shape(shape(*id)),
        Argument::Tensors(ids) => Known::Shapes(ids.iter().map(|&id| shape(id)).collect()),
        Argument::OptionalTensors(ids) => Known::Shapes(ids.iter().flatten().map(|&id| shape(id)).collect()),
        Argument::Int(value) => Known::Int(*value),
        Argument::Float(value) => Known::Float(*value),
        Argument::Number(id) => match numbers(*id) {
            Some(number) => number.int().map_or_else(|| Known::Float(number.float()), Known::Int),
            None => Known::Other,
        },
        Argument::Ints(sizes) => {
            let size = |size: &Size| match size {
                Size::Known(value) => Some(*value),
                Size::Computed(id) => numbers(*id)?.int(),
            };
            Known::Ints(sizes.iter().filter_map(size).collect())
        }
        Argument::Floats(values) => Known::Floats(values.clone()),
        Argument::Text(text) => Known::Text(text.clone()),
        Argument::Absent | Argument::Bool(_) | Argument::Bools(_) | Argument::Device => Known::Other,
    }
}
