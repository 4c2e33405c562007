//! The `.pt2` front end: from the archive that `torch.export.save` writes to the graph; knows no tensors' values.

mod lower;
mod schema;
mod signature;
mod stored;

use std::collections::{HashMap, HashSet};

pub use stored::{Dtype, StoredTensor};

use super::archive::Archive;
use super::error::ModelError;
use super::graph::Graph;
use super::input::InputShape;
use super::limits;

/// An exported program, lowered.
#[derive(Debug)]
pub struct Exported {
    /// As exported: in-place operators are still there.
    pub graph: Graph,
    /// What the export says about the image's size.
    pub input: InputShape,
    /// By the names in [`Graph::weights`].
    pub stored: HashMap<String, StoredTensor>,
    /// Paths of all modules of the network, those that compute nothing among them, as far as the file tells.
    pub modules: Vec<String>,
    /// Names of the weights that are no parameters: buffers and constants.
    pub buffers: HashSet<String>,
}

/// The schema's major version that this reader knows: torch 2.6 … 2.13 and, by the schema's promise, until the next breaking change.
const MAJOR: u64 = 8;

/// Reads the program in an archive.
///
/// # Errors
/// [`ModelError`] of every kind that a file can have.
pub fn read(archive: &Archive) -> Result<Exported, ModelError> {
    const MODEL: &str = "models/model.json";
    if !archive.contains(MODEL) {
        return Err(ModelError::archive(format!(
            "it has no `{MODEL}`, which torch.export.save writes since torch 2.8"
        )));
    }
    // An archive may hold several programs; which one is meant would be a guess.
    if archive.names().any(|name| name.starts_with("models/") && name != MODEL) {
        return Err(ModelError::archive(format!("it holds more programs than `{MODEL}`")));
    }
    check_text(archive, "archive_format", "pt2")?;
    check_text(archive, "byteorder", "little")?;
    let text = archive.read(MODEL, limits::GRAPH_BYTES)?;
    let version: schema::Version = parse(MODEL, &text)?;
    let schema::SchemaVersion { major, minor } = version.schema_version;
    if major != MAJOR {
        return Err(ModelError::Unsupported(format!(
            "the file has schema version {major}.{minor} (torch {}); this reader knows version {MAJOR}; \
             export the model again with torch 2.8 to 2.13",
            version.torch_version.escape_debug()
        )));
    }
    let program: schema::ExportedProgram = parse(MODEL, &text)?;
    let lowered = lower::lower(&program)?;
    let modules = modules(&program)?;
    let buffers = signature::buffers(&program);
    let stored = stored::read(archive)?;
    if let Some((_, name)) = lowered.graph.weights.iter().find(|(_, name)| !stored.contains_key(name)) {
        return Err(ModelError::format(format!("tensor `{name}` is in the graph, but not in the file")));
    }
    Ok(Exported { graph: lowered.graph, input: lowered.input, stored, modules, buffers })
}

/// The paths of all modules; their number and lengths keep to the caps.
fn modules(program: &schema::ExportedProgram) -> Result<Vec<String>, ModelError> {
    let modules = &program.graph_module.module_call_graph;
    limits::at_most("the number of modules", modules.len() as u64, limits::MODULES as u64)?;
    for module in modules {
        let length = module.fqn.len() as u64;
        limits::at_most("the length in bytes of a module's path", length, limits::NAME_BYTES as u64)?;
    }
    Ok(modules.iter().map(|module| module.fqn.clone()).collect())
}

/// A small entry that has one known content; torch.export.save writes it, so its absence is an error too.
fn check_text(archive: &Archive, entry: &str, expected: &str) -> Result<(), ModelError> {
    let found = archive.read(entry, limits::NAME_BYTES as u64)?;
    if found.trim_ascii() != expected.as_bytes() {
        let found = String::from_utf8_lossy(&found).escape_debug().to_string();
        return Err(ModelError::archive(format!("entry `{entry}` is `{found}`, not `{expected}`")));
    }
    Ok(())
}

/// serde_json refuses more than 128 levels of nesting, so that no file overflows the stack.
fn parse<'a, T: serde::Deserialize<'a>>(entry: &str, text: &'a [u8]) -> Result<T, ModelError> {
    serde_json::from_slice(text).map_err(|error| ModelError::format(format!("`{entry}`: {error}")))
}
