//! The caps on a run: what a step would make is refused before it is made; knows no tensors.

use super::error::ModelError;
use super::graph::Node;
use super::growth::{self, Known};
use super::limits::{self, at_most};
use super::operators::Growth;

/// The caps on a run at sizes that were not seen before.
pub struct Caps {
    pub batch: u64,
    pub live: u64,
}

impl Caps {
    pub fn check(&self, growth: Growth, known: &[(&str, Known)], node: &Node) -> Result<(), ModelError> {
        let elements = growth::bound(growth, known);
        at_most(
            format!("the number of elements that `{}` would make", node.operator),
            elements,
            self.batch.saturating_mul(limits::ELEMENTS_PER_IMAGE),
        )?;
        at_most(
            format!("the number of elements alive at `{}`", node.operator),
            self.live.saturating_add(elements),
            self.batch.saturating_mul(limits::LIVE_ELEMENTS_PER_IMAGE),
        )?;
        Ok(())
    }

    /// Counts what a step made, and what is dropped after it.
    pub fn settle(&mut self, made: u64, dropped: u64) {
        self.live = self.live.saturating_add(made).saturating_sub(dropped);
    }
}
