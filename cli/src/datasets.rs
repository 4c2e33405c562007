//! `unitscope datasets`: lists and shows sets of images.

use crate::args::DatasetsCommand;
use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::numbers::{age, counted, grouped};
use crate::table::{Table, printable};
use unitscope_proto::v1::{Dataset, GetDatasetRequest, ListDatasetsRequest, SkippedFile};

/// The most classes and left-out files that text shows; JSON has them all.
const MAX_SHOWN: usize = 8;

/// Runs the command.
pub async fn run(server: &Server, command: DatasetsCommand, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    match command {
        DatasetsCommand::List => list(&mut services, as_json).await,
        DatasetsCommand::Show { dataset, refresh } => {
            let request = GetDatasetRequest { name: dataset, refresh };
            let answer = services.datasets.get_dataset(request).await;
            let dataset = answer.map_err(|status| services.failure(status))?.into_inner();
            if as_json {
                json::print(&json::to_json("Dataset", &dataset));
            } else {
                print!("{}", describe(&dataset));
            }
            Ok(())
        }
    }
}

async fn list(services: &mut Services, as_json: bool) -> Result<(), Failure> {
    let answer = services.datasets.list_datasets(ListDatasetsRequest {}).await;
    let answer = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("ListDatasetsResponse", &answer));
        return Ok(());
    }
    if answer.datasets.is_empty() {
        println!("no datasets; the server reads them from its configuration");
        return Ok(());
    }
    let mut table = Table::new(&["DATASET", "KIND", "IMAGES", "LEFT OUT", "LISTED", "LOCATION"]);
    for dataset in &answer.datasets {
        // What was never listed has no counts.
        let known = |text: String| if dataset.list_time.is_some() { text } else { "?".to_string() };
        table.row(vec![
            dataset.name.clone(),
            dataset.kind.clone(),
            known(grouped(dataset.images)),
            known(grouped(dataset.skipped)),
            match &dataset.list_time {
                Some(time) => format!("{} ago", age(Some(time))),
                None => "not yet".to_string(),
            },
            printable(&dataset.location),
        ]);
    }
    print!("{table}");
    Ok(())
}

/// Name, place, counts, classes, and why files were left out.
fn describe(dataset: &Dataset) -> String {
    let mut text = format!("{}  {}\n", console::style(&dataset.name).bold(), dataset.kind);
    text.push_str(&format!("location  {}\n", printable(&dataset.location)));
    text.push_str(&format!("images    {}\n", grouped(dataset.images)));
    if dataset.classes.is_empty() {
        text.push_str("classes   none\n");
    } else {
        text.push_str(&format!("classes   {}\n", classes(&dataset.classes)));
    }
    if let Some(time) = &dataset.list_time {
        text.push_str(&format!("listed    {} ago\n", age(Some(time))));
    }
    if dataset.skipped > 0 {
        text.push_str(&format!("left out  {}\n\n", counted(dataset.skipped, "file")));
        text.push_str(&left_out(&dataset.skipped_files, dataset.skipped));
    }
    text
}

/// `12: a · b · c …`
fn classes(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_SHOWN).map(|name| printable(name)).collect();
    let rest = if names.len() > MAX_SHOWN { " …" } else { "" };
    format!("{}: {}{rest}", grouped(names.len() as u64), shown.join(" · "))
}

fn left_out(files: &[SkippedFile], count: u64) -> String {
    let mut table = Table::new(&["LEFT OUT", "REASON"]);
    for file in files.iter().take(MAX_SHOWN) {
        table.row(vec![printable(&file.path), printable(&file.reason)]);
    }
    let more = count.saturating_sub(MAX_SHOWN as u64);
    match more {
        0 => table.to_string(),
        more => format!("{table}and {} more; `--json` lists the first 100\n", grouped(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dataset: &Dataset, lines: &[&str]) {
        let text = console::strip_ansi_codes(&describe(dataset)).into_owned();
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn a_dataset_shows_what_it_holds_and_what_it_left_out() {
        let file = |number| SkippedFile { path: format!("{number}.txt"), reason: "no picture".into() };
        let mut dataset = Dataset {
            name: "shapes".into(),
            location: "/data/sha\x1bpes".into(),
            kind: "folder".into(),
            images: 12_000,
            ..Dataset::default()
        };
        check(&dataset, &["shapes  folder", "location  /data/sha�pes", "images    12,000", "classes   none"]);
        dataset.classes = (0..9).map(|number| format!("c{number}")).collect();
        dataset.skipped = 10;
        dataset.skipped_files = (0..9).map(file).collect();
        let text = describe(&dataset);
        assert!(text.contains("classes   9: c0 · c1 · c2 · c3 · c4 · c5 · c6 · c7 …\n"), "{text}");
        assert!(text.contains("left out  10 files\n"), "{text}");
        assert!(text.contains("7.txt     no picture\nand 2 more;") && !text.contains("8.txt"), "{text}");
    }
}
