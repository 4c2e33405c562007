//! Terms of plugins as the loop asks them: what they read, their weights, and the gradients they hand back.

use super::buffer::{self, Buffer};
use crate::plugin::{Axis, Instance, StepInfo, TermError, TermKind, View};
use crate::spec::TermSpec;
use std::collections::BTreeMap;
use tch::{Device, TchError, Tensor};

/// A term of the spec, bound to its pictures and to what it reads.
pub struct BoundTerm {
    instance: Instance,
    weight: f64,
    /// One per picture.
    image_weights: Vec<f64>,
    /// The shapes that the plugin saw last.
    prepared: Vec<Vec<i64>>,
    /// Rising and not empty.
    pub images: Vec<u32>,
    /// What it reads, in the order of its taps; the picture, for a step operation.
    pub sources: Vec<Source>,
}

/// Where a tap reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// What.
    pub read: Read,
    /// Of this reference of the spec, not of the picture.
    pub reference: Option<usize>,
}

/// What a tap reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The picture before its transforms.
    Image,
    /// The picture's opacity.
    Alpha,
    /// A layer, by its place in the plan's list.
    Layer(usize),
}

/// Why the sum could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// A plugin failed.
    #[error(transparent)]
    Term(#[from] TermError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TchError),
}

impl BoundTerm {
    /// Binds an instance whose taps are `sources` to the pictures of its spec.
    pub fn new(instance: Instance, spec: &TermSpec, sources: Vec<Source>) -> Self {
        let (image_weights, images) = (spec.image_weights.clone(), spec.images.clone());
        Self { instance, weight: spec.weight, image_weights, prepared: Vec::new(), images, sources }
    }

    /// Objective, penalty or step operation.
    pub fn kind(&self) -> TermKind {
        self.instance.info().kind
    }

    /// Whether its values depend on several pictures at once.
    pub fn couples(&self) -> bool {
        self.instance.info().batch_coupled
    }

    /// Shows the plugin the shapes it will get, where they are not those that it saw last.
    pub fn prepare(&mut self, views: &[View]) -> Result<(), TermError> {
        let shapes: Vec<Vec<i64>> = views.iter().map(|view| view.shape().to_vec()).collect();
        if self.prepared != shapes {
            self.instance.prepare(views)?;
            self.prepared = shapes;
        }
        Ok(())
    }

    /// What the instance is.
    pub fn info(&self) -> &crate::plugin::TermInfo {
        self.instance.info()
    }

    /// The factor of its value for one of its pictures, by the picture's place in `images`.
    pub fn weight(&self, slot: usize) -> f64 {
        self.weight * self.image_weights[slot]
    }

    /// Whether it edits pictures, not their gradient.
    pub fn edits_images(&self) -> bool {
        self.instance.info().edits_image
    }

    /// Lets a step operation edit the gradient of its pictures, or the pictures, whichever it is for, and returns the edited rows with
    /// their places. Both are `[n, c, h, w]` in the order of all pictures; what it does not edit it is handed as a copy.
    pub fn apply(
        &mut self,
        step: &StepInfo,
        images: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Tensor, Tensor), LossError> {
        let rows = index(&self.images, gradient.device())?;
        let lent = |whole: &Tensor| -> Result<Buffer, TchError> {
            let picked = whole.f_index_select(0, &rows)?.f_to(Device::Cpu)?.f_contiguous()?;
            let buffer = Buffer::like(&picked, &IMAGE_AXES)?;
            buffer.tensor().shallow_clone().f_copy_(&picked)?;
            Ok(buffer)
        };
        let (image, slope) = (lent(images)?, lent(gradient)?);
        let views = (buffer::view(image.tensor(), &IMAGE_AXES)?, buffer::view(slope.tensor(), &IMAGE_AXES)?);
        self.instance.apply(step, &views.0, &views.1)?;
        if !image.intact() || !slope.intact() {
            return Err(buffer::wrote_outside(&self.info().id).into());
        }
        let edited = if self.edits_images() { image } else { slope };
        // A copy: the buffer's memory goes with it.
        Ok((rows, edited.tensor().f_detach_copy()?.f_to(gradient.device())?))
    }
}

