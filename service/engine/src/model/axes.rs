//! What the axes of a graph's values count: images, units, rows, columns, tokens, followed from the image through the graph; knows no weights' values.

mod part;
mod walk;

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, ValueId};
use super::layers::Axis;
use part::{Part, Parts, What, grid, sole};

/// The order of a layer's tokens: first those that stand for no place of the image (class token, registers), then the patches, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGrid {
    /// Tokens before the patches.
    pub prefix: u64,
    /// Rows of patches.
    pub rows: u64,
    /// Columns of patches.
    pub columns: u64,
}

impl TokenGrid {
    /// How many tokens there are in all.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prefix.saturating_add(self.rows.saturating_mul(self.columns))
    }
}

/// The axes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The first is the batch axis.
    pub axes: Vec<Axis>,
    /// Of a sequence of tokens, where the graph tells.
    pub tokens: Option<TokenGrid>,
}

/// What is known of a graph's values for an input of one size.
pub struct AxisRoles {
    /// Values that depend on the image.
    seeing: HashSet<ValueId>,
    /// What each of their axes counts; what no operator's rule tells has none.
    parts: HashMap<ValueId, Vec<Parts>>,
}

impl AxisRoles {
    /// Walks the graph once. `shapes` are those of all tensors, weights included, at some input size.
    pub fn new(graph: &Graph, shapes: &HashMap<ValueId, Vec<u64>>) -> Self {
        let (seeing, parts) = walk::walk(graph, shapes);
        Self { seeing, parts }
    }

    /// The axes of a value of this shape in a pass of `batch` images; none where no image owns a part of it: it does not depend on the image, or its
    /// first axis counts something else (windows, queries and keys), were it by chance as long as the batch.
    pub fn layout(&self, value: ValueId, shape: &[u64], batch: u64) -> Option<Layout> {
        if shape.first() != Some(&batch) || !self.seeing.contains(&value) {
            return None;
        }
        let lost = Layout { axes: axes(shape.len(), None), tokens: None };
        let Some(parts) = self.parts.get(&value).filter(|parts| parts.len() == shape.len()) else {
            return Some(lost);
        };
        let has_batch = |parts: &Parts| parts.iter().any(|part| part.what == What::Batch);
        match parts.iter().position(has_batch) {
            // Of one image the batch axis may have got lost between others.
            None if parts[0].iter().all(|part| part.what == What::Other) => {}
            Some(0) if parts[0].iter().all(|part| part.what == What::Batch || part.size == 1) => {}
            _ => return None,
        }
        Some(named(parts))
    }

    /// The order of a layer's tokens at this size, where its axes are still `axes`.
    pub fn tokens(&self, value: ValueId, shape: &[u64], axes: &[Axis]) -> Option<TokenGrid> {
        let layout = self.layout(value, shape, *shape.first()?)?;
        layout.tokens.filter(|_| layout.axes == axes)
    }
}

/// Names the axes behind the batch.
fn named(parts: &[Parts]) -> Layout {
    let rank = parts.len();
    let channel = channel(parts);
    let mut found = axes(rank, channel);
    let channel = found.iter().position(|axis| *axis == Axis::Channel);
    let rest: Vec<usize> = (1..rank).filter(|&axis| Some(axis) != channel).collect();
    let holds = |axis: &usize, what: What| parts[*axis].iter().any(|part| part.what == what);
    let alone = |axis: &usize| {
        let shared =
            |what: What| holds(axis, what) && rest.iter().filter(|axis| holds(axis, what)).count() > 1;
        !shared(What::Row) && !shared(What::Column)
    };
    let roles: Vec<Option<Axis>> = rest.iter().map(|axis| role(&parts[*axis], alone(axis))).collect();
    // Where an axis is known, its neighbours are not guessed to be an image's rows or columns.
    if roles.iter().any(Option::is_some) {
        // Positions that were cut to pieces: the last axis of them counts those of a window.
        let pieces = rest.iter().rposition(|&axis| is_piece(&parts[axis]));
        for (place, (&axis, role)) in rest.iter().zip(&roles).enumerate() {
            found[axis] = match role {
                Some(Axis::Other) if Some(place) == pieces => Axis::Token,
                Some(role) => *role,
                None => Axis::Other,
            };
        }
    }
    let tokens = match rest[..] {
        [only] if found[only] == Axis::Token => grid(&parts[only]),
        _ => None,
    };
    Layout { axes: found, tokens }
}

/// The last axis that counts units alone, else the last that counts units among others.
fn channel(parts: &[Parts]) -> Option<usize> {
    let counts = |parts: &Parts| parts.iter().any(|part| part.what == What::Channel);
    let alone = |parts: &Parts| sole(parts) == Some(What::Channel);
    let last = |is: &dyn Fn(&Parts) -> bool| parts.iter().skip(1).rposition(is).map(|axis| axis + 1);
    last(&alone).or_else(|| last(&counts))
}

/// What an axis other than the batch and the channels counts; none where nothing is known of it. Rows and columns that reshapes cut to pieces are fewer rows
/// and columns, or patches, where no other axis counts within the pieces (it is `alone`): what was within is among the channels.
fn role(parts: &Parts, alone: bool) -> Option<Axis> {
    match parts.as_slice() {
        [] => None,
        all if grid(all).is_some() && (alone || all.iter().all(Part::is_whole)) => Some(Axis::Token),
        [part] => match part.what {
            What::Row if part.is_whole() || alone && part.spans() => Some(Axis::Height),
            What::Column if part.is_whole() || alone && part.spans() => Some(Axis::Width),
            What::Token => Some(Axis::Token),
            What::Other => None,
            _ => Some(Axis::Other),
        },
        _ => Some(Axis::Other),
    }
}

fn is_piece(parts: &Parts) -> bool {
    !parts.is_empty() && parts.iter().all(|part| matches!(part.what, What::Row | What::Column))
}

/// What the axes of a value are, by its rank and the position of its channel axis.
pub fn axes(rank: usize, channel: Option<usize>) -> Vec<Axis> {
    let channel = channel.filter(|&axis| axis > 0 && axis < rank).unwrap_or(if rank == 3 { 2 } else { 1 });
    let mut axes = vec![Axis::Other; rank];
    axes[0] = Axis::Batch;
    if rank == 1 {
        return axes;
    }
    axes[channel] = Axis::Channel;
    let mut rest = axes.iter_mut().filter(|axis| **axis == Axis::Other).rev();
    match rank {
        3 => rest.for_each(|axis| *axis = Axis::Token),
        4.. => {
            if let (Some(width), Some(height)) = (rest.next(), rest.next()) {
                (*width, *height) = (Axis::Width, Axis::Height);
            }
        }
        _ => {}
    }
    axes
}

#[cfg(test)]
mod tests;
