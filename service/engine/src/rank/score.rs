//! The pass: files become pictures, pictures activations, activations one number for every unit; knows no dataset, no index and no clock.

use super::decode::{self, DecodeError, Preprocessing, View};
use super::limits::{BATCH, BATCH_ELEMENTS, PASS_ELEMENTS};
use super::memory::{Activations, Batch};
use super::reading::{Extent, Reading};
use super::reduce::{Target, reduce};
use crate::device;
use crate::model::{ChannelOrder, Input, Model, ModelError, Program};
use crate::spec::Picture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tch::{Device, TchError, Tensor};

/// Changes with everything in this crate that changes scores by more than rounding, so that those of before are not mixed with those of after.
pub const NUMERICS: u32 = 1;

/// Everything that scores some readings of a model, ready to run on any thread.
pub struct Scorer {
    program: Program,
    taps: Vec<Tap>,
    readings: usize,
    preprocessing: Preprocessing,
    normalization: Normalization,
    shape: [u32; 4],
    /// See [`elements`].
    elements: u64,
    device: Device,
    /// A GPU takes one pass at a time.
    turn: Mutex<()>,
}

/// What is read from one layer.
struct Tap {
    extent: Extent,
    /// With their places among all readings.
    readings: Vec<(usize, Reading)>,
}

impl Tap {
    /// The place of a reading that takes the same from the same positions, whatever the layer is called.
    fn find(&self, what: &Reading, extent: &Extent) -> Option<usize> {
        let same = |other: &Reading| other.reducer == what.reducer && other.direction == what.direction;
        let found = self.readings.iter().find(|(_, other)| same(other))?;
        (self.extent == *extent).then_some(found.0)
    }
}

/// The job's side of a pass. Workers call it from several threads at once.
pub trait Feed: Sync {
    /// The next image that is to be scored; waits for it. None: there are no more.
    fn next(&self) -> Option<Item>;
    /// The file is no picture.
    fn broken(&self, tag: u32, error: DecodeError);
    /// These images have their scores. An error ends the pass.
    fn scored(&self, scored: &Scored) -> Result<(), String>;
    /// Whether the pass shall end; asked before each image and each batch.
    fn cancelled(&self) -> bool;
}

/// A file that is to be scored.
pub struct Item {
    /// What the feed calls it.
    pub tag: u32,
    /// Its bytes.
    pub file: Vec<u8>,
}

/// Images with their scores.
pub struct Scored {
    /// Which images.
    pub tags: Vec<u32>,
    /// One for each reading.
    pub columns: Vec<Column>,
}

/// One reading's numbers for some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Images × units.
    pub scores: Vec<f32>,
    /// Images × units, row × columns + column; empty where the reading has none.
    pub positions: Vec<u32>,
}

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// libtorch failed.
    #[error("{0}")]
    Torch(String),
    /// The feed did.
    #[error("{0}")]
    Feed(String),
}

impl From<TchError> for ScoreError {
    fn from(error: TchError) -> Self {
        Self::Torch(error.to_string())
    }
}

/// The shape of every pass of a model: images, channels, rows, columns. It depends on the model alone, so that scores repeat whatever else is
/// asked: [`BATCH`] images, fewer where the network's activations are large, or what the export fixed.
///
/// # Errors
/// [`ModelError`], where the network does not run at its own size.
pub fn pass_shape(model: &Model) -> Result<[u32; 4], ModelError> {
    let input = &model.manifest().input;
    let elements = elements(model)?;
    let room = u32::try_from(BATCH_ELEMENTS / elements).unwrap_or(u32::MAX).clamp(1, BATCH);
    let batches = model.batches();
    Ok([room.clamp(*batches.start(), *batches.end()), input.channels.count(), input.height, input.width])
}

/// Numbers of all activations of one image, up to the network's last layer.
fn elements(model: &Model) -> Result<u64, ModelError> {
    let input = &model.manifest().input;
    let all: Vec<String> = model.layers().last().map(|layer| layer.path.clone()).into_iter().collect();
    Ok(model.elements(&all, input.height, input.width)?.max(1))
}

