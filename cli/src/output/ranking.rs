//! Delivers a ranking: contact sheets, tables and numbers into a folder, the hits onto stdout.

mod sheet;
mod statistics;
mod table;

pub use table::summary_table;

use super::file_name::file_names;
use super::folder::Folder;
use super::{Delivery, cancelled, failed};
use crate::connect::Services;
use crate::failure::Failure;
use crate::json;
use sheet::{Cell, Row, hit_sheet};
use std::path::PathBuf;
use unitscope_proto::v1::hit_group::Kind;
use unitscope_proto::v1::{
    GetModelRequest, Hit, HitGroup, Job, RankResult, RankSpec, UnitRanking, job, job::State,
};

/// File names that one line lists.
const MAX_NAMED: usize = 6;

/// Writes what the job found, prints it, and fails where the job did not go well.
pub async fn deliver(
    services: &Services,
    job: &Job,
    spec: &RankSpec,
    delivery: &Delivery<'_>,
    as_json: bool,
) -> Result<(), Failure> {
    if job.state() == State::Failed {
        return Err(failed(job, "; what it scored is kept"));
    }
    let Some(job::Result::RankResult(result)) = &job.result else {
        return Err(cancelled(job, "; what it scored is kept"));
    };
    let mut writer =
        Writer { folder: Folder::new(services, delivery.out)?, job: spec, delivery, input: None };
    if result.units.iter().flat_map(hits).any(|hit| hit.thumbnail.is_some()) {
        writer.input = input_size(services, &spec.model).await;
    }
    let mut written = Vec::new();
    for (unit, stem) in result.units.iter().zip(file_names(result.units.iter().map(|unit| &*unit.label))) {
        written.extend(writer.write_unit(unit, &stem).await?);
    }
    written.extend(writer.write_numbers(result).await?);
    if as_json {
        json::print(&json::without_bytes(json::to_json("Job", job)));
    } else {
        print(result, &written);
    }
    Ok(())
}

fn hits(unit: &UnitRanking) -> impl Iterator<Item = &Hit> {
    unit.groups.iter().flat_map(|group| &group.hits)
}

/// Height and width of what the network sees, which windows count in; none where the server no longer knows the model.
async fn input_size(services: &Services, model: &str) -> Option<(u32, u32)> {
    let request = GetModelRequest { name: model.to_string(), ..GetModelRequest::default() };
    let answer = services.models.clone().get_model(request).await.ok()?;
    let input = answer.into_inner().input?;
    (input.height > 0 && input.width > 0).then_some((input.height, input.width))
}

struct Writer<'a> {
    folder: Folder,
    job: &'a RankSpec,
    delivery: &'a Delivery<'a>,
    /// Height and width of the network's input.
    input: Option<(u32, u32)>,
}

