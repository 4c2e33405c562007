//! From a spec to what can run: every check that needs the model or the plugins, and the shape of the passes.

use super::limits::ELEMENTS_AT_ONCE;
use super::loss::{BoundTerm, IMAGE_AXES, Read, Source};
use super::objective::{Objective, Role};
use super::parameterization::elements;
use super::patches::placed;
use crate::model::{self, ChannelOrder, LayerShape, Model, ModelError};
use crate::plugin::{self, DType, ParamValue, Registry, Tap, TermError, TermKind, View, ViewError};
use crate::seed::{Draws, Use};
use crate::spec::{Expression, FieldError, OptimizeSpec, TermSpec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A checked optimization, ready to run on any thread.
pub struct Plan {
    pub(super) spec: OptimizeSpec,
    pub(super) model: Arc<Model>,
    /// The layers that terms read, each once.
    pub(super) layers: Vec<String>,
    /// One per term of the spec, in its order.
    pub(super) terms: Vec<BoundTerm>,
    pub(super) objective: Objective,
    pub(super) groups: Vec<Group>,
}

impl Plan {
    /// Whether any term drives this picture through a layer.
    pub(super) fn is_driven(&self, image: u32) -> bool {
        let reads = |source: &Source| source.reference.is_none() && matches!(source.read, Read::Layer(_));
        self.objective.moving(&self.terms, image).any(|term| term.sources.iter().any(reads))
    }
}

/// Pictures whose terms see each other, as the passes that make their activations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub passes: Vec<Pass>,
}

/// Pictures that go through the network together; the spec alone decides which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// Rising.
    pub images: Vec<u32>,
    /// Indices into [`Plan::layers`], rising.
    pub layers: Vec<usize>,
    /// Indices into the spec's references that terms compare these pictures with, rising.
    pub references: Vec<usize>,
}

/// Checks everything that needs the model or the plugins and returns what can run.
///
/// Takes about one forward pass of the model at the spec's size, on the calling thread.
///
/// # Errors
/// One [`FieldError`] per wrong field: an unknown layer or term, a parameter, a size that the export fixed.
pub fn prepare(
    spec: &OptimizeSpec,
    model: &Arc<Model>,
    registry: &Registry,
) -> Result<Plan, Vec<FieldError>> {
    let mut errors = check_input(spec, model);
    let has_size = errors.is_empty();
    let mut binder = Binder { spec, model, registry, layers: Vec::new() };
    let mut bound = Vec::with_capacity(spec.terms.len());
    for (place, term) in spec.terms.iter().enumerate() {
        match binder.bind(place, term) {
            Ok(term) => bound.push((place, term)),
            Err(error) => errors.push(error),
        }
    }
    let layers = binder.layers;
    if has_size {
        errors.extend(prepare_terms(spec, model, &layers, &mut bound));
    }
    let all_bound = bound.len() == spec.terms.len();
    let terms: Vec<BoundTerm> = bound.into_iter().map(|(_, term)| term).collect();
    let kinds: Vec<TermKind> = terms.iter().map(BoundTerm::kind).collect();
    let objective = all_bound.then(|| Objective::new(spec.objective.as_ref(), &kinds));
    if let Some(objective) = &objective {
        errors.extend(uncovered(spec, &terms, objective));
        errors.extend(irreversible(spec, &terms));
        errors.extend(misused(spec.objective.as_ref(), &kinds));
        errors.extend(inseparable(spec, &terms));
        errors.extend(overflowing(&terms, objective));
    }
    let Some(objective) = objective.filter(|_| errors.is_empty()) else { return Err(errors) };
    let read = (0..spec.images).map(|image| layers_of(image, &terms)).collect();
    let mut groups = groups(read, spec.images_per_pass as usize, terms.iter().any(BoundTerm::couples));
    for pass in groups.iter_mut().flat_map(|group| &mut group.passes) {
        pass.references = references_of(pass, &terms);
    }
    match check_memory(spec, model, &layers, &groups) {
        Some(error) => Err(vec![error]),
        None => Ok(Plan { spec: spec.clone(), model: model.clone(), layers, terms, objective, groups }),
    }
}

