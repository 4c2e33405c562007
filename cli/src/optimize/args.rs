//! The flags of `unitscope optimize` and their help. Knows nothing of the service.

use crate::args::DeliveryArgs;
use crate::notation::call::Call;
use crate::notation::expression::Objective;
use crate::notation::size::Size;
use crate::notation::unit::Unit;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const NOTES: &str = "\
Units:
  LAYER:77             channel 77 of a layer, as its mean over space; for a layer without space, unit 77
  LAYER:77@3,4         the unit of channel 77 in row 3, column 4 (from 0)
  LAYER:77@center      the unit of channel 77 in the middle
  LAYER:77@17          channel 77 at token 17 of a sequence (from 0); @cls at the class token; @3,4 at the patch there
  LAYER:0-15           channels 0 … 15, one picture each
  LAYER:all            all channels of the layer, one picture each; also 'LAYER:*'
  LAYER:rings          the unit of the class `rings`, for the layer that gives the model's classes
  LAYER:pre:77         before the layer's own activation
  `unitscope models show MODEL` lists the layers.

Terms:
  total_variation(weight=0.1)       a penalty, for all pictures
  channel(layer=conv2, channel=7, images=[0, 2])
                                    one more objective, for pictures 0 and 2
  compare(layer=conv2, measure=cosine, reference=0)
                                    how like the file of the first --reference the network sees it
  Values are numbers, true, false, texts (bare, or quoted \"…\" or '…') and lists [1, 2]. `weight`, `images`,
  `image_weights` and `reference` belong to every term; `unitscope terms show TERM` lists the others.

Objectives:
  channel(conv2, 7) - 0.1*total_variation()
                                    channel 7, less a penalty: what is written is maximized, penalties as well
  (5 + channel(conv2, 7)) * (5 + channel(conv3, 1, images=[0]))
                                    both channels at once; the second is 0 for other pictures than 0
  Values without a name are the term's parameters in the order of `unitscope terms show TERM`. A --term beside it
  serves for step operations: what the expression does not name moves nothing.

Files in the --out folder:
  LABEL.png            the picture
  LABEL.json           its score, terms, spec, and what it was made with
  LABEL.step-0064.png  a snapshot
  LABEL.npy            the float32 tensor, with --tensors
  contact-sheet.png    all of them, for two or more
  Of several --starts only the best is written; with --keep-all all are.

Examples:
  unitscope optimize --model googlenet --unit inception_4b:77 --unit inception_4d:139 --steps 256
  unitscope optimize --model demo --unit logits:all --out classes
  unitscope optimize --model demo --unit block3:12@center --negative --term 'total_variation(weight=0.1)'
  unitscope optimize --model demo --unit block3:12 --copies 4 --diversity 1
  unitscope optimize --model demo --unit block3:12 --starts 8
  unitscope optimize --model demo --unit block3:12 --optimizer 'nadam(learning_rate=0.1)' --schedule cosine
  unitscope optimize --model demo --unit block3:12 --steps 4096 --stop plateau --stop 'seconds(value=60)'
  unitscope optimize --model demo --layer block2 --snapshots 16,64,256
  unitscope optimize --model demo --objective 'channel(block3, 12) - 0.1*total_variation()' --copies 2
  unitscope optimize --model demo --unit block3:12 --dry-run > spec.json
  unitscope optimize --spec spec.json

Exit codes: 0 done · 1 the job failed · 2 wrong command line · 3 refused by the server · 4 no server · 5 every
picture dead · 130 interrupted, the job goes on";

/// Of `optimize`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct OptimizeArgs {
    #[command(flatten)]
    pub wanted: WantedArgs,
    /// A JSON file of the API's message OptimizeSpec (`-`: stdin), instead of the flags above.
    #[arg(long, value_name = "FILE", conflicts_with = "WantedArgs")]
    pub spec: Option<PathBuf>,
    /// Print the spec as JSON and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the job's name and do not wait for it.
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    #[command(flatten)]
    pub delivery: DeliveryArgs,
}

