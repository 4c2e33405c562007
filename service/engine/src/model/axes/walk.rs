//! How what a result's axes count follows from what its arguments' do, operator by operator; knows no names of axes.

use std::collections::{HashMap, HashSet};

use super::super::graph::{Argument, Graph, Output, ValueId};
use super::super::receptive::call::{Call, Numbers};
use super::super::receptive::extent::{Extent, Run};
use super::super::receptive::moving;
use super::super::receptive::rules::{Ends, Rule, rule};
use super::TokenGrid;
use super::part::{Parts, What, grid, of_grid, regroup, resized, size, sole, whole};

type Known = HashMap<ValueId, Vec<Parts>>;

/// The values that depend on the image, and what is known of their axes.
pub(super) fn walk(graph: &Graph, shapes: &HashMap<ValueId, Vec<u64>>) -> (HashSet<ValueId>, Known) {
    let mut seeing = HashSet::from([graph.input]);
    let mut known = Known::new();
    if let Some([images, channels, rows, columns]) = shapes.get(&graph.input).map(Vec::as_slice) {
        let image = [
            whole(What::Batch, *images),
            whole(What::Channel, *channels),
            whole(What::Row, *rows),
            whole(What::Column, *columns),
        ];
        known.insert(graph.input, image.into());
    }
    let batch = shapes.get(&graph.input).and_then(|shape| shape.first()).copied().unwrap_or(1);
    let mut numbers = Numbers::new(shapes);
    for node in &graph.nodes {
        numbers.learn(node);
        let call = Call { node, numbers: &numbers, batch };
        let inputs = call.tensors();
        let rule = rule(&call);
        if rule == Rule::Sizes || !inputs.iter().any(|id| seeing.contains(id)) {
            continue;
        }
        let mut offset = Some(0);
        for id in node.outputs.iter().flat_map(made) {
            seeing.insert(id);
            let Some(to) = shapes.get(&id) else { continue };
            let step = Step { call: &call, inputs: &inputs, known: &known, to, offset };
            let found = step.result(rule).filter(|found| found.len() == to.len());
            offset = step.next_offset();
            if let Some(found) = found {
                let fits = |(parts, &to): (Parts, &u64)| {
                    if size(&parts) == to { parts } else { whole(What::Other, to) }
                };
                known.insert(id, found.into_iter().zip(to).map(fits).collect());
            }
        }
    }
    (seeing, known)
}

fn made(output: &Output) -> Vec<ValueId> {
    match output {
        Output::Tensor(id) => id.iter().copied().collect(),
        Output::Tensors(ids) => ids.clone(),
        Output::Number(_) => Vec::new(),
    }
}

/// One result of one call.
struct Step<'a> {
    call: &'a Call<'a>,
    inputs: &'a [ValueId],
    known: &'a Known,
    /// Shape of the result.
    to: &'a [u64],
    /// Where the result begins along the axis that the call cuts.
    offset: Option<u64>,
}

