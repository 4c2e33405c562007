//! `unitscope rank`: sends a spec, follows the job where it is one, delivers the ranking.

mod args;
mod request;

pub use args::{RankArgs, Reducer};
pub use request::split;

use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::output::{Delivery, deliver};
use crate::submit::{Wait, request_id};
use crate::units::ranked;
use request::Request;
use unitscope_proto::v1::{Job, RankRequest};

/// Runs the command.
pub async fn run(server: &Server, args: RankArgs, as_json: bool) -> Result<(), Failure> {
    let units = ranked::resolve(server, &args.model, &args.units, &args.directions).await?;
    let request = Request::from_flags(&args, units)?;
    if args.dry_run {
        json::print(&json::to_json("RankSpec", &request.spec));
        return Ok(());
    }
    let mut services = server.connect().await?;
    let job = submit(&mut services, request).await?;
    let wait = Wait { detach: args.detach, quiet: args.folder.quiet, as_json };
    match wait.see_through(&services, job).await? {
        Some(job) => {
            let delivery = Delivery {
                shade: args.sheet,
                keep_pictures: args.keep_pictures,
                ..Delivery::to(&args.folder.out)
            };
            deliver(&services, &job, &delivery, as_json).await
        }
        None => Ok(()),
    }
}

async fn submit(services: &mut Services, request: Request) -> Result<Job, Failure> {
    let message = RankRequest { spec: Some(request.spec.clone()), request_id: request_id() };
    match services.visualization.rank(message).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(Failure::from_status(services.url(), &status, |field| request.argument(field))),
    }
}
