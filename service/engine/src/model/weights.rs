//! The file's tensors as libtorch tensors: parameters, buffers and constants, without gradients, every float in float32. Knows no graph.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::archive::Archive;
use super::error::ModelError;
use super::limits::{self, at_most};
use super::pt2::{Dtype, StoredTensor};

/// Tensors by the name that they are stored under. Tensors that the network shares are one tensor here.
pub struct Weights {
    tensors: HashMap<String, Tensor>,
}

// SAFETY: nobody gets more than a shared reference to these tensors, and no operator that a graph may call writes to its arguments: in-place
// operators are rewritten before a graph runs. Reading a tensor from several threads is sound (libtorch counts references atomically).
unsafe impl Sync for Weights {}

impl Weights {
    /// Reads the tensors of these names.
    ///
    /// # Errors
    /// [`ModelError::Format`] for sizes that lie, [`ModelError::Archive`] for broken entries, [`ModelError::TooLarge`].
    pub fn load<'a>(
        archive: &mut Archive,
        stored: &HashMap<String, StoredTensor>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ModelError> {
        let mut tensors = HashMap::new();
        let mut shared: HashMap<String, Vec<(&StoredTensor, Tensor)>> = HashMap::new();
        let mut total = 0_u64;
        for name in names {
            let source = stored.get(name).ok_or_else(|| {
                ModelError::format(format!("tensor `{name}` is in the graph, but not in the file"))
            })?;
            let known = shared.entry(source.entry.clone()).or_default();
            if let Some((_, tensor)) = known.iter().find(|(other, _)| *other == source) {
                tensors.insert(name.to_owned(), tensor.shallow_clone());
                continue;
            }
            total = total.saturating_add(source.elements().saturating_mul(source.dtype.bytes()));
            at_most("the size of all weights in bytes", total, limits::FILE_BYTES)?;
            let bytes = archive.read(&source.entry, limits::FILE_BYTES)?;
            let tensor = tensor(name, source, &bytes)?;
            known.push((source, tensor.shallow_clone()));
            tensors.insert(name.to_owned(), tensor);
        }
        Ok(Self { tensors })
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

fn tensor(name: &str, source: &StoredTensor, bytes: &[u8]) -> Result<Tensor, ModelError> {
    source.check(name, bytes.len() as u64)?;
    let kind = match source.dtype {
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::Bool => Kind::Bool,
        Dtype::Bf16 => Kind::BFloat16,
    };
    let elements = bytes.len() as u64 / source.dtype.bytes();
    let length =
        i64::try_from(elements).map_err(|_| ModelError::format(format!("tensor `{name}` is too long")))?;
    let whole = usize::try_from(elements * source.dtype.bytes()).unwrap_or(bytes.len());
    let flat = Tensor::f_from_data_size(&bytes[..whole], &[length], kind)?;
    // Every element lies within the entry: `check` above.
    let tensor = flat.f_as_strided(&source.sizes, &source.strides, source.offset)?;
    let tensor = if source.dtype.is_float() { tensor.f_to_kind(Kind::Float)? } else { tensor };
    // Convolutions in the channels-last layout want their weights in it too; converting once saves it in every pass.
    if tensor.dim() == 4 && source.dtype.is_float() { channels_last(&tensor) } else { Ok(tensor) }
}

/// The same values in the memory layout `[n, h, w, c]`.
pub(super) fn channels_last(tensor: &Tensor) -> Result<Tensor, ModelError> {
    let rotated = tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    Ok(rotated.f_permute([0, 3, 1, 2])?)
}
