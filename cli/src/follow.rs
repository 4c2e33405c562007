//! Follows a job to its end, through broken connections. Knows the events, not how they are shown.

use crate::connect::Services;
use crate::failure::{Failure, innermost, is_lost};
use crate::progress::Progress;
use std::time::Duration;
use tonic::{Code, Status};
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::{Job, ListJobsRequest, StreamProgressRequest, job::State};

/// How often a broken stream is taken up again without one event in between: with the pauses below about 16 s, the time
/// that a server takes to come back.
const MAX_ATTEMPTS: u32 = 6;
/// The first pause before taking it up again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The server sends a heartbeat every 10 s; a stream that is silent for so long is dead.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Returns the job when it has ended. Ctrl-C ends the following, never the job.
pub async fn follow(services: &Services, name: &str, progress: &mut Progress) -> Result<Job, Failure> {
    let result = tokio::select! {
        result = follow_through(services, name, progress) => result,
        _ = tokio::signal::ctrl_c() => {
            let id = name.trim_start_matches("jobs/");
            let (watch, cancel) = (services.command(&format!("watch {id}")), services.command(&format!("jobs cancel {id}")));
            Err(Failure::Interrupted(format!("the job goes on: {watch} follows it, {cancel} stops it")))
        }
    };
    progress.finish();
    if let Ok(job) = &result {
        progress.ended(job);
    }
    result
}

async fn follow_through(services: &Services, name: &str, progress: &mut Progress) -> Result<Job, Failure> {
    let mut follower =
        Follower { services: services.clone(), name: name.to_string(), sequence: 0, attempts: 0 };
    loop {
        let status = match follower.stream(progress).await {
            Ok(job) => return Ok(job),
            Err(status) => status,
        };
        let passes = is_lost(&status) || status.code() == Code::ResourceExhausted;
        if !passes || follower.attempts >= MAX_ATTEMPTS {
            return Err(services.failure(status));
        }
        progress.interrupted(&innermost(&status));
        tokio::time::sleep(FIRST_PAUSE * 2u32.pow(follower.attempts)).await;
        follower.attempts += 1;
    }
}

struct Follower {
    services: Services,
    name: String,
    /// Of the last event seen.
    sequence: u64,
    /// Since then.
    attempts: u32,
}

impl Follower {
    /// Takes the stream up after the last event seen; ends with the finished job, or where the stream breaks.
    async fn stream(&mut self, progress: &mut Progress) -> Result<Job, Status> {
        let request =
            StreamProgressRequest { name: self.name.clone(), after_sequence: self.sequence, previews: None };
        let mut events = self.services.visualization.stream_progress(request).await?.into_inner();
        loop {
            let event = tokio::time::timeout(MAX_SILENCE, events.message()).await;
            let event = event.map_err(|_| Status::unavailable("the stream fell silent"))??;
            let Some(event) = event else {
                return Err(Status::unavailable("the stream ended before the job"));
            };
            self.attempts = 0;
            self.sequence = self.sequence.max(event.sequence);
            match event.event {
                Some(Event::State(change)) => {
                    progress.state(change.state(), self.jobs_ahead(change.state()).await)
                }
                Some(Event::Step(step)) => progress.step(&step),
                Some(Event::RankProgress(images)) => progress.images(&images),
                Some(Event::Heartbeat(_)) if progress.is_queued() => {
                    progress.state(State::Queued, self.jobs_ahead(State::Queued).await);
                }
                Some(Event::Done(job)) => return Ok(job),
                _ => {}
            }
        }
    }

    /// How many jobs are before this one, as far as the server tells.
    async fn jobs_ahead(&mut self, state: State) -> Option<usize> {
        if state != State::Queued {
            return None;
        }
        let jobs = self.services.jobs.list_jobs(ListJobsRequest::default()).await.ok()?.into_inner().jobs;
        let older = jobs.iter().skip_while(|job| job.name != self.name).skip(1);
        Some(older.filter(|job| !is_ended(job.state())).count())
    }
}

/// True for the states that a job never leaves.
pub fn is_ended(state: State) -> bool {
    matches!(state, State::Succeeded | State::Failed | State::Cancelled)
}
