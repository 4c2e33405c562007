//! Modules: their paths, attributes and calls; knows no operator.

use std::collections::HashMap;

use super::super::super::error::ModelError;
use super::super::super::graph::ModuleCall;
use super::super::super::graph::ValueId;
use super::super::super::limits::{self, at_most};
use super::super::document::{Document, Instruction, Literal, Tagged};
use super::Interpreter;
use super::value::Value;

impl<'a> Interpreter<'a> {
    /// The network's `forward` on the image.
    pub(super) fn call_network(&mut self, image: ValueId) -> Result<Value, ModelError> {
        let forward = self.method(0, "forward")?;
        let document = self.document;
        let takes = document.functions.get(forward).map_or(0, |function| function.body.inputs.len());
        let Some(more) = takes.checked_sub(2).filter(|&more| more == document.defaults.len()) else {
            return Err(ModelError::Unsupported(
                "the network's `forward` takes other things than one image; wrap it in a module that takes the image alone".to_owned(),
            ));
        };
        let mut arguments = Vec::with_capacity(2 + more);
        arguments.extend([Value::Object(0), Value::Tensor(image)]);
        for default in &document.defaults {
            arguments.push(self.literal(default, "default")?);
        }
        self.call(0, forward, "forward", arguments)
    }

    /// `prim::CallMethod`: on an object of the file.
    pub(super) fn call_method(
        &mut self,
        instruction: &Instruction,
        inputs: Vec<Value>,
    ) -> Result<Value, ModelError> {
        let Some(&Value::Object(object)) = inputs.first() else {
            return Err(self.wrong(instruction, "is called on something that is no module"));
        };
        let method = self.method(object, &instruction.name)?;
        self.call(object, method, &instruction.name, inputs)
    }

    fn method(&mut self, object: usize, name: &str) -> Result<usize, ModelError> {
        let object =
            self.document.objects.get(object).ok_or_else(|| ModelError::format("there is no such object"))?;
        self.steps += object.methods.len();
        let found = object.methods.iter().find(|(known, _)| known == name);
        found.map(|(_, index)| *index).ok_or_else(|| {
            ModelError::format(format!("class `{}` has no method `{name}`", class(&object.class)))
        })
    }

    /// A module's `forward` is a call of the module; traces name the later ones `forward1`, `forward2`, …, overloads are `forward__0`, …
    fn call(
        &mut self,
        object: usize,
        method: usize,
        name: &str,
        arguments: Vec<Value>,
    ) -> Result<Value, ModelError> {
        let is_forward = name
            .strip_prefix("forward")
            .map(|rest| rest.strip_prefix("__").unwrap_or(rest))
            .is_some_and(is_number);
        let Some(path) = self.paths.get(&object).filter(|_| is_forward) else {
            return self.run_function(method, arguments);
        };
        let count = self.calls.entry(object).or_default();
        let call = ModuleCall {
            path: path.clone(),
            kind: class(&self.document.objects[object].class),
            call: *count,
        };
        *count += 1;
        at_most(
            "the number of modules around a node",
            self.modules.len() as u64,
            limits::MODULE_DEPTH as u64,
        )?;
        // Each call has a list of its own of the modules around it.
        let bytes = |call: &ModuleCall| size_of::<ModuleCall>() + call.path.len() + call.kind.len();
        self.heap.count_text(self.modules.iter().chain([&call]).map(bytes).sum())?;
        let outside = self.modules.clone();
        self.modules = outside.iter().cloned().chain([call]).collect();
        let result = self.run_function(method, arguments)?;
        self.modules = outside;
        Ok(result)
    }

    /// `prim::GetAttr`: of an object, or a field of a named tuple.
    pub(super) fn attribute(
        &mut self,
        instruction: &'a Instruction,
        inputs: &[Value],
    ) -> Result<Value, ModelError> {
        let Some(&Value::Object(object)) = inputs.first() else {
            return Err(self.wrong(instruction, "reads an attribute of something that is no object"));
        };
        let name = instruction.name.as_str();
        if let Some(value) = self.attributes.get(&(object, name)) {
            return Ok(value.clone());
        }
        let document = self.document;
        let owner = &document.objects[object];
        let Some((_, literal)) = owner.attributes.iter().find(|(known, _)| known == name) else {
            return Err(ModelError::format(format!(
                "class `{}` has no attribute `{name}`",
                class(&owner.class)
            )));
        };
        let full = match self.paths.get(&object).map(String::as_str) {
            None | Some("") => name.to_owned(),
            Some(path) => format!("{path}.{name}"),
        };
        if owner.parameters.iter().any(|known| known == name) {
            self.parameters.insert(full.clone());
        }
        let value = self.literal(literal, &full)?;
        self.attributes.insert((object, name), value.clone());
        Ok(value)
    }

    /// `prim::SetAttr`: for the rest of this run.
    pub(super) fn set_attribute(
        &mut self,
        instruction: &'a Instruction,
        inputs: &[Value],
    ) -> Result<Vec<Value>, ModelError> {
        let [Value::Object(object), value] = inputs else {
            return Err(self.wrong(instruction, "sets an attribute of something that is no object"));
        };
        self.attributes.insert((*object, instruction.name.as_str()), value.clone());
        Ok(Vec::new())
    }
}

/// The path of every module, as `named_modules` finds it first.
pub(super) fn paths(document: &Document) -> Result<HashMap<usize, String>, ModelError> {
    if document.objects.is_empty() {
        return Err(ModelError::format("the file holds no network"));
    }
    let mut paths = HashMap::new();
    let mut open = vec![(0, String::new())];
    while let Some((index, path)) = open.pop() {
        let Some(object) = document.objects.get(index) else {
            return Err(ModelError::format(format!("there is no object {index}")));
        };
        at_most("the length in bytes of a module's path", path.len() as u64, limits::NAME_BYTES as u64)?;
        if paths.contains_key(&index) {
            continue;
        }
        // The last one pushed is the first one visited.
        for (name, value) in object.attributes.iter().rev() {
            if let Literal::Tagged(Tagged::Object(child)) = value {
                open.push((*child, if path.is_empty() { name.clone() } else { format!("{path}.{name}") }));
            }
        }
        paths.insert(index, path);
    }
    Ok(paths)
}

/// A class as Python names it: without the prefix and the numbers that TorchScript gives to tell classes apart.
pub(super) fn class(name: &str) -> String {
    let parts = name.split('.').filter(|part| *part != "__torch__" && !part.starts_with("___torch_mangle_"));
    parts.collect::<Vec<_>>().join(".")
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
