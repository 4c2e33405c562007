//! The same spec and seed give the same bytes and scores, whatever else the server does, and whatever becomes of the model's file.

use crate::support::client::steps;
use crate::support::spec::quick;
use crate::support::{Client, Server, Setup, images, spec, term};
use serde_json::json;
use std::path::Path;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::{LoadModelRequest, OptimizeSpec, Term, UnloadModelRequest};
use unitscope_tests::build::checkout;

/// Three pictures with different units, one diverse pair, every kind of draw: starts, jitter, scales, angles.
fn job() -> OptimizeSpec {
    let unit = |image, channel| Term {
        images: vec![image],
        ..term("channel", json!({"layer": "block3", "channel": channel}))
    };
    let diversity = Term { images: vec![1, 2], ..term("diversity", json!({"layer": "block3"})) };
    OptimizeSpec {
        images: Some(3),
        steps: Some(12),
        images_per_pass: Some(2),
        ..spec("demo", [unit(0, 3), unit(1, 10), unit(2, 10), diversity])
    }
}

/// What must repeat: bytes of the pictures, scores, and every value of every step, to the last bit.
#[derive(PartialEq)]
struct Made {
    pngs: Vec<Vec<u8>>,
    numbers: Vec<u64>,
}

async fn made(client: &Client, name: &str) -> Made {
    let job = client.wait(name).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let (mut pngs, mut numbers) = (Vec::new(), Vec::new());
    for image in images(&job) {
        pngs.push(client.png(&image).await);
        numbers.extend([image.score, image.start_score]);
        numbers.extend(image.terms.iter().flat_map(|term| &term.values));
    }
    for step in steps(&client.events(name, 0).await) {
        numbers.extend(step.scores.iter().chain(&step.gradient_norms));
        numbers.extend(step.terms.iter().flat_map(|term| &term.values));
    }
    Made { pngs, numbers: numbers.into_iter().map(f64::to_bits).collect() }
}

#[tokio::test]
async fn alone_again_and_beside_other_jobs() {
    check_repeats(1).await;
}

/// Splitting an operator among threads rounds differently, but each time alike.
#[tokio::test]
async fn with_two_threads_as_well() {
    check_repeats(2).await;
}

async fn check_repeats(threads: u32) {
    let server = Setup::new().threads(threads).start();
    let client = server.client().await;
    let first = made(&client, &client.start(job()).await).await;
    let again = made(&client, &client.start(job()).await).await;
    assert!(first == again, "again on the same server");
    drop(server);
    let server = Setup::new().threads(threads).start();
    let client = server.client().await;
    let noise = || OptimizeSpec { images: Some(5), seed: Some(99), steps: Some(5), ..quick(5) };
    let mut others =
        vec![client.start(noise()).await, client.start(OptimizeSpec { seed: Some(2), ..job() }).await];
    let name = client.start(job()).await;
    others.push(client.start(noise()).await);
    // Requests are checked, with a forward pass each, while the job runs.
    client.follow(&name, 0).await.unwrap().until_step(1).await;
    others.push(client.start(OptimizeSpec { seed: Some(3), ..job() }).await);
    assert!(made(&client, &name).await == first, "on another server, among other jobs");
    for other in others {
        assert_eq!(client.wait(&other).await.state(), State::Succeeded);
    }
}

#[tokio::test]
async fn another_seed_differs() {
    let server = Server::start();
    let client = server.client().await;
    let first = made(&client, &client.start(job()).await).await;
    let other = made(&client, &client.start(OptimizeSpec { seed: Some(2), ..job() }).await).await;
    for (place, (first, other)) in first.pngs.iter().zip(&other.pngs).enumerate() {
        assert_ne!(first, other, "picture {place}");
    }
}

#[tokio::test]
async fn a_pictures_draws_do_not_depend_on_its_neighbours() {
    let server = Server::start();
    let client = server.client().await;
    let unit = || term("channel", json!({"layer": "block3", "channel": 3}));
    // One image per pass, because kernels round differently at another batch size.
    let of = |count| OptimizeSpec { images: Some(count), images_per_pass: Some(1), ..spec("demo", [unit()]) };
    let mut pngs = Vec::new();
    for count in [1, 3] {
        pngs.push(made(&client, &client.start(of(count)).await).await.pngs);
    }
    assert_eq!(pngs[0][0], pngs[1][0]);
    assert!(pngs[1][0] != pngs[1][1] && pngs[1][1] != pngs[1][2], "pictures of one job start differently");
}

/// Writes to the file itself, as `cp` does: what has it open sees that.
#[tokio::test]
async fn a_model_file_that_is_overwritten_or_cut_while_a_job_runs() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("copied");
    std::fs::create_dir(&model).unwrap();
    for file in std::fs::read_dir(checkout().join("demo/models/demo")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let file = model.join("model.pt2");
    let good = std::fs::read(&file).unwrap();
    let mut server = Setup::new().model(&model).start();
    let client = server.client().await;
    let job = || OptimizeSpec { model: "copied".into(), steps: Some(80), ..job() };
    let undisturbed = made(&client, &client.start(job()).await).await;
    type Spoil<'a> = &'a dyn Fn(&Path);
    let spoils: [(&str, Spoil<'_>); 3] = [
        ("overwritten", &|file| std::fs::write(file, vec![0x55; good.len()]).unwrap()),
        ("cut", &|file| std::fs::File::options().write(true).open(file).unwrap().set_len(1000).unwrap()),
        ("emptied", &|file| std::fs::write(file, b"").unwrap()),
    ];
    for (what, spoil) in spoils {
        std::fs::write(&file, &good).unwrap();
        let unload = UnloadModelRequest { name: "copied".into() };
        client.models.clone().unload_model(unload).await.unwrap();
        let name = client.start(job()).await;
        client.follow(&name, 0).await.unwrap().until_step(1).await;
        spoil(&file);
        assert_eq!(client.job(&name).await.unwrap().state(), State::Running, "{what} too late");
        assert!(made(&client, &name).await == undisturbed, "{what} while the job runs");
        assert!(made(&client, &client.start(job()).await).await == undisturbed, "{what} before the job");
        // Read again, the file is refused.
        let load = LoadModelRequest { name: "copied".into() };
        let refused = client.models.clone().load_model(load).await.unwrap_err();
        assert!(refused.message().contains("not a sound archive"), "{what}: {refused:?}");
        server.assert_alive();
    }
}