/// What is wanted: the flags that a spec file replaces.
#[derive(Debug, Args)]
pub struct WantedArgs {
    /// The model's name.
    #[arg(
        long,
        short,
        value_name = "NAME",
        required_unless_present = "spec",
        default_value = "",
        hide_default_value = true
    )]
    pub model: String,
    /// A unit to make a picture for, as often as wanted.
    #[arg(long = "unit", short, value_name = "LAYER:CHANNEL[@PLACE]")]
    pub units: Vec<Unit>,
    /// A whole layer to make a picture for (deepdream), as often as wanted.
    #[arg(long = "layer", value_name = "LAYER")]
    pub layers: Vec<String>,
    /// What to maximize, as arithmetic (+ - * and parentheses) on terms, such as `channel(conv2, 7) - 0.1*total_variation()`
    /// or `channel(conv2, 7) * channel(conv2, 8)`; for all pictures, of which --copies or --starts says how many.
    #[arg(
        long,
        value_name = "EXPR",
        allow_hyphen_values = true,
        conflicts_with_all = ["units", "layers", "negative", "diversity"]
    )]
    pub objective: Option<Objective>,
    /// Also make each unit's negative: the picture that it likes least.
    #[arg(long)]
    pub negative: bool,
    /// So many pictures of each unit, or of the expression, from different starts.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub copies: u32,
    /// So many starts of each unit, or of the expression, of which only the best by score is kept; not beside --copies.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub starts: Option<u32>,
    /// After these steps the worse half of the starts goes, such as `64,128` [default: as often as leaves one, evenly within the
    /// first half of the steps].
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', requires = "starts")]
    pub eliminate: Vec<u32>,
    /// Push the copies of a unit apart, with this weight.
    #[arg(long, value_name = "WEIGHT", value_parser = finite)]
    pub diversity: Option<f64>,
    /// A term more, for all pictures; as often as wanted.
    #[arg(long = "term", short, value_name = "TERM(PARAM=VALUE, …)")]
    pub terms: Vec<Call>,
    /// A name for each unit or layer, in their order (first --unit, then --layer); with --objective, for each picture.
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Steps of the optimizer [server's default: 512].
    #[arg(long, short, value_name = "N", help_heading = "How")]
    pub steps: Option<u32>,
    /// Key of all random draws; the same seed gives the same pictures [server's default: 0].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub seed: Option<u64>,
    /// Size of the pictures in pixels [default: the model's input].
    #[arg(long, value_name = "N or HEIGHTxWIDTH", help_heading = "How")]
    pub size: Option<Size>,
    /// Short for `--optimizer 'adam(learning_rate=RATE)'`.
    #[arg(
        long,
        value_name = "RATE",
        value_parser = finite,
        conflicts_with = "optimizer",
        help_heading = "How"
    )]
    pub learning_rate: Option<f64>,
    /// The rule that turns gradients into steps: `adam`, `nadam`, `adamw`, `rmsprop` or `sgd`, or with options:
    /// `nadam(learning_rate=1)`, `sgd(momentum=0.9, nesterov=true)` [server's default: adam(learning_rate=0.05)].
    #[arg(long, value_name = "KIND(OPTION=VALUE)", help_heading = "How")]
    pub optimizer: Option<Call>,
    /// How the learning rate changes: `constant`, `cosine` (to 0 at the last step) or `exponential(decay=0.99)`; each
    /// takes `warmup_steps=16`, over which the rate rises first [server's default: constant].
    #[arg(long, value_name = "KIND(OPTION=VALUE)", help_heading = "How")]
    pub schedule: Option<Call>,
    /// `fourier`, `pixel`, `laplacian`, `cppn` or `maco`, or with options: `fourier(decay_power=1, standard_deviation=0.01)`,
    /// `laplacian(levels=4)`, `cppn(layers=8, channels=24)`, `maco(magnitude=PICTURE-OR-FOLDER)`; each takes `decorrelate_colors=false`,
    /// all but `maco` take `alpha=true` (transparency, see the term `opacity`) and `shared=[2, 4, 8], anchors=1` (a part that all
    /// pictures have in common) [server's default: fourier].
    #[arg(long, value_name = "KIND", help_heading = "How")]
    pub parameterization: Option<Call>,
    /// Whether pictures are padded, moved, scaled and turned before the network sees them.
    #[arg(long, value_name = "WHICH", default_value = "standard", help_heading = "How")]
    pub transforms: TransformSet,
    /// A transform instead of the standard ones, in order: `pad(pixels=12)`, `jitter(pixels=8)`,
    /// `random_scale(min=0.9, max=1.1)`, `random_rotate(degrees=10)`, `random_crop(min=0.2, max=0.25)`,
    /// `random_flip(probability=0.5)`, `color_shift(shift=0.1, scale=0.1)`, `noise(standard_deviation=0.05)`.
    #[arg(
        long = "transform",
        value_name = "KIND(OPTION=VALUE)",
        conflicts_with = "transforms",
        help_heading = "How"
    )]
    pub transform_list: Vec<Call>,
    /// So many views of each picture at every step, each moved, scaled and turned otherwise [server's default: 1].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub views: Option<u32>,
    /// So many steps at the end without transforms [server's default: an eighth of the steps with the standard ones, else 0].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub clean_steps: Option<u32>,
    /// An end before the last step: `plateau(window=64, tolerance=0.005)` where the score no longer rises, `target(value=12)` where it
    /// has reached that much, `seconds(value=60)` when the job has run so long; one of each.
    #[arg(long = "stop", value_name = "KIND(OPTION=VALUE)", help_heading = "How")]
    pub stops: Vec<Call>,
    /// Pictures that share one pass through the network [server's default: at most 8].
    #[arg(long, value_name = "N", help_heading = "How")]
    pub images_per_pass: Option<u32>,
    /// A picture that terms compare with, by `reference=0` and so on in the order given (PNG, JPEG, WebP).
    #[arg(long = "reference", value_name = "FILE")]
    pub references: Vec<PathBuf>,
    /// A picture that every picture starts from, instead of noise.
    #[arg(long, value_name = "FILE", help_heading = "How")]
    pub start: Option<PathBuf>,
    /// Leave units that are off as they are, instead of letting gradients through activations that block them.
    #[arg(long, help_heading = "How")]
    pub no_redirect: bool,
    /// Spread gradients over the windows of max pools, as averages do, instead of to the largest position alone: smoother arcs, often at a lower score.
    #[arg(long, help_heading = "How")]
    pub smooth_pools: bool,
    /// Keep the pictures at these steps too, such as `16,64,256`.
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', help_heading = "How")]
    pub snapshots: Vec<u32>,
    /// Also write the float32 tensors.
    #[arg(long, help_heading = "How")]
    pub tensors: bool,
}

/// Which transforms are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransformSet {
    /// Pad, jitter, scale, rotate, jitter, crop
    Standard,
    /// The network sees the picture as it is
    None,
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("expected a finite number such as `0.05`".to_string()),
    }
}
