//! The expression that pictures maximize: its shape and its numbers. What its terms are is the engine's to check.

use super::Wrong;
use crate::limits::{EXPRESSION_DEPTH, EXPRESSION_NODES};
use unitscope_engine::spec::Expression;
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::expression::Kind;

/// `None` where none is given, or where something is wrong with it.
pub(super) fn objective(
    given: Option<&proto::Expression>,
    terms: usize,
    wrong: &mut Wrong,
) -> Option<Expression> {
    let mut reader = Reader { terms, nodes: 0, refused: false, wrong };
    reader.expression("objective", given?, 1)
}

struct Reader<'a> {
    terms: usize,
    nodes: usize,
    /// A cap was broken, so that nothing more is read.
    refused: bool,
    wrong: &'a mut Wrong,
}

impl Reader<'_> {
    fn expression(&mut self, field: &str, given: &proto::Expression, depth: usize) -> Option<Expression> {
        if self.refused {
            return None;
        }
        self.nodes += 1;
        if depth > EXPRESSION_DEPTH || self.nodes > EXPRESSION_NODES {
            let rule = format!(
                "at most {EXPRESSION_NODES} nodes are possible, at most {EXPRESSION_DEPTH} deep: write a simpler one"
            );
            // Said once: what follows may be too much as well.
            if !self.refused {
                self.wrong.add("objective", rule);
            }
            self.refused = true;
            return None;
        }
        match given.kind.as_ref() {
            Some(Kind::Term(place)) if (*place as usize) < self.terms => Some(Expression::Term(*place as usize)),
            Some(Kind::Term(place)) => {
                self.refuse(format!("{field}.term"), format!("{place} is out of range; there are {} terms, counted from 0", self.terms))
            }
            Some(Kind::Constant(constant)) if constant.is_finite() => Some(Expression::Constant(*constant)),
            Some(Kind::Constant(constant)) => self.refuse(format!("{field}.constant"), format!("{constant} is not finite")),
            Some(Kind::Sum(list)) => self.list(&format!("{field}.sum"), list, depth).map(Expression::Sum),
            Some(Kind::Product(list)) => self.list(&format!("{field}.product"), list, depth).map(Expression::Product),
            Some(Kind::Negation(part)) => {
                let part = self.expression(&format!("{field}.negation"), part, depth + 1)?;
                Some(Expression::Negation(Box::new(part)))
            }
            None => self.refuse(
                field.to_owned(),
                "an expression is exactly one of `term`, `constant`, `sum`, `product`, `negation`; this one is none of them".to_owned(),
            ),
        }
    }

    fn list(&mut self, field: &str, list: &proto::expression::List, depth: usize) -> Option<Vec<Expression>> {
        if list.parts.is_empty() {
            return self.refuse(field.to_owned(), "it has no parts; give at least one".to_owned());
        }
        let each = list.parts.iter().enumerate();
        // Every part is read, so that all that is wrong is found in one go.
        let parts: Vec<_> = each
            .map(|(place, part)| self.expression(&format!("{field}.parts[{place}]"), part, depth + 1))
            .collect();
        parts.into_iter().collect()
    }

    fn refuse<T>(&mut self, field: String, reason: String) -> Option<T> {
        self.wrong.add(field, reason);
        None
    }
}
