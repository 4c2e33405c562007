//! How large a call's result can get, from its arguments' sizes alone, so that it can be refused before it is computed; knows no tensors.

use super::operators::Growth;

/// What is known of an argument before the call.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// A tensor's shape.
    Shape(Vec<u64>),
    /// The shapes of a list of tensors.
    Shapes(Vec<Vec<u64>>),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Integers.
    Ints(Vec<i64>),
    /// Floats.
    Floats(Vec<f64>),
    /// A string.
    Text(String),
    /// Nothing that matters here.
    Other,
}

/// An upper bound on the elements of the largest tensor that a call makes, workspace of the size of its result included.
pub fn bound(growth: Growth, arguments: &[(&str, Known)]) -> u64 {
    let call = Call { arguments };
    let shapes = call.shapes();
    let first: &[u64] = shapes.first().copied().unwrap_or(&[]);
    match growth {
        Growth::Same => product(first),
        Growth::Broadcast => product(&broadcast(&shapes)),
        Growth::Largest => shapes.iter().map(|shape| product(shape)).max().unwrap_or(1),
        Growth::Sum => shapes.iter().fold(0, |sum, shape| sum.saturating_add(product(shape))),
        Growth::Product => match shapes.as_slice() {
            // `addmm` and its kin add a tensor that comes first and is not larger than the product.
            [.., a, b] => rows_by_columns(a, b),
            _ => product(first),
        },
        Growth::Linear => {
            let weight = call.shape("weight");
            let columns = weight.first().copied().unwrap_or(1);
            leading(first, 1).saturating_mul(if weight.len() < 2 { 1 } else { columns })
        }
        Growth::Attention => attention(&shapes),
        Growth::Convolution => call.convolution(first, false),
        Growth::TransposedConvolution => call.convolution(first, true),
        Growth::Pool => {
            let padding = call.ints("padding");
            let axes = if padding.len() > 1 { padding.len() } else { first.len().saturating_sub(2) };
            grown(first, axes, |axis, size| {
                let pad =
                    if padding.len() == 1 { padding[0] } else { padding.get(axis).copied().unwrap_or(0) };
                size.saturating_add(pad.unsigned_abs().saturating_mul(2))
            })
        }
        Growth::Pad => {
            let pad = call.ints(if call.find("pad").is_some() { "pad" } else { "padding" });
            let axes = pad.len().div_ceil(2);
            grown(first, axes, |axis, size| {
                let at = 2 * (axes - 1 - axis);
                let sum = |index: usize| pad.get(index).copied().unwrap_or(0).max(0).unsigned_abs();
                size.saturating_add(sum(at)).saturating_add(sum(at + 1))
            })
        }
        Growth::Sizes => call.sizes(first).unwrap_or_else(|| product(first)),
        Growth::Resize => call.resized(first),
        Growth::Repeat => {
            let factors = ["repeats", "dims"].map(|name| call.ints(name)).concat();
            product(first).saturating_mul(product_of(&factors))
        }
        Growth::Range => call.range(),
        Growth::Pieces => product(first).max(call.pieces(first).saturating_mul(PIECE)),
        Growth::Windows => {
            let window = product_of(&["kernel_size", "size"].map(|name| call.ints(name)).concat());
            let padding = call.ints("padding").iter().map(|pad| pad.unsigned_abs()).max().unwrap_or(0);
            grown(first, 2, |_, size| size.saturating_add(padding.saturating_mul(2))).saturating_mul(window)
        }
        Growth::Lookup => shapes.iter().fold(1, |sum: u64, shape| sum.saturating_mul(product(shape).max(1))),
        Growth::Grid => match shapes.as_slice() {
            [input, grid, ..] => product(grid).saturating_mul(input.get(1).copied().unwrap_or(1)),
            _ => product(first),
        },
        Growth::Einsum => call.einsum(&shapes),
    }
}

/// A piece of a split tensor costs about 400 bytes of its own, whatever it holds: as many as so many elements.
const PIECE: u64 = 100;

struct Call<'a> {
    arguments: &'a [(&'a str, Known)],
}

