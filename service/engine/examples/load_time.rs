//! The engine's side of `tests/bench/load.py`: loads a model once, in a process of its own.
//!
//! `load_time MODEL_DIR`; prints one line of JSON: the seconds that `Model::load` took, the largest resident memory of the process
//! before and after it in bytes, and the number of layers.

use std::time::Instant;
use unitscope_engine::model::{Model, Reader, torchscript};

fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    if let Some(code) = torchscript::reader::run_if_asked() {
        return Ok(code);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        return Err("give MODEL_DIR".into());
    };
    let before = peak_bytes()?;
    let begin = Instant::now();
    let model = Model::load(std::path::Path::new(folder), &Reader::default())?;
    let seconds = begin.elapsed().as_secs_f64();
    let (after, layers) = (peak_bytes()?, model.layers().len());
    println!(r#"{{"seconds": {seconds}, "before": {before}, "after": {after}, "layers": {layers}}}"#);
    Ok(std::process::ExitCode::SUCCESS)
}

/// The most memory that the process has had resident so far (`VmHWM`).
fn peak_bytes() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(1024 * line.trim().trim_end_matches(" kB").parse::<u64>()?)
}
