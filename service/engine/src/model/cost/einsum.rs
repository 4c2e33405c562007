//! What `einsum` costs, by its equation; knows no other operator.

use std::collections::{HashMap, HashSet};

use super::super::graph::{Argument, Node, Size};

type Letters = HashSet<char>;

/// Multiply-accumulates of one call on tensors of these shapes. They are contracted two at a time, from the left or as `path` says. Letters that neither another
/// tensor nor the result has are summed before; a pair that then shares nothing to sum is multiplied element by element, and counts nothing.
pub(super) fn einsum(node: &Node, operands: &[&[u64]]) -> Option<u64> {
    let Some(Argument::Text(equation)) = node.argument("equation") else { return None };
    let Equation { mut terms, wanted, sizes } = read(equation, operands)?;
    let mut uses: HashMap<char, usize> = HashMap::new();
    for &letter in terms.iter().flatten() {
        *uses.entry(letter).or_default() += 1;
    }
    let size = |letter: &char| sizes.get(letter).copied().unwrap_or(1);
    let mut macs = 0_u64;
    for (a, b) in pairs(node, terms.len()) {
        if a >= b || b >= terms.len() {
            return None;
        }
        let (b, a) = (terms.remove(b), terms.remove(a));
        for letter in a.iter().chain(&b) {
            uses.entry(*letter).and_modify(|uses| *uses -= 1);
        }
        let is_kept =
            |letter: &char| wanted.contains(letter) || uses.get(letter).is_some_and(|&uses| uses > 0);
        let (kept, summed): (Letters, Letters) = a.union(&b).copied().partition(is_kept);
        let mut met = summed.iter().filter(|letter| a.contains(letter) && b.contains(letter)).peekable();
        if met.clone().any(|letter| size(letter) != 1) {
            let work = kept.iter().chain(&mut met).map(size).fold(1, u64::saturating_mul);
            macs = macs.saturating_add(work);
        }
        for letter in &kept {
            *uses.entry(*letter).or_default() += 1;
        }
        terms.push(kept);
    }
    Some(macs)
}

/// An equation whose axes all have letters.
struct Equation {
    /// Of each tensor.
    terms: Vec<Letters>,
    /// Of the result.
    wanted: Letters,
    sizes: HashMap<char, u64>,
}

fn read(equation: &str, operands: &[&[u64]]) -> Option<Equation> {
    let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (left, right) = equation.split_once("->").unwrap_or((&equation, ""));
    let mut sizes = HashMap::new();
    let mut terms = Vec::with_capacity(operands.len());
    for (term, shape) in left.split(',').zip(operands) {
        let letters = spelled(term, shape.len())?;
        for (&letter, &size) in letters.iter().zip(*shape) {
            let known = sizes.entry(letter).or_insert(1);
            *known = size.max(*known);
        }
        terms.push(letters.into_iter().collect());
    }
    if terms.len() != operands.len() {
        return None;
    }
    let is_dotted = |letter: &char| *letter >= DOTTED;
    let mut wanted: Letters = sizes.keys().copied().filter(is_dotted).collect();
    if equation.contains("->") {
        if !right.contains("...") {
            wanted.clear();
        }
        wanted.extend(right.chars().filter(|letter| *letter != '.'));
    } else {
        // The result has the letters that stand once.
        let mut counts: HashMap<char, usize> = HashMap::new();
        left.chars().for_each(|letter| *counts.entry(letter).or_default() += 1);
        wanted.extend(
            counts
                .into_iter()
                .filter(|(letter, count)| letter.is_alphabetic() && *count == 1)
                .map(|(letter, _)| letter),
        );
    }
    Some(Equation { terms, wanted, sizes })
}

/// The axes that `...` stands for get letters from here, which no equation has: the private use area.
const DOTTED: char = '\u{E000}';

/// A letter for each axis of a term; those of `...` are aligned at their ends.
fn spelled(term: &str, rank: usize) -> Option<Vec<char>> {
    let Some((before, after)) = term.split_once("...") else {
        return (term.chars().count() == rank).then(|| term.chars().collect());
    };
    let dotted = rank.checked_sub(before.chars().count() + after.chars().count())?;
    let letters = (0..u32::try_from(dotted).ok()?).rev();
    let dots = letters.filter_map(|axis| char::from_u32(u32::from(DOTTED) + axis));
    Some(before.chars().chain(dots).chain(after.chars()).collect())
}

/// The places of the tensors that are contracted next; what they give becomes the last.
fn pairs(node: &Node, count: usize) -> Vec<(usize, usize)> {
    if let Some(Argument::Ints(path)) = node.argument("path") {
        let place = |size: &Size| match size {
            Size::Known(place) => usize::try_from(*place).unwrap_or(usize::MAX),
            Size::Computed(_) => usize::MAX,
        };
        let path: Vec<usize> = path.iter().map(place).collect();
        return path.chunks_exact(2).map(|pair| (pair[0].min(pair[1]), pair[0].max(pair[1]))).collect();
    }
    // The first two; then what they gave, which stands last, with the next.
    (1..count).map(|done| if done == 1 { (0, 1) } else { (0, count - done) }).collect()
}
