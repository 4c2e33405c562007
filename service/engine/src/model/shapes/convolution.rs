//! The shape that a convolution returns; knows no tensors.

use super::super::graph::{Argument, Size};

/// Of `conv1d` … `conv_transpose3d`, with their named arguments. None for other operators, and where libtorch shall say what is wrong with the arguments.
pub(super) fn output(
    name: &str,
    input: &[i64],
    weight: &[i64],
    arguments: &[(String, Argument)],
) -> Option<Vec<i64>> {
    let is_transposed = match name.strip_suffix('d')?.trim_end_matches(['1', '2', '3']) {
        "conv" => false,
        "conv_transpose" => true,
        _ => return None,
    };
    let groups = number(arguments, "groups", 0, 1).filter(|&groups| groups > 0)?;
    let (taken, made) = if is_transposed {
        (*weight.first()?, weight.get(1)?.checked_mul(groups)?)
    } else {
        (weight.get(1)?.checked_mul(groups)?, *weight.first()?)
    };
    if input.len() != weight.len() || input.get(1) != Some(&taken) {
        return None;
    }
    let mut sizes = vec![*input.first()?, made];
    for axis in 0..weight.len() - 2 {
        let size = along(axis, input[2 + axis], weight[2 + axis], is_transposed, arguments)?;
        sizes.push(Some(size).filter(|&size| size > 0)?);
    }
    Some(sizes)
}

/// Along one axis: `⌊(size + 2·padding − reach − 1) / stride⌋ + 1`, with `reach = (kernel − 1) · dilation`, or the transposed form.
fn along(
    axis: usize,
    size: i64,
    kernel: i64,
    is_transposed: bool,
    arguments: &[(String, Argument)],
) -> Option<i64> {
    let is_same = arguments.iter().any(
        |(name, argument)| matches!(argument, Argument::Text(text) if name == "padding" && text == "same"),
    );
    if is_same {
        return Some(size);
    }
    let find = |name: &str, default: i64| number(arguments, name, axis, default);
    let stride = find("stride", 1).filter(|&stride| stride > 0)?;
    let reach = kernel.checked_sub(1)?.checked_mul(find("dilation", 1)?)?;
    let padding = find("padding", 0)?.checked_mul(2)?;
    if is_transposed {
        let spread = size.checked_sub(1)?.checked_mul(stride)?.checked_sub(padding)?;
        return spread.checked_add(reach)?.checked_add(find("output_padding", 0)?)?.checked_add(1);
    }
    let room = size.checked_add(padding)?.checked_sub(reach)?.checked_sub(1)?;
    room.div_euclid(stride).checked_add(1)
}

/// A number, or that of an axis.
fn number(arguments: &[(String, Argument)], name: &str, axis: usize, default: i64) -> Option<i64> {
    match arguments.iter().find(|(given, _)| given == name).map(|(_, argument)| argument) {
        None | Some(Argument::Text(_)) => Some(default),
        Some(Argument::Int(value)) => Some(*value),
        Some(Argument::Ints(values)) => match values.as_slice() {
            [] => Some(default),
            [Size::Known(one)] => Some(*one),
            several => match several.get(axis)? {
                Size::Known(value) => Some(*value),
                Size::Computed(_) => None,
            },
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        name: &str,
        input: &[i64],
        weight: &[i64],
        arguments: &[(&str, &[i64])],
        expected: Option<&[i64]>,
    ) {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|(name, values)| {
                let values = values.iter().map(|&value| Size::Known(value)).collect();
                ((*name).to_owned(), Argument::Ints(values))
            })
            .collect();
        assert_eq!(
            output(name, input, weight, &arguments).as_deref(),
            expected,
            "{name} of {input:?} by {weight:?}"
        );
    }

    /// Values of PyTorch 2.11.
    #[test]
    fn shapes_are_those_of_pytorch() {
        let image = [2, 3, 224, 224];
        check(
            "conv2d",
            &image,
            &[64, 3, 7, 7],
            &[("stride", &[2, 2]), ("padding", &[3, 3])],
            Some(&[2, 64, 112, 112]),
        );
        check(
            "conv2d",
            &image,
            &[64, 3, 3, 5],
            &[("stride", &[2]), ("dilation", &[2, 3])],
            Some(&[2, 64, 110, 106]),
        );
        check("conv1d", &[2, 3, 9], &[4, 3, 3], &[], Some(&[2, 4, 7]));
        let wide = [("stride", &[2_i64, 2][..]), ("padding", &[1, 1]), ("output_padding", &[1, 0])];
        check("conv_transpose2d", &[1, 8, 7, 7], &[8, 4, 3, 3], &wide, Some(&[1, 4, 14, 13]));
        check("conv3d", &[1, 2, 4, 5, 6], &[3, 2, 2, 2, 2], &[], Some(&[1, 3, 3, 4, 5]));
    }

    #[test]
    fn what_libtorch_refuses_has_no_shape() {
        check("conv2d", &[2, 4, 8, 8], &[64, 3, 7, 7], &[], None);
        check("conv2d", &[2, 3, 4, 4], &[64, 3, 7, 7], &[], None);
        check("conv2d", &[2, 3, 8, 8], &[64, 3, 7, 7], &[("stride", &[0, 0])], None);
        check("conv2d", &[2, 3, 8, 8], &[64, 3, 7, 7], &[("padding", &[i64::MAX, 0])], None);
        check("conv2d", &[], &[], &[], None);
        check("conv2d", &[3], &[3], &[], None);
        check("cat", &[2, 3, 8, 8], &[64, 3, 7, 7], &[], None);
    }
}
