//! A model that is ready to be asked about its layers and to be cut to programs; knows no spec and no job.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Mutex;

use tch::{Device, Kind, Tensor};

use super::archive::Archive;
use super::axes::AxisRoles;
use super::error::ModelError;
use super::execute::Program;
use super::graph::{Graph, ValueId};
use super::input::{FixedInput, InputShape};
use super::layers::{Axis, LayerInfo, LayerShape, Layers};
use super::limits;
use super::manifest::Manifest;
use super::passes::redirect::{Reach, redirect};
use super::passes::{cut::cut, fold::fold, out_of_place::out_of_place, tap};
use super::pt2;
use super::weights::Weights;

/// The shape of every float tensor of a graph and of its weights, the batch axis included.
type Shapes = HashMap<ValueId, Vec<u64>>;

/// A network with its weights on the CPU. Shared by `Arc`; every method may be called from any thread.
pub struct Model {
    name: String,
    manifest: Manifest,
    digest: String,
    input: InputShape,
    graph: Graph,
    weights: Weights,
    layers: Layers,
    infos: Vec<LayerInfo>,
    /// Shapes of all values at the input sizes that were asked for.
    shapes: Mutex<HashMap<(u32, u32), Shapes>>,
    /// What gradients found of positions whose field geometry does not tell.
    supports: Mutex<HashMap<support::Key, [u32; 4]>>,
}

