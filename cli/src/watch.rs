//! `unitscope watch`: follows a job that is there already, and delivers its pictures.

use crate::args::WatchArgs;
use crate::connect::{Server, job_name};
use crate::failure::Failure;
use crate::follow::follow;
use crate::output::deliver;
use crate::progress::Progress;
use unitscope_proto::v1::GetJobRequest;

/// Runs the command.
pub async fn run(server: &Server, args: WatchArgs, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    let request = GetJobRequest { name: job_name(&args.job) };
    let job = services.jobs.get_job(request).await.map_err(|status| services.failure(status))?.into_inner();
    let mut progress = Progress::new(&job, args.delivery.quiet);
    let job = follow(&services, &job.name, &mut progress).await?;
    deliver(&services, &job, &args.delivery, as_json).await
}
