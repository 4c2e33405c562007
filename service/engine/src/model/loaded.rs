//! A model that is ready to be asked about its layers and to be cut to programs; knows no spec and no job.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tch::Device;

use super::archive::Archive;
use super::attributes;
use super::axes::AxisRoles;
use super::error::ModelError;
use super::execute::Program;
use super::graph::{Graph, ValueId};
use super::input::{FixedInput, InputShape};
use super::layers::{Axis, LayerInfo, LayerShape, Layers};
use super::limits;
use super::listing::{Aliases, Listing, Source, aliases};
use super::manifest::Manifest;
use super::passes::gradients::Gradients;
use super::passes::{activation, cut::cut, fold::fold, out_of_place::out_of_place, tap};
use super::pt2;
use super::shapes::{self, FLOAT, MetaShapes};
use super::torchscript::{self, Reader, Script};
use super::weights::Weights;

/// The shape of every float tensor of a graph and of its weights, the batch axis included.
type Shapes = HashMap<ValueId, Vec<u64>>;

/// A network with its weights on the CPU. Shared by `Arc`; every method may be called from any thread.
pub struct Model {
    name: String,
    manifest: Manifest,
    digest: String,
    input: InputShape,
    /// Gives graphs for other input sizes; none where one serves all.
    script: Option<Script>,
    weights: Weights,
    /// At the manifest's input size.
    network: Arc<Network>,
    /// Names of the weights that are no parameters.
    buffers: HashSet<String>,
    aliases: Aliases,
    infos: Vec<LayerInfo>,
    /// At the input sizes that were asked for.
    networks: Mutex<HashMap<[u32; 2], Arc<Network>>>,
    /// What gradients found of positions whose field geometry does not tell.
    supports: Mutex<HashMap<support::Key, [u32; 4]>>,
}

/// What a network is at one input size.
struct Network {
    /// As the file has it: two sizes of one graph are told by it.
    lowered: Arc<Graph>,
    /// Without in-place operators.
    graph: Arc<Graph>,
    layers: Arc<Layers>,
    shapes: Shapes,
}

