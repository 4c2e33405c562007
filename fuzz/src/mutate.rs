//! Mutations that keep JSON well-formed, so that the fuzzer gets past the parser; knows no meaning of any key.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// Mutates the first `size` bytes and returns their new number, at most `capacity`. One time in four, and where there is no JSON, bytes change as libFuzzer likes.
pub fn json(data: &mut [u8], size: usize, capacity: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) << 1 | 1);
    if dice.roll(4) == 0 {
        return fuzzer_mutate(data, size, capacity);
    }
    let Ok(mut document) = serde_json::from_slice::<Value>(&data[..size]) else {
        return fuzzer_mutate(data, size, capacity);
    };
    for _ in 0..=dice.roll(3) {
        change(&mut document, &mut dice);
    }
    match serde_json::to_vec(&document) {
        Ok(text) if text.len() <= capacity => {
            data[..text.len()].copy_from_slice(&text);
            text.len()
        }
        _ => fuzzer_mutate(data, size, capacity),
    }
}

/// Changes one place, be it with a piece from elsewhere in the document.
fn change(document: &mut Value, dice: &mut Dice) {
    let places = count(document);
    let piece = nth(document, &mut dice.roll(places)).map(|place| place.clone());
    let Some(place) = nth(document, &mut dice.roll(places)) else { return };
    match (dice.roll(4), &mut *place) {
        (0, Value::Array(items)) if !items.is_empty() => {
            let (from, to) = (dice.roll(items.len()), dice.roll(items.len()));
            let item = items[from].clone();
            items.insert(to, item);
        }
        (1, Value::Array(items)) if !items.is_empty() => {
            items.remove(dice.roll(items.len()));
        }
        (0, Value::Object(entries)) if !entries.is_empty() => {
            let key = entries.keys().nth(dice.roll(entries.len())).cloned();
            key.and_then(|key| entries.remove(&key));
        }
        (0 | 1, Value::Number(number)) => {
            let near = number.as_i64().unwrap_or(0).wrapping_add(dice.roll(5) as i64 - 2);
            *place = json!(near);
        }
        (2, _) => *place = odd(dice),
        _ => *place = piece.unwrap_or(Value::Null),
    }
}

/// Values at the edges of what readers expect.
fn odd(dice: &mut Dice) -> Value {
    let all = [
        json!(0),
        json!(-1),
        json!(1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1_i64 << 31),
        json!(1e308),
        json!(0.5),
        json!(""),
        json!(null),
        json!(true),
        json!([]),
        json!({}),
    ];
    all[dice.roll(all.len())].clone()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// The value at this place, counted from the outside in.
fn nth<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, at)),
        Value::Object(entries) => entries.values_mut().find_map(|item| nth(item, at)),
        _ => None,
    }
}

/// Xorshift (Marsaglia 2003): a mutation is a function of libFuzzer's seed.
struct Dice(u64);

impl Dice {
    /// Below `sides`, which is not 0.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % sides.max(1) as u64) as usize
    }
}
