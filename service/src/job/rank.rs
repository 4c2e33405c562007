//! Rank jobs: which images of a dataset drive which units. Looks scores up in the index, and has a pass make those that are missing. It knows no
//! gRPC.

mod answer;
mod export;
mod measure;
mod pass;
mod pictures;
mod places;
mod prepare;
mod submit;

pub use measure::Measured;
pub use pass::Incomplete;
pub use prepare::{RankError, RankTask, Rankings};
pub use submit::RankSubmission;

use super::ArtifactInfo;
use std::time::Duration;
use unitscope_engine::rank::order::{Pick, Ranked, Statistics};
use unitscope_engine::rank::reading::Reducer;

/// What to rank, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct RankOrder {
    /// The model's name.
    pub model: String,
    /// The dataset's name.
    pub dataset: String,
    /// What to rank by.
    pub units: Vec<Unit>,
    /// Of units without a position, and of `layers`.
    pub reducer: Reducer,
    /// Which images are wanted of each unit; the top and the bottom come first, where they are.
    pub picks: Vec<Pick>,
    /// Names of the classes whose images take part; empty: all images.
    pub classes: Vec<String>,
    /// Which pictures to make of each hit.
    pub pictures: HitPictures,
    /// List the dataset anew.
    pub refresh: bool,
    /// Also give all scores.
    pub return_scores: bool,
    /// Layers that are scored besides.
    pub layers: Vec<String>,
}

/// What images are ranked by.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// What results call it.
    pub label: String,
    /// The layer's path.
    pub layer: String,
    /// Which part of the layer.
    pub what: What,
    /// How positions become one score.
    pub reducer: Reducer,
}

/// Which part of a layer a unit is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A channel, from 0.
    Channel(u32),
    /// A sum of channels.
    Direction {
        /// One for each channel of the layer, or of `channels`.
        weights: Vec<f32>,
        /// Which channels, each once; empty: all, in order.
        channels: Vec<u32>,
    },
}

/// Which pictures to make of each hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitPictures {
    /// What the network saw.
    pub thumbnails: bool,
    /// What the unit saw of that.
    pub crops: bool,
    /// What the network saw, under the unit's activations.
    pub heat_maps: bool,
    /// The longer side of thumbnails and heat maps, in pixels.
    pub side_px: u32,
}

impl HitPictures {
    /// Whether any is wanted.
    #[must_use]
    pub fn any(self) -> bool {
        self.thumbnails || self.crops || self.heat_maps
    }

    /// How many of each hit.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::from(self.thumbnails) + u32::from(self.crops) + u32::from(self.heat_maps)
    }
}

impl RankOrder {
    /// Bytes that it holds in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let unit = |unit: &Unit| match &unit.what {
            What::Channel(_) => 256,
            What::Direction { weights, channels } => 256 + 4 * (weights.len() + channels.len()),
        };
        let names = 128 * (self.classes.len() + self.layers.len());
        (512 + names + self.units.iter().map(unit).sum::<usize>()) as u64
    }
}

/// How far a ranking is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankProgress {
    /// Images looked at: scored, known before, or left out.
    pub images: u64,
    /// Images of the dataset.
    pub total_images: u64,
    /// Of those looked at, images that went through the network.
    pub scored: u64,
    /// Of those looked at, images that were left out.
    pub skipped: u64,
    /// Over the last seconds.
    pub images_per_second: f64,
    /// Until the last image, by that.
    pub remaining: Duration,
}

impl RankProgress {
    /// Of a ranking whose scores were all known.
    #[must_use]
    pub fn all(images: u32) -> Self {
        let images = u64::from(images);
        Self {
            images,
            total_images: images,
            scored: 0,
            skipped: 0,
            images_per_second: 0.0,
            remaining: Duration::ZERO,
        }
    }
}

/// What a Rank job found.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Images with scores.
    pub images: u64,
    /// Images that were left out.
    pub skipped: u64,
    /// The first of them: paths and reasons.
    pub skipped_images: Vec<(String, String)>,
    /// Images that this job took through the network.
    pub scored: u64,
    /// One for each unit of the order.
    pub units: Vec<UnitRanking>,
    /// All of it without pictures.
    pub json: ArtifactInfo,
    /// A line for each hit.
    pub csv: ArtifactInfo,
    /// All scores, and the images that they belong to, where asked for.
    pub scores: Option<(ArtifactInfo, ArtifactInfo)>,
}

/// How one unit ranks the dataset.
#[derive(Clone, Debug)]
pub struct UnitRanking {
    /// What it is called.
    pub label: String,
    /// Its scores as a whole; the means of classes are cut to those with the highest.
    pub statistics: Statistics,
    /// Names of the classes in `statistics`, in its order.
    pub class_names: Vec<String>,
    /// How many classes have a mean.
    pub classes: u32,
    /// One for each pick of the order.
    pub groups: Vec<Vec<Hit>>,
}

/// An image with its score.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Image id: half a BLAKE3, in hex.
    pub image: String,
    /// Its entry in the dataset's listing.
    pub entry: u32,
    /// Where it is in the dataset.
    pub path: String,
    /// Its class.
    pub class: Option<String>,
    /// Score, rank and percentile; `image` is its place among the images with scores.
    pub ranked: Ranked,
    /// Row and column in the layer, or among its patches.
    pub position: Option<(u32, u32)>,
    /// Where in a sequence of tokens that is.
    pub token: Option<u32>,
    /// What the unit sees there, or the patch, in pixels of the network's input: top, left, bottom, right.
    pub window: [u32; 4],
    /// Where asked for, and the file is still there.
    pub thumbnail: Option<ArtifactInfo>,
    /// See `thumbnail`.
    pub crop: Option<ArtifactInfo>,
    /// See `thumbnail`.
    pub heat_map: Option<ArtifactInfo>,
}