impl Call<'_> {
    fn find(&self, name: &str) -> Option<&Known> {
        self.arguments.iter().find(|(given, _)| *given == name).map(|(_, known)| known)
    }

    /// The shapes of all tensors, lists flattened, in the order of the arguments.
    fn shapes(&self) -> Vec<&[u64]> {
        self.arguments
            .iter()
            .flat_map(|(_, known)| match known {
                Known::Shape(shape) => vec![shape.as_slice()],
                Known::Shapes(shapes) => shapes.iter().map(Vec::as_slice).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    fn shape(&self, name: &str) -> &[u64] {
        match self.find(name) {
            Some(Known::Shape(shape)) => shape,
            _ => &[],
        }
    }

    fn ints(&self, name: &str) -> Vec<i64> {
        match self.find(name) {
            Some(Known::Ints(values)) => values.clone(),
            Some(Known::Int(value)) => vec![*value],
            Some(Known::Float(value)) => vec![*value as i64],
            _ => Vec::new(),
        }
    }

    fn float(&self, name: &str, default: f64) -> f64 {
        match self.find(name) {
            Some(Known::Int(value)) => *value as f64,
            Some(Known::Float(value)) => *value,
            _ => default,
        }
    }

    fn convolution(&self, input: &[u64], transposed: bool) -> u64 {
        let weight = self.shape("weight");
        let axes = weight.len().saturating_sub(2);
        let at = |name: &str, axis: usize, default: i64| {
            let values = self.ints(name);
            if values.len() == 1 { values[0] } else { values.get(axis).copied().unwrap_or(default) }
                .unsigned_abs()
        };
        let spatial =
            grown(input.get(input.len().saturating_sub(axes)..).unwrap_or(&[]), axes, |axis, size| {
                let window = weight[2 + axis]
                    .saturating_sub(1)
                    .saturating_mul(at("dilation", axis, 1))
                    .saturating_add(1);
                let (stride, padding) = (at("stride", axis, 1).max(1), at("padding", axis, 0));
                if transposed {
                    return size.saturating_mul(stride).saturating_add(window).saturating_add(at(
                        "output_padding",
                        axis,
                        0,
                    ));
                }
                if let Some(Known::Text(_)) = self.find("padding") {
                    return size;
                }
                (size.saturating_add(padding.saturating_mul(2)).saturating_sub(window) / stride)
                    .saturating_add(1)
            });
        let channels = match (transposed, weight.first(), weight.get(1)) {
            (false, Some(channels), _) => *channels,
            (true, _, Some(channels)) => {
                channels.saturating_mul(self.ints("groups").first().map_or(1, |groups| groups.unsigned_abs()))
            }
            _ => 1,
        };
        leading(input, axes + 1).saturating_mul(channels).saturating_mul(spatial).max(product(input))
    }

    /// The tensor's leading axes, the last ones replaced by a list of sizes.
    fn sizes(&self, shape: &[u64]) -> Option<u64> {
        let list =
            ["size", "output_size"].iter().map(|name| self.ints(name)).find(|list| !list.is_empty())?;
        let kept = shape.len().saturating_sub(list.len());
        let replaced = list.iter().enumerate().fold(1_u64, |sum, (axis, &size)| {
            // Negative: the tensor's own size.
            let own = shape.get(kept + axis).copied().unwrap_or(1);
            sum.saturating_mul(u64::try_from(size).unwrap_or(own))
        });
        Some(product(&shape[..kept]).saturating_mul(replaced))
    }

    fn resized(&self, shape: &[u64]) -> u64 {
        if let Some(elements) = self.sizes(shape) {
            return elements;
        }
        let scale = match self.find("scale_factors") {
            Some(Known::Floats(factors)) => factors.iter().map(|factor| factor.abs().max(1.0)).product(),
            _ => 1.0,
        };
        // Saturates; rounding up allows for the rounding of each axis.
        (product(shape) as f64 * scale).ceil() as u64
    }

    /// Steps may be fractions, and so may ends.
    fn range(&self) -> u64 {
        let distance = (self.float("end", 0.0) - self.float("start", 0.0)).abs();
        let length = (distance / self.float("step", 1.0).abs()).ceil();
        // Neither 0 / 0 nor infinity has a length.
        let length = if length.is_nan() { u64::MAX } else { length as u64 };
        let steps = self.ints("steps").first().map_or(0, |steps| steps.unsigned_abs());
        length.max(steps).saturating_add(1)
    }

    /// How many tensors a split makes of `shape`.
    fn pieces(&self, shape: &[u64]) -> u64 {
        let axis = self.ints("dim").first().copied().unwrap_or(0);
        let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
        let size = usize::try_from(axis).ok().and_then(|axis| shape.get(axis)).copied().unwrap_or(1);
        match (self.find("split_size"), self.find("chunks"), self.find("sections"), self.find("indices")) {
            (Some(Known::Int(each)), ..) => size.div_ceil(each.unsigned_abs().max(1)),
            (_, Some(Known::Int(count)), ..) | (_, _, Some(Known::Int(count)), _) => count.unsigned_abs(),
            (.., Some(Known::Ints(indices))) => indices.len() as u64 + 1,
            (Some(Known::Ints(sizes)), ..) => sizes.len() as u64,
            // Into lists of sizes, which `split_sizes` bounds, or one piece for each place.
            _ => size,
        }
    }

    /// Only plain letters; the dots of `...` stand for all axes of all tensors.
    fn einsum(&self, shapes: &[&[u64]]) -> u64 {
        let Some(Known::Text(equation)) = self.find("equation") else { return u64::MAX };
        let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
        let (left, right) = equation.split_once("->").unwrap_or((&equation, &equation));
        if equation.contains('.') {
            return shapes.iter().fold(1, |sum: u64, shape| sum.saturating_mul(product(shape)));
        }
        let size = |letter: char| {
            left.split(',').zip(shapes).find_map(|(letters, shape)| {
                letters.chars().position(|known| known == letter).and_then(|axis| shape.get(axis)).copied()
            })
        };
        let result = right.chars().filter_map(size).fold(1, u64::saturating_mul);
        shapes.iter().fold(result, |largest, shape| largest.max(product(shape)))
    }
}

fn product(shape: &[u64]) -> u64 {
    shape.iter().copied().fold(1, u64::saturating_mul)
}

fn product_of(values: &[i64]) -> u64 {
    values.iter().map(|value| value.unsigned_abs()).fold(1, u64::saturating_mul)
}

/// The product of all axes but the last ones.
fn leading(shape: &[u64], last: usize) -> u64 {
    product(&shape[..shape.len().saturating_sub(last)])
}

/// The elements once each of the last axes has grown.
fn grown(shape: &[u64], axes: usize, grow: impl Fn(usize, u64) -> u64) -> u64 {
    let axes = axes.min(shape.len());
    let kept = shape.len() - axes;
    shape[kept..]
        .iter()
        .enumerate()
        .fold(product(&shape[..kept]), |sum, (axis, &size)| sum.saturating_mul(grow(axis, size)))
}

fn broadcast(shapes: &[&[u64]]) -> Vec<u64> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    (0..rank)
        .map(|axis| {
            let sizes = shapes.iter().filter_map(|shape| shape.get((axis + shape.len()).checked_sub(rank)?));
            // An axis of size 0 makes the result empty, or the call fail.
            sizes.copied().max().unwrap_or(1)
        })
        .collect()
}

fn rows_by_columns(a: &[u64], b: &[u64]) -> u64 {
    let batch = product(&broadcast(&[&a[..a.len().saturating_sub(2)], &b[..b.len().saturating_sub(2)]]));
    let rows = if a.len() < 2 { 1 } else { a[a.len() - 2] };
    let columns = if b.len() < 2 { 1 } else { b[b.len() - 1] };
    batch.saturating_mul(rows).saturating_mul(columns)
}

/// Query, key, value: the scores, and the result.
fn attention(shapes: &[&[u64]]) -> u64 {
    let [query, key, value, ..] = shapes else { return u64::MAX };
    let heads = leading(query, 2).max(leading(key, 2));
    let length = |shape: &[u64]| shape.len().checked_sub(2).map_or(1, |axis| shape[axis]);
    let columns = length(key).max(value.last().copied().unwrap_or(1));
    heads.saturating_mul(length(query)).saturating_mul(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[u64]) -> Known {
        Known::Shape(sizes.to_vec())
    }

    fn check(growth: Growth, arguments: &[(&str, Known)], expected: u64) {
        assert_eq!(bound(growth, arguments), expected, "{growth:?} of {arguments:?}");
    }

    #[test]
    fn bounds_what_vision_networks_do() {
        let image = || ("input", shape(&[2, 3, 224, 224]));
        let conv = |stride: i64, padding: i64| {
            [
                image(),
                ("weight", shape(&[64, 3, 7, 7])),
                ("stride", Known::Ints(vec![stride; 2])),
                ("padding", Known::Ints(vec![padding; 2])),
            ]
        };
        check(Growth::Convolution, &conv(2, 3), 2 * 64 * 112 * 112);
        check(Growth::Convolution, &conv(1, 0), 2 * 64 * 218 * 218);
        check(Growth::Broadcast, &[image(), ("other", shape(&[3, 1, 1]))], 2 * 3 * 224 * 224);
        check(Growth::Broadcast, &[("self", shape(&[5, 1])), ("other", shape(&[7]))], 35);
        check(Growth::Sum, &[("tensors", Known::Shapes(vec![vec![2, 3], vec![2, 5]]))], 16);
        check(
            Growth::Product,
            &[("self", shape(&[9])), ("mat1", shape(&[4, 5])), ("mat2", shape(&[5, 9]))],
            36,
        );
        check(Growth::Product, &[("self", shape(&[8, 4, 5])), ("other", shape(&[5, 9]))], 288);
        check(Growth::Linear, &[("input", shape(&[2, 7, 5])), ("weight", shape(&[9, 5]))], 126);
        check(Growth::Pad, &[image(), ("pad", Known::Ints(vec![1, 2, 0, -3]))], 6 * 224 * 227);
        check(Growth::Pool, &[image(), ("padding", Known::Ints(vec![1, 1]))], 6 * 226 * 226);
        check(Growth::Sizes, &[image(), ("output_size", Known::Ints(vec![7, 7]))], 6 * 49);
        check(Growth::Sizes, &[("self", shape(&[1, 1, 768])), ("size", Known::Ints(vec![2, -1, -1]))], 1536);
        check(Growth::Resize, &[image(), ("scale_factors", Known::Floats(vec![2.0, 2.0]))], 6 * 448 * 448);
        check(Growth::Repeat, &[image(), ("repeats", Known::Ints(vec![1, 1, 2, 2]))], 6 * 448 * 448);
        check(
            Growth::Attention,
            &[
                ("query", shape(&[2, 8, 197, 64])),
                ("key", shape(&[2, 8, 197, 64])),
                ("value", shape(&[2, 8, 197, 64])),
            ],
            16 * 197 * 197,
        );
        check(
            Growth::Einsum,
            &[
                ("equation", Known::Text("bhqd, bhkd -> bhqk".into())),
                ("tensors", Known::Shapes(vec![vec![2, 3, 5, 4], vec![2, 3, 7, 4]])),
            ],
            210,
        );
    }

    #[test]
    fn ranges_count_steps_and_splits_count_pieces() {
        check(Growth::Range, &[("end", Known::Int(49))], 50);
        check(Growth::Range, &[("end", Known::Float(2.5)), ("step", Known::Float(0.5))], 6);
        check(
            Growth::Range,
            &[("start", Known::Int(7)), ("end", Known::Int(1)), ("step", Known::Int(-2))],
            4,
        );
        check(
            Growth::Range,
            &[("start", Known::Int(0)), ("end", Known::Int(1)), ("steps", Known::Int(9))],
            10,
        );
        check(
            Growth::Pieces,
            &[("self", shape(&[2, 3, 224, 224])), ("split_size", Known::Int(1)), ("dim", Known::Int(-1))],
            2 * 3 * 224 * 224,
        );
    }

    #[test]
    fn bombs_saturate() {
        check(
            Growth::Pad,
            &[("self", shape(&[1, 1, 1, 1])), ("pad", Known::Ints(vec![i64::MAX; 4]))],
            u64::MAX,
        );
        check(Growth::Range, &[("start", Known::Int(i64::MIN)), ("end", Known::Int(i64::MAX))], u64::MAX);
        check(
            Growth::Repeat,
            &[("self", shape(&[9])), ("repeats", Known::Ints(vec![i64::MAX, i64::MAX]))],
            u64::MAX,
        );
        check(
            Growth::Resize,
            &[("self", shape(&[1, 1, 8, 8])), ("scale_factors", Known::Floats(vec![1e300, 1e300]))],
            u64::MAX,
        );
        check(Growth::Product, &[("self", shape(&[1 << 40, 1])), ("other", shape(&[1, 1 << 40]))], u64::MAX);
        check(Growth::Attention, &[], u64::MAX);
        check(Growth::Range, &[("end", Known::Float(1e6)), ("step", Known::Float(1e-300))], u64::MAX);
        check(Growth::Range, &[("end", Known::Int(0)), ("step", Known::Int(0))], u64::MAX);
        let flat = || ("self", shape(&[1 << 20]));
        check(Growth::Pieces, &[flat(), ("split_size", Known::Int(1))], 100 << 20);
        check(Growth::Pieces, &[flat(), ("dim", Known::Int(0))], 100 << 20);
        check(Growth::Pieces, &[flat(), ("sections", Known::Int(i64::MAX))], u64::MAX);
        check(Growth::Pieces, &[flat(), ("chunks", Known::Int(2))], 1 << 20);
    }
}
