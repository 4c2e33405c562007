//! The notation `name(key=value, …)` of terms, parameterizations and transforms. Knows no term: the server checks names and types.

use super::{Cursor, NotationError};
use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::json;
use std::str::FromStr;
use unitscope_proto::v1::Term;

/// A name with arguments, in the order in which they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The name before the parentheses.
    pub name: String,
    /// Keys and values; no key twice.
    pub arguments: Vec<(String, serde_json::Value)>,
    /// As it was written.
    pub text: String,
}

impl FromStr for Call {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Call, NotationError> {
        let mut cursor = Cursor::new(text);
        cursor.skip_spaces();
        let name = identifier(&mut cursor, "a name such as `total_variation`")?;
        cursor.skip_spaces();
        let arguments = if cursor.accept('(') { arguments(&mut cursor, None)? } else { Vec::new() };
        cursor.skip_spaces();
        if cursor.peek().is_some() {
            return Err(cursor.expected(if arguments.is_empty() { "`(` or the end" } else { "the end" }));
        }
        Ok(Call { name, arguments, text: text.trim().to_string() })
    }
}

impl Call {
    /// The call as a term: `weight`, `images`, `image_weights` and `reference` are the term's own, everything else is a parameter.
    pub fn term(&self) -> Result<Term, NotationError> {
        let mut term = Term { id: self.name.clone(), ..Term::default() };
        let mut params = Struct::default();
        for (key, value) in &self.arguments {
            match key.as_str() {
                "weight" => term.weight = Some(self.weight(value)?),
                "images" => term.images = self.images(value)?,
                "image_weights" => term.image_weights = self.image_weights(value)?,
                "reference" => term.reference = Some(self.reference(value)?),
                _ => {
                    params.fields.insert(key.clone(), protobuf_value(value));
                }
            }
        }
        term.params = (!params.fields.is_empty()).then_some(params);
        Ok(term)
    }

    /// `{name: {arguments}}`, as the JSON of a oneof has it.
    pub fn json(&self) -> serde_json::Value {
        let arguments: serde_json::Map<_, _> = self.arguments.iter().cloned().collect();
        json!({ self.name.clone(): arguments })
    }

    fn weight(&self, value: &serde_json::Value) -> Result<f64, NotationError> {
        value.as_f64().ok_or_else(|| self.wrong("weight", "a finite number such as `0.1`", value))
    }

    fn images(&self, value: &serde_json::Value) -> Result<Vec<u32>, NotationError> {
        let numbers = value.as_array().and_then(|list| list.iter().map(whole_number).collect());
        numbers
            .ok_or_else(|| self.wrong("images", "a list of picture numbers from 0, such as `[0, 2]`", value))
    }

    fn image_weights(&self, value: &serde_json::Value) -> Result<Vec<f64>, NotationError> {
        let numbers = value.as_array().and_then(|list| list.iter().map(serde_json::Value::as_f64).collect());
        numbers.ok_or_else(|| {
            self.wrong(
                "image_weights",
                "a list of finite numbers, one for each picture, such as `[1, -1]`",
                value,
            )
        })
    }

    fn reference(&self, value: &serde_json::Value) -> Result<u32, NotationError> {
        whole_number(value)
            .ok_or_else(|| self.wrong("reference", "the number of a --reference from 0, such as `0`", value))
    }

    fn wrong(&self, key: &str, expected: &str, value: &serde_json::Value) -> NotationError {
        let text = self.text.clone();
        let column = text.find(key).map_or(0, |at| text[..at].chars().count());
        NotationError { message: format!("`{key}` must be {expected}, not `{value}`"), text, column }
    }
}

fn whole_number(value: &serde_json::Value) -> Option<u32> {
    let number = value.as_f64()?;
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}

/// What follows `(`, up to and with `)`. Values without a key go into `positional`, where that is allowed, with the place where each
/// begins; they stand before those with one.
pub fn arguments(
    cursor: &mut Cursor,
    mut positional: Option<&mut Vec<(usize, serde_json::Value)>>,
) -> Result<Vec<(String, serde_json::Value)>, NotationError> {
    let mut arguments: Vec<(String, serde_json::Value)> = Vec::new();
    cursor.skip_spaces();
    if cursor.accept(')') {
        return Ok(arguments);
    }
    loop {
        cursor.skip_spaces();
        let place = cursor.place();
        match positional.as_mut().filter(|_| !has_key(cursor)) {
            None => arguments.push(keyword(cursor, &arguments)?),
            Some(positional) => {
                positional.push((place, value(cursor)?));
                if let Some((key, _)) = arguments.last() {
                    return Err(
                        cursor.error_at(place, format!("a value without a name cannot follow `{key}=`"))
                    );
                }
            }
        }
        cursor.skip_spaces();
        if cursor.accept(')') {
            return Ok(arguments);
        }
        if !cursor.accept(',') {
            return Err(cursor.expected("`,` or `)`"));
        }
    }
}

