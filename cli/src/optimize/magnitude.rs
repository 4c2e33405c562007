//! The mean magnitudes of the spectrum of pictures on this machine, for `maco(magnitude=PATH)`. Knows nothing of the service.

use image::{ImageReader, imageops::FilterType};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use std::path::{Path, PathBuf};
use unitscope_proto::v1::SpectrumMagnitude;

/// Pixels of a side of the squares whose spectra are taken.
const SIDE: usize = 256;
/// Columns of half their spectrum.
const COLUMNS: usize = SIDE / 2 + 1;
/// Pictures of a folder that count, evenly spaced in the order of their names: more change the mean by less than it differs between folders.
const PICTURES: usize = 500;
/// What pictures end in.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// The mean of |rfft2| of red, green and blue over a picture or all pictures of a folder, as Fel et al. 2023 take it: the middle square of
/// each, scaled to 256 × 256.
pub fn of(path: &Path) -> Result<SpectrumMagnitude, String> {
    let files = pictures(path)?;
    let step = files.len().div_ceil(PICTURES);
    let mut sum = vec![0f64; 3 * SIDE * COLUMNS];
    let mut read = 0u32;
    let mut refused = None;
    for file in files.iter().step_by(step) {
        match add(file, &mut sum) {
            Ok(()) => read += 1,
            Err(error) => refused = Some(format!("{}: {error}", file.display())),
        }
    }
    if read == 0 {
        return Err(refused.unwrap_or_else(|| format!("{} holds no picture", path.display())));
    }
    let values = sum.into_iter().map(|value| (value / f64::from(read)) as f32).collect();
    let (height, columns) = (SIDE as u32, COLUMNS as u32);
    Ok(SpectrumMagnitude { channels: 3, height, columns, values, blake3: String::new() })
}

/// The file itself, or the pictures of a folder and of those in it, by name.
fn pictures(path: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if path.metadata().map_err(wrong)?.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            // A link is neither, so that no folder is entered twice.
            let kind = entry.file_type().map_err(wrong)?;
            let ending = entry.path().extension().map(|ending| ending.to_ascii_lowercase());
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
            {
                found.push(entry.path());
            }
        }
    }
    if found.is_empty() {
        return Err(format!("{} holds no picture ({})", path.display(), ENDINGS.join(", ")));
    }
    found.sort();
    Ok(found)
}

/// Adds the magnitudes of one file to `sum`.
fn add(file: &Path, sum: &mut [f64]) -> Result<(), String> {
    let reader = ImageReader::open(file).and_then(ImageReader::with_guessed_format);
    let image = reader.map_err(|error| error.to_string())?.decode().map_err(|error| error.to_string())?;
    let side = image.width().min(image.height());
    let square = image.crop_imm((image.width() - side) / 2, (image.height() - side) / 2, side, side);
    let pixels = square.resize_exact(SIDE as u32, SIDE as u32, FilterType::Triangle).to_rgb32f();
    for (channel, sum) in sum.chunks_exact_mut(SIDE * COLUMNS).enumerate() {
        let values: Vec<f32> = pixels.pixels().map(|pixel| pixel.0[channel]).collect();
        for (sum, magnitude) in sum.iter_mut().zip(spectrum(&values)) {
            *sum += f64::from(magnitude);
        }
    }
    Ok(())
}

/// |rfft2| of a square, row by row.
fn spectrum(values: &[f32]) -> Vec<f32> {
    let fft = FftPlanner::new().plan_fft_forward(SIDE);
    let mut rows: Vec<Complex<f32>> = values.iter().map(|&value| Complex::new(value, 0.0)).collect();
    fft.process(&mut rows);
    let mut columns: Vec<Complex<f32>> =
        (0..COLUMNS).flat_map(|column| rows.iter().skip(column).step_by(SIDE).copied()).collect();
    fft.process(&mut columns);
    (0..SIDE).flat_map(|row| columns.iter().skip(row).step_by(SIDE).map(|value| value.norm())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    /// A wave of three turns down and five across has its magnitude there and nowhere else.
    #[test]
    fn a_wave_is_one_number() {
        let value = |at: usize| {
            let turns = 3.0 * (at / SIDE) as f32 / SIDE as f32 + 5.0 * (at % SIDE) as f32 / SIDE as f32;
            (std::f32::consts::TAU * turns).cos()
        };
        let values: Vec<f32> = (0..SIDE * SIDE).map(value).collect();
        let found = spectrum(&values);
        let expected = (SIDE * SIDE) as f32 / 2.0;
        for (place, &magnitude) in found.iter().enumerate() {
            let wanted = if place == 3 * COLUMNS + 5 { expected } else { 0.0 };
            assert!((magnitude - wanted).abs() < 1e-3 * expected, "{place}: {magnitude} against {wanted}");
        }
    }

    #[test]
    fn a_folder_is_the_mean_of_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        for (name, level) in [("a/black.png", 0u8), ("white.png", 255)] {
            RgbImage::from_pixel(40, 30, Rgb([level, 0, level])).save(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("readme.txt"), "no picture").unwrap();
        let found = of(folder.path()).unwrap();
        assert_eq!((found.channels, found.height, found.columns), (3, 256, 129));
        let mean = (SIDE * SIDE) as f32 / 2.0;
        let planes: Vec<f32> = found.values.chunks_exact(SIDE * COLUMNS).map(|plane| plane[0]).collect();
        assert!((planes[0] - mean).abs() < 1.0 && planes[1] == 0.0 && planes[2] == planes[0], "{planes:?}");
        assert!(of(&folder.path().join("a/black.png")).is_ok());
        assert!(of(&folder.path().join("none")).unwrap_err().contains("cannot be read"));
        assert!(of(&folder.path().join("readme.txt")).is_err());
    }
}
