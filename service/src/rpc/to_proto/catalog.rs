//! Models and terms as the proto has them.

use super::spec::value;
use crate::data::models::Listed;
use unitscope_engine::model::{
    ActivationSide, Axis, ChannelOrder, ListedLayer, Listing, Manifest, Model, Sight, Unlisted,
};
use unitscope_engine::plugin::{ParamInfo, ParamKind, TermInfo, TermKind};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::model::State;

/// A model as lists show it: without layers.
#[must_use]
pub fn listed(listed: &Listed) -> proto::Model {
    let Listed { name, manifest, model, problem } = listed;
    let (manifest, reason) = match manifest {
        Ok(manifest) => (Some(manifest), problem.clone()),
        Err(reason) => (None, Some(reason.clone())),
    };
    let state = match (model, &reason) {
        (Some(_), _) => State::Loaded,
        (None, Some(_)) => State::Broken,
        (None, None) => State::Unloaded,
    };
    let manifest = model.as_deref().map(Model::manifest).or(manifest);
    proto::Model {
        name: name.clone(),
        state: state.into(),
        state_reason: if state == State::Broken { reason.unwrap_or_default() } else { String::new() },
        digest: model.as_ref().map(|model| model.digest().to_owned()).unwrap_or_default(),
        input: manifest.map(|manifest| input(manifest, model.as_deref())),
        labels: manifest.map(|manifest| manifest.labels.clone()).unwrap_or_default(),
        ..proto::Model::default()
    }
}

/// A model in memory, with its layers.
#[must_use]
pub fn loaded(model: &Model, listing: &Listing) -> proto::Model {
    let [listed_height, listed_width] = listing.size;
    proto::Model {
        name: model.name().to_owned(),
        state: State::Loaded.into(),
        state_reason: String::new(),
        digest: model.digest().to_owned(),
        input: Some(input(model.manifest(), Some(model))),
        labels: model.manifest().labels.clone(),
        layers: listing.layers.iter().map(layer).collect(),
        listed_height,
        listed_width,
        parameters: listing.parameters,
        macs: listing.macs,
        unlisted_modules: listing.unlisted.iter().map(|(path, why)| unlisted(path, *why)).collect(),
    }
}

fn unlisted(path: &str, why: Unlisted) -> proto::UnlistedModule {
    use proto::unlisted_module::Reason;
    let reason = match why {
        Unlisted::NoOperator => Reason::NoOperator,
        Unlisted::NoImage => Reason::NoImage,
    };
    proto::UnlistedModule { path: path.to_owned(), reason: reason.into() }
}

fn input(manifest: &Manifest, model: Option<&Model>) -> proto::ModelInput {
    use proto::model_input::Channels;
    let input = &manifest.input;
    let channels = match input.channels {
        ChannelOrder::Rgb => Channels::Rgb,
        ChannelOrder::Bgr => Channels::Bgr,
        ChannelOrder::Gray => Channels::Gray,
        ChannelOrder::Other(_) => Channels::Other,
    };
    let fixed = model.map(Model::fixed);
    proto::ModelInput {
        height: input.height,
        width: input.width,
        channel_count: input.channels.count(),
        channels: channels.into(),
        range: input.range.to_vec(),
        mean: input.mean.clone(),
        std: input.std.clone(),
        fixed_batch: fixed.and_then(|fixed| fixed.batch).unwrap_or(0),
        fixed_height: fixed.and_then(|fixed| fixed.height).unwrap_or(0),
        fixed_width: fixed.and_then(|fixed| fixed.width).unwrap_or(0),
    }
}

fn layer(listed: &ListedLayer) -> proto::Layer {
    use proto::layer::ActivationSide as Side;
    let layer = &listed.info;
    let axis = |axis: &Axis| match axis {
        Axis::Batch => "batch",
        Axis::Channel => "channel",
        Axis::Height => "height",
        Axis::Width => "width",
        Axis::Token => "token",
        Axis::Other => "other",
    };
    proto::Layer {
        path: layer.path.clone(),
        r#type: layer.kind.clone(),
        operator: layer.operator.clone(),
        shape: layer.shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect(),
        axes: layer
            .axes
            .iter()
            .filter(|&&axis| axis != Axis::Batch)
            .map(|one| axis(one).to_owned())
            .collect(),
        units: layer.units,
        has_pre_activation: layer.pre_activation,
        receptive_field: receptive_field(layer.sight),
        activation_side: match listed.side {
            ActivationSide::Neither => Side::Neither,
            ActivationSide::Before => Side::Before,
            ActivationSide::After => Side::After,
        }
        .into(),
        parameters: listed.parameters,
        macs: listed.macs,
        macs_to_reach: listed.macs_to_reach,
        tokens: layer.tokens.map(|grid| proto::TokenGrid {
            prefix: grid.prefix,
            rows: grid.rows,
            columns: grid.columns,
        }),
    }
}

fn receptive_field(sight: Sight) -> Option<proto::ReceptiveField> {
    match sight {
        Sight::Field(field) => Some(proto::ReceptiveField {
            whole_image: false,
            size: field.size.to_vec(),
            stride: field.stride.to_vec(),
            offset: field.start.to_vec(),
        }),
        Sight::Whole => Some(proto::ReceptiveField { whole_image: true, ..proto::ReceptiveField::default() }),
        Sight::Unknown => None,
    }
}

/// A term with its parameters.
#[must_use]
pub fn term(term: &TermInfo) -> proto::TermInfo {
    use proto::term_info::Kind;
    let kind = match term.kind {
        TermKind::Objective => Kind::Objective,
        TermKind::Penalty => Kind::Penalty,
        TermKind::StepOperation => Kind::StepOperation,
    };
    proto::TermInfo {
        id: term.id.clone(),
        kind: kind.into(),
        version: term.version.clone(),
        title: term.title.clone(),
        doc: term.doc.clone(),
        plugin: term.plugin_id.clone(),
        plugin_version: term.plugin_version.clone(),
        batch_coupled: term.batch_coupled,
        params: term.params.iter().map(param).collect(),
    }
}

fn param(param: &ParamInfo) -> proto::ParamInfo {
    use proto::param_info::Type;
    let r#type = match param.kind {
        ParamKind::Bool => Type::Bool,
        ParamKind::Int => Type::Int,
        ParamKind::Float => Type::Float,
        ParamKind::String => Type::String,
        ParamKind::Enum => Type::Enum,
        ParamKind::Layer => Type::Layer,
        ParamKind::IntList => Type::IntList,
        ParamKind::FloatList => Type::FloatList,
        ParamKind::Class => Type::Class,
    };
    proto::ParamInfo {
        name: param.name.clone(),
        r#type: r#type.into(),
        doc: param.doc.clone(),
        unit: param.unit.clone(),
        required: param.required,
        default_value: param.default.as_ref().map(value),
        min: param.min,
        max: param.max,
        choices: param.choices.clone(),
    }
}
