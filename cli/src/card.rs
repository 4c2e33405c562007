//! `unitscope card`: sends a spec, follows the job, delivers the page.

mod args;

pub use args::CardArgs;

use crate::connect::Server;
use crate::failure::Failure;
use crate::json;
use crate::output::{Delivery, deliver};
use crate::rank::split;
use crate::submit::{Wait, request_id};
use crate::units::ranked;
use unitscope_proto::v1::{self, CardSpec, RankUnit, RenderCardRequest};

/// Runs the command.
pub async fn run(server: &Server, args: CardArgs, as_json: bool) -> Result<(), Failure> {
    let (units, arguments) = split(ranked::resolve(server, &args.model, &args.units, &[]).await?);
    let spec = spec(&args, units);
    if args.dry_run {
        json::print(&json::to_json("CardSpec", &spec));
        return Ok(());
    }
    let mut services = server.connect().await?;
    let message = RenderCardRequest { spec: Some(spec), request_id: request_id() };
    let job = services.cards.render_card(message).await.map_err(|status| {
        Failure::from_status(services.url(), &status, |field| argument(&arguments, field))
    })?;
    let wait = Wait { detach: args.detach, quiet: args.folder.quiet, as_json };
    match wait.see_through(&services, job.into_inner()).await? {
        Some(job) => deliver(&services, &job, &Delivery::to(&args.folder.out), as_json).await,
        None => Ok(()),
    }
}

fn spec(args: &CardArgs, units: Vec<RankUnit>) -> CardSpec {
    CardSpec {
        model: args.model.clone(),
        dataset: args.dataset.clone(),
        units,
        reducer: v1::Reducer::from(args.reducer).into(),
        k: args.k,
        steps: args.steps,
        seed: args.seed,
        diverse: args.diverse,
        title: args.title.clone().unwrap_or_default(),
        refresh: args.refresh,
    }
}

/// The argument that the field at this path was made from; `units` are those of the units.
fn argument(units: &[String], field: &str) -> Option<String> {
    let field = field.strip_prefix("spec.").unwrap_or(field);
    if let Some(rest) = field.strip_prefix("units[") {
        return units.get(rest.split(']').next()?.parse::<usize>().ok()?).cloned();
    }
    match field {
        "units" => Some("--unit".to_string()),
        "model" | "dataset" | "reducer" | "k" | "steps" | "seed" | "diverse" | "title" | "refresh" => {
            Some(format!("--{field}"))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
