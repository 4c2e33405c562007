//! Small graphs, each with what its last value's positions see; the expected numbers are worked out by hand, but for one network by brute force.

use super::*;
use crate::model::axes::axes;
use crate::model::testing::network;

/// The image is 1×3×32×32. Expected: `size/stride@start`, rows × columns where they differ; `whole`, `?`.
fn check(text: &str, expected: &str) {
    check_axes(text, Some(1), expected);
}

fn check_axes(text: &str, channel: Option<usize>, expected: &str) {
    let mut network = network(text);
    network.shapes.insert(network.graph.input, vec![1, 3, 32, 32]);
    let value = network.graph.outputs[0];
    let rank = network.shapes[&value].len();
    let sight = Geometry::new(&network.graph, &network.shapes).sight(value, &axes(rank, channel));
    assert_eq!(words(sight), expected, "{text}");
}

fn words(sight: Sight) -> String {
    fn pair<T: PartialEq + std::fmt::Display>([a, b]: [T; 2]) -> String {
        if a == b { a.to_string() } else { format!("{a}×{b}") }
    }
    match sight {
        Sight::Field(ReceptiveField { size, stride, start }) => {
            format!("{}/{}@{}", pair(size), pair(stride), pair(start))
        }
        Sight::Whole => "whole".to_owned(),
        Sight::Unknown => "?".to_owned(),
    }
}

#[test]
fn convolutions_and_pools_grow_the_field() {
    check("a:1x8x30x30 = conv2d(x, weight=w:8x3x3x3)", "3/1@0");
    check("a:1x8x16x16 = conv2d(x, weight=w:8x3x7x7, stride=[2 2], padding=[3 3])", "7/2@-3");
    check("a:1x8x16x10 = conv2d(x, weight=w:8x3x3x5, stride=[2 3], padding=[1 0])", "3×5/2×3@-1×0");
    check("a:1x8x32x32 = conv2d(x, weight=w:8x3x3x3, padding=[2 2], dilation=[2 2])", "5/1@-2");
    check("a:1x8x32x32 = conv2d.padding(x, weight=w:8x3x4x3, padding='same')", "4×3/1@-1");
    check("a:1x8x30x30 = conv2d.padding(x, weight=w:8x3x3x3, padding='valid')", "3/1@0");
    check("a:1x3x16x16 = max_pool2d(x, kernel_size=[2 2])", "2/2@0");
    check("a:1x3x16x16 = avg_pool2d(x, kernel_size=[3], stride=[2], padding=[1])", "3/2@-1");
    check("a:1x8x64x64 = conv_transpose2d(x, weight=w:3x8x2x2, stride=[2 2])", "?");
    check("a:1x8x64x64 = convolution(x, weight=w:3x8x2x2, bias=none, stride=[2 2], transposed=true)", "?");
    // AlexNet's first three layers: 11/4@0 with padding 2, then pool 3/2, then 5×5.
    check(
        "a:1x64x7x7 = conv2d(x, weight=w1:64x3x11x11, stride=[4 4], padding=[2 2])
         b:1x64x7x7 = relu(a)
         c:1x64x3x3 = max_pool2d(b, kernel_size=[3 3], stride=[2 2])
         d:1x192x3x3 = conv2d(c, weight=w2:192x64x5x5, padding=[2 2])",
        "51/8@-18",
    );
}

#[test]
fn branches_are_joined() {
    let block = |more: &str| {
        format!(
            "a:1x8x32x32 = conv2d(x, weight=w1:8x3x1x1)
             b:1x8x32x32 = conv2d(a, weight=w2:8x8x5x5, padding=[2 2])
             {more}"
        )
    };
    check(&block("c:1x8x32x32 = add.Tensor(b, a)"), "5/1@-2");
    check(&block("c:1x16x32x32 = cat([a b], dim=1)"), "5/1@-2");
    check(&block("c:1x8x64x32 = cat([a b], dim=2)"), "?");
    // A lone row of statistics, broadcast over rows.
    check(&block("c:1x8x1x32 = slice(a, dim=2, start=0, end=1)\n d:1x8x32x32 = mul(b, c)"), "?");
    // Even and odd positions have the same stride, and are a pixel apart.
    check(
        "a:1x3x16x32 = slice(x, dim=2, start=0, step=2)
         b:1x3x16x32 = slice(x, dim=2, start=1, step=2)
         c:1x6x16x32 = cat([a b], dim=-3)",
        "2×1/2×1@0",
    );
    check(
        "a:1x3x16x16 = max_pool2d(x, kernel_size=[2 2])
         b:1x3x16x16 = slice(x, dim=2, start=0, step=2)
         c:1x3x16x16 = add.Tensor(a, b)",
        "?",
    );
}

