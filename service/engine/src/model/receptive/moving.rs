//! Operators that move positions to other axes and change none of what they see. `None`: not understood.

use super::super::graph::Argument;
use super::call::Call;
use super::extent::{Extent, Run};
use super::rules::Ends;

/// Element by element: axes match from the last on. An axis of one element that is repeated no longer tells positions apart.
pub(super) fn broadcast(ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let axis = run.axis + ends.to.len().checked_sub(ends.from.len())?;
    (ends.from[run.axis] == *ends.to.get(axis)?).then_some(Extent::Along(run.on(axis)))
}

/// A new order of the axes.
pub(in crate::model) fn permutation(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let rank = ends.from.len();
    let swapped = |a: usize, b: usize| match run.axis {
        axis if axis == a => b,
        axis if axis == b => a,
        axis => axis,
    };
    let axis = match call.name() {
        "permute" => call.axes("dims", rank)?.iter().position(|&axis| axis == run.axis)?,
        "transpose" | "swapdims" => swapped(call.axis("dim0", 0, rank)?, call.axis("dim1", 0, rank)?),
        "swapaxes" => swapped(call.axis("axis0", 0, rank)?, call.axis("axis1", 0, rank)?),
        "numpy_T" => rank - 1 - run.axis,
        _ if rank < 2 => run.axis,
        _ => swapped(rank - 2, rank - 1),
    };
    Some(Extent::Along(run.on(axis)))
}

/// The axis lives on where there is one of its size with as many elements before it.
pub(super) fn reshape(ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let (from, to, axis) = (ends.from, ends.to, run.axis);
    let elements = |shape: &[u64]| shape.iter().copied().try_fold(1, u64::checked_mul);
    let (size, before) = (from[axis], elements(&from[..axis])?);
    if elements(from)? == 0 || elements(from) != elements(to) {
        return None;
    }
    let fits = |at: usize| to.get(at) == Some(&size) && to.get(..at).and_then(elements) == Some(before);
    // Axes of one element may fit in several places: the same from the front or from the back comes first.
    let back = (axis + to.len()).checked_sub(from.len());
    let axis = [Some(axis), back].into_iter().flatten().chain(0..to.len()).find(|&at| fits(at));
    match axis {
        Some(axis) => Some(Extent::Along(run.on(axis))),
        // The only position is gone with its axis; what it saw is the most that anything after it can see.
        None if size == 1 => Some(Extent::All),
        None => None,
    }
}

/// `select` and `unbind`: one axis goes.
pub(super) fn without_axis(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let gone = call.axis("dim", 0, ends.from.len())?;
    match run.axis {
        axis if axis == gone => None,
        axis => Some(Extent::Along(run.on(axis - usize::from(axis > gone)))),
    }
}

/// A new axis.
pub(super) fn stack(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let new = call.axis("dim", 0, ends.to.len())?;
    Some(Extent::Along(run.on(run.axis + usize::from(run.axis >= new))))
}

/// What happens along one axis leaves the others as they are.
pub(super) fn other_axis(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let rank = ends.from.len();
    (rank == ends.to.len() && call.axis("dim", 0, rank)? != run.axis).then_some(Extent::Along(run))
}

/// As [`other_axis`], for a list of axes, without which all positions move.
pub(super) fn reorder(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let axes = call.axes("dims", ends.from.len())?;
    (!axes.is_empty() && !axes.contains(&run.axis)).then_some(Extent::Along(run))
}

/// One list of indices for one axis, as where channels change their order.
pub(super) fn index(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let Some(Argument::OptionalTensors(indices)) = call.node.argument("indices") else { return None };
    let mut given = indices.iter().enumerate().filter(|(_, index)| index.is_some());
    let (Some((axis, _)), None) = (given.next(), given.next()) else { return None };
    (ends.from.len() == ends.to.len() && axis != run.axis).then_some(Extent::Along(run))
}
