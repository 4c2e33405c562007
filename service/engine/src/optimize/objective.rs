//! What each picture maximizes, as arithmetic on the terms' values, and how fast it grows with each of them. It knows no tensor.

use super::loss::BoundTerm;
use crate::plugin::TermKind;
use crate::spec::Expression;

/// The expression of a job; its leaves are the weighted values of the terms. This is the only place where anything is subtracted.
#[derive(Debug)]
pub struct Objective {
    expression: Expression,
    roles: Vec<Role>,
}

/// How the expression uses a term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// It does not: the term's values are reported, and move nothing.
    Reported,
    /// It grows with the term by this slope, whatever the values are.
    Linear(f64),
    /// The slope depends on the values of other terms.
    Product,
}

impl Objective {
    /// The given expression, or the sum of all objectives less that of all penalties.
    pub fn new(given: Option<&Expression>, kinds: &[TermKind]) -> Self {
        let expression = given.cloned().unwrap_or_else(|| {
            let leaf = |(place, kind): (usize, &TermKind)| match kind {
                TermKind::Objective => Some(Expression::Term(place)),
                TermKind::Penalty => Some(Expression::Negation(Box::new(Expression::Term(place)))),
                TermKind::StepOperation => None,
            };
            Expression::Sum(kinds.iter().enumerate().filter_map(leaf).collect())
        });
        let zeros = vec![0.0; kinds.len()];
        let mut slopes = zeros.clone();
        add_slopes(&expression, &zeros, 1.0, &mut slopes);
        let mut in_products = vec![false; kinds.len()];
        mark_products(&expression, false, &mut in_products);
        let role = |(&slope, &product): (&f64, &bool)| match product {
            true => Role::Product,
            false if slope == 0.0 => Role::Reported,
            false => Role::Linear(slope),
        };
        let roles = slopes.iter().zip(&in_products).map(role).collect();
        Self { expression, roles }
    }

    /// How the expression uses each term, in the spec's order.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The terms that move a picture: those with a slope and, for it, a weight.
    pub fn moving<'a>(&self, terms: &'a [BoundTerm], image: u32) -> impl Iterator<Item = &'a BoundTerm> {
        let moves = move |(term, role): &(&BoundTerm, Role)| {
            let slot = term.images.binary_search(&image);
            *role != Role::Reported && slot.is_ok_and(|slot| term.weight(slot) != 0.0)
        };
        terms.iter().zip(self.roles.clone()).filter(moves).map(|(term, _)| term)
    }

    /// The value for a picture whose terms have these weighted values, 0 where a term does not apply to it.
    pub fn value(&self, leaves: &[f64]) -> f64 {
        value(&self.expression, leaves)
    }

    /// The derivative by each of the leaves.
    pub fn slopes(&self, leaves: &[f64]) -> Vec<f64> {
        let mut slopes = vec![0.0; leaves.len()];
        add_slopes(&self.expression, leaves, 1.0, &mut slopes);
        slopes
    }
}

fn value(expression: &Expression, leaves: &[f64]) -> f64 {
    match expression {
        Expression::Term(place) => leaves[*place],
        Expression::Constant(constant) => *constant,
        Expression::Sum(parts) => {
            parts.iter().map(|part| value(part, leaves)).fold(0.0, |sum, part| sum + part)
        }
        Expression::Product(parts) => parts.iter().map(|part| value(part, leaves)).product(),
        Expression::Negation(part) => -value(part, leaves),
    }
}

/// Adds `outer` · ∂expression/∂leaf to the slope of each leaf.
fn add_slopes(expression: &Expression, leaves: &[f64], outer: f64, slopes: &mut [f64]) {
    match expression {
        Expression::Term(place) => slopes[*place] += outer,
        Expression::Constant(_) => {}
        Expression::Sum(parts) => parts.iter().for_each(|part| add_slopes(part, leaves, outer, slopes)),
        Expression::Product(parts) => {
            let values: Vec<f64> = parts.iter().map(|part| value(part, leaves)).collect();
            // The product of all parts behind each, then on the way that of all before it.
            let mut behind = vec![1.0; values.len()];
            for place in (1..values.len()).rev() {
                behind[place - 1] = behind[place] * values[place];
            }
            let mut before = outer;
            for ((part, value), behind) in parts.iter().zip(values).zip(behind) {
                add_slopes(part, leaves, before * behind, slopes);
                before *= value;
            }
        }
        Expression::Negation(part) => add_slopes(part, leaves, -outer, slopes),
    }
}