impl Scorer {
    /// Cuts the network to what the readings need.
    ///
    /// # Errors
    /// [`ModelError`], or words on what is wrong with a reading.
    pub fn new(model: &Arc<Model>, readings: &[Reading], device: Device) -> Result<Self, ScoreError> {
        let input = &model.manifest().input;
        let mut layers: Vec<String> = Vec::new();
        let mut taps: Vec<Tap> = Vec::new();
        for (place, reading) in readings.iter().enumerate() {
            let extent = extent(model, &reading.layer)?;
            reading.check(&extent).map_err(ScoreError::Feed)?;
            let known = layers.iter().position(|layer| *layer == reading.layer);
            let tap = known.unwrap_or_else(|| {
                layers.push(reading.layer.clone());
                taps.push(Tap { extent, readings: Vec::new() });
                taps.len() - 1
            });
            taps[tap].readings.push((place, reading.clone()));
        }
        Ok(Self {
            program: model.passing_program(&layers, device)?,
            taps,
            readings: readings.len(),
            preprocessing: Preprocessing::of(input).map_err(ScoreError::Feed)?,
            normalization: Normalization::new(input),
            shape: pass_shape(model)?,
            elements: elements(model)?,
            device,
            turn: Mutex::new(()),
        })
    }

    /// Scores everything that the feed gives, on so many threads, or fewer where their batches together would be too large: each decodes a batch and takes it through the network on its own, so that
    /// decoding and the network share the cores without waiting for each other. Memory is bounded by one batch and its activations for
    /// each thread.
    ///
    /// # Errors
    /// The first [`ScoreError`]; all threads have ended then.
    pub fn run(&self, feed: &dyn Feed, workers: usize) -> Result<(), ScoreError> {
        let stop = AtomicBool::new(false);
        let batch = self.elements.saturating_mul(u64::from(self.shape[0]));
        let room = usize::try_from(PASS_ELEMENTS / batch.max(1)).unwrap_or(usize::MAX);
        let workers = workers.min(room).max(1);
        let work = || {
            let _stop = StopOnPanic(&stop);
            device::set_threads(1);
            let worked = tch::no_grad(|| self.work(feed, &stop));
            if worked.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            worked
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
            ended.into_iter().try_for_each(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// One thread's part.
    fn work(&self, feed: &dyn Feed, stop: &AtomicBool) -> Result<(), ScoreError> {
        let mut batch = Batch::new(self.shape)?;
        let mut tags = Vec::with_capacity(self.shape[0] as usize);
        let stopped = || stop.load(Ordering::Relaxed) || feed.cancelled();
        loop {
            let item = if stopped() { None } else { feed.next() };
            let last = item.is_none();
            if let Some(Item { tag, file }) = item {
                match decode::view(&file, &self.preprocessing) {
                    Ok(view) => {
                        self.normalization.apply(&view, batch.picture(tags.len()));
                        tags.push(tag);
                    }
                    Err(error) => feed.broken(tag, error),
                }
            }
            let full = tags.len() == self.shape[0] as usize;
            if (full || last && !tags.is_empty()) && !stopped() {
                let scored =
                    Scored { columns: self.columns(&batch, tags.len())?, tags: std::mem::take(&mut tags) };
                feed.scored(&scored).map_err(ScoreError::Feed)?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// The scores of the first `images` pictures of a batch.
    fn columns(&self, batch: &Batch, images: usize) -> Result<Vec<Column>, ScoreError> {
        let mut columns = vec![Column::default(); self.readings];
        let _turn =
            (self.device != Device::Cpu).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        // A block, its last part and that one's activation are one value under three names, shown one after the other. The last value is held, so
        // that no other comes to lie where it was.
        let mut before: Option<(Tensor, usize)> = None;
        self.program.watch(&batch.input(self.device)?, |place, layer| {
            let tap = &self.taps[place];
            let same =
                before.as_ref().filter(|(other, _)| is_same(other, layer)).map(|(_, tap)| &self.taps[*tap]);
            let activations = Activations::of(layer, &tap.extent)?;
            for (reading, what) in &tap.readings {
                let known = same.and_then(|other| other.find(what, &tap.extent));
                columns[*reading] = match known {
                    Some(other) => columns[other].clone(),
                    None => column(&activations, &tap.extent, what, images),
                };
            }
            before = Some((layer.shallow_clone(), place));
            Ok::<(), ScoreError>(())
        })?;
        Ok(columns)
    }

    /// The scores of pictures of the network's input size, by the only reading, taken as those of files are.
    ///
    /// # Errors
    /// A [`ScoreError`]; a picture of another size or with an opacity is one.
    pub fn pictures(&self, pictures: &[Picture]) -> Result<Column, ScoreError> {
        let mut all = Column::default();
        let mut batch = Batch::new(self.shape)?;
        for some in pictures.chunks(self.shape[0] as usize) {
            for (place, picture) in some.iter().enumerate() {
                let [_, channels, height, width] = self.shape;
                if picture.alpha
                    || [picture.channels, picture.height, picture.width] != [channels, height, width]
                {
                    return Err(ScoreError::Feed(format!(
                        "a picture to score is not {channels} × {height} × {width}"
                    )));
                }
                self.normalization.apply_picture(picture, batch.picture(place));
            }
            for column in tch::no_grad(|| self.columns(&batch, some.len()))? {
                all.scores.extend(column.scores);
                all.positions.extend(column.positions);
            }
        }
        Ok(all)
    }

    /// The shape of its passes: images, channels, rows, columns.
    #[must_use]
    pub fn shape(&self) -> [u32; 4] {
        self.shape
    }
}

/// Ends the other threads where one panics.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether two tensors are one view of one memory.
fn is_same(a: &Tensor, b: &Tensor) -> bool {
    a.data_ptr() == b.data_ptr() && a.size() == b.size() && a.stride() == b.stride()
}

/// A layer's channels and positions at the model's own input size.
///
/// # Errors
/// As [`Model::shapes`], and as [`Extent::of`].
pub fn extent(model: &Model, layer: &str) -> Result<Extent, ScoreError> {
    let input = &model.manifest().input;
    let info = model.layer(layer)?;
    let shapes = model.shapes(&[layer.to_owned()], input.height, input.width)?;
    let found = shapes.first().ok_or_else(|| ScoreError::Feed(format!("layer `{layer}` has no shape")))?;
    Extent::of(info, &found.shape, found.tokens).map_err(ScoreError::Feed)
}

fn column(activations: &Activations, extent: &Extent, reading: &Reading, images: usize) -> Column {
    let units = reading.units(extent) as usize;
    let places = if reading.has_positions(extent) { units } else { 0 };
    let mut column = Column { scores: vec![0.0; images * units], positions: vec![0; images * places] };
    for image in 0..images {
        let mut target = Target {
            scores: &mut column.scores[image * units..][..units],
            positions: &mut column.positions[image * places..][..places],
        };
        reduce(activations.image(image), activations.order, extent, reading, &mut target);
    }
    column
}

/// From bytes to the network's numbers, by table.
pub(super) struct Normalization {
    /// For each channel of the network: which channel of the picture it is, and what each byte becomes.
    channels: Vec<(usize, [f32; 256])>,
    /// For each channel of the network: factor and summand of a number in 0 … 1.
    linear: Vec<(f32, f32)>,
}

impl Normalization {
    pub(super) fn new(input: &Input) -> Self {
        let [low, high] = input.range;
        let count = input.mean.len();
        let channel = |(place, (mean, std)): (usize, (&f32, &f32))| {
            let (scale, shift) = ((high - low) / std, (low - mean) / std);
            let from = if input.channels == ChannelOrder::Bgr { count - 1 - place } else { place };
            (from, std::array::from_fn(|byte| byte as f32 / 255.0 * scale + shift))
        };
        let pairs = || input.mean.iter().zip(&input.std);
        let linear = pairs().map(|(mean, std)| ((high - low) / std, (low - mean) / std)).collect();
        Self { channels: pairs().enumerate().map(channel).collect(), linear }
    }

    /// The same for a picture in 0 … 1.
    fn apply_picture(&self, picture: &Picture, numbers: &mut [f32]) {
        let count = self.channels.len();
        let plane = picture.values.len() / count;
        for (place, ((from, _), (scale, shift))) in self.channels.iter().zip(&self.linear).enumerate() {
            for (pixel, value) in picture.values[from * plane..][..plane].iter().enumerate() {
                numbers[pixel * count + place] = value * scale + shift;
            }
        }
    }

    /// Writes height × width × channels numbers, the channels in the network's order.
    pub(super) fn apply(&self, view: &View, numbers: &mut [f32]) {
        let count = self.channels.len();
        for (pixel, numbers) in view.pixels.chunks_exact(count).zip(numbers.chunks_exact_mut(count)) {
            for ((from, table), number) in self.channels.iter().zip(numbers) {
                *number = table[usize::from(pixel[*from])];
            }
        }
    }
}

#[cfg(test)]
mod tests;
