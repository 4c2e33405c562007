//! The demo model's classes have a known right answer: the picture that a class wants is classified as that class.

use crate::support::network::Network;
use crate::support::{Server, spec, term};
use serde_json::json;
use unitscope_proto::v1::{OptimizeSpec, Term};
use unitscope_tests::build::checkout;

const CLASSES: u32 = 16;

/// Far fewer than the default; a class shows much earlier than it looks good.
const STEPS: u32 = 96;

#[tokio::test]
async fn sixteen_of_sixteen_for_three_seeds() {
    let server = Server::start();
    let client = server.client().await;
    let network = Network::new(&checkout().join("demo/models/demo"), "logits");
    let logit =
        |class| Term { images: vec![class], ..term("unit", json!({"layer": "logits", "channel": class})) };
    for seed in [0, 1, 2] {
        let classes = spec("demo", (0..CLASSES).map(logit));
        let pictures = client
            .make(OptimizeSpec { images: Some(CLASSES), steps: Some(STEPS), seed: Some(seed), ..classes })
            .await;
        let mut pngs = Vec::new();
        for picture in &pictures {
            pngs.push(client.png(picture).await);
        }
        let found = Vec::<i64>::try_from(network.look(&pngs).argmax(1, false)).unwrap();
        assert_eq!(found, (0..i64::from(CLASSES)).collect::<Vec<_>>(), "seed {seed}");
    }
}