/// Marks terms that share a product with another term.
fn mark_products(expression: &Expression, inside: bool, marks: &mut [bool]) {
    match expression {
        Expression::Term(place) => marks[*place] |= inside,
        Expression::Constant(_) => {}
        Expression::Sum(parts) => parts.iter().for_each(|part| mark_products(part, inside, marks)),
        Expression::Product(parts) => {
            let several = parts.iter().filter(|part| part.reads_terms()).count() > 1;
            parts.iter().for_each(|part| mark_products(part, inside || several, marks));
        }
        Expression::Negation(part) => mark_products(part, inside, marks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Expression::{Constant, Negation, Product, Sum, Term};

    const KINDS: [TermKind; 3] = [TermKind::Objective, TermKind::Penalty, TermKind::Objective];

    fn check(given: Option<Expression>, leaves: [f64; 3], expected: f64, slopes: [f64; 3], roles: [Role; 3]) {
        let objective = Objective::new(given.as_ref(), &KINDS);
        assert_eq!(objective.value(&leaves), expected, "{given:?}");
        assert_eq!(objective.slopes(&leaves), slopes, "{given:?}");
        assert_eq!(objective.roles(), roles, "{given:?}");
    }

    fn minus(part: Expression) -> Expression {
        Negation(Box::new(part))
    }

    #[test]
    fn objectives_are_added_and_penalties_subtracted() {
        let roles = [Role::Linear(1.0), Role::Linear(-1.0), Role::Linear(1.0)];
        check(None, [2.0, 3.0, 5.0], 4.0, [1.0, -1.0, 1.0], roles);
        let operation = Objective::new(None, &[TermKind::StepOperation, TermKind::Objective]);
        assert_eq!(operation.roles(), [Role::Reported, Role::Linear(1.0)]);
    }

    #[test]
    fn a_product_grows_with_each_factor_by_the_others() {
        let given = Sum(vec![Product(vec![Term(0), minus(Term(1)), Constant(2.0)]), Term(2)]);
        let roles = [Role::Product, Role::Product, Role::Linear(1.0)];
        check(Some(given), [2.0, 3.0, 5.0], -7.0, [-6.0, -4.0, 1.0], roles);
        let square = Product(vec![Term(0), Term(0)]);
        check(
            Some(square),
            [3.0, 0.0, 0.0],
            9.0,
            [6.0, 0.0, 0.0],
            [Role::Product, Role::Reported, Role::Reported],
        );
    }

    #[test]
    fn a_constant_factor_is_a_slope() {
        let given = Product(vec![Constant(-0.5), Sum(vec![Term(0), minus(Term(2)), Constant(1.0)])]);
        let roles = [Role::Linear(-0.5), Role::Reported, Role::Linear(0.5)];
        check(Some(given), [2.0, 9.0, 5.0], 1.0, [-0.5, 0.0, 0.5], roles);
    }

    /// Central differences of an expression with every kind of node.
    #[test]
    fn slopes_are_derivatives() {
        let inner = Sum(vec![Term(0), minus(Product(vec![Term(1), Term(2)])), Constant(0.3)]);
        let objective = Objective::new(Some(&Product(vec![inner, minus(Term(2)), Term(0)])), &KINDS);
        let at = [0.7, -1.3, 2.1];
        for (place, slope) in objective.slopes(&at).into_iter().enumerate() {
            let moved = |by: f64| {
                let mut leaves = at;
                leaves[place] += by;
                objective.value(&leaves)
            };
            let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - difference).abs() < 1e-8, "{place}: {slope} and {difference}");
        }
    }
}