/// Whether `key=` is next.
fn has_key(cursor: &Cursor) -> bool {
    let rest = cursor.rest().trim_start_matches(is_identifier);
    rest.len() < cursor.rest().len() && rest.trim_start().starts_with('=')
}

fn keyword(
    cursor: &mut Cursor,
    others: &[(String, serde_json::Value)],
) -> Result<(String, serde_json::Value), NotationError> {
    let place = cursor.place();
    let key = identifier(cursor, "a parameter's name")?;
    if others.iter().any(|(other, _)| *other == key) {
        return Err(cursor.error_at(place, format!("`{key}` is given twice")));
    }
    cursor.skip_spaces();
    if !cursor.accept('=') {
        return Err(cursor.expected(&format!("`=` and a value after `{key}`")));
    }
    Ok((key, value(cursor)?))
}

/// A number, true, false, a text (bare or quoted), or a list of values.
fn value(cursor: &mut Cursor) -> Result<serde_json::Value, NotationError> {
    cursor.skip_spaces();
    match cursor.peek() {
        Some('[') => list(cursor),
        Some(quote @ ('"' | '\'')) => quoted(cursor, quote).map(serde_json::Value::from),
        _ => {
            let word =
                cursor.take_while(|c| !matches!(c, ',' | ')' | ']' | '(' | '[' | '=') && !c.is_whitespace());
            match word {
                "" => Err(cursor.expected("a value: a number, true, false, a text or a list")),
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Ok(number(word).unwrap_or_else(|| word.into())),
            }
        }
    }
}

/// A finite number; words that only Rust takes for numbers (`nan`, `inf`) stay texts, which the server refuses by type.
fn number(word: &str) -> Option<serde_json::Value> {
    let digits = word.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let number = word.parse::<f64>().ok()?;
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some((number as i64).into());
    }
    serde_json::Number::from_f64(number).map(serde_json::Value::Number)
}

fn list(cursor: &mut Cursor) -> Result<serde_json::Value, NotationError> {
    cursor.accept('[');
    let mut items = Vec::new();
    cursor.skip_spaces();
    if cursor.accept(']') {
        return Ok(items.into());
    }
    loop {
        cursor.skip_spaces();
        if cursor.peek() == Some('[') {
            return Err(cursor.expected("a number or a text; lists do not nest"));
        }
        items.push(value(cursor)?);
        cursor.skip_spaces();
        if cursor.accept(']') {
            return Ok(items.into());
        }
        if !cursor.accept(',') {
            return Err(cursor.expected("`,` or `]`"));
        }
    }
}

/// A text in quotes; a backslash takes the next character as it is.
fn quoted(cursor: &mut Cursor, quote: char) -> Result<String, NotationError> {
    let start = cursor.place();
    cursor.accept(quote);
    let mut text = String::new();
    loop {
        match cursor.next() {
            Some(c) if c == quote => return Ok(text),
            Some('\\') => text.extend(cursor.next()),
            Some(c) => text.push(c),
            None => {
                return Err(
                    cursor.error_at(start, format!("the text that begins here has no closing {quote}"))
                );
            }
        }
    }
}

/// A name; `expected` is what is missing where there is none.
pub fn identifier(cursor: &mut Cursor, expected: &str) -> Result<String, NotationError> {
    match cursor.take_while(is_identifier) {
        "" => Err(cursor.expected(expected)),
        name => Ok(name.to_string()),
    }
}

fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

/// The same value for `google.protobuf.Struct`.
pub fn protobuf_value(value: &serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(bool) => Kind::BoolValue(*bool),
        serde_json::Value::Number(number) => Kind::NumberValue(
            number.as_f64().expect("numbers were made from finite doubles or 64-bit integers"),
        ),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(protobuf_value).collect() })
        }
        serde_json::Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), protobuf_value(value))).collect();
            Kind::StructValue(Struct { fields })
        }
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
