//! Progress: whoever attaches, whenever, as often as wanted, gets the whole sequence, and never holds the job up.

use crate::support::client::{Progress, steps};
use crate::support::spec::quick;
use crate::support::{Client, Server, Setup, images, spec, term};
use serde_json::json;
use tonic::Code;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::{OptimizeSpec, PreviewOptions, StreamProgressRequest, StreamProgressResponse};

/// Long enough that a test catches it while it runs.
const LONG: u32 = 20_000;

/// Holds the events of a finished job against the contract: numbered without a gap, steps in order, `done` at the end.
fn check_whole(events: &[StreamProgressResponse], step_count: usize) {
    check_from(events, 1);
    let made: Vec<u32> = steps(events).iter().map(|step| step.step).collect();
    assert_eq!(made, (1..=step_count as u32).collect::<Vec<_>>());
}

/// The same for a stream that began later, with the event numbered `first`.
fn check_from(events: &[StreamProgressResponse], first: u64) {
    let numbered =
        events.iter().filter(|event| matches!(event.event, Some(Event::Step(_) | Event::State(_))));
    let numbers: Vec<u64> = numbered.map(|event| event.sequence).collect();
    assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>());
    for event in events {
        let unnumbered = !matches!(event.event, Some(Event::Step(_) | Event::State(_)));
        assert_eq!(event.sequence == 0, unnumbered, "{event:?}");
        assert!(event.event_time.is_some(), "{event:?}");
    }
    let done = |event: &StreamProgressResponse| matches!(event.event, Some(Event::Done(_)));
    assert_eq!(events.iter().position(done), Some(events.len() - 1), "`done` comes last, and once");
}

/// Sequence numbers with their events, for comparison: all but previews and heartbeats, whose number is their own.
fn content(events: &[StreamProgressResponse]) -> Vec<&StreamProgressResponse> {
    let passing = |event: &&StreamProgressResponse| {
        !matches!(event.event, Some(Event::Preview(_) | Event::Heartbeat(_)))
    };
    events.iter().filter(passing).collect()
}

#[tokio::test]
async fn attaching_early_late_twice_and_after_the_end_gives_the_same() {
    let server = Server::start();
    let client = server.client().await;
    let name = client.start(quick(600)).await;
    let early = tokio::spawn({
        let (client, name) = (client.clone(), name.clone());
        async move { client.events(&name, 0).await }
    });
    let mut watched = client.follow(&name, 0).await.unwrap();
    watched.until_step(50).await;
    let late_client = server.client().await;
    let (late, twice) = tokio::join!(late_client.events(&name, 0), client.events(&name, 0));
    let after = client.events(&name, 0).await;
    let early = early.await.unwrap();
    check_whole(&early, 600);
    for events in [&late, &twice, &after] {
        assert_eq!(content(events), content(&early));
    }
    let Some(Event::Done(done)) = &after.last().unwrap().event else { panic!("`done` comes last") };
    let job = client.job(&name).await.unwrap();
    assert_eq!(done, &job);
    assert_eq!(job.last_sequence, early.iter().map(|event| event.sequence).max().unwrap());
}

