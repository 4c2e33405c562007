//! Operators whose results read intervals of positions: convolution, pooling, padding, parts of an axis. `None`: not understood.

use super::call::Call;
use super::extent::{Extent, Run};
use super::rules::Ends;

/// Of as many axes as the weight has beyond its two of channels; the axis before them is mixed.
pub(super) fn convolution(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let kernel = call.shape("weight")?.get(2..)?;
    let first = ends.from.len().checked_sub(kernel.len())?;
    let Some(at) = run.axis.checked_sub(first) else {
        return Some(if run.axis + 1 == first { Extent::All } else { Extent::Along(run) });
    };
    let span = span(i64::try_from(*kernel.get(at)?).ok()?, call.at("dilation", at, 1)?)?;
    let before = match call.text("padding") {
        // Where the total is odd, the larger half comes after.
        Some("same") => (span - 1) / 2,
        Some(_) => 0,
        None => call.at("padding", at, 0)?,
    };
    run.window(span, call.at("stride", at, 1)?, before).map(Extent::Along)
}

/// Over the last axes, each channel for itself.
pub(super) fn pool(axes: usize, call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let first = ends.from.len().checked_sub(axes)?;
    let Some(at) = run.axis.checked_sub(first) else { return Some(Extent::Along(run)) };
    let kernel = call.at("kernel_size", at, 0)?;
    let span = span(kernel, call.at("dilation", at, 1)?)?;
    run.window(span, call.at("stride", at, kernel)?, call.at("padding", at, 0)?).map(Extent::Along)
}

/// Windows of equal size, where the sizes allow them; one window is everything.
pub(super) fn adaptive_pool(axes: usize, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    if run.axis < ends.from.len().checked_sub(axes)? {
        return Some(Extent::Along(run));
    }
    let (from, to) = (ends.from[run.axis], *ends.to.get(run.axis)?);
    if to == 1 {
        return Some(Extent::All);
    }
    if from.checked_rem(to)? != 0 {
        return None;
    }
    let window = i64::try_from(from / to).ok()?;
    run.window(window, window, 0).map(Extent::Along)
}

/// Squares of the last two axes move into the channels.
pub(super) fn unshuffle(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let factor = call.int("downscale_factor", 1)?;
    match ends.from.len().checked_sub(run.axis)? {
        1 | 2 => run.window(factor, factor, 0).map(Extent::Along),
        3 => None,
        _ => Some(Extent::Along(run)),
    }
}

/// Constants move the positions. Reflected, replicated and circular padding shows pixels that are not where the position is.
pub(super) fn pad(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    let list = call.ints(if call.has("pad") { "pad" } else { "padding" })?;
    // A pair for each axis, the last axis first.
    let pair = 2 * (ends.from.len() - 1 - run.axis);
    let at = |index: usize| list.get(index).copied().unwrap_or(0);
    let (before, after) = (at(pair), at(pair + 1));
    let constant = match call.name() {
        "pad" => matches!(call.text("mode"), None | Some("constant")),
        name => matches!(name, "constant_pad_nd" | "zero_pad2d"),
    };
    if (before, after) != (0, 0) && !constant {
        return None;
    }
    run.window(1, 1, before).map(Extent::Along)
}

/// `slice` and `narrow`.
pub(super) fn slice(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    if call.axis("dim", 0, ends.from.len())? != run.axis {
        return Some(Extent::Along(run));
    }
    let size = i64::try_from(ends.from[run.axis]).ok()?;
    let start = call.int("start", 0)?;
    let start = if start < 0 { start.saturating_add(size) } else { start }.clamp(0, size);
    run.window(1, call.int("step", 1)?, -start).map(Extent::Along)
}

/// One of the pieces into which an axis is cut.
pub(super) fn piece(call: &Call<'_>, ends: &Ends<'_>, run: Run) -> Option<Extent> {
    if call.axis("dim", 0, ends.from.len())? != run.axis {
        return Some(Extent::Along(run));
    }
    // Nothing is before the first.
    let before = ends.before?.get(run.axis).copied().unwrap_or(0);
    let before = i64::try_from(before).ok()?;
    run.window(1, 1, before.checked_neg()?).map(Extent::Along)
}

/// What a kernel reaches over.
fn span(kernel: i64, dilation: i64) -> Option<i64> {
    if kernel < 1 || dilation < 1 {
        return None;
    }
    kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
}
