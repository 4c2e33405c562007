//! `unitscope optimize`: sends a spec, follows the job, delivers the pictures.

mod args;
mod magnitude;
mod objective;
mod request;
mod starts;
mod stop;

pub use args::OptimizeArgs;

use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::notation::unit::Position;
use crate::output::{Delivery, deliver};
use crate::submit::{Wait, request_id};
use crate::units::{self, Wanted};
use request::Request;
use std::io::Read;
use std::path::Path;
use unitscope_proto::v1::{Job, OptimizeRequest};

/// Runs the command.
pub async fn run(server: &Server, args: OptimizeArgs, as_json: bool) -> Result<(), Failure> {
    let request = match &args.spec {
        Some(path) => Request::from_spec(read_spec(path)?),
        None => {
            let units = wanted(server, &args).await?;
            let objective = objective::resolve(server, &args).await?;
            Request::from_flags(&args, units, objective)?
        }
    };
    if args.dry_run {
        json::print(&json::to_json("OptimizeSpec", &request.spec));
        return Ok(());
    }
    let mut services = server.connect().await?;
    let job = submit(&mut services, request).await?;
    let wait = Wait { detach: args.detach, quiet: args.delivery.folder.quiet, as_json };
    match wait.see_through(&services, job).await? {
        Some(job) => deliver(&services, &job, &Delivery::from(&args.delivery), as_json).await,
        None => Ok(()),
    }
}

/// What `--unit` and `--layer` ask for, in order.
async fn wanted(server: &Server, args: &OptimizeArgs) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = units::resolve(server, &args.wanted.model, &args.wanted.units).await?;
    wanted.extend(args.wanted.layers.iter().map(|layer| Wanted {
        layer: layer.clone(),
        channel: None,
        position: Position::Mean,
        label: layer.clone(),
        argument: format!("--layer {layer}"),
    }));
    Ok(wanted)
}

/// Sends the request under an id of its own, so that the server takes it for one request however often it comes.
async fn submit(services: &mut Services, request: Request) -> Result<Job, Failure> {
    let message = OptimizeRequest { spec: Some(request.spec.clone()), request_id: request_id() };
    match services.visualization.optimize(message).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(Failure::from_status(services.url(), &status, |field| request.argument(field))),
    }
}

fn read_spec(path: &Path) -> Result<unitscope_proto::v1::OptimizeSpec, Failure> {
    let name = path.display();
    let unreadable = |error: std::io::Error| Failure::Usage(format!("--spec {name} cannot be read: {error}"));
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
        text
    } else {
        std::fs::read_to_string(path).map_err(unreadable)?
    };
    json::parse_spec(&text).map_err(|error| {
        Failure::Usage(format!(
            "--spec {name} is not the JSON of an OptimizeSpec: {error}\n  \
             `unitscope optimize … --dry-run` prints such a file for the flags given"
        ))
    })
}
