//! Small graphs, each with the axes of its last value: those of networks in use, shortened.

use super::*;
use crate::model::testing::network;

/// The axes as letters (batch, channel, height, width, token, other), and `prefix+rows×columns` of tokens; `-` where no image owns a part.
fn words(text: &str) -> String {
    let mut network = network(text);
    network.shapes.insert(network.graph.input, vec![2, 3, 32, 16]);
    let value = network.graph.outputs[0];
    let roles = AxisRoles::new(&network.graph, &network.shapes);
    let Some(layout) = roles.layout(value, &network.shapes[&value], 2) else { return "-".to_owned() };
    let letter = |axis: &Axis| match axis {
        Axis::Batch => 'B',
        Axis::Channel => 'C',
        Axis::Height => 'H',
        Axis::Width => 'W',
        Axis::Token => 'T',
        Axis::Other => 'o',
    };
    let axes: String = layout.axes.iter().map(letter).collect();
    match layout.tokens {
        Some(TokenGrid { prefix, rows, columns }) => format!("{axes} {prefix}+{rows}×{columns}"),
        None => axes,
    }
}

/// Each of the lines in turn is added to `text`, and its value has the axes that stand behind it.
fn check(text: &str, lines: &[(&str, &str)]) {
    let mut text = text.to_owned();
    for (line, expected) in lines {
        text = format!("{text}\n{line}");
        assert_eq!(words(&text), *expected, "{line}");
    }
}

const CONVOLVED: &str = "a:2x8x8x4 = conv2d(x, weight=w:8x3x4x4, stride=[4 4])";

#[test]
fn convolutions_keep_channels_second() {
    check(
        CONVOLVED,
        &[
            ("b:2x8x8x4 = batch_norm(a, weight=w1:8)", "BCHW"),
            ("c:2x8x1x1 = adaptive_avg_pool2d(b, output_size=[1 1])", "BCHW"),
            ("d:2x2x1x1 = conv2d(c, weight=w2:2x8x1x1)", "BCHW"),
            ("e:2x8x1x1 = conv2d(d, weight=w3:8x2x1x1)", "BCHW"),
            ("f:2x8x8x4 = mul.Tensor(e, b)", "BCHW"),
            ("g:2x8x16x8 = upsample_nearest2d(f, scale_factors=none)", "BCHW"),
            ("h:2x24x16x8 = cat([g g g], dim=1)", "BCHW"),
            ("i:2x8x16x8,j:2x8x16x8,k:2x8x16x8 = chunk(h, chunks=3, dim=1)", "BCHW"),
            ("l:2x8 = mean.dim(k, dim=[2 3])", "BC"),
            ("m:2x5 = linear(l, weight=w4:5x8)", "BC"),
        ],
    );
    check(CONVOLVED, &[("b:2x256 = flatten(a, start_dim=1)", "BC")]);
    // A square of 8 × 8 channels, rows and columns: sizes alone tell nothing.
    check(
        "a:2x8x8x8 = conv2d(x, weight=w:8x3x4x2, stride=[4 2])",
        &[
            ("b:2x8x8x8 = permute(a, dims=[0 2 3 1])", "BHWC"),
            ("c:2x8x8x8 = layer_norm(b, normalized_shape=[8])", "BHWC"),
            ("d:2x8x8x8 = permute(c, dims=[0 -1 1 2])", "BCHW"),
        ],
    );
}

#[test]
fn tokens_know_their_patches() {
    check(
        CONVOLVED,
        &[
            ("b:2x8x32 = reshape(a, shape=[2 8 32])", "BCT 0+8×4"),
            ("c:2x32x8 = permute(b, dims=[0 2 1])", "BTC 0+8×4"),
            ("d:2x1x8 = expand(w1:1x1x8, size=[2 -1 -1])", "-"),
            ("e:2x33x8 = cat([d c], dim=1)", "BTC 1+8×4"),
            ("f:2x33x8 = add.Tensor(e, w2:1x33x8)", "BTC 1+8×4"),
            ("g:2x4x8 = expand(w3:1x4x8, size=[2 -1 -1])", "-"),
            ("h:2x37x8 = cat([g f], dim=1)", "BTC 5+8×4"),
            ("i:2x32x8 = slice(h, dim=1, start=5)", "BTC 0+8×4"),
            ("j:2x36x8 = slice(h, dim=1, start=-36)", "BTC 4+8×4"),
            ("k:2x32x8 = slice(h, dim=1, start=0, end=32)", "BTC"),
            ("l:2x5x8,m:2x32x8 = split_with_sizes(h, split_sizes=[5 32], dim=1)", "BTC 0+8×4"),
            ("n:2x8 = select(h, dim=1, index=0)", "BC"),
            ("o:2x8x4x8 = unflatten(m, dim=1, sizes=[8 4])", "BHWC"),
            ("p:2x33x8 = cat([m d], dim=1)", "BTC"),
        ],
    );
    // Patches cut by reshapes alone.
    check(
        "a:2x3x8x4x4x4 = reshape(x, shape=[2 3 8 4 4 4])
         b:2x8x4x4x4x3 = permute(a, dims=[0 2 4 3 5 1])",
        &[
            ("c:2x32x48 = reshape(b, shape=[2 32 48])", "BTC 0+8×4"),
            ("d:2x32x8 = linear(c, weight=w:8x48)", "BTC 0+8×4"),
        ],
    );
}

