//! The evidence card: what drives a unit, by real and by optimized images, as one HTML page or one PNG. It knows no job and no gRPC.
//!
//! The data below is worded and laid out once, in `view`; `html` and `png` only draw it, and both draw the same `chart`.

mod blocks;
mod chart;
mod html;
mod limits;
mod png;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use html::html;
pub(crate) use png::lettering;
pub use png::png;

/// Some units of one model, against one dataset.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// Its headline.
    pub title: String,
    /// The model's name.
    pub model: String,
    /// The digest of the model's file.
    pub model_digest: String,
    /// The dataset's name.
    pub dataset: String,
    /// Images that were scored.
    pub images: u64,
    /// Images that could not be read.
    pub skipped: u64,
    /// Each with its own section.
    pub units: Vec<UnitCard>,
    /// What it takes to make the card again, as (label, value): device, threads, versions, seeds, preprocessing, the command line.
    pub provenance: Vec<(String, String)>,
    /// When it was made, RFC 3339.
    pub create_time: String,
}

/// One unit's evidence.
#[derive(Clone, Debug, Default)]
pub struct UnitCard {
    /// As a request names it: `inception_4b:77`.
    pub unit: String,
    /// The class that it stands for, of a class unit.
    pub label: Option<String>,
    /// What one number per image means: `max over positions`.
    pub reading: String,
    /// The unit's scores over the whole dataset.
    pub statistics: Statistics,
    /// Real images.
    pub groups: Vec<Group>,
    /// Images made for the unit.
    pub optimized: Vec<Optimized>,
    /// How the largest images agree on a class.
    pub top_class: Option<TopClass>,
}

/// `agreeing` of the `of` largest images are of class `class`.
#[derive(Clone, Debug)]
pub struct TopClass {
    /// The class's name.
    pub class: String,
    /// Images of that class.
    pub agreeing: usize,
    /// Images looked at.
    pub of: usize,
}

/// The scores of one unit over a dataset.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Images with a score.
    pub count: u64,
    /// Images whose score is not a number; none of them is in `count`.
    pub not_a_number: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The share of scores above zero, 0..=1.
    pub share_above_zero: f64,
    /// Whether all of them are zero.
    pub dead: bool,
    /// Their distribution.
    pub histogram: Histogram,
    /// (class, mean, images), the highest mean first, cut to what shall be shown.
    pub class_means: Vec<(String, f64, u64)>,
}

/// How many scores lie in each of equally wide bins.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// The smallest score: the first bin begins here.
    pub low: f64,
    /// The largest score: the last bin ends here.
    pub high: f64,
    /// Per bin; 50 of them are usual.
    pub counts: Vec<u64>,
}

/// Where on the axis a group of real images was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The largest scores.
    Largest,
    /// A band of percentiles or scores between the ends.
    Band,
    /// The smallest scores.
    Smallest,
}

/// Real images of one part of the axis.
#[derive(Clone, Debug)]
pub struct Group {
    /// Where they were taken.
    pub place: Place,
    /// `Largest`, `Around the median`.
    pub title: String,
    /// Says more, where there is more to say: `percentiles 45 to 55`.
    pub note: String,
    /// In the order that they are shown in.
    pub hits: Vec<Hit>,
}

/// One real image.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its path in the dataset.
    pub path: String,
    /// Its class, where the dataset has classes.
    pub class: Option<String>,
    /// Its place among all scores, 1 for the largest.
    pub rank: u64,
    /// The unit's response.
    pub score: f64,
    /// The score's percentile in the dataset, 0..=100.
    pub percentile: f64,
    /// What the network saw, as PNG, JPEG or WebP.
    pub thumbnail: Vec<u8>,
    /// The part of it in the receptive field.
    pub crop: Option<Vec<u8>>,
    /// Where that part lies in the thumbnail: top, left, bottom and right as shares of its sides, 0..=1.
    pub window: Option<[f32; 4]>,
}

/// What an optimized image was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A score as large as possible.
    Maximize,
    /// A score as small as possible.
    Minimize,
    /// A large score by images that differ from one another.
    Diverse,
}

/// One image made by gradient ascent.
#[derive(Clone, Debug)]
pub struct Optimized {
    /// What it was made for.
    pub aim: Aim,
    /// `Maximizes`, `Minimizes`, `Diverse 1`.
    pub title: String,
    /// The picture, as PNG, JPEG or WebP.
    pub picture: Vec<u8>,
    /// The unit's response to it, read as that to real images.
    pub score: f64,
    /// The score's percentile in the dataset, 0..=100.
    pub percentile: f64,
    /// How it compares with every real image.
    pub certificate: Certificate,
    /// The seed that it began from.
    pub seed: u64,
}

/// How an optimized image's score compares with those of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Higher than every one of them.
    BeatsAll,
    /// Lower than every one of them.
    BelowAll,
    /// Neither.
    Within,
}

impl Certificate {
    /// By the extremes of the dataset's scores. A score that is not a number proves nothing, and neither does an empty dataset.
    #[must_use]
    pub fn of(score: f64, statistics: &Statistics) -> Self {
        match statistics.count {
            0 => Self::Within,
            _ if score > statistics.histogram.high => Self::BeatsAll,
            _ if score < statistics.histogram.low => Self::BelowAll,
            _ => Self::Within,
        }
    }
}

/// Why a card was not drawn.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// More units than one PNG may show.
    #[error(
        "the card has {units} units, and a PNG shows at most {most}; ask for the HTML page or for fewer units"
    )]
    Units {
        /// Units of the card.
        units: usize,
        /// The limit.
        most: usize,
    },
    /// The PNG would be higher than allowed.
    #[error(
        "the card is {height} px high, and a PNG is at most {most} px; ask for the HTML page or for fewer units or images"
    )]
    Height {
        /// Pixels that it needs.
        height: u64,
        /// The limit.
        most: u64,
    },
    /// The drawing was not made: a defect of this program.
    #[error("the card cannot be drawn as PNG ({0}); ask for the HTML page, and please report this")]
    Drawing(String),
}