/// The axes of a picture.
pub const IMAGE_AXES: [Axis; 4] = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];

/// What one pass read for its pictures, and where terms put gradients. Everything is on the CPU and detached.
pub struct Reading {
    images: Vec<u32>,
    pictures: Slot,
    /// Where pictures have one.
    opacity: Option<Slot>,
    /// One per layer of the plan; `None` where the pass does not read it.
    layers: Vec<Option<Slot>>,
    /// By the spec's reference: the same values for it in the place of each picture, through the picture's own transforms.
    references: BTreeMap<usize, Reference>,
}

/// A reference in the place of each picture of a pass.
pub struct Reference {
    /// `[n, c, h, w]`, before the transforms.
    pub pictures: Tensor,
    /// One per layer of the plan; `None` where the pass does not read it.
    pub layers: Vec<Option<Tensor>>,
}

/// A layer's value, its first axis counting the pictures of a pass.
pub struct Layer<'a> {
    /// float32.
    pub value: &'a Tensor,
    /// What each axis means.
    pub axes: &'a [Axis],
}

struct Slot {
    value: Tensor,
    axes: Vec<Axis>,
    gradient: Buffer,
}

impl Slot {
    fn new(value: &Tensor, axes: Vec<Axis>) -> Result<Self, TchError> {
        let value = value.detach().f_to(Device::Cpu)?;
        Ok(Self { gradient: Buffer::like(&value, &axes)?, value, axes })
    }

    /// Takes the value of the next step, keeping the buffer where its layout still fits.
    fn refresh(&mut self, value: &Tensor) -> Result<(), TchError> {
        self.value = value.detach().f_to(Device::Cpu)?;
        if self.gradient.fits(&self.value) {
            self.gradient.clear();
        } else {
            self.gradient = Buffer::like(&self.value, &self.axes)?;
        }
        Ok(())
    }
}

impl Reading {
    /// Takes the pictures `images` of a pass, `[n, c, h, w]`, and the layers that it read. The first `colors` channels are the
    /// picture, one behind them its opacity.
    pub fn new(
        images: &[u32],
        pictures: &Tensor,
        colors: i64,
        layers: &[Option<Layer>],
    ) -> Result<Self, TchError> {
        let slot = |layer: &Layer| Slot::new(layer.value, layer.axes.to_vec());
        let layers = layers.iter().map(|l| l.as_ref().map(slot).transpose()).collect::<Result<_, _>>()?;
        let part = |first, count| Slot::new(&channels(pictures, first, count)?, IMAGE_AXES.to_vec());
        let opacity = (pictures.size()[1] > colors).then(|| part(colors, 1)).transpose()?;
        let (images, pictures) = (images.to_vec(), part(0, colors)?);
        Ok(Self { images, pictures, opacity, layers, references: BTreeMap::new() })
    }

    /// Takes what the same pass made of references.
    pub fn set_references(&mut self, references: BTreeMap<usize, Reference>) {
        self.references = references;
    }

    /// Takes what the same pass read at the next step, and empties the gradients.
    pub fn refresh(&mut self, pictures: &Tensor, layers: &[Option<Layer>]) -> Result<(), TchError> {
        let colors = self.pictures.value.size()[1];
        self.pictures.refresh(&channels(pictures, 0, colors)?)?;
        if let Some(opacity) = &mut self.opacity {
            opacity.refresh(&channels(pictures, colors, 1)?)?;
        }
        for (slot, layer) in self.layers.iter_mut().zip(layers) {
            if let (Some(slot), Some(layer)) = (slot, layer) {
                slot.refresh(layer.value)?;
            }
        }
        Ok(())
    }

