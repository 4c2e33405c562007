//! Jobs: waiting, listing, cancelling, deleting, being forgotten; a queue with an end; submissions that are repeated.

use crate::support::client::{Client, ended, steps};
use crate::support::spec::quick;
use crate::support::{Server, Setup, images};
use prost_types::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unitscope_proto::v1::job::State;
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{
    CancelJobRequest, DeleteJobRequest, GetArtifactRequest, Job, ListJobsRequest, OptimizeRequest,
    OptimizeSpec, ReadArtifactRequest, WaitJobRequest,
};

/// Never ends by itself while a test runs.
const LONG: u32 = 50_000;

/// No job has this name.
const NOBODY: &str = "jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV";

#[tokio::test]
async fn cancel_takes_effect_within_one_step() {
    let server = Server::start();
    let client = server.client().await;
    for after in [1, 20, 200] {
        let name = client.start(quick(LONG)).await;
        client.follow(&name, 0).await.unwrap().until_step(after).await;
        let asked = client.cancel(&name).await;
        assert!(matches!(asked.state(), State::Cancelling | State::Cancelled), "{:?}", asked.state());
        let job = client.wait(&name).await;
        assert_eq!(job.state(), State::Cancelled);
        assert!(
            job.steps_done <= asked.steps_done + 1,
            "{} steps, then {}",
            asked.steps_done,
            job.steps_done
        );
        let events = client.events(&name, 0).await;
        assert_eq!(steps(&events).len(), job.steps_done as usize);
        let image = &images(&job)[0];
        assert_eq!((image.outcome(), image.steps), (Outcome::Stopped, job.steps_done));
        assert!(image.score > image.start_score, "what was made so far is kept");
        image::load_from_memory(&client.png(image).await).unwrap();
        let again = client.cancel(&name).await;
        assert_eq!(
            (again.state(), again.end_time),
            (job.state(), job.end_time),
            "an ended job stays as it is"
        );
    }
}

#[tokio::test]
async fn a_queued_job_can_be_cancelled_and_never_runs() {
    let server = Server::start();
    let client = server.client().await;
    let running = client.start(quick(LONG)).await;
    client.follow(&running, 0).await.unwrap().until_step(1).await;
    let queued = client.start(quick(8)).await;
    assert_eq!(client.job(&queued).await.unwrap().state(), State::Queued);
    client.cancel(&queued).await;
    let job = client.wait(&queued).await;
    assert_eq!((job.state(), job.steps_done), (State::Cancelled, 0));
    assert!(job.start_time.is_none() && job.end_time.is_some());
    assert!(!ended(&client.job(&running).await.unwrap()), "the running job goes on");
    client.cancel(&running).await;
    client.wait(&running).await;
}

#[tokio::test]
async fn a_job_tells_what_it_was_made_from() {
    let server = Setup::new().start();
    let client = server.client().await;
    let job = client.run(OptimizeSpec { return_tensors: true, ..quick(8) }).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    assert!(job.error.is_none());
    let times = [job.create_time, job.start_time, job.end_time].map(Option::unwrap);
    let seconds = times.map(|time| (time.seconds, time.nanos));
    assert!(seconds.is_sorted(), "{seconds:?}");
    assert_eq!((job.steps_done, job.steps_total), (8, 8));
    let made = job.provenance.as_ref().unwrap();
    assert_eq!((made.model.as_str(), made.device.as_str(), made.threads), ("twice", "cpu", 1));
    assert_eq!(made.model_digest.len(), 64);
    assert!(!made.server_version.is_empty() && made.libtorch_version.starts_with("2.11"), "{made:?}");
    assert_eq!(made.plugins.len(), 1, "{:?}", made.plugins);
    assert!(made.plugins.iter().all(|plugin| plugin.digest.len() == 64 && !plugin.version.is_empty()));
    let Some(unitscope_proto::v1::job::Spec::Optimize(spec)) = &job.spec else { panic!("the spec is there") };
    assert_eq!((spec.images(), spec.steps(), spec.seed(), spec.images_per_pass()), (1, 8, 1, 1));
    let size = spec.size.unwrap();
    assert_eq!((size.height, size.width), (16, 16), "defaults are filled in");
    assert!(spec.parameterization.is_some() && spec.optimizer.is_some() && spec.transforms.is_some());
    let again = client.run(spec.clone()).await;
    assert_eq!(again.spec, job.spec, "a filled-in spec means the same");
    assert_eq!(client.png(&images(&again)[0]).await, client.png(&images(&job)[0]).await);
}

