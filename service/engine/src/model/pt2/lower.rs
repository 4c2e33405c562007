//! From the parsed JSON to the graph: operators checked against the allow list, values numbered, sizes read; knows no archive.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::attributes;
use super::super::error::ModelError;
use super::super::graph::{
    Argument, Graph, ModuleCall, Node, Operator, Output, Size, Value, ValueId, ValueKind,
};
use super::super::input::InputShape;
use super::super::limits::{self, at_most};
use super::super::number::NumberOperator;
use super::super::operators;
use super::schema::{self, Argument as Json, InputSpec, OutputSpec};
use super::signature;
use super::stored::Dtype;

/// A graph, and what its signature says about the image.
pub(super) struct Lowered {
    pub graph: Graph,
    pub input: InputShape,
}

/// Lowers a program.
pub(super) fn lower(program: &schema::ExportedProgram) -> Result<Lowered, ModelError> {
    let json = &program.graph_module.graph;
    at_most("the graph's number of nodes", json.nodes.len() as u64, limits::NODES as u64)?;
    let mut lowering = Lowering::default();
    let input = lowering.inputs(program)?;
    for node in &json.nodes {
        lowering.node(node)?;
    }
    let signature = &program.graph_module.signature;
    for spec in &signature.output_specs {
        lowering.output(spec)?;
    }
    if json.inputs.len() != signature.input_specs.len() || json.outputs.len() != signature.output_specs.len()
    {
        return Err(ModelError::format("the graph's inputs or outputs are not those of its signature"));
    }
    let graph = lowering.graph;
    graph.validate()?;
    Ok(Lowered { graph, input })
}

#[derive(Default)]
struct Lowering {
    graph: Graph,
    names: HashMap<String, ValueId>,
    /// Nodes share the list of the modules around them.
    stacks: HashMap<String, Arc<[ModuleCall]>>,
}

impl Lowering {
    /// Defines a new value.
    fn define(&mut self, name: &str, kind: ValueKind) -> Result<ValueId, ModelError> {
        at_most("the length in bytes of a value's name", name.len() as u64, limits::NAME_BYTES as u64)?;
        let id = ValueId(self.graph.values.len());
        if self.names.insert(name.to_owned(), id).is_some() {
            return Err(ModelError::format(format!("value `{name}` is defined twice")));
        }
        self.graph.values.push(Value { name: name.to_owned(), kind });
        Ok(id)
    }

    /// A value that is already defined.
    fn value(&self, name: &str, kind: ValueKind) -> Result<ValueId, ModelError> {
        match self.names.get(name) {
            Some(&id) if self.graph.values[id.0].kind == kind => Ok(id),
            Some(_) => Err(ModelError::format(format!("value `{name}` is used as the wrong kind"))),
            None => Err(ModelError::format(format!("value `{name}` is read before it is defined"))),
        }
    }

    fn inputs(&mut self, program: &schema::ExportedProgram) -> Result<InputShape, ModelError> {
        let mut image = None;
        for spec in &program.graph_module.signature.input_specs {
            let (value, stored) = match spec {
                InputSpec::Parameter { arg, parameter_name: name }
                | InputSpec::Buffer { arg, buffer_name: name }
                | InputSpec::TensorConstant { arg, tensor_constant_name: name } => (arg, name),
                InputSpec::UserInput { arg: Json::AsTensor(arg) } if image.is_none() => {
                    image = Some(&arg.name);
                    self.graph.input = self.define(&arg.name, ValueKind::Tensor)?;
                    continue;
                }
                // Python constants are already written into the graph.
                InputSpec::UserInput { arg: Json::AsNone(_) } | InputSpec::ConstantInput { .. } => continue,
                InputSpec::UserInput { .. } => {
                    return Err(ModelError::Unsupported(
                        "the network takes more inputs than one image tensor; export a wrapper that takes the image alone".to_owned(),
                    ));
                }
                InputSpec::Other(kinds) => {
                    return Err(ModelError::Unsupported(format!(
                        "the network has an input of kind {:?}; only parameters, buffers, tensor constants and one image are known",
                        kinds.keys().collect::<Vec<_>>()
                    )));
                }
            };
            let id = self.define(&value.name, ValueKind::Tensor)?;
            self.graph.weights.push((id, stored.clone()));
        }
        let name = image.ok_or_else(|| {
            ModelError::Unsupported("the network takes no image; export it with one tensor input".to_owned())
        })?;
        signature::input_shape(name, program)
    }

