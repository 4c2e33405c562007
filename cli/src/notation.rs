//! How units, directions, calls, expressions, ranges and sizes are written on the command line, and the errors that point at the wrong place.

pub mod call;
pub mod direction;
pub mod expression;
pub mod range;
pub mod ranges;
pub mod size;
pub mod unit;

use thiserror::Error;

/// A text that does not read as what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}\n\n    {text}\n    {}^", " ".repeat(*.column))]
pub struct NotationError {
    /// What was read instead of what, in lower case.
    pub message: String,
    /// The whole text.
    pub text: String,
    /// Where, in characters from the start.
    pub column: usize,
}

/// A place in a text.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `text`.
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// What is left.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character, if any.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes past spaces.
    pub fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// Goes past `wanted` if it is next.
    pub fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Takes one character.
    pub fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes characters as long as they fit.
    pub fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The place, to go back to or to point at.
    pub fn place(&self) -> usize {
        self.at
    }

    /// An error here: `expected` is what should stand here.
    pub fn expected(&self, expected: &str) -> NotationError {
        let found = match self.peek() {
            None => "the end".to_string(),
            Some(c) => format!("`{c}`"),
        };
        self.error_at(self.at, format!("expected {expected}, found {found}"))
    }

    /// An error at a place that was passed.
    pub fn error_at(&self, place: usize, message: String) -> NotationError {
        NotationError { message, text: self.text.to_string(), column: self.text[..place].chars().count() }
    }
}