#[test]
fn heads_are_no_rows() {
    let tokens = format!(
        "{CONVOLVED}
         b:2x8x32 = flatten(a, start_dim=2)
         c:2x32x8 = transpose(b, dim0=1, dim1=2)"
    );
    check(
        &tokens,
        &[
            ("d:2x32x24 = linear(c, weight=w1:24x8)", "BTC 0+8×4"),
            ("e:2x32x3x2x4 = reshape(d, shape=[2 32 3 2 4])", "BTooC"),
            ("f:3x2x2x32x4 = permute(e, dims=[2 0 3 1 4])", "-"),
            ("q:2x2x32x4,k:2x2x32x4,v:2x2x32x4 = unbind(f)", "BoTC"),
            ("g:2x2x4x32 = transpose(k, dim0=-2, dim1=-1)", "BoCT"),
            ("h:2x2x32x32 = matmul(q, g)", "BCTT"),
            ("i:2x2x32x32 = softmax(h, dim=-1)", "BCTT"),
            ("j:2x2x32x4 = matmul(i, v)", "BoTC"),
            ("l:2x32x2x4 = transpose(j, dim0=1, dim1=2)", "BToC"),
            ("m:2x32x8 = reshape(l, shape=[2 32 8])", "BTC 0+8×4"),
            ("n:2x2x32x4 = scaled_dot_product_attention(query=q, key=k, value=v)", "BoTC"),
        ],
    );
    // A mixer's linear layer over tokens has units of its own.
    check(
        &tokens,
        &[
            ("d:2x8x32 = transpose(c, dim0=1, dim1=2)", "BCT 0+8×4"),
            ("e:2x8x6 = linear(d, weight=w1:6x32)", "BoC"),
            ("f:2x8x32 = linear(e, weight=w2:32x6)", "BoC"),
            ("g:2x32x8 = transpose(f, dim0=1, dim1=2)", "BoC"),
            ("h:2x32x8 = add.Tensor(c, g)", "BTC 0+8×4"),
        ],
    );
}

#[test]
fn windows_are_no_images() {
    let cut = format!(
        "{CONVOLVED}
         b:2x8x4x8 = permute(a, dims=[0 2 3 1])
         c:2x2x4x2x2x8 = view(b, size=[2 2 4 2 2 8])"
    );
    check(
        &cut,
        &[
            ("d:2x2x2x4x2x8 = permute(c, dims=[0 1 3 2 4 5])", "BoooTC"),
            ("e:8x8x8 = reshape(d, shape=[8 8 8])", "-"),
            ("f:8x8x24 = linear(e, weight=w1:24x8)", "-"),
            ("g:2x2x2x4x2x24 = view(f, size=[2 2 2 4 2 24])", "BoooTC"),
            ("h:2x2x4x2x2x24 = permute(g, dims=[0 1 3 2 4 5])", "BoooTC"),
            ("i:2x8x4x24 = reshape(h, shape=[2 8 4 24])", "BHWC"),
            ("j:2x8x4x24 = roll(i, shifts=[1 1], dims=[1 2])", "BHWC"),
            ("k:2x9x6x24 = pad(j, pad=[0 0 0 2 0 1])", "BHWC"),
            ("l:2x8x4x24 = slice(k, dim=1, start=0)", "BHWC"),
            ("m:2x4x8x8 = reshape(d, shape=[2 4 8 8])", "BoTC"),
        ],
    );
}

