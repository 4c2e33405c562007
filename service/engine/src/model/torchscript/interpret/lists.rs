//! Lists, dictionaries and strings; knows no tensor's shape.

use super::super::super::error::ModelError;
use super::super::super::limits::{self, at_most};
use super::super::super::number::NumberOperator;
use super::super::document::Instruction;
use super::Interpreter;
use super::structure::NESTED;
use super::value::{Items, Num, Value};

impl Interpreter<'_> {
    /// An instruction on lists, dictionaries or strings; none if it is on numbers alone.
    pub(super) fn list_call(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
    ) -> Result<Option<Vec<Value>>, ModelError> {
        let one = |value: Value| Ok(Some(vec![value]));
        match (instruction.kind.as_str(), inputs) {
            ("aten::eq" | "aten::ne", [a, b]) if !(is_number(a) && is_number(b)) => {
                let equal = self.equal(a, b, 0, instruction)?;
                one(Value::bool(equal == (instruction.kind == "aten::eq")))
            }
            ("aten::__range_length", [low, high, step]) => {
                let [low, high, step] = [low, high, step].map(|value| self.integer(value, instruction));
                let length = range_length(low?, high?, step?);
                one(Value::int(length.ok_or_else(|| self.wrong(instruction, "has a step of 0"))?))
            }
            ("aten::__derive_index", [at, start, step]) => {
                let [at, start, step] = [at, start, step].map(|value| self.integer(value, instruction));
                let value = at?.checked_mul(step?).zip(start.ok());
                let value = value.and_then(|(distance, start)| start.checked_add(distance));
                one(Value::int(value.ok_or_else(|| self.wrong(instruction, "leaves 64 bits"))?))
            }
            (_, [Value::Dict(items), rest @ ..]) => self.dict_call(instruction, *items, rest),
            (_, [Value::List(items) | Value::Tuple(items), rest @ ..]) => {
                match self.read_list(instruction, *items, rest)? {
                    Some(value) => one(value),
                    None => self.change_list(instruction, *items, rest),
                }
            }
            _ => Ok(self.text_call(instruction, inputs)?.map(|value| vec![value])),
        }
    }

    /// Looks into a list.
    fn read_list(
        &mut self,
        instruction: &Instruction,
        items: Items,
        rest: &[Value],
    ) -> Result<Option<Value>, ModelError> {
        Ok(Some(match (instruction.kind.as_str(), rest) {
            ("aten::len", []) => Value::int(self.heap.get(items).len() as i64),
            ("aten::__getitem__", [at]) => {
                let at = self.integer(at, instruction)?;
                self.item(items, at, instruction)?
            }
            ("aten::__contains__", [wanted]) => {
                Value::bool(self.position(items, wanted, instruction)?.is_some())
            }
            ("aten::index", [wanted]) => match self.position(items, wanted, instruction)? {
                Some(at) => Value::int(at as i64),
                None => return Err(self.wrong(instruction, "asks for something that is not in the list")),
            },
            ("aten::all" | "aten::any", []) => {
                let is_all = instruction.kind == "aten::all";
                let list = self.heap.get(items).to_vec();
                self.steps += list.len();
                let mut found = is_all;
                for item in &list {
                    let truth = self.truth(item, instruction)?;
                    found = if is_all { found && truth } else { found || truth };
                }
                Value::bool(found)
            }
            ("aten::sum", _) => self.fold(items, NumberOperator::Add, instruction)?,
            ("prim::max" | "aten::max", []) => self.fold(items, NumberOperator::Max, instruction)?,
            ("prim::min" | "aten::min", []) => self.fold(items, NumberOperator::Min, instruction)?,
            _ => return Ok(None),
        }))
    }

    /// An instruction on a dictionary.
    fn dict_call(
        &mut self,
        instruction: &Instruction,
        items: Items,
        rest: &[Value],
    ) -> Result<Option<Vec<Value>>, ModelError> {
        let one = |value: Value| Ok(Some(vec![value]));
        match (instruction.kind.as_str(), rest) {
            ("aten::len", []) => one(Value::int(self.heap.get(items).len() as i64 / 2)),
            ("aten::__getitem__", [key]) => match self.entry(items, key, instruction)? {
                Some(at) => one(self.heap.get(items)[at + 1].clone()),
                None => Err(self.wrong(instruction, "asks a dictionary for a key that it does not have")),
            },
            ("aten::__contains__", [key]) => {
                let found = self.entry(items, key, instruction)?.is_some();
                one(Value::bool(found))
            }
            ("aten::_set_item", [key, value]) => {
                self.set_entry(items, key, value, instruction)?;
                Ok(Some(Vec::new()))
            }
            ("aten::keys" | "aten::values", []) => {
                let first = usize::from(instruction.kind == "aten::values");
                let found = self.heap.get(items).iter().skip(first).step_by(2).cloned().collect();
                one(Value::List(self.heap.keep(found)?))
            }
            ("aten::items", []) => {
                let pairs: Vec<Vec<Value>> = self.heap.get(items).chunks(2).map(<[Value]>::to_vec).collect();
                let mut tuples = Vec::with_capacity(pairs.len());
                for pair in pairs {
                    tuples.push(Value::Tuple(self.heap.keep(pair)?));
                }
                one(Value::List(self.heap.keep(tuples)?))
            }
            _ => Ok(None),
        }
    }

    /// An instruction on strings; what it makes is for messages and comparisons.
    fn text_call(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
    ) -> Result<Option<Value>, ModelError> {
        let text = match (instruction.kind.as_str(), inputs) {
            ("aten::len", [Value::Text(text)]) => {
                self.steps += text.len();
                return Ok(Some(Value::int(text.chars().count() as i64)));
            }
            // The braces' places matter to no message.
            ("aten::format", [Value::Text(form), rest @ ..]) => {
                let mut text = format!("{form} (");
                for (at, value) in rest.iter().enumerate() {
                    text += if at == 0 { "" } else { ", " };
                    text += &self.word(value);
                    at_most("the length of a string", text.len() as u64, limits::SCRIPT_TEXT_BYTES as u64)?;
                }
                text + ")"
            }
            ("aten::str", [value]) => self.word(value),
            ("aten::add", [Value::Text(a), Value::Text(b)]) => format!("{a}{b}"),
            _ => return Ok(None),
        };
        Ok(Some(Value::Text(self.heap.text(&text)?)))
    }

    /// Changes a list, or makes another of it.
    fn change_list(
        &mut self,
        instruction: &Instruction,
        items: Items,
        rest: &[Value],
    ) -> Result<Option<Vec<Value>>, ModelError> {
        let length = self.heap.get(items).len();
        // Whoever copies long lists in a loop pays for it.
        self.steps += length;
        let removed = match (instruction.kind.as_str(), rest) {
            ("aten::append", [value]) => {
                self.heap.insert(items, length, vec![value.clone()])?;
                None
            }
            ("aten::insert", [at, value]) => {
                let at = place(self.integer(at, instruction)?, length);
                self.heap.insert(items, at, vec![value.clone()])?;
                None
            }
            ("aten::extend" | "aten::add_", [Value::List(more)]) => {
                let more = self.heap.get(*more).to_vec();
                self.heap.insert(items, length, more)?;
                None
            }
            ("aten::_set_item", [at, value]) => {
                let at = self.integer(at, instruction)?;
                let at = self.within(at, length, instruction)?;
                self.heap.get_mut(items)[at] = value.clone();
                None
            }
            ("aten::reverse", []) => {
                self.heap.get_mut(items).reverse();
                None
            }
            ("aten::pop", _) => {
                let at = match rest.first() {
                    Some(at) => self.integer(at, instruction)?,
                    None => -1,
                };
                let at = self.within(at, length, instruction)?;
                self.heap.remove(items, at)
            }
            _ => return self.new_list(instruction, items, rest),
        };
        // What changes a list returns nothing, or the list itself.
        Ok(Some(vec![removed.unwrap_or(Value::List(items)); instruction.outputs.len()]))
    }

    /// Makes a list of a list.
    fn new_list(
        &mut self,
        instruction: &Instruction,
        items: Items,
        rest: &[Value],
    ) -> Result<Option<Vec<Value>>, ModelError> {
        let list = self.heap.get(items).to_vec();
        let made = match (instruction.kind.as_str(), rest) {
            ("aten::list" | "aten::copy", []) => list,
            ("aten::add", [Value::List(more)]) => {
                let more = self.heap.get(*more);
                list.iter().chain(more).cloned().collect()
            }
            ("aten::mul", [times]) => {
                let times = usize::try_from(self.integer(times, instruction)?).unwrap_or(0);
                let length = (list.len() as u64).saturating_mul(times as u64);
                at_most("the length of a list", length, limits::LIST_ITEMS as u64)?;
                std::iter::repeat_n(list, times).flatten().collect()
            }
            ("aten::slice", [start, end, step]) => self.slice(&list, [start, end, step], instruction)?,
            _ => return Ok(None),
        };
        Ok(Some(vec![Value::List(self.heap.keep(made)?)]))
    }

    fn slice(
        &mut self,
        list: &[Value],
        [start, end, step]: [&Value; 3],
        instruction: &Instruction,
    ) -> Result<Vec<Value>, ModelError> {
        let mut bound = |value: &Value, default: usize| match value {
            Value::None => Ok(default),
            value => Ok::<_, ModelError>(place(self.integer(value, instruction)?, list.len())),
        };
        let (start, end) = (bound(start, 0)?, bound(end, list.len())?);
        let step = match step {
            Value::None => 1,
            value => self.integer(value, instruction)?,
        };
        match usize::try_from(step) {
            Ok(step) if step > 0 => Ok(list.iter().take(end).skip(start).step_by(step).cloned().collect()),
            _ => Err(self.wrong(instruction, "has a step below 1")),
        }
    }

    /// The sum, the largest or the smallest of a list of numbers.
    fn fold(
        &mut self,
        items: Items,
        operator: NumberOperator,
        instruction: &Instruction,
    ) -> Result<Value, ModelError> {
        let list = self.heap.get(items).to_vec();
        self.steps += list.len();
        let mut total: Option<Num> = None;
        for item in &list {
            let Value::Number(number) = item else {
                return Err(self.wrong(instruction, "takes a list of numbers"));
            };
            total = Some(match total {
                None => *number,
                Some(total) => self.arithmetic(operator, &[total, *number], instruction)?,
            });
        }
        match (total, operator) {
            (Some(total), _) => Ok(Value::Number(total)),
            (None, NumberOperator::Add) => Ok(Value::int(0)),
            (None, _) => Err(self.wrong(instruction, "takes a list that is not empty")),
        }
    }

    pub(super) fn item(&self, items: Items, at: i64, instruction: &Instruction) -> Result<Value, ModelError> {
        let list = self.heap.get(items);
        Ok(list[self.within(at, list.len(), instruction)?].clone())
    }

    fn within(&self, at: i64, length: usize, instruction: &Instruction) -> Result<usize, ModelError> {
        let index = if at < 0 { at + length as i64 } else { at };
        usize::try_from(index)
            .ok()
            .filter(|&index| index < length)
            .ok_or_else(|| self.wrong(instruction, &format!("asks for item {at} of {length}")))
    }

    fn position(
        &mut self,
        items: Items,
        wanted: &Value,
        instruction: &Instruction,
    ) -> Result<Option<usize>, ModelError> {
        let list = self.heap.get(items).to_vec();
        self.steps += list.len();
        for (at, item) in list.iter().enumerate() {
            if self.equal(item, wanted, 0, instruction)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Where a dictionary's key is.
    fn entry(
        &mut self,
        items: Items,
        key: &Value,
        instruction: &Instruction,
    ) -> Result<Option<usize>, ModelError> {
        let keys: Vec<Value> = self.heap.get(items).iter().step_by(2).cloned().collect();
        self.steps += keys.len();
        for (at, known) in keys.iter().enumerate() {
            if self.equal(known, key, 0, instruction)? {
                return Ok(Some(2 * at));
            }
        }
        Ok(None)
    }

    pub(super) fn set_entry(
        &mut self,
        items: Items,
        key: &Value,
        value: &Value,
        instruction: &Instruction,
    ) -> Result<(), ModelError> {
        if let Some(at) = self.entry(items, key, instruction)? {
            self.heap.get_mut(items)[at + 1] = value.clone();
            return Ok(());
        }
        self.heap.insert(items, usize::MAX, vec![key.clone(), value.clone()])
    }

    fn equal(
        &mut self,
        a: &Value,
        b: &Value,
        depth: usize,
        instruction: &Instruction,
    ) -> Result<bool, ModelError> {
        at_most("the depth of nested lists", depth as u64, NESTED as u64)?;
        Ok(match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.value.float() == b.value.float(),
            (Value::Text(a), Value::Text(b)) => {
                // Bytes that are compared at once.
                self.pay(a.len() / 64)?;
                a == b
            }
            (Value::None, Value::None) | (Value::Device, Value::Device) => true,
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                let length = self.heap.get(*a).len();
                let mut same = length == self.heap.get(*b).len();
                let mut at = 0;
                while same && at < length {
                    self.pay(1)?;
                    let (a, b) = (self.heap.get(*a)[at].clone(), self.heap.get(*b)[at].clone());
                    same = self.equal(&a, &b, depth + 1, instruction)?;
                    at += 1;
                }
                same
            }
            (
                Value::None | Value::Number(_) | Value::Text(_),
                Value::None | Value::Number(_) | Value::Text(_),
            ) => false,
            _ => return Err(self.wrong(instruction, &format!("compares {} with {}", a.kind(), b.kind()))),
        })
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Number(_) | Value::NumberTensor(_) | Value::Tensor(_))
}

/// As Python counts places: negative ones from the end, all within the list.
fn place(at: i64, length: usize) -> usize {
    let at = if at < 0 { at.saturating_add(length as i64).max(0) } else { at };
    usize::try_from(at).unwrap_or(usize::MAX).min(length)
}

/// How many numbers `range(low, high, step)` has.
fn range_length(low: i64, high: i64, step: i64) -> Option<i64> {
    if step == 0 {
        return None;
    }
    let (distance, step) = (i128::from(high) - i128::from(low), i128::from(step));
    let rounds = (distance + step - step.signum()) / step;
    Some(i64::try_from(rounds.max(0)).unwrap_or(i64::MAX))
}
