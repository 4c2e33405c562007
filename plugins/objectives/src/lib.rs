//! Unitscope's built-in objectives: `unit`, `channel`, `layer`, `negative`, `direction`, `class`, `target`, `compare`, `diversity`. Each
//! lives in a file of its own.

mod channel;
mod class;
mod compare;
mod cosine;
mod direction;
mod diversity;
mod gram;
mod layer;
mod negative;
mod pairs;
mod place;
mod position;
mod target;
mod unit;

unitscope_sdk::export! {
    id: "org.unitscope.objectives",
    version: env!("CARGO_PKG_VERSION"),
    vendor: "Unitscope",
    license: "Apache-2.0",
    terms: [
        unit::Unit,
        channel::Channel,
        layer::Layer,
        negative::Negative,
        direction::Direction,
        class::Class,
        target::Target,
        compare::Compare,
        diversity::Diversity,
    ],
}
