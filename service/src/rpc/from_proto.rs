//! From the proto's spec to the job's: every number checked, every default filled in. It knows no layer and no parameter's meaning.
//!
//! All that is wrong is found in one go. Paths begin at the spec, such as `terms[2].images[0]`.

mod card;
mod elimination;
mod layers;
mod objective;
mod optimizer;
mod parts;
mod rank;
mod references;
mod stop;
mod terms;

pub use card::card;
pub use layers::{name_ranked_layers, name_term_layers};
pub use rank::rank;

use crate::data::references::Target;
use crate::job::{OptimizeOrder, RequestKey};
use crate::limits::{Limits, NAME_BYTES, SPEC_BYTES};
use prost::Message;
use std::collections::HashSet;
use std::fmt::Display;
use unitscope_engine::model::{ChannelOrder, Model};
use unitscope_engine::plugin::Registry;
use unitscope_engine::spec::{FieldError, OptimizeSpec};
use unitscope_proto::v1 as proto;

/// What defaults and rules depend on.
pub struct Context<'a> {
    /// Of the model that the spec names.
    pub model: ModelFacts,
    /// What the server allows.
    pub limits: &'a Limits,
    /// Says which terms are step operations.
    pub registry: &'a Registry,
}

/// What a model gives to defaults.
#[derive(Clone, Copy, Debug)]
pub struct ModelFacts {
    /// Rows of its input.
    pub height: u32,
    /// Columns of its input.
    pub width: u32,
    /// It takes red, green and blue, in whatever order.
    pub colors: bool,
    /// How many channels it takes.
    pub channels: u32,
    /// The least and the most images that one pass may have.
    pub batches: (u32, u32),
}

impl ModelFacts {
    /// Of a loaded model.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let input = &model.manifest().input;
        let colors = matches!(input.channels, ChannelOrder::Rgb | ChannelOrder::Bgr);
        let batches = model.batches();
        let batches = (*batches.start(), *batches.end());
        let channels = input.channels.count();
        Self { height: input.height, width: input.width, colors, channels, batches }
    }
}

/// Checks a spec and fills it in.
///
/// # Errors
/// One [`FieldError`] per wrong field.
pub fn spec(spec: &proto::OptimizeSpec, context: &Context) -> Result<OptimizeOrder, Vec<FieldError>> {
    let limits = context.limits;
    let facts = context.model;
    let mut wrong = Wrong::default();
    let images = wrong.within("images", spec.images.unwrap_or(1), 1, limits.images);
    let steps = wrong.within("steps", spec.steps.unwrap_or(DEFAULT_STEPS), 1, limits.steps);
    let size = spec.size.unwrap_or(proto::ImageSize { height: facts.height, width: facts.width });
    let height = wrong.within("size.height", size.height, 1, limits.image_side_px);
    let width = wrong.within("size.width", size.width, 1, limits.image_side_px);
    let target = Target { channels: facts.channels, height, width };
    let optimize = OptimizeSpec {
        images,
        terms: terms::terms(&spec.terms, images, spec.references.len(), context, &mut wrong),
        references: references::references(&spec.references, target, &mut wrong),
        start: references::place("start", spec.start, spec.references.len(), &mut wrong),
        objective: objective::objective(spec.objective.as_ref(), spec.terms.len(), &mut wrong),
        steps,
        seed: spec.seed.unwrap_or(0),
        height,
        width,
        parameterization: parts::parameterization(spec.parameterization.as_ref(), images, facts, &mut wrong),
        transforms: parts::transforms(spec.transforms.as_ref(), height, width, &mut wrong),
        views_per_step: wrong.within("views_per_step", spec.views_per_step.unwrap_or(1), 1, VIEWS_PER_STEP),
        clean_steps: clean_steps(spec, steps, &mut wrong),
        optimizer: optimizer::optimizer(spec, steps, limits.steps, &mut wrong),
        stop: stop::stop(spec.stop.as_ref(), limits.steps, &mut wrong),
        elimination: elimination::elimination(spec.elimination.as_ref(), images, steps, &mut wrong),
        snapshot_steps: snapshot_steps(&spec.snapshot_steps, steps, limits, &mut wrong),
        redirect: spec.redirect.unwrap_or(true),
        smooth_max_pools: spec.smooth_max_pools.unwrap_or(false),
        images_per_pass: images_per_pass(spec.images_per_pass, images, context, &mut wrong),
    };
    let files: usize = spec.references.iter().map(|reference| reference.data.len()).sum();
    let files = files + magnitude(spec).map_or(0, Message::encoded_len);
    check_totals(&optimize, spec.encoded_len().saturating_sub(files), limits, &mut wrong);
    check_labels(&spec.labels, images, &mut wrong);
    if !wrong.0.is_empty() {
        return Err(wrong.0);
    }
    Ok(OptimizeOrder {
        model: spec.model.clone(),
        optimize,
        magnitude_digest: magnitude(spec).map(magnitude_digest),
        reference_digests: spec.references.iter().map(references::digest).collect(),
        labels: spec.labels.clone(),
        return_tensors: spec.return_tensors,
    })
}

