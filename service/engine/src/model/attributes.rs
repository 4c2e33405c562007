//! What a call's arguments may be, whichever file they come from; knows no operator's meaning.

use super::error::ModelError;
use super::graph::{Argument, Operator, Size};
use super::limits::{self, at_most};

/// Refuses arguments that scale work or memory beyond the caps, and modes that only training has.
///
/// # Errors
/// [`ModelError::Unsupported`] and [`ModelError::TooLarge`].
pub fn check(operator: &Operator, module: &str, arguments: &[(String, Argument)]) -> Result<(), ModelError> {
    const SCALES: &[&str] = &[
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "output_padding",
        "groups",
        "pad",
        "repeats",
        "upscale_factor",
    ];
    const TRAINING: &[&str] = &["train", "training", "dropout_p"];
    for (name, argument) in arguments {
        let training = match argument {
            Argument::Bool(value) => *value,
            Argument::Float(value) => *value != 0.0,
            _ => false,
        };
        if training && TRAINING.contains(&name.as_str()) {
            return Err(ModelError::Unsupported(format!(
                "`{operator}` (in module `{module}`) is in training mode; call model.eval() before it is exported"
            )));
        }
        if SCALES.contains(&name.as_str()) {
            let values: &[Size] = match argument {
                Argument::Ints(sizes) => sizes,
                Argument::Int(value) => &[Size::Known(*value)],
                _ => &[],
            };
            for size in values {
                if let Size::Known(value) = size {
                    at_most(
                        format!("`{name}` of `{operator}`"),
                        value.unsigned_abs(),
                        limits::ATTRIBUTE.unsigned_abs(),
                    )?;
                }
            }
        }
    }
    Ok(())
}