    fn node(&mut self, json: &schema::Node) -> Result<(), ModelError> {
        let modules = self.modules(json)?;
        let innermost = modules.last().map_or("", |call| call.path.as_str());
        let Some(operator) = operator(&json.target, innermost)? else { return Ok(()) };
        let mut arguments = Vec::with_capacity(json.inputs.len());
        at_most(
            format!("the number of arguments of `{operator}`"),
            json.inputs.len() as u64,
            limits::ARGUMENTS as u64,
        )?;
        for input in &json.inputs {
            // Pinned memory serves copies to another device only.
            if input.name != "pin_memory" {
                arguments.push((input.name.clone(), self.argument(&operator, &input.name, &input.arg)?));
            }
        }
        attributes::check(&operator, innermost, &arguments)?;
        let outputs =
            json.outputs.iter().map(|output| self.returned(&operator, output)).collect::<Result<_, _>>()?;
        self.graph.nodes.push(Node { operator, arguments, outputs, modules });
        Ok(())
    }

    fn argument(&self, operator: &Operator, name: &str, json: &Json) -> Result<Argument, ModelError> {
        let tensor = |named: &schema::Named| self.value(&named.name, ValueKind::Tensor);
        Ok(match json {
            Json::AsNone(_) | Json::AsOptionalTensor(schema::OptionalTensor::AsNone(_)) => Argument::Absent,
            Json::AsTensor(named) | Json::AsOptionalTensor(schema::OptionalTensor::AsTensor(named)) => {
                Argument::Tensor(tensor(named)?)
            }
            Json::AsTensors(list) => Argument::Tensors(list.iter().map(tensor).collect::<Result<_, _>>()?),
            Json::AsOptionalTensors(list) => Argument::OptionalTensors(
                list.iter()
                    .map(|item| match item {
                        schema::OptionalTensor::AsTensor(named) => tensor(named).map(Some),
                        schema::OptionalTensor::AsNone(_) => Ok(None),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Json::AsInt(value) | Json::AsSymInt(schema::SymInt::AsInt(value)) => Argument::Int(*value),
            Json::AsSymInt(schema::SymInt::AsName(name))
            | Json::AsSymFloat(schema::SymFloat::AsName(name))
            | Json::AsSymBool(schema::SymBool::AsName(name)) => {
                Argument::Number(self.value(name, ValueKind::Number)?)
            }
            Json::AsInts(values) => Argument::Ints(values.iter().map(|&value| Size::Known(value)).collect()),
            Json::AsSymInts(sizes) => {
                Argument::Ints(sizes.iter().map(|size| self.size(size)).collect::<Result<_, _>>()?)
            }
            Json::AsFloat(value) | Json::AsSymFloat(schema::SymFloat::AsFloat(value)) => {
                Argument::Float(float(value)?)
            }
            Json::AsFloats(values) => Argument::Floats(values.iter().map(float).collect::<Result<_, _>>()?),
            Json::AsBool(value) | Json::AsSymBool(schema::SymBool::AsBool(value)) => Argument::Bool(*value),
            Json::AsBools(values) => Argument::Bools(values.clone()),
            Json::AsString(text) => Argument::Text(text.clone()),
            Json::AsScalarType(number) => {
                let dtype = Dtype::from_schema(*number)
                    .ok_or_else(|| unknown(operator, name, "an element type", *number))?;
                Argument::Int(dtype.scalar_type())
            }
            Json::AsLayout(number) if *number == STRIDED => Argument::Int(0),
            Json::AsLayout(number) => return Err(unknown(operator, name, "a memory layout", *number)),
            Json::AsMemoryFormat(number) => Argument::Int(
                memory_format(*number).ok_or_else(|| unknown(operator, name, "a memory format", *number))?,
            ),
            Json::AsDevice(_) => Argument::Device,
            Json::Other(kinds) => {
                return Err(ModelError::format(format!(
                    "argument `{name}` of `{operator}` has the unknown kind {:?}",
                    kinds.keys().collect::<Vec<_>>()
                )));
            }
        })
    }

    fn size(&self, json: &schema::SymInt) -> Result<Size, ModelError> {
        Ok(match json {
            schema::SymInt::AsInt(value) => Size::Known(*value),
            schema::SymInt::AsName(name) => Size::Computed(self.value(name, ValueKind::Number)?),
        })
    }

    fn returned(&mut self, operator: &Operator, json: &Json) -> Result<Output, ModelError> {
        Ok(match json {
            Json::AsTensor(named) | Json::AsOptionalTensor(schema::OptionalTensor::AsTensor(named)) => {
                Output::Tensor(Some(self.define(&named.name, ValueKind::Tensor)?))
            }
            Json::AsNone(_) | Json::AsOptionalTensor(schema::OptionalTensor::AsNone(_)) => {
                Output::Tensor(None)
            }
            Json::AsTensors(list) => Output::Tensors(
                list.iter()
                    .map(|named| self.define(&named.name, ValueKind::Tensor))
                    .collect::<Result<_, _>>()?,
            ),
            Json::AsSymInt(schema::SymInt::AsName(name))
            | Json::AsSymFloat(schema::SymFloat::AsName(name))
            | Json::AsSymBool(schema::SymBool::AsName(name)) => {
                Output::Number(self.define(name, ValueKind::Number)?)
            }
            _ => {
                return Err(ModelError::format(format!(
                    "`{operator}` returns neither a tensor nor a number"
                )));
            }
        })
    }

    fn output(&mut self, spec: &OutputSpec) -> Result<(), ModelError> {
        let mut add = |named: &schema::Named| -> Result<(), ModelError> {
            let id = self.value(&named.name, ValueKind::Tensor)?;
            self.graph.outputs.push(id);
            Ok(())
        };
        match spec {
            OutputSpec::UserOutput { arg: Json::AsTensor(named) } => add(named),
            OutputSpec::UserOutput { arg: Json::AsTensors(list) } => list.iter().try_for_each(add),
            // Numbers, constants and mutated buffers are of no interest to a single pass.
            OutputSpec::UserOutput { .. } | OutputSpec::Other(_) => Ok(()),
        }
    }

    /// The modules around a node: `key,path,class` joined by semicolons; the key of a repeated call ends in `@1`, `@2`, …
    fn modules(&mut self, node: &schema::Node) -> Result<Arc<[ModuleCall]>, ModelError> {
        let text = node.metadata.get("nn_module_stack").map_or("", String::as_str);
        if let Some(known) = self.stacks.get(text) {
            return Ok(known.clone());
        }
        let entries: Vec<&str> = text.split(';').collect();
        at_most("the number of modules around a node", entries.len() as u64, limits::MODULE_DEPTH as u64)?;
        let mut calls = Vec::new();
        for entry in entries {
            let mut fields = entry.splitn(3, ',');
            let (Some(key), Some(path), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if key == NO_MODULE {
                continue;
            }
            at_most("the length in bytes of a module's path", path.len() as u64, limits::NAME_BYTES as u64)?;
            let call = key.rsplit_once('@').and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
            let path = path.split_once('@').map_or(path, |(path, _)| path);
            calls.push(ModuleCall { path: path.to_owned(), kind: kind.to_owned(), call });
        }
        let calls: Arc<[ModuleCall]> = calls.into();
        self.stacks.insert(text.to_owned(), calls.clone());
        Ok(calls)
    }
}

/// What the exporter writes where it knows no module.
const NO_MODULE: &str = "_empty_nn_module_stack_from_metadata_hook";
/// `Layout.Strided` of the schema.
const STRIDED: i64 = 7;

/// From the schema's `MemoryFormat` to `c10::MemoryFormat`.
fn memory_format(number: i64) -> Option<i64> {
    Some(match number {
        1 => 0, // contiguous
        2 => 2, // channels last
        3 => 3, // channels last, 3-D
        4 => 1, // preserve
        _ => return None,
    })
}

fn unknown(operator: &Operator, name: &str, what: &str, number: i64) -> ModelError {
    ModelError::Unsupported(format!(
        "argument `{name}` of `{operator}` is {what} that the engine does not know ({number})"
    ))
}

fn float(json: &schema::Float) -> Result<f64, ModelError> {
    match json {
        schema::Float::Number(value) => Ok(*value),
        schema::Float::Text(text) => {
            text.parse().map_err(|_| ModelError::format(format!("`{}` is not a number", text.escape_debug())))
        }
    }
}

/// The operator behind a target; `None` if it has no effect.
fn operator(target: &str, module: &str) -> Result<Option<Operator>, ModelError> {
    if let Some(operator) = NumberOperator::named(target) {
        return Ok(Some(Operator::Number(operator)));
    }
    let refused = || ModelError::Operator { operator: target.to_owned(), module: module.to_owned() };
    let (name, overload) =
        target.strip_prefix("torch.ops.aten.").and_then(|name| name.split_once('.')).ok_or_else(refused)?;
    if operators::has_no_effect(name) {
        return Ok(None);
    }
    let overload = if overload == "default" { "" } else { overload };
    let plain = operators::plain_form(name).unwrap_or(name);
    if operators::allowed(plain, overload).is_none() {
        return Err(refused());
    }
    Ok(Some(Operator::Aten { name: name.to_owned(), overload: overload.to_owned() }))
}
