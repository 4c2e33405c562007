//! Runs a graph: one step per node, each a prepared call of an operator; knows no file and no layer's name.

use std::collections::HashSet;
use std::sync::Mutex;

use tch::{Device, Kind, Tensor};

use super::caps::Caps;
use super::error::ModelError;
use super::graph::{Argument, Graph, Node, Operator, Output, Size, ValueId};
use super::growth::Known;
use super::limits;
use super::number::{Number, NumberOperator};
use super::operators;
use super::shim::{Step, Value};
use super::sizes;
use super::weights::{Constants, Weights, channels_last};

/// A graph that is ready to run on one device.
pub struct Program {
    steps: Vec<Call>,
    constants: Constants,
    input: ValueId,
    outputs: Vec<ValueId>,
    values: usize,
    nodes: usize,
    device: Device,
    /// Input shapes at which every step's size has been checked: sizes follow from the input's shape alone.
    checked: Mutex<Vec<Vec<i64>>>,
}

struct Call {
    node: Node,
    work: Work,
    /// Values that nobody reads after this step.
    dropped: Vec<ValueId>,
}

enum Work {
    Number(NumberOperator),
    Operator {
        step: Step,
        /// Indices of the arguments that come with each run.
        changing: Vec<usize>,
        growth: operators::Growth,
        outputs: usize,
    },
}

/// What a value holds during a run.
enum Slot {
    Empty,
    Tensor(Tensor),
    Number(Number),
}

impl Program {
    /// Prepares every node's call. The graph's outputs are what a run returns.
    ///
    /// # Errors
    /// [`ModelError::Run`] if libtorch does not know an operator or its arguments do not fit its schema.
    pub(super) fn new(graph: &Graph, weights: &Weights, device: Device) -> Result<Self, ModelError> {
        let mut program = Self::passing(graph, weights, device)?;
        let outputs: HashSet<ValueId> = graph.outputs.iter().copied().collect();
        for call in &mut program.steps {
            call.dropped.retain(|id| !outputs.contains(id));
        }
        Ok(program)
    }

    /// The same for [`Program::watch`] alone: an output is let go of like any other value once nobody reads it.
    ///
    /// # Errors
    /// As [`Program::new`].
    pub(super) fn passing(graph: &Graph, weights: &Weights, device: Device) -> Result<Self, ModelError> {
        let mut constants: Vec<Option<Tensor>> = Vec::new();
        constants.resize_with(graph.values.len(), || None);
        for (id, name) in &graph.weights {
            constants[id.0] = Some(weights.on(name, device)?);
        }
        let mut steps = Vec::with_capacity(graph.nodes.len());
        for (node, dropped) in graph.nodes.iter().zip(graph.last_reads()) {
            steps.push(Call { node: node.clone(), work: work(node, &constants, device)?, dropped });
        }
        Ok(Self {
            steps,
            constants: Constants::new(constants),
            input: graph.input,
            outputs: graph.outputs.clone(),
            values: graph.values.len(),
            nodes: graph.nodes.len(),
            device,
            checked: Mutex::new(Vec::new()),
        })
    }

    /// Runs the network on `input`, `[n, c, h, w]`, float32, already normalized and in the network's channel order, on the program's device. Returns
    /// one tensor per tapped layer, in the order asked. Gradients flow back to `input` if it requires them and gradients are on.
    ///
    /// # Errors
    /// [`ModelError::Run`] if an operator refuses its arguments, [`ModelError::TooLarge`] before one that would make a tensor above the caps.
    pub fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, ModelError> {
        let mut slots = self.forward(input, |_, _| ())?;
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for &id in &self.outputs {
            let output = self.tensor(&slots, id)?;
            self.by_image(output, input)?;
            outputs.push(output.shallow_clone());
        }
        slots.clear();
        Ok(outputs)
    }

    /// Runs the network as [`Program::run`] does, and shows each tapped layer's tensor as soon as it is computed, with its place in the order
    /// asked. Layers with the same value are shown one after the other.
    ///
    /// # Errors
    /// As [`Program::run`], and the first error of `seen`, which is not called again after it.
    pub fn watch<E: From<ModelError>>(
        &self,
        input: &Tensor,
        mut seen: impl FnMut(usize, &Tensor) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut shown = Ok(());
        let mut show = |id: ValueId, tensor: &Tensor| {
            for (place, _) in self.outputs.iter().enumerate().filter(|(_, output)| **output == id) {
                if shown.is_ok() {
                    shown = self.by_image(tensor, input).map_err(E::from).and_then(|()| seen(place, tensor));
                }
            }
        };
        show(self.input, input);
        self.forward(input, show)?;
        shown
    }

