//! Gives layers their own names in a spec, however they are written there, so that equal questions are equal. Names that name no layer stay as they are, for
//! the checks that follow.

use prost_types::value::Kind;
use unitscope_engine::model::Model;
use unitscope_engine::plugin::{ParamKind, Registry};
use unitscope_proto::v1 as proto;

/// Of units and of layers that are scored besides.
pub fn name_ranked_layers(units: &mut [proto::RankUnit], layers: &mut [String], model: &Model) {
    let units = units.iter_mut().map(|unit| &mut unit.layer);
    units.chain(layers).for_each(|layer| name(layer, model));
}

/// Of the parameters of terms that name a layer.
pub fn name_term_layers(terms: &mut [proto::Term], model: &Model, registry: &Registry) {
    for term in terms {
        let (Ok(info), Some(params)) = (registry.term(&term.id), &mut term.params) else { continue };
        for param in info.params.iter().filter(|param| param.kind == ParamKind::Layer) {
            if let Some(Kind::StringValue(layer)) =
                params.fields.get_mut(&param.name).and_then(|value| value.kind.as_mut())
            {
                name(layer, model);
            }
        }
    }
}

fn name(layer: &mut String, model: &Model) {
    if let Ok(own) = model.canonical(layer) {
        *layer = own;
    }
}
