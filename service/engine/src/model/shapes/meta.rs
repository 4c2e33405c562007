//! The shapes of what operators return, from libtorch itself: it runs them on tensors that have a shape and no content (`meta`). Knows no instruction.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::super::error::ModelError;
use super::super::execute::constant;
use super::super::graph::{Argument, Size, ValueId};
use super::super::growth::{self, Known};
use super::super::limits::{self, at_most};
use super::super::operators;
use super::super::shim::{Step, Value};
use super::super::sizes;
use super::{Fact, Shapes, convolution};

/// What keeps the shape of its first argument, and has no kernel for tensors without content.
const KEEPING: &[&str] = &["batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "roll"];

/// The shapes of all tensors of one interpretation.
#[derive(Default)]
pub struct MetaShapes {
    tensors: HashMap<ValueId, Tensor>,
    last: Vec<Option<Tensor>>,
}

impl Shapes for MetaShapes {
    fn leaf(&mut self, id: ValueId, fact: &Fact) -> Result<(), ModelError> {
        let tensor = empty(fact).map_err(ModelError::Torch)?;
        self.tensors.insert(id, tensor);
        Ok(())
    }

    fn call(
        &mut self,
        name: &str,
        overload: &str,
        arguments: &[(String, Argument)],
    ) -> Result<Vec<Option<Fact>>, ModelError> {
        let failed =
            |message: String| ModelError::Run { operator: name.to_owned(), module: String::new(), message };
        if let Some(fact) = self.convolution(name, arguments).or_else(|| self.keeping(name, arguments)) {
            self.last = vec![Some(empty(&fact).map_err(failed)?)];
            return Ok(vec![Some(fact)]);
        }
        let results = match self.run(name, overload, arguments, Value::Meta) {
            // A few operators have no kernel for tensors without content; zeros do as well.
            Err(message) if message.contains("Meta kernel") || message.contains("'Meta' backend") => {
                self.check_size(name, overload, arguments)?;
                self.zeros(arguments)?
                    .run(name, overload, arguments, Value::Device(Device::Cpu))
                    .map_err(failed)?
            }
            results => results.map_err(failed)?,
        };
        let facts: Vec<Option<Fact>> = results.iter().map(|tensor| tensor.as_ref().map(fact)).collect();
        self.last = facts
            .iter()
            .map(|fact| fact.as_ref().map(empty).transpose())
            .collect::<Result<_, _>>()
            .map_err(ModelError::Torch)?;
        Ok(facts)
    }

    fn bind(&mut self, ids: &[Option<ValueId>]) {
        for (id, tensor) in ids.iter().zip(self.last.drain(..)) {
            if let (Some(id), Some(tensor)) = (id, tensor) {
                self.tensors.insert(*id, tensor);
            }
        }
    }
}

impl MetaShapes {
    fn run(
        &self,
        name: &str,
        overload: &str,
        arguments: &[(String, Argument)],
        device: Value<'static>,
    ) -> Result<Vec<Option<Tensor>>, String> {
        let values: Vec<(&str, Option<Value<'_>>)> = arguments
            .iter()
            .map(|(name, argument)| Ok((name.as_str(), Some(self.value(argument, &device)?))))
            .collect::<Result<_, String>>()?;
        tch::no_grad(|| Step::new(name, overload, &values)?.run(&[], limits::ARGUMENTS))
    }

    fn value<'a>(&'a self, argument: &'a Argument, device: &Value<'a>) -> Result<Value<'a>, String> {
        let find = |id: &ValueId| {
            self.tensors.get(id).ok_or_else(|| "a tensor is read before it is made".to_owned())
        };
        Ok(match argument {
            Argument::Tensor(id) => Value::Tensor(find(id)?),
            Argument::Tensors(ids) => {
                Value::Tensors(ids.iter().map(|id| find(id).map(Some)).collect::<Result<_, _>>()?)
            }
            Argument::OptionalTensors(ids) => Value::Tensors(
                ids.iter().map(|id| id.as_ref().map(find).transpose()).collect::<Result<_, _>>()?,
            ),
            Argument::Ints(sizes) => Value::Ints(known(sizes)?),
            Argument::Number(_) => return Err("a number is not known".to_owned()),
            other => constant(other, device.clone()),
        })
    }

    /// What a convolution returns, which libtorch leaves to its backends: none of them is for tensors without content.
    fn convolution(&self, name: &str, arguments: &[(String, Argument)]) -> Option<Fact> {
        let tensor = |wanted: &str| match arguments.iter().find(|(name, _)| name == wanted)? {
            (_, Argument::Tensor(id)) => self.tensors.get(id),
            _ => None,
        };
        let input = tensor("input")?;
        let sizes = convolution::output(name, &input.size(), &tensor("weight")?.size(), arguments)?;
        Some(Fact { sizes, dtype: fact(input).dtype })
    }

    /// What keeps its first argument's shape, and attention, which has its query's with its value's last axis.
    fn keeping(&self, name: &str, arguments: &[(String, Argument)]) -> Option<Fact> {
        let tensor = |index: usize| match arguments.get(index) {
            Some((_, Argument::Tensor(id))) => self.tensors.get(id),
            _ => None,
        };
        if KEEPING.contains(&name) {
            return tensor(0).map(fact);
        }
        if name != "scaled_dot_product_attention" {
            return None;
        }
        let (mut result, key, value) = (fact(tensor(0)?), fact(tensor(1)?), fact(tensor(2)?));
        let rank = result.sizes.len();
        let fits = rank >= 2
            && key.sizes.len() == rank
            && value.sizes.len() == rank
            && result.sizes[..rank - 2] == key.sizes[..rank - 2]
            && key.sizes[..rank - 1] == value.sizes[..rank - 1]
            && result.sizes[rank - 1] == key.sizes[rank - 1];
        // Where it broadcasts, or does not fit, libtorch shall say.
        result.sizes[rank.checked_sub(1)?] = *value.sizes.last()?;
        fits.then_some(result)
    }

    /// Zeros in the place of every tensor that these arguments name.
    fn zeros(&self, arguments: &[(String, Argument)]) -> Result<Self, ModelError> {
        let mut named = Vec::new();
        for (_, argument) in arguments {
            match argument {
                Argument::Tensor(id) => named.push(*id),
                Argument::Tensors(ids) => named.extend(ids),
                Argument::OptionalTensors(ids) => named.extend(ids.iter().flatten()),
                _ => {}
            }
        }
        let mut tensors = HashMap::new();
        for id in named {
            if let Some(tensor) = self.tensors.get(&id) {
                let zeros = Tensor::f_zeros(tensor.size(), (tensor.kind(), Device::Cpu))?;
                tensors.insert(id, zeros);
            }
        }
        Ok(Self { tensors, last: Vec::new() })
    }

    /// Refuses to make what no run would be allowed to make.
    fn check_size(
        &self,
        name: &str,
        overload: &str,
        arguments: &[(String, Argument)],
    ) -> Result<(), ModelError> {
        let plain = operators::plain_form(name).unwrap_or(name);
        let Some(allowed) = operators::allowed(plain, overload) else { return Ok(()) };
        let shape =
            |id: ValueId| self.tensors.get(&id).map(|tensor| fact(tensor).shape()).unwrap_or_default();
        let known: Vec<(&str, Known)> = arguments
            .iter()
            .map(|(name, argument)| (name.as_str(), sizes::known(argument, shape, |_| None)))
            .collect();
        let largest = known.iter().map(|(_, known)| match known {
            Known::Shape(shape) => shape.iter().copied().fold(1, u64::saturating_mul),
            _ => 0,
        });
        let elements = growth::bound(allowed.growth, &known).max(largest.max().unwrap_or(0));
        at_most(
            format!("the number of elements that `aten::{name}` would make"),
            elements,
            limits::ELEMENTS_PER_IMAGE,
        )
        .map(|_| ())
    }
}

