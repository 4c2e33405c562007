//! The notation `channel(conv2, 7) - 0.1*total_variation()` of what is maximized. Knows no term: positions get their names elsewhere.

mod arithmetic;

use super::call::{self, Call};
use super::{Cursor, NotationError};
use arithmetic::{constant, negation, product, size, sum, term};
use std::str::FromStr;
use unitscope_proto::v1::Expression;

/// The most nodes of an expression (`Expression` of the API).
const MAX_NODES: usize = 1024;
/// The most levels of an expression, and the most parentheses that are open at once: reading them recurses. The API has 64, of
/// which sums and products reach half: each is two messages and three levels of JSON, and readers stop at 100 and 128 of those.
const MAX_DEPTH: usize = 32;

/// An expression, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// The whole text.
    pub text: String,
    /// Its calls, in order; at least one.
    pub calls: Vec<Written>,
    /// Arithmetic on them: each term is the place of a call in `calls`.
    pub tree: Expression,
}

/// A call within an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its name, text, and the arguments that were given by name.
    pub call: Call,
    /// The arguments before those, which have no name yet, and where each begins.
    pub positional: Vec<(usize, serde_json::Value)>,
    /// Where it begins, in bytes of the whole text.
    pub place: usize,
}

impl FromStr for Objective {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Objective, NotationError> {
        let mut parser = Parser { cursor: Cursor::new(text), calls: Vec::new(), open: 0 };
        let tree = parser.sum()?;
        if parser.cursor.peek().is_some() {
            return Err(parser.cursor.expected("`+`, `-`, `*` or the end"));
        }
        if parser.calls.is_empty() {
            let message = "there is no term to maximize, such as `channel(conv2, 7)`, only numbers";
            return Err(parser.cursor.error_at(0, message.into()));
        }
        Ok(Objective { text: text.to_string(), calls: parser.calls, tree })
    }
}

impl Objective {
    /// An error at a place of the text, in bytes.
    pub fn error_at(&self, place: usize, message: String) -> NotationError {
        Cursor::new(&self.text).error_at(place, message)
    }
}

/// Each method leaves the cursor at what it did not understand.
struct Parser<'a> {
    cursor: Cursor<'a>,
    calls: Vec<Written>,
    /// Parentheses that are open.
    open: usize,
}

impl Parser<'_> {
    fn sum(&mut self) -> Result<Expression, NotationError> {
        self.cursor.skip_spaces();
        let start = self.cursor.place();
        let mut parts = vec![self.product()?];
        loop {
            if self.cursor.accept('+') {
                parts.push(self.product()?);
            } else if self.cursor.accept('-') {
                parts.push(negation(self.product()?));
            } else {
                return self.bounded(start, sum(parts));
            }
        }
    }

    fn product(&mut self) -> Result<Expression, NotationError> {
        let mut parts = vec![self.signed()?];
        while self.cursor.accept('*') {
            parts.push(self.signed()?);
        }
        Ok(product(parts))
    }

    /// Any number of minus signs, then what they belong to.
    fn signed(&mut self) -> Result<Expression, NotationError> {
        let mut negative = false;
        self.cursor.skip_spaces();
        while self.cursor.accept('-') {
            negative = !negative;
            self.cursor.skip_spaces();
        }
        let part = match self.cursor.peek() {
            Some('(') => self.parentheses()?,
            Some(c) if c.is_ascii_digit() || c == '.' => self.number()?,
            _ => self.call()?,
        };
        self.cursor.skip_spaces();
        Ok(if negative { negation(part) } else { part })
    }

    fn parentheses(&mut self) -> Result<Expression, NotationError> {
        let start = self.cursor.place();
        self.cursor.accept('(');
        self.open += 1;
        if self.open > MAX_DEPTH {
            return Err(self.cursor.error_at(start, format!("more than {MAX_DEPTH} parentheses are open")));
        }
        let inner = self.sum()?;
        if !self.cursor.accept(')') {
            return Err(self.cursor.expected("`+`, `-`, `*` or `)`"));
        }
        self.open -= 1;
        Ok(inner)
    }

    /// Digits, a point, and an exponent with its sign: `1e-3` is one number, `1-3` are two.
    fn number(&mut self) -> Result<Expression, NotationError> {
        let start = self.cursor.place();
        self.cursor.take_while(|c| c.is_ascii_digit() || c == '.');
        if let Some(exponent) = self.cursor.rest().strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.cursor.at += 1 + exponent.len() - digits.len();
                self.cursor.take_while(|c| c.is_ascii_digit());
            }
        }
        let text = &self.cursor.text[start..self.cursor.place()];
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(constant(number)),
            _ => Err(self.cursor.error_at(start, format!("`{text}` is not a finite number"))),
        }
    }

    fn call(&mut self) -> Result<Expression, NotationError> {
        let start = self.cursor.place();
        const EXPECTED: &str = "a term such as `channel(conv2, 7)`, a number, `-` or a parenthesis";
        if !self.cursor.peek().is_some_and(|c| c.is_alphabetic() || c == '_') {
            return Err(self.cursor.expected(EXPECTED));
        }
        let name = call::identifier(&mut self.cursor, EXPECTED)?;
        self.cursor.skip_spaces();
        if !self.cursor.accept('(') {
            return Err(self.cursor.expected(&format!("`(` after `{name}`")));
        }
        let mut positional = Vec::new();
        let arguments = call::arguments(&mut self.cursor, Some(&mut positional))?;
        let text = self.cursor.text[start..self.cursor.place()].to_string();
        self.calls.push(Written { call: Call { name, arguments, text }, positional, place: start });
        Ok(term(self.calls.len() - 1))
    }

    /// The expression that begins at `start`, if it keeps to the caps and its constants did not outgrow a number.
    fn bounded(&self, start: usize, expression: Expression) -> Result<Expression, NotationError> {
        let size = size(&expression);
        let message = if size.nodes > MAX_NODES {
            format!("what begins here has more than {MAX_NODES} terms, numbers and operations")
        } else if size.depth > MAX_DEPTH {
            format!("what begins here is nested more than {MAX_DEPTH} deep")
        } else if !size.is_finite {
            "the numbers of what begins here make one that is not finite".to_string()
        } else {
            return Ok(expression);
        };
        Err(self.cursor.error_at(start, message))
    }
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;