/// The magnitudes that a spec brings.
fn magnitude(spec: &proto::OptimizeSpec) -> Option<&proto::SpectrumMagnitude> {
    match spec.parameterization.as_ref()?.kind.as_ref()? {
        proto::parameterization::Kind::Maco(maco) => maco.magnitude.as_ref(),
        _ => None,
    }
}

fn magnitude_digest(magnitude: &proto::SpectrumMagnitude) -> String {
    let bytes: Vec<u8> = magnitude.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex().to_string()
}

/// As the proto says: what a view costs, a step costs as often.
const VIEWS_PER_STEP: u32 = 32;

/// As the proto says; lucid's `render_vis` has it too.
const DEFAULT_STEPS: u32 = 512;

/// As the proto says. An eighth is enough to undo what transforms cost the scores of small units, and changes no picture to the eye
/// (docs/evidence.md).
const CLEAN_STEPS_SHARE: u32 = 8;

/// As the proto says: where one pass begins to use the memory's bandwidth rather than wait for it.
const DEFAULT_IMAGES_PER_PASS: u32 = 8;

/// Reads a submission's key: empty is none, anything else must be a UUID.
///
/// # Errors
/// A [`FieldError`].
pub fn request_key<S: Message>(id: &str, spec: Option<&S>) -> Result<Option<RequestKey>, FieldError> {
    let id = id.to_ascii_lowercase();
    if id.is_empty() {
        return Ok(None);
    }
    let groups: Vec<&str> = id.split('-').collect();
    let hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) || !groups.iter().all(hex) {
        let reason = "must be empty or a UUID, such as `0b3f1a52-6c5e-4d0e-9a3b-2f6d1c7e8a90`";
        return Err(FieldError::new("request_id", reason));
    }
    let spec = spec.map(Message::encode_to_vec).unwrap_or_default();
    Ok(Some(RequestKey { id, spec_digest: *blake3::hash(&spec).as_bytes() }))
}

/// What is wrong so far.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

impl Wrong {
    fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.0.push(FieldError::new(field, reason));
    }

    /// Returns the value, or the nearest that is in range, after noting that it is not.
    fn within<T: PartialOrd + Copy + Display>(&mut self, field: &str, value: T, least: T, most: T) -> T {
        if value >= least && value <= most {
            return value;
        }
        self.add(field, format!("{value} is out of range; it must be {least} … {most}"));
        if value > most { most } else { least }
    }

    /// Checks that a value is > 0 and a normal float32: what tensors hold of a smaller one is 0, of a larger one infinity.
    fn positive(&mut self, field: &str, value: f64) -> f64 {
        let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        if !(value >= least && value <= most) {
            let reason = format!(
                "{value} is out of range; it must be {least:.2e} … {most:.2e}, what float32 can hold"
            );
            self.add(field, reason);
        }
        value
    }

    /// Checks that numbers rise and are all in range; names the first that is not.
    fn rising(&mut self, field: &str, values: &[u32], least: u32, most: u32) {
        for (place, &value) in values.iter().enumerate() {
            if value < least || value > most {
                return self.add(
                    format!("{field}[{place}]"),
                    format!("{value} is out of range; it must be {least} … {most}"),
                );
            }
            if place > 0 && values[place - 1] >= value {
                let before = values[place - 1];
                return self.add(
                    format!("{field}[{place}]"),
                    format!("{value} follows {before}; the numbers must rise"),
                );
            }
        }
    }
}

