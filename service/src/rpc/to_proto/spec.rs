//! A filled-in spec as the proto has it: what a client must send, with the files of its references, to make the same job again.

mod optimizer;
mod stop;

use crate::job::OptimizeOrder;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use unitscope_engine::plugin::ParamValue;
use unitscope_engine::spec::{Basis, Expression, TermSpec, Transform};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::{expression, parameterization, transform};

pub(super) fn spec(spec: &OptimizeOrder) -> proto::OptimizeSpec {
    let optimize = &spec.optimize;
    let transforms = optimize.transforms.iter().map(|&kind| self::transform(kind)).collect();
    proto::OptimizeSpec {
        model: spec.model.clone(),
        images: Some(optimize.images),
        terms: optimize.terms.iter().map(|one| term(one, optimize.images)).collect(),
        steps: Some(optimize.steps),
        seed: Some(optimize.seed),
        size: Some(proto::ImageSize { height: optimize.height, width: optimize.width }),
        parameterization: Some(parameterization(spec)),
        transforms: Some(proto::Transforms { transforms }),
        views_per_step: Some(optimize.views_per_step),
        clean_steps: Some(optimize.clean_steps),
        optimizer: Some(optimizer::optimizer(optimize.optimizer)),
        stop: stop::stop(optimize.stop),
        elimination: optimize.elimination.as_ref().map(stop::elimination),
        snapshot_steps: optimize.snapshot_steps.clone(),
        return_tensors: spec.return_tensors,
        images_per_pass: Some(optimize.images_per_pass),
        redirect: Some(optimize.redirect),
        smooth_max_pools: Some(optimize.smooth_max_pools),
        objective: optimize.objective.as_ref().map(expression),
        start: optimize.start.map(|place| place as u32),
        references: spec.reference_digests.iter().map(|digest| reference(digest)).collect(),
        labels: spec.labels.clone(),
    }
}

/// A weight of 1 is left out: that is its default, and step operations take none.
fn term(term: &TermSpec, images: u32) -> proto::Term {
    let fields = term.params.iter().map(|(name, value)| (name.clone(), self::value(value))).collect();
    proto::Term {
        id: term.id.clone(),
        weight: (term.weight != 1.0).then_some(term.weight),
        params: Some(Struct { fields }),
        images: if term.images.len() == images as usize { Vec::new() } else { term.images.clone() },
        reference: term.reference.map(|place| place as u32),
        image_weights: if term.image_weights.iter().all(|weight| *weight == 1.0) {
            Vec::new()
        } else {
            term.image_weights.clone()
        },
    }
}

/// The file itself was the client's, and is not sent back.
fn reference(digest: &str) -> proto::ReferenceImage {
    proto::ReferenceImage { data: Vec::new(), blake3: digest.to_owned() }
}

fn expression(given: &Expression) -> proto::Expression {
    let list =
        |parts: &[Expression]| proto::expression::List { parts: parts.iter().map(expression).collect() };
    let kind = match given {
        Expression::Term(place) => expression::Kind::Term(*place as u32),
        Expression::Constant(constant) => expression::Kind::Constant(*constant),
        Expression::Sum(parts) => expression::Kind::Sum(list(parts)),
        Expression::Product(parts) => expression::Kind::Product(list(parts)),
        Expression::Negation(part) => expression::Kind::Negation(Box::new(expression(part))),
    };
    proto::Expression { kind: Some(kind) }
}

/// A parameter as JSON has it.
pub(super) fn value(value: &ParamValue) -> Value {
    let number = |value: f64| Value { kind: Some(Kind::NumberValue(value)) };
    let kind = match value {
        ParamValue::Bool(value) => Kind::BoolValue(*value),
        ParamValue::Int(value) => return number(*value as f64),
        ParamValue::Float(value) => return number(*value),
        ParamValue::String(value) => Kind::StringValue(value.clone()),
        ParamValue::IntList(values) => {
            Kind::ListValue(ListValue { values: values.iter().map(|&value| number(value as f64)).collect() })
        }
        ParamValue::FloatList(values) => {
            Kind::ListValue(ListValue { values: values.iter().copied().map(number).collect() })
        }
    };
    Value { kind: Some(kind) }
}

fn parameterization(spec: &OptimizeOrder) -> proto::Parameterization {
    let given = &spec.optimize.parameterization;
    let kind = match &given.basis {
        &Basis::Pixel { standard_deviation } => parameterization::Kind::Pixel(parameterization::Pixel {
            standard_deviation: Some(standard_deviation),
        }),
        &Basis::Fourier { standard_deviation, decay_power } => {
            parameterization::Kind::Fourier(parameterization::Fourier {
                standard_deviation: Some(standard_deviation),
                decay_power: Some(decay_power),
            })
        }
        &Basis::Laplacian { standard_deviation, levels } => {
            parameterization::Kind::Laplacian(parameterization::Laplacian {
                standard_deviation: Some(standard_deviation),
                levels: Some(levels),
            })
        }
        &Basis::Cppn { layers, channels } => parameterization::Kind::Cppn(parameterization::Cppn {
            layers: Some(layers),
            channels: Some(channels),
        }),
        Basis::Maco { magnitude } => {
            let magnitude = magnitude.as_ref().zip(spec.magnitude_digest.as_ref());
            let magnitude = magnitude.map(|(spectrum, digest)| proto::SpectrumMagnitude {
                channels: spectrum.channels,
                height: spectrum.height,
                columns: spectrum.columns,
                values: Vec::new(),
                blake3: digest.clone(),
            });
            parameterization::Kind::Maco(parameterization::Maco { magnitude })
        }
    };
    let shared = given.shared.as_ref().map(|shared| parameterization::Shared {
        divisors: shared.divisors.clone(),
        anchors: Some(shared.anchors),
    });
    proto::Parameterization {
        kind: Some(kind),
        decorrelate_colors: Some(given.decorrelate_colors),
        alpha: given.alpha,
        shared,
    }
}

fn transform(given: Transform) -> proto::Transform {
    let kind = match given {
        Transform::Pad { px } => transform::Kind::Pad(transform::Pad { pixels: px }),
        Transform::Jitter { px } => transform::Kind::Jitter(transform::Jitter { pixels: px }),
        Transform::RandomScale { min, max } => {
            transform::Kind::RandomScale(transform::RandomScale { min, max })
        }
        Transform::RandomRotate { degrees } => {
            transform::Kind::RandomRotate(transform::RandomRotate { degrees })
        }
        Transform::RandomCrop { min, max } => transform::Kind::RandomCrop(transform::RandomCrop { min, max }),
        Transform::RandomFlip { probability } => {
            transform::Kind::RandomFlip(transform::RandomFlip { probability: Some(probability) })
        }
        Transform::ColorShift { shift, scale } => {
            transform::Kind::ColorShift(transform::ColorShift { shift: Some(shift), scale: Some(scale) })
        }
        Transform::Noise { standard_deviation } => {
            transform::Kind::Noise(transform::Noise { standard_deviation })
        }
    };
    proto::Transform { kind: Some(kind) }
}
