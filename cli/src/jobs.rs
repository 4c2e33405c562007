//! `unitscope jobs`: lists, shows, cancels and deletes jobs.

use crate::args::JobsCommand;
use crate::connect::{Server, Services, job_name};
use crate::failure::Failure;
use crate::json;
use crate::numbers::{age, short_number};
use crate::output::{certificates, outcome_name, progress_of, summary_table};
use crate::table::Table;
use unitscope_proto::v1::{
    CancelJobRequest, DeleteJobRequest, GetJobRequest, Job, ListJobsRequest, ListJobsResponse,
    OptimizeResult, RankUnit, job, rank_unit,
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
    let mut table = Table::new(&["JOB", "KIND", "STATE", "DONE", "AGE", "MODEL", "WHAT"]);
    for job in &jobs {
        let wanted = wanted(job);
        table.row(vec![
            job.name.trim_start_matches("jobs/").to_string(),
            wanted.kind.to_string(),
            state_name(job),
            format!("{}/{}", job.steps_done, job.steps_total),
            age(job.create_time.as_ref()),
            wanted.model.to_string(),
            wanted.what,
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
    let wanted = wanted(job);
    println!("{}  {}  {}  {}", job.name, wanted.kind, state_name(job), progress_of(job));
    println!("created  {} ago", age(job.create_time.as_ref()));
    if let Some(error) = &job.error {
        println!("error    {}", error.message);
    }
    if !wanted.model.is_empty() {
        println!("model    {}", wanted.model);
    }
    match &job.spec {
        Some(job::Spec::Optimize(spec)) => {
            spec.terms.iter().for_each(|term| println!("term     {}", json::to_json("Term", term)));
        }
        Some(job::Spec::Rank(_) | job::Spec::Card(_)) => println!("units    {}", wanted.what),
        None => {}
    }
    if let Some(made) = &job.provenance {
        println!("device   {}, {} threads, server {}", made.device, made.threads, made.server_version);
    }
    let table = match &job.result {
        Some(job::Result::OptimizeResult(result)) => pictures_table(result),
        Some(job::Result::RankResult(result)) => summary_table(&result.units),
        Some(job::Result::CardResult(result)) => certificates(&result.pictures),
        None => return,
    };
    print!("\n{table}");
    let watch = services.command(&format!("watch {}", job.name.trim_start_matches("jobs/")));
    println!("\n{watch} fetches the files");
}

fn pictures_table(result: &OptimizeResult) -> Table {
    let mut table = Table::new(&["PICTURE", "SCORE", "AT START", "OUTCOME"]);
    for image in &result.images {
        table.row(vec![
            image.label.clone(),
            short_number(image.score),
            short_number(image.start_score),
            outcome_name(image.outcome()).to_string(),
        ]);
    }
    table
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

/// What a job was asked for.
struct Wanted<'a> {
    kind: &'static str,
    model: &'a str,
    /// The pictures, or the units and the dataset.
    what: String,
}

fn wanted(job: &Job) -> Wanted<'_> {
    match &job.spec {
        Some(job::Spec::Optimize(spec)) => {
            let what = match &spec.labels[..] {
                [] => spec.images().to_string(),
                labels => few(labels),
            };
            Wanted { kind: "optimize", model: &spec.model, what }
        }
        Some(job::Spec::Rank(spec)) => {
            Wanted { kind: "rank", model: &spec.model, what: units(&spec.units, &spec.dataset) }
        }
        Some(job::Spec::Card(spec)) => {
            Wanted { kind: "card", model: &spec.model, what: units(&spec.units, &spec.dataset) }
        }
        None => Wanted { kind: "unknown", model: "", what: String::new() },
    }
}

/// `block3:12, block3:13 in shapes`
fn units(units: &[RankUnit], dataset: &str) -> String {
    let name = |unit: &RankUnit| match (&unit.label[..], &unit.what) {
        ("", Some(rank_unit::What::Channel(channel))) => format!("{}:{channel}", unit.layer),
        ("", _) => format!("{}:direction", unit.layer),
        (label, _) => label.to_string(),
    };
    format!("{} in {dataset}", few(&units.iter().map(name).collect::<Vec<_>>()))
}

/// Three of them, and how many more.
fn few(labels: &[String]) -> String {
    match labels {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        labels => labels.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::{CardSpec, OptimizeSpec, RankSpec};

    #[test]
    fn pictures_are_named_or_counted() {
        let check = |labels: &[&str], text: &str| {
            let labels = labels.iter().map(ToString::to_string).collect();
            let spec = OptimizeSpec { images: Some(7), labels, ..OptimizeSpec::default() };
            let job = Job { spec: Some(job::Spec::Optimize(spec)), ..Job::default() };
            assert_eq!((wanted(&job).kind, wanted(&job).what.as_str()), ("optimize", text));
        };
        check(&[], "7");
        check(&["a", "b", "c"], "a, b, c");
        check(&["a", "b", "c", "d", "e"], "a, b, c and 2 more");
    }

    #[test]
    fn units_are_named_with_their_dataset() {
        let unit = |label: &str, what| RankUnit {
            layer: "a".into(),
            label: label.into(),
            what: Some(what),
            ..RankUnit::default()
        };
        let units = vec![
            unit("", rank_unit::What::Channel(7)),
            unit("", rank_unit::What::Direction(unitscope_proto::v1::Direction::default())),
            unit("eyes", rank_unit::What::Channel(8)),
        ];
        let check = |spec, kind| {
            let job = Job { spec: Some(spec), ..Job::default() };
            assert_eq!((wanted(&job).kind, wanted(&job).model), (kind, "m"));
            assert_eq!(wanted(&job).what, "a:7, a:direction, eyes in shapes");
        };
        let (model, dataset) = (|| "m".to_string(), || "shapes".to_string());
        check(
            job::Spec::Rank(RankSpec {
                model: model(),
                dataset: dataset(),
                units: units.clone(),
                ..RankSpec::default()
            }),
            "rank",
        );
        check(
            job::Spec::Card(CardSpec { model: model(), dataset: dataset(), units, ..CardSpec::default() }),
            "card",
        );
    }
}
