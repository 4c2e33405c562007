//! The file's tensors as libtorch tensors: parameters, buffers and constants, without gradients, every float in float32. Knows no graph.

mod storage;

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::archive::Archive;
use super::error::ModelError;
use super::passes::fold::Folding;
use super::pt2::StoredTensor;
use super::shapes::{self, Fact};

/// Tensors by the name that they are stored under. Tensors that the network shares are one tensor here.
pub struct Weights {
    tensors: HashMap<String, Tensor>,
}

// SAFETY: nobody gets more than a shared reference to these tensors, and no operator that a graph may call writes to its arguments: in-place
// operators are rewritten before a graph runs. Reading a tensor from several threads is sound (libtorch counts references atomically).
unsafe impl Sync for Weights {}

/// Tensors that a program holds, each at the place of its value.
pub struct Constants(Vec<Option<Tensor>>);

// SAFETY: as for `Weights`: what a program holds is read by its steps and written by nobody.
unsafe impl Sync for Constants {}

impl Constants {
    /// Holds these.
    pub fn new(tensors: Vec<Option<Tensor>>) -> Self {
        Self(tensors)
    }

    /// The tensor at a place.
    pub fn get(&self, place: usize) -> Option<&Tensor> {
        self.0.get(place)?.as_ref()
    }
}

impl Weights {
    /// Reads the tensors of these names, and the whole file with them: the archive knows its digest afterwards.
    ///
    /// # Errors
    /// [`ModelError::Format`] for sizes that lie, [`ModelError::Archive`] for broken entries, [`ModelError::TooLarge`],
    /// [`ModelError::Changed`] if the file was written to since it was opened.
    pub fn load<'a>(
        archive: &mut Archive,
        stored: &HashMap<String, StoredTensor>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ModelError> {
        Ok(Self { tensors: storage::load(archive, stored, names)? })
    }

    /// No tensors.
    #[cfg(test)]
    pub fn none() -> Self {
        Self { tensors: HashMap::new() }
    }

    /// The same tensors, and those that the foldings make.
    ///
    /// # Errors
    /// [`ModelError::Torch`] where sizes do not go together.
    pub fn folded(&self, foldings: &[Folding]) -> Result<Self, ModelError> {
        let shared = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let mut tensors: HashMap<String, Tensor> = shared.collect();
        for folding in foldings {
            let made = tch::no_grad(|| folded(&self.tensors, folding))?;
            tensors.extend(folding.made.iter().cloned().zip(made));
        }
        Ok(Self { tensors })
    }

    /// The shape and type of the tensor of this name.
    pub fn fact(&self, name: &str) -> Option<Fact> {
        self.tensors.get(name).map(shapes::fact)
    }

    /// The tensor of this name on a device, four axes in the channels-last layout.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if the device has no room.
    pub fn on(&self, name: &str, device: Device) -> Result<Tensor, ModelError> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| ModelError::format(format!("tensor `{name}` was not loaded")))?;
        if tensor.device() == device { Ok(tensor.shallow_clone()) } else { Ok(tensor.f_to_device(device)?) }
    }
}

/// The two tensors of a folding, in float32, computed in float64.
fn folded(tensors: &HashMap<String, Tensor>, folding: &Folding) -> Result<[Tensor; 2], ModelError> {
    let stored = |name: &String| {
        let tensor =
            tensors.get(name).ok_or_else(|| ModelError::format(format!("tensor `{name}` was not loaded")))?;
        Ok::<_, ModelError>(tensor.f_to_kind(Kind::Double)?)
    };
    let weight = stored(&folding.weight)?;
    let channels = weight.size().first().copied();
    let vectors = [
        folding.bias.as_ref(),
        folding.scale.as_ref(),
        folding.shift.as_ref(),
        Some(&folding.mean),
        Some(&folding.variance),
    ];
    for name in vectors.into_iter().flatten() {
        let size = tensors.get(name).map(Tensor::size).unwrap_or_default();
        if size.len() != 1 || size.first().copied() != channels {
            return Err(ModelError::format(format!(
                "tensor `{name}` of a batch norm has the shape {size:?}, but the layer before it has {channels:?} channels"
            )));
        }
    }
    let (mean, variance) = (stored(&folding.mean)?, stored(&folding.variance)?);
    let mut factor = variance.f_add_scalar(folding.epsilon)?.f_rsqrt()?;
    if let Some(scale) = &folding.scale {
        factor = factor.f_mul(&stored(scale)?)?;
    }
    let mut bias = mean.f_neg()?;
    if let Some(own) = &folding.bias {
        bias = bias.f_add(&stored(own)?)?;
    }
    bias = bias.f_mul(&factor)?;
    if let Some(shift) = &folding.shift {
        bias = bias.f_add(&stored(shift)?)?;
    }
    let mut by_channel = vec![1; weight.dim()];
    if let Some(first) = by_channel.first_mut() {
        *first = -1;
    }
    let weight = weight.f_mul(&factor.f_reshape(&by_channel)?)?.f_to_kind(Kind::Float)?;
    let weight = if weight.dim() == 4 { channels_last(&weight)? } else { weight };
    Ok([weight, bias.f_to_kind(Kind::Float)?])
}

/// The same values in the memory layout `[n, h, w, c]`.
pub(super) fn channels_last(tensor: &Tensor) -> Result<Tensor, ModelError> {
    let rotated = tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    Ok(rotated.f_permute([0, 3, 1, 2])?)
}