/// Bounds what is alive at once: the passes of a group wait for each other.
fn check_memory(
    spec: &OptimizeSpec,
    model: &Model,
    layers: &[String],
    groups: &[Group],
) -> Option<FieldError> {
    let pixels =
        u64::from(model.manifest().input.channels.count()) * u64::from(spec.height) * u64::from(spec.width);
    let of_pass = |pass: &Pass| {
        let read: Vec<String> = pass.layers.iter().map(|&layer| layers[layer].clone()).collect();
        let activations = pixels.saturating_add(model.elements(&read, spec.height, spec.width)?);
        // Of a reference only what terms read is kept.
        let layers = model.shapes(&read, spec.height, spec.width)?;
        let tapped = layers
            .iter()
            .map(|layer| layer.shape.iter().fold(1, |product: u64, &size| product.saturating_mul(size)));
        let compared = pixels.saturating_add(tapped.fold(0, u64::saturating_add));
        let compared = compared.saturating_mul(pass.references.len() as u64);
        Ok(activations.saturating_add(compared).saturating_mul(pass.images.len() as u64))
    };
    // All pictures leave the canvas together.
    let channels = u64::from(model.manifest().input.channels.count()) + 1;
    let of_canvas = elements(&spec.parameterization.basis, pixels / (channels - 1), channels);
    let canvas = of_canvas.saturating_mul(u64::from(spec.images));
    let of_group = |group: &Group| group.passes.iter().map(of_pass).sum::<Result<u64, ModelError>>();
    let elements = match groups.iter().map(of_group).collect::<Result<Vec<_>, _>>() {
        Ok(elements) => elements.into_iter().max()?.saturating_add(canvas),
        Err(error) => return Some(FieldError::new("size", error.to_string())),
    };
    (elements > ELEMENTS_AT_ONCE).then(|| {
        let field = if groups.len() > 1 { "images_per_pass" } else { "images" };
        FieldError::new(
            field,
            format!(
                "images of {} × {} that go through the network together have {elements} activations; at most \
                 {ELEMENTS_AT_ONCE} are kept at once (images that a term couples, or images_per_pass; references count for each): ask \
                 for fewer images, or for smaller ones",
                spec.height, spec.width
            ),
        )
    })
}

/// Holds the spec's sizes against what the export allows, and its colours against the model's channels.
fn check_input(spec: &OptimizeSpec, model: &Model) -> Vec<FieldError> {
    let field = |axis| match axis {
        model::Axis::Batch => "images_per_pass",
        model::Axis::Height => "size.height",
        _ => "size.width",
    };
    let refusals = model.refusals(spec.images_per_pass, spec.height, spec.width);
    let mut errors: Vec<FieldError> =
        refusals.into_iter().map(|(axis, reason)| FieldError::new(field(axis), reason)).collect();
    let colors = matches!(model.manifest().input.channels, ChannelOrder::Rgb | ChannelOrder::Bgr);
    if spec.parameterization.decorrelate_colors && !colors {
        errors.push(FieldError::new(
            "parameterization.decorrelate_colors",
            format!("true needs a model that takes colours; `{}` does not: leave it out", model.name()),
        ));
    }
    errors
}

/// What sets pictures needs a parameterization that every picture can be taken back to.
fn irreversible(spec: &OptimizeSpec, terms: &[BoundTerm]) -> Vec<FieldError> {
    let basis = &spec.parameterization.basis;
    if basis.has_inverse() {
        return Vec::new();
    }
    let name = basis.name();
    let way_out = "not every picture can be made by it; use `fourier`, `pixel` or `laplacian`";
    let edits = terms.iter().enumerate().filter(|(_, term)| term.edits_images());
    let mut errors: Vec<FieldError> = edits
        .map(|(place, term)| {
            let id = &term.info().id;
            let reason = format!("`{id}` edits pictures, which `{name}` does not take back: {way_out}");
            FieldError::new(format!("terms[{place}].id"), reason)
        })
        .collect();
    if spec.start.is_some() {
        errors.push(FieldError::new("start", format!("`{name}` cannot start from a picture: {way_out}")));
    }
    errors
}

