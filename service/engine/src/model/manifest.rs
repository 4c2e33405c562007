//! `model.toml`: which file, which labels, and how a picture becomes the network's input; knows no tensors.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ModelError;
use super::limits;

/// What `model.toml` says about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the exported program, in the same folder.
    pub file: String,
    /// One label per class, in the order of the network's output; empty if the manifest names no file.
    pub labels: Vec<String>,
    /// The network's input.
    pub input: Input,
}

/// How an image is brought into the form that the network was trained on: `(image − mean) / std`, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Pixels.
    pub height: u32,
    /// Pixels.
    pub width: u32,
    /// Shorter side, in pixels, before the centre crop of a data set's image.
    pub resize: Option<u32>,
    /// Smallest and largest value of a pixel before normalization.
    pub range: [f32; 2],
    /// One per channel, in the network's channel order.
    pub mean: Vec<f32>,
    /// One per channel, in the network's channel order.
    pub std: Vec<f32>,
    /// The network's channel order.
    pub channels: ChannelOrder,
}

/// What the input's channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red (Caffe's order).
    Bgr,
    /// One channel.
    Gray,
    /// So many channels that are no colours.
    Other(u32),
}

impl ChannelOrder {
    /// Number of channels.
    pub fn count(self) -> u32 {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
            Self::Other(count) => count,
        }
    }
}

impl Manifest {
    /// Reads `DIR/model.toml` and the labels that it names.
    ///
    /// # Errors
    /// [`ModelError::Read`] and [`ModelError::Manifest`].
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("model.toml");
        let text = read_text(&path)?;
        let file: File = toml::from_str(&text).map_err(|error| ModelError::Manifest {
            path: path.clone(),
            reason: error.message().to_owned(),
        })?;
        let wrong = |reason: String| ModelError::Manifest { path: path.clone(), reason };
        plain_name("file", &file.file).map_err(wrong)?;
        let labels = match &file.labels {
            None => Vec::new(),
            Some(name) => {
                plain_name("labels", name).map_err(wrong)?;
                read_text(&folder.join(name))?.lines().map(str::to_owned).collect()
            }
        };
        let input = file.input.check().map_err(wrong)?;
        Ok(Self { file: file.file, labels, input })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: String,
    labels: Option<String>,
    input: InputTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputTable {
    size: [u32; 2],
    resize: Option<u32>,
    range: [f32; 2],
    mean: Vec<f32>,
    std: Vec<f32>,
    channels: Channels,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Channels {
    Name(String),
    Count(u32),
}

/// No image is larger; the server's own limits lie far below.
const SIDE_PX: u32 = 16_384;
/// Satellite images have about a dozen bands.
const CHANNELS: u32 = 1_024;

impl InputTable {
    fn check(self) -> Result<Input, String> {
        let [height, width] = self.size;
        for (name, side) in [("height", height), ("width", width), ("resize", self.resize.unwrap_or(1))] {
            if !(1..=SIDE_PX).contains(&side) {
                return Err(format!("input {name} is {side}; give pixels from 1 to {SIDE_PX}"));
            }
        }
        let channels = self.channels.order()?;
        let count = channels.count() as usize;
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != count || values.iter().any(|value| !value.is_finite()) {
                return Err(format!(
                    "input {name} is {values:?}; give one finite number for each of the {count} channels"
                ));
            }
        }
        if self.std.iter().any(|&std| std <= 0.0) {
            return Err(format!("input std is {:?}; every one must be above 0", self.std));
        }
        let [low, high] = self.range;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(format!(
                "input range is [{low}, {high}]; give the smallest and the largest pixel value, such as [0.0, 1.0]"
            ));
        }
        Ok(Input {
            height,
            width,
            resize: self.resize,
            range: self.range,
            mean: self.mean,
            std: self.std,
            channels,
        })
    }
}

impl Channels {
    fn order(&self) -> Result<ChannelOrder, String> {
        match self {
            Self::Name(name) if name == "RGB" => Ok(ChannelOrder::Rgb),
            Self::Name(name) if name == "BGR" => Ok(ChannelOrder::Bgr),
            Self::Name(name) if name == "GRAY" => Ok(ChannelOrder::Gray),
            Self::Count(count) if (1..=CHANNELS).contains(count) => Ok(ChannelOrder::Other(*count)),
            Self::Name(name) => Err(format!(
                "input channels is `{name}`; give \"RGB\", \"BGR\", \"GRAY\" or a number of channels"
            )),
            Self::Count(count) => {
                Err(format!("input channels is {count}; give a number from 1 to {CHANNELS}"))
            }
        }
    }
}

/// A manifest names files beside it, and never leads out of its folder.
fn plain_name(key: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(format!("{key} is `{name}`; give the plain name of a file in the model's folder"));
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String, ModelError> {
    let read = |source| ModelError::Read { path: PathBuf::from(path), source };
    let length = std::fs::metadata(path).map_err(read)?.len();
    limits::at_most(format!("the size in bytes of `{}`", path.display()), length, limits::TEXT_BYTES)?;
    std::fs::read_to_string(path).map_err(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "file = 'model.pt2'\n[input]\nsize = [8, 6]\nrange = [0.0, 1.0]\nmean = [0.5]\nstd = [0.25]\nchannels = 'GRAY'\n";

    fn load(text: &str) -> Result<Manifest, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.toml"), text).unwrap();
        std::fs::write(folder.path().join("labels.txt"), "cat\ndog\n").unwrap();
        Manifest::load(folder.path())
    }

    fn check_refused(change: (&str, &str), word: &str) {
        let text = GOOD.replace(change.0, change.1);
        assert_ne!(text, GOOD, "the change must change something");
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }

    #[test]
    fn reads_the_fields() {
        let manifest = load(&GOOD.replace("[input]", "labels = 'labels.txt'\n[input]")).unwrap();
        assert_eq!(manifest.labels, ["cat", "dog"]);
        assert_eq!((manifest.input.height, manifest.input.width), (8, 6));
        assert_eq!(manifest.input.channels, ChannelOrder::Gray);
        assert_eq!(load(&GOOD.replace("'GRAY'", "1")).unwrap().input.channels, ChannelOrder::Other(1));
    }

    #[test]
    fn refuses_what_no_model_can_have() {
        check_refused(("model.pt2", "../model.pt2"), "plain name");
        check_refused(("model.pt2", ".."), "plain name");
        check_refused(("[8, 6]", "[0, 6]"), "height is 0");
        check_refused(("[8, 6]", "[8, 60000]"), "width is 60000");
        check_refused(("[0.5]", "[0.5, 0.5]"), "mean");
        check_refused(("[0.25]", "[0.0]"), "above 0");
        check_refused(("[0.25]", "[nan]"), "finite");
        check_refused(("[0.0, 1.0]", "[1.0, 1.0]"), "range");
        check_refused(("'GRAY'", "'CMYK'"), "CMYK");
        check_refused(("'GRAY'", "0"), "channels is 0");
        check_refused(("range", "rang"), "rang");
    }

    #[test]
    fn a_missing_manifest_names_its_path() {
        let error = Manifest::load(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/model.toml"), "{error}");
    }
}
