//! A model's layers at one input size, each with what it costs and what it holds; knows no tensors.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::axes::AxisRoles;
use super::cost::Costs;
use super::error::ModelError;
use super::graph::{Graph, Operator, ValueId};
use super::layers::{Axis, Layer, LayerInfo, Layers, Unlisted};
use super::operators::is_activation;
use super::pt2::StoredTensor;
use super::receptive::Geometry;

/// All layers of a model for an input of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Rows and columns of the input.
    pub size: [u32; 2],
    /// In graph order.
    pub layers: Vec<ListedLayer>,
    /// Modules that are no layers, in order of path.
    pub unlisted: Vec<(String, Unlisted)>,
    /// Elements of all parameters that the network reads, each once.
    pub parameters: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLayer {
    /// With the shape, the units and the field at this size.
    pub info: LayerInfo,
    /// Which side of an activation its value is on.
    pub side: ActivationSide,
    /// Elements of the parameters below the module's path that it reads, each once.
    pub parameters: u64,
    /// Multiply-accumulates inside of this call of the module, for one image.
    pub macs: u64,
    /// Multiply-accumulates of everything that its value needs, from the image on, for one image.
    pub macs_to_reach: u64,
}

/// Where a value stands among activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivationSide {
    /// No activation makes it, and something else than activations reads it.
    Neither,
    /// Only activations read it.
    Before,
    /// An activation makes it, or several that are concatenated.
    After,
}

/// What a listing is made from.
pub struct Source<'a> {
    /// With the tensors of `:pre` that exist in parts only.
    pub graph: &'a Graph,
    /// Found in `graph`.
    pub layers: &'a Layers,
    /// Names of the weights that are no parameters: buffers and constants.
    pub buffers: &'a HashSet<String>,
    /// Weights that are stored under several names: all of them, by each.
    pub aliases: &'a Aliases,
}

/// Names of one tensor, by each of its names, where it has several.
pub type Aliases = HashMap<String, Vec<String>>;

/// The names of tensors that lie in the same place.
pub fn aliases(stored: &HashMap<String, StoredTensor>) -> Aliases {
    let mut by_place: HashMap<&StoredTensor, Vec<String>> = HashMap::new();
    for (name, tensor) in stored {
        by_place.entry(tensor).or_default().push(name.clone());
    }
    let several = by_place.into_values().filter(|names| names.len() > 1);
    several.flat_map(|names| names.clone().into_iter().map(move |name| (name, names.clone()))).collect()
}

type Shapes = HashMap<ValueId, Vec<u64>>;

