//! Each pass alone, then all together, against PyTorch's numbers for the demo model and an export with in-place operators.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use super::*;
use crate::model::graph::Operator;
use crate::model::passes::redirect::{Reach, redirect};
use crate::model::passes::smooth::smooth;
use crate::model::shim::gradients;
use crate::model::testing::{network, npz};

struct Golden {
    graph: Graph,
    weights: Weights,
    input: Tensor,
    output: Tensor,
    /// Of the mean of a channel of the output: the channel, and what PyTorch's gradient of the image is.
    gradient: (i64, Tensor),
}

fn golden(folder: &str, file: &str, number: &str, unit: &str) -> Golden {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut archive = Archive::open(&root.join(folder).join("model.pt2")).unwrap();
    let exported = pt2::read(&archive).unwrap();
    let names = exported.graph.weights.iter().map(|(_, name)| name.as_str());
    let weights = Weights::load(&mut archive, &exported.stored, names).unwrap();
    let mut arrays = npz::read(&root.join(file));
    let mut take = |key: String| arrays.remove(&key).unwrap();
    let gradient =
        (unit.rsplit(':').next().unwrap().parse().unwrap(), take(format!("gradient{number}:{unit}")));
    let (input, output) = (take(format!("input{number}")), take(format!("output{number}")));
    Golden { graph: exported.graph, weights, input, output, gradient }
}

fn goldens() -> [Golden; 2] {
    [
        golden("demo/models/demo", "tests/fixtures/golden/demo.npz", "0", "logits:11"),
        golden(
            "tests/fixtures/models/inplace_fixed",
            "tests/fixtures/models/inplace_fixed/expected.npz",
            "",
            "fc:2",
        ),
    ]
}

/// The network's output and the image's gradient after a pass.
fn check(what: &str, pass: impl Fn(Graph) -> Graph) {
    for golden in goldens() {
        let mut graph = pass(golden.graph);
        graph.validate().unwrap();
        // Programs run channels-last, where a recorded `view` fails; that half of the out-of-place pass cannot be left out.
        for node in &mut graph.nodes {
            if matches!(&node.operator, Operator::Aten { name, .. } if name == "view") {
                node.operator = Operator::Aten { name: "reshape".to_owned(), overload: String::new() };
                node.arguments[1].0 = "shape".to_owned();
            }
        }
        let program = Program::new(&graph, &golden.weights, Device::Cpu).unwrap();
        check_program(what, &program, &golden.input, &golden.output, &golden.gradient);
    }
}

fn check_program(what: &str, program: &Program, input: &Tensor, expected: &Tensor, gradient: &(i64, Tensor)) {
    let image = input.copy().set_requires_grad(true);
    let output = program.run(&image).unwrap();
    npz::assert_near(&output[0], expected, what);
    let (channel, expected) = gradient;
    let slope = output[0].zeros_like();
    let _ = slope.narrow(1, *channel, 1).fill_(1.0 / output[0].size()[0] as f64);
    let found = gradients(&output[..1], &[image], &[slope]).unwrap();
    npz::assert_near(found[0].as_ref().unwrap(), expected, what);
}

/// Taps every layer beside the output.
fn tapped(mut graph: Graph) -> Graph {
    let sites = tap::sites(&mut graph);
    graph.outputs.extend(sites.iter().map(|site| site.value));
    graph
}

#[test]
fn the_graph_as_exported() {
    check("no pass", |graph| graph);
}

#[test]
fn out_of_place_alone() {
    check("out of place", |graph| out_of_place(graph).unwrap());
}

#[test]
fn cut_alone() {
    check("cut", cut);
}

#[test]
fn tap_alone() {
    check("tap", tapped);
}

/// The network's output after the passes that follow a cut, for each golden file and `change` of its graph.
fn check_folded(what: &str, change: impl Fn(Graph) -> Graph) -> usize {
    let mut folded = 0;
    for golden in goldens() {
        let (graph, foldings) = fold(change(out_of_place(golden.graph).unwrap()), |_| None);
        graph.validate().unwrap();
        folded += foldings.len();
        let weights = golden.weights.folded(&foldings).unwrap();
        check_program(
            what,
            &Program::new(&graph, &weights, Device::Cpu).unwrap(),
            &golden.input,
            &golden.output,
            &golden.gradient,
        );
    }
    folded
}