/// With transforms of the client's own it is the client who says when they end.
fn clean_steps(spec: &proto::OptimizeSpec, steps: u32, wrong: &mut Wrong) -> u32 {
    let default = if spec.transforms.is_none() { steps / CLEAN_STEPS_SHARE } else { 0 };
    wrong.within("clean_steps", spec.clean_steps.unwrap_or(default), 0, steps)
}

fn snapshot_steps(given: &[u32], steps: u32, limits: &Limits, wrong: &mut Wrong) -> Vec<u32> {
    if given.len() > limits.snapshots as usize {
        let reason =
            format!("{} snapshots are too many; this server takes at most {}", given.len(), limits.snapshots);
        wrong.add("snapshot_steps", reason);
    } else {
        wrong.rising("snapshot_steps", given, 1, steps);
    }
    given.to_vec()
}

fn images_per_pass(given: Option<u32>, images: u32, context: &Context, wrong: &mut Wrong) -> u32 {
    match given {
        Some(given) => wrong.within("images_per_pass", given, 1, context.limits.images),
        None => {
            let (least, most) = context.model.batches;
            images.min(DEFAULT_IMAGES_PER_PASS).clamp(least, most.max(least))
        }
    }
}

/// Checks what several fields make together.
fn check_totals(spec: &OptimizeSpec, sent_bytes: usize, limits: &Limits, wrong: &mut Wrong) {
    let images = u64::from(spec.images);
    let values = u64::from(spec.steps) * images * spec.terms.len() as u64;
    if values > limits.step_values {
        let reason = format!(
            "steps × images × terms is {values}; this server takes at most {}: make fewer of them, or several jobs",
            limits.step_values
        );
        wrong.add("steps", reason);
    }
    let pictures = images * (1 + spec.snapshot_steps.len() as u64);
    let pixels = pictures * u64::from(spec.height) * u64::from(spec.width);
    if pixels > limits.job_pixels {
        let reason = format!(
            "images × height × width × (1 + snapshots) is {pixels}; this server takes at most {}: make smaller or fewer pictures",
            limits.job_pixels
        );
        wrong.add("size", reason);
    }
    if pictures > Limits::JOB_IMAGES {
        let reason = format!(
            "images × (1 + snapshots) is {pictures}; at most {} are possible: make fewer of them, or several jobs",
            Limits::JOB_IMAGES
        );
        wrong.add("snapshot_steps", reason);
    }
    if sent_bytes > SPEC_BYTES {
        wrong.add(
            "terms",
            format!(
                "the spec has {sent_bytes} bytes; at most {SPEC_BYTES} are possible: shorten texts and lists"
            ),
        );
    }
}

fn check_labels(labels: &[String], images: u32, wrong: &mut Wrong) {
    if labels.is_empty() {
        return;
    }
    if labels.len() != images as usize {
        let reason =
            format!("there are {} labels for {images} images; give one for each, or none", labels.len());
        return wrong.add("labels", reason);
    }
    let mut seen = HashSet::new();
    for (place, label) in labels.iter().enumerate() {
        let field = format!("labels[{place}]");
        let unsafe_char = |c: char| c.is_control() || c == '/' || c == '\\';
        if label.is_empty() || label.len() > NAME_BYTES {
            wrong.add(field, format!("a label has 1 … {NAME_BYTES} bytes, not {}", label.len()));
        } else if label.contains(unsafe_char) || label.starts_with('.') {
            wrong.add(field, "a label becomes part of file names; it must not begin with `.` or hold `/`, `\\` or control characters");
        } else if !seen.insert(label) {
            wrong.add(field, format!("`{label}` is used twice; labels must differ"));
        }
    }
}

#[cfg(test)]
mod tests;
