//! Instructions of TorchScript itself, which make tuples and lists and hand values on; knows no operator.

use super::super::super::error::ModelError;
use super::super::super::graph::ValueId;
use super::super::super::limits::{self, at_most};
use super::super::document::Instruction;
use super::Interpreter;
use super::value::Value;

/// Lists in lists that are looked through: an output of an output of an output …
pub(super) const NESTED: usize = 16;

impl Interpreter<'_> {
    /// Instructions of TorchScript itself; none if this is not one of them.
    pub(super) fn structure(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
    ) -> Result<Option<Vec<Value>>, ModelError> {
        let one = |value: Value| Ok(Some(vec![value]));
        match (instruction.kind.as_str(), inputs) {
            ("prim::ListConstruct", _) => one(Value::List(self.heap.keep(inputs.to_vec())?)),
            ("prim::TupleConstruct" | "prim::NamedTupleConstruct", _) => {
                one(Value::Tuple(self.heap.keep(inputs.to_vec())?))
            }
            ("prim::DictConstruct", _) => {
                let dict = self.heap.keep(Vec::new())?;
                for pair in inputs.chunks_exact(2) {
                    self.set_entry(dict, &pair[0], &pair[1], instruction)?;
                }
                one(Value::Dict(dict))
            }
            ("prim::ListUnpack" | "prim::TupleUnpack", [Value::List(items) | Value::Tuple(items)]) => {
                let found = self.heap.get(*items).to_vec();
                if found.len() != instruction.outputs.len() {
                    let reason = format!("takes {} values out of {}", instruction.outputs.len(), found.len());
                    return Err(self.wrong(instruction, &reason));
                }
                Ok(Some(found))
            }
            ("prim::TupleIndex", [Value::Tuple(items), at]) => {
                let at = self.integer(at, instruction)?;
                one(self.item(*items, at, instruction)?)
            }
            (
                "prim::unchecked_cast" | "prim::unchecked_unwrap_optional" | "aten::_unwrap_optional",
                [value],
            ) => {
                if matches!(value, Value::None) {
                    return Err(self.wrong(instruction, "got None"));
                }
                one(value.clone())
            }
            ("prim::Uninitialized", _) => one(Value::Unreadable("an uninitialized variable".into())),
            ("prim::RaiseException", _) => Err(self.raised(instruction, inputs)),
            ("aten::warn" | "prim::Print" | "aten::_assert_async" | "aten::_assert_tensor_metadata", _) => {
                Ok(Some(Vec::new()))
            }
            ("aten::__is__" | "aten::__isnot__", [a, b]) => {
                let same = match (a, b) {
                    (Value::None, Value::None) => true,
                    (Value::None, _) | (_, Value::None) => false,
                    (Value::Tensor(a), Value::Tensor(b)) => a == b,
                    _ => return Err(self.wrong(instruction, "compares things other than None")),
                };
                one(Value::bool(same == (instruction.kind == "aten::__is__")))
            }
            // Fast paths for inference are no concern of a graph that gradients go through.
            ("aten::is_grad_enabled", _) => one(Value::bool(true)),
            ("prim::type" | "aten::type", [Value::Device]) => one(Value::Text("cpu".into())),
            (
                "aten::is_scripting"
                | "prim::is_scripting"
                | "aten::is_autocast_enabled"
                | "aten::has_torch_function",
                _,
            ) => one(Value::bool(false)),
            _ => Ok(None),
        }
    }

    /// The network refuses its input.
    fn raised(&self, instruction: &Instruction, inputs: &[Value]) -> ModelError {
        let text = inputs.iter().find_map(|input| match input {
            Value::Text(text) => Some(text.escape_debug().to_string()),
            _ => None,
        });
        let text = text.unwrap_or_default();
        self.wrong(instruction, &format!("ends the network's run at this input: {text}"))
    }

    /// All tensors within a value, in order.
    pub(super) fn tensors_of(
        &mut self,
        value: &Value,
        found: &mut Vec<ValueId>,
        depth: usize,
    ) -> Result<(), ModelError> {
        self.pay(1)?;
        at_most("the number of outputs", found.len() as u64, limits::ARGUMENTS as u64)?;
        at_most("the depth of nested lists", depth as u64, NESTED as u64)?;
        match value {
            Value::Tensor(id) => found.push(*id),
            Value::List(items) | Value::Tuple(items) | Value::Dict(items) => {
                for at in 0..self.heap.get(*items).len() {
                    let item = self.heap.get(*items)[at].clone();
                    self.tensors_of(&item, found, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// For messages.
    pub(super) fn word(&self, value: &Value) -> String {
        match value {
            Value::Number(number) | Value::NumberTensor(number) => number.value.float().to_string(),
            Value::Text(text) => text.to_string(),
            Value::List(items) | Value::Tuple(items) => {
                let words: Vec<String> = self
                    .heap
                    .get(*items)
                    .iter()
                    .take(NESTED)
                    .map(|item| match item {
                        Value::Number(number) => number.value.float().to_string(),
                        other => other.kind().to_owned(),
                    })
                    .collect();
                format!("[{}]", words.join(", "))
            }
            other => other.kind().to_owned(),
        }
    }
}
