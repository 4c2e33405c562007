//! Max pools that spread gradients: other pictures, the same values, and the same bytes for the same spec.

use crate::support::{Server, images, spec, term};
use serde_json::json;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{OptimizeSpec, job};

#[tokio::test]
async fn smoothed_pools_make_other_pictures_and_the_same_ones_again() {
    let server = Server::start();
    let client = server.client().await;
    let smoothed = |smooth| OptimizeSpec {
        steps: Some(24),
        smooth_max_pools: smooth,
        ..spec("inplace_fixed", [term("channel", json!({"layer": "fc", "channel": 2}))])
    };
    let mut made = Vec::new();
    for (smooth, told) in [(None, false), (Some(false), false), (Some(true), true), (Some(true), true)] {
        let job = client.run(smoothed(smooth)).await;
        let Some(job::Spec::Optimize(spec)) = &job.spec else { panic!("the spec is there") };
        assert_eq!(spec.smooth_max_pools, Some(told));
        let picture = images(&job).remove(0);
        assert_eq!(picture.outcome(), Outcome::Completed);
        assert!(picture.score > picture.start_score);
        made.push((client.png(&picture).await, picture.start_score.to_bits(), picture.score.to_bits()));
    }
    assert!(made[0] == made[1] && made[2] == made[3], "the same spec, the same bytes");
    assert_eq!(made[0].1, made[2].1, "the values are the same");
    assert_ne!(made[0].0, made[2].0, "the gradients are not");
}
