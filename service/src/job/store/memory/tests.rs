//! What the store keeps, forgets and hands out.

use super::super::super::{ArtifactInfo, Made, OptimizeOrder, Provenance, Spec};
use super::*;
use std::time::Duration;
use unitscope_engine::optimize::StepReport;
use unitscope_engine::spec::{Basis, OptimizeSpec, Optimizer, Parameterization, Stop};

fn order(request: Option<(&str, u8)>) -> Order {
    let optimize = OptimizeSpec {
        images: 1,
        terms: Vec::new(),
        steps: 4,
        seed: 0,
        height: 8,
        width: 8,
        parameterization: Parameterization {
            basis: Basis::Pixel { standard_deviation: 0.01 },
            decorrelate_colors: false,
            alpha: false,
            shared: None,
        },
        views_per_step: 1,
        clean_steps: 0,
        transforms: Vec::new(),
        optimizer: Optimizer::DEFAULT,
        stop: Stop::default(),
        elimination: None,
        snapshot_steps: Vec::new(),
        images_per_pass: 1,
        redirect: true,
        smooth_max_pools: false,
        objective: None,
        references: Vec::new(),
        start: None,
    };
    let spec = OptimizeOrder {
        model: "m".to_owned(),
        optimize,
        reference_digests: Vec::new(),
        magnitude_digest: None,
        labels: vec!["a".to_owned()],
        return_tensors: false,
    };
    let request = request.map(|(id, digest)| RequestKey { id: id.to_owned(), spec_digest: [digest; 32] });
    Order { spec: Spec::Optimize(Box::new(spec)), steps_total: 4, provenance: Provenance::default(), request }
}

fn step(number: u32) -> Step {
    let report =
        StepReport { step: number, scores: vec![1.0], terms: vec![vec![1.0]], gradient_norms: vec![1.0] };
    Step { report, total_steps: 4, time: Duration::from_millis(1), remaining: Duration::ZERO }
}

fn artifact(file: &str, size_bytes: usize) -> Artifact {
    let info = ArtifactInfo {
        file: file.to_owned(),
        media_type: "image/png",
        size_bytes,
        blake3: String::new(),
        width: 1,
        height: 1,
    };
    Artifact { info, data: vec![0; size_bytes].into() }
}

fn store(kept_jobs: u32, kept_bytes: u64) -> MemoryStore {
    MemoryStore::new(&Limits { kept_jobs, kept_bytes, ..Limits::default() })
}

fn create(store: &MemoryStore) -> Ulid {
    match store.create(order(None), SystemTime::now()).unwrap() {
        Created::New(job) => job.id,
        Created::Before(job) => panic!("{job:?}"),
    }
}

fn run(store: &MemoryStore, bytes: usize) -> Ulid {
    let id = create(store);
    store.enter(id, State::Running).unwrap();
    store.step(id, step(1)).unwrap();
    store.put_artifact(id, artifact("0.png", bytes)).unwrap();
    store.finish(id, Ending::Succeeded(Made::Nothing)).unwrap();
    id
}

#[test]
fn events_replay_from_any_point_in_chunks() {
    let store = store(9, 1 << 20);
    let id = create(&store);
    store.enter(id, State::Running).unwrap();
    for number in 1..=4 {
        store.step(id, step(number)).unwrap();
    }
    store.finish(id, Ending::Succeeded(Made::Nothing)).unwrap();
    let sequences = |after, count| -> Vec<u64> {
        store.events(id, after, count).unwrap().iter().map(|event| event.sequence).collect()
    };
    assert_eq!(sequences(0, 99), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sequences(3, 2), [4, 5]);
    assert!(sequences(7, 9).is_empty());
    assert!(sequences(u64::MAX, 9).is_empty());
    let job = store.job(id).unwrap();
    assert_eq!((job.last_sequence, job.steps_done, job.state), (7, 4, State::Succeeded));
}

#[test]
fn the_job_that_ended_first_is_evicted_whole() {
    let store = store(2, 1 << 20);
    let jobs = [run(&store, 10), run(&store, 10), run(&store, 10)];
    assert_eq!(store.job(jobs[0]).err(), Some(NoJob));
    assert_eq!(store.events(jobs[0], 0, 9).err(), Some(NoJob));
    assert_eq!(store.artifact(jobs[0], "0.png").err(), Some(NoJob));
    assert!(store.job(jobs[1]).is_ok() && store.job(jobs[2]).is_ok());
}

#[test]
fn bytes_are_capped_too_but_the_last_job_stays() {
    let store = store(9, 50_000);
    let small = run(&store, 10_000);
    let large = run(&store, 100_000);
    assert_eq!(store.job(small).err(), Some(NoJob));
    assert!(store.job(large).is_ok());
    store.delete(large).unwrap();
    assert_eq!(store.shelf().bytes, 0);
}

#[test]
fn jobs_that_have_not_ended_are_neither_evicted_nor_deleted() {
    let store = store(1, 1);
    let waiting = create(&store);
    run(&store, 10);
    run(&store, 10);
    assert_eq!(store.job(waiting).unwrap().state, State::Queued);
    assert_eq!(store.delete(waiting), Err(DeleteError::NotEnded));
}

#[test]
fn a_follower_learns_that_its_job_is_gone() {
    let store = store(9, 1 << 20);
    let id = run(&store, 10);
    let head = store.watch(id).unwrap();
    assert!(head.has_changed().is_ok());
    store.delete(id).unwrap();
    assert!(head.has_changed().is_err());
}

#[test]
fn a_request_id_makes_one_job_for_a_day() {
    let store = store(9, 1 << 20);
    let now = SystemTime::now();
    let Created::New(first) = store.create(order(Some(("r", 1))), now).unwrap() else { panic!("not new") };
    let Created::Before(again) = store.create(order(Some(("r", 1))), now).unwrap() else {
        panic!("not found")
    };
    assert_eq!(first.id, again.id);
    assert_eq!(store.create(order(Some(("r", 2))), now).err(), Some(ReusedRequest));
    let tomorrow = now + REQUEST_ID_AGE;
    assert!(matches!(store.create(order(Some(("r", 2))), tomorrow), Ok(Created::New(_))));
    store.finish(first.id, Ending::Cancelled(Made::Nothing)).unwrap();
    store.delete(first.id).unwrap();
    let key = RequestKey { id: "r".to_owned(), spec_digest: [2; 32] };
    assert!(
        store.find_request(&key, tomorrow).unwrap().is_some(),
        "the newer job's key went with the older job"
    );
}

#[test]
fn pages_go_from_new_to_old() {
    let store = store(9, 1 << 20);
    let ids: Vec<Ulid> = (0..5).map(|_| create(&store)).collect();
    let page = |before, count| -> Vec<Ulid> { store.jobs(before, count).iter().map(|job| job.id).collect() };
    assert_eq!(page(None, 2), [ids[4], ids[3]]);
    assert_eq!(page(Some(ids[3]), 9), [ids[2], ids[1], ids[0]]);
}

#[test]
fn a_job_ends_once() {
    let store = store(9, 1 << 20);
    let id = run(&store, 10);
    let last = store.job(id).unwrap().last_sequence;
    store.finish(id, Ending::Cancelled(Made::Nothing)).unwrap();
    store.enter(id, State::Cancelling).unwrap();
    let job = store.job(id).unwrap();
    assert_eq!((job.state, job.last_sequence), (State::Succeeded, last));
}
