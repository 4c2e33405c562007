//! The file's tensors as libtorch tensors: parameters, buffers and constants, without gradients, every float in float32. Knows no graph.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::archive::Archive;
use super::error::ModelError;
use super::limits::{self, at_most};
use super::passes::fold::Folding;
use super::pt2::{Dtype, StoredTensor};

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
        let mut storages = Storages { archive, flat: HashMap::new(), bytes: 0 };
        let mut known: HashMap<&str, Vec<(&StoredTensor, Tensor)>> = HashMap::new();
        for name in names {
            let source = stored.get(name).ok_or_else(|| {
                ModelError::format(format!("tensor `{name}` is in the graph, but not in the file"))
            })?;
            let known = known.entry(&source.entry).or_default();
            let tensor = match known.iter().find(|(other, _)| *other == source) {
                Some((_, tensor)) => tensor.shallow_clone(),
                None => storages.tensor(name, source)?,
            };
            known.push((source, tensor.shallow_clone()));
            tensors.insert(name.to_owned(), tensor);
        }
        Ok(Self { tensors })
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

    /// The shape of the tensor of this name.
    pub fn shape(&self, name: &str) -> Option<Vec<u64>> {
        self.tensors.get(name).map(|tensor| tensor.size().into_iter().map(i64::unsigned_abs).collect())
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

/// The entries that were read, each once for all tensors that are cut from it, so that small views of one large entry cannot
/// take many times its size.
struct Storages<'a> {
    archive: &'a mut Archive,
    /// By entry and type, all elements in one axis.
    flat: HashMap<(String, Dtype), Tensor>,
    /// Taken by everything so far, copies included.
    bytes: u64,
}

impl Storages<'_> {
    fn tensor(&mut self, name: &str, source: &StoredTensor) -> Result<Tensor, ModelError> {
        let flat = self.flat(name, source)?;
        // Every element lies within the entry: `check` in `flat`.
        let view = flat.f_as_strided(&source.sizes, &source.strides, source.offset)?;
        if !source.dtype.is_float() || (source.dtype == Dtype::F32 && view.dim() != 4) {
            return Ok(view);
        }
        self.count(source.elements().saturating_mul(Dtype::F32.bytes()))?;
        let floats = view.f_to_kind(Kind::Float)?;
        // Convolutions in the channels-last layout want their weights in it too; converting once saves it in every pass.
        if floats.dim() == 4 { channels_last(&floats) } else { Ok(floats) }
    }

    fn flat(&mut self, name: &str, source: &StoredTensor) -> Result<Tensor, ModelError> {
        let key = (source.entry.clone(), source.dtype);
        if let Some(flat) = self.flat.get(&key) {
            source.check(name, flat.numel() as u64 * source.dtype.bytes())?;
            return Ok(flat.shallow_clone());
        }
        let bytes = self.archive.read(&source.entry, limits::FILE_BYTES)?;
        source.check(name, bytes.len() as u64)?;
        self.count(bytes.len() as u64)?;
        let elements = bytes.len() as u64 / source.dtype.bytes();
        let length = i64::try_from(elements)
            .map_err(|_| ModelError::format(format!("tensor `{name}` is too long")))?;
        let whole = usize::try_from(elements * source.dtype.bytes()).unwrap_or(bytes.len());
        let flat = Tensor::f_from_data_size(&bytes[..whole], &[length], kind(source.dtype))?;
        self.flat.insert(key, flat.shallow_clone());
        Ok(flat)
    }

    fn count(&mut self, bytes: u64) -> Result<(), ModelError> {
        self.bytes = self.bytes.saturating_add(bytes);
        at_most("the size of all weights in bytes", self.bytes, limits::FILE_BYTES).map(|_| ())
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

fn kind(dtype: Dtype) -> Kind {
    match dtype {
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
    }
}

/// The same values in the memory layout `[n, h, w, c]`.
pub(super) fn channels_last(tensor: &Tensor) -> Result<Tensor, ModelError> {
    let rotated = tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    Ok(rotated.f_permute([0, 3, 1, 2])?)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// An archive of one entry, `model/data`, with the floats 0, 1, 2, …
    fn archive(floats: u16) -> Archive {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file("model/data", options).unwrap();
        (0..floats).for_each(|value| zip.write_all(&f32::from(value).to_le_bytes()).unwrap());
        Archive::new(zip.finish().unwrap().into_inner()).unwrap()
    }

    fn stored(sizes: &[i64], strides: &[i64], offset: i64) -> StoredTensor {
        let (sizes, strides) = (sizes.to_vec(), strides.to_vec());
        StoredTensor { entry: "data".to_owned(), dtype: Dtype::F32, sizes, strides, offset }
    }

    fn load(tensors: &[(&str, StoredTensor)]) -> Result<Weights, ModelError> {
        let stored = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        Weights::load(&mut archive(1000), &stored, tensors.iter().map(|(name, _)| *name))
    }

    #[test]
    fn views_of_one_entry_share_its_memory() {
        let weights = load(&[
            ("a", stored(&[1], &[1], 7)),
            ("b", stored(&[2, 3], &[1, 2], 10)),
            ("c", stored(&[1, 1, 1, 2], &[2, 2, 2, 1], 20)),
        ]);
        let weights = weights.unwrap();
        let (a, b) = (weights.on("a", Device::Cpu).unwrap(), weights.on("b", Device::Cpu).unwrap());
        assert_eq!(b.data_ptr() as usize - a.data_ptr() as usize, 3 * size_of::<f32>());
        let floats = |tensor: &Tensor| Vec::<f32>::try_from(tensor.contiguous().view([-1])).unwrap();
        assert_eq!(floats(&a), [7.0]);
        assert_eq!(floats(&b), [10.0, 12.0, 14.0, 11.0, 13.0, 15.0]);
        assert_eq!(floats(&weights.on("c", Device::Cpu).unwrap()), [20.0, 21.0]);
    }

    #[test]
    fn a_second_view_is_checked_as_the_first() {
        let error = load(&[("a", stored(&[1], &[1], 7)), ("b", stored(&[1], &[1], 1000))]).err().unwrap();
        assert!(error.to_string().contains("tensor `b` has 1 elements that take 4004 bytes"), "{error}");
    }
}
