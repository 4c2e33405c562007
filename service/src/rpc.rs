//! The gRPC side: the only place that knows proto types.

pub mod from_proto;
pub mod handlers;
pub mod names;
pub mod serve;
pub mod status;
pub mod to_proto;
