//! Unitscope's built-in objectives: `unit`, `channel`, `layer`, `negative`, `diversity`. Each lives in a file of its own.

mod channel;
mod diversity;
mod gram;
mod layer;
mod negative;
mod pairs;
mod target;
mod unit;

unitscope_sdk::export! {
    id: "org.unitscope.objectives",
    version: env!("CARGO_PKG_VERSION"),
    vendor: "Unitscope",
    license: "Apache-2.0",
    terms: [unit::Unit, channel::Channel, layer::Layer, negative::Negative, diversity::Diversity],
}
