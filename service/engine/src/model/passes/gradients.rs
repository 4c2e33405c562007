//! Gradients: what of a network's gradients is not its own, while its values are; knows no tensors.

use super::super::graph::Graph;
use super::redirect::{Reach, redirect};
use super::smooth::smooth;

/// How gradients go through a network. By default as PyTorch has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gradients {
    /// Activations that let gradients through where they are off.
    pub redirect: Option<Reach>,
    /// Max pools spread gradients over their windows.
    pub smooth_max_pools: bool,
}

impl Gradients {
    /// The graph whose gradients go so; it computes the same values.
    pub fn of(self, graph: Graph) -> Graph {
        let graph = if self.smooth_max_pools { smooth(graph) } else { graph };
        match self.redirect {
            Some(reach) => redirect(graph, reach),
            None => graph,
        }
    }
}
