//! Arithmetic on sizes and other numbers, and comparisons; knows no tensor's content.

use super::super::super::error::ModelError;
use super::super::super::graph::{Argument, Node, Operator, Output, ValueId, ValueKind};
use super::super::super::limits::{self, at_most};
use super::super::super::number::{Number, NumberOperator};
use super::super::document::Instruction;
use super::Interpreter;
use super::value::{Num, Value};

/// What TorchScript calls them, and what they are for numbers.
const OPERATORS: &[(&str, NumberOperator)] = &[
    ("aten::add", NumberOperator::Add),
    ("aten::sub", NumberOperator::Sub),
    ("aten::mul", NumberOperator::Mul),
    ("aten::floordiv", NumberOperator::FloorDiv),
    ("aten::floor_divide", NumberOperator::FloorDiv),
    ("aten::div", NumberOperator::TrueDiv),
    ("aten::true_divide", NumberOperator::TrueDiv),
    ("aten::remainder", NumberOperator::Mod),
    ("aten::pow", NumberOperator::Pow),
    ("aten::neg", NumberOperator::Neg),
    ("prim::max", NumberOperator::Max),
    ("prim::min", NumberOperator::Min),
    ("aten::maximum", NumberOperator::Max),
    ("aten::minimum", NumberOperator::Min),
    ("aten::max", NumberOperator::Max),
    ("aten::min", NumberOperator::Min),
    ("aten::floor", NumberOperator::Floor),
    ("aten::ceil", NumberOperator::Ceil),
    ("aten::trunc", NumberOperator::Trunc),
    ("aten::Int", NumberOperator::Trunc),
    ("aten::Float", NumberOperator::ToFloat),
    ("aten::sqrt", NumberOperator::Sqrt),
    ("aten::eq", NumberOperator::Eq),
    ("aten::ne", NumberOperator::Ne),
    ("aten::lt", NumberOperator::Lt),
    ("aten::le", NumberOperator::Le),
    ("aten::gt", NumberOperator::Gt),
    ("aten::ge", NumberOperator::Ge),
    ("aten::__not__", NumberOperator::Not),
    ("aten::logical_not", NumberOperator::Not),
];

/// What leaves a number as it is.
#[rustfmt::skip]
const SAME: &[&str] = &[
    "prim::NumToTensor", "aten::ScalarImplicit", "aten::IntImplicit", "aten::FloatImplicit", "aten::Scalar", "aten::item", "aten::to",
    "aten::detach", "aten::clone", "aten::contiguous", "aten::alias", "aten::tensor", "aten::scalar_tensor", "aten::as_tensor",
    "aten::view", "aten::reshape", "aten::squeeze",
];

/// What has a rule of its own.
const OTHERS: &[&str] = &[
    "aten::Bool",
    "aten::__and__",
    "aten::__or__",
    "aten::rsub",
    "aten::clamp",
    "aten::clamp_min",
    "aten::clamp_max",
];

