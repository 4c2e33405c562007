//! Each operator's cost by hand, and what values need; whole networks are compared with PyTorch's counter over the API.

use super::*;
use crate::model::testing::network;

/// The multiply-accumulates of each line's node.
fn check(text: &str, expected: &[u64]) {
    let network = network(text);
    let costs = Costs::new(&network.graph, &network.shapes);
    let found: Vec<u64> = (0..network.graph.nodes.len()).map(|index| costs.node(index)).collect();
    assert_eq!(found, expected, "{text}");
    assert_eq!(costs.total(), expected.iter().sum::<u64>());
}

#[test]
fn convolutions_count_their_groups_and_their_direction() {
    check("a:2x8x5x7 = conv2d(x:2x4x9x9, weight=w:8x4x3x3)", &[2 * 8 * 5 * 7 * 4 * 9]);
    check("a:2x8x5x7 = conv2d(x:2x8x9x9, weight=w:8x1x3x3)", &[2 * 8 * 5 * 7 * 9]);
    check("a:1x6x8 = conv1d(x:1x4x10, weight=w:6x4x3)", &[6 * 8 * 4 * 3]);
    check("a:6x5x7 = conv2d(x:4x5x7, weight=w:6x4x1x1)", &[6 * 5 * 7 * 4]);
    check(
        "a:2x6x8x8 = conv_transpose2d(z:2x4x4x4, weight=w:4x6x2x2)".replace("z", "v").as_str(),
        &[2 * 16 * 4 * 6 * 4],
    );
    check("a:2x6x8x8 = convolution(v:2x4x4x4, weight=w:4x6x2x2, transposed=true)", &[2 * 16 * 4 * 6 * 4]);
    check("a:2x6x3x3 = convolution(v:2x4x4x4, weight=w:6x4x2x2, transposed=false)", &[2 * 9 * 4 * 6 * 4]);
}

#[test]
fn products_count_what_they_sum() {
    check("a:2x7x9 = linear(v:2x7x5, weight=w:9x5)", &[2 * 7 * 5 * 9]);
    check("a:3x4x6 = matmul(v:3x4x5, w:5x6)", &[3 * 4 * 5 * 6]);
    check("a:2x3x4x6 = matmul(v:2x1x4x5, w:3x5x6)", &[2 * 3 * 4 * 5 * 6]);
    check("a:4 = mv(v:4x5, w:5)", &[20]);
    check("a:4x6 = addmm(v1:6, v2:4x5, w:5x6)", &[4 * 5 * 6]);
    check("a:3x4x6 = baddbmm(v1:1x4x6, v2:3x4x5, w:3x5x6)", &[3 * 4 * 5 * 6]);
    check("a:4x6 = addbmm(v1:4x6, v2:3x4x5, w:3x5x6)", &[3 * 4 * 5 * 6]);
    check("a:1x8x4x4 = relu(v:1x8x4x4)\n b:1x8x4x4 = add(a, v)", &[0, 0]);
    // What has no shape, or overflows, is no panic.
    check("a = conv2d(x, weight=w:8x4x3x3)\n b = matmul(a, a)\n c = linear(a)", &[0, 0, 0]);
    check("a:4294967296x4294967296 = mm(v:4294967296x9, w:9x4294967296)", &[u64::MAX]);
}

#[test]
fn attention_is_two_products_for_each_head() {
    check(
        "a:2x3x7x6 = scaled_dot_product_attention(v1:2x3x7x5, v2:2x3x9x5, v3:2x3x9x6)",
        &[2 * 3 * 7 * 9 * (5 + 6)],
    );
}

#[test]
fn einsum_counts_what_it_contracts() {
    let check = |equation: &str, operands: &str, expected: u64| {
        check(&format!("a:1 = einsum(equation='{equation}', tensors=[{operands}])"), &[expected]);
    };
    check("bhqd,bhkd->bhqk", "v1:2x3x5x4 v2:2x3x7x4", 2 * 3 * 5 * 7 * 4);
    check("bqd,kd", "v1:2x5x4 v2:7x4", 2 * 5 * 7 * 4);
    check("...qd,...kd->...qk", "v1:2x3x5x4 v2:3x7x4", 2 * 3 * 5 * 7 * 4);
    // Element by element; k is summed before.
    check("ij,ij->ij", "v1:3x5 v2:3x5", 0);
    check("ij,jk->ij", "v1:3x5 v2:5x7", 0);
    // From the left: (ij, jk) to ik, then kl.
    check("ij,jk,kl->il", "v1:2x3 v2:3x5 v3:5x7", 2 * 3 * 5 + 2 * 5 * 7);
    check("ii->i", "v1:4x4", 0);
    check("ij,jk->ik", "v1:3x5", 0);
}

#[test]
fn a_path_says_what_is_contracted_first() {
    let text = "a:1 = einsum(equation='ij,jk,kl->il', tensors=[v1:2x3 v2:3x5 v3:5x7], path=[1 2 0 1])";
    check(text, &[3 * 5 * 7 + 2 * 3 * 7]);
    check(&text.replace("1 2 0 1", "1 9 0 1"), &[0]);
}

#[test]
fn a_value_costs_what_it_needs_once() {
    let network = network(
        "a:1x4x4x4 = conv2d(x:1x3x4x4, weight=w1:4x3x1x1)
         b:1x4x4x4 = relu(a)
         c:1x2x4x4 = conv2d(b, weight=w2:2x4x1x1)
         d:1x5x4x4 = conv2d(b, weight=w3:5x4x1x1)
         e:1x7x4x4 = cat([c d], 1)",
    );
    let costs = Costs::new(&network.graph, &network.shapes);
    let values = ["x", "a", "b", "c", "d", "e"].map(|name| network.id(name));
    let (first, left, right) = (16 * 12, 16 * 8, 16 * 20);
    assert_eq!(
        costs.reach(&network.graph, &values),
        [0, first, first, first + left, first + right, first + left + right]
    );
}

#[test]
fn long_networks_take_more_than_one_walk() {
    let lines: Vec<String> = (1..=200)
        .map(|line| format!("a{line}:1x2x1x1 = conv2d(a{}, weight=w{line}:2x2x1x1)", line - 1))
        .collect();
    let text = format!("a0:1x2x1x1 = relu(x:1x2x1x1)\n{}", lines.join("\n"));
    let network = network(&text);
    let costs = Costs::new(&network.graph, &network.shapes);
    let values: Vec<ValueId> = (0..=200).map(|line| network.id(&format!("a{line}"))).collect();
    let expected: Vec<u64> = (0..=200).map(|line| 4 * line).collect();
    assert_eq!(costs.reach(&network.graph, &values), expected);
}
