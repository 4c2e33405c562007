//! Delivers a finished job: its files into a folder, what to open onto stdout, its outcome as the exit code.

mod card;
mod fetch;
mod file_name;
mod folder;
mod outcome;
mod pictures;
mod ranking;
mod sheet;
mod sidecar;
mod text;

use crate::args::{DeliveryArgs, Shade};
use crate::connect::Services;
use crate::failure::Failure;
use crate::numbers::grouped;
pub use card::certificates;
pub use folder::Folder;
pub use outcome::outcome_name;
pub use ranking::summary_table;
use std::path::Path;
use unitscope_proto::v1::{Job, job};

/// The contact sheet's file; no picture is called so.
pub const SHEET: &str = "contact-sheet";

/// How a job's files are delivered.
pub struct Delivery<'a> {
    /// The folder.
    pub out: &'a Path,
    /// The background of contact sheets.
    pub shade: Shade,
    /// Also pictures that were eliminated.
    pub keep_all: bool,
    /// Of a ranking also each picture as a file.
    pub keep_pictures: bool,
}

impl<'a> Delivery<'a> {
    /// To this folder, the usual way.
    pub fn to(out: &'a Path) -> Delivery<'a> {
        Delivery { out, shade: Shade::Light, keep_all: false, keep_pictures: false }
    }
}

impl<'a> From<&'a DeliveryArgs> for Delivery<'a> {
    fn from(args: &'a DeliveryArgs) -> Delivery<'a> {
        Delivery { shade: args.sheet, keep_all: args.keep_all, ..Delivery::to(&args.folder.out) }
    }
}

/// Writes what the job made, prints what to open, and fails where the job did not go well.
pub async fn deliver(
    services: &Services,
    job: &Job,
    delivery: &Delivery<'_>,
    as_json: bool,
) -> Result<(), Failure> {
    match &job.spec {
        Some(job::Spec::Rank(spec)) => ranking::deliver(services, job, spec, delivery, as_json).await,
        Some(job::Spec::Card(_)) => card::deliver(services, job, delivery, as_json).await,
        Some(job::Spec::Optimize(_)) | None => pictures::deliver(services, job, delivery, as_json).await,
    }
}

/// `3 of 8 steps`, or `300 of 2,000 images`
pub fn progress_of(job: &Job) -> String {
    let noun = if matches!(job.spec, Some(job::Spec::Rank(_))) { "images" } else { "steps" };
    format!("{} of {} {noun}", grouped(job.steps_done.into()), grouped(job.steps_total.into()))
}

/// `rest` says what became of what it made.
fn failed(job: &Job, rest: &str) -> Failure {
    let reason = job.error.as_ref().map_or("the server gives no reason", |error| error.message.as_str());
    Failure::Job(format!("{} failed after {}: {reason}{rest}", job.name, progress_of(job)))
}

/// `rest` says what became of what it made.
fn cancelled(job: &Job, rest: &str) -> Failure {
    Failure::Job(format!("{} was cancelled after {}{rest}", job.name, progress_of(job)))
}
