//! What lies outside of jobs: models and scores on disk, and the formats of pictures. It knows no job and no gRPC.

pub mod index;
pub mod models;
pub mod pictures;
pub mod references;