#[tokio::test]
async fn artifacts_are_read_whole_and_in_parts() {
    let server = Server::start();
    let client = server.client().await;
    let spec = OptimizeSpec {
        return_tensors: true,
        size: Some(unitscope_proto::v1::ImageSize { height: 400, width: 300 }),
        ..quick(2)
    };
    let image = images(&client.run(spec).await).remove(0);
    let tensor = image.tensor.unwrap();
    assert_eq!(
        (tensor.media_type.as_str(), tensor.size_bytes),
        ("application/x-npy", 3 * 400 * 300 * 4 + 128)
    );
    let whole = client.bytes(&tensor).await;
    assert_eq!((whole.len() as i64, &whole[..6]), (tensor.size_bytes, &b"\x93NUMPY"[..]));
    let read = |read_offset, read_limit| {
        client.read(ReadArtifactRequest { name: tensor.name.clone(), read_offset, read_limit })
    };
    assert_eq!(read(0, 0).await.unwrap(), whole);
    assert_eq!(read(1_000_003, 0).await.unwrap(), whole[1_000_003..]);
    assert_eq!(read(5, 300_000).await.unwrap(), whole[5..300_005]);
    assert_eq!(read(tensor.size_bytes, 0).await.unwrap(), [0u8; 0]);
    for (offset, limit, code) in [
        (tensor.size_bytes + 1, 0, Code::OutOfRange),
        (-1, 0, Code::InvalidArgument),
        (0, -1, Code::InvalidArgument),
    ] {
        assert_eq!(read(offset, limit).await.unwrap_err().code(), code);
    }
    let get = |name: &str| {
        let request = GetArtifactRequest { name: name.to_owned() };
        let mut artifacts = client.artifacts.clone();
        async move { artifacts.get_artifact(request).await.map(tonic::Response::into_inner) }
    };
    let png = image.png.unwrap();
    let got = get(&png.name).await.unwrap();
    assert_eq!((got.width, got.height, got.media_type.as_str()), (300, 400, "image/png"));
    assert_eq!(got.inline_data, client.bytes(&png).await);
    assert!(get(&tensor.name).await.unwrap().inline_data.is_empty(), "more than 1 MiB is never inline");
    for name in ["jobs", &format!("{NOBODY}/artifacts/0.png"), &format!("{}x", png.name)] {
        assert_eq!(get(name).await.unwrap_err().code(), Code::NotFound, "`{name}`");
    }
}

