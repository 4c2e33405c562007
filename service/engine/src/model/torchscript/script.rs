//! A TorchScript file: its program, and where its tensors lie; knows no instruction.

use std::collections::{HashMap, HashSet};

use super::super::archive::Archive;
use super::super::error::ModelError;
use super::super::graph::Graph;
use super::super::input::{Extent, InputShape};
use super::super::limits::{self, at_most};
use super::super::pt2::{Dtype, Exported, StoredTensor};
use super::super::shapes::MetaShapes;
use super::document::Document;
use super::interpret::interpret;
use super::process::Reader;

/// A TorchScript program, which gives a graph for each input size.
#[derive(Debug)]
pub struct Script {
    document: Document,
    /// The archive's entry that each place in the file belongs to.
    entries: HashMap<u64, String>,
}

/// The graph of a program at one input size.
#[derive(Debug)]
pub struct Lowered {
    /// As recorded: in-place operators are still there.
    pub graph: Graph,
    /// By the names in [`Graph::weights`].
    pub stored: HashMap<String, StoredTensor>,
    /// Paths of the modules that run.
    pub modules: Vec<String>,
    /// Names of the weights that are no parameters.
    pub buffers: HashSet<String>,
}

/// Whether the archive is what `torch.jit.save` writes.
pub fn is_script(archive: &Archive) -> bool {
    archive.contains("constants.pkl") && archive.contains("data.pkl")
}

impl Script {
    /// Reads the program in an archive, in a process of its own.
    ///
    /// # Errors
    /// [`ModelError::Script`] and [`ModelError::Format`].
    pub fn read(archive: &Archive, reader: &Reader) -> Result<Self, ModelError> {
        let file = archive.file().ok_or_else(|| ModelError::archive("it is no file"))?;
        let file = file.try_clone().map_err(|error| ModelError::Script(error.to_string()))?;
        let json = reader.read(file)?;
        Self::parse(archive, &json)
    }

    /// The program at this size (height and width), with the batch sizes that it runs at.
    ///
    /// # Errors
    /// As [`Script::lower`].
    pub fn program(&self, channels: u32, [height, width]: [u32; 2]) -> Result<Exported, ModelError> {
        let one = self.lower([1, channels, height, width])?;
        // Where the way depends on the number of images, or two do not go at all, there is one at a time.
        let two = self.lower([2, channels, height, width]);
        let any = |symbol: &str| Extent::Dynamic { min: 1, max: u32::MAX, symbol: symbol.to_owned() };
        let batch = match two {
            Ok(two) if two.graph == one.graph => any("batch"),
            _ => Extent::Fixed(1),
        };
        let input =
            InputShape { name: "x".to_owned(), channels, batch, height: any("height"), width: any("width") };
        Ok(Exported {
            graph: one.graph,
            input,
            stored: one.stored,
            modules: one.modules,
            buffers: one.buffers,
        })
    }

    /// From the JSON that the reading process made of the archive's file.
    ///
    /// # Errors
    /// [`ModelError::Format`].
    pub fn parse(archive: &Archive, json: &[u8]) -> Result<Self, ModelError> {
        let document: Document = serde_json::from_slice(json)
            .map_err(|error| ModelError::format(format!("the program: {error}")))?;
        at_most(
            "the number of stored tensors",
            document.tensors.len() as u64,
            limits::ARCHIVE_ENTRIES as u64,
        )?;
        let entries = tensor_entries(archive)?.into_iter().map(|(name, range)| (range.start, name)).collect();
        Ok(Self { document, entries })
    }

    /// The graph at this input size, `[n, c, h, w]`.
    ///
    /// # Errors
    /// As [`interpret`]; [`ModelError::Unsupported`] for a tensor that is not stored as it is.
    pub fn lower(&self, image: [u32; 4]) -> Result<Lowered, ModelError> {
        let interpreted = interpret(&self.document, image, &mut MetaShapes::default())?;
        let stored =
            interpreted.weights.iter().map(|(name, index)| Ok((name.clone(), self.stored(name, *index)?)));
        Ok(Lowered {
            stored: stored.collect::<Result<_, ModelError>>()?,
            graph: interpreted.graph,
            modules: interpreted.ran.into_iter().collect(),
            buffers: interpreted.buffers,
        })
    }

    /// Where the bytes of a tensor lie.
    fn stored(&self, name: &str, index: usize) -> Result<StoredTensor, ModelError> {
        let tensor =
            self.document.tensors.get(index).ok_or_else(|| ModelError::format("there is no such tensor"))?;
        let dtype = Dtype::from_scalar_type(tensor.dtype).ok_or_else(|| {
            ModelError::Unsupported(format!(
                "tensor `{name}` has element type {} of libtorch; store it as a float, an integer or a truth value",
                tensor.dtype
            ))
        })?;
        if tensor.sizes.len() != tensor.strides.len() || tensor.sizes.len() > limits::RANK {
            return Err(ModelError::format(format!("tensor `{name}` has {} axes", tensor.sizes.len())));
        }
        let entry = tensor.place.and_then(|place| self.entries.get(&place)).ok_or_else(|| {
            ModelError::Unsupported(format!(
                "tensor `{name}` is not stored in the file, but computed while it is read; export the network with torch.export instead"
            ))
        })?;
        Ok(StoredTensor {
            entry: entry.clone(),
            dtype,
            sizes: tensor.sizes.clone(),
            strides: tensor.strides.clone(),
            offset: tensor.offset,
        })
    }
}

/// The entries that hold tensors, and where their bytes lie in the file.
pub(super) fn tensor_entries(archive: &Archive) -> Result<Vec<(String, std::ops::Range<u64>)>, ModelError> {
    let names: Vec<String> = archive
        .names()
        .filter(|name| {
            let number = name.strip_prefix("data/").or_else(|| name.strip_prefix("constants/"));
            number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map(str::to_owned)
        .collect();
    names
        .into_iter()
        .map(|name| {
            let range = archive.data_range(&name).ok_or_else(|| {
                ModelError::archive(format!(
                    "entry `{name}` is compressed or encrypted; entries must be stored as they are"
                ))
            })?;
            Ok((name, range))
        })
        .collect()
}
