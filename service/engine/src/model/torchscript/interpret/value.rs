//! What a variable of a TorchScript program holds while it is interpreted; knows no instruction.

use std::rc::Rc;

use super::super::super::error::ModelError;
use super::super::super::graph::ValueId;
use super::super::super::limits::{self, at_most};
use super::super::super::number::Number;

/// A value. Lists and dictionaries are shared by all who hold them, as in Python.
#[derive(Debug, Clone)]
pub enum Value {
    None,
    /// A tensor of the graph.
    Tensor(ValueId),
    /// A tensor without axes that holds a number known from sizes: traces compute sizes in such.
    NumberTensor(Num),
    Number(Num),
    Text(Rc<str>),
    List(Items),
    Tuple(Items),
    /// Keys and values in turn.
    Dict(Items),
    /// Index of an object of the document.
    Object(usize),
    Device,
    /// A value that no instruction may read, an uninitialized variable or one of a type that has no form here: what it is, for messages.
    Unreadable(Rc<str>),
}

/// A number, and what computes it from the input's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Num {
    /// What it is at the size that is interpreted.
    pub value: Number,
    /// The graph's value that computes it; none for constants.
    pub symbol: Option<ValueId>,
}

impl Value {
    pub fn int(value: i64) -> Self {
        Self::Number(Num { value: Number::Int(value), symbol: None })
    }

    pub fn float(value: f64) -> Self {
        Self::Number(Num { value: Number::Float(value), symbol: None })
    }

    pub fn bool(value: bool) -> Self {
        Self::Number(Num { value: Number::Bool(value), symbol: None })
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &str {
        match self {
            Self::None => "None",
            Self::Tensor(_) => "a tensor",
            Self::NumberTensor(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dictionary",
            Self::Object(_) => "an object",
            Self::Device => "a device",
            Self::Unreadable(kind) => kind,
        }
    }
}

/// Where the items of a list, tuple or dictionary lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Items(usize);

/// The items of all lists, tuples and dictionaries. They live until the end: a program can nest and link lists in any way, and nothing here follows such links.
#[derive(Default)]
pub struct Heap {
    lists: Vec<Vec<Value>>,
    /// Items of all lists together.
    total: usize,
    /// Bytes of all strings together, of those that are gone as well.
    text_bytes: usize,
}

impl Heap {
    /// Keeps a new list.
    ///
    /// # Errors
    /// [`ModelError::TooLarge`] where all lists together have too many items.
    pub fn keep(&mut self, items: Vec<Value>) -> Result<Items, ModelError> {
        self.count(items.len() + 1)?;
        self.lists.push(items);
        Ok(Items(self.lists.len() - 1))
    }

    pub fn get(&self, items: Items) -> &[Value] {
        &self.lists[items.0]
    }

    /// The items, in whose place others of the same number may be put.
    pub fn get_mut(&mut self, items: Items) -> &mut [Value] {
        &mut self.lists[items.0]
    }

    /// Puts new items at a place of a list.
    ///
    /// # Errors
    /// As [`Heap::keep`].
    pub fn insert(&mut self, items: Items, at: usize, new: Vec<Value>) -> Result<(), ModelError> {
        self.count(new.len())?;
        let list = &mut self.lists[items.0];
        let at = at.min(list.len());
        list.splice(at..at, new);
        Ok(())
    }

    /// Takes an item away.
    pub fn remove(&mut self, items: Items, at: usize) -> Option<Value> {
        let list = &mut self.lists[items.0];
        (at < list.len()).then(|| list.remove(at))
    }

    /// Makes a string.
    ///
    /// # Errors
    /// [`ModelError::TooLarge`] for a long one, and where all together are.
    pub fn text(&mut self, text: &str) -> Result<Rc<str>, ModelError> {
        at_most("the length of a string", text.len() as u64, limits::SCRIPT_TEXT_BYTES as u64)?;
        self.count_text(text.len())?;
        Ok(text.into())
    }

    /// Counts the bytes of what is about to be made.
    ///
    /// # Errors
    /// [`ModelError::TooLarge`] where all strings together are too long.
    pub fn count_text(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.text_bytes = self.text_bytes.saturating_add(bytes);
        at_most("the length of all strings", self.text_bytes as u64, limits::SCRIPT_TEXTS_BYTES as u64)
            .map(|_| ())
    }

    fn count(&mut self, more: usize) -> Result<(), ModelError> {
        self.total = self.total.saturating_add(more);
        at_most("the number of items in lists", self.total as u64, limits::LIST_ITEMS as u64).map(|_| ())
    }
}
