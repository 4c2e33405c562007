//! Which real pictures drive a unit: from image files to scores and their order; knows no datasets, jobs or files on disk.

pub mod decode;
pub mod limits;
