//! Which real pictures drive a unit: from image files to scores and their order; knows no datasets, jobs or files on disk.

pub mod decode;
pub mod limits;
#[cfg(feature = "torch")]
pub mod map;
#[cfg(feature = "torch")]
mod memory;
pub mod order;
pub mod reading;
pub mod reduce;
#[cfg(feature = "torch")]
pub mod score;
