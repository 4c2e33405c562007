//! Delivers a finished job: its files into a folder, what to open onto stdout, its outcome as the exit code.

mod fetch;
mod file_name;
mod outcome;
mod sheet;
mod sidecar;
mod text;

use crate::args::DeliveryArgs;
use crate::connect::Services;
use crate::failure::Failure;
use crate::json;
use crate::progress::short_number;
use crate::table::Table;
use fetch::fetch;
use file_name::file_names;
pub use outcome::outcome_name;
use serde_json::{Value, json};
use sheet::{Picture, contact_sheet};
use sidecar::sidecar;
use std::io::Write;
use std::path::{Path, PathBuf};
use unitscope_proto::v1::optimized_image::Outcome;
use unitscope_proto::v1::{Artifact, Job, OptimizedImage, job, job::State};

/// The contact sheet's file; no picture is called so.
pub const SHEET: &str = "contact-sheet";

/// The files of one picture.
struct Files {
    png: PathBuf,
    tensor: Option<PathBuf>,
    snapshots: Vec<(u32, PathBuf)>,
    sidecar: PathBuf,
}

/// Writes what the job made, prints what to open, and fails where the job did not go well.
pub async fn deliver(
    services: &Services,
    job: &Job,
    args: &DeliveryArgs,
    as_json: bool,
) -> Result<(), Failure> {
    let images = match &job.result {
        Some(job::Result::OptimizeResult(result)) => &result.images[..],
        None if job.state() == State::Failed => return Err(failed(job, "")),
        None => &[],
    };
    let is_kept = |image: &&OptimizedImage| args.keep_all || image.outcome() != Outcome::Eliminated;
    let images: Vec<&OptimizedImage> = images.iter().filter(is_kept).collect();
    std::fs::create_dir_all(&args.out).map_err(|error| cannot_write(&args.out, &error))?;
    let mut writer = Writer { services: services.clone(), folder: args.out.clone(), pictures: Vec::new() };
    let mut files = Vec::new();
    for (&image, stem) in images.iter().zip(file_names(images.iter().map(|image| image.label.as_str()))) {
        files.push(writer.write_image(job, image, &stem).await?);
    }
    let sheet = writer.write_sheet(job, &images, args)?;
    if as_json {
        json::print(&summary(job, &images, &files, sheet.as_deref()));
    } else {
        print_results(&images, &files, sheet.as_deref());
    }
    outcome(job, &images)
}

struct Writer {
    services: Services,
    folder: PathBuf,
    /// Finished pictures and snapshots, in the order of the sheet.
    pictures: Vec<Picture>,
}

impl Writer {
    async fn write_image(&mut self, job: &Job, image: &OptimizedImage, stem: &str) -> Result<Files, Failure> {
        let mut snapshots = Vec::new();
        for snapshot in &image.snapshots {
            let name = format!("{stem}.step-{:04}.png", snapshot.step);
            let caption = format!("step {}", snapshot.step);
            if let Some((path, bytes)) = self.write_artifact(snapshot.png.as_ref(), &name).await? {
                self.pictures.push(Picture::new(bytes, image.label.clone(), caption, false)?);
                snapshots.push((snapshot.step, path));
            }
        }
        let png = self.write_artifact(image.png.as_ref(), &format!("{stem}.png")).await?;
        let (png, bytes) =
            png.ok_or_else(|| Failure::Job(format!("the server made no picture for `{}`", image.label)))?;
        let is_dead = image.outcome() == Outcome::Dead;
        let caption = match image.outcome() {
            Outcome::Dead => "dead: does not react".to_string(),
            Outcome::Completed | Outcome::Unspecified => format!("score {}", short_number(image.score)),
            other => format!("score {} ({})", short_number(image.score), outcome_name(other)),
        };
        self.pictures.push(Picture::new(bytes, image.label.clone(), caption, is_dead)?);
        let tensor = self.write_artifact(image.tensor.as_ref(), &format!("{stem}.npy")).await?;
        let mut files =
            Files { png, tensor: tensor.map(|(path, _)| path), snapshots, sidecar: PathBuf::new() };
        let text = format!("{:#}\n", sidecar(job, image, &files));
        files.sidecar = write_file(&self.folder, &format!("{stem}.json"), text.as_bytes())?;
        Ok(files)
    }

    async fn write_artifact(
        &mut self,
        artifact: Option<&Artifact>,
        name: &str,
    ) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
        let Some(artifact) = artifact else { return Ok(None) };
        let bytes = fetch(&mut self.services, artifact).await?;
        Ok(Some((write_file(&self.folder, name, &bytes)?, bytes)))
    }

    /// For two or more pictures, snapshots counted.
    fn write_sheet(
        &self,
        job: &Job,
        images: &[&OptimizedImage],
        args: &DeliveryArgs,
    ) -> Result<Option<PathBuf>, Failure> {
        if self.pictures.len() < 2 {
            return Ok(None);
        }
        // With snapshots, each row is one picture's way.
        let snapshots = images.iter().map(|image| image.snapshots.len()).max().unwrap_or(0);
        let columns = (snapshots > 0).then_some(snapshots + 1);
        let png = contact_sheet(&self.pictures, columns, &title(job), args.sheet)
            .map_err(|error| Failure::Local(format!("the contact sheet cannot be drawn: {error}")))?;
        write_file(&self.folder, &format!("{SHEET}.png"), &png).map(Some)
    }
}

/// `googlenet · 256 steps · seed 0`
fn title(job: &Job) -> String {
    let Some(job::Spec::Optimize(spec)) = &job.spec else { return String::new() };
    format!("{}   {} steps   seed {}", spec.model, spec.steps(), spec.seed())
}

/// Writes through a temporary file, so that a name never holds half a file.
fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let temporary = folder.join(format!(".{name}.{}.part", std::process::id()));
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.flush()))
        .and_then(|()| std::fs::rename(&temporary, &path));
    match written {
        Ok(()) => Ok(path),
        Err(error) => {
            // The file may not be there at all; what matters is the first error.
            let _ = std::fs::remove_file(&temporary);
            Err(cannot_write(&path, &error))
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Local(format!("{} cannot be written: {error}", path.display()))
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
        return Err(Failure::Job(format!(
            "{} was cancelled after {} of {} steps; the pictures are as they were then",
            job.name, job.steps_done, job.steps_total
        )));
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

fn failed(job: &Job, pictures: &str) -> Failure {
    let reason = job.error.as_ref().map_or("the server gives no reason", |error| error.message.as_str());
    Failure::Job(format!(
        "{} failed after {} of {} steps: {reason}{pictures}",
        job.name, job.steps_done, job.steps_total
    ))
}
