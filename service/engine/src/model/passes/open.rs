//! Open: lets gradients through wherever they could pass for some image, so that what a value depends on can be read off them; knows no tensors.
//!
//! Activations that are off let gradients through (`redirect`), and maxima pass them to their whole windows (`smooth`), not to one position of many.

use super::super::graph::Graph;
use super::redirect::{Reach, redirect};
use super::smooth::smooth;

/// The graph with every such operator opened.
pub fn open(graph: Graph) -> Graph {
    redirect(smooth(graph), Reach::All)
}
