//! Times what a pass does to each image file of a folder: milliseconds per image on one thread, and how many files were refused.
//!
//! `decode_time FOLDER [SIDE CROP]` (256 224); the median of five runs over all files, which are read beforehand.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use unitscope_engine::rank::decode::{Preprocessing, decode, view};

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, side, crop) = match arguments.as_slice() {
        [folder] => (folder, 256, 224),
        [folder, side, crop] => (folder, side.parse()?, crop.parse()?),
        _ => return Err("give FOLDER [SIDE CROP]".into()),
    };
    let mut paths = Vec::new();
    list(Path::new(folder), &mut paths)?;
    let files = paths.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Err("the folder holds no files; give one of images".into());
    }
    let preprocessing = Preprocessing { resize: Some(side), height: crop, width: crop, gray: false };
    for (path, error) in paths.iter().zip(files.iter().map(|file| decode(file).err())) {
        if let Some(error) = error {
            println!("refused {}: {error}", path.display());
        }
    }
    median("decode", &files, |file| drop(black_box(decode(file))));
    median("decode, resize, crop", &files, |file| drop(black_box(view(file, &preprocessing))));
    Ok(())
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, paths)? } else { paths.push(path) }
    }
    Ok(())
}

fn median(what: &str, files: &[Vec<u8>], run: impl Fn(&[u8])) {
    let mut times_ms: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begin = Instant::now();
            files.iter().for_each(|file| run(file));
            begin.elapsed().as_secs_f64() * 1e3 / files.len() as f64
        })
        .collect();
    times_ms.sort_by(f64::total_cmp);
    println!("{what}: {:.3} ms per image ({} files)", times_ms[RUNS / 2], files.len());
}