#[test]
fn what_mixes_positions_sees_the_whole_image() {
    let conv = "a:1x8x16x16 = conv2d(x, weight=w:8x3x2x2, stride=[2 2])\n";
    let check = |more: &str, expected| check(&format!("{conv}{more}"), expected);
    check("b:1x8x1x1 = adaptive_avg_pool2d(a, output_size=[1 1])", "whole");
    check("b:1x8x4x4 = adaptive_avg_pool2d(a, output_size=[4 4])", "8/8@0");
    check("b:1x8x16x16 = adaptive_avg_pool2d(a, output_size=[16 16])", "2/2@0");
    check("b:1x8x7x7 = adaptive_avg_pool2d(a, output_size=[7 7])", "?");
    check("b:1x8 = mean(a, dim=[2 3])", "whole");
    check("b:1x8x1x1 = mean(a, dim=[-1 -2], keepdim=true)", "whole");
    check("b:1x1x16x16 = mean(a, dim=[1], keepdim=true)", "2/2@0");
    check("b:1x8x16x16 = group_norm(a, num_groups=2)", "whole");
    check("b:1x8x16x16 = instance_norm(a)", "whole");
    check("b:1x8x16x16 = batch_norm(a, weight=v:8, training=false)", "2/2@0");
    check("b:1x8x16x16 = prelu(a, weight=v:8)", "2/2@0");
    check("b:1x8x16x16 = channel_shuffle(a, groups=2)", "2/2@0");
    check("b:1x8x16x16 = softmax(a, dim=1)", "2/2@0");
    check("b:1x2048 = flatten(a, start_dim=1)", "?");
    check("b:1x2048 = flatten(a, start_dim=1)\n c:1x10 = linear(b, weight=w2:10x2048)", "whole");
    // Squeeze and excitation: each position depends on the image's mean.
    check(
        "b:1x8x1x1 = mean(a, dim=[2 3], keepdim=true)
         c:1x8x1x1 = conv2d(b, weight=w2:8x8x1x1)
         d:1x8x1x1 = sigmoid(c)
         e:1x8x16x16 = mul.Tensor(a, d)",
        "whole",
    );
    check("b:1x8x32x32 = upsample_nearest2d(a, output_size=[32 32])", "?");
    check(
        "b:1x8x32x32 = upsample_nearest2d(a, output_size=[32 32])
         c:1x8x1x1 = adaptive_avg_pool2d(b, output_size=[1 1])",
        "whole",
    );
}

#[test]
fn tokens_see_all_once_they_attend() {
    let tokens = "a:1x8x4x4 = conv2d(x, weight=w:8x3x8x8, stride=[8 8])
         b:1x8x16 = flatten(a, start_dim=2)
         c:1x16x8 = transpose(b, dim0=1, dim1=2)
         ";
    let check = |more: &str, expected| check_axes(&format!("{tokens}{more}"), None, expected);
    check("d:1x16x8 = layer_norm(c, normalized_shape=[8])", "?");
    check(
        "d:1x16x2x4 = reshape(c, shape=[1 16 2 4])
         e:1x2x16x4 = transpose(d, dim0=1, dim1=2)
         f:1x2x16x4 = scaled_dot_product_attention(query=e, key=e, value=e)
         g:1x16x2x4 = transpose(f, dim0=1, dim1=2)
         h:1x16x8 = reshape(g, shape=[1 16 8])
         i:1x16x8 = add.Tensor(h, c)",
        "whole",
    );
    check("d:1x8x16 = transpose(c, dim0=1, dim1=2)\n e:1x16x16 = matmul(c, d)", "whole");
    // Four windows of four tokens each.
    check(
        "d:4x4x8 = reshape(c, shape=[4 4 8])
         e:4x4x8 = scaled_dot_product_attention(query=d, key=d, value=d)",
        "?",
    );
}

#[test]
fn positions_may_move_between_axes() {
    let rows_last = "a:1x32x32x3 = permute(x, dims=[0 2 3 1])\n";
    let check = |more: &str, expected| check_axes(&format!("{rows_last}{more}"), Some(3), expected);
    check("b:1x32x32x8 = linear(a, weight=w:8x3)", "1/1@0");
    check("b:1x32x32x3 = layer_norm(a, normalized_shape=[3])", "1/1@0");
    check("b:1x32x32x3 = layer_norm(a, normalized_shape=[32 32 3])", "whole");
    check("b:1x32x32x8 = matmul(a, w:3x8)", "1/1@0");
    check("b:1x32x32x3 = roll(a, shifts=[1 1], dims=[1 2])", "?");
    check("b:1x32x32x3 = flip(a, dims=[3])", "1/1@0");
    // Rows and columns change places: the layer's rows are no rows of the image.
    check("b:1x32x32x3 = transpose(a, dim0=1, dim1=2)", "?");
    // A local response norm over channels, as it is exported.
    self::check(
        "a:1x1x3x32x32 = view(x, size=[1 1 3 32 -1])
         b:1x1x7x32x32 = pad(a, pad=[0 0 0 0 2 2])
         c:1x1x3x32x32 = avg_pool3d(b, kernel_size=[5 1 1], stride=[1 1 1])
         d:1x3x32x32 = squeeze.dim(c, dim=1)
         e:1x3x32x32 = div.Tensor(x, d)",
        "1/1@0",
    );
    // Channels are shuffled between groups.
    self::check(
        "a:1x3x1x32x32 = view(x, size=[1 3 1 32 32])
         b:1x1x3x32x32 = transpose(a, dim0=1, dim1=2)
         c:1x3x32x32 = reshape(b, shape=[1 3 32 32])",
        "1/1@0",
    );
    // The other order of channels.
    self::check("a:1x3x32x32 = index(x, indices=[none v:3])", "1/1@0");
}