/// Step operations have no value to reckon with.
fn misused(objective: Option<&Expression>, kinds: &[TermKind]) -> Option<FieldError> {
    let place = (0..kinds.len()).find(|&place| {
        kinds[place] == TermKind::StepOperation && objective.is_some_and(|o| o.reads(place))
    })?;
    let reason = format!("term {place} is a step operation and has no value; leave it out of the expression");
    Some(FieldError::new("objective", reason))
}

/// What ties pictures together would change its meaning when some of them go.
fn inseparable(spec: &OptimizeSpec, terms: &[BoundTerm]) -> Option<FieldError> {
    if spec.elimination.is_some() && spec.parameterization.shared.is_some() {
        let reason = "pictures that share a part change with it, and elimination leaves some of them as they are; leave one of \
                      the two out";
        return Some(FieldError::new("elimination", reason));
    }
    let term = terms.iter().find(|term| spec.elimination.is_some() && term.couples())?;
    let id = &term.info().id;
    let reason = format!(
        "`{id}` looks at several images at once, and elimination takes some of them away; leave one of the two out"
    );
    Some(FieldError::new("elimination", reason))
}

/// Every picture needs something to climb: by default an objective, in an expression any term of it, in either case with a weight.
fn uncovered(spec: &OptimizeSpec, terms: &[BoundTerm], objective: &Objective) -> Option<FieldError> {
    let climbs = |image: u32| {
        let counts = |term: &BoundTerm| spec.objective.is_some() || term.kind() == TermKind::Objective;
        objective.moving(terms, image).any(counts)
    };
    let image = (0..spec.images).find(|&image| !climbs(image))?;
    if spec.objective.is_some() {
        let reason = format!(
            "no term of the expression moves image {image}; each image needs one whose weights are not 0"
        );
        return Some(FieldError::new("objective", reason));
    }
    Some(FieldError::new(
        "terms",
        format!("no objective applies to image {image}; each image needs at least one, such as `channel`"),
    ))
}

/// Numbers that only together leave the range of floats.
fn overflowing(terms: &[BoundTerm], objective: &Objective) -> Vec<FieldError> {
    let each = terms.iter().zip(objective.roles()).enumerate();
    let wrong = each.filter_map(|(place, (term, role))| {
        let slope = if let Role::Linear(slope) = role { *slope } else { 1.0 };
        let weights = (0..term.images.len()).map(|slot| slope * term.weight(slot));
        let weight = weights.into_iter().find(|weight| !weight.is_finite())?;
        let reason =
            format!("its weights and factors make {weight} together, which is no number; use smaller ones");
        Some(FieldError::new(format!("terms[{place}].weight"), reason))
    });
    wrong.collect()
}

/// Turns terms of the spec into instances whose taps are known layers.
struct Binder<'a> {
    spec: &'a OptimizeSpec,
    model: &'a Model,
    registry: &'a Registry,
    layers: Vec<String>,
}

