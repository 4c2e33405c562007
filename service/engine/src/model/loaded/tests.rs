//! Each pass alone, then all together, against PyTorch's numbers for the demo model and an export with in-place operators.

use std::path::{Path, PathBuf};

use tch::{Device, Tensor};

use super::*;
use crate::model::graph::Operator;
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

#[test]
fn a_redirected_relu_lets_gradients_through_where_it_is_off() {
    let network = network("a = relu(x)\n b = hardtanh(a)");
    let gradient = |graph: &Graph| {
        let weights = Weights::none();
        let image =
            Tensor::from_slice(&[-2.0f32, -0.5, 0.0, 0.5, 2.0]).reshape([1, 5]).set_requires_grad(true);
        let output = Program::new(graph, &weights, Device::Cpu).unwrap().run(&image).unwrap();
        let slope = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0]).reshape([1, 5]);
        let found = gradients(&output, &[image], &[slope]).unwrap().remove(0).unwrap();
        (
            Vec::<f32>::try_from(output[0].reshape([-1])).unwrap(),
            Vec::<f32>::try_from(found.reshape([-1])).unwrap(),
        )
    };
    let (values, plain) = gradient(&network.graph);
    assert_eq!(
        (values.as_slice(), plain.as_slice()),
        ([0.0, 0.0, 0.0, 0.5, 1.0].as_slice(), [0.0, 0.0, 0.0, 4.0, 0.0].as_slice())
    );
    assert_eq!(gradient(&redirect(network.graph, Reach::All)), (values, vec![1.0, 2.0, 3.0, 4.0, 5.0]));
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
