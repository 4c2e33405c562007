//! `unitscope server`: what the server is and allows.

use crate::connect::Server;
use crate::failure::Failure;
use crate::json;
use crate::table::Table;
use unitscope_proto::v1::{GetServerInfoRequest, Limits};

/// Runs the command.
pub async fn run(server: &Server, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    let answer = services.info.get_server_info(GetServerInfoRequest {}).await;
    let info = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("ServerInfo", &info));
        return Ok(());
    }
    println!("server    {} at {}", info.version, services.url());
    println!("libtorch  {}", info.libtorch_version);
    println!("device    {}, {} threads", info.device, info.threads);
    if let Some(limits) = &info.limits {
        let mut table = Table::new(&["LIMIT", "AT MOST"]);
        for (name, value) in rows(limits) {
            table.row(vec![name.to_string(), value]);
        }
        print!("\n{table}");
    }
    for problem in &info.plugin_problems {
        let mark = console::style("plugin not loaded:").yellow().bold();
        println!("\n{mark} {}: {}", problem.library, problem.reason);
    }
    Ok(())
}

fn rows(limits: &Limits) -> Vec<(&'static str, String)> {
    vec![
        ("pictures of a job", limits.images.to_string()),
        ("steps of a job", limits.steps.to_string()),
        ("terms of a job", limits.terms.to_string()),
        ("steps × pictures × terms", limits.step_values.to_string()),
        ("height or width", format!("{} px", limits.image_side_px)),
        ("pixels of a job", limits.job_pixels.to_string()),
        ("snapshot steps of a job", limits.snapshots.to_string()),
        ("waiting jobs", limits.queued_jobs.to_string()),
        ("finished jobs kept", limits.kept_jobs.to_string()),
        ("bytes kept", format!("{} MiB", limits.kept_bytes >> 20)),
        ("open progress streams", limits.progress_streams.to_string()),
        ("units of a ranking", limits.ranked_units.to_string()),
        ("images listed in a ranking", limits.hits.to_string()),
        ("models in memory", limits.loaded_models.to_string()),
    ]
}