impl Source<'_> {
    /// The listing at an input size at which all tensors of a pass of `batch` images, weights included, have these shapes. Costs are those of the pass over
    /// its images.
    ///
    /// # Errors
    /// [`ModelError::Input`] where a layer has another rank than at the manifest's size.
    pub fn listing(&self, size: [u32; 2], shapes: &Shapes, batch: u64) -> Result<Listing, ModelError> {
        let costs = Costs::new(self.graph, shapes);
        let geometry = Geometry::new(self.graph, shapes);
        let roles = AxisRoles::new(self.graph, shapes);
        let values: Vec<ValueId> = self.layers.iter().map(|layer| layer.value).collect();
        let reached = costs.reach(self.graph, &values);
        let calls = self.calls(&costs, shapes);
        let befores = self.befores();
        let mut layers = Vec::with_capacity(values.len());
        for (layer, reached) in self.layers.iter().zip(reached) {
            let info = sized(layer, shapes, (&geometry, &roles), size)?;
            let totals = calls.get(&(layer.call.0.as_str(), layer.call.1)).copied().unwrap_or_default();
            let side = match layer.pre {
                Some(_) => ActivationSide::After,
                None if befores.contains(&layer.value) => ActivationSide::Before,
                None => ActivationSide::Neither,
            };
            layers.push(ListedLayer {
                info,
                side,
                parameters: totals.parameters,
                macs: totals.macs / batch.max(1),
                macs_to_reach: reached / batch.max(1),
            });
        }
        let unlisted = self.layers.unlisted().iter().map(|(path, why)| (path.clone(), *why)).collect();
        // A tensor under several names is counted once.
        let mut counted = HashSet::new();
        let parameters = self.parameters(shapes).into_values().filter(|read| {
            let is_new = !counted.contains(read.name);
            counted.extend(self.aliases.get(read.name).into_iter().flatten().map(String::as_str));
            is_new
        });
        let parameters = parameters.map(|read| read.elements).fold(0, u64::saturating_add);
        Ok(Listing { size, layers, unlisted, parameters, macs: costs.total() / batch.max(1) })
    }

    /// What each call of each module does, by path and call.
    fn calls(&self, costs: &Costs, shapes: &Shapes) -> HashMap<(&str, usize), Totals> {
        let mut calls: HashMap<(&str, usize), Totals> = HashMap::new();
        for (index, node) in self.graph.nodes.iter().enumerate().filter(|(index, _)| costs.node(*index) > 0) {
            for module in node.modules.iter() {
                let totals = calls.entry((&module.path, module.call)).or_default();
                totals.macs = totals.macs.saturating_add(costs.node(index));
            }
        }
        for read in self.parameters(shapes).values() {
            let around = read.nodes.iter().flat_map(|&index| self.graph.nodes[index].modules.iter());
            let own = |path: &str| is_below(read.name, path);
            let other = |path: &str| {
                self.aliases.get(read.name).is_some_and(|names| names.iter().any(|name| is_below(name, path)))
            };
            let owners = around.filter(|module| own(&module.path) || other(&module.path));
            for module in owners.collect::<HashSet<_>>() {
                let totals = calls.entry((&module.path, module.call)).or_default();
                totals.parameters = totals.parameters.saturating_add(read.elements);
            }
        }
        calls
    }

    /// The parameters that nodes read.
    fn parameters(&self, shapes: &Shapes) -> BTreeMap<ValueId, Parameter<'_>> {
        let mut read = BTreeMap::new();
        let own = self.graph.weights.iter().filter(|(_, name)| !self.buffers.contains(name));
        let names: HashMap<ValueId, &str> = own.map(|(id, name)| (*id, name.as_str())).collect();
        for (index, node) in self.graph.nodes.iter().enumerate() {
            node.for_each_read(|id, _| {
                let (Some(name), Some(shape)) = (names.get(&id), shapes.get(&id)) else { return };
                let elements = shape.iter().copied().fold(1, u64::saturating_mul);
                let parameter = Parameter { name, elements, nodes: Vec::new() };
                read.entry(id).or_insert(parameter).nodes.push(index);
            });
        }
        read
    }

    /// The values that only activations read. What joins values to a `:pre` that exists in parts only is no reader.
    fn befores(&self) -> HashSet<ValueId> {
        let mut used: HashSet<ValueId> = self.graph.outputs.iter().copied().collect();
        for node in &self.graph.nodes {
            node.for_each_read(|id, _| {
                used.insert(id);
            });
        }
        let pres: HashSet<ValueId> = self.layers.iter().filter_map(|layer| layer.pre).collect();
        let mut activated = HashSet::new();
        let mut others: HashSet<ValueId> = self.graph.outputs.iter().copied().collect();
        for node in &self.graph.nodes {
            let Operator::Aten { name, .. } = &node.operator else { continue };
            if node.defines().all(|(id, _)| pres.contains(&id) && !used.contains(&id)) {
                continue;
            }
            let subject = node.subject().filter(|_| is_activation(name));
            node.for_each_read(|id, _| {
                if subject == Some(id) {
                    activated.insert(id)
                } else {
                    others.insert(id)
                };
            });
        }
        activated.retain(|id| !others.contains(id));
        activated
    }
}

/// Of one call of a module.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    macs: u64,
    parameters: u64,
}

/// A parameter, and the nodes that read it.
struct Parameter<'a> {
    name: &'a str,
    elements: u64,
    nodes: Vec<usize>,
}

/// Whether a stored name lies below a module's path; every name lies below the network's own, which is empty.
fn is_below(name: &str, path: &str) -> bool {
    path.is_empty() || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// The layer with its shape, its units, its field and its tokens at another size.
fn sized(
    layer: &Layer,
    shapes: &Shapes,
    (geometry, roles): (&Geometry, &AxisRoles),
    [height, width]: [u32; 2],
) -> Result<LayerInfo, ModelError> {
    let info = &layer.info;
    let shape = shapes.get(&layer.value).filter(|shape| shape.len() == info.axes.len()).ok_or_else(|| {
        ModelError::Input(format!("layer `{}` has another rank at {height}×{width} px", info.path))
    })?;
    let channel = info.axes.iter().position(|axis| *axis == Axis::Channel).unwrap_or(1);
    let sight = geometry.sight(layer.value, &info.axes);
    let tokens = roles.tokens(layer.value, shape, &info.axes);
    Ok(LayerInfo { shape: shape[1..].to_vec(), units: shape[channel], sight, tokens, ..info.clone() })
}

#[cfg(test)]
mod tests;
