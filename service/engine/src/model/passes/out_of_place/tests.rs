//! Small networks written as text, before and after the pass.

use super::*;
use crate::model::testing::network;

/// The graph after the pass, one `operator(reads) -> defines` per line, values by their names without the number that the pass adds.
fn rewritten(text: &str) -> Result<String, ModelError> {
    let graph = out_of_place(network(text).graph)?;
    graph.validate()?;
    let name = |id: ValueId| graph.values[id.0].name.clone();
    let mut lines: Vec<String> = Vec::new();
    for node in &graph.nodes {
        let mut reads = Vec::new();
        node.for_each_read(|id, _| reads.push(name(id)));
        let defines: Vec<_> = node.defines().map(|(id, _)| name(id)).collect();
        lines.push(
            format!("{} = {}({})", defines.join(","), node.operator, reads.join(", ")).replace("aten::", ""),
        );
    }
    lines.push(format!("-> {}", graph.outputs.iter().map(|&id| name(id)).collect::<Vec<_>>().join(", ")));
    Ok(lines.join("\n"))
}

fn check(text: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(rewritten(text).unwrap(), expected.join("\n"));
}

fn check_refused(text: &str, word: &str) {
    let error = rewritten(text).unwrap_err().to_string();
    assert!(error.contains(word), "{error}");
}

#[test]
fn later_reads_of_either_name_see_the_write() {
    check(
        "a = conv2d(x, w)
         b = relu_(a)
         c = sigmoid(a)
         d = add_.Tensor(b, c)
         e = mul.Tensor(a, b)",
        "a = conv2d(x, w)
         b = relu(a)
         c = sigmoid(b)
         d = add.Tensor(b, c)
         e = mul.Tensor(d, d)
         -> e",
    );
}

#[test]
fn views_made_before_the_write_are_made_anew() {
    check(
        "a = conv2d(x, w)
         v = view(a, 3)
         u = unsqueeze(v, 0)
         b = relu_(a)
         c = add.Tensor(u, v)",
        "a = conv2d(x, w)
         v = reshape(a)
         u = unsqueeze(v)
         b = relu(a)
         view.7 = reshape(b)
         view.8 = unsqueeze(view.7)
         c = add.Tensor(view.8, view.7)
         -> c",
    );
}

#[test]
fn views_made_after_the_write_are_left_alone() {
    check(
        "a = conv2d(x, w)
         b = relu_(a)
         v = view(b, 3)
         c = neg(v)",
        "a = conv2d(x, w)
         b = relu(a)
         v = reshape(b)
         c = neg(v)
         -> c",
    );
}

#[test]
fn a_write_to_a_view_reaches_its_base_and_its_siblings() {
    check(
        "a = conv2d(x, w)
         s = slice.Tensor(a, 0, 0, 9)
         t = select.int(s, 1, 0)
         o = select.int(s, 1, 1)
         m = mul_.Tensor(t, 2)
         c = add.Tensor(a, o)",
        "a = conv2d(x, w)
         s = slice.Tensor(a)
         t = select.int(s)
         o = select.int(s)
         m = mul.Tensor(t)
         select_scatter.8 = select_scatter(s, m)
         slice_scatter.9 = slice_scatter(a, select_scatter.8)
         view.10 = select.int(select_scatter.8)
         c = add.Tensor(slice_scatter.9, view.10)
         -> c",
    );
}

#[test]
fn a_write_to_a_view_alone_needs_no_base() {
    check(
        "a = conv2d(x, w)
         f = flatten.using_ints(a, 1)
         b = relu_(f)",
        "a = conv2d(x, w)
         f = flatten.using_ints(a)
         b = relu(f)
         -> b",
    );
}

#[test]
fn sharing_that_depends_on_the_run_is_refused_only_where_it_shows() {
    check_refused(
        "a = conv2d(x, w)\n f = flatten.using_ints(a, 1)\n b = relu_(f)\n c = add.Tensor(a, b)",
        "flatten",
    );
    check_refused("a = conv2d(x, w)\n f = contiguous(a)\n b = relu_(a)\n c = add.Tensor(f, b)", "contiguous");
    check_refused("a = conv2d(x, w)\n [p,q] = chunk(a, 2)\n b = relu_(p)\n c = neg(a)", "chunk");
}

#[test]
fn a_write_that_does_not_begin_with_its_tensor_is_refused() {
    check_refused("a = neg(x)\n b = add_.Tensor(2, a)", "does not begin with the tensor");
}

/// `base = neg(x)`, then these lines, of which `{}` is a number, so many times.
fn repeated(lines: &str, times: usize) -> String {
    let all =
        (1..=times).map(|at| lines.replace("{-}", &(at - 1).to_string()).replace("{}", &at.to_string()));
    ["v0 = neg(x)".to_owned()].into_iter().chain(all).collect::<Vec<_>>().join("\n")
}

#[test]
fn views_of_views_are_followed_so_far_only() {
    let chain = |length| repeated("v{} = unsqueeze(v{-}, 0)", length) + "\n b = relu_(v0)\n c = neg(v{last})";
    let network = |length: usize| chain(length).replace("{last}", &length.to_string());
    rewritten(&network(limits::VIEW_DEPTH)).unwrap();
    check_refused(&network(limits::VIEW_DEPTH + 1), "the number of views of views");
}

#[test]
fn what_is_made_anew_is_bounded() {
    // A hundred views of views, all made anew for each read after a write.
    let views = repeated("v{} = unsqueeze(v{-}, 0)", 100);
    let writes: Vec<String> = (0..600).map(|at| format!("b{at} = relu_(v0)\n c{at} = neg(v100)")).collect();
    check_refused(&format!("{views}\n{}", writes.join("\n")), "the graph's number of nodes");
}
