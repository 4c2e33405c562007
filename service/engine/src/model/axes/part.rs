//! What the elements along one axis of a tensor count, as a product of parts that reshapes split and join; knows no operator.

use std::collections::VecDeque;

use super::TokenGrid;

/// What a part counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Images.
    Batch,
    /// Units.
    Channel,
    /// Rows of the image.
    Row,
    /// Columns of the image.
    Column,
    /// Tokens: patches in rows and columns, behind so many others.
    Grid(TokenGrid),
    /// Tokens of which nothing more is known.
    Token,
    /// Not known.
    Other,
}

/// One factor of an axis: the digit of an index into `whole` elements that counts in steps of `step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub what: What,
    /// Elements of the axis that it was split from.
    whole: u64,
    /// Elements of that axis from one to the next.
    step: u64,
    pub size: u64,
}

/// The parts of one axis, outermost first; their sizes' product is the axis's. An axis of one element may have none.
pub(super) type Parts = Vec<Part>;

impl Part {
    pub fn whole(what: What, size: u64) -> Self {
        Self { what, whole: size, step: 1, size }
    }

    /// Whether nothing was split off.
    pub fn is_whole(&self) -> bool {
        self.size == self.whole
    }

    /// Whether it runs from the first to the last element of what it was split from, be it in steps.
    pub fn spans(&self) -> bool {
        self.step.checked_mul(self.size) == Some(self.whole)
    }

    /// Whether `inner` counts the elements between two of this part's.
    fn continues(&self, inner: &Self) -> bool {
        (self.what, self.whole) == (inner.what, inner.whole)
            && inner.step.checked_mul(inner.size) == Some(self.step)
    }
}

/// An axis that counts one thing alone.
pub(super) fn whole(what: What, size: u64) -> Parts {
    vec![Part::whole(what, size)]
}

/// Elements of an axis of these parts.
pub(super) fn size(parts: &[Part]) -> u64 {
    parts.iter().fold(1, |product, part| product.saturating_mul(part.size))
}

/// What all parts count, where they count the same.
pub(super) fn sole(parts: &[Part]) -> Option<What> {
    let first = parts.first()?.what;
    parts.iter().all(|part| part.what == first).then_some(first)
}

/// The grid of an axis of tokens: rows and columns of patches, whole or cut to patches evenly.
pub(super) fn grid(parts: &[Part]) -> Option<TokenGrid> {
    match parts {
        [Part { what: What::Grid(grid), .. }] => Some(*grid),
        [row, column]
            if (row.what, column.what) == (What::Row, What::Column) && row.spans() && column.spans() =>
        {
            Some(TokenGrid { prefix: 0, rows: row.size, columns: column.size })
        }
        _ => None,
    }
}

/// The axis of a grid.
pub(super) fn of_grid(grid: TokenGrid) -> Parts {
    match grid {
        TokenGrid { prefix: 0, rows, columns } => {
            vec![Part::whole(What::Row, rows), Part::whole(What::Column, columns)]
        }
        grid => whole(What::Grid(grid), grid.tokens()),
    }
}

/// The same axis with another number of elements.
pub(super) fn resized(parts: &[Part], to: u64) -> Parts {
    if size(parts) == to {
        return parts.to_vec();
    }
    match sole(parts) {
        Some(What::Grid(_)) => whole(What::Token, to),
        Some(what) => whole(what, to),
        None if grid(parts).is_some() => whole(What::Token, to),
        None => whole(What::Other, to),
    }
}

/// The same elements in the same order under the shape `to`; none where an axis of `to` ends within a part that it does not divide.
pub(super) fn regroup(from: &[Parts], to: &[u64]) -> Option<Vec<Parts>> {
    let mut rest: VecDeque<Part> = from.iter().flatten().copied().collect();
    let mut found = Vec::with_capacity(to.len());
    for &size in to {
        let (mut parts, mut room) = (Parts::new(), size);
        while let Some(part) = rest.front().copied() {
            // An axis of one element takes one part of one element: the batch is still told from what follows when there is one image.
            if room == 1 && (part.size > 1 || !parts.is_empty()) {
                break;
            }
            if part.size == 0 || room % part.size == 0 {
                rest.pop_front();
                room /= part.size.max(1);
                push(&mut parts, part);
            } else if part.size % room == 0 {
                let inner = part.size / room;
                push(&mut parts, Part { step: part.step.checked_mul(inner)?, size: room, ..part });
                rest[0] = Part { size: inner, ..part };
                room = 1;
            } else {
                return None;
            }
        }
        if room != 1 {
            return None;
        }
        found.push(parts);
    }
    rest.iter().all(|part| part.size == 1).then_some(found)
}

/// Adds a part, which joins the last one where both were split from each other.
fn push(parts: &mut Parts, part: Part) {
    match parts.last_mut() {
        Some(last) if last.continues(&part) => {
            *last = Part { step: part.step, size: last.size * part.size, ..part };
        }
        _ => parts.push(part),
    }
}