impl Writer<'_> {
    /// The unit's sheet, if it has pictures, and where wanted its pictures one by one; gives the sheet's place.
    async fn write_unit(&mut self, unit: &UnitRanking, stem: &str) -> Result<Option<PathBuf>, Failure> {
        if !hits(unit).any(|hit| hit.thumbnail.is_some()) {
            return Ok(None);
        }
        let singles = match self.delivery.keep_pictures {
            true => Some(self.folder.within("pictures")?.within(stem)?),
            false => None,
        };
        let names = group_files(&unit.groups);
        let mut rows = Vec::new();
        for (group, name) in table::sorted(&unit.groups).into_iter().zip(names) {
            let mut cells = Vec::new();
            for (index, hit) in group.hits.iter().enumerate() {
                let pictures = self.fetch(hit).await?;
                if let Some(singles) = &singles {
                    pictures.write(singles, &format!("{name}-{}", index + 1))?;
                }
                cells.extend(self.cell(hit, pictures)?);
            }
            rows.push(Row { heading: table::group_name(group), cells });
        }
        let png = hit_sheet(&rows, &self.title(unit), self.delivery.shade)
            .map_err(|error| Failure::Local(format!("the contact sheet cannot be drawn: {error}")))?;
        self.folder.write(&format!("{stem}.png"), &png).map(Some)
    }

    /// What the whole ranking has besides pictures; gives the places.
    async fn write_numbers(&mut self, result: &RankResult) -> Result<Vec<PathBuf>, Failure> {
        let files = [
            (&result.csv, "ranking.csv"),
            (&result.json, "ranking.json"),
            (&result.scores, "scores.npy"),
            (&result.images_csv, "images.csv"),
        ];
        let mut written = Vec::new();
        for (artifact, name) in files {
            let file = self.folder.write_artifact(artifact.as_ref(), name).await?;
            written.extend(file.map(|(path, _)| path));
        }
        Ok(written)
    }

    async fn fetch(&mut self, hit: &Hit) -> Result<Pictures, Failure> {
        Ok(Pictures {
            thumbnail: self.folder.fetch(hit.thumbnail.as_ref()).await?,
            crop: self.folder.fetch(hit.crop.as_ref()).await?,
            heat_map: self.folder.fetch(hit.heat_map.as_ref()).await?,
        })
    }

    fn cell(&self, hit: &Hit, pictures: Pictures) -> Result<Option<Cell>, Failure> {
        let Some(thumbnail) = pictures.thumbnail else { return Ok(None) };
        let cell = Cell::new(hit, thumbnail, self.input)?;
        Ok(Some(cell.with(pictures.crop, pictures.heat_map)?))
    }

    /// `block3:12   demo on shapes   2,000 images · …`
    fn title(&self, unit: &UnitRanking) -> [String; 2] {
        let statistics = unit.statistics.as_ref().map(statistics::statistics_line).unwrap_or_default();
        [format!("{}   {} on {}", unit.label, self.job.model, self.job.dataset), statistics]
    }
}

/// The PNGs of one hit.
struct Pictures {
    thumbnail: Option<Vec<u8>>,
    crop: Option<Vec<u8>>,
    heat_map: Option<Vec<u8>>,
}

impl Pictures {
    fn write(&self, folder: &Folder, stem: &str) -> Result<(), Failure> {
        let files = [(&self.thumbnail, ""), (&self.crop, "-crop"), (&self.heat_map, "-heat-map")];
        for (png, ending) in files {
            if let Some(png) = png {
                folder.write(&format!("{stem}{ending}.png"), png)?;
            }
        }
        Ok(())
    }
}

/// What the files of each group begin with, in the order of the sheet: `top`, `band-1`, `bottom`.
fn group_files(groups: &[HitGroup]) -> Vec<String> {
    let mut bands = 0;
    let name = |group: &HitGroup| match group.kind() {
        Kind::Top => "top".to_string(),
        Kind::Bottom => "bottom".to_string(),
        Kind::Band | Kind::Unspecified => {
            bands += 1;
            format!("band-{bands}")
        }
    };
    table::sorted(groups).into_iter().map(name).collect()
}

fn print(result: &RankResult, written: &[PathBuf]) {
    let takes_blocks = statistics::takes_blocks(|name| std::env::var(name).ok());
    print!("{}", table::describe(result, takes_blocks));
    let hint = console::style("hint:").for_stderr().yellow().bold();
    if let Some(text) = table::left_out(result) {
        eprintln!("{hint} {text}");
    }
    if result.truncated {
        eprintln!(
            "{hint} the images were too many for one answer: the last groups are in ranking.csv and ranking.json alone"
        );
    }
    let (sheets, numbers): (Vec<_>, Vec<_>) =
        written.iter().partition(|path| path.extension().is_some_and(|ending| ending == "png"));
    if let Some(line) = files_line(&numbers) {
        println!("\nnumbers  {line}");
    }
    if let Some(line) = files_line(&sheets).filter(|_| sheets.len() > 1) {
        println!("sheets   {line}");
    }
    if let Some(sheet) = sheets.first() {
        println!("open {}", console::style(sheet.display()).bold());
    }
}

/// `a, b, c and 12 more`; none for none.
fn files_line(paths: &[&PathBuf]) -> Option<String> {
    let named: Vec<String> = paths.iter().take(MAX_NAMED).map(|path| path.display().to_string()).collect();
    match paths.len() {
        0 => None,
        count if count <= MAX_NAMED => Some(named.join(", ")),
        count => Some(format!("{} and {} more", named.join(", "), count - MAX_NAMED)),
    }
}

#[cfg(test)]
#[path = "ranking_tests.rs"]
mod tests;
