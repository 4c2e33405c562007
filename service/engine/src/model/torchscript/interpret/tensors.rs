//! Tensor operators: what is asked about a tensor, and calls that become nodes of the graph; runs nothing itself.

use super::super::super::attributes;
use super::super::super::error::ModelError;
use super::super::super::graph::{Argument, Node, Operator, Output, Size, ValueId, ValueKind};
use super::super::super::limits::{self, at_most};
use super::super::super::number::{Number, NumberOperator};
use super::super::super::operators;
use super::super::super::pt2::Dtype;
use super::super::super::shapes::{FLOAT, Fact};
use super::super::super::sizes::settled;
use super::super::document::Instruction;
use super::numbers::number_argument;
use super::value::{Items, Num, Value};
use super::{Interpreter, computed};

impl Interpreter<'_> {
    /// What is known of a tensor without looking into it; none if the instruction asks for nothing of the kind.
    pub(super) fn about_tensor(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
    ) -> Result<Option<Value>, ModelError> {
        let Some(&Value::Tensor(id)) = inputs.first() else {
            // A tensor that holds a number has no axes.
            return Ok(match (instruction.kind.as_str(), inputs) {
                ("aten::dim", [Value::NumberTensor(_)]) => Some(Value::int(0)),
                ("aten::size", [Value::NumberTensor(_)]) => Some(Value::List(self.heap.keep(Vec::new())?)),
                _ => None,
            });
        };
        let fact = self.fact(id)?;
        let rank = fact.sizes.len();
        Ok(Some(match (instruction.kind.as_str(), &inputs[1..]) {
            ("aten::size" | "prim::shape", []) => {
                let sizes = (0..rank).map(|axis| self.size(id, axis).map(Value::Number));
                let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
                Value::List(self.heap.keep(sizes)?)
            }
            ("aten::size", [axis]) => {
                let axis = self.integer(axis, instruction)?;
                let index = if axis < 0 { axis + rank as i64 } else { axis };
                match usize::try_from(index).ok().filter(|&index| index < rank) {
                    Some(index) => Value::Number(self.size(id, index)?),
                    None => return Err(self.wrong(instruction, &format!("asks for axis {axis} of {rank}"))),
                }
            }
            ("aten::len", []) => Value::Number(self.size(id, 0)?),
            ("aten::dim" | "prim::ndim", []) => Value::int(rank as i64),
            ("aten::numel", []) => {
                let elements = fact.sizes.iter().fold(1_i64, |product, &size| product.saturating_mul(size));
                let arguments = vec![("self".to_owned(), Argument::Tensor(id))];
                let value = Number::Int(elements);
                let symbol = self
                    .depends_on_size(id)
                    .then(|| self.number_node(NumberOperator::Elements, arguments, value))
                    .transpose()?;
                Value::Number(Num { value, symbol })
            }
            ("prim::dtype", []) => Value::int(fact.dtype),
            ("prim::layout", []) => Value::int(0),
            ("prim::device", []) => Value::Device,
            ("aten::is_floating_point", []) => Value::bool(matches!(fact.dtype, 5 | 6 | 7 | 15)),
            // As in training, so that no fast path for inference is taken.
            ("aten::requires_grad" | "prim::requires_grad", []) => Value::bool(true),
            (
                "prim::is_cuda" | "prim::is_quantized" | "prim::is_sparse" | "prim::is_mkldnn"
                | "prim::is_meta" | "prim::is_nested" | "aten::is_complex",
                [],
            ) => Value::bool(false),
            ("prim::data", []) => Value::Tensor(id),
            (
                "aten::Int"
                | "aten::Float"
                | "aten::Bool"
                | "aten::ScalarImplicit"
                | "aten::IntImplicit"
                | "aten::FloatImplicit"
                | "aten::item"
                | "aten::Scalar",
                [],
            ) => self.number_call(instruction, inputs)?,
            _ => return Ok(None),
        }))
    }

    fn fact(&self, id: ValueId) -> Result<Fact, ModelError> {
        self.facts.get(&id).cloned().ok_or_else(|| ModelError::format("a tensor has no shape"))
    }

    /// Stored tensors have the same sizes whatever the image's.
    fn depends_on_size(&self, id: ValueId) -> bool {
        !self.leaves.contains(&id)
    }

    /// The size of an axis that is there.
    fn size(&mut self, id: ValueId, axis: usize) -> Result<Num, ModelError> {
        let fact = self.fact(id)?;
        let size =
            *fact.sizes.get(axis).ok_or_else(|| ModelError::format("a tensor without axes has no size"))?;
        let symbol = self.depends_on_size(id).then(|| {
            let arguments = vec![
                ("self".to_owned(), Argument::Tensor(id)),
                ("dim".to_owned(), Argument::Int(axis as i64)),
            ];
            self.number_node(NumberOperator::Size, arguments, Number::Int(size))
        });
        Ok(Num { value: Number::Int(size), symbol: symbol.transpose()? })
    }

    /// Whether an `aten::` instruction works on tensors, and not on numbers or lists of them.
    pub(super) fn is_tensor_call(&mut self, instruction: &Instruction, inputs: &[Value]) -> bool {
        let returns = instruction.returns.iter().any(|kind| kind.starts_with("Tensor"));
        if !returns || !instruction.kind.starts_with("aten::") {
            return false;
        }
        let lists = inputs.iter().filter_map(|input| match input {
            Value::List(items) => Some(self.heap.get(*items).len()),
            _ => None,
        });
        // Whoever looks through long lists in a loop pays for it.
        self.steps += lists.sum::<usize>();
        let is_tensor = |value: &Value| match value {
            Value::Tensor(id) => !self.numbers.contains_key(id),
            _ => false,
        };
        let reads = inputs.iter().any(|input| match input {
            Value::List(items) => self.heap.get(*items).iter().any(is_tensor),
            value => is_tensor(value),
        });
        let holds_numbers = inputs.iter().any(|input| matches!(input, Value::NumberTensor(_)));
        let is_list_call = matches!(
            instruction.kind.as_str(),
            "aten::append" | "aten::insert" | "aten::extend" | "aten::_set_item" | "aten::__getitem__" | "aten::len" | "aten::list"
                | "aten::copy" if matches!(inputs.first(), Some(Value::List(_) | Value::Dict(_)))
        ) || matches!(instruction.overload.as_str(), "t" | "t_" | "left_t" | "right_t");
        !is_list_call && (reads || !holds_numbers)
    }

    /// A call that becomes a node.
    pub(super) fn tensor_call(
        &mut self,
        instruction: &Instruction,
        inputs: &[Value],
    ) -> Result<Vec<Value>, ModelError> {
        let name = instruction.kind.strip_prefix("aten::").unwrap_or(&instruction.kind);
        if let Some(results) = self.fused_attention(instruction, name, inputs)? {
            return Ok(results);
        }
        if name == "tensor" {
            return self.new_tensor(instruction, inputs);
        }
        let makes_its_own = !inputs.iter().any(|input| matches!(input, Value::Tensor(_)));
        let mut arguments = Vec::with_capacity(inputs.len());
        for (argument, value) in instruction.names.iter().zip(inputs) {
            // A new tensor lies where the network runs, whatever the default is.
            let value = if makes_its_own && argument == "device" { &Value::Device } else { value };
            // Pinned memory serves copies to another device only.
            if argument != "pin_memory" {
                arguments.push((argument.clone(), self.argument(argument, value, instruction)?));
            }
        }
        let (name, overload, arguments) = self.plain_convolution(name, &instruction.overload, arguments)?;
        self.node(&name, &overload, arguments, &instruction.returns)
    }

    /// `torch.tensor` of a number, or of a list of numbers.
    fn new_tensor(&mut self, instruction: &Instruction, inputs: &[Value]) -> Result<Vec<Value>, ModelError> {
        let dtype = inputs.get(1).cloned().unwrap_or(Value::None);
        let items = match inputs.first() {
            Some(Value::List(items)) => self.heap.get(*items).to_vec(),
            Some(value @ Value::Number(_)) => vec![value.clone()],
            _ => return Err(self.wrong(instruction, "takes something other than numbers")),
        };
        let mut made = Vec::with_capacity(items.len());
        for item in &items {
            let own = match item {
                Value::Number(Num { value: Number::Int(_), .. }) => Value::int(4),
                Value::Number(Num { value: Number::Bool(_), .. }) => Value::int(11),
                _ => Value::int(FLOAT),
            };
            let dtype = if matches!(dtype, Value::None) { &own } else { &dtype };
            let arguments = vec![
                ("s".to_owned(), self.argument("s", item, instruction)?),
                ("dtype".to_owned(), self.argument("dtype", dtype, instruction)?),
                ("device".to_owned(), Argument::Device),
            ];
            let results = self.node("scalar_tensor", "", arguments, &["Tensor".to_owned()])?;
            made.extend(results);
        }
        if let Some(Value::List(_)) = inputs.first() {
            let list = Value::List(self.heap.keep(made)?);
            let arguments = vec![("tensors".to_owned(), self.argument("tensors", &list, instruction)?)];
            return self.node("stack", "", arguments, &["Tensor".to_owned()]);
        }
        Ok(made)
    }

    /// Checks an operator against the allow list, finds the shapes of its results and writes it down.
    pub(super) fn node(
        &mut self,
        name: &str,
        overload: &str,
        arguments: Vec<(String, Argument)>,
        returns: &[String],
    ) -> Result<Vec<Value>, ModelError> {
        let module = self.modules.last().map_or("", |call| call.path.as_str());
        let operator = Operator::Aten { name: name.to_owned(), overload: overload.to_owned() };
        if operators::allowed(operators::plain_form(name).unwrap_or(name), overload).is_none() {
            return Err(ModelError::Operator { operator: operator.to_string(), module: module.to_owned() });
        }
        attributes::check(&operator, module, &arguments)?;
        at_most("the graph's number of nodes", self.graph.nodes.len() as u64, limits::NODES as u64)?;
        let known: Vec<_> = arguments
            .iter()
            .map(|(name, argument)| (name.clone(), settled(argument, &self.known_numbers)))
            .collect();
        let facts = self.shapes.call(name, overload, &known).map_err(|error| match error {
            ModelError::Run { message, .. } => {
                ModelError::Run { operator: operator.to_string(), module: module.to_owned(), message }
            }
            other => other,
        })?;
        let ids: Vec<Option<ValueId>> = facts
            .into_iter()
            .map(|fact| {
                fact.map(|fact| {
                    let id = self.graph.add_value(name, ValueKind::Tensor);
                    self.facts.insert(id, fact);
                    id
                })
            })
            .collect();
        self.shapes.bind(&ids);
        let (outputs, values) = self.results(returns, &ids)?;
        self.graph.nodes.push(Node { operator, arguments, outputs, modules: self.modules.clone() });
        Ok(values)
    }

    /// Shares the tensors that a call returned among its results.
    fn results(
        &mut self,
        returns: &[String],
        ids: &[Option<ValueId>],
    ) -> Result<(Vec<Output>, Vec<Value>), ModelError> {
        let mut rest = ids;
        let (mut outputs, mut values) = (Vec::new(), Vec::new());
        for kind in returns {
            if kind == "Tensor" {
                let (first, others) = rest
                    .split_first()
                    .ok_or_else(|| ModelError::format("an operator returned too few tensors"))?;
                rest = others;
                outputs.push(Output::Tensor(*first));
                values.push(first.map_or(Value::None, Value::Tensor));
            } else if kind.starts_with("Tensor[]") || kind == "List[Tensor]" {
                let list: Vec<ValueId> = std::mem::take(&mut rest).iter().copied().flatten().collect();
                values.push(Value::List(self.heap.keep(list.iter().map(|id| Value::Tensor(*id)).collect())?));
                outputs.push(Output::Tensors(list));
            } else {
                return Err(ModelError::Unsupported(format!(
                    "an operator returns `{}`; only tensors are understood",
                    kind.escape_debug()
                )));
            }
        }
        Ok((outputs, values))
    }

    /// A value as an operator's argument.
    pub(super) fn argument(
        &mut self,
        name: &str,
        value: &Value,
        instruction: &Instruction,
    ) -> Result<Argument, ModelError> {
        Ok(match value {
            Value::None => Argument::Absent,
            Value::Tensor(id) => Argument::Tensor(*id),
            Value::Number(Num { value: Number::Int(dtype), .. }) if name == "dtype" => {
                if Dtype::from_scalar_type(*dtype).is_none() {
                    return Err(
                        self.wrong(instruction, &format!("asks for element type {dtype} of libtorch"))
                    );
                }
                Argument::Int(computed(*dtype))
            }
            Value::Number(number) | Value::NumberTensor(number) => number_argument(*number),
            Value::Text(text) => Argument::Text(text.to_string()),
            Value::Device => Argument::Device,
            Value::List(items) | Value::Tuple(items) => self.list_argument(*items, instruction)?,
            Value::Dict(_) | Value::Object(_) | Value::Unreadable(_) => {
                let reason = format!("got {} for `{}`", value.kind(), name.escape_debug());
                return Err(self.wrong(instruction, &reason));
            }
        })
    }

    fn list_argument(&mut self, items: Items, instruction: &Instruction) -> Result<Argument, ModelError> {
        let items = self.heap.get(items).to_vec();
        at_most("the length of an argument", items.len() as u64, limits::ARGUMENTS as u64)?;
        if items.iter().any(|item| matches!(item, Value::Tensor(_))) {
            let ids: Option<Vec<Option<ValueId>>> = items
                .iter()
                .map(|item| match item {
                    Value::Tensor(id) => Some(Some(*id)),
                    Value::None => Some(None),
                    _ => None,
                })
                .collect();
            let ids = ids.ok_or_else(|| self.wrong(instruction, "mixes tensors and numbers in a list"))?;
            return Ok(match ids.iter().copied().collect::<Option<Vec<ValueId>>>() {
                Some(ids) => Argument::Tensors(ids),
                None => Argument::OptionalTensors(ids),
            });
        }
        let mut numbers = Vec::with_capacity(items.len());
        for item in &items {
            match item {
                Value::Number(number) | Value::NumberTensor(number) => numbers.push(*number),
                other => return Err(self.wrong(instruction, &format!("has {} in a list", other.kind()))),
            }
        }
        if !numbers.is_empty() && numbers.iter().all(|number| matches!(number.value, Number::Bool(_))) {
            let known = numbers.iter().map(|number| number.value.float() != 0.0);
            return Ok(Argument::Bools(known.collect()));
        }
        if numbers.iter().any(|number| matches!(number.value, Number::Float(_))) {
            let known = numbers.iter().map(|number| number.value.float());
            return Ok(Argument::Floats(known.collect()));
        }
        let size = |number: &Num| match (number.symbol, number.value.int()) {
            (Some(id), _) => Size::Computed(id),
            (None, value) => Size::Known(value.unwrap_or(0)),
        };
        Ok(Argument::Ints(numbers.iter().map(size).collect()))
    }
}
