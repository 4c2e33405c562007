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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::{Graph, Operator, ValueKind};

    /// A call on a tensor of 2 × 3 × 5, value 0, with a number that is 7, value 1.
    fn check(operator: NumberOperator, arguments: &[Argument], expected: Result<Number, &str>) {
        let mut graph = Graph::default();
        let tensor = graph.add_value("t", ValueKind::Tensor);
        let seven = graph.add_value("n", ValueKind::Number);
        let names = ["self", "dim"].into_iter().map(str::to_owned);
        let node = Node {
            operator: Operator::Number(operator),
            arguments: names.zip(arguments.iter().cloned()).collect(),
            outputs: Vec::new(),
            modules: std::sync::Arc::new([]),
        };
        let shape = |id| (id == tensor).then(|| vec![2, 3, 5]);
        let found = number(&node, operator, shape, |id| (id == seven).then_some(Number::Int(7)));
        match expected {
            Ok(expected) => assert_eq!(found, Ok(expected), "{operator} of {arguments:?}"),
            Err(word) => assert!(found.as_ref().is_err_and(|error| error.contains(word)), "{found:?}"),
        }
    }

    const TENSOR: Argument = Argument::Tensor(ValueId(0));
    const SEVEN: Argument = Argument::Number(ValueId(1));

    #[test]
    fn sizes_are_counted_from_either_end() {
        check(NumberOperator::Size, &[TENSOR, Argument::Int(0)], Ok(Number::Int(2)));
        check(NumberOperator::Size, &[TENSOR, Argument::Int(-1)], Ok(Number::Int(5)));
        check(NumberOperator::Size, &[TENSOR, Argument::Int(-3)], Ok(Number::Int(2)));
        check(NumberOperator::Size, &[TENSOR, Argument::Int(3)], Err("dimension 3"));
        check(NumberOperator::Size, &[TENSOR, Argument::Int(-4)], Err("dimension -1"));
        check(NumberOperator::Size, &[TENSOR], Err("a dimension"));
        check(NumberOperator::Size, &[SEVEN, Argument::Int(0)], Err("a tensor"));
        check(NumberOperator::Elements, &[TENSOR], Ok(Number::Int(30)));
    }

    #[test]
    fn operands_are_known_or_computed() {
        check(NumberOperator::Add, &[SEVEN, Argument::Int(2)], Ok(Number::Int(9)));
        check(NumberOperator::Mul, &[Argument::Float(0.5), SEVEN], Ok(Number::Float(3.5)));
        check(NumberOperator::Add, &[SEVEN, Argument::Number(ValueId(0))], Err("it takes numbers"));
        check(NumberOperator::Add, &[SEVEN, TENSOR], Err("it takes numbers"));
    }

    #[test]
    fn bounds_know_computed_sizes() {
        let sizes =
            Argument::Ints(vec![Size::Known(2), Size::Computed(ValueId(1)), Size::Computed(ValueId(0))]);
        let seven = |id| (id == ValueId(1)).then_some(Number::Int(7));
        assert_eq!(known(&sizes, |_| Vec::new(), seven), Known::Ints(vec![2, 7]));
        assert_eq!(known(&SEVEN, |_| Vec::new(), seven), Known::Int(7));
        assert_eq!(known(&TENSOR, |_| vec![4], seven), Known::Shape(vec![4]));
        let numbers = HashMap::from([(ValueId(1), Number::Int(7))]);
        let settled = settled(&sizes, &numbers);
        assert_eq!(settled, Argument::Ints(vec![Size::Known(2), Size::Known(7), Size::Computed(ValueId(0))]));
    }
}