#[test]
fn merged_patches_are_fewer_rows_and_columns() {
    check(
        CONVOLVED,
        &[
            ("b:2x8x4x8 = permute(a, dims=[0 2 3 1])", "BHWC"),
            ("c:2x4x2x2x2x8 = reshape(b, shape=[2 4 2 2 2 8])", "BoooTC"),
            ("d:2x4x2x2x2x8 = permute(c, dims=[0 1 3 4 2 5])", "BoooTC"),
            ("e:2x4x2x32 = flatten(d, start_dim=3)", "BHWC"),
            ("f:2x4x2x16 = linear(e, weight=w1:16x32)", "BHWC"),
            ("g:2x8x16 = reshape(f, shape=[2 8 16])", "BTC 0+4×2"),
        ],
    );
    // Every second row and column.
    check(
        CONVOLVED,
        &[
            ("b:2x8x4x4 = slice(a, dim=2, start=0, step=2)", "BCHW"),
            ("c:2x8x4x2 = slice(b, dim=3, start=1, step=2)", "BCHW"),
            ("d:2x32x4x2 = cat([c c c c], dim=1)", "BCHW"),
        ],
    );
}

/// The batch is second inside of PyTorch's multi-head attention; of one image it cannot be followed through all of its reshapes.
#[test]
fn tokens_of_one_image_come_back_from_attention() {
    let mut network = network(
        "a:1x8x8x4 = conv2d(x, weight=w:8x3x4x4, stride=[4 4])
         b:1x8x32 = flatten(a, start_dim=2)
         c:32x1x8 = permute(b, dims=[2 0 1])
         d:32x8 = view(c, size=[32 8])
         e:32x8 = linear(d, weight=w1:8x8)
         f:32x1x8 = view(e, size=[32 1 8])
         g:1x32x8 = transpose(f, dim0=1, dim1=0)",
    );
    network.shapes.insert(network.graph.input, vec![1, 3, 32, 16]);
    let roles = AxisRoles::new(&network.graph, &network.shapes);
    let layout = roles.layout(network.graph.outputs[0], &[1, 32, 8], 1).unwrap();
    assert_eq!(layout.axes, [Axis::Batch, Axis::Token, Axis::Channel]);
    assert_eq!(layout.tokens, Some(TokenGrid { prefix: 0, rows: 8, columns: 4 }));
}

#[test]
fn an_axis_as_long_as_the_batch_is_none_yet() {
    check(CONVOLVED, &[("b:8x2x8x4 = permute(a, dims=[1 0 2 3])", "-")]);
    check(
        "a:2x3x32x16 = conv2d(x, weight=w:3x3x1x1)",
        &[
            ("b:2x3x2x16x16 = view(a, size=[2 3 2 16 16])", "BCooW"),
            ("c:2x2x3x16x16 = permute(b, dims=[2 0 1 3 4])", "-"),
            ("d:2x5 = mm(w1:2x3, w2:3x5)", "-"),
        ],
    );
    // One image: its batch axis is still told from the heads of one.
    let mut network = network("a:1x1x4x2 = permute(x, dims=[1 0 2 3])");
    network.shapes.insert(network.graph.input, vec![1, 1, 4, 2]);
    let roles = AxisRoles::new(&network.graph, &network.shapes);
    assert_eq!(roles.layout(network.graph.outputs[0], &[1, 1, 4, 2], 1), None);
}

#[test]
fn what_is_not_followed_goes_by_its_rank() {
    check(CONVOLVED, &[("b:2x16x9 = im2col(a, kernel_size=[2 2])", "BTC")]);
    check(
        CONVOLVED,
        &[
            ("b:2x16x9 = im2col(a, kernel_size=[2 2])", "BTC"),
            ("c:2x9x16 = transpose(b, dim0=1, dim1=2)", "BTC"),
            ("d:2x9x8 = linear(c, weight=w1:8x16)", "BTC"),
        ],
    );
}

#[test]
fn axes_follow_the_rank_and_the_channel() {
    use Axis::{Batch, Channel, Height, Other, Token, Width};
    assert_eq!(axes(2, None), [Batch, Channel]);
    assert_eq!(axes(3, None), [Batch, Token, Channel]);
    assert_eq!(axes(3, Some(1)), [Batch, Channel, Token]);
    assert_eq!(axes(4, Some(1)), [Batch, Channel, Height, Width]);
    assert_eq!(axes(4, Some(3)), [Batch, Height, Width, Channel]);
    assert_eq!(axes(5, Some(1)), [Batch, Channel, Other, Height, Width]);
}