#[test]
fn parts_and_padding_move_the_start() {
    check("a:1x3x30x33 = pad(x, pad=[1 0 -1 -1])", "1/1@1×-1");
    check("a:1x3x34x34 = pad(x, pad=[1 1 1 1], mode='reflect')", "?");
    check("a:1x3x34x32 = reflection_pad2d(x, padding=[0 0 1 1])", "?");
    check("a:1x3x32x8 = slice(x, dim=-1, start=-8)", "1/1@0×24");
    check("a:1x3x32x4 = narrow(x, dim=3, start=5, length=4)", "1/1@0×5");
    check(
        "[a:1x3x10x32,b:1x3x22x32] = split_with_sizes(x, split_sizes=[10 22], dim=2)\n c:1x3x22x32 = neg(b)",
        "1/1@10×0",
    );
    check(
        "[a:1x1x32x32,b:1x2x32x32] = split_with_sizes(x, split_sizes=[1 2], dim=1)\n c:1x2x32x32 = neg(b)",
        "1/1@0",
    );
    check("a:1x32x32 = select(x, dim=1, index=0)\n b:1x1x32x32 = unsqueeze(a, dim=1)", "1/1@0");
    check("a:1x12x16x16 = pixel_unshuffle(x, downscale_factor=2)", "2/2@0");
    check("a:1x3x32x32 = frobnicate(x)", "?");
    // What no image reaches is nobody's concern.
    check("a:1x3x32x32 = frobnicate(w:3x3)\n b:1x3x32x32 = add.Tensor(x, a)", "1/1@0");
}

#[test]
fn a_broken_file_cannot_make_it_panic() {
    let most = i64::MAX;
    check(
        &format!(
            "a:1x8x32x32 = conv2d(x, weight=w:8x3x3x3, stride=[{most} 1], padding=[{most} 1])
             b:1x8x32x32 = conv2d(a, weight=w2:8x8x3x3)"
        ),
        "?",
    );
    check(&format!("a:1x8x32x32 = conv2d(x, weight=w:8x3x3x3, dilation=[{most} {most}])"), "?");
    check("a:1x8x32x32 = conv2d(x, weight=w:8x3x3x3, stride=[0 0])", "?");
    check("a:1x8x32x32 = conv2d(x, weight=w:8)", "?");
    check("a:1x8x32x32 = conv3d(x, weight=w:8x3x3x3x3x3x3)", "?");
    check(&format!("a:1x3x32x32 = pad(x, pad=[{} {most}])", i64::MIN), "?");
    check(&format!("a:1x3x32x32 = slice(x, dim=2, start={})", i64::MIN), "1/1@0");
    check("a:1x3x32x32 = slice(x, dim=9)", "?");
    check("a:1 = transpose(x, dim0=-9, dim1=7)", "?");
    check("a:1x0 = reshape(x, shape=[1 0])", "?");
    check("a:1x3x0x0 = adaptive_avg_pool2d(x, output_size=[0 0])", "?");
    check("a:1x3x32x32 = mean(x, dim=[9])", "?");
    check("a:3 = add(x, w:3)", "?");
}

#[test]
fn windows_are_within_the_image_and_never_empty() {
    let field = ReceptiveField { size: [5, 3], stride: [2, 4], start: [-2, -8] };
    let check = |row, column, expected: [u32; 4]| {
        assert_eq!(field.window(row, column, 20, 10), expected, "{row}, {column}");
    };
    check(0, 2, [0, 0, 3, 3]);
    check(3, 3, [4, 4, 9, 7]);
    // In the padding.
    check(0, 0, [0, 0, 3, 1]);
    check(9, 9, [16, 9, 20, 10]);
    check(u64::MAX, u64::MAX, [19, 9, 20, 10]);
    let field = ReceptiveField { size: [u64::MAX; 2], stride: [u64::MAX; 2], start: [i64::MIN; 2] };
    assert_eq!(field.window(u64::MAX, 1, 0, u32::MAX), [0, u32::MAX - 1, 1, u32::MAX]);
}
