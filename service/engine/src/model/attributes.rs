//! What a call's arguments may be, whichever file they come from; knows no operator's meaning.

use super::error::ModelError;
use super::graph::{Argument, Graph, Operator, Size};
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
    // A batch norm without statistics of its own takes those of what it normalizes: networks standardize weights so. See `check_statistics`.
    let takes_its_own = arguments
        .iter()
        .any(|(name, argument)| name == "running_mean" && matches!(argument, Argument::Absent));
    for (name, argument) in arguments {
        let training = match argument {
            Argument::Bool(value) => *value,
            Argument::Float(value) => *value != 0.0,
            _ => false,
        };
        if training && !takes_its_own && TRAINING.contains(&name.as_str()) {
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

/// Refuses batch norms that take their statistics from the images of a pass, so that each image's result would depend on the others.
///
/// # Errors
/// [`ModelError::Unsupported`].
pub fn check_statistics(graph: &Graph) -> Result<(), ModelError> {
    let mut by_image = vec![false; graph.values.len()];
    by_image[graph.input.0] = true;
    for node in &graph.nodes {
        let mut depends = false;
        node.for_each_read(|id, _| depends |= by_image[id.0]);
        let is_norm = matches!(&node.operator, Operator::Aten { name, .. } if name == "batch_norm");
        if depends && is_norm && node.argument("training") == Some(&Argument::Bool(true)) {
            return Err(ModelError::Unsupported(format!(
                "`{}` (in module `{}`) takes its statistics from the images of a pass, so that each would depend on the others; \
                 give it running statistics, or call model.eval() before it is exported",
                node.operator,
                node.module()
            )));
        }
        node.defines().for_each(|(id, _)| by_image[id.0] = depends);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::network;

    fn check(text: &str, good: bool) {
        let result = check_statistics(&network(text).graph);
        assert_eq!(result.is_ok(), good, "{text}: {result:?}");
    }

    #[test]
    fn statistics_of_weights_are_no_images_concern() {
        check("a = batch_norm(w, training=true)\n b = conv2d(x, a)", true);
        check("a = batch_norm(x, training=true)", false);
        check("a = relu(x)\n b = add(a, w)\n c = batch_norm(b, training=true)", false);
        check("a = batch_norm(x, training=false)", true);
    }
}
