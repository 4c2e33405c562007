//! Every cap on what a model file may ask for, with its reason; a model is data from outside.

use super::error::ModelError;

/// The whole file is read into memory once; the largest vision transformers in float32 have about 2.5 GB.
pub const FILE_BYTES: u64 = 8 << 30;
/// `model.toml` and the labels are text that people write; ImageNet-21k's labels take 1 MiB.
pub const TEXT_BYTES: u64 = 4 << 20;
/// Weights plus a handful of configs; ViT-L/16 has about 300 entries, the largest DenseNets about 1,000.
pub const ARCHIVE_ENTRIES: usize = 50_000;
/// `model.json` of ResNet-56 (about 200 nodes) takes 0.5 MB, parsed it takes ten times that.
pub const GRAPH_BYTES: u64 = 64 << 20;
/// Nodes of one graph: the largest vision networks have about 5,000.
pub const NODES: usize = 50_000;
/// Values of one graph: nodes have one or two, a split has as many as pieces.
pub const VALUES: usize = 1 << 20;
/// Views of views, which writes in place are followed through by recursion; attention over windows has about 10.
pub const VIEW_DEPTH: usize = 128;
/// Arguments and outputs of one node: `cat` in DenseNet-201 takes 48 tensors.
pub const ARGUMENTS: usize = 4_096;
/// Length of a name or module path: real ones stay below 200.
pub const NAME_BYTES: usize = 1_024;
/// Modules around one node.
pub const MODULE_DEPTH: usize = 128;
/// Modules of one network, those that compute nothing among them: the largest vision networks have about 5,000.
pub const MODULES: usize = 50_000;
/// Axes of a tensor; window attention reshapes to six.
pub const RANK: usize = 12;
/// A kernel, stride, padding, dilation or repeat count beyond any image's size.
pub const ATTRIBUTE: i64 = 65_536;
/// Elements of one tensor per image (1 GiB in float32): VGG's widest layer has 2^21.6 at 224 px and 2^26 at 1,024 px.
pub const ELEMENTS_PER_IMAGE: u64 = 1 << 28;
/// Elements alive at once per image (8 GiB in float32) while the graph runs without gradients.
pub const LIVE_ELEMENTS_PER_IMAGE: u64 = 1 << 31;
/// Length of the description of a TorchScript program; that of a traced Swin-T, with source lines, takes 1 MB.
pub const SCRIPT_BYTES: u64 = 256 << 20;
/// What the process that reads a TorchScript file may take beside the address space of its tensors; without any it takes about 125 MB.
pub const SCRIPT_MEMORY: u64 = 1 << 30;
/// How long it may take; real files take less than a second, and a busy machine is some times slower.
pub const SCRIPT_SECONDS: u64 = 20;
/// Instructions that a TorchScript program may run to give its graph; the largest vision networks run about 50,000.
pub const INSTRUCTIONS: usize = 2_000_000;
/// Length of a string of such a program: they are messages.
pub const SCRIPT_TEXT_BYTES: usize = 1 << 16;
/// Length of all strings that such a program makes on its way, and of the names of the modules around each call: 2,000 calls ten modules deep, with
/// names of 100 bytes, take 2 MB.
pub const SCRIPT_TEXTS_BYTES: usize = 64 << 20;
/// Calls and blocks within each other; each takes a few kilobytes of stack, and a thread has 2 MiB.
pub const CALL_DEPTH: usize = 128;
/// Items of all lists that a TorchScript program makes on its way; 40 bytes each.
pub const LIST_ITEMS: usize = 1 << 20;
/// Input sizes whose layer shapes are remembered per model; a listing asks for one, jobs for a few.
pub const REMEMBERED_SIZES: usize = 64;
/// Windows found by gradients that are remembered per model, of about 100 bytes each; a card asks for tens of positions of tens of units.
pub const REMEMBERED_WINDOWS: usize = 1 << 16;

/// `value` if it is at most `cap`.
///
/// # Errors
/// [`ModelError::TooLarge`] with both numbers.
pub fn at_most(what: impl Into<String>, value: u64, cap: u64) -> Result<u64, ModelError> {
    if value > cap {
        return Err(ModelError::TooLarge { what: what.into(), value, cap });
    }
    Ok(value)
}