impl Interpreter<'_> {
    /// An instruction on numbers, and on tensors that hold a number known from sizes.
    pub(super) fn number_call(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
    ) -> Result<Value, ModelError> {
        let kind = instruction.kind.as_str();
        let is_known = SAME.contains(&kind)
            || OTHERS.contains(&kind)
            || OPERATORS.iter().any(|(known, _)| *known == kind);
        if !is_known {
            return Err(self.wrong(instruction, "is not understood"));
        }
        let mut operands = Vec::with_capacity(2);
        for input in inputs {
            match input {
                Value::Number(number) | Value::NumberTensor(number) => operands.push(*number),
                Value::Tensor(id) => match self.numbers.get(id) {
                    Some(&value) => operands.push(Num { value, symbol: None }),
                    None => return Err(self.depends_on_content(instruction)),
                },
                _ => break,
            }
        }
        let wrap = |number: Num| {
            let is_tensor = instruction.returns.first().is_some_and(|kind| kind == "Tensor")
                || kind == "prim::NumToTensor";
            if is_tensor { Value::NumberTensor(number) } else { Value::Number(number) }
        };
        let unknown = || {
            let got: Vec<_> = inputs.iter().map(Value::kind).collect();
            self.wrong(instruction, &format!("on {} is not understood", got.join(", ")))
        };
        if kind.starts_with("aten::clamp") {
            return self.clamped(instruction, inputs).map(wrap);
        }
        match (kind, operands.as_slice()) {
            (_, [number, ..]) if SAME.contains(&kind) => Ok(wrap(*number)),
            ("aten::Bool", [number]) => {
                let not = self.arithmetic(NumberOperator::Not, &[*number], instruction)?;
                Ok(wrap(self.arithmetic(NumberOperator::Not, &[not], instruction)?))
            }
            ("aten::__and__" | "aten::__or__", [a, b]) => {
                let (a, b) = (a.value.float() != 0.0, b.value.float() != 0.0);
                Ok(Value::bool(if kind == "aten::__and__" { a && b } else { a || b }))
            }
            // A list of integers, of which the largest or the smallest is asked for, is looked through by `list_call`.
            ("aten::rsub", [a, b, ..]) => {
                Ok(wrap(self.arithmetic(NumberOperator::Sub, &[*b, *a], instruction)?))
            }
            ("aten::div", [a, b]) if inputs.len() == 3 => {
                self.rounded(instruction, inputs, [*a, *b]).map(wrap)
            }
            ("aten::Int", [number]) if number.value.int().is_some() => Ok(wrap(*number)),
            _ => {
                let operator = OPERATORS.iter().find(|(known, _)| *known == kind).ok_or_else(unknown)?.1;
                // `add` and `sub` of tensors have a factor, which traces leave at 1.
                let count = if matches!(kind, "aten::add" | "aten::sub") { 2 } else { operands.len() };
                Ok(wrap(self.arithmetic(
                    operator,
                    operands.get(..count).ok_or_else(unknown)?,
                    instruction,
                )?))
            }
        }
    }

    /// `clamp` and its kin: bounds that are None do not bound.
    fn clamped(&mut self, instruction: &Instruction, inputs: &[Value]) -> Result<Num, ModelError> {
        let bounds: &[NumberOperator] = match instruction.kind.as_str() {
            "aten::clamp_min" => &[NumberOperator::Max],
            "aten::clamp_max" => &[NumberOperator::Min],
            _ => &[NumberOperator::Max, NumberOperator::Min],
        };
        let number = |value: &Value| match value {
            Value::Number(number) | Value::NumberTensor(number) => Some(*number),
            _ => None,
        };
        let mut clamped =
            inputs.first().and_then(number).ok_or_else(|| self.wrong(instruction, "takes a number"))?;
        for (operator, bound) in bounds.iter().zip(&inputs[1..]) {
            if let Some(bound) = number(bound) {
                clamped = self.arithmetic(*operator, &[clamped, bound], instruction)?;
            }
        }
        Ok(clamped)
    }

    /// `div` with a rounding mode.
    fn rounded(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
        operands: [Num; 2],
    ) -> Result<Num, ModelError> {
        match &inputs[2] {
            Value::Text(mode) if &**mode == "floor" => {
                self.arithmetic(NumberOperator::FloorDiv, &operands, instruction)
            }
            Value::Text(mode) if &**mode == "trunc" => {
                let quotient = self.arithmetic(NumberOperator::TrueDiv, &operands, instruction)?;
                self.arithmetic(NumberOperator::Trunc, &[quotient], instruction)
            }
            Value::None => self.arithmetic(NumberOperator::TrueDiv, &operands, instruction),
            _ => Err(self.wrong(instruction, "has an unknown rounding mode")),
        }
    }

    /// Computes it, and writes it down where it depends on the input's size.
    pub(super) fn arithmetic(
        &mut self,
        operator: NumberOperator,
        operands: &[Num],
        instruction: &Instruction,
    ) -> Result<Num, ModelError> {
        let known: Vec<Number> = operands.iter().map(|operand| operand.value).collect();
        let value = operator.apply(&known).map_err(|message| self.wrong(instruction, &message))?;
        if operands.iter().all(|operand| operand.symbol.is_none()) {
            return Ok(Num { value, symbol: None });
        }
        let argument = |(name, operand): (&&str, &Num)| ((*name).to_owned(), number_argument(*operand));
        let arguments = ["a", "b"].iter().zip(operands).map(argument).collect();
        Ok(Num { value, symbol: Some(self.number_node(operator, arguments, value)?) })
    }

    /// A node that makes a number, which has this value at this size.
    ///
    /// # Errors
    /// [`ModelError::TooLarge`] where the graph has too many nodes.
    pub(super) fn number_node(
        &mut self,
        operator: NumberOperator,
        arguments: Vec<(String, Argument)>,
        value: Number,
    ) -> Result<ValueId, ModelError> {
        at_most("the graph's number of nodes", self.graph.nodes.len() as u64, limits::NODES as u64)?;
        let id = self.graph.add_value("number", ValueKind::Number);
        self.known_numbers.insert(id, value);
        self.graph.nodes.push(Node {
            operator: Operator::Number(operator),
            arguments,
            outputs: vec![Output::Number(id)],
            modules: self.modules.clone(),
        });
        Ok(id)
    }
}

/// A number as a call's argument.
pub(super) fn number_argument(number: Num) -> Argument {
    match (number.symbol, number.value) {
        (Some(id), _) => Argument::Number(id),
        (None, Number::Int(value)) => Argument::Int(value),
        (None, Number::Float(value)) => Argument::Float(value),
        (None, Number::Bool(value)) => Argument::Bool(value),
    }
}