impl Binder<'_> {
    fn bind(&mut self, place: usize, term: &TermSpec) -> Result<BoundTerm, FieldError> {
        let at = |error: TermError| field_error(place, &error);
        let info = self.registry.term(&term.id).map_err(at)?;
        let seed = Draws::new(self.spec.seed, 0, 0, Use::Term(place as u32)).bits();
        let params = placed(&term.params, self.model, [self.spec.height, self.spec.width])
            .map_err(|error| FieldError::new(format!("terms[{place}].{}", error.field), error.reason))?;
        let mut instance = info.create(&params, &self.model.manifest().labels, seed).map_err(at)?;
        let taps = match info.kind {
            TermKind::StepOperation => vec![Tap::Image { reference: false }],
            _ => instance.taps().map_err(at)?,
        };
        let reference = reference(place, term, &taps)?;
        let source = |tap: &Tap| {
            let read = match tap {
                Tap::Image { .. } => Read::Image,
                Tap::Alpha if self.spec.parameterization.alpha => Read::Alpha,
                Tap::Alpha => {
                    let reason = format!(
                        "`{}` reads the opacity of pictures, and these have none; ask for it by `parameterization.alpha`",
                        term.id
                    );
                    return Err(FieldError::new(format!("terms[{place}].id"), reason));
                }
                Tap::Layer { path, .. } => {
                    let layer = self.layer(path);
                    layer.map_err(|reason| FieldError::new(layer_field(place, term, path), reason))?
                }
            };
            Ok(Source { read, reference: reference.filter(|_| tap.is_reference()) })
        };
        let sources = taps.iter().map(source).collect::<Result<_, _>>()?;
        Ok(BoundTerm::new(instance, term, sources))
    }

    /// The place of a layer in the list of those read. A trailing `?` takes the layer itself where it has no value before its
    /// activation (see the header, `us_tap`).
    fn layer(&mut self, path: &str) -> Result<Read, String> {
        let path = match path.strip_suffix('?') {
            Some(wanted) if self.model.layer(wanted).is_ok() => wanted,
            Some(wanted) => wanted.strip_suffix(":pre").unwrap_or(wanted),
            None => path,
        };
        let path = self.model.canonical(path).map_err(|error| error.to_string())?;
        let place = self.layers.iter().position(|layer| *layer == path).unwrap_or_else(|| {
            self.layers.push(path);
            self.layers.len() - 1
        });
        Ok(Read::Layer(place))
    }
}

/// The reference that a term's taps read: its spec's, which they need exactly where one of them asks for it.
fn reference(place: usize, term: &TermSpec, taps: &[Tap]) -> Result<Option<usize>, FieldError> {
    let wanted = taps.iter().any(Tap::is_reference);
    let wrong = |reason: String| FieldError::new(format!("terms[{place}].reference"), reason);
    match term.reference {
        None if wanted => Err(wrong(format!(
            "`{}` compares with a picture; give one in `references`, and its place here",
            term.id
        ))),
        Some(_) if !wanted => {
            Err(wrong(format!("`{}` compares with nothing; leave the reference out", term.id)))
        }
        given => Ok(given),
    }
}

/// The field that holds a layer: the parameter whose value it is, else the term itself.
fn layer_field(place: usize, term: &TermSpec, path: &str) -> String {
    let asked = path.trim_end_matches('?').trim_end_matches(":pre");
    let holder = term.params.iter().find(|(_, value)| match value {
        ParamValue::String(text) => text.trim_end_matches(":pre") == asked,
        _ => false,
    });
    match holder {
        Some((name, _)) => format!("terms[{place}].params.{name}"),
        None => format!("terms[{place}].id"),
    }
}

/// The field that a term's refusal speaks of.
fn field_error(place: usize, error: &TermError) -> FieldError {
    let field = match error.parameter() {
        Some(name) => format!("terms[{place}].params.{name}"),
        None => format!("terms[{place}].id"),
    };
    FieldError::new(field, error.to_string())
}

