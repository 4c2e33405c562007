//! The flags of `unitscope card` and their help. Knows nothing of the service.

use crate::args::FolderArgs;
use crate::notation::unit::Unit;
use crate::rank::Reducer;
use clap::Args;

const NOTES: &str = "\
What it shows, for each unit:
  the images of the dataset that drive it most, those around the median, and those that drive it least, each with the
  part that the unit looks at; beside them pictures made for it: one that it likes most, one that it likes least, and
  several that differ; all on one axis with the scores of the whole dataset. And the certificate: whether the made picture
  scores above every image of the dataset, and everything that is needed to make it again.

Units:
  LAYER:77, LAYER:0-3, LAYER:rings, LAYER:77@3,4 and so on, as for `unitscope rank`; 1 … 32 of them.

Files in the --out folder:
  card.html            one page that needs no other file, no network and no scripts
  card.png             the same as a picture, unless it would be too large

Examples:
  unitscope card --model demo --dataset shapes --unit block3:12
  unitscope card --model demo --dataset shapes --unit logits:rings --unit logits:dots --title 'Rings and dots'
  unitscope card --model demo --dataset shapes --unit block3:0-3 --k 4 --steps 128 --diverse 0 --out cards

Exit codes: 0 done, also where a unit is dead · 1 the job failed · 2 wrong command line · 3 refused by the server ·
4 no server · 130 interrupted, the job goes on";

/// Of `card`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct CardArgs {
    /// The model's name.
    #[arg(long, short, value_name = "NAME")]
    pub model: String,
    /// The dataset's name.
    #[arg(long, short, value_name = "NAME")]
    pub dataset: String,
    /// A unit to show, as often as wanted; none twice.
    #[arg(long = "unit", short, value_name = "LAYER:CHANNEL[@PLACE]", required = true)]
    pub units: Vec<Unit>,
    /// Heading of the card [server's default: the model's name and the units].
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// So many images in each group (largest, median, smallest), 1 … 16 [server's default: 9].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub k: Option<u32>,
    /// Steps of each made picture, from 16 [server's default: 256].
    #[arg(long, short, value_name = "N", help_heading = "How")]
    pub steps: Option<u32>,
    /// Key of all random draws of the made pictures [server's default: 0].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub seed: Option<u64>,
    /// So many made pictures that differ, 0 or 2 … 8 [server's default: 4].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub diverse: Option<u32>,
    /// How a unit's activations at all positions become one score; pictures are made for the same where it is `mean` or `centre`,
    /// else for the mean.
    #[arg(long, value_name = "HOW", default_value = "max", help_heading = "How")]
    pub reducer: Reducer,
    /// List the dataset's files anew, to see those that were edited in place [default: a listing is kept for a minute at most].
    #[arg(long, help_heading = "How")]
    pub refresh: bool,
    /// Print the spec as JSON and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the job's name and do not wait for it.
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    #[command(flatten)]
    pub folder: FolderArgs,
}