#[test]
fn fold_alone() {
    assert!(check_folded("fold", |graph| graph) > 0, "the networks have batch norms to fold");
}

#[test]
fn all_together() {
    check("all", |graph| cut(tapped(out_of_place(graph).unwrap())));
    // What is tapped is not folded: here the output alone is.
    let found = |mut graph: Graph| {
        tap::sites(&mut graph);
        cut(graph)
    };
    assert!(check_folded("all, folded", found) > 0, "the networks have batch norms to fold");
    assert_eq!(check_folded("all, tapped", |graph| cut(tapped(graph))), 0);
}

/// Every value keeps its very bits; the gradient is PyTorch's where all units are on, and not zero where all are off.
#[test]
fn redirect_changes_no_value() {
    for golden in goldens() {
        let graph = tapped(out_of_place(golden.graph).unwrap());
        let run = |graph: &Graph| {
            Program::new(graph, &golden.weights, Device::Cpu).unwrap().run(&golden.input).unwrap()
        };
        assert_eq!(run(&graph), run(&redirect(graph.clone(), Reach::All)));
    }
}

/// What a network without weights makes of `input`, and what comes back to it for the slopes 1, 2, 3 … of the output's numbers.
fn values_and_gradient(graph: &Graph, input: &Tensor) -> (Vec<f32>, Vec<f32>) {
    let image = input.copy().set_requires_grad(true);
    let output = Program::new(graph, &Weights::none(), Device::Cpu).unwrap().run(&image).unwrap();
    let slope = Tensor::arange_start(1, output[0].numel() as i64 + 1, (Kind::Float, Device::Cpu));
    let slope = slope.reshape(output[0].size());
    let found = gradients(&output[..1], &[image], &[slope]).unwrap().remove(0).unwrap();
    let numbers = |tensor: &Tensor| Vec::<f32>::try_from(tensor.reshape([-1])).unwrap();
    (numbers(&output[0]), numbers(&found))
}

/// The same number, zeros of the same sign, or none.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// No bit of a value changes; the slope is `slope` but where x is infinite, where it is the activation's own.
fn check_redirected(text: &str, slope: f32) {
    let graph = network(text).graph;
    let x = [-f32::INFINITY, -1e6, -200.0, -15.0, -4.0, -2.0, -1.0, -0.0, 0.0, 0.5, 2.0, 7.0, 30.0];
    let x: Vec<f32> = x.into_iter().chain([f32::INFINITY]).collect();
    let input = Tensor::from_slice(&x).reshape([1, -1]);
    let (values, own) = values_and_gradient(&graph, &input);
    for reach in [Reach::Last, Reach::All] {
        let (redirected, gradient) = values_and_gradient(&redirect(graph.clone(), reach), &input);
        for (place, x) in x.iter().enumerate() {
            let expected = if x.is_finite() { (place + 1) as f32 * slope } else { own[place] };
            assert!(same(redirected[place], values[place]), "{text} at {x}: {redirected:?}, {values:?}");
            assert!(same(gradient[place], expected), "{text} at {x}: {gradient:?}, own {own:?}");
        }
    }
}

#[test]
fn redirected_activations_have_the_slope_that_they_have_where_they_are_on() {
    for call in [
        "relu(x)",
        "relu6(x)",
        "hardtanh(x)",
        "threshold(x, threshold=1, value=-3)",
        "leaky_relu(x)",
        "clamp(x, min=0, max=6)",
        "clamp_min(x, min=0)",
        "clamp_max(x, max=6)",
        "gelu(x)",
        "gelu(x, approximate='tanh')",
        "silu(x)",
        "hardswish(x)",
        "mish(x)",
    ] {
        check_redirected(&format!("a = {call}"), 1.0);
    }
    check_redirected("a = hardsigmoid(x)", 1.0 / 6.0);
    check_redirected("a = sigmoid(x)\n b = mul.Tensor(x, a)", 1.0);
    let hardswish = "a = add.Tensor(x, 3)\n b = relu6(a)\n";
    check_redirected(&format!("{hardswish} c = mul.Tensor(x, b)\n d = div.Tensor(c, 6)"), 1.0);
    check_redirected(&format!("{hardswish} c = div.Tensor(b, 6)\n d = mul.Tensor(x, c)"), 1.0);
}

