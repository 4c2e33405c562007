//! Receptive fields: which pixels of the image a position of an activation can see, by geometry alone; knows no weights' values.
//!
//! Along each axis of the image an element sees an interval of pixels whose start moves evenly with the element's position: the recurrences of Araujo,
//! Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019 (<https://distill.pub/2019/computing-receptive-fields>), for
//! any graph. Where branches join, the interval around both is meant. Never less than the truth: a gate that reads the global mean (squeeze and
//! excitation) makes every position see the whole image, although most of what moves it is near.

pub(super) mod call;
pub(super) mod extent;
mod mixing;
pub(super) mod moving;
pub(super) mod rules;
mod windows;

use std::collections::HashMap;

use super::graph::{Graph, Node, Output, ValueId};
use super::layers::Axis;
use call::{Call, Numbers};
use extent::{Extent, Run};
use rules::{Ends, Rule, rule, through};

/// The pixels that one position sees. Rows first, then columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Pixels, without regard to the image's edges.
    pub size: [u64; 2],
    /// Pixels from one position's field to the next one's.
    pub stride: [u64; 2],
    /// The first pixel that position (0, 0) sees; negative where its field begins in the padding.
    pub start: [i64; 2],
}

/// How much of the image a layer's positions see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Each a rectangle of its own.
    Field(ReceptiveField),
    /// Each the whole image, as after global pooling, a linear layer over all positions, or attention.
    Whole,
    /// Geometry does not tell: an operator that is not understood, or positions that are not in rows and columns.
    Unknown,
}

impl ReceptiveField {
    /// What position (`row`, `column`) sees of an image of `height` × `width` px: `[top, left, bottom, right]`, the latter two exclusive. Within the
    /// image and never empty: a position that sees padding alone gets the nearest pixel.
    pub fn window(&self, row: u64, column: u64, height: u32, width: u32) -> [u32; 4] {
        let (top, bottom) = self.interval(0, row, height);
        let (left, right) = self.interval(1, column, width);
        [top, left, bottom, right]
    }

    fn interval(&self, axis: usize, position: u64, length: u32) -> (u32, u32) {
        let length = i128::from(length.max(1));
        // No product of two 64-bit numbers is beyond 128 bits.
        let start = i128::from(self.start[axis])
            .saturating_add_unsigned(u128::from(self.stride[axis]) * u128::from(position));
        let end = start.saturating_add_unsigned(u128::from(self.size[axis]));
        let start = start.clamp(0, length - 1);
        let end = end.clamp(start + 1, length);
        (u32::try_from(start).unwrap_or(0), u32::try_from(end).unwrap_or(u32::MAX))
    }
}

/// What every value of a graph sees, for an input of one size.
pub struct Geometry {
    /// Along the image's rows and columns, by [`ValueId`].
    seen: Vec<[Extent; 2]>,
}

impl Geometry {
    /// Walks the graph once. `shapes` are those of all tensors, weights included, at some input size; what has none is not understood.
    pub fn new(graph: &Graph, shapes: &HashMap<ValueId, Vec<u64>>) -> Self {
        let mut seen = vec![[Extent::Nothing; 2]; graph.values.len()];
        let pixel = |axis| Extent::Along(Run { axis, stride: 1, start: 0, size: 1 });
        if let Some(image) = seen.get_mut(graph.input.0) {
            *image = [pixel(2), pixel(3)];
        }
        let batch = shapes.get(&graph.input).and_then(|shape| shape.first()).copied().unwrap_or(1);
        let mut numbers = Numbers::new(shapes);
        for node in &graph.nodes {
            numbers.learn(node);
            walk(&Call { node, numbers: &numbers, batch }, &mut seen);
        }
        Self { seen }
    }

    /// What a position of this value sees, where `axes` are the value's.
    pub fn sight(&self, value: ValueId, axes: &[Axis]) -> Sight {
        match self.seen.get(value.0) {
            Some([Extent::All, Extent::All]) => Sight::Whole,
            Some([Extent::Along(rows), Extent::Along(columns)])
                if axes.get(rows.axis) == Some(&Axis::Height)
                    && axes.get(columns.axis) == Some(&Axis::Width) =>
            {
                let both = |number: fn(&Run) -> i64| [number(rows), number(columns)];
                Sight::Field(ReceptiveField {
                    size: both(|run| run.size).map(i64::unsigned_abs),
                    stride: both(|run| run.stride).map(i64::unsigned_abs),
                    start: both(|run| run.start),
                })
            }
            _ => Sight::Unknown,
        }
    }
}

/// What the results of one call see.
fn walk(call: &Call<'_>, seen: &mut [[Extent; 2]]) {
    let inputs = call.tensors();
    let sees: Vec<[Extent; 2]> =
        inputs.iter().map(|id| seen.get(id.0).copied().unwrap_or([Extent::Lost; 2])).collect();
    if sees.iter().flatten().all(|&extent| extent == Extent::Nothing) {
        return;
    }
    let extents = [0, 1].map(|axis| sees.iter().map(|sees| sees[axis]).collect::<Vec<_>>());
    let rule = rule(call);
    let mut before = Some(Vec::new());
    for id in tensors_made(call.node) {
        let to = call.numbers.shape(id);
        let result = [&extents[0], &extents[1]]
            .map(|extents| join(rule, call, &inputs, extents, to, before.as_deref()));
        before = add(before, to);
        if let Some(place) = seen.get_mut(id.0) {
            *place = result;
        }
    }
}

/// What a result of shape `to` sees through all tensors that the call reads, whose `extents` are those along one axis of the image.
fn join(
    rule: Rule,
    call: &Call<'_>,
    inputs: &[ValueId],
    extents: &[Extent],
    to: Option<&[u64]>,
    before: Option<&[u64]>,
) -> Extent {
    let seeing = extents.iter().filter(|&&extent| extent != Extent::Nothing).count();
    let one = |(input, (id, &extent)): (usize, (&ValueId, &Extent))| match (call.numbers.shape(*id), to) {
        (Some(from), Some(to)) => {
            let company = seeing > usize::from(extent != Extent::Nothing);
            through(rule, call, &Ends { input, company, from, to, before }, extent)
        }
        // Without shapes it is as good as an operator that is not understood.
        _ => through(
            Rule::Unknown,
            call,
            &Ends { input, company: false, from: &[], to: &[], before: None },
            extent,
        ),
    };
    inputs.iter().zip(extents).enumerate().map(one).fold(Extent::Nothing, Extent::join)
}

/// The tensors that a node makes, in the schema's order.
fn tensors_made(node: &Node) -> impl Iterator<Item = ValueId> + '_ {
    node.outputs
        .iter()
        .flat_map(|output| match output {
            Output::Tensor(id) => id.as_slice(),
            Output::Tensors(ids) => ids,
            Output::Number(_) => &[],
        })
        .copied()
}

/// Sizes along each axis, added up; `None` as soon as one is unknown.
fn add(before: Option<Vec<u64>>, shape: Option<&[u64]>) -> Option<Vec<u64>> {
    let (mut sum, shape) = (before?, shape?);
    sum.resize(shape.len(), 0);
    for (sum, size) in sum.iter_mut().zip(shape) {
        *sum = sum.saturating_add(*size);
    }
    Some(sum)
}

#[cfg(test)]
mod tests;
