//! What lies outside of jobs: models, datasets and scores on disk, and the formats of pictures. It knows no job and no gRPC.

pub mod datasets;
pub mod index;
pub mod models;
pub mod near;
pub mod pictures;
pub mod references;
