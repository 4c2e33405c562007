//! The command line but for the commands that make jobs: names, help, value formats. Knows nothing of the service.

use crate::card::CardArgs;
use crate::connect::DEFAULT_SERVER;
use crate::filters::FiltersArgs;
use crate::notation::size::Size;
use crate::optimize::OptimizeArgs;
use crate::rank::RankArgs;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the job failed or was cancelled, or a file could not be written
  2    the command line is wrong
  3    the server refused the request
  4    the server cannot be reached
  5    every picture of `optimize` is dead (its unit does not react); to `rank` and `card`, a dead unit is an answer: 0
  130  interrupted; the job goes on";

const EXAMPLES: &str = "\
Examples:
  unitscope models list
  unitscope models show demo
  unitscope filters demo
  unitscope optimize --model demo --unit block3:12
  unitscope datasets list
  unitscope rank --model demo --dataset shapes --unit block3:12
  unitscope card --model demo --dataset shapes --unit block3:12
  unitscope jobs list";

const SHOW_EXAMPLES: &str = "\
Examples:
  unitscope models show demo --depth 1
  unitscope models show demo --layers-under block3 --size 96x64";

/// Shows what drives the units of a trained neural network.
#[derive(Debug, Parser)]
#[command(name = "unitscope", version, max_term_width = 110)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Cli {
    /// The server: http://HOST:PORT, or HOST:PORT.
    #[arg(
        long,
        global = true,
        env = "UNITSCOPE_SERVER",
        value_name = "URL",
        help_heading = "Global options"
    )]
    #[arg(default_value = DEFAULT_SERVER, hide_env_values = true)]
    pub server: String,
    /// Print the answer as JSON (of the API's messages) instead of text.
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the pictures that drive units, and write them to a folder
    Optimize(Box<OptimizeArgs>),
    /// Find the images of a dataset that drive units most and least, and write them to a folder
    Rank(Box<RankArgs>),
    /// Put the images that drive units beside pictures made for them, on one page
    Card(Box<CardArgs>),
    /// Follow a job of any kind, and fetch what it made when it ends
    #[command(after_help = "Example:\n  unitscope watch 01JA7M3Z --out pictures")]
    Watch(WatchArgs),
    /// List, show, cancel or delete jobs
    Jobs {
        /// What to do.
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// List, show, load or unload models
    Models {
        /// What to do.
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Draw a convolution's filters, and fit a Gabor function to each
    Filters(FiltersArgs),
    /// List or show the sets of images that can be ranked
    Datasets {
        /// What to do.
        #[command(subcommand)]
        command: DatasetsCommand,
    },
    /// List or delete stored scores
    Indexes {
        /// What to do.
        #[command(subcommand)]
        command: IndexesCommand,
    },
    /// List or show objectives, penalties and step operations
    Terms {
        /// What to do.
        #[command(subcommand)]
        command: TermsCommand,
    },
    /// Show the server's version, device and limits
    Server,
}

/// Of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The job's name, with or without `jobs/`.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Where the pictures go.
    #[command(flatten)]
    pub delivery: DeliveryArgs,
    /// Of a ranking: also write each picture as a file of its own, into the folder's pictures/UNIT/.
    #[arg(long, help_heading = "Output")]
    pub keep_pictures: bool,
}

/// Where files go; shared by all commands that follow jobs.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The folder that files are written to; made if it is not there.
    #[arg(long, short, value_name = "DIR", default_value = "unitscope-out", help_heading = "Output")]
    pub out: PathBuf,
    /// No progress on stderr.
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// How pictures are delivered; shared by `optimize` and `watch`.
#[derive(Debug, Args)]
pub struct DeliveryArgs {
    /// Where they go.
    #[command(flatten)]
    pub folder: FolderArgs,
    /// The background of contact sheets.
    #[arg(long, value_name = "SHADE", default_value = "light", help_heading = "Output")]
    pub sheet: Shade,
    /// Also write pictures that were eliminated (see `optimize --starts`).
    #[arg(long, help_heading = "Output")]
    pub keep_all: bool,
}

/// The background of a contact sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shade {
    /// Near white
    Light,
    /// Near black
    Dark,
}

/// Of `jobs`.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first
    List {
        /// At most so many, 1 … 1000.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
    },
    /// Show a job as it is now
    Show {
        /// The job's name, with or without `jobs/`.
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// Stop jobs; the pictures made so far stay
    Cancel {
        /// The jobs' names, with or without `jobs/`.
        #[arg(value_name = "JOB", required = true)]
        jobs: Vec<String>,
    },
    /// Forget jobs that have ended, with their pictures
    Delete {
        /// The jobs' names, with or without `jobs/`.
        #[arg(value_name = "JOB", required = true)]
        jobs: Vec<String>,
    },
}

/// Of `models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models that the server knows
    List,
    /// Show a model: what it takes, and its layers as a tree; loads it if need be
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The model's name.
        #[arg(value_name = "MODEL")]
        model: String,
        /// List shapes, fields and costs at this size of the input, in pixels [default: the model's own].
        #[arg(long, value_name = "HxW")]
        size: Option<Size>,
        /// Only the layers within this module.
        #[arg(long, value_name = "PATH")]
        layers_under: Option<String>,
        /// Only so many levels of modules, from 1.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        depth: Option<u32>,
    },
    /// Read a model into memory, anew if its file changed
    Load {
        /// The model's name.
        #[arg(value_name = "MODEL")]
        model: String,
    },
    /// Let go of a model's memory
    Unload {
        /// The model's name.
        #[arg(value_name = "MODEL")]
        model: String,
    },
}

/// Of `terms`.
#[derive(Debug, Subcommand)]
pub enum TermsCommand {
    /// List the terms that the server's plugins supply
    List,
    /// Show a term: what it computes, and its parameters
    Show {
        /// The term's id.
        #[arg(value_name = "TERM")]
        term: String,
    },
}

/// Of `datasets`.
#[derive(Debug, Subcommand)]
pub enum DatasetsCommand {
    /// List the datasets that the server knows, without looking at their files
    List,
    /// Show a dataset: its images, classes and what was left out; lists its files if need be
    #[command(after_help = "Example:\n  unitscope datasets show shapes --refresh")]
    Show {
        /// The dataset's name.
        #[arg(value_name = "DATASET")]
        dataset: String,
        /// List its files anew in any case [default: a listing is kept for a minute at most].
        #[arg(long)]
        refresh: bool,
    },
}

/// Of `indexes`.
#[derive(Debug, Subcommand)]
pub enum IndexesCommand {
    /// List the tables of scores that the server keeps, the one used last first
    List,
    /// Delete tables; their images are scored again when somebody asks
    #[command(after_help = "Example:\n  unitscope indexes delete 7f3a9c")]
    Delete {
        /// The tables' ids, as `unitscope indexes list` shows them.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}