impl Model {
    /// Reads `DIR/model.toml` and the files that it names. The model's name is the folder's. Runs the network once, on zeros of the manifest's size, to
    /// learn the layers' shapes.
    ///
    /// # Errors
    /// [`ModelError`] of every kind that a folder can have.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::load(folder)?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut archive = Archive::open(&folder.join(&manifest.file))?;
        let exported = pt2::read(&mut archive)?;
        let (input, channels) = (exported.input, manifest.input.channels.count());
        if input.channels != channels {
            return Err(ModelError::Input(format!(
                "the network takes {} channels, but `model.toml` gives {channels}; make `channels`, `mean` and `std` fit the network",
                input.channels
            )));
        }
        let mut graph = out_of_place(exported.graph)?;
        let sites = tap::sites(&mut graph);
        graph.validate()?;
        let names = graph.weights.iter().map(|(_, name)| name.as_str());
        let weights = Weights::load(&mut archive, &exported.stored, names)?;
        let (height, width) = (manifest.input.height, manifest.input.width);
        let batch = *input.batches().start();
        input.check(batch, height, width)?;
        let shapes = trace(&graph, &weights, [batch, channels, height, width])?;
        let layers = Layers::new(&name, &graph, &sites, &shapes, u64::from(batch));
        let infos = layers.iter().map(|layer| layer.info.clone()).collect();
        let digest = archive.digest().to_owned();
        let shapes = Mutex::new(HashMap::from([((height, width), shapes)]));
        let supports = Mutex::default();
        Ok(Self { name, manifest, digest, input, graph, weights, layers, infos, shapes, supports })
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `model.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// BLAKE3 of the model file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// All layers, in graph order, with their shapes at the manifest's input size and batch 1.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.infos
    }

    /// The layer that `path`, `path#1`, `path:pre` or `output` names.
    ///
    /// # Errors
    /// [`ModelError::UnknownLayer`], which names the nearest ones, [`ModelError::SeveralCalls`], [`ModelError::NoPreActivation`].
    pub fn layer(&self, path: &str) -> Result<&LayerInfo, ModelError> {
        self.layers.find(path).map(|(layer, _)| &layer.info)
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

    /// Shapes of these layers at another input size, without the batch axis: one forward of zeros on the CPU, remembered.
    ///
    /// # Errors
    /// As [`Model::layer`]; [`ModelError::Input`] where the export does not allow the size, [`ModelError::Run`] where the network does
    /// not fit it.
    pub fn shapes(&self, layers: &[String], height: u32, width: u32) -> Result<Vec<LayerShape>, ModelError> {
        let shapes = self.shapes_at(height, width)?;
        let roles = AxisRoles::new(&self.graph, &shapes);
        let batch = u64::from(*self.input.batches().start());
        layers
            .iter()
            .map(|path| {
                let (layer, value) = self.layers.find(path)?;
                let other =
                    || ModelError::Input(format!("layer `{path}` has other axes at {height}×{width} px"));
                let shape = shapes.get(&value).ok_or_else(other)?;
                let layout = roles.layout(value, shape, batch).ok_or_else(other)?;
                let axes = layer.info.axes.clone();
                if layout.axes.len() != axes.len() {
                    return Err(other());
                }
                let tokens = layout.tokens.filter(|_| layout.axes == axes);
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
        let shapes = self.shapes_at(height, width)?;
        let batch = u64::from(*self.input.batches().start());
        let graph = self.cut(layers)?;
        let made = graph.nodes.iter().flat_map(|node| node.defines()).filter_map(|(id, _)| shapes.get(&id));
        let product =
            |shape: &Vec<u64>| shape.iter().fold(1_u64, |product, &size| product.saturating_mul(size));
        Ok(made.map(product).fold(0, u64::saturating_add) / batch)
    }

    /// Shapes of all values at this size.
    fn shapes_at(&self, height: u32, width: u32) -> Result<Shapes, ModelError> {
        let batch = *self.input.batches().start();
        self.input.check(batch, height, width)?;
        let known = self.shapes.lock().ok().and_then(|shapes| shapes.get(&(height, width)).cloned());
        if let Some(shapes) = known {
            return Ok(shapes);
        }
        let shapes = trace(&self.graph, &self.weights, [batch, self.input.channels, height, width])?;
        if let Ok(mut all) = self.shapes.lock()
            && all.len() < limits::REMEMBERED_SIZES
        {
            all.insert((height, width), shapes.clone());
        }
        Ok(shapes)
    }

    /// The graph up to these layers.
    fn cut(&self, layers: &[String]) -> Result<Graph, ModelError> {
        let value = |path: &String| self.layers.find(path).map(|(_, value)| value);
        let outputs = layers.iter().map(value).collect::<Result<_, _>>()?;
        Ok(cut(Graph { outputs, ..self.graph.clone() }))
    }

    /// The network up to these layers, its weights on `device`, batch norms folded.
    ///
    /// # Errors
    /// As [`Model::layer`]; [`ModelError::Torch`] if the device has no room.
    pub fn program(&self, layers: &[String], device: Device) -> Result<Program, ModelError> {
        self.prepared(self.cut(layers)?, device)
    }

    /// The same network, which computes the same values, with a gradient of 1 through activations, off or not, as far as `reach` says.
    ///
    /// # Errors
    /// As [`Model::program`].
    pub fn redirected_program(
        &self,
        layers: &[String],
        reach: Reach,
        device: Device,
    ) -> Result<Program, ModelError> {
        self.prepared(redirect(self.cut(layers)?, reach), device)
    }

    /// The network for [`Program::watch`] alone, which shows these layers without keeping them. Batch norms are not folded: a convolution whose output is
    /// read cannot be, so that what a layer computes would depend, in its last bits, on which others are read beside it.
    ///
    /// # Errors
    /// As [`Model::program`].
    pub fn passing_program(&self, layers: &[String], device: Device) -> Result<Program, ModelError> {
        Program::passing(&self.cut(layers)?, &self.weights, device)
    }

    fn prepared(&self, graph: Graph, device: Device) -> Result<Program, ModelError> {
        let shapes = self.shapes_at(self.manifest.input.height, self.manifest.input.width)?;
        let (graph, foldings) = fold(graph, |id| shapes.get(&id).map(Vec::len));
        Program::new(&graph, &self.weights.folded(&foldings)?, device)
    }
}

/// The shape of every float tensor of the graph for an input of this size, and of the weights.
fn trace(graph: &Graph, weights: &Weights, shape: [u32; 4]) -> Result<Shapes, ModelError> {
    let program = Program::new(graph, weights, Device::Cpu)?;
    let input = Tensor::f_zeros(shape.map(i64::from), (Kind::Float, Device::Cpu))?;
    let traced = tch::no_grad(|| program.trace(&input))?;
    let made = traced
        .into_iter()
        .filter(|(_, (_, kind))| *kind == Kind::Float)
        .map(|(id, (shape, _))| (id, shape.into_iter().map(i64::unsigned_abs).collect()));
    let weights = graph.weights.iter().filter_map(|(id, name)| Some((*id, weights.shape(name)?)));
    Ok(made.chain(weights).collect())
}

mod support;
#[cfg(test)]
mod tests;
