//! What the fuzz targets share: the readers that they call, a cap on memory, and mutations of JSON. It knows no libtorch.

pub mod memory;
#[cfg(feature = "libfuzzer")]
pub mod mutate;
pub mod readers;