#[tokio::test]
async fn states_come_in_order_and_steps_tell_what_they_found() {
    let server = Server::start();
    let client = server.client().await;
    let terms = [
        term("channel", json!({"layer": "conv1", "channel": 0})),
        term("channel", json!({"layer": "mix", "channel": 1})),
        term("total_variation", json!({})),
    ];
    let spec = OptimizeSpec { images: Some(3), ..spec("twice", terms) };
    let name = client.start(spec).await;
    client.wait(&name).await;
    let events = client.events(&name, 0).await;
    check_whole(&events, 8);
    let state = |event: &StreamProgressResponse| match &event.event {
        Some(Event::State(change)) => Some(change.state()),
        _ => None,
    };
    let states: Vec<_> = events.iter().filter_map(state).collect();
    assert_eq!(states, [State::Queued, State::Running, State::Succeeded]);
    for step in steps(&events) {
        assert_eq!(step.total_steps, 8);
        assert_eq!(step.terms.iter().map(|term| term.values.len()).collect::<Vec<_>>(), [3, 3, 3]);
        assert_eq!((step.scores.len(), step.gradient_norms.len()), (3, 3));
        assert!(step.gradient_norms.iter().all(|norm| *norm > 0.0), "{step:?}");
        assert!(step.step_time_ms > 0.0);
        assert!(step.remaining.is_some());
        for image in 0..3 {
            let sum = step.terms[0].values[image] + step.terms[1].values[image] - step.terms[2].values[image];
            assert!((step.scores[image] - sum).abs() <= 1e-6 * sum.abs().max(1.0), "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_resumes_after_what_the_client_has() {
    let server = Server::start();
    let client = server.client().await;
    let name = client.start(quick(20)).await;
    client.wait(&name).await;
    let all = client.events(&name, 0).await;
    let last = client.job(&name).await.unwrap().last_sequence;
    for after in [1, 2, 10, last - 1] {
        let rest = client.events(&name, after).await;
        check_from(&rest, after + 1);
        assert_eq!(content(&rest), content(&all)[after as usize..]);
    }
    let rest = client.events(&name, last).await;
    assert!(
        matches!(rest.as_slice(), [StreamProgressResponse { event: Some(Event::Done(_)), .. }]),
        "{rest:?}"
    );
    for (name, after, code) in [
        (name.as_str(), last + 1, Code::OutOfRange),
        (&name, u64::MAX, Code::OutOfRange),
        ("jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", 0, Code::NotFound),
        ("models/demo", 0, Code::NotFound),
        ("", 0, Code::InvalidArgument),
    ] {
        let status = refused(client.follow(name, after).await);
        assert_eq!(status.code(), code, "`{name}` after {after}: {status:?}");
        assert!(!status.message().is_empty());
    }
}

fn refused(answer: Result<Progress, tonic::Status>) -> tonic::Status {
    answer.err().expect("the call is refused")
}

#[tokio::test]
async fn dropping_a_stream_and_its_connection_leaves_the_job_alone() {
    let server = Server::start();
    let name = {
        let client = server.client().await;
        let name = client.start(quick(300)).await;
        client.follow(&name, 0).await.unwrap().until_step(5).await;
        name
    };
    let job = server.client().await.wait(&name).await;
    assert_eq!((job.state(), job.steps_done), (State::Succeeded, 300));
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_nobody_up() {
    let server = Server::start();
    let client = server.client().await;
    let name = client.start(quick(2_000)).await;
    // Nobody reads from this one until the job has ended; its 2,000 events fit no buffer.
    let idle = client.follow(&name, 0).await.unwrap();
    let job = server.client().await.wait(&name).await;
    assert_eq!(job.state(), State::Succeeded);
    check_whole(&idle.rest().await, 2_000);
}

#[tokio::test]
async fn too_many_streams_are_refused_and_places_come_back() {
    let server = Server::start();
    let client = server.client().await;
    let info =
        client.server.clone().get_server_info(unitscope_proto::v1::GetServerInfoRequest {}).await.unwrap();
    let limit = info.into_inner().limits.unwrap().progress_streams;
    let name = client.start(quick(LONG)).await;
    let mut open = Vec::new();
    let mut connection = server.client().await;
    for place in 0..limit {
        // A connection has a limit of its own.
        if place % 100 == 0 {
            connection = server.client().await;
        }
        open.push(connection.follow(&name, 0).await.unwrap());
    }
    let status = refused(server.client().await.follow(&name, 0).await);
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    drop(open);
    client.cancel(&name).await;
    client.wait(&name).await;
    // The server hears of a dropped stream a moment later.
    for _ in 0..1_000 {
        if client.follow(&name, 0).await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("dropped streams still count");
}

/// Follows a long job until three previews came (or, where none were asked for, until many steps did), and cancels it.
async fn previews(
    client: &Client,
    spec: OptimizeSpec,
    options: Option<PreviewOptions>,
) -> Vec<(u32, Vec<u8>)> {
    let name = client.start(spec).await;
    let request = StreamProgressRequest { name: name.clone(), after_sequence: 0, previews: options };
    let mut progress = client.follow_with(request).await.unwrap();
    let mut found = Vec::new();
    let enabled = options.is_some_and(|options| options.enabled);
    while let Some(event) = progress.next().await {
        match event.event {
            Some(Event::Preview(preview)) => {
                assert_eq!(event.sequence, 0);
                assert!(preview.step >= 1);
                found.push((preview.image, preview.png));
            }
            Some(Event::Step(step)) if !enabled && step.step == 3_000 => break,
            Some(Event::Done(job)) => panic!("the job ended before a preview came: {:?}", job.error),
            _ => {}
        }
        if found.len() == 3 {
            break;
        }
    }
    client.cancel(&name).await;
    client.wait(&name).await;
    found
}

#[tokio::test]
async fn previews_come_only_when_asked_for_and_small() {
    let server = Server::start();
    let client = server.client().await;
    let long = || quick(LONG);
    let asked = |max_side| Some(PreviewOptions { enabled: true, max_side });
    assert!(previews(&client, long(), None).await.is_empty());
    assert!(previews(&client, long(), Some(PreviewOptions::default())).await.is_empty());
    let large = || OptimizeSpec {
        size: Some(unitscope_proto::v1::ImageSize { height: 200, width: 300 }),
        ..quick(LONG)
    };
    for (spec, max_side, size) in
        [(long(), None, (16, 16)), (large(), None, (256, 171)), (large(), Some(30), (30, 20))]
    {
        for (image, png) in previews(&client, spec, asked(max_side)).await {
            let picture = image::load_from_memory_with_format(&png, image::ImageFormat::Png).unwrap();
            let (width, height) = (picture.width(), picture.height());
            assert_eq!(image, 0);
            assert_eq!(width, size.0, "{width}×{height}");
            assert!(height.abs_diff(size.1) <= 1, "{width}×{height}");
        }
    }
}

#[tokio::test]
async fn snapshots_are_kept_where_asked_for() {
    let server = Setup::new().start();
    let client = server.client().await;
    let whole = OptimizeSpec { snapshot_steps: vec![1, 5, 8], ..quick(8) };
    let image = &images(&client.run(whole).await)[0];
    assert_eq!(image.snapshots.iter().map(|snapshot| snapshot.step).collect::<Vec<_>>(), [1, 5, 8]);
    let mut pngs = Vec::new();
    for snapshot in &image.snapshots {
        pngs.push(client.bytes(snapshot.png.as_ref().unwrap()).await);
    }
    assert_eq!(pngs[2], client.png(image).await, "the last snapshot is the picture itself");
    let short = images(&client.run(quick(5)).await);
    assert_eq!(pngs[1], client.png(&short[0]).await, "a snapshot is what a shorter job would have made");
}
