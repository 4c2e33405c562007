//! Listings of small networks: what each call holds, costs, and on which side of an activation it is.

use super::*;
use crate::model::passes::tap::sites;
use crate::model::testing::network;

/// Of each layer: path, parameters, own cost, cost to reach, side. The weights `w…` whose names the list has are buffers.
fn check(text: &str, buffers: &[&str], expected: &[(&str, u64, u64, u64, ActivationSide)]) -> Listing {
    let mut network = network(text);
    let sites = sites(&mut network.graph);
    let shapes = &network.shapes;
    let layers = Layers::new("net", &network.graph, &sites, shapes, 1);
    let buffers = buffers.iter().map(ToString::to_string).collect();
    let source =
        Source { graph: &network.graph, layers: &layers, buffers: &buffers, aliases: &HashMap::new() };
    let listing = source.listing([8, 8], shapes, 1).unwrap();
    let found: Vec<_> = listing
        .layers
        .iter()
        .map(|it| (it.info.path.as_str(), it.parameters, it.macs, it.macs_to_reach, it.side))
        .collect();
    assert_eq!(found, expected);
    listing
}

use ActivationSide::{After, Before, Neither};

#[test]
fn layers_hold_and_cost_what_is_inside_of_them() {
    // Names of weights are paths here: `w` is no module, `wb.conv.k` lies below `wb` and `wb.conv`.
    let listing = check(
        "a:1x4x2x2 = conv2d(x, weight=wb.conv.k:4x3x1x1) @ wb wb.conv
         b:1x4x2x2 = batch_norm(a, weight=wb.norm.k:4, running_mean=wb.norm.mean:4) @ wb wb.norm
         c:1x4x2x2 = relu(b) @ wb wb.relu
         d:1x2x2x2 = conv2d(c, weight=w.k:2x4x1x1) @ last
         e:1x2x2x2 = conv2d(c, weight=wb.conv.other:2x4x1x1) @ side",
        &["wb.norm.mean"],
        &[
            ("wb.conv", 12, 48, 48, Neither),
            ("wb.norm", 4, 0, 48, Before),
            ("wb.relu", 0, 0, 48, After),
            ("wb", 16, 48, 48, After),
            ("last", 0, 32, 80, Neither),
            ("side", 0, 32, 80, Neither),
            ("output", 32, 112, 80, Neither),
        ],
    );
    assert_eq!((listing.parameters, listing.macs), (32, 112));
}

#[test]
fn each_call_counts_a_shared_weight_once() {
    let listing = check(
        "a:1x4x2x2 = conv2d(x, weight=wf.k:4x4x1x1) @ wf
         b:1x4x2x2 = conv2d(a, weight=wf.k:4x4x1x1) @ wf#1
         c:1x4x2x2 = add(b, wf.k:4x4x1x1) @ wf#1",
        &[],
        &[("wf#0", 16, 64, 64, Neither), ("wf#1", 16, 64, 128, Neither), ("output", 16, 128, 128, Neither)],
    );
    assert_eq!(listing.parameters, 16);
}

#[test]
fn branches_that_are_activated_before_they_are_joined_are_before_it() {
    check(
        "a:1x4x2x2 = neg(x) @ block block.left
         b:1x4x2x2 = relu(a) @ block
         c:1x4x2x2 = abs(x) @ block block.right
         d:1x4x2x2 = relu(c) @ block
         e:1x8x2x2 = cat([b d], 1) @ block
         f:1x8x2x2 = add(e, c)",
        &[],
        &[
            ("block.left", 0, 0, 0, Before),
            ("block.right", 0, 0, 0, Neither),
            ("block", 0, 0, 0, After),
            ("output", 0, 0, 0, Neither),
        ],
    );
}

#[test]
fn an_output_is_read_by_whoever_asks() {
    check("a:1x4x2x2 = neg(x) @ last", &[], &[("last", 0, 0, 0, Neither), ("output", 0, 0, 0, Neither)]);
}
