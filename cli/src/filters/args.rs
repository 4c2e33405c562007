//! The flags of `unitscope filters` and their help. Knows nothing of the service.

use crate::notation::ranges::Ranges;
use clap::Args;
use std::path::PathBuf;

const NOTES: &str = "\
What it shows:
  the kernels of a convolution, as the model's file holds them, one tile each, with its number under it. The first layer of a model that sees colours is
  drawn in them (also where the model takes blue first); other layers in grey, each filter as its first principal component over its channels: the sum of
  channels that holds most of its squared weights. Each tile has a scale of its own: mid-grey is 0, black and white are its largest absolute weight.

And for each filter the Gabor function nearest to it (a wave under an elliptic Gaussian), as for receptive fields of V1:
  R2           how much of the filter the function explains; read it first: white noise of 7×7 reaches about 0.35, of 5×5 about 0.5
  ORIENTATION  of the wave, at right angles to its stripes, clockwise: 0° vertical stripes, 90° horizontal ones
  FREQUENCY    cycles per pixel of the layer's input
  PHASE        at the centre: 0° a bright stripe, 180° a dark one, ±90° an edge
  CENTRE       right and down from the kernel's middle, in pixels
  SIGMA        standard deviations of the Gaussian, along the wave × along its crests, in pixels
  PLANE        the share of the filter's squared weights that the fitted plane holds
Kernels below 5×5 have too few numbers to tell and are drawn without a fit.

Files in the --out folder:
  filters.png          the tiles, as wide as high, in the order of their numbers
  filters.json         all numbers, as the API has them
  filters.csv          the same as a table, one filter a row

Examples:
  unitscope filters demo
  unitscope filters demo block1.first.conv --out block1
  unitscope filters demo --filters 0-7,12

Exit codes: 0 done · 1 a file could not be written · 2 wrong command line · 3 refused by the server · 4 no server";

/// Of `filters`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct FiltersArgs {
    /// The model's name.
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// The layer whose output the convolution makes, as `unitscope models show MODEL` lists it [default: the first convolution].
    #[arg(value_name = "LAYER")]
    pub layer: Option<String>,
    /// Only these filters, in this order, such as 0-63 or 3,7,10-12; at most 256 at once [server's default: the first 256].
    #[arg(long, value_name = "NUMBERS")]
    pub filters: Option<Ranges>,
    /// The folder that files are written to; made if it is not there.
    #[arg(long, short, value_name = "DIR", default_value = "unitscope-out", help_heading = "Output")]
    pub out: PathBuf,
}
