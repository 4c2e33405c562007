//! From the archive's entries to tensors: each entry is read once, into memory that a tensor owns; knows no network.

use std::collections::{HashMap, HashSet};

use tch::{Device, Kind, Tensor};

use super::super::archive::Archive;
use super::super::error::ModelError;
use super::super::limits::{self, at_most};
use super::super::pt2::{Dtype, StoredTensor};
use super::channels_last;

/// Entries as they lie in the file, each in memory of its own.
pub struct Entries {
    storages: HashMap<String, Storage>,
    taken: Taken,
}

impl Entries {
    /// Reads the stored entries that `wanted` picks by their names. One pass over the file reads them, in its order.
    ///
    /// # Errors
    /// As [`super::Weights::load`].
    pub fn read(archive: &mut Archive, wanted: impl Fn(&str) -> bool) -> Result<Self, ModelError> {
        let sizes: HashMap<String, u64> = archive
            .names()
            .filter(|name| wanted(name))
            .filter_map(|name| archive.data_range(name).map(|data| (name.to_owned(), data.end - data.start)))
            .collect();
        let (mut storages, mut taken) = (HashMap::new(), Taken(0));
        let mut pass = archive.pass();
        while let Some(entry) = pass.advance()? {
            let Some((name, &size)) = sizes.get_key_value(entry) else { continue };
            taken.count(size)?;
            let mut storage = Storage::empty(size)?;
            pass.read(|chunk| storage.push(chunk))?;
            storages.insert(name.clone(), storage);
        }
        Ok(Self { storages, taken })
    }

    /// The tensors of these names, floats in float32, four axes of them in the channels-last layout. At most one entry is held beside what is made of it.
    ///
    /// # Errors
    /// As [`super::Weights::load`].
    pub(super) fn tensors<'a>(
        mut self,
        stored: &HashMap<String, StoredTensor>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<HashMap<String, Tensor>, ModelError> {
        let mut wanted: HashMap<&str, Vec<(&str, &StoredTensor)>> = HashMap::new();
        for name in names {
            let source = find(stored, name)?;
            wanted.entry(&source.entry).or_default().push((name, source));
        }
        // What nobody reads, such as heads for training, goes before anything is converted.
        self.storages.retain(|entry, _| wanted.contains_key(entry.as_str()));
        let mut tensors = HashMap::new();
        for (entry, sources) in wanted {
            let storage = self.storages.remove(entry).ok_or_else(|| lost(entry, sources[0].0))?;
            let mut known: Vec<(&StoredTensor, Tensor)> = Vec::new();
            for (name, source) in sources {
                source.check(name, storage.length as u64)?;
                let tensor = match known.iter().find(|(other, _)| *other == source) {
                    Some((_, tensor)) => tensor.shallow_clone(),
                    None => storage.tensor(source, &mut self.taken)?,
                };
                known.push((source, tensor.shallow_clone()));
                tensors.insert(name.to_owned(), tensor);
            }
        }
        Ok(tensors)
    }
}

/// As [`super::Weights::load`].
pub(super) fn load<'a>(
    archive: &mut Archive,
    stored: &HashMap<String, StoredTensor>,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Tensor>, ModelError> {
    let names: Vec<&str> = names.collect();
    let mut entries = HashSet::new();
    // Before anything is read: sizes that lie cost nothing.
    for name in &names {
        let source = find(stored, name)?;
        let data = archive.data_range(&source.entry).ok_or_else(|| lost(&source.entry, name))?;
        source.check(name, data.end - data.start)?;
        entries.insert(source.entry.as_str());
    }
    Entries::read(archive, |entry| entries.contains(entry))?.tensors(stored, names.into_iter())
}

fn find<'a>(stored: &'a HashMap<String, StoredTensor>, name: &str) -> Result<&'a StoredTensor, ModelError> {
    stored
        .get(name)
        .ok_or_else(|| ModelError::format(format!("tensor `{name}` is in the graph, but not in the file")))
}

fn lost(entry: &str, name: &str) -> ModelError {
    let entry = entry.escape_debug();
    ModelError::archive(format!("it has no entry `{entry}`, where tensor `{name}` should lie"))
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
