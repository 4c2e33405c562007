//! The TorchScript front end: from the file that `torch.jit.save` writes to the graph. Knows no tensors' values.
//!
//! libtorch's own reader runs what a file asks it to run, so it works in a process of its own (`process`, `reader`), which gives back a description
//! of the program and never sees the weights. `interpret` follows that program at an input size; the weights are read from the archive like those of a `.pt2`.

pub mod document;
pub mod interpret;
#[cfg(feature = "torch")]
mod process;
#[cfg(feature = "torch")]
pub mod reader;
#[cfg(feature = "torch")]
mod script;

#[cfg(feature = "torch")]
pub use process::Reader;
#[cfg(feature = "torch")]
pub use script::{Script, is_script};
