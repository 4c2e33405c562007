//! `unitscope optimize`: sends a spec, follows the job, delivers the pictures.

mod args;
mod label;
mod magnitude;
mod objective;
mod request;
mod starts;
mod stop;

pub use args::OptimizeArgs;

use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::follow::follow;
use crate::json;
use crate::output::deliver;
use crate::progress::Progress;
use request::Request;
use std::io::Read;
use std::path::Path;
use unitscope_proto::v1::{Job, OptimizeRequest};

/// Runs the command.
pub async fn run(server: &Server, args: OptimizeArgs, as_json: bool) -> Result<(), Failure> {
    let request = match &args.spec {
        Some(path) => Request::from_spec(read_spec(path)?),
        None => {
            let units = label::resolve(server, &args).await?;
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
    if args.detach {
        if as_json {
            json::print(&json::to_json("Job", &job));
        } else {
            println!("{}", job.name);
            let watch = services.command(&format!("watch {}", job.name.trim_start_matches("jobs/")));
            eprintln!("{watch} follows it and fetches its pictures");
        }
        return Ok(());
    }
    let mut progress = Progress::new(&job, args.delivery.quiet);
    let job = follow(&services, &job.name, &mut progress).await?;
    deliver(&services, &job, &args.delivery, as_json).await
}

/// Sends the request under an id of its own, so that the server takes it for one request however often it comes.
async fn submit(services: &mut Services, request: Request) -> Result<Job, Failure> {
    let message = OptimizeRequest { spec: Some(request.spec.clone()), request_id: request_id() };
    match services.visualization.optimize(message).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(Failure::from_status(services.url(), &status, |field| request.argument(field))),
    }
}

/// A UUID of version 7 (RFC 9562): 48 bits of milliseconds, as a ULID has them, then random bits but for version and variant.
fn request_id() -> String {
    let bits = (ulid::Ulid::generate().0 & !(0xf << 76) & !(0x3 << 62)) | (0x7 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
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

#[cfg(test)]
mod tests {
    #[test]
    fn request_ids_are_uuids_of_version_7() {
        let id = super::request_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>(), [8, 13, 18, 23]);
        assert_eq!(&id[14..15], "7");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(id, super::request_id());
    }
}
