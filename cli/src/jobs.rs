//! `unitscope jobs`: lists, shows, cancels and deletes jobs.

use crate::args::JobsCommand;
use crate::connect::{Server, Services, job_name};
use crate::failure::Failure;
use crate::json;
use crate::output::outcome_name;
use crate::progress::short_number;
use crate::table::Table;
use std::time::{SystemTime, UNIX_EPOCH};
use unitscope_proto::v1::{
    CancelJobRequest, DeleteJobRequest, GetJobRequest, Job, ListJobsRequest, ListJobsResponse, job,
};

/// Runs the command.
pub async fn run(server: &Server, command: JobsCommand, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    match command {
        JobsCommand::List { limit } => list(&mut services, limit, as_json).await,
        JobsCommand::Show { job } => {
            let request = GetJobRequest { name: job_name(&job) };
            let answer = services.jobs.get_job(request).await.map_err(|status| services.failure(status))?;
            show(&services, answer.get_ref(), as_json);
            Ok(())
        }
        JobsCommand::Cancel { jobs } => {
            for job in jobs {
                let request = CancelJobRequest { name: job_name(&job) };
                let answer =
                    services.jobs.cancel_job(request).await.map_err(|status| services.failure(status))?;
                report(answer.get_ref(), as_json);
            }
            Ok(())
        }
        JobsCommand::Delete { jobs } => {
            for job in jobs {
                let name = job_name(&job);
                let request = DeleteJobRequest { name: name.clone() };
                services.jobs.delete_job(request).await.map_err(|status| services.failure(status))?;
                if as_json {
                    json::print(&serde_json::json!({"name": name, "deleted": true}));
                } else {
                    println!("{name} deleted");
                }
            }
            Ok(())
        }
    }
}

async fn list(services: &mut Services, limit: i32, as_json: bool) -> Result<(), Failure> {
    let request = ListJobsRequest { page_size: limit, page_token: String::new() };
    let answer =
        services.jobs.list_jobs(request).await.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("ListJobsResponse", &answer));
        return Ok(());
    }
    let ListJobsResponse { jobs, next_page_token } = answer;
    if jobs.is_empty() {
        println!("no jobs");
        return Ok(());
    }
    let mut table = Table::new(&["JOB", "STATE", "STEPS", "AGE", "MODEL", "PICTURES"]);
    for job in &jobs {
        let Some(job::Spec::Optimize(spec)) = &job.spec else { continue };
        table.row(vec![
            job.name.trim_start_matches("jobs/").to_string(),
            state_name(job),
            format!("{}/{}", job.steps_done, job.steps_total),
            age(job),
            spec.model.clone(),
            pictures(job),
        ]);
    }
    print!("{table}");
    if !next_page_token.is_empty() {
        eprintln!("there are more; `--limit` shows them");
    }
    Ok(())
}

fn show(services: &Services, job: &Job, as_json: bool) {
    if as_json {
        json::print(&json::to_json("Job", job));
        return;
    }
    println!("{}  {}  {}/{} steps", job.name, state_name(job), job.steps_done, job.steps_total);
    println!("created  {} ago", age(job));
    if let Some(error) = &job.error {
        println!("error    {}", error.message);
    }
    if let Some(job::Spec::Optimize(spec)) = &job.spec {
        println!("model    {}", spec.model);
        for term in &spec.terms {
            println!("term     {}", json::to_json("Term", term));
        }
    }
    if let Some(made) = &job.provenance {
        println!("device   {}, {} threads, server {}", made.device, made.threads, made.server_version);
    }
    if let Some(job::Result::OptimizeResult(result)) = &job.result {
        let mut table = Table::new(&["PICTURE", "SCORE", "AT START", "OUTCOME"]);
        for image in &result.images {
            table.row(vec![
                image.label.clone(),
                short_number(image.score),
                short_number(image.start_score),
                outcome_name(image.outcome()).to_string(),
            ]);
        }
        print!("\n{table}");
        let watch = services.command(&format!("watch {}", job.name.trim_start_matches("jobs/")));
        println!("\n{watch} fetches the pictures");
    }
}

fn report(job: &Job, as_json: bool) {
    if as_json {
        json::print(&json::to_json("Job", job));
    } else {
        println!("{} {}", job.name, state_name(job));
    }
}

/// The state in lower case, such as `running`.
fn state_name(job: &Job) -> String {
    job.state().as_str_name().trim_start_matches("STATE_").to_lowercase()
}

/// The pictures' labels, or how many there are.
fn pictures(job: &Job) -> String {
    let Some(job::Spec::Optimize(spec)) = &job.spec else { return String::new() };
    match spec.labels.as_slice() {
        [] => spec.images().to_string(),
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        labels => labels.join(", "),
    }
}

fn age(job: &Job) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let created = job.create_time.as_ref().map_or(now, |time| time.seconds);
    duration((now - created).max(0))
}

/// The largest unit that fits.
fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::OptimizeSpec;

    #[test]
    fn ages_have_one_unit() {
        let check = |seconds, text: &str| assert_eq!(duration(seconds), text);
        check(0, "0 s");
        check(119, "119 s");
        check(120, "2 min");
        check(7_200, "2 h");
        check(172_800, "2 d");
    }

    #[test]
    fn pictures_are_named_or_counted() {
        let check = |labels: &[&str], text: &str| {
            let labels = labels.iter().map(ToString::to_string).collect();
            let spec = OptimizeSpec { images: Some(7), labels, ..OptimizeSpec::default() };
            assert_eq!(pictures(&Job { spec: Some(job::Spec::Optimize(spec)), ..Job::default() }), text);
        };
        check(&[], "7");
        check(&["a", "b", "c"], "a, b, c");
        check(&["a", "b", "c", "d", "e"], "a, b, c and 2 more");
    }
}
