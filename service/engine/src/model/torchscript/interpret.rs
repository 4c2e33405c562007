//! Interprets a TorchScript network's `forward` at one input size and writes down the tensor operators that it comes past: the graph. Knows no file and runs no
//! operator itself.
//!
//! Everything that does not depend on the content of tensors is computed here: sizes, lists, attributes, which branch is taken and how often a loop runs. A size
//! stays a number of the graph, so that the graph serves other sizes too, as long as the program goes the same way there: interpreting it again tells.

mod attention;
mod control;
mod lists;
mod modules;
mod numbers;
mod structure;
mod tensors;
mod value;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::error::ModelError;
use super::super::graph::{Graph, ModuleCall, ValueId, ValueKind};
use super::super::limits::{self, at_most};
use super::super::number::Number;
use super::super::shapes::{FLOAT, Fact, Shapes};
use super::document::{Block, Document, Instruction, Literal, Tagged};
use value::{Heap, Value};

/// A network at one input size.
#[derive(Debug)]
pub struct Interpreted {
    /// In-place operators are still there. Weights are named by module path and attribute.
    pub graph: Graph,
    /// For each weight of the graph, its index in [`Document::tensors`].
    pub weights: HashMap<String, usize>,
    /// Names of those that are no parameters.
    pub buffers: HashSet<String>,
    /// Paths of the modules that run.
    pub ran: BTreeSet<String>,
}

/// Interprets `forward` on one image batch, `[n, c, h, w]`, float32.
///
/// # Errors
/// [`ModelError::Unsupported`] for what the interpreter does not follow, with the module and the line of the Python source; [`ModelError::Operator`];
/// [`ModelError::Format`] where the document contradicts itself; [`ModelError::TooLarge`].
pub fn interpret(
    document: &Document,
    image: [u32; 4],
    shapes: &mut dyn Shapes,
) -> Result<Interpreted, ModelError> {
    let mut interpreter = Interpreter::new(document, shapes)?;
    let fact = Fact { sizes: image.map(i64::from).to_vec(), dtype: FLOAT };
    let input = interpreter.tensor("image", fact)?;
    interpreter.graph.input = input;
    let result = interpreter.call_network(input)?;
    interpreter.outputs(&result)?;
    interpreter.graph.validate()?;
    let Interpreter { graph, weights, calls, mut paths, parameters, .. } = interpreter;
    let buffers = weights.keys().filter(|name| !parameters.contains(*name)).cloned().collect();
    let ran = calls.keys().filter_map(|object| paths.remove(object)).collect();
    Ok(Interpreted { graph, weights, buffers, ran })
}

/// Of `c10::ScalarType`, as [`FLOAT`].
const FLOAT16: i64 = 5;
const FLOAT64: i64 = 7;
const BFLOAT16: i64 = 15;

struct Interpreter<'a> {
    document: &'a Document,
    shapes: &'a mut dyn Shapes,
    graph: Graph,
    /// By value.
    facts: HashMap<ValueId, Fact>,
    /// Stored tensors that were read: index to value.
    stored: HashMap<usize, ValueId>,
    /// The values of `stored`: their sizes do not depend on the image's.
    leaves: HashSet<ValueId>,
    weights: HashMap<String, usize>,
    /// Names of those that are parameters.
    parameters: HashSet<String>,
    /// Numbers of stored tensors of one element.
    numbers: HashMap<ValueId, Number>,
    /// What the graph's numbers are at this size.
    known_numbers: HashMap<ValueId, Number>,
    /// Attributes that were read or written, by object.
    attributes: HashMap<(usize, &'a str), Value>,
    heap: Heap,
    /// Where the modules are: index of an object to its path.
    paths: HashMap<usize, String>,
    modules: Arc<[ModuleCall]>,
    calls: HashMap<usize, usize>,
    steps: usize,
    depth: usize,
}

/// The variables of one call of a function, by number.
type Frame = HashMap<u32, Value>;

impl<'a> Interpreter<'a> {
    fn new(document: &'a Document, shapes: &'a mut dyn Shapes) -> Result<Self, ModelError> {
        Ok(Self {
            document,
            shapes,
            graph: Graph::default(),
            facts: HashMap::new(),
            stored: HashMap::new(),
            leaves: HashSet::new(),
            weights: HashMap::new(),
            parameters: HashSet::new(),
            numbers: HashMap::new(),
            known_numbers: HashMap::new(),
            attributes: HashMap::new(),
            heap: Heap::default(),
            paths: modules::paths(document)?,
            modules: Arc::new([]),
            calls: HashMap::new(),
            steps: 0,
            depth: 0,
        })
    }