/// Shows every term the shapes that it will get.
fn prepare_terms(
    spec: &OptimizeSpec,
    model: &Model,
    layers: &[String],
    terms: &mut [(usize, BoundTerm)],
) -> Vec<FieldError> {
    let shapes = match model.shapes(layers, spec.height, spec.width) {
        Ok(shapes) => shapes,
        Err(error) => return vec![FieldError::new("size", error.to_string())],
    };
    let channels = i64::from(model.manifest().input.channels.count());
    let picture = [channels, i64::from(spec.height), i64::from(spec.width)];
    // Step operations edit the opacity as well.
    let whole = [channels + i64::from(spec.parameterization.alpha), picture[1], picture[2]];
    let whole_or_picture =
        |term: &BoundTerm| if term.kind() == TermKind::StepOperation { whole } else { picture };
    let mut errors = Vec::new();
    for (place, term) in terms {
        let views: Result<Vec<View>, _> = term
            .sources
            .iter()
            .map(|source| match source.read {
                Read::Image => shape_view(term.images.len(), &whole_or_picture(term), &IMAGE_AXES),
                Read::Alpha => shape_view(term.images.len(), &[1, picture[1], picture[2]], &IMAGE_AXES),
                Read::Layer(layer) => {
                    let LayerShape { shape, axes, .. } = &shapes[layer];
                    let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
                    shape_view(term.images.len(), &shape, &super::buffer::roles(axes))
                }
            })
            .collect();
        match views {
            Ok(views) => errors.extend(term.prepare(&views).err().map(|error| field_error(*place, &error))),
            Err(error) => errors.push(FieldError::new("size", error.to_string())),
        }
    }
    errors
}

/// `[images, shape…]` without data.
fn shape_view(images: usize, shape: &[i64], axes: &[plugin::Axis]) -> Result<View<'static>, ViewError> {
    View::shape_only(DType::F32, &[&[images as i64], shape].concat(), axes)
}

/// Decides which pictures share a pass: those that read the same layers, in order, at most `per_pass` together. `layers` holds what
/// each picture reads. Where a term `couples` pictures, all passes are one group, so that the term sees them all.
fn groups(layers: Vec<Vec<usize>>, per_pass: usize, couples: bool) -> Vec<Group> {
    let mut passes: Vec<Pass> = Vec::new();
    for (image, layers) in (0..).zip(layers) {
        match passes.iter_mut().rev().find(|pass| pass.layers == layers) {
            Some(pass) if pass.images.len() < per_pass => pass.images.push(image),
            _ => passes.push(Pass { images: vec![image], layers, references: Vec::new() }),
        }
    }
    if couples {
        vec![Group { passes }]
    } else {
        passes.into_iter().map(|pass| Group { passes: vec![pass] }).collect()
    }
}

/// The references that terms compare a pass's pictures with, rising.
pub(super) fn references_of(pass: &Pass, terms: &[BoundTerm]) -> Vec<usize> {
    let here = terms.iter().filter(|term| pass.images.iter().any(|image| term.images.contains(image)));
    let found: BTreeSet<usize> =
        here.flat_map(|term| &term.sources).filter_map(|source| source.reference).collect();
    found.into_iter().collect()
}

/// The layers that the terms of a picture read, rising.
fn layers_of(image: u32, terms: &[BoundTerm]) -> Vec<usize> {
    let mut layers: Vec<usize> = terms
        .iter()
        .filter(|term| term.images.contains(&image))
        .flat_map(|term| &term.sources)
        .filter_map(|source| match source.read {
            Read::Layer(layer) => Some(layer),
            Read::Image | Read::Alpha => None,
        })
        .collect();
    layers.sort_unstable();
    layers.dedup();
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes as the images in them; groups in brackets of their own.
    fn check(layers: &[&[usize]], per_pass: usize, couples: bool, expected: &[&[&[u32]]]) {
        let layers = layers.iter().map(|layers| layers.to_vec()).collect();
        let found: Vec<Vec<Vec<u32>>> = groups(layers, per_pass, couples)
            .into_iter()
            .map(|group| group.passes.into_iter().map(|pass| pass.images).collect())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn pictures_of_the_same_layers_share_passes() {
        check(&[&[0], &[0], &[0]], 8, false, &[&[&[0, 1, 2]]]);
        check(&[&[0], &[0], &[0]], 2, false, &[&[&[0, 1]], &[&[2]]]);
        check(&[&[0], &[1], &[0], &[0, 1]], 8, false, &[&[&[0, 2]], &[&[1]], &[&[3]]]);
    }

    #[test]
    fn coupled_pictures_are_one_group_of_several_passes() {
        check(&[&[0], &[0], &[0]], 2, true, &[&[&[0, 1], &[2]]]);
    }
}