    /// The gradient that terms gave for the pictures themselves and for their opacity, `[n, c, h, w]`, on the CPU.
    pub fn picture_gradient(&self) -> Result<Tensor, TchError> {
        let colors = self.pictures.gradient.tensor();
        match &self.opacity {
            Some(opacity) => Tensor::f_cat(&[colors, opacity.gradient.tensor()], 1),
            None => Ok(colors.shallow_clone()),
        }
    }

    /// The gradient that terms gave for a layer of the plan, on the CPU; `None` where the pass does not read it.
    pub fn layer_gradient(&self, layer: usize) -> Option<&Tensor> {
        self.layers[layer].as_ref().map(|slot| slot.gradient.tensor())
    }

    fn slot(&self, read: Read) -> &Slot {
        match read {
            Read::Image => &self.pictures,
            Read::Alpha => self.opacity.as_ref().expect(READ),
            Read::Layer(layer) => self.layers[layer].as_ref().expect(READ),
        }
    }

    fn value(&self, source: Source) -> &Tensor {
        let Some(reference) = source.reference else { return &self.slot(source.read).value };
        let reference = self.references.get(&reference).expect(READ);
        match source.read {
            Read::Image => &reference.pictures,
            Read::Alpha => unreachable!("the host refuses taps of a reference's opacity"),
            Read::Layer(layer) => reference.layers[layer].as_ref().expect(READ),
        }
    }

    /// The rows of this reading that are among `images`.
    fn rows(&self, images: &[u32]) -> Vec<u32> {
        let found = self.images.iter().enumerate().filter(|(_, image)| images.contains(image));
        found.map(|(row, _)| row as u32).collect()
    }
}

const READ: &str = "a pass reads all that the terms of its pictures read";

/// Some channels of `[n, c, h, w]`, in memory of their own where they are not all.
fn channels(pictures: &Tensor, first: i64, count: i64) -> Result<Tensor, TchError> {
    pictures.f_narrow(1, first, count)?.f_contiguous()
}

/// A term's values for some pictures of a group.
pub struct TermValues {
    /// Rising.
    pub images: Vec<u32>,
    /// One per picture, unweighted.
    pub values: Vec<f64>,
}

/// Evaluates one term over the passes of a group. Where `scales` are given, one for each of the term's pictures, it adds
/// scale · ∂value/∂tap to the readings' gradients.
///
/// A term without coupling is called pass by pass, another once with all passes together.
pub fn evaluate(
    term: &mut BoundTerm,
    step: &StepInfo,
    readings: &[Reading],
    scales: Option<&[f64]>,
) -> Result<Vec<TermValues>, LossError> {
    let mut found = Vec::new();
    if term.couples() {
        found.extend(evaluate_together(term, step, readings, scales)?);
    } else {
        for reading in readings {
            found.extend(evaluate_together(term, step, std::slice::from_ref(reading), scales)?);
        }
    }
    Ok(found)
}

