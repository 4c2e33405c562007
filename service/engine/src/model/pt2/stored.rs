//! Where each stored tensor lies in the archive, and in which form; knows no graph.

use std::collections::HashMap;

use super::super::archive::Archive;
use super::super::error::ModelError;
use super::super::limits::{self, at_most};
use super::parse;
use super::schema::{Dimension, Payload, PayloadConfig};

/// A tensor of the file: raw little-endian elements, strided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoredTensor {
    /// The archive's entry; tensors may share one.
    pub entry: String,
    /// Element type.
    pub dtype: Dtype,
    /// Shape.
    pub sizes: Vec<i64>,
    /// In elements.
    pub strides: Vec<i64>,
    /// In elements.
    pub offset: i64,
}

/// Element types that a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// IEEE, 16 bits.
    F16,
    /// IEEE, 32 bits.
    F32,
    /// IEEE, 64 bits.
    F64,
    /// Truth value, one byte.
    Bool,
    /// Brain float.
    Bf16,
}

impl Dtype {
    /// From the number in the exported program's schema.
    pub fn from_schema(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::U8,
            2 => Self::I8,
            3 => Self::I16,
            4 => Self::I32,
            5 => Self::I64,
            6 => Self::F16,
            7 => Self::F32,
            8 => Self::F64,
            12 => Self::Bool,
            13 => Self::Bf16,
            _ => return None,
        })
    }

    /// libtorch's number (`c10::ScalarType`) of the type that the engine computes in: every float is a float32.
    pub fn scalar_type(self) -> i64 {
        match self {
            Self::U8 => 0,
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 => 3,
            Self::I64 => 4,
            Self::F16 | Self::F32 | Self::F64 | Self::Bf16 => 6,
            Self::Bool => 11,
        }
    }

    /// From libtorch's number.
    pub fn from_scalar_type(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 => Self::I64,
            5 => Self::F16,
            6 => Self::F32,
            7 => Self::F64,
            11 => Self::Bool,
            15 => Self::Bf16,
            _ => return None,
        })
    }

    /// Bytes per element.
    pub fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether an image can have this type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64 | Self::Bf16)
    }
}

impl StoredTensor {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size.unsigned_abs()))
    }

    /// Checks that every element lies within an entry of this length in bytes.
    ///
    /// # Errors
    /// [`ModelError::Format`].
    pub fn check(&self, name: &str, length: u64) -> Result<(), ModelError> {
        let wrong = |rule: &str| ModelError::format(format!("tensor `{name}` {rule}"));
        let mut last = u64::try_from(self.offset).map_err(|_| wrong("has a negative offset"))?;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides) {
            let (Ok(size), Ok(stride)) = (u64::try_from(size), u64::try_from(stride)) else {
                return Err(wrong("has a negative size or stride"));
            };
            last = size
                .saturating_sub(1)
                .checked_mul(stride)
                .and_then(|step| last.checked_add(step))
                .ok_or_else(|| wrong("has sizes or strides beyond 64 bits"))?;
        }
        // Broadcast strides (0) could make a huge tensor of a small entry once it is copied.
        let elements = self.elements();
        let needed = if elements == 0 {
            0
        } else {
            last.saturating_add(1).max(elements).saturating_mul(self.dtype.bytes())
        };
        if needed > length {
            return Err(wrong(&format!(
                "has {elements} elements that take {needed} bytes, but its entry has {length}"
            )));
        }
        Ok(())
    }
}

/// Both configs of the archive, merged; parameters and buffers come first, as in `torch.export.load`.
pub(super) fn read(archive: &Archive) -> Result<HashMap<String, StoredTensor>, ModelError> {
    let mut stored = HashMap::new();
    for (folder, config) in
        [("constants", "model_constants_config.json"), ("weights", "model_weights_config.json")]
    {
        let entry = format!("data/{folder}/{config}");
        if !archive.contains(&entry) {
            continue;
        }
        let text = archive.read(&entry, limits::GRAPH_BYTES)?;
        let config: PayloadConfig = parse(&entry, &text)?;
        at_most("the number of stored tensors", config.config.len() as u64, limits::ARCHIVE_ENTRIES as u64)?;
        for (name, payload) in config.config {
            // Objects that are no tensors stay unread: pickles are programs. A graph that needs one is refused.
            if let Some(tensor) = tensor(folder, &name, &payload)? {
                stored.insert(name, tensor);
            }
        }
    }
    Ok(stored)
}

fn tensor(folder: &str, name: &str, payload: &Payload) -> Result<Option<StoredTensor>, ModelError> {
    let Some(meta) = payload.tensor_meta.as_ref().filter(|_| !payload.use_pickle) else { return Ok(None) };
    let wrong = |rule: String| ModelError::format(format!("tensor `{name}` {rule}"));
    if payload.path_name.contains('/') {
        return Err(wrong("names an entry outside its folder".to_owned()));
    }
    let Some(dtype) = Dtype::from_schema(meta.dtype) else {
        return Err(ModelError::Unsupported(format!(
            "tensor `{name}` has element type {} of the export schema; store it as a float, an integer or a truth value",
            meta.dtype
        )));
    };
    let numbers = |dimensions: &[Dimension]| -> Option<Vec<i64>> {
        dimensions
            .iter()
            .map(|dimension| if let Dimension::AsInt(size) = dimension { Some(*size) } else { None })
            .collect()
    };
    let (Some(sizes), Some(strides)) = (numbers(&meta.sizes), numbers(&meta.strides)) else {
        return Err(wrong("has a symbolic size".to_owned()));
    };
    let offset = match meta.storage_offset {
        None => 0,
        Some(Dimension::AsInt(offset)) => offset,
        Some(Dimension::AsExpr { .. }) => return Err(wrong("has a symbolic offset".to_owned())),
    };
    if sizes.len() != strides.len() || sizes.len() > limits::RANK {
        return Err(wrong(format!(
            "has {} sizes and {} strides; at most {}, and equally many",
            sizes.len(),
            strides.len(),
            limits::RANK
        )));
    }
    Ok(Some(StoredTensor {
        entry: format!("data/{folder}/{}", payload.path_name),
        dtype,
        sizes,
        strides,
        offset,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[i64], strides: &[i64], offset: i64, length: u64, good: bool) {
        let tensor = StoredTensor {
            entry: String::new(),
            dtype: Dtype::F32,
            sizes: sizes.to_vec(),
            strides: strides.to_vec(),
            offset,
        };
        let result = tensor.check("w", length);
        assert_eq!(result.is_ok(), good, "{tensor:?} in {length} bytes: {result:?}");
    }

    #[test]
    fn every_element_lies_within_the_entry() {
        check(&[2, 3], &[3, 1], 0, 24, true);
        check(&[2, 3], &[1, 2], 0, 24, true);
        check(&[2, 3], &[3, 1], 0, 23, false);
        check(&[2, 3], &[3, 1], 1, 24, false);
        check(&[2, 3], &[3, 1], 1, 28, true);
        check(&[2, 3], &[4, 1], 0, 24, false);
        check(&[], &[], 0, 4, true);
        check(&[], &[], 0, 3, false);
        check(&[0, 5], &[5, 1], 0, 0, true);
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        check(&[-1], &[1], 0, 1 << 40, false);
        check(&[2], &[-1], 0, 1 << 40, false);
        check(&[2], &[1], -1, 1 << 40, false);
        check(&[i64::MAX, i64::MAX], &[i64::MAX, 1], 0, 1 << 40, false);
        check(&[1 << 40], &[0], 0, 4, false);
    }
}
