//! Where a term's `row` and `column` lie in a sequence of tokens: plugins know positions in it alone; knows no plugin.

use crate::model::{Model, TokenGrid};
use crate::plugin::ParamValue;
use crate::spec::FieldError;
use std::collections::BTreeMap;

/// Parameters of a term, by name.
type Params = BTreeMap<String, ParamValue>;

/// The parameters as the plugin gets them. On a layer of tokens whose patches the graph tells, a `row` with or without a `column` names a patch and
/// becomes its token, `column` in a row of all; a `column` alone is the token already. Paths of errors begin at the term.
///
/// # Errors
/// A [`FieldError`] for a patch that the layer does not have.
pub fn placed(params: &Params, model: &Model, [height, width]: [u32; 2]) -> Result<Params, FieldError> {
    let mut placed = params.clone();
    let (Some(row), Some(ParamValue::String(layer))) = (params.get("row"), params.get("layer")) else {
        return Ok(placed);
    };
    let layer = match layer.strip_suffix('?') {
        Some(wanted) if model.layer(wanted).is_ok() => wanted,
        Some(wanted) => wanted.strip_suffix(":pre").unwrap_or(wanted),
        None => layer,
    };
    // What is wrong with the layer or the size is said where they are looked up for the pass.
    let shapes = model.shapes(&[layer.to_owned()], height, width).unwrap_or_default();
    if let Some(grid) = shapes.first().and_then(|found| found.tokens)
        && let Some(token) = token(grid, row, params.get("column"), layer)?
    {
        placed.remove("row");
        placed.insert("column".to_owned(), ParamValue::Int(token));
    }
    Ok(placed)
}

/// None where a number is none that could be a place: the plugin's schema refuses it.
fn token(
    grid: TokenGrid,
    row: &ParamValue,
    column: Option<&ParamValue>,
    layer: &str,
) -> Result<Option<i64>, FieldError> {
    let middle = ParamValue::Int(i64::try_from(grid.columns / 2).unwrap_or(i64::MAX));
    let (Some(row), Some(column)) = (index(row), index(column.unwrap_or(&middle))) else { return Ok(None) };
    for (name, index, size) in [("row", row, grid.rows), ("column", column, grid.columns)] {
        if index >= size {
            let TokenGrid { prefix, rows, columns } = grid;
            let reason = format!(
                "{name} {index} is out of range: layer `{layer}` has {rows} × {columns} patches behind {prefix} other tokens; count from 0, or \
                 leave `row` out and give the token as `column`"
            );
            return Err(FieldError::new(format!("params.{name}"), reason));
        }
    }
    // Below the number of tokens, which a tensor's size holds.
    Ok(i64::try_from(grid.prefix + row * grid.columns + column).ok())
}

/// Numbers without fraction serve as integers.
fn index(value: &ParamValue) -> Option<u64> {
    match *value {
        ParamValue::Int(index) => u64::try_from(index).ok(),
        ParamValue::Float(index) if index.fract() == 0.0 && (0.0..1e15).contains(&index) => {
            Some(index as u64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: TokenGrid = TokenGrid { prefix: 5, rows: 8, columns: 12 };

    #[test]
    fn patches_become_tokens() {
        let check = |row, column: Option<ParamValue>, expected| {
            assert_eq!(token(GRID, &row, column.as_ref(), "blocks.1"), Ok(expected), "{row:?} {column:?}");
        };
        check(ParamValue::Int(0), Some(ParamValue::Int(0)), Some(5));
        check(ParamValue::Int(7), Some(ParamValue::Int(11)), Some(100));
        check(ParamValue::Float(2.0), Some(ParamValue::Int(3)), Some(32));
        check(ParamValue::Int(2), None, Some(35));
        check(ParamValue::Int(-1), Some(ParamValue::Int(0)), None);
        check(ParamValue::Float(0.5), None, None);
    }

    #[test]
    fn patches_outside_name_their_parameter() {
        let check = |row, column, field: &str, words: &str| {
            let (row, column) = (ParamValue::Int(row), ParamValue::Int(column));
            let error = token(GRID, &row, Some(&column), "blocks.1").unwrap_err();
            assert_eq!(error.field, field);
            assert!(error.reason.contains(words), "{error}");
            assert!(error.reason.contains("`blocks.1` has 8 × 12 patches behind 5 other tokens"), "{error}");
        };
        check(8, 0, "params.row", "row 8 is out of range");
        check(0, 12, "params.column", "column 12 is out of range");
    }
}