impl Step<'_> {
    fn result(&self, rule: Rule) -> Option<Vec<Parts>> {
        let name = self.call.name();
        match rule {
            Rule::Elementwise | Rule::First | Rule::BatchNorm => Some(self.broadcast()),
            Rule::Permutation => self.permuted(),
            Rule::Reshape => self.reshaped(name),
            Rule::Reduction => self.reduced(),
            Rule::Slice => self.cut(self.call.int("start", 0)?, self.call.int("step", 1)?),
            Rule::Pieces => self.cut(i64::try_from(self.offset?).ok()?, 1),
            Rule::Select | Rule::Unbind => self.without_axis(),
            Rule::Stack => self.stacked(),
            Rule::Concatenation => self.joined(),
            Rule::Linear => self.with(self.to.len().checked_sub(1)?, What::Channel),
            Rule::Product(added) => self.product(added),
            Rule::Attention => self.attended(),
            Rule::Unshuffle => self.with(1, What::Channel),
            Rule::Convolution => self.with(1, What::Channel),
            _ if name.contains("conv") => self.with(1, What::Channel),
            _ if name == "einsum" => self.summed(),
            _ => self.same_rank(),
        }
    }

    /// The first tensor, where it is known.
    fn subject(&self) -> Option<&[Parts]> {
        self.parts(0)
    }

    fn parts(&self, input: usize) -> Option<&[Parts]> {
        self.known.get(self.inputs.get(input)?).map(Vec::as_slice)
    }

    /// The first tensor of the result's rank that is known.
    fn like(&self) -> Option<&[Parts]> {
        let parts = (0..self.inputs.len()).filter_map(|input| self.parts(input));
        parts.into_iter().find(|parts| parts.len() == self.to.len())
    }

    fn same_rank(&self) -> Option<Vec<Parts>> {
        Some(self.like()?.iter().zip(self.to).map(|(parts, &to)| resized(parts, to)).collect())
    }

    /// As the first tensor of this rank, but that one axis counts something else.
    fn with(&self, axis: usize, what: What) -> Option<Vec<Parts>> {
        let mut found = self.same_rank()?;
        *found.get_mut(axis)? = whole(what, *self.to.get(axis)?);
        Some(found)
    }

    /// Axes match from the last on; of several tensors the first that is known and is not repeated along an axis tells what that counts.
    fn broadcast(&self) -> Vec<Parts> {
        let axis = |place: usize, to: u64| {
            let from_end = self.to.len() - place;
            let all = (0..self.inputs.len()).filter_map(|input| self.parts(input));
            let mut fitting = all
                .filter_map(|parts| parts.get(parts.len().checked_sub(from_end)?))
                .filter(|parts| size(parts) == to && !parts.is_empty());
            let told = |parts: &&Parts| sole(parts) != Some(What::Other);
            let first = fitting.clone().find(told).or_else(|| fitting.next()).cloned();
            first.unwrap_or_else(|| if to == 1 { Parts::new() } else { whole(What::Other, to) })
        };
        self.to.iter().enumerate().map(|(place, &to)| axis(place, to)).collect()
    }

    fn permuted(&self) -> Option<Vec<Parts>> {
        let from = self.subject()?;
        let shape: Vec<u64> = from.iter().map(|parts| size(parts)).collect();
        let ends = Ends { input: 0, company: false, from: &shape, to: self.to, before: None };
        let mut found = vec![Parts::new(); self.to.len()];
        for (axis, parts) in from.iter().enumerate() {
            let run = Run { axis, stride: 1, start: 0, size: 1 };
            let Extent::Along(moved) = moving::permutation(self.call, &ends, run)? else { return None };
            found.get_mut(moved.axis)?.clone_from(parts);
        }
        Some(found)
    }

    fn reshaped(&self, name: &str) -> Option<Vec<Parts>> {
        let from = self.subject()?;
        if name == "unsqueeze" {
            let axis = self.call.axis("dim", 0, self.to.len())?;
            let mut found = from.to_vec();
            found.insert(axis.min(found.len()), Parts::new());
            return Some(found);
        }
        if name == "squeeze" && from.len() == self.to.len() + 1 && self.call.has("dim") {
            return self.without_axis();
        }
        regroup(from, self.to)
    }

    fn reduced(&self) -> Option<Vec<Parts>> {
        let from = self.subject()?;
        let gone = self.call.axes("dim", from.len())?;
        let gone = |axis: usize| gone.is_empty() || gone.contains(&axis);
        let keeps = self.call.flag("keepdim");
        let kept = from.iter().enumerate().filter_map(|(axis, parts)| match (gone(axis), keeps) {
            (false, _) => Some(parts.clone()),
            (true, true) => Some(Parts::new()),
            (true, false) => None,
        });
        Some(kept.collect())
    }

    fn without_axis(&self) -> Option<Vec<Parts>> {
        let from = self.subject()?;
        let gone = self.call.axis("dim", 0, from.len())?;
        Some(
            from.iter()
                .enumerate()
                .filter(|(axis, _)| *axis != gone)
                .map(|(_, parts)| parts.clone())
                .collect(),
        )
    }

    fn stacked(&self) -> Option<Vec<Parts>> {
        let mut found = (0..self.inputs.len()).find_map(|input| self.parts(input))?.to_vec();
        let new = self.call.axis("dim", 0, self.to.len())?;
        found.insert(new.min(found.len()), whole(What::Other, *self.to.get(new)?));
        Some(found)
    }

    /// A part of one axis, from `start` on.
    fn cut(&self, start: i64, step: i64) -> Option<Vec<Parts>> {
        let from = self.subject()?;
        let mut found = self.same_rank()?;
        let axis = self.call.axis("dim", 0, from.len())?;
        let before = from.get(axis)?;
        if let Some(before) = grid(before) {
            let (all, left) = (before.tokens(), *self.to.get(axis)?);
            let start = if start < 0 { all.checked_sub(start.unsigned_abs())? } else { start.unsigned_abs() };
            let behind = step == 1 && start <= before.prefix && start.checked_add(left) == Some(all);
            found[axis] = match behind {
                true => of_grid(TokenGrid { prefix: before.prefix - start, ..before }),
                false => whole(What::Token, left),
            };
        }
        Some(found)
    }

    /// How many elements of the axis that the call cuts come before the next result.
    fn next_offset(&self) -> Option<u64> {
        let axis = self.call.axis("dim", 0, self.to.len())?;
        self.offset?.checked_add(self.to[axis])
    }

    fn joined(&self) -> Option<Vec<Parts>> {
        let mut found = self.same_rank()?;
        let axis = self.call.axis("dim", 0, self.to.len())?;
        let all: Vec<Option<&Parts>> =
            (0..self.inputs.len()).map(|input| self.parts(input)?.get(axis)).collect();
        let told = || all.iter().flatten().filter(|parts| !parts.is_empty());
        let grids = told().filter(|parts| grid(parts).is_some()).count();
        let to = *self.to.get(axis)?;
        found[axis] = match all.last()?.and_then(|last| grid(last)) {
            // Tokens that stand for no place come first.
            Some(last) if grids == 1 => {
                let more = to.checked_sub(last.tokens())?;
                of_grid(TokenGrid { prefix: last.prefix.checked_add(more)?, ..last })
            }
            _ if grids > 0 => whole(What::Token, to),
            _ => {
                let first = told().next().and_then(|parts| sole(parts));
                let alike = first.filter(|_| told().all(|parts| sole(parts) == first));
                whole(alike.unwrap_or(What::Other), to)
            }
        };
        Some(found)
    }

    /// The left factor's axes, but the last, which is the right one's.
    fn product(&self, added: usize) -> Option<Vec<Parts>> {
        let last = self.to.len().checked_sub(1)?;
        let rank = |parts: &&[Parts]| parts.len() == self.to.len();
        let (left, right) = (self.parts(added).filter(rank), self.parts(added + 1).filter(rank));
        let mut found = match (left, right) {
            (Some(left), _) => left.to_vec(),
            (None, Some(right)) => {
                let mut found = right.to_vec();
                found[last.checked_sub(1)?] = whole(What::Channel, self.to[last - 1]);
                return Some(found);
            }
            (None, None) => return None,
        };
        found[last] = match right {
            Some(right) => right[last].clone(),
            None => whole(What::Channel, self.to[last]),
        };
        Some(found)
    }

    /// The queries' axes, but the last, which is the values'.
    fn attended(&self) -> Option<Vec<Parts>> {
        let mut found = self.same_rank()?;
        let last = self.to.len().checked_sub(1)?;
        if let Some(values) = self.parts(2).filter(|values| values.len() == self.to.len()) {
            found[last].clone_from(&values[last]);
        }
        Some(found)
    }

    /// `einsum`: each letter of the result counts what it counts in the first operand that has it; of a weight, units.
    fn summed(&self) -> Option<Vec<Parts>> {
        let Some(Argument::Text(equation)) = self.call.node.argument("equation") else { return None };
        let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
        let (operands, result) = equation.split_once("->")?;
        let operands: Vec<&str> = operands.split(',').collect();
        let axis = |(letter, &to): (char, &u64)| {
            let place = |(input, operand): (usize, &&str)| {
                let parts = self.parts(input)?.get(operand.chars().position(|other| other == letter)?)?;
                (size(parts) == to).then(|| parts.clone())
            };
            operands.iter().enumerate().find_map(place).unwrap_or_else(|| whole(What::Channel, to))
        };
        (result.len() == self.to.len() && result.chars().all(char::is_alphabetic))
            .then(|| result.chars().zip(self.to).map(axis).collect())
    }
}
