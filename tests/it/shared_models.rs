//! Real, well-known networks, where the checkout has them beside it: a few steps on each climb, at three depths.

use crate::support::{Setup, skip, spec, term};
use serde_json::json;
use unitscope_proto::v1::OptimizeSpec;
use unitscope_tests::build::checkout;

#[tokio::test]
async fn well_known_networks_climb() {
    let folder = checkout().join("../shared/data/models");
    if !folder.is_dir() {
        return skip("the shared models: there are none beside this checkout");
    }
    let networks = [
        ("googlenet_bvlc_imagenet", ["conv2", "inception_3b", "inception_4c"]),
        ("resnet56_cifar10", ["layer1.4", "layer2.4", "layer3.4"]),
        ("mobilenet_v1_025_imagenet", ["blocks.1", "blocks.5", "blocks.11"]),
    ];
    let setup = networks.iter().fold(Setup::new(), |setup, (name, _)| setup.model(&folder.join(name)));
    let server = setup.start();
    let client = server.client().await;
    for (model, layers) in networks {
        for layer in layers {
            // A whole layer: any one channel may be off at the start.
            let layer_term = term("layer", json!({"layer": layer}));
            let picture =
                client.make(OptimizeSpec { steps: Some(4), ..spec(model, [layer_term]) }).await.remove(0);
            assert!(
                picture.score > picture.start_score,
                "{model} {layer}: {} → {}",
                picture.start_score,
                picture.score
            );
        }
    }
}
