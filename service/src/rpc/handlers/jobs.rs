//! `JobService`: jobs by name.

use super::{job_id, required};
use crate::job::Jobs;
use crate::limits::{
    ENVELOPE_BYTES, PAGE_DEFAULT, PAGE_MAX, RESPONSE_BYTES, WAIT_DEFAULT, WAIT_MAX, WAITING_CALLS,
};
use crate::rpc::{names, status, to_proto};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct JobHandlers {
    jobs: Arc<Jobs>,
    waiting: Semaphore,
}

impl JobHandlers {
    /// Over these jobs.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>) -> Self {
        Self { jobs, waiting: Semaphore::new(WAITING_CALLS) }
    }
}

#[tonic::async_trait]
impl proto::job_service_server::JobService for JobHandlers {
    async fn get_job(&self, request: Request<proto::GetJobRequest>) -> Result<Response<proto::Job>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        let job = self.jobs.store().job(job_id(&name)?).map_err(|gone| status::no_job(&name, gone))?;
        Ok(Response::new(to_proto::job_with_bytes(&job, self.jobs.store())))
    }

    async fn list_jobs(
        &self,
        request: Request<proto::ListJobsRequest>,
    ) -> Result<Response<proto::ListJobsResponse>, Status> {
        let request = request.into_inner();
        let size = match usize::try_from(request.page_size) {
            Ok(0) => PAGE_DEFAULT,
            Ok(size) => size.min(PAGE_MAX),
            Err(_) => {
                let reason = format!(
                    "{} is negative; give 1 … {PAGE_MAX}, or 0 for {PAGE_DEFAULT}",
                    request.page_size
                );
                return Err(status::invalid_field("page_size", reason));
            }
        };
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(names::parse_page_token(token).ok_or_else(|| {
                let reason =
                    "is no token of this server; give `next_page_token` of the answer before, or nothing";
                status::invalid_field("page_token", reason)
            })?),
        };
        // One more than asked for shows whether there are more. A page ends early where the message would grow too large.
        let found = self.jobs.store().jobs(before, size + 1);
        let mut jobs = Vec::new();
        let mut room = RESPONSE_BYTES - ENVELOPE_BYTES;
        let mut last = None;
        for job in found.iter().take(size) {
            let message = to_proto::job(job);
            let Some(rest) = room.checked_sub(message.encoded_len() + MESSAGE_FRAME) else { break };
            room = rest;
            last = Some(job.id);
            jobs.push(message);
        }
        let more = jobs.len() < found.len();
        let next_page_token = last.filter(|_| more).map(names::page_token).unwrap_or_default();
        Ok(Response::new(proto::ListJobsResponse { jobs, next_page_token }))
    }

    async fn wait_job(
        &self,
        request: Request<proto::WaitJobRequest>,
    ) -> Result<Response<proto::Job>, Status> {
        let request = request.into_inner();
        required("name", &request.name)?;
        let id = job_id(&request.name)?;
        let timeout = match request.timeout {
            None => WAIT_DEFAULT,
            Some(timeout) => Duration::try_from(timeout)
                .map_err(|_| {
                    status::invalid_field("timeout", "is negative or no duration; give 0 s … 3600 s")
                })?
                .min(WAIT_MAX),
        };
        let _permit = self.waiting.try_acquire().map_err(|_| {
            let message = format!("{WAITING_CALLS} WaitJob calls are open, which is this server's limit");
            status::exhausted("TOO_MANY_WAITS", "waiting_calls", &message)
        })?;
        let job = self.jobs.wait(id, timeout).await.map_err(|gone| status::no_job(&request.name, gone))?;
        Ok(Response::new(to_proto::job_with_bytes(&job, self.jobs.store())))
    }

    async fn cancel_job(
        &self,
        request: Request<proto::CancelJobRequest>,
    ) -> Result<Response<proto::Job>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        let job = self.jobs.cancel(job_id(&name)?).map_err(|gone| status::no_job(&name, gone))?;
        Ok(Response::new(to_proto::job(&job)))
    }

    async fn delete_job(
        &self,
        request: Request<proto::DeleteJobRequest>,
    ) -> Result<Response<proto::DeleteJobResponse>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        self.jobs.store().delete(job_id(&name)?).map_err(|error| status::not_deleted(&name, error))?;
        Ok(Response::new(proto::DeleteJobResponse {}))
    }
}

/// Tag and length of a message in a list.
const MESSAGE_FRAME: usize = 8;
