//! What the exported program says about its image: which dimensions are fixed, and the range of the others.

use std::collections::{HashMap, HashSet};

use super::super::error::ModelError;
use super::super::input::{Extent, InputShape};
use super::schema::{self, Dimension, InputSpec};
use super::stored::Dtype;

/// Names of the weights that are no parameters.
pub(super) fn buffers(program: &schema::ExportedProgram) -> HashSet<String> {
    let specs = program.graph_module.signature.input_specs.iter();
    let names = specs.filter_map(|spec| match spec {
        InputSpec::Buffer { buffer_name: name, .. }
        | InputSpec::TensorConstant { tensor_constant_name: name, .. } => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

/// The shape of the input of this name.
pub(super) fn input_shape(name: &str, program: &schema::ExportedProgram) -> Result<InputShape, ModelError> {
    let refused = |reason: String| ModelError::Unsupported(format!("the network's input `{name}` {reason}"));
    let meta = program
        .graph_module
        .graph
        .tensor_values
        .get(name)
        .ok_or_else(|| ModelError::format(format!("input `{name}` has no shape")))?;
    if !Dtype::from_schema(meta.dtype).is_some_and(Dtype::is_float) {
        return Err(refused("holds no floats; Unitscope reads images, [n, c, h, w] in float32".to_owned()));
    }
    let [batch, channels, height, width] = meta.sizes.as_slice() else {
        return Err(refused(format!("has {} axes; Unitscope reads images, [n, c, h, w]", meta.sizes.len())));
    };
    let Dimension::AsInt(channels) = channels else {
        return Err(refused("has a dynamic number of channels; export it with a fixed one".to_owned()));
    };
    let extent = |dimension: &Dimension| extent(dimension, &program.range_constraints);
    Ok(InputShape {
        name: name.to_owned(),
        channels: positive(*channels)?,
        batch: extent(batch)?,
        height: extent(height)?,
        width: extent(width)?,
    })
}

fn extent(
    dimension: &Dimension,
    ranges: &HashMap<String, schema::RangeConstraint>,
) -> Result<Extent, ModelError> {
    let expression = match dimension {
        Dimension::AsInt(size) => return Ok(Extent::Fixed(positive(*size)?)),
        Dimension::AsExpr { expr_str } => expr_str,
    };
    // A plain symbol, `Symbol('s77', …)`; of an expression such as `Mul(Integer(2), Symbol(…))` the graph itself must judge.
    let range = expression
        .strip_prefix("Symbol('")
        .and_then(|rest| rest.split_once('\''))
        .and_then(|(symbol, _)| ranges.get(symbol));
    // The exporter never tries 0 and 1 and therefore often claims a minimum of 2, though 1 runs.
    let min = range.and_then(|range| range.min_val).filter(|&min| min > 2).unwrap_or(1);
    let max = range.and_then(|range| range.max_val).unwrap_or(i64::from(u32::MAX));
    Ok(Extent::Dynamic {
        min: u32::try_from(min).unwrap_or(u32::MAX),
        max: u32::try_from(max.max(0)).unwrap_or(u32::MAX),
        symbol: expression.clone(),
    })
}

fn positive(size: i64) -> Result<u32, ModelError> {
    u32::try_from(size)
        .ok()
        .filter(|&size| size > 0)
        .ok_or_else(|| ModelError::format(format!("the input has a dimension of size {size}")))
}
