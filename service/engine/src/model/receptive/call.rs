//! A node's arguments by name, with the numbers that its graph computes from sizes; knows no operator.

use std::collections::HashMap;

use super::super::graph::{Argument, Node, Operator, Output, Size, ValueId};
use super::super::number::{Number, NumberOperator};

/// The numbers of a graph, as far as its tensors' shapes tell them.
pub(in crate::model) struct Numbers<'a> {
    shapes: &'a HashMap<ValueId, Vec<u64>>,
    known: HashMap<ValueId, Number>,
}

/// One call of an operator.
pub(in crate::model) struct Call<'a> {
    pub node: &'a Node,
    pub numbers: &'a Numbers<'a>,
    /// Images in the pass that the shapes come from.
    pub batch: u64,
}

impl<'a> Numbers<'a> {
    pub fn new(shapes: &'a HashMap<ValueId, Vec<u64>>) -> Self {
        Self { shapes, known: HashMap::new() }
    }

    pub fn shape(&self, id: ValueId) -> Option<&'a [u64]> {
        self.shapes.get(&id).map(Vec::as_slice)
    }

    /// Computes the node's number, if it makes one.
    pub fn learn(&mut self, node: &Node) {
        let (Operator::Number(operator), Some(Output::Number(id))) = (&node.operator, node.outputs.first())
        else {
            return;
        };
        if let Some(number) = self.compute(*operator, node) {
            self.known.insert(*id, number);
        }
    }

    fn compute(&self, operator: NumberOperator, node: &Node) -> Option<Number> {
        let size = match operator {
            NumberOperator::Size => {
                let shape = self.shape(node.subject()?)?;
                let Argument::Int(axis) = node.argument("dim")? else { return None };
                shape[index(*axis, shape.len())?]
            }
            NumberOperator::Elements => {
                self.shape(node.subject()?)?.iter().copied().try_fold(1, u64::checked_mul)?
            }
            _ => {
                let operands = node.arguments.iter().map(|(_, argument)| self.number(argument));
                return operator.apply(&operands.collect::<Option<Vec<_>>>()?).ok();
            }
        };
        i64::try_from(size).ok().map(Number::Int)
    }

    fn number(&self, argument: &Argument) -> Option<Number> {
        match argument {
            Argument::Int(value) => Some(Number::Int(*value)),
            Argument::Float(value) => Some(Number::Float(*value)),
            Argument::Bool(value) => Some(Number::Bool(*value)),
            Argument::Number(id) => self.known.get(id).copied(),
            _ => None,
        }
    }

    fn int(&self, argument: &Argument) -> Option<i64> {
        self.number(argument)?.int()
    }
}

impl<'a> Call<'a> {
    /// Without `aten::`; empty for arithmetic on sizes.
    pub fn name(&self) -> &'a str {
        match &self.node.operator {
            Operator::Aten { name, .. } => name,
            Operator::Number(_) => "",
        }
    }

    pub fn shape(&self, name: &str) -> Option<&'a [u64]> {
        match self.node.argument(name)? {
            Argument::Tensor(id) => self.numbers.shape(*id),
            _ => None,
        }
    }

    /// The tensors that the call reads, lists flattened, in the order of the arguments.
    pub fn tensors(&self) -> Vec<ValueId> {
        let mut tensors = Vec::new();
        for (_, argument) in &self.node.arguments {
            match argument {
                Argument::Tensor(id) => tensors.push(*id),
                Argument::Tensors(ids) => tensors.extend(ids),
                Argument::OptionalTensors(ids) => tensors.extend(ids.iter().flatten()),
                _ => {}
            }
        }
        tensors
    }

    /// Whether the argument is given, and is not none.
    pub fn has(&self, name: &str) -> bool {
        self.node.argument(name).is_some_and(|argument| *argument != Argument::Absent)
    }

    /// `None`: given, but not known.
    pub fn int(&self, name: &str, default: i64) -> Option<i64> {
        if self.has(name) { self.numbers.int(self.node.argument(name)?) } else { Some(default) }
    }

    /// One integer or several; empty where the argument is not given. `None`: given, but not known.
    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        match self.node.argument(name) {
            None | Some(Argument::Absent) => Some(Vec::new()),
            Some(Argument::Ints(sizes)) => sizes
                .iter()
                .map(|size| match size {
                    Size::Known(value) => Some(*value),
                    Size::Computed(id) => self.numbers.known.get(id)?.int(),
                })
                .collect(),
            Some(other) => self.numbers.int(other).map(|value| vec![value]),
        }
    }

    /// The integer for one of the axes that an operator works on: the only one of a list of one, the default of an empty list.
    pub fn at(&self, name: &str, axis: usize, default: i64) -> Option<i64> {
        match self.ints(name)?.as_slice() {
            [] => Some(default),
            [one] => Some(*one),
            several => several.get(axis).copied(),
        }
    }

    /// False where it is not given.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.node.argument(name), Some(Argument::Bool(true) | Argument::Int(1)))
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.node.argument(name) {
            Some(Argument::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The axes that `name` lists, of a tensor of this rank.
    pub fn axes(&self, name: &str, rank: usize) -> Option<Vec<usize>> {
        self.ints(name)?.into_iter().map(|axis| index(axis, rank)).collect()
    }

    /// The axis that `name` gives, of a tensor of this rank.
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Option<usize> {
        index(self.int(name, default)?, rank)
    }
}

/// An index that may count from the end.
pub(super) fn index(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(i64::try_from(rank).ok()?)? } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}
