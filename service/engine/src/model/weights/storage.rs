//! From the archive's entries to tensors: each entry is read once, into memory that a tensor owns; knows no network.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::super::archive::Archive;
use super::super::error::ModelError;
use super::super::limits::{self, at_most};
use super::super::pt2::{Dtype, StoredTensor};
use super::channels_last;

/// The tensors of these names, floats in float32, four axes of them in the channels-last layout. One pass over the file reads them, in
/// its order, so that at most one entry is held beside what is made of it.
///
/// # Errors
/// As [`super::Weights::load`].
pub(super) fn load<'a>(
    archive: &mut Archive,
    stored: &HashMap<String, StoredTensor>,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Tensor>, ModelError> {
    let mut wanted: HashMap<&str, Vec<(&str, &StoredTensor)>> = HashMap::new();
    let mut sizes: HashMap<&str, u64> = HashMap::new();
    for name in names {
        let source = stored.get(name).ok_or_else(|| {
            ModelError::format(format!("tensor `{name}` is in the graph, but not in the file"))
        })?;
        let data = archive.data_range(&source.entry).ok_or_else(|| {
            let entry = source.entry.escape_debug();
            ModelError::archive(format!("it has no entry `{entry}`, where tensor `{name}` should lie"))
        })?;
        source.check(name, data.end - data.start)?;
        sizes.insert(&source.entry, data.end - data.start);
        wanted.entry(&source.entry).or_default().push((name, source));
    }
    let mut tensors = HashMap::new();
    let mut taken = Taken(0);
    let mut pass = archive.pass();
    while let Some(entry) = pass.advance()? {
        let Some((entry, sources)) = wanted.remove_entry(entry) else { continue };
        taken.count(sizes[entry])?;
        let mut storage = Storage::empty(sizes[entry])?;
        pass.read(|chunk| storage.push(chunk))?;
        let mut known: Vec<(&StoredTensor, Tensor)> = Vec::new();
        for (name, source) in sources {
            let tensor = match known.iter().find(|(other, _)| *other == source) {
                Some((_, tensor)) => tensor.shallow_clone(),
                None => storage.tensor(source, &mut taken)?,
            };
            known.push((source, tensor.shallow_clone()));
            tensors.insert(name.to_owned(), tensor);
        }
    }
    Ok(tensors)
}

/// Bytes that everything has taken so far, copies included: small views of one large entry cannot take many times its size.
struct Taken(u64);

impl Taken {
    fn count(&mut self, bytes: u64) -> Result<(), ModelError> {
        self.0 = self.0.saturating_add(bytes);
        at_most("the size of all weights in bytes", self.0, limits::FILE_BYTES).map(|_| ())
    }
}

/// An entry, read once for all tensors that are cut from it.
struct Storage {
    /// `[length]`, u8, in memory of its own.
    bytes: Tensor,
    length: usize,
    /// Bytes that are there.
    filled: usize,
}

impl Storage {
    /// Room for this many bytes.
    fn empty(length: u64) -> Result<Self, ModelError> {
        let too_long =
            |_| ModelError::format(format!("an entry has {length} bytes, beyond this machine's sizes"));
        let axis = i64::try_from(length).map_err(too_long)?;
        let bytes = Tensor::f_empty([axis], (Kind::Uint8, Device::Cpu))?;
        Ok(Self { bytes, length: usize::try_from(length).map_err(too_long)?, filled: 0 })
    }

    /// Appends; what has no room is left out.
    fn push(&mut self, chunk: &[u8]) {
        let count = chunk.len().min(self.length - self.filled);
        // SAFETY: `bytes` is a contiguous tensor of `length` bytes on the CPU (`f_empty`) that nothing else refers to before `tensor` is
        // called; `filled + count` is at most `length`, and a chunk of the file lies elsewhere.
        unsafe {
            let place = self.bytes.data_ptr().cast::<u8>().add(self.filled);
            std::ptr::copy_nonoverlapping(chunk.as_ptr(), place, count);
        }
        self.filled += count;
    }

    /// The stored elements as the engine computes with them: in place where it can, or converted.
    fn tensor(&self, source: &StoredTensor, taken: &mut Taken) -> Result<Tensor, ModelError> {
        let whole = self.bytes.size1()? / source.dtype.bytes() as i64 * source.dtype.bytes() as i64;
        let elements = self.bytes.f_narrow(0, 0, whole)?.f_view_dtype(kind(source.dtype))?;
        // Every element lies within the entry: `StoredTensor::check`.
        let view = elements.f_as_strided(&source.sizes, &source.strides, source.offset)?;
        match source.dtype {
            Dtype::Bool => {
                taken.count(source.elements())?;
                Ok(view.f_ne(0)?)
            }
            Dtype::F32 if view.dim() != 4 => Ok(view),
            dtype if dtype.is_float() => {
                taken.count(source.elements().saturating_mul(Dtype::F32.bytes()))?;
                let floats = view.f_to_kind(Kind::Float)?;
                // Convolutions in the channels-last layout want their weights in it too; converting once saves it in every pass.
                if floats.dim() == 4 { channels_last(&floats) } else { Ok(floats) }
            }
            _ => Ok(view),
        }
    }
}

/// How libtorch calls the elements of a file.
fn kind(dtype: Dtype) -> Kind {
    match dtype {
        // A truth value in a file is any byte; operators rely on 0 and 1.
        Dtype::U8 | Dtype::Bool => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::Bf16 => Kind::BFloat16,
    }
}

#[cfg(test)]
mod tests;