#[tokio::test]
async fn waiting_ends_with_the_job_or_with_the_time() {
    let server = Server::start();
    let client = server.client().await;
    let name = client.start(quick(LONG)).await;
    let wait = |name: &str, seconds, nanos| {
        let request = WaitJobRequest { name: name.to_owned(), timeout: Some(Duration { seconds, nanos }) };
        let mut jobs = client.jobs.clone();
        async move { jobs.wait_job(request).await.map(tonic::Response::into_inner) }
    };
    for nanos in [0, 50_000_000] {
        assert!(!ended(&wait(&name, 0, nanos).await.unwrap()));
    }
    assert_eq!(wait(&name, -1, 0).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(wait(NOBODY, 1, 0).await.unwrap_err().code(), Code::NotFound);
    let waiting = tokio::spawn(wait(&name, 600, 0));
    client.cancel(&name).await;
    assert_eq!(waiting.await.unwrap().unwrap().state(), State::Cancelled);
}

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages() {
    let server = Server::start();
    let client = server.client().await;
    let mut names = Vec::new();
    for _ in 0..7 {
        names.push(client.run(quick(1)).await.name);
    }
    names.reverse();
    for page_size in [0, 1, 3, 7, 1_000_000] {
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListJobsRequest { page_size, page_token };
            let page = client.jobs.clone().list_jobs(request).await.unwrap().into_inner();
            assert!(page_size == 0 || page.jobs.len() <= page_size as usize);
            listed.extend(page.jobs);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(listed.iter().map(|job| &job.name).collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
        let bytes = |job: &Job| images(job)[0].png.as_ref().map_or(0, |png| png.inline_data.len());
        assert!(listed.iter().all(|job| bytes(job) == 0), "lists hold no pictures");
    }
    for (page_size, page_token) in [(-1, ""), (3, "nonsense"), (3, "🦀")] {
        let request = ListJobsRequest { page_size, page_token: page_token.to_owned() };
        let status = client.jobs.clone().list_jobs(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{page_size} `{page_token}`: {status:?}");
    }
}

async fn delete(client: &Client, name: &str) -> Result<(), Status> {
    let request = DeleteJobRequest { name: name.to_owned() };
    client.jobs.clone().delete_job(request).await.map(|_| ())
}

#[tokio::test]
async fn a_deleted_job_is_gone_with_its_pictures() {
    let server = Server::start();
    let client = server.client().await;
    let running = client.start(quick(LONG)).await;
    client.follow(&running, 0).await.unwrap().until_step(1).await;
    let status = delete(&client, &running).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    client.cancel(&running).await;
    let job = client.wait(&running).await;
    delete(&client, &running).await.unwrap();
    check_gone(&client, &job).await;
    assert_eq!(delete(&client, &running).await.unwrap_err().code(), Code::NotFound);
}

/// Nothing of the job is left.
async fn check_gone(client: &Client, job: &Job) {
    let name = &job.name;
    assert_eq!(client.job(name).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(client.follow(name, 0).await.err().map(|status| status.code()), Some(Code::NotFound));
    let request = CancelJobRequest { name: name.clone() };
    assert_eq!(client.jobs.clone().cancel_job(request).await.unwrap_err().code(), Code::NotFound);
    let artifact = images(job)[0].png.clone().unwrap();
    let request = ReadArtifactRequest { name: artifact.name, ..ReadArtifactRequest::default() };
    assert_eq!(client.read(request).await.unwrap_err().code(), Code::NotFound);
    let listed = client.jobs.clone().list_jobs(ListJobsRequest::default()).await.unwrap().into_inner();
    assert!(listed.jobs.iter().all(|listed| listed.name != *name));
}

#[tokio::test]
async fn finished_jobs_are_forgotten_oldest_first() {
    let server = Setup::new().flag("--kept-jobs", 2).start();
    let client = server.client().await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(client.run(quick(1)).await);
    }
    for job in &jobs[..2] {
        check_gone(&client, job).await;
    }
    for job in &jobs[2..] {
        assert_eq!(client.job(&job.name).await.unwrap(), *job);
    }
}

#[tokio::test]
async fn a_full_queue_says_when_to_try_again() {
    let server = Setup::new().flag("--queued-jobs", 2).start();
    let client = server.client().await;
    let running = client.start(quick(LONG)).await;
    client.follow(&running, 0).await.unwrap().until_step(1).await;
    let waiting = [client.start(quick(2)).await, client.start(quick(2)).await];
    let status = client.submit(quick(2)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    assert!(details.retry_info().and_then(|info| info.retry_delay).is_some_and(|delay| !delay.is_zero()));
    assert!(details.error_info().is_some_and(|info| !info.reason.is_empty() && !info.domain.is_empty()));
    client.cancel(&running).await;
    for name in &waiting {
        assert_eq!(client.wait(name).await.state(), State::Succeeded, "nothing that was accepted is lost");
    }
    assert_eq!(client.run(quick(2)).await.state(), State::Succeeded, "there is room again");
}

#[tokio::test]
async fn a_repeated_submission_gives_the_first_job() {
    let server = Server::start();
    let client = server.client().await;
    let submit = |id: &str, spec| {
        let request = OptimizeRequest { spec: Some(spec), request_id: id.to_owned() };
        let mut visualization = client.visualization.clone();
        async move { visualization.optimize(request).await.map(tonic::Response::into_inner) }
    };
    let id = "6f1c1f0e-3a52-4f5e-9d0a-2f0c63a3d0b1";
    let first = submit(id, quick(3)).await.unwrap();
    assert_eq!(first.request_id, id);
    assert_eq!(submit(id, quick(3)).await.unwrap().name, first.name);
    client.wait(&first.name).await;
    assert_eq!(submit(id, quick(3)).await.unwrap().name, first.name, "after its end as well");
    let status = submit(id, quick(4)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "REQUEST_ID_REUSED");
    let other = submit("0b8e51f5-6a0a-4a2f-a4f3-7d4a9d0c8f11", quick(3)).await.unwrap();
    assert_ne!(other.name, first.name);
    assert_eq!(submit("not a UUID", quick(3)).await.unwrap_err().code(), Code::InvalidArgument);
    client.wait(&other.name).await;
    delete(&client, &first.name).await.unwrap();
    assert_ne!(submit(id, quick(3)).await.unwrap().name, first.name, "a deleted job is made anew");
    let (one, two) = tokio::join!(submit(NEW_ID, quick(5)), submit(NEW_ID, quick(5)));
    assert_eq!(one.unwrap().name, two.unwrap().name, "at the same time as well");
}

const NEW_ID: &str = "8c2f5d3e-8f0f-4c43-b6b2-0f6a2e0f4f10";
