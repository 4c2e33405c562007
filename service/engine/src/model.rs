//! Models: from a folder with `model.toml` and an exported program to layers that can be run; knows no images, objectives or jobs.

pub mod archive;
pub mod attributes;
pub mod axes;
mod caps;
pub mod convolution;
pub mod cost;
pub mod error;
pub mod graph;
pub mod growth;
pub mod input;
pub mod layers;
pub mod limits;
pub mod listing;
pub mod manifest;
pub mod names;
pub mod number;
pub mod operators;
pub mod passes;
pub mod pt2;
pub mod receptive;
pub mod shapes;
mod sizes;
#[cfg(test)]
mod testing;
pub mod torchscript;

#[cfg(feature = "torch")]
mod device;
#[cfg(feature = "torch")]
mod execute;
#[cfg(feature = "torch")]
mod loaded;
#[cfg(feature = "torch")]
mod shim;
#[cfg(feature = "torch")]
mod weights;

pub use axes::TokenGrid;
pub use convolution::Convolution;
pub use error::ModelError;
pub use input::{Extent, FixedInput, InputShape};
pub use layers::{Axis, LayerInfo, LayerShape, Unlisted};
pub use listing::{ActivationSide, ListedLayer, Listing};
pub use manifest::{ChannelOrder, Input, Manifest};
pub use passes::gradients::Gradients;
pub use passes::redirect::Reach;
pub use receptive::{ReceptiveField, Sight};

#[cfg(feature = "torch")]
pub use device::load_cuda;
#[cfg(feature = "torch")]
pub use execute::Program;
#[cfg(feature = "torch")]
pub use loaded::Model;
#[cfg(feature = "torch")]
pub use shim::gradients;
#[cfg(feature = "torch")]
pub use torchscript::Reader;
