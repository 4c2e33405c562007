//! Where the pictures go: a folder per class, or one file for training. It knows nothing of how they are drawn.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::pattern::CLASSES;
use crate::picture::picture;

/// Which pictures to draw.
#[derive(Clone, Copy)]
pub struct Draw {
    pub seed: u64,
    pub per_class: u64,
    /// Side of the square, in pixels.
    pub size: u32,
}

impl Draw {
    /// Class and index of every picture, class by class.
    fn all(self) -> impl Iterator<Item = (usize, u64)> {
        (0..CLASSES.len()).flat_map(move |class| (0..self.per_class).map(move |index| (class, index)))
    }

    fn bytes(self, class: usize, index: u64) -> Vec<u8> {
        picture(self.seed, class, index, self.size as usize)
    }
}

/// `folder/CLASS/00000.png` and so on; spaces in a class's name become underscores.
pub fn folders(draw: Draw, folder: &Path) -> io::Result<()> {
    for class in &CLASSES {
        fs::create_dir_all(folder.join(class.name.replace(' ', "_")))?;
    }
    for (class, index) in draw.all() {
        let path = folder.join(CLASSES[class].name.replace(' ', "_")).join(format!("{index:05}.png"));
        image::save_buffer(&path, &draw.bytes(class, index), draw.size, draw.size, image::ColorType::Rgb8)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// All pictures in one file: bytes of [classes · per_class, 3, size, size], in label order; picture i has label
/// i / per_class.
pub fn raw(draw: Draw, file: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for (class, index) in draw.all() {
        let bytes = draw.bytes(class, index);
        for channel in 0..3 {
            let plane: Vec<u8> = bytes.iter().skip(channel).step_by(3).copied().collect();
            out.write_all(&plane)?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAW: Draw = Draw { seed: 5, per_class: 2, size: 8 };

    /// A folder of this test's own, empty.
    fn scratch(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("unitscope-demo-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn both_forms_hold_the_same_pictures() {
        let folder = scratch("forms");
        folders(DRAW, &folder).unwrap();
        raw(DRAW, &folder.join("raw")).unwrap();
        let bytes = fs::read(folder.join("raw")).unwrap();
        assert_eq!(bytes.len(), 16 * 2 * 3 * 64);
        let decoded = image::open(folder.join("spiral/00001.png")).unwrap().to_rgb8();
        let spiral = CLASSES.iter().position(|class| class.name == "spiral").unwrap();
        let start = (spiral * 2 + 1) * 3 * 64;
        for (place, pixel) in decoded.pixels().enumerate() {
            for channel in 0..3 {
                assert_eq!(pixel[channel], bytes[start + channel * 64 + place]);
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
