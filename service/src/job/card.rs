//! RenderCard jobs: a ranking, pictures made for the same units, both measured alike, and the card that shows them. It knows no gRPC.

mod compose;
mod submit;

pub use submit::CardSubmission;

use super::rank::{Incomplete, RankOrder, RankTask, Ranking};
use super::store::JobStore;
use super::worker::{Live, Recorder, Worker, failure};
use super::{Artifact, ArtifactInfo, Ending, Failure, Image, Job, Made, OptimizeOrder};
use crate::card::Aim;
use std::sync::Arc;
use unitscope_engine::optimize::{Failed, Outcome, Picture, Plan};

/// What a card is about, with every default filled in.
#[derive(Clone, Debug)]
pub struct CardOrder {
    /// Which real images it shows.
    pub rank: Arc<RankOrder>,
    /// For each unit, which pictures are made.
    pub optimize: Vec<OptimizeOrder>,
    /// What each picture of a unit is for.
    pub aims: Vec<Aim>,
    /// Images of each group.
    pub k: u32,
    /// Steps of each picture.
    pub steps: u32,
    /// Of the pictures.
    pub seed: u64,
    /// The heading; empty: made of the model and the units.
    pub title: String,
}

/// A checked card, ready to run.
pub struct CardTask {
    /// The ranking.
    pub rank: RankTask,
    /// For each unit, its pictures.
    pub plans: Vec<Plan>,
}

/// What a RenderCard job made.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The page.
    pub html: ArtifactInfo,
    /// The picture, where it is not too large.
    pub png: Option<ArtifactInfo>,
    /// The ranking behind it.
    pub ranking: Ranking,
    /// The pictures behind it.
    pub pictures: Vec<CardPicture>,
}

/// A picture that was made for a unit, measured as the dataset's images were.
#[derive(Clone, Debug)]
pub struct CardPicture {
    /// The unit's label.
    pub unit: String,
    /// What it was made for.
    pub aim: Aim,
    /// By the ranking's reducer.
    pub score: f32,
    /// 0 … 100 among the dataset's scores.
    pub percentile: f64,
    /// Higher than every image of the dataset; where it was to be low, lower.
    pub beats_all: bool,
    /// The picture.
    pub image: Image,
}

impl CardOrder {
    /// Bytes that it holds in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.rank.bytes() + 4096 * self.optimize.len() as u64
    }

    /// Steps of all pictures.
    #[must_use]
    pub fn steps_total(&self) -> u32 {
        self.steps.saturating_mul(u32::try_from(self.optimize.len()).unwrap_or(u32::MAX))
    }
}

impl CardTask {
    /// Ranks, makes pictures, measures them, and renders all of it.
    pub fn run(self, job: &Job, order: &CardOrder, worker: &Worker, live: &Live) -> Ending {
        let Self { rank, plans } = self;
        let ranking = match rank.ranking(job.id, worker, live) {
            Ok(ranking) => ranking,
            Err(Incomplete::Cancelled) => return Ending::Cancelled(Made::Nothing),
            Err(Incomplete::Failed(failure)) => return Ending::Failed(failure, Made::Nothing),
        };
        let mut pictures = Vec::with_capacity(plans.len() * order.aims.len());
        for (unit, plan) in plans.into_iter().enumerate() {
            let made =
                Maker { job, order, worker, live, unit, steps_before: order.steps * unit as u32 }.make(plan);
            let made = made.and_then(|made| measure(&rank, order, unit, made));
            match made {
                Ok(more) => pictures.extend(more),
                Err(failure) => return Ending::Failed(failure, Made::Nothing),
            }
            if live.is_cancelled() {
                return Ending::Cancelled(Made::Nothing);
            }
        }
        let store = &*worker.store;
        let card = compose::card(job, order, &rank, &ranking, &pictures, store);
        let keep = |file: &str, media_type, size, data| {
            Artifact::new(file.to_owned(), media_type, size, data).keep(store, job.id)
        };
        let html = keep("card.html", "text/html", (0, 0), crate::card::html(&card).into_bytes());
        let png = match crate::card::png(&card) {
            Ok(png) => Some(keep("card.png", "image/png", compose::png_size(&png), png)),
            Err(error) => {
                tracing::warn!("the card has a page alone: {error}");
                None
            }
        };
        Ending::Succeeded(Made::Card(Box::new(Rendered { html, png, ranking, pictures })))
    }
}

/// Makes the pictures of one unit.
struct Maker<'a> {
    job: &'a Job,
    order: &'a CardOrder,
    worker: &'a Worker,
    live: &'a Live,
    unit: usize,
    /// Steps of the units before.
    steps_before: u32,
}

impl Maker<'_> {
    fn make(&self, plan: Plan) -> Result<Vec<(Image, Picture)>, Failure> {
        let total = self.order.steps_total();
        let mut recorder = Recorder::new(self.job.id, &*self.worker.store, self.live, total);
        recorder.part(self.steps_before, &format!("unit-{}-", self.unit));
        let outcomes = match plan.run(self.worker.device, &mut recorder) {
            Ok(outcomes) => outcomes,
            Err(Failed { error, .. }) => return Err(failure(&error)),
        };
        let keep = |(place, outcome): (u32, Outcome)| {
            let picture = outcome.picture.clone();
            (recorder.image(place, outcome, false), picture)
        };
        Ok((0..).zip(outcomes).map(keep).collect())
    }
}

/// The pictures of a unit with their scores among the dataset's.
fn measure(
    rank: &RankTask,
    order: &CardOrder,
    unit: usize,
    made: Vec<(Image, Picture)>,
) -> Result<Vec<CardPicture>, Failure> {
    let pictures: Vec<Picture> = made.iter().map(|(_, picture)| picture.clone()).collect();
    let measured = rank.measure(unit, &pictures)?;
    let card_picture =
        |(((image, _), measured), &aim): (((Image, Picture), super::rank::Measured), &Aim)| CardPicture {
            unit: order.rank.units[unit].label.clone(),
            aim,
            score: measured.score,
            percentile: measured.percentile,
            beats_all: match aim {
                Aim::Minimize => measured.below_all,
                Aim::Maximize | Aim::Diverse => measured.above_all,
            },
            image,
        };
    Ok(made.into_iter().zip(measured).zip(&order.aims).map(card_picture).collect())
}

/// The bytes of a file that this job kept.
fn bytes_of(store: &dyn JobStore, job: &Job, info: Option<&ArtifactInfo>) -> Option<Vec<u8>> {
    store.artifact(job.id, &info?.file).ok().map(|artifact| artifact.data.to_vec())
}
