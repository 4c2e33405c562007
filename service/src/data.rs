//! What lies outside of jobs: models on disk, datasets of images, and the formats of pictures. It knows no job and no gRPC.

pub mod datasets;
pub mod models;
pub mod pictures;
pub mod references;
