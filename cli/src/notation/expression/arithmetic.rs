//! Sums, products and negations of expressions, with their constants folded. Knows no notation.

use unitscope_proto::v1::Expression;
use unitscope_proto::v1::expression::{Kind, List};

/// The sum of the parts, at least one; sums in it are opened, and its numbers become one, at the end.
pub fn sum(parts: Vec<Expression>) -> Expression {
    let (mut rest, number) = fold(
        parts,
        0.0,
        |a, b| a + b,
        |kind| match kind {
            Kind::Sum(list) => Ok(list.parts),
            other => Err(other),
        },
    );
    if number != 0.0 || rest.is_empty() {
        rest.push(constant(number));
    }
    one_or(rest, Kind::Sum)
}

/// The product of the parts, at least one; products in it are opened, and its numbers become one, at the front.
pub fn product(parts: Vec<Expression>) -> Expression {
    let (mut rest, number) = fold(
        parts,
        1.0,
        |a, b| a * b,
        |kind| match kind {
            Kind::Product(list) => Ok(list.parts),
            other => Err(other),
        },
    );
    if number != 1.0 || rest.is_empty() {
        rest.insert(0, constant(number));
    }
    one_or(rest, Kind::Product)
}

/// The part with the other sign, which goes into its number where it has one.
pub fn negation(part: Expression) -> Expression {
    let is_weighted =
        |list: &List| matches!(list.parts.first(), Some(Expression { kind: Some(Kind::Constant(_)) }));
    match part.kind {
        Some(Kind::Constant(number)) => constant(-number),
        Some(Kind::Negation(inner)) => *inner,
        Some(Kind::Product(list)) if is_weighted(&list) => {
            product(vec![constant(-1.0), node(Kind::Product(list))])
        }
        kind => node(Kind::Negation(Box::new(Expression { kind }))),
    }
}

/// The term at this place.
pub fn term(place: usize) -> Expression {
    node(Kind::Term(u32::try_from(place).expect("a command line is shorter than 4 GiB")))
}

/// A number.
pub fn constant(number: f64) -> Expression {
    node(Kind::Constant(number))
}

fn node(kind: Kind) -> Expression {
    Expression { kind: Some(kind) }
}

/// The parts that are no numbers, and the numbers in one. `open` gives the parts of what may be opened, or the thing itself.
fn fold(
    parts: Vec<Expression>,
    neutral: f64,
    combine: fn(f64, f64) -> f64,
    open: fn(Kind) -> Result<Vec<Expression>, Kind>,
) -> (Vec<Expression>, f64) {
    let opened = parts.into_iter().filter_map(|part| part.kind).flat_map(|kind| match open(kind) {
        Ok(parts) => parts,
        Err(kind) => vec![node(kind)],
    });
    let (mut rest, mut number) = (Vec::new(), neutral);
    for part in opened {
        match part.kind {
            Some(Kind::Constant(other)) => number = combine(number, other),
            _ => rest.push(part),
        }
    }
    (rest, number)
}

fn one_or(mut parts: Vec<Expression>, list: fn(List) -> Kind) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            node(list(List { parts }))
        }
    }
}

/// How large an expression is.
pub struct Size {
    /// Its nodes.
    pub nodes: usize,
    /// Its levels.
    pub depth: usize,
    /// Whether all of its numbers are finite.
    pub is_finite: bool,
}

/// The size of an expression; recurses as deep as it is.
pub fn size(expression: &Expression) -> Size {
    let parts = match &expression.kind {
        Some(Kind::Sum(list) | Kind::Product(list)) => &list.parts[..],
        Some(Kind::Negation(part)) => std::slice::from_ref(&**part),
        _ => &[],
    };
    let is_finite = !matches!(expression.kind, Some(Kind::Constant(number)) if !number.is_finite());
    let mut all = Size { nodes: 1, depth: 1, is_finite };
    for part in parts.iter().map(size) {
        all.nodes += part.nodes;
        all.depth = all.depth.max(1 + part.depth);
        all.is_finite &= part.is_finite;
    }
    all
}
