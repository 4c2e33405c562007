//! Unitscope's engine: models as graphs, plugins, and the optimization loop.
//!
//! It knows models, tensors, plugins and a seed; it knows no gRPC, no tokio, no clock, and no file but those it is given.

#[cfg(feature = "torch")]
pub mod device;
pub mod filters;
pub mod model;
#[cfg(feature = "torch")]
pub mod optimize;
pub mod plugin;
pub mod rank;
pub mod seed;
pub mod spec;
