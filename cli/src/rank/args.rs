//! The flags of `unitscope rank` and their help. Knows nothing of the service.

use crate::args::{FolderArgs, Shade};
use crate::notation::direction::Direction;
use crate::notation::range::{Range, percentiles};
use crate::notation::unit::Unit;
use clap::{Args, ValueEnum};
use unitscope_proto::v1;

const NOTES: &str = "\
Units:
  LAYER:77             channel 77 of a layer; for a layer without space, unit 77
  LAYER:0-15           channels 0 … 15
  LAYER:all            all channels of the layer; also 'LAYER:*'
  LAYER:rings          the unit of the class `rings`, for the layer that gives the model's classes
  LAYER:77@3,4         its activation in row 3, column 4 (from 0) instead of one over all positions (--reducer)
  LAYER:77@center      its activation in the middle
  LAYER:77@17          its activation at token 17 of a sequence (from 0); @cls at the class token; @3,4 at the patch there
  LAYER:pre:77         before the layer's own activation
  `unitscope models show MODEL` lists the layers, `unitscope datasets list` the datasets.

Directions:
  LAYER:12=0.5,7=-1    at each position half of channel 12, less channel 7; @3,4 and @center as for units
  LAYER:rings=1,dots=-1
                       what speaks for one class and against another
  LAYER:FILE.json      weights of all channels: a list of numbers, [0.5, 0, -1, …], such as a concept's vector

Which images:
  Of each unit the 9 largest scores, unless --top says otherwise (0: none); --bottom N adds the smallest. A band adds
  images from between, spread evenly over it: `--band 45:55` lies around the median, `--score-band 0:0.1` between two
  scores; at most 16 bands, those of percentiles first.

What is printed:
  The name of each unit, and how its scores are spread: 50 bars from the smallest to the largest, their heights as the
  square roots of counts. Then its images: NTH counts from the largest, PERCENTILE is the share of images that score less.
  More than 12 units get one line each; the files have the rest.

Files in the --out folder:
  UNIT.png             the contact sheet of a unit: its images, framed where the unit looks, with that part cut out below
  ranking.csv          a line for each image of each unit
  ranking.json         all of it, with statistics and the means of all classes
  scores.npy, images.csv
                       all scores, units × images, and the images in their order, with --scores
  pictures/UNIT/       top-1.png, top-1-crop.png, bottom-1.png, band-1-1.png, …, with --keep-pictures

Examples:
  unitscope rank --model demo --dataset shapes --unit block3:12
  unitscope rank --model demo --dataset shapes --unit block3:0-15 --bottom 9 --band 45:55 --out block3
  unitscope rank --model demo --dataset shapes --unit logits:rings --class rings --class dots --no-pictures
  unitscope rank --model demo --dataset shapes --unit block2:all --top 0 --scores --no-pictures
  unitscope rank --model demo --dataset shapes --direction block3:12=0.5,7=-1 --reducer mean
  unitscope rank --model demo --dataset shapes --unit block3:12 --layer block1 --layer block2 --no-pictures

Exit codes: 0 done, also where a unit is dead (no image scores above 0) · 1 the job failed · 2 wrong command line ·
3 refused by the server · 4 no server · 130 interrupted, the job goes on";

/// Of `rank`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct RankArgs {
    /// The model's name.
    #[arg(long, short, value_name = "NAME")]
    pub model: String,
    /// The dataset's name.
    #[arg(long, short, value_name = "NAME")]
    pub dataset: String,
    /// A unit to rank by, as often as wanted.
    #[arg(
        long = "unit",
        short,
        value_name = "LAYER:CHANNEL[@PLACE]",
        required_unless_present = "directions"
    )]
    pub units: Vec<Unit>,
    /// A sum of a layer's channels to rank by, as often as wanted; after the units.
    #[arg(long = "direction", value_name = "LAYER:CHANNEL=WEIGHT,…[@PLACE]")]
    pub directions: Vec<Direction>,
    /// A name for each unit and direction, in their order.
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// So many images with the largest scores [server's default: 9].
    #[arg(long, value_name = "N", help_heading = "Which images")]
    pub top: Option<u32>,
    /// So many images with the smallest scores [server's default: 0].
    #[arg(long, value_name = "N", help_heading = "Which images")]
    pub bottom: Option<u32>,
    /// Images between two percentiles, 0 … 100, such as `45:55`; as often as wanted.
    #[arg(
        long = "band",
        value_name = "LOW:HIGH",
        value_parser = percentiles,
        allow_hyphen_values = true,
        help_heading = "Which images"
    )]
    pub bands: Vec<Range>,
    /// Images between two scores, such as `-0.5:0`; as often as wanted.
    #[arg(
        long = "score-band",
        value_name = "LOW:HIGH",
        allow_hyphen_values = true,
        help_heading = "Which images"
    )]
    pub score_bands: Vec<Range>,
    /// So many images of each band [server's default: 9].
    #[arg(long, value_name = "N", help_heading = "Which images")]
    pub k: Option<u32>,
    /// Rank, and count, only images of this class; as often as wanted [default: all images].
    #[arg(long = "class", value_name = "NAME", help_heading = "Which images")]
    pub classes: Vec<String>,
    /// List the dataset's files anew, to see those that were edited in place [default: a listing is kept for a minute at most].
    #[arg(long, help_heading = "Which images")]
    pub refresh: bool,
    /// How a unit's activations at all positions become one score.
    #[arg(long, value_name = "HOW", default_value = "max", help_heading = "How")]
    pub reducer: Reducer,
    /// A layer of which every channel is scored in the same pass, so that later questions are look-ups; as often as wanted. The
    /// layers of the units are scored whole anyway.
    #[arg(long = "layer", value_name = "LAYER", help_heading = "How")]
    pub layers: Vec<String>,
    /// No pictures: numbers only, and no contact sheets.
    #[arg(long, conflicts_with_all = ["heat_maps", "side", "keep_pictures"], help_heading = "Output")]
    pub no_pictures: bool,
    /// Also show on the sheets how strongly the unit reacts at each position; takes another pass for these images.
    #[arg(long, help_heading = "Output")]
    pub heat_maps: bool,
    /// The longer side of thumbnails in pixels, 16 … 512 [server's default: 128].
    #[arg(long, value_name = "PIXELS", help_heading = "Output")]
    pub side: Option<u32>,
    /// Also write each picture as a file of its own, into pictures/UNIT/.
    #[arg(long, help_heading = "Output")]
    pub keep_pictures: bool,
    /// Also write all scores, as scores.npy and images.csv.
    #[arg(long, help_heading = "Output")]
    pub scores: bool,
    /// The background of contact sheets.
    #[arg(long, value_name = "SHADE", default_value = "light", help_heading = "Output")]
    pub sheet: Shade,
    /// Print the spec as JSON and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the job's name and do not wait for it.
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// How activations at many positions become one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reducer {
    /// The largest
    Max,
    /// The mean
    Mean,
    /// The one in the middle
    #[value(alias = "center")]
    Centre,
    /// The largest absolute value
    Absmax,
    /// The root of the sum of squares
    L2,
    /// The class token's
    Cls,
}

impl From<Reducer> for v1::Reducer {
    fn from(reducer: Reducer) -> v1::Reducer {
        match reducer {
            Reducer::Max => v1::Reducer::Max,
            Reducer::Mean => v1::Reducer::Mean,
            Reducer::Centre => v1::Reducer::Centre,
            Reducer::Absmax => v1::Reducer::Absmax,
            Reducer::L2 => v1::Reducer::L2,
            Reducer::Cls => v1::Reducer::ClassToken,
        }
    }
}
