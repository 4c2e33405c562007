//! Operators whose results read all of an axis: statistics, reductions, products, attention. `None`: not understood.

use super::call::Call;
use super::extent::{Extent, Run};
use super::moving;
use super::rules::{Ends, Rule};

/// Whether the result reads all that an image has in this tensor, whatever its positions are. The first axis tells images apart only as long as it is
/// no longer than the batch: windows of positions may have moved there.
pub(super) fn mixes_all(rule: Rule, call: &Call<'_>, ends: &Ends<'_>) -> bool {
    let rank = ends.from.len();
    let last = match rule {
        Rule::Everything => return ends.from.first() == Some(&call.batch),
        Rule::LastAxes => call.ints("normalized_shape").map_or(0, |sizes| sizes.len()),
        Rule::Reduction if !call.has("dim") => rank,
        // With the channels, or without.
        Rule::Reduction => call
            .axes("dim", rank)
            .map_or(0, |axes| if (2..rank).all(|axis| axes.contains(&axis)) { rank } else { axes.len() }),
        Rule::AdaptivePool(axes) if ends.to.iter().rev().take(axes).all(|&size| size == 1) => axes + 1,
        // Tokens, for each image and head.
        Rule::Attention => 3,
        Rule::Product(added) if ends.company && ends.input >= added => 3,
        Rule::Linear | Rule::Product(_) | Rule::Along(_) => 1,
        _ => return false,
    };
    rank <= last.saturating_add(1) && ends.from.first() == Some(&call.batch)
}

/// Layer norm: statistics over the last axes.
pub(super) fn last_axes(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let kept = ends.from.len().checked_sub(call.ints("normalized_shape")?.len())?;
    Some(if run.axis < kept { Extent::Along(run) } else { Extent::All })
}

/// Softmax and its like.
pub(super) fn along(default: i64, call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let axis = call.axis("dim", default, ends.from.len())?;
    Some(if run.axis == axis { Extent::All } else { Extent::Along(run) })
}

/// Over the axes of `dim`, or all.
pub(super) fn reduction(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let axes = call.axes("dim", ends.from.len())?;
    if axes.is_empty() || axes.contains(&run.axis) {
        return Some(Extent::All);
    }
    if call.flag("keepdim") {
        return Some(Extent::Along(run));
    }
    let gone = axes.iter().filter(|&&axis| axis < run.axis).count();
    Some(Extent::Along(run.on(run.axis - gone)))
}

/// `addmm` and its like add one tensor; then come the factors. The left one loses its last axis, the right one the last but one.
pub(super) fn product(added: usize, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let rank = ends.from.len();
    if ends.input < added {
        return moving::broadcast(ends, run);
    }
    // Vectors have rules of their own.
    if rank < 2 || ends.to.len() < rank {
        return None;
    }
    let summed = if ends.input == added { rank - 1 } else { rank - 2 };
    if run.axis == summed { Some(Extent::All) } else { moving::broadcast(ends, run) }
}

/// Tokens are the last axis but one; the others before it stay apart.
pub(super) fn attention(ends: &Ends<'_>, run: Run) -> Option<Extent> {
    if run.axis + 2 >= ends.from.len() { Some(Extent::All) } else { moving::broadcast(ends, run) }
}