    /// A tensor of the graph that no node makes.
    fn tensor(&mut self, name: &str, fact: Fact) -> Result<ValueId, ModelError> {
        let id = self.graph.add_value(name, ValueKind::Tensor);
        self.shapes.leaf(id, &fact)?;
        self.facts.insert(id, fact);
        Ok(id)
    }

    /// The tensors of what `forward` returns, in order.
    fn outputs(&mut self, result: &Value) -> Result<(), ModelError> {
        let mut found = Vec::new();
        self.tensors_of(result, &mut found, 0)?;
        if found.is_empty() {
            return Err(ModelError::Unsupported(format!(
                "the network returns {}, not a tensor; wrap it in a module that returns one",
                result.kind()
            )));
        }
        self.graph.outputs = found;
        Ok(())
    }

    fn run_function(&mut self, index: usize, arguments: Vec<Value>) -> Result<Value, ModelError> {
        let document = self.document;
        let function = document
            .functions
            .get(index)
            .ok_or_else(|| ModelError::format(format!("there is no function {index}")))?;
        let body = &function.body;
        if body.inputs.len() != arguments.len() || body.outputs.len() != 1 {
            return Err(ModelError::format(format!(
                "function `{}` takes {} arguments and got {}",
                function.name,
                body.inputs.len(),
                arguments.len()
            )));
        }
        let mut frame: Frame = body.inputs.iter().copied().zip(arguments).collect();
        let mut results = self.run_block(body, &mut frame)?;
        Ok(results.pop().unwrap_or(Value::None))
    }

    /// Runs a block, whose inputs are set, and returns its outputs.
    fn run_block(&mut self, block: &'a Block, frame: &mut Frame) -> Result<Vec<Value>, ModelError> {
        self.depth += 1;
        at_most("the depth of calls", self.depth as u64, limits::CALL_DEPTH as u64)?;
        for instruction in &block.nodes {
            // Each variable that it reads is work, too.
            self.pay(1 + instruction.inputs.len())?;
            let results = self.instruction(instruction, frame)?;
            if results.len() != instruction.outputs.len() {
                return Err(ModelError::format(format!(
                    "`{}` has {} results, and {} were found",
                    instruction.kind,
                    instruction.outputs.len(),
                    results.len()
                )));
            }
            frame.extend(instruction.outputs.iter().copied().zip(results));
        }
        self.depth -= 1;
        self.steps += block.outputs.len();
        block.outputs.iter().map(|id| read(frame, *id)).collect()
    }

    /// Counts work: what loops or lists repeat must end.
    fn pay(&mut self, steps: usize) -> Result<(), ModelError> {
        self.steps = self.steps.saturating_add(steps);
        at_most("the number of instructions", self.steps as u64, limits::INSTRUCTIONS as u64).map(|_| ())
    }

    fn instruction(
        &mut self,
        instruction: &'a Instruction,
        frame: &mut Frame,
    ) -> Result<Vec<Value>, ModelError> {
        match instruction.kind.as_str() {
            "prim::If" => return self.branch(instruction, frame),
            "prim::Loop" => return self.repeat(instruction, frame),
            "prim::Constant" => return Ok(vec![self.constant(instruction)?]),
            _ => {}
        }
        let inputs: Vec<Value> =
            instruction.inputs.iter().map(|id| read(frame, *id)).collect::<Result<_, _>>()?;
        match instruction.kind.as_str() {
            "prim::GetAttr" => Ok(vec![self.attribute(instruction, &inputs)?]),
            "prim::SetAttr" => self.set_attribute(instruction, &inputs),
            "prim::CallMethod" => Ok(vec![self.call_method(instruction, inputs)?]),
            "prim::CallFunction" => {
                let index =
                    instruction.function.ok_or_else(|| ModelError::format("a call names no function"))?;
                let arguments = inputs.get(1..).unwrap_or_default().to_vec();
                Ok(vec![self.run_function(index, arguments)?])
            }
            _ => {
                if let Some(results) = self.structure(instruction, &inputs)? {
                    return Ok(results);
                }
                if let Some(result) = self.about_tensor(instruction, &inputs)? {
                    return Ok(vec![result]);
                }
                if self.is_tensor_call(instruction, &inputs) {
                    return self.tensor_call(instruction, &inputs);
                }
                if let Some(results) = self.list_call(instruction, &inputs)? {
                    return Ok(results);
                }
                Ok(vec![self.number_call(instruction, &inputs)?])
            }
        }
    }

    fn constant(&mut self, instruction: &'a Instruction) -> Result<Value, ModelError> {
        match &instruction.value {
            None => Ok(Value::None),
            Some(literal) => self.literal(literal, "constant"),
        }
    }

