//! Delivers the pictures of an `optimize` job: files, a contact sheet, a table of scores.

use super::file_name::file_names;
use super::folder::Folder;
use super::sheet::{Picture, contact_sheet};
use super::sidecar::sidecar;
use super::{Delivery, SHEET, cancelled, failed, outcome_name};
use crate::connect::Services;
use crate::failure::Failure;
use crate::json;
use crate::numbers::short_number;
use crate::table::Table;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{Job, OptimizedImage, job, job::State};

/// The files of one picture.
pub struct Files {
    pub png: PathBuf,
    pub tensor: Option<PathBuf>,
    pub snapshots: Vec<(u32, PathBuf)>,
    pub sidecar: PathBuf,
}

/// Writes what the job made, prints what to open, and fails where the job did not go well.
pub async fn deliver(
    services: &Services,
    job: &Job,
    delivery: &Delivery<'_>,
    as_json: bool,
) -> Result<(), Failure> {
    let images = match &job.result {
        Some(job::Result::OptimizeResult(result)) => &result.images[..],
        _ if job.state() == State::Failed => return Err(failed(job, "")),
        _ => &[],
    };
    let is_kept = |image: &&OptimizedImage| delivery.keep_all || image.outcome() != Outcome::Eliminated;
    let images: Vec<&OptimizedImage> = images.iter().filter(is_kept).collect();
    let mut writer = Writer { folder: Folder::new(services, delivery.out)?, pictures: Vec::new() };
    let mut files = Vec::new();
    for (&image, stem) in images.iter().zip(file_names(images.iter().map(|image| image.label.as_str()))) {
        files.push(writer.write_image(job, image, &stem).await?);
    }
    let sheet = writer.write_sheet(job, &images, delivery)?;
    if as_json {
        json::print(&summary(job, &images, &files, sheet.as_deref()));
    } else {
        print_results(&images, &files, sheet.as_deref());
    }
    outcome(job, &images)
}

struct Writer {
    folder: Folder,
    /// Finished pictures and snapshots, in the order of the sheet.
    pictures: Vec<Picture>,
}

impl Writer {
    async fn write_image(&mut self, job: &Job, image: &OptimizedImage, stem: &str) -> Result<Files, Failure> {
        let mut snapshots = Vec::new();
        for snapshot in &image.snapshots {
            let name = format!("{stem}.step-{:04}.png", snapshot.step);
            let caption = format!("step {}", snapshot.step);
            if let Some((path, bytes)) = self.folder.write_artifact(snapshot.png.as_ref(), &name).await? {
                self.pictures.push(Picture::new(bytes, image.label.clone(), caption, false)?);
                snapshots.push((snapshot.step, path));
            }
        }
        let png = self.folder.write_artifact(image.png.as_ref(), &format!("{stem}.png")).await?;
        let (png, bytes) =
            png.ok_or_else(|| Failure::Job(format!("the server made no picture for `{}`", image.label)))?;
        let is_dead = image.outcome() == Outcome::Dead;
        let caption = match image.outcome() {
            Outcome::Dead => "dead: does not react".to_string(),
            Outcome::Completed | Outcome::Unspecified => format!("score {}", short_number(image.score)),
            other => format!("score {} ({})", short_number(image.score), outcome_name(other)),
        };
        self.pictures.push(Picture::new(bytes, image.label.clone(), caption, is_dead)?);
        let tensor = self.folder.write_artifact(image.tensor.as_ref(), &format!("{stem}.npy")).await?;
        let mut files =
            Files { png, tensor: tensor.map(|(path, _)| path), snapshots, sidecar: PathBuf::new() };
        let text = format!("{:#}\n", sidecar(job, image, &files));
        files.sidecar = self.folder.write(&format!("{stem}.json"), text.as_bytes())?;
        Ok(files)
    }

    /// For two or more pictures, snapshots counted.
    fn write_sheet(
        &self,
        job: &Job,
        images: &[&OptimizedImage],
        delivery: &Delivery<'_>,
    ) -> Result<Option<PathBuf>, Failure> {
        if self.pictures.len() < 2 {
            return Ok(None);
        }
        // With snapshots, each row is one picture's way.
        let snapshots = images.iter().map(|image| image.snapshots.len()).max().unwrap_or(0);
        let columns = (snapshots > 0).then_some(snapshots + 1);
        let png = contact_sheet(&self.pictures, columns, &title(job), delivery.shade)
            .map_err(|error| Failure::Local(format!("the contact sheet cannot be drawn: {error}")))?;
        self.folder.write(&format!("{SHEET}.png"), &png).map(Some)
    }
}

/// `googlenet · 256 steps · seed 0`
fn title(job: &Job) -> String {
    let Some(job::Spec::Optimize(spec)) = &job.spec else { return String::new() };
    format!("{}   {} steps   seed {}", spec.model, spec.steps(), spec.seed())
}

fn print_results(images: &[&OptimizedImage], files: &[Files], sheet: Option<&Path>) {
    let mut table = Table::new(&["PICTURE", "SCORE", "AT START", "STEPS", "OUTCOME"]);
    for (image, files) in images.iter().zip(files) {
        table.row(vec![
            files.png.display().to_string(),
            short_number(image.score),
            short_number(image.start_score),
            image.steps.to_string(),
            outcome_name(image.outcome()).to_string(),
        ]);
    }
    print!("{table}");
    for image in images.iter().filter(|image| !image.hint.is_empty()) {
        eprintln!("{} {}: {}", console::style("hint:").for_stderr().yellow().bold(), image.label, image.hint);
    }
    if let Some(open) = sheet.or(files.first().map(|files| files.png.as_path())) {
        println!("open {}", console::style(open.display()).bold());
    }
}

/// What `--json` prints at the end.
fn summary(job: &Job, images: &[&OptimizedImage], files: &[Files], sheet: Option<&Path>) -> Value {
    let images: Vec<Value> = images
        .iter()
        .zip(files)
        .map(|(image, files)| {
            json!({
                "label": image.label,
                "outcome": image.outcome().as_str_name(),
                "hint": image.hint,
                "score": image.score,
                "startScore": image.start_score,
                "steps": image.steps,
                "png": files.png,
                "tensor": files.tensor,
                "snapshots": files.snapshots.iter().map(|(step, path)| json!({"step": step, "png": path})).collect::<Vec<_>>(),
                "sidecar": files.sidecar,
            })
        })
        .collect();
    json!({"job": job.name, "state": job.state().as_str_name(), "contactSheet": sheet, "images": images})
}

fn outcome(job: &Job, images: &[&OptimizedImage]) -> Result<(), Failure> {
    if job.state() == State::Failed {
        return Err(failed(job, "; the pictures are as they were before"));
    }
    if job.state() == State::Cancelled {
        return Err(cancelled(job, "; the pictures are as they were then"));
    }
    if !images.is_empty() && are_all_dead(images) {
        return Err(Failure::AllDead);
    }
    Ok(())
}

/// Whether no picture came to life, of those that were not eliminated.
fn are_all_dead(images: &[&OptimizedImage]) -> bool {
    let mut left =
        images.iter().map(|image| image.outcome()).filter(|outcome| *outcome != Outcome::Eliminated);
    left.all(|outcome| outcome == Outcome::Dead)
}
