//! What positions of a layer see of the image: by geometry, or by where gradients reach; knows no images.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::super::error::ModelError;
use super::super::execute::Program;
use super::super::layers::Axis;
use super::super::limits;
use super::super::passes::open::open;
use super::super::receptive::{Geometry, Sight};
use super::super::shim::gradients;
use super::{Model, Network};
use crate::seed::{Draws, Use};

/// Layer (`:pre` included), position, and the image's height and width.
pub(super) type Key = (String, [u64; 2], [u32; 2]);

/// Images of noise whose gradients are taken together: an activation whose slope is zero for one of them (GELU's tail, a saturated gate) hides
/// nothing that another shows.
const DRAWS: u32 = 3;

/// Gradients shrink with depth, the more so at a field's corners, which few paths reach; float32 has 2^-126 to spare below 1 and 2^127 above.
const SLOPE: f64 = (1_u64 << 40) as f64;

impl Model {
    /// How much of an image of `height` × `width` px each position of a layer can see, by geometry.
    ///
    /// # Errors
    /// As [`Model::shapes`].
    pub fn sight(&self, layer: &str, [height, width]: [u32; 2]) -> Result<Sight, ModelError> {
        let network = self.network([height, width])?;
        let (layer, value) = network.layers.find(layer)?;
        let manifest = &self.manifest.input;
        if [height, width] == [manifest.height, manifest.width] {
            return Ok(layer.info.sight);
        }
        Ok(Geometry::new(&network.graph, &network.shapes).sight(value, &layer.info.axes))
    }

    /// The window of one position: [`Model::receptive_windows`].
    ///
    /// # Errors
    /// As there.
    pub fn receptive_window(
        &self,
        layer: &str,
        position: [u64; 2],
        size: [u32; 2],
    ) -> Result<[u32; 4], ModelError> {
        Ok(self.receptive_windows(layer, &[position], size)?[0])
    }

    /// What these positions `[row, column]` of a layer can see of an image of `size` (height and width): `[top, left, bottom, right]` in pixels, the
    /// latter two exclusive, never empty. Of a layer of tokens the row is 0 and the column the token; of a layer without positions both are 0.
    ///
    /// Where geometry does not tell, it is the box around the pixels at which the gradient of the activation there is not zero, for a sum of all channels
    /// with random weights, on noise. Activations that are off and max pools let these gradients through (`passes/open`), so that the box is
    /// what the position can see, not what it sees of one image; still it is a lower bound, where geometry gives an upper one. A position that no pixel
    /// reaches (a class token before attention) gets the whole image. Found boxes are remembered.
    ///
    /// # Errors
    /// As [`Model::shapes`]; [`ModelError::Input`] for a position that the layer does not have; [`ModelError::Run`].
    pub fn receptive_windows(
        &self,
        layer: &str,
        positions: &[[u64; 2]],
        size: [u32; 2],
    ) -> Result<Vec<[u32; 4]>, ModelError> {
        let [height, width] = size;
        let network = self.network(size)?;
        let grid = network.grid(layer)?;
        if let Some([row, column]) =
            positions.iter().find(|at| at[0] >= grid.sizes[0] || at[1] >= grid.sizes[1])
        {
            let [rows, columns] = grid.sizes;
            return Err(ModelError::Input(format!(
                "layer `{layer}` has no position ({row}, {column}); it has {rows}×{columns} at {height}×{width} px, counted from 0"
            )));
        }
        match self.sight(layer, size)? {
            Sight::Field(field) => {
                Ok(positions.iter().map(|&[row, column]| field.window(row, column, height, width)).collect())
            }
            Sight::Whole => Ok(vec![[0, 0, height, width]; positions.len()]),
            Sight::Unknown => self.supports(layer, positions, size, &grid),
        }
    }

    /// The boxes around the gradients' support.
    pub(super) fn supports(
        &self,
        layer: &str,
        positions: &[[u64; 2]],
        size: [u32; 2],
        grid: &Grid,
    ) -> Result<Vec<[u32; 4]>, ModelError> {
        let key = |position: [u64; 2]| (layer.to_owned(), position, size);
        let mut known: HashMap<[u64; 2], [u32; 4]> = HashMap::new();
        if let Ok(supports) = self.supports.lock() {
            let found = positions.iter().filter_map(|&at| Some((at, *supports.get(&key(at))?)));
            known.extend(found);
        }
        let mut program = None;
        for &position in positions {
            if known.contains_key(&position) {
                continue;
            }
            if program.is_none() {
                let network = self.network(size)?;
                let graph = open(network.cut(&[layer.to_owned()])?);
                program = Some(self.prepared(graph, &network, Device::Cpu)?);
            }
            if let Some(program) = &program {
                let window = self.support(program, position, size, grid)?;
                known.insert(position, window);
                if let Ok(mut supports) = self.supports.lock()
                    && supports.len() < limits::REMEMBERED_WINDOWS
                {
                    supports.insert(key(position), window);
                }
            }
        }
        Ok(positions.iter().map(|at| known[at]).collect())
    }