    /// A value of the file; `name` is what a stored tensor will be called.
    fn literal(&mut self, literal: &'a Literal, name: &str) -> Result<Value, ModelError> {
        Ok(match literal {
            Literal::None(()) => Value::None,
            Literal::Bool(value) => Value::bool(*value),
            Literal::Int(value) => Value::int(*value),
            Literal::Text(text) => Value::Text(self.heap.text(text)?),
            Literal::Tagged(tagged) => match tagged {
                Tagged::Tensor(index) => Value::Tensor(self.stored_tensor(*index, name)?),
                Tagged::Float(text) => Value::float(float(text)?),
                Tagged::List(items) => {
                    let items = self.literals(items.iter(), name)?;
                    Value::List(self.heap.keep(items)?)
                }
                Tagged::Tuple(items) => {
                    let items = self.literals(items.iter(), name)?;
                    Value::Tuple(self.heap.keep(items)?)
                }
                Tagged::Dict(entries) => {
                    let items = self.literals(entries.iter().flat_map(|(key, value)| [key, value]), name)?;
                    Value::Dict(self.heap.keep(items)?)
                }
                Tagged::Object(index) if *index < self.document.objects.len() => Value::Object(*index),
                Tagged::Object(index) => {
                    return Err(ModelError::format(format!("there is no object {index}")));
                }
                Tagged::Device(()) => Value::Device,
                Tagged::Unsupported(kind) => Value::Unreadable(self.heap.text(kind)?),
            },
        })
    }

    fn literals(
        &mut self,
        items: impl Iterator<Item = &'a Literal>,
        name: &str,
    ) -> Result<Vec<Value>, ModelError> {
        items.map(|item| self.literal(item, name)).collect()
    }

    /// The graph's value of a stored tensor, which becomes a weight at its first use.
    fn stored_tensor(&mut self, index: usize, name: &str) -> Result<ValueId, ModelError> {
        if let Some(&id) = self.stored.get(&index) {
            return Ok(id);
        }
        let stored = self
            .document
            .tensors
            .get(index)
            .ok_or_else(|| ModelError::format(format!("there is no tensor {index}")))?;
        at_most("the length in bytes of a tensor's name", name.len() as u64, limits::NAME_BYTES as u64)?;
        let mut unique = name.to_owned();
        if self.weights.contains_key(&unique) {
            unique = format!("{name}.{index}");
        }
        let fact = Fact { sizes: stored.sizes.clone(), dtype: computed(stored.dtype) };
        let id = self.tensor(&unique, fact)?;
        match &stored.number {
            Some(Literal::Int(value)) => self.numbers.insert(id, Number::Int(*value)),
            Some(Literal::Tagged(Tagged::Float(text))) => {
                self.numbers.insert(id, Number::Float(float(text)?))
            }
            _ => None,
        };
        self.graph.weights.push((id, unique.clone()));
        self.weights.insert(unique, index);
        self.stored.insert(index, id);
        self.leaves.insert(id);
        Ok(id)
    }

    fn integer(&mut self, value: &Value, instruction: &Instruction) -> Result<i64, ModelError> {
        match value {
            Value::Number(number) | Value::NumberTensor(number) => {
                number.value.int().ok_or_else(|| self.wrong(instruction, "takes an integer and got a float"))
            }
            other => Err(self.wrong(instruction, &format!("takes an integer and got {}", other.kind()))),
        }
    }

    /// Something that the interpreter does not follow.
    fn wrong(&self, instruction: &Instruction, reason: &str) -> ModelError {
        let module = self.modules.last().map_or("", |call| call.path.as_str());
        let place = if instruction.source.is_empty() {
            String::new()
        } else {
            format!(", {}", instruction.source.escape_debug())
        };
        ModelError::Unsupported(format!(
            "`{}` (in module `{module}`{place}) {reason}; export the network with torch.export instead (`python -m unitscope_export`)",
            instruction.kind.escape_debug()
        ))
    }
}

/// The type that the engine computes in: every float is a float32.
fn computed(dtype: i64) -> i64 {
    if matches!(dtype, FLOAT16 | FLOAT64 | BFLOAT16) { FLOAT } else { dtype }
}

fn float(text: &str) -> Result<f64, ModelError> {
    text.parse().map_err(|_| ModelError::format(format!("`{}` is not a number", text.escape_debug())))
}

fn read(frame: &Frame, id: u32) -> Result<Value, ModelError> {
    frame
        .get(&id)
        .cloned()
        .ok_or_else(|| ModelError::format(format!("variable {id} is read before it is set")))
}