impl Model {
    /// Reads `DIR/model.toml` and the files that it names. The model's name is the folder's. Finds the shapes of all
    /// layers at the manifest's size. A TorchScript file is read by a process of its own, which `reader` starts.
    ///
    /// # Errors
    /// [`ModelError`] of every kind that a folder can have.
    pub fn load(folder: &Path, reader: &Reader) -> Result<Self, ModelError> {
        let manifest = Manifest::load(folder)?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut archive = Archive::open(&folder.join(&manifest.file))?;
        let size = [manifest.input.height, manifest.input.width];
        let channels = manifest.input.channels.count();
        let (script, program) = if torchscript::is_script(&archive) {
            let (script, entries) = Script::read(&mut archive, reader)?;
            let program = script.program(channels, size)?;
            (Some((script, entries)), program)
        } else {
            (None, pt2::read(&archive)?)
        };
        let input = program.input;
        if input.channels != channels {
            return Err(ModelError::Input(format!(
                "the network takes {} channels, but `model.toml` gives {channels}; make `channels`, `mean` and `std` fit the network",
                input.channels
            )));
        }
        let (graph, sites) = settle(&program.graph)?;
        let names = graph.weights.iter().map(|(_, name)| name.as_str());
        let (script, weights) = match script {
            Some((script, entries)) => (Some(script), Weights::of(entries, &program.stored, names)?),
            None => (None, Weights::load(&mut archive, &program.stored, names)?),
        };
        let batch = input.listed_batch();
        input.check(batch, size[0], size[1])?;
        let shapes = trace(&graph, &weights, [batch, channels, size[0], size[1]])?;
        let layers = Layers::new(&name, &graph, &sites, &shapes, u64::from(batch));
        let layers = Arc::new(layers.with_modules(&program.modules));
        let infos = layers.iter().map(|layer| layer.info.clone()).collect();
        let digest = archive.digest()?.to_owned();
        let lowered = Arc::new(program.graph);
        let network = Arc::new(Network { lowered, graph: Arc::new(graph), layers, shapes });
        let networks = Mutex::new(HashMap::from([(size, network.clone())]));
        let supports = Mutex::default();
        let (buffers, aliases) = (program.buffers, aliases(&program.stored));
        Ok(Self {
            name,
            manifest,
            digest,
            input,
            script,
            weights,
            network,
            buffers,
            aliases,
            infos,
            networks,
            supports,
        })
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `model.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's height and width.
    pub fn size(&self) -> [u32; 2] {
        [self.manifest.input.height, self.manifest.input.width]
    }

    /// BLAKE3 of the model file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// All layers, in graph order, with their shapes at the manifest's input size and batch 1.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.infos
    }

    /// The layer that `path`, `path#1`, `path:pre` or `output` names; `_` for `.` as in lucent's names, and another case, are understood.
    ///
    /// # Errors
    /// [`ModelError::UnknownLayer`], which names the nearest ones, [`ModelError::AmbiguousLayer`], [`ModelError::SeveralCalls`],
    /// [`ModelError::UnlistedLayer`], [`ModelError::NoPreActivation`].
    pub fn layer(&self, path: &str) -> Result<&LayerInfo, ModelError> {
        let (layer, _) = self.network.layers.find(path)?;
        Ok(&layer.info)
    }

    /// The one name of what `path` names: a layer can be asked for in several ways, of which specs, keys and results keep this one.
    ///
    /// # Errors
    /// As [`Model::layer`].
    pub fn canonical(&self, path: &str) -> Result<String, ModelError> {
        self.network.layers.canonical(path)
    }

    /// All layers at an input size, with what they cost and hold.
    ///
    /// # Errors
    /// As [`Model::shapes`].
    pub fn listing(&self, height: u32, width: u32) -> Result<Listing, ModelError> {
        let network = self.network([height, width])?;
        let source = Source {
            graph: &network.graph,
            layers: &network.layers,
            buffers: &self.buffers,
            aliases: &self.aliases,
        };
        source.listing([height, width], &network.shapes, u64::from(self.input.listed_batch()))
    }

    /// The numbers of images that one pass may have.
    pub fn batches(&self) -> RangeInclusive<u32> {
        self.input.batches()
    }

    /// What the export fixed.
    pub fn fixed(&self) -> FixedInput {
        self.input.fixed()
    }

    /// Every dimension at which the network does not run on `batch` images of this size, with the rule and the
    /// `dynamic_shapes` to export with.
    pub fn refusals(&self, batch: u32, height: u32, width: u32) -> Vec<(Axis, String)> {
        self.input.refusals(batch, height, width)
    }

    /// Shapes of these layers at another input size, without the batch axis; remembered.
    ///
    /// # Errors
    /// As [`Model::layer`]; [`ModelError::Input`] where the export does not allow the size, [`ModelError::Run`] where the network does
    /// not fit it.
    pub fn shapes(&self, layers: &[String], height: u32, width: u32) -> Result<Vec<LayerShape>, ModelError> {
        let network = self.network([height, width])?;
        let roles = AxisRoles::new(&network.graph, &network.shapes);
        layers
            .iter()
            .map(|path| {
                let (layer, value) = network.layers.find(path)?;
                let shape = network.shapes.get(&value).filter(|shape| shape.len() == layer.info.axes.len());
                let shape = shape.ok_or_else(|| {
                    ModelError::Input(format!("layer `{path}` has another rank at {height}×{width} px"))
                })?;
                let axes = layer.info.axes.clone();
                let tokens = layer.info.tokens.and_then(|_| roles.tokens(value, shape, &axes));
                Ok(LayerShape { shape: shape[1..].to_vec(), axes, tokens })
            })
            .collect()
    }

    /// Elements of all values that the network computes for one image on its way to these layers: about what a pass with gradients
    /// keeps.
    ///
    /// # Errors
    /// As [`Model::shapes`].
    pub fn elements(&self, layers: &[String], height: u32, width: u32) -> Result<u64, ModelError> {
        let network = self.network([height, width])?;
        let batch = u64::from(self.input.listed_batch());
        let graph = network.cut(layers)?;
        let made =
            graph.nodes.iter().flat_map(|node| node.defines()).filter_map(|(id, _)| network.shapes.get(&id));
        let product =
            |shape: &Vec<u64>| shape.iter().fold(1_u64, |product, &size| product.saturating_mul(size));
        Ok(made.map(product).fold(0, u64::saturating_add) / batch)
    }

    /// What the network is at this size.
    fn network(&self, size: [u32; 2]) -> Result<Arc<Network>, ModelError> {
        let batch = self.input.listed_batch();
        self.input.check(batch, size[0], size[1])?;
        let known = self.networks.lock().ok().and_then(|networks| networks.get(&size).cloned());
        if let Some(network) = known {
            return Ok(network);
        }
        let network = Arc::new(self.make_network(batch, size)?);
        if let Ok(mut all) = self.networks.lock()
            && all.len() < limits::REMEMBERED_SIZES
        {
            all.insert(size, network.clone());
        }
        Ok(network)
    }

    fn make_network(&self, batch: u32, size: [u32; 2]) -> Result<Network, ModelError> {
        let Network { lowered, graph, layers, .. } = &*self.network;
        let channels = self.input.channels;
        let shape = [batch, channels, size[0], size[1]];
        let other = match &self.script {
            Some(script) => Some(script.lower(shape)?).filter(|other| other.graph != **lowered),
            None => None,
        };
        let Some(other) = other else {
            let shapes = trace(graph, &self.weights, shape)?;
            return Ok(Network {
                lowered: lowered.clone(),
                graph: graph.clone(),
                layers: layers.clone(),
                shapes,
            });
        };
        // The program goes another way at this size.
        let (graph, sites) = settle(&other.graph)?;
        let shapes = trace(&graph, &self.weights, shape)?;
        let layers = Layers::new(&self.name, &graph, &sites, &shapes, u64::from(batch));
        let layers = Arc::new(layers.with_modules(&other.modules));
        Ok(Network { lowered: Arc::new(other.graph), graph: Arc::new(graph), layers, shapes })
    }

    /// The network up to these layers for images of `size` (height and width), its weights on `device`, batch norms folded.
    ///
    /// # Errors
    /// As [`Model::shapes`]; [`ModelError::Torch`] if the device has no room.
    pub fn program(&self, layers: &[String], size: [u32; 2], device: Device) -> Result<Program, ModelError> {
        self.program_with(layers, size, Gradients::default(), device)
    }

    /// The same network, which computes the same values, with gradients of another kind.
    ///
    /// # Errors
    /// As [`Model::program`].
    pub fn program_with(
        &self,
        layers: &[String],
        size: [u32; 2],
        gradients: Gradients,
        device: Device,
    ) -> Result<Program, ModelError> {
        let network = self.network(size)?;
        self.prepared(gradients.of(network.cut(layers)?), &network, device)
    }

    /// Whether an activation on the way to these layers, at this input size, falls where it is off (GELU, SiLU, hardswish, mish), so that a gradient that is
    /// not zero may still lead further off.
    ///
    /// # Errors
    /// As [`Model::shapes`].
    pub fn dips(&self, layers: &[String], size: [u32; 2]) -> Result<bool, ModelError> {
        let graph = self.network(size)?.cut(layers)?;
        Ok(activation::activations(&graph).values().any(|activation| activation.dips))
    }

    /// The network for [`Program::watch`] alone and the manifest's size, which shows these layers without keeping them. Batch norms are not folded: a convolution whose output is
    /// read cannot be, so that what a layer computes would depend, in its last bits, on which others are read beside it.
    ///
    /// # Errors
    /// As [`Model::program`].
    pub fn passing_program(&self, layers: &[String], device: Device) -> Result<Program, ModelError> {
        Program::passing(&self.network.cut(layers)?, &self.weights, device)
    }

    fn prepared(&self, graph: Graph, network: &Network, device: Device) -> Result<Program, ModelError> {
        let (graph, foldings) = fold(graph, |id| network.shapes.get(&id).map(Vec::len));
        Program::new(&graph, &self.weights.folded(&foldings)?, device)
    }
}

impl Network {
    /// The graph up to these layers.
    fn cut(&self, layers: &[String]) -> Result<Graph, ModelError> {
        let value = |path: &String| self.layers.find(path).map(|(_, value)| value);
        let outputs = layers.iter().map(value).collect::<Result<_, _>>()?;
        Ok(cut(Graph { outputs, ..(*self.graph).clone() }))
    }
}

/// A file's graph without in-place operators, and where its layers are.
fn settle(lowered: &Graph) -> Result<(Graph, Vec<tap::Site>), ModelError> {
    attributes::check_statistics(lowered)?;
    let mut graph = out_of_place(lowered.clone())?;
    let sites = tap::sites(&mut graph);
    graph.validate()?;
    Ok((graph, sites))
}

/// The shape of every float tensor of the graph for an input of this size, and of the weights.
fn trace(graph: &Graph, weights: &Weights, shape: [u32; 4]) -> Result<Shapes, ModelError> {
    let stored = graph.weights.iter().filter_map(|(id, name)| Some((*id, weights.fact(name)?))).collect();
    let facts = shapes::trace(graph, &stored, shape, &mut MetaShapes::default())?;
    let floats = facts.into_iter().filter(|(id, fact)| fact.dtype == FLOAT || stored.contains_key(id));
    Ok(floats.map(|(id, fact)| (id, fact.shape())).collect())
}

mod kernels;
mod support;
#[cfg(test)]
mod tests;