    fn support(
        &self,
        program: &Program,
        position: [u64; 2],
        [height, width]: [u32; 2],
        grid: &Grid,
    ) -> Result<[u32; 4], ModelError> {
        let batches = self.input.batches();
        let batch = DRAWS.clamp(*batches.start(), *batches.end());
        let channels = self.input.channels;
        let mut reached = Tensor::f_zeros([i64::from(height), i64::from(width)], (Kind::Bool, Device::Cpu))?;
        for pass in 0..DRAWS.div_ceil(batch) {
            let mut draws = Draws::new(0, 0, pass, Use::Support);
            let shape = [batch, channels, height, width];
            let image = noise(&mut draws, &shape.map(i64::from))?.set_requires_grad(true);
            let output = program.run(&image)?.remove(0);
            let slope = grid.slope(&output, position, &mut draws)?;
            let found = gradients(&[output], &[image], &[slope])?.remove(0);
            if let Some(gradient) = found {
                // What is not finite is not zero either.
                let seen = gradient.f_ne(0.0)?.f_any_dims([0_i64, 1].as_slice(), false)?;
                reached = reached.f_logical_or(&seen)?;
            }
        }
        let ends = |axis: i64| -> Result<Option<[u32; 2]>, ModelError> {
            let seen = reached.f_any_dim(axis, false)?.f_nonzero()?.f_flatten(0, -1)?;
            let seen = Vec::<i64>::try_from(&seen)?;
            let pixel = |index: Option<&i64>| index.and_then(|&index| u32::try_from(index).ok());
            Ok(pixel(seen.first()).zip(pixel(seen.last())).map(|(first, last)| [first, last + 1]))
        };
        Ok(match (ends(1)?, ends(0)?) {
            (Some([top, bottom]), Some([left, right])) => [top, left, bottom, right],
            _ => [0, 0, height, width],
        })
    }
}

impl Network {
    /// The positions of a layer.
    pub(super) fn grid(&self, layer: &str) -> Result<Grid, ModelError> {
        let (found, value) = self.layers.find(layer)?;
        let axes = &found.info.axes;
        let shape = self.shapes.get(&value).filter(|shape| shape.len() == axes.len());
        let shape = shape
            .ok_or_else(|| ModelError::Input(format!("layer `{layer}` has another rank at this size")))?;
        let at = |kinds: &[Axis]| axes.iter().position(|axis| kinds.contains(axis));
        let axes = [at(&[Axis::Height]), at(&[Axis::Width, Axis::Token])];
        Ok(Grid { axes, sizes: axes.map(|axis| axis.map_or(1, |axis| shape[axis])) })
    }
}

/// Rows and columns of a layer; a sequence of tokens is one row.
pub(super) struct Grid {
    axes: [Option<usize>; 2],
    sizes: [u64; 2],
}

impl Grid {
    /// Random weights at one position of `output`, zero elsewhere.
    fn slope(&self, output: &Tensor, position: [u64; 2], draws: &mut Draws) -> Result<Tensor, ModelError> {
        let slope = output.f_zeros_like()?;
        let mut place = slope.shallow_clone();
        for (axis, index) in self.axes.iter().zip(position) {
            if let (Some(axis), Ok(index)) = (axis, i64::try_from(index)) {
                place = place.f_narrow(i64::try_from(*axis).unwrap_or(0), index, 1)?;
            }
        }
        let weights = noise(draws, &place.size())?;
        place.f_copy_(&weights.f_mul_scalar(SLOPE)?)?;
        Ok(slope)
    }
}

/// From the normal distribution.
fn noise(draws: &mut Draws, shape: &[i64]) -> Result<Tensor, ModelError> {
    let count = usize::try_from(shape.iter().product::<i64>()).unwrap_or(0);
    let values: Vec<f32> = (0..count).map(|_| draws.normal() as f32).collect();
    Ok(Tensor::f_from_slice(&values)?.f_reshape(shape)?)
}

#[cfg(test)]
mod tests;
