//! `unitscope-demo-pictures`: draws the demo model's pictures. It knows nothing of the model.

mod colour;
mod pattern;
mod picture;
mod random;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::write::Draw;

/// Draws pictures of sixteen classes: the same seed gives the same pictures.
#[derive(Parser)]
#[command(name = "unitscope-demo-pictures", version)]
struct Arguments {
    /// Other seeds draw other pictures.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Pictures of each class.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    per_class: u64,
    /// Side of each picture in pixels.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(8..=1024))]
    size: u32,
    /// Writes PNGs into a folder per class under this one.
    #[arg(long, required_unless_present = "raw")]
    out: Option<PathBuf>,
    /// Writes one file of bytes [classes · per-class, 3, size, size], in label order.
    #[arg(long)]
    raw: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let draw = Draw { seed: arguments.seed, per_class: arguments.per_class, size: arguments.size };
    let folders = arguments.out.iter().try_for_each(|folder| write::folders(draw, folder));
    let result = folders.and_then(|()| arguments.raw.iter().try_for_each(|file| write::raw(draw, file)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the pictures: {error}");
            ExitCode::FAILURE
        }
    }
}