fn evaluate_together(
    term: &mut BoundTerm,
    step: &StepInfo,
    readings: &[Reading],
    scales: Option<&[f64]>,
) -> Result<Option<TermValues>, LossError> {
    let parts: Vec<(usize, Vec<u32>)> = readings
        .iter()
        .enumerate()
        .map(|(place, reading)| (place, reading.rows(&term.images)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let images: Vec<u32> = parts
        .iter()
        .flat_map(|(place, rows)| rows.iter().map(|&row| readings[*place].images[row as usize]))
        .collect();
    if images.is_empty() {
        return Ok(None);
    }
    let taps: Vec<Tap> = term
        .sources
        .iter()
        .map(|&source| Tap::gather(source, &parts, readings, scales.is_some()))
        .collect::<Result<_, _>>()?;
    let slot = |image: &u32| term.images.binary_search(image).expect("rows are of the term's own pictures");
    let scale: Vec<f64> =
        images.iter().map(|image| scales.map_or(0.0, |scales| scales[slot(image)])).collect();
    let mut values = vec![0.0; images.len()];
    {
        let inputs: Vec<View> =
            taps.iter().map(|tap| buffer::view(&tap.value, &tap.axes)).collect::<Result<_, _>>()?;
        let gradients: Vec<View> = match scales {
            Some(_) => {
                taps.iter().zip(&inputs).map(|(tap, input)| tap.gradient(input)).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let gradients = scales.map(|_| &gradients[..]);
        term.prepare(&inputs)?;
        term.instance.eval(step, &inputs, gradients, &scale, &mut values)?;
    }
    for tap in &taps {
        tap.scatter(&parts, readings, &term.instance)?;
    }
    Ok(Some(TermValues { images, values }))
}

/// One tap of one call: the rows of its pictures, and where their gradient goes.
struct Tap {
    source: Source,
    value: Tensor,
    axes: Vec<Axis>,
    /// A view of a reading's buffer, or of `own`.
    gradient: Option<Tensor>,
    /// A buffer for this call alone, to be added to the readings' afterwards.
    own: Option<Buffer>,
}

impl Tap {
    /// Takes rows without a copy where they lie together in one pass. The host stages what a plugin cannot stride.
    fn gather(
        source: Source,
        parts: &[(usize, Vec<u32>)],
        readings: &[Reading],
        wanted: bool,
    ) -> Result<Self, TchError> {
        let axes = readings[parts[0].0].slot(source.read).axes.clone();
        let wanted = wanted && source.reference.is_none();
        if let [(place, rows)] = parts {
            let reading = &readings[*place];
            let (first, count) = (i64::from(rows[0]), rows.len() as i64);
            if i64::from(rows[rows.len() - 1]) - first + 1 == count {
                let value = reading.value(source).f_narrow(0, first, count)?;
                let gradient = || reading.slot(source.read).gradient.tensor().f_narrow(0, first, count);
                let gradient = wanted.then(gradient).transpose()?;
                return Ok(Self { source, value, axes, gradient, own: None });
            }
        }
        let piece = |(place, rows): &(usize, Vec<u32>)| {
            readings[*place].value(source).f_index_select(0, &index(rows, Device::Cpu)?)
        };
        let pieces: Vec<Tensor> = parts.iter().map(piece).collect::<Result<_, TchError>>()?;
        let value = Tensor::f_cat(&pieces, 0)?;
        let own = wanted.then(|| Buffer::like(&value, &axes)).transpose()?;
        let gradient = own.as_ref().map(|own| own.tensor().shallow_clone());
        Ok(Self { source, value, axes, gradient, own })
    }

    /// Where its gradient goes; a view without data where none is wanted.
    fn gradient(&self, input: &View) -> Result<View<'_>, TchError> {
        match &self.gradient {
            Some(gradient) => buffer::view(gradient, &self.axes),
            None => Ok(input.without_data()),
        }
    }

    /// Checks the guards and adds a buffer of its own to the readings'.
    fn scatter(
        &self,
        parts: &[(usize, Vec<u32>)],
        readings: &[Reading],
        instance: &Instance,
    ) -> Result<(), LossError> {
        let shared_intact =
            parts.iter().all(|(place, _)| readings[*place].slot(self.source.read).gradient.intact());
        if !shared_intact || self.own.as_ref().is_some_and(|own| !own.intact()) {
            return Err(buffer::wrote_outside(&instance.info().id).into());
        }
        let (Some(gradient), Some(_)) = (&self.gradient, &self.own) else { return Ok(()) };
        let mut first = 0;
        for (place, rows) in parts {
            let piece = gradient.f_narrow(0, first, rows.len() as i64)?;
            first += rows.len() as i64;
            let mut whole = readings[*place].slot(self.source.read).gradient.tensor().shallow_clone();
            let _ = whole.f_index_add_(0, &index(rows, Device::Cpu)?, &piece)?;
        }
        Ok(())
    }
}

/// Rows as an index tensor.
fn index(rows: &[u32], device: Device) -> Result<Tensor, TchError> {
    let rows: Vec<i64> = rows.iter().map(|&row| i64::from(row)).collect();
    Tensor::f_from_slice(&rows)?.f_to(device)
}