fn known(sizes: &[Size]) -> Result<Vec<i64>, String> {
    sizes
        .iter()
        .map(|size| match size {
            Size::Known(value) => Ok(*value),
            Size::Computed(_) => Err("a size is not known".to_owned()),
        })
        .collect()
}

/// Of a tensor.
pub(in super::super) fn fact(tensor: &Tensor) -> Fact {
    // Types that no vision network computes in have no number here, and nothing compares equal to them.
    const OTHER: i64 = -1;
    let dtype = match tensor.kind() {
        Kind::Uint8 => 0,
        Kind::Int8 => 1,
        Kind::Int16 => 2,
        Kind::Int => 3,
        Kind::Int64 => 4,
        Kind::Half => 5,
        Kind::Float => 6,
        Kind::Double => 7,
        Kind::Bool => 11,
        Kind::BFloat16 => 15,
        _ => OTHER,
    };
    Fact { sizes: tensor.size(), dtype }
}

/// A tensor with a shape and no content.
fn empty(fact: &Fact) -> Result<Tensor, String> {
    let arguments = [
        ("size", Some(Value::Ints(fact.sizes.clone()))),
        ("dtype", Some(Value::Int(fact.dtype))),
        ("device", Some(Value::Meta)),
    ];
    let made = Step::new("empty", "memory_format", &arguments)?.run(&[], 1)?;
    made.into_iter().flatten().next().ok_or_else(|| "libtorch made no tensor".to_owned())
}
