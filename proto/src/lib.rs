//! The gRPC API of Unitscope: generated code and its descriptors, nothing else.

/// Package `unitscope.v1`; the comments of `proto/unitscope/v1/*.proto` are its manual.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "it is generated; the proto files have the docs"
)]
pub mod v1 {
    tonic::include_proto!("unitscope.v1");
}

/// The encoded `FileDescriptorSet` of the API and what it imports, for reflection and for JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/unitscope.v1.bin"));
