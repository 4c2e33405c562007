//! What the columns of the layer tree say of one layer. Knows no tree.

use crate::numbers::magnitude;
use unitscope_proto::v1::Layer;
use unitscope_proto::v1::layer::ActivationSide;

/// `512 ch × 14 × 14`, `197 tok × 768 ch (1+14×14)`, `56 × 56 × 96 ch`: rows and columns stand without a word; in brackets the tokens before the rows × columns
/// of patches.
pub fn output(layer: &Layer) -> String {
    let words = layer.axes.iter().map(|axis| match axis.as_str() {
        "channel" => " ch",
        "token" => " tok",
        _ => "",
    });
    let sizes = layer.shape.iter().zip(words.chain(std::iter::repeat("")));
    let sizes = sizes.map(|(size, word)| format!("{size}{word}")).collect::<Vec<_>>().join(" × ");
    match &layer.tokens {
        Some(grid) => format!("{sizes} ({}+{}×{})", grid.prefix, grid.rows, grid.columns),
        None => sizes,
    }
}

/// `99×99 /16 −43`: rows × columns that a position sees, the pixels to the next position's, and the first pixel that the first position sees;
/// `whole` image; `?` where that is not known.
pub fn field(layer: &Layer) -> String {
    let Some(field) = &layer.receptive_field else { return "?".to_string() };
    match (field.size.as_slice(), field.stride.as_slice(), field.offset.as_slice()) {
        _ if field.whole_image => "whole".to_string(),
        ([rows, columns], [down, right], [top, left]) => {
            let stride = if down == right { down.to_string() } else { format!("{down}×{right}") };
            let offset =
                if top == left { signed(*top) } else { format!("{},{}", signed(*top), signed(*left)) };
            format!("{rows}×{columns} /{stride} {offset}")
        }
        _ => "?".to_string(),
    }
}

/// With a minus sign that is as wide as a digit; what needs no sign has none.
fn signed(number: i64) -> String {
    if number < 0 { format!("−{}", number.unsigned_abs()) } else { number.to_string() }
}

/// `after`, `before`, or nothing.
pub fn side(layer: &Layer) -> &'static str {
    match layer.activation_side() {
        ActivationSide::After => "after",
        ActivationSide::Before => "before",
        ActivationSide::Neither | ActivationSide::Unspecified => "",
    }
}

/// A count that is left out where there is nothing.
pub fn count(number: u64) -> String {
    if number == 0 { String::new() } else { magnitude(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::ReceptiveField;

    #[test]
    fn an_output_names_its_channels_and_tokens() {
        let check = |shape: &[i64], axes: &[&str], expected| {
            let axes = axes.iter().map(ToString::to_string).collect();
            assert_eq!(output(&Layer { shape: shape.to_vec(), axes, ..Layer::default() }), expected);
        };
        check(&[512, 14, 7], &["channel", "height", "width"], "512 ch × 14 × 7");
        let grid = Some(unitscope_proto::v1::TokenGrid { prefix: 1, rows: 14, columns: 14 });
        let axes = vec!["token".to_string(), "channel".to_string()];
        let patches = Layer { shape: vec![197, 768], axes, tokens: grid, ..Layer::default() };
        assert_eq!(output(&patches), "197 tok × 768 ch (1+14×14)");
        check(&[56, 56, 96], &["height", "width", "channel"], "56 × 56 × 96 ch");
        check(&[197, 768], &["token", "channel"], "197 tok × 768 ch");
        check(&[1000], &["channel"], "1000 ch");
        check(&[2, 8, 3, 3], &["other", "channel", "height", "width"], "2 × 8 ch × 3 × 3");
        // From a server that says less.
        check(&[8, 4, 4], &[], "8 × 4 × 4");
    }

    fn receptive_field(size: [u64; 2], stride: [u64; 2], offset: [i64; 2]) -> Option<ReceptiveField> {
        let (size, stride, offset) = (size.to_vec(), stride.to_vec(), offset.to_vec());
        Some(ReceptiveField { size, stride, offset, ..ReceptiveField::default() })
    }

    #[test]
    fn a_layer_shows_what_a_position_sees() {
        let check = |receptive_field, expected| {
            assert_eq!(field(&Layer { receptive_field, ..Layer::default() }), expected);
        };
        check(None, "?");
        check(receptive_field([99, 99], [16, 16], [-43, -43]), "99×99 /16 −43");
        check(receptive_field([9, 5], [4, 2], [0, -2]), "9×5 /4×2 0,−2");
        check(Some(ReceptiveField { whole_image: true, ..ReceptiveField::default() }), "whole");
        // From a server that says less.
        check(Some(ReceptiveField::default()), "?");
    }
}