    /// Whoever reads a layer takes it for floats, one row per image.
    fn by_image(&self, output: &Tensor, input: &Tensor) -> Result<(), ModelError> {
        if output.kind() == Kind::Float && output.size().first() == input.size().first() {
            return Ok(());
        }
        let (kind, size) = (output.kind(), output.size());
        Err(ModelError::format(format!("a layer has {kind:?} of shape {size:?}, not floats by image")))
    }

    /// What the graph's outputs are where they need not hold a part for each image, such as weights that the network computes.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub(super) fn constants(&self, input: &Tensor) -> Result<Vec<Tensor>, ModelError> {
        let slots = self.forward(input, |_, _| ())?;
        self.outputs.iter().map(|&id| Ok(self.tensor(&slots, id)?.shallow_clone())).collect()
    }

    /// Number of nodes that the cut left.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The device that `run` expects its input on.
    pub fn device(&self) -> Device {
        self.device
    }

    fn forward(
        &self,
        input: &Tensor,
        mut seen: impl FnMut(ValueId, &Tensor),
    ) -> Result<Vec<Slot>, ModelError> {
        let shape = input.size();
        let batch = shape.first().copied().unwrap_or(1).max(1).unsigned_abs();
        let mut caps = (!self.is_checked(&shape)).then_some(Caps { batch, live: 0 });
        let mut slots = Vec::with_capacity(self.values);
        slots.resize_with(self.values, || Slot::Empty);
        let image = if shape.len() == 4 { channels_last(input)? } else { input.shallow_clone() };
        slots[self.input.0] = Slot::Tensor(image);
        for call in &self.steps {
            match &call.work {
                Work::Number(operator) => {
                    let number = self.number(*operator, call, &slots)?;
                    if let Some((id, _)) = call.node.defines().next() {
                        slots[id.0] = Slot::Number(number);
                    }
                }
                Work::Operator { step, changing, growth, outputs } => {
                    if let Some(caps) = &mut caps {
                        caps.check(*growth, &self.known(call, &slots), &call.node)?;
                    }
                    let arguments: Vec<Value<'_>> = changing
                        .iter()
                        .map(|&index| self.value(&call.node.arguments[index].1, &slots))
                        .collect::<Result<_, _>>()?;
                    let results =
                        step.run(&arguments, *outputs).map_err(|message| failed(&call.node, message))?;
                    drop(arguments);
                    self.store(call, results, &mut slots, &mut seen)?;
                }
            }
            if let Some(caps) = &mut caps {
                let elements = |id: ValueId| match &slots[id.0] {
                    Slot::Tensor(tensor) => tensor.numel() as u64,
                    _ => 0,
                };
                let made = call.node.defines().map(|(id, _)| elements(id)).sum();
                caps.settle(made, call.dropped.iter().map(|&id| elements(id)).sum());
            }
            for id in &call.dropped {
                slots[id.0] = Slot::Empty;
            }
        }
        self.remember_checked(shape);
        Ok(slots)
    }

    fn store(
        &self,
        call: &Call,
        results: Vec<Option<Tensor>>,
        slots: &mut [Slot],
        seen: &mut impl FnMut(ValueId, &Tensor),
    ) -> Result<(), ModelError> {
        let mut results = results.into_iter();
        for output in &call.node.outputs {
            let (ids, gaps): (&[ValueId], usize) = match output {
                Output::Tensor(Some(id)) => (std::slice::from_ref(id), 0),
                Output::Tensor(None) => (&[], 1),
                Output::Tensors(ids) => (ids, 0),
                Output::Number(_) => return Err(failed(&call.node, "it returns a number".to_owned())),
            };
            for _ in 0..gaps {
                results.next();
            }
            for &id in ids {
                match results.next() {
                    Some(Some(tensor)) => {
                        seen(id, &tensor);
                        slots[id.0] = Slot::Tensor(tensor);
                    }
                    _ => {
                        return Err(failed(
                            &call.node,
                            "it returns fewer tensors than the graph names".to_owned(),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn tensor<'a>(&'a self, slots: &'a [Slot], id: ValueId) -> Result<&'a Tensor, ModelError> {
        match (&slots[id.0], self.constants.get(id.0)) {
            (Slot::Tensor(tensor), _) | (_, Some(tensor)) => Ok(tensor),
            _ => Err(ModelError::format("a tensor is read before it is computed")),
        }
    }

    fn value<'a>(&'a self, argument: &'a Argument, slots: &'a [Slot]) -> Result<Value<'a>, ModelError> {
        Ok(match argument {
            Argument::Tensor(id) => Value::Tensor(self.tensor(slots, *id)?),
            Argument::Tensors(ids) => Value::Tensors(
                ids.iter().map(|&id| self.tensor(slots, id).map(Some)).collect::<Result<_, _>>()?,
            ),
            Argument::OptionalTensors(ids) => Value::Tensors(
                ids.iter()
                    .map(|id| id.map(|id| self.tensor(slots, id)).transpose())
                    .collect::<Result<_, _>>()?,
            ),
            Argument::Number(id) => match number_in(slots, *id)? {
                Number::Int(value) => Value::Int(value),
                Number::Float(value) => Value::Float(value),
                Number::Bool(value) => Value::Bool(value),
            },
            Argument::Ints(sizes) => {
                Value::Ints(sizes.iter().map(|&size| int(size, slots)).collect::<Result<_, _>>()?)
            }
            other => constant(other, Value::Device(self.device)),
        })
    }

    fn number(&self, operator: NumberOperator, call: &Call, slots: &[Slot]) -> Result<Number, ModelError> {
        let shape = |id: ValueId| self.tensor(slots, id).ok().map(Tensor::size);
        let value = sizes::number(&call.node, operator, shape, |id| number_in(slots, id).ok());
        value.map_err(|message| failed(&call.node, message))
    }

    /// What the size bound needs to know of a call's arguments.
    fn known<'a>(&self, call: &'a Call, slots: &[Slot]) -> Vec<(&'a str, Known)> {
        let shape = |id: ValueId| -> Vec<u64> {
            self.tensor(slots, id)
                .map(|tensor| tensor.size().iter().map(|size| size.unsigned_abs()).collect())
                .unwrap_or_default()
        };
        let known = |argument: &Argument| sizes::known(argument, shape, |id| number_in(slots, id).ok());
        call.node.arguments.iter().map(|(name, argument)| (name.as_str(), known(argument))).collect()
    }

    fn is_checked(&self, shape: &[i64]) -> bool {
        self.checked.lock().is_ok_and(|checked| checked.iter().any(|known| known == shape))
    }

    fn remember_checked(&self, shape: Vec<i64>) {
        if let Ok(mut checked) = self.checked.lock()
            && checked.len() < limits::REMEMBERED_SIZES
            && !checked.contains(&shape)
        {
            checked.push(shape);
        }
    }
}

fn work(node: &Node, constants: &[Option<Tensor>], device: Device) -> Result<Work, ModelError> {
    let (name, overload) = match &node.operator {
        Operator::Number(operator) => return Ok(Work::Number(*operator)),
        Operator::Aten { name, overload } => (name, overload),
    };
    // A graph that has not been through the out-of-place pass runs too; only its taps cannot be trusted.
    let plain = operators::plain_form(name).unwrap_or(name);
    let allowed = operators::allowed(plain, overload).ok_or_else(|| ModelError::Operator {
        operator: node.operator.to_string(),
        module: node.module().to_owned(),
    })?;
    let mut changing = Vec::new();
    let mut arguments = Vec::with_capacity(node.arguments.len());
    for (index, (name, argument)) in node.arguments.iter().enumerate() {
        let fixed = match argument {
            Argument::Tensor(id) => constants[id.0].as_ref().map(Value::Tensor),
            Argument::Tensors(_) | Argument::OptionalTensors(_) | Argument::Number(_) => None,
            Argument::Ints(sizes) => sizes
                .iter()
                .map(|size| if let Size::Known(value) = size { Some(*value) } else { None })
                .collect::<Option<_>>()
                .map(Value::Ints),
            other => Some(constant(other, Value::Device(device))),
        };
        if fixed.is_none() {
            changing.push(index);
        }
        arguments.push((name.as_str(), fixed));
    }
    let outputs =
        node.outputs.iter().map(|output| if let Output::Tensors(ids) = output { ids.len() } else { 1 }).sum();
    let step = Step::new(name, overload, &arguments).map_err(|message| failed(node, message))?;
    Ok(Work::Operator { step, changing, growth: allowed.growth, outputs })
}

/// An argument that reads no value.
pub(super) fn constant<'a>(argument: &'a Argument, device: Value<'a>) -> Value<'a> {
    match argument {
        Argument::Int(value) => Value::Int(*value),
        Argument::Float(value) => Value::Float(*value),
        Argument::Floats(values) => Value::Floats(values.clone()),
        Argument::Bool(value) => Value::Bool(*value),
        Argument::Bools(values) => Value::Bools(values.clone()),
        Argument::Text(text) => Value::Text(text),
        Argument::Device => device,
        _ => Value::None,
    }
}

fn int(size: Size, slots: &[Slot]) -> Result<i64, ModelError> {
    match size {
        Size::Known(value) => Ok(value),
        Size::Computed(id) => {
            number_in(slots, id)?.int().ok_or_else(|| ModelError::format("a size is no integer"))
        }
    }
}

fn number_in(slots: &[Slot], id: ValueId) -> Result<Number, ModelError> {
    match &slots[id.0] {
        Slot::Number(number) => Ok(*number),
        _ => Err(ModelError::format("a number is read before it is computed")),
    }
}

fn failed(node: &Node, message: String) -> ModelError {
    ModelError::Run { operator: node.operator.to_string(), module: node.module().to_owned(), message }
}
