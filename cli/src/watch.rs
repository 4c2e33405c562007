//! `unitscope watch`: follows a job that is there already, and delivers what it made.

use crate::args::WatchArgs;
use crate::connect::{Server, job_name};
use crate::failure::Failure;
use crate::follow::follow;
use crate::output::{Delivery, deliver};
use crate::progress::Progress;
use unitscope_proto::v1::GetJobRequest;

/// Runs the command.
pub async fn run(server: &Server, args: WatchArgs, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    let request = GetJobRequest { name: job_name(&args.job) };
    let job = services.jobs.get_job(request).await.map_err(|status| services.failure(status))?.into_inner();
    let mut progress = Progress::new(&job, args.delivery.folder.quiet);
    let job = follow(&services, &job.name, &mut progress).await?;
    let delivery = Delivery { keep_pictures: args.keep_pictures, ..Delivery::from(&args.delivery) };
    deliver(&services, &job, &delivery, as_json).await
}