#[test]
fn behind_one_another_all_or_the_last_are_redirected() {
    let graph = network("a = relu(x)\n b = hardtanh(a)").graph;
    let input = Tensor::from_slice(&[-2.0f32, -0.5, 0.0, 0.5, 2.0]).reshape([1, 5]);
    let check = |graph: &Graph, expected: [f32; 5]| {
        let found = values_and_gradient(graph, &input);
        assert_eq!(found, (vec![0.0, 0.0, 0.0, 0.5, 1.0], expected.to_vec()));
    };
    check(&graph, [0.0, 0.0, 0.0, 4.0, 0.0]);
    check(&redirect(graph.clone(), Reach::Last), [0.0, 0.0, 0.0, 4.0, 5.0]);
    check(&redirect(graph, Reach::All), [1.0, 2.0, 3.0, 4.0, 5.0]);
}

/// Rows of 5 numbers under windows of `arguments`, which give the last axis's part; worked out by hand.
fn check_smoothed(
    arguments: impl Fn(&str, &str) -> String,
    row: [f32; 5],
    values: [f32; 3],
    gradient: [f32; 5],
) {
    let pools = ["max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices"];
    for (axes, name) in [1, 2, 3, 2].into_iter().zip(pools) {
        let (ones, zeros) = ("1 ".repeat(axes - 1), "0 ".repeat(axes - 1));
        let results = if name.ends_with("indices") { "a,b" } else { "a" };
        let text = format!("{results} = {name}(x, {})", arguments(&ones, &zeros));
        let mut network = network(&text);
        network.graph.outputs = vec![network.id("a")];
        let mut shape = vec![1; axes + 2];
        shape[axes + 1] = 5;
        let input = Tensor::from_slice(&row).reshape(&shape);
        let (own, _) = values_and_gradient(&network.graph, &input);
        let (smoothed, found) = values_and_gradient(&smooth(network.graph), &input);
        assert_eq!((&own, &smoothed), (&values.to_vec(), &values.to_vec()), "{text}");
        let near = found.iter().zip(gradient).all(|(found, expected)| (found - expected).abs() < 1e-6);
        assert!(near, "{text}: {found:?}, not {gradient:?}");
    }
}

#[test]
fn smoothed_max_pools_have_the_gradient_of_averages() {
    let row = [3.0, -1.0, 2.0, 9.0, 4.0];
    // Windows of (–, 0, 1), (1, 2, 3) and (3, 4, –): padding is no part of the average.
    let padded = |ones: &str, zeros: &str| {
        format!("kernel_size=[{ones}3], stride=[{ones}2], padding=[{zeros}1], dilation=[{ones}1]")
    };
    let (half, third) = (0.5, 2.0 / 3.0);
    check_smoothed(padded, row, [3.0, 9.0, 9.0], [half, half + third, third, third + 1.5, 1.5]);
    // The last window holds one number.
    let ceil = |ones: &str, zeros: &str| {
        format!(
            "kernel_size=[{ones}2], stride=[{ones}2], padding=[{zeros}0], dilation=[{ones}1], ceil_mode=true"
        )
    };
    check_smoothed(ceil, row, [3.0, 9.0, 4.0], [0.5, 0.5, 1.0, 1.0, 3.0]);
    // An average that is not finite lends nothing; the others go on.
    let masked = [3.0, f32::NEG_INFINITY, 2.0, 9.0, 4.0];
    check_smoothed(ceil, masked, [3.0, 9.0, 4.0], [0.0, 0.0, 1.0, 1.0, 3.0]);
}

#[test]
fn smooth_changes_no_value() {
    let mut smoothed = 0;
    for golden in goldens() {
        let graph = tapped(out_of_place(golden.graph).unwrap());
        let run = |graph: &Graph| {
            Program::new(graph, &golden.weights, Device::Cpu).unwrap().run(&golden.input).unwrap()
        };
        let smooth = smooth(graph.clone());
        smoothed += usize::from(smooth.nodes.len() > graph.nodes.len());
        assert_eq!(run(&graph), run(&smooth));
    }
    assert!(smoothed > 0, "a network has max pools");
}

#[test]
fn no_underscore_is_left() {
    for golden in goldens() {
        let graph = out_of_place(golden.graph).unwrap();
        let names: Vec<_> = graph.nodes.iter().map(|node| node.operator.to_string()).collect();
        assert!(
            names.iter().all(|name| !name.ends_with('_') && !name.contains("_.") && !name.contains("::view")),
            "{names:?}"
        );
    }
}
