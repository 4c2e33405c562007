//! The kernels of a model's convolutions, as numbers; knows no picture.

use tch::{Device, Kind, Tensor};

use super::super::convolution::Convolution;
use super::super::error::ModelError;
use super::super::execute::Program;
use super::super::graph::{Graph, ValueId};
use super::super::layers::Layer;
use super::super::names::{GUESSES, nearest};
use super::super::passes::cut::cut;
use super::{Model, Network};

impl Model {
    /// The two-dimensional convolution that makes a layer.
    ///
    /// # Errors
    /// As [`Model::layer`]; [`ModelError::NoConvolution`], which names the nearest ones: those inside the layer, or else those with similar names.
    pub fn convolution(&self, layer: &str) -> Result<Convolution, ModelError> {
        let (_, value) = self.network.layers.find(layer)?;
        let found = Convolution::making(layer, value, &self.network.graph, &self.network.shapes);
        found.ok_or_else(|| {
            let all: Vec<Convolution> = self.convolutions().collect();
            let paths = || all.iter().map(|convolution| convolution.layer.as_str());
            let inside = format!("{}.", layer.split(':').next().unwrap_or(layer));
            let near = nearest(layer, paths().filter(|path| path.starts_with(&inside)), GUESSES);
            ModelError::NoConvolution {
                layer: layer.to_owned(),
                operator: self.operator(value),
                near: if near.is_empty() { nearest(layer, paths(), GUESSES) } else { near },
            }
        })
    }

    /// The first layer that is a two-dimensional convolution.
    ///
    /// # Errors
    /// [`ModelError::NoConvolutions`].
    pub fn first_convolution(&self) -> Result<Convolution, ModelError> {
        let first = self.convolutions().next();
        first.ok_or_else(|| ModelError::NoConvolutions(self.name.clone()))
    }

    /// The weights of these filters of one of this model's convolutions, each [channels, height, width], row by row, as the file holds them or as the network
    /// computes them from that; batch norms are not folded into them.
    ///
    /// # Errors
    /// [`ModelError::Torch`] for a filter that the convolution lacks, [`ModelError::Run`] where the network cannot compute its weights.
    pub fn kernels(&self, convolution: &Convolution, filters: &[u32]) -> Result<Vec<Vec<f32>>, ModelError> {
        let weight = self.constant(convolution.weight)?;
        let kernel = |&filter: &u32| {
            let one = weight.f_select(0, i64::from(filter))?.f_to_kind(Kind::Float)?;
            Ok(Vec::try_from(one.f_contiguous()?.f_view([-1])?)?)
        };
        filters.iter().map(kernel).collect()
    }

    fn convolutions(&self) -> impl Iterator<Item = Convolution> + '_ {
        let Network { graph, layers, shapes, .. } = &*self.network;
        let made = |layer: &Layer| Convolution::making(&layer.info.path, layer.value, graph, shapes);
        layers.iter().filter_map(made)
    }

    /// What makes a value.
    fn operator(&self, value: ValueId) -> String {
        let node = self.network.graph.nodes.iter().find(|node| node.defines().any(|(id, _)| id == value));
        node.map_or_else(|| "input".to_owned(), |node| node.operator.to_string())
    }

    /// A stored tensor, or one that the network computes from stored ones, as networks do that standardize their weights.
    fn constant(&self, value: ValueId) -> Result<Tensor, ModelError> {
        let graph = cut(Graph { outputs: vec![value], ..(*self.network.graph).clone() });
        let program = Program::new(&graph, &self.weights, Device::Cpu)?;
        let input = &self.manifest.input;
        let shape = [*self.input.batches().start(), self.input.channels, input.height, input.width];
        let image = Tensor::f_zeros(shape.map(i64::from), (Kind::Float, Device::Cpu))?;
        let made = tch::no_grad(|| program.constants(&image))?.into_iter().next();
        made.ok_or_else(|| ModelError::format("the graph lost the kernels that it was cut to"))
    }
}
