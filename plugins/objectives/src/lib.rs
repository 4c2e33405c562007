//! Unitscope's built-in objectives: `unit`, `channel`, `layer`, `negative`, `direction`, `class`, `target`, `compare`, `guide`, `group`,
//! `interpolate`, `alignment`, `diversity`. Each lives in a file of its own.

mod alignment;
mod channel;
mod class;
mod compare;
mod cosine;
mod direction;
mod diversity;
mod gram;
mod group;
mod guide;
mod interpolate;
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
        guide::Guide,
        group::Group,
        interpolate::Interpolate,
        alignment::Alignment,
        diversity::Diversity,
    ],
}
