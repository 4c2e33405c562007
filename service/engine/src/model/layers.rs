//! The layers that people can ask for, by name: what `models show` lists and what a spec's `layer` means; knows no tensors.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::axes::{AxisRoles, TokenGrid};
use super::error::ModelError;
use super::graph::{Graph, Node, Operator, ValueId};
use super::names::{Found, GUESSES, Names, nearest};
use super::passes::tap::Site;
use super::receptive::{Geometry, Sight};

/// One layer of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// What a spec calls it: the module's path, `path#1` for a later call of a module that runs several times, `output` for the network's own output.
    pub path: String,
    /// Last part of the module's class, such as `Conv2d`.
    pub kind: String,
    /// The operator that makes its output, such as `aten::relu`.
    pub operator: String,
    /// At the manifest's input size, without the batch axis.
    pub shape: Vec<u64>,
    /// What the axes are; the first is the batch axis, so there is one more than in `shape`.
    pub axes: Vec<Axis>,
    /// Where the patches of a sequence of tokens are, as far as the graph tells.
    pub tokens: Option<TokenGrid>,
    /// Size of the channel axis.
    pub units: u64,
    /// Whether `path:pre`, the value before the activation that makes the output, exists.
    pub pre_activation: bool,
    /// What its positions, and those of `path:pre`, see of an image of the manifest's input size.
    pub sight: Sight,
}

/// What an axis of an activation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Images.
    Batch,
    /// Units.
    Channel,
    /// Rows.
    Height,
    /// Columns.
    Width,
    /// Positions in a sequence.
    Token,
    /// Anything else.
    Other,
}

/// A layer's output at some input size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerShape {
    /// Without the batch axis.
    pub shape: Vec<u64>,
    /// The first is the batch axis, so there is one more than in `shape`.
    pub axes: Vec<Axis>,
    /// As [`LayerInfo::tokens`], at this size.
    pub tokens: Option<TokenGrid>,
}

/// The name of the network's own output, unless a module has it.
const OUTPUT: &str = "output";

/// What `:pre` asks for: the value before the layer's activation.
const PRE: &str = ":pre";

/// A layer with the graph's values behind it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What people see.
    pub info: LayerInfo,
    /// Its output.
    pub value: ValueId,
    /// The value before the activation that makes the output.
    pub pre: Option<ValueId>,
    /// The module's path, empty for the network itself, and which of its calls this is.
    pub call: (String, usize),
}

/// Why a module is no layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// It computes nothing: it passes its input on, such as an identity, or does not run.
    NoOperator,
    /// What it computes belongs to no image: it has no batch axis, or holds no floats.
    NoImage,
}

/// All layers of a model.
#[derive(Debug, Clone)]
pub struct Layers {
    list: Vec<Layer>,
    names: Names,
    unlisted: BTreeMap<String, Unlisted>,
    by_path: HashMap<String, usize>,
    /// How often modules that run several times do.
    calls: HashMap<String, usize>,
    model: String,
}

impl Layers {
    /// Names the sites and gives each the shape of its value in `shapes` (with the batch axis, for `batch` images; weights' shapes too). Sites whose value holds no floats
    /// or does not start with the batch axis (see [`AxisRoles::layout`]) are left out: no image owns a part of them.
    pub fn new(
        model: &str,
        graph: &Graph,
        sites: &[Site],
        shapes: &HashMap<ValueId, Vec<u64>>,
        batch: u64,
    ) -> Self {
        let taken: HashSet<&str> = sites.iter().map(|site| site.path.as_str()).collect();
        let mut calls: HashMap<&str, Vec<usize>> = HashMap::new();
        for site in sites {
            calls.entry(&site.path).or_default().push(site.call);
        }
        let producers = graph.producers();
        let roles = AxisRoles::new(graph, shapes);
        let geometry = Geometry::new(graph, shapes);
        let mut list = Vec::new();
        let mut unlisted = BTreeMap::new();
        for site in sites {
            let shape = shapes.get(&site.value).filter(|shape| shape.len() >= 2);
            let layout = shape.and_then(|shape| Some((shape, roles.layout(site.value, shape, batch)?)));
            let Some((shape, layout)) = layout else {
                unlisted.insert(site.path.clone(), Unlisted::NoImage);
                continue;
            };
            let path = match (site.path.as_str(), &calls[site.path.as_str()]) {
                ("", _) if taken.contains(OUTPUT) => continue,
                ("", _) => OUTPUT.to_owned(),
                (path, calls) if calls.len() > 1 => {
                    format!("{path}#{}", calls.iter().filter(|&&call| call < site.call).count())
                }
                (path, _) => path.to_owned(),
            };
            let operator = producers[site.value.0]
                .map_or_else(|| "input".to_owned(), |index| plain_name(&graph.nodes[index]));
            let axes = layout.axes;
            let channel = axes.iter().position(|axis| *axis == Axis::Channel).unwrap_or(1);
            let info = LayerInfo {
                path,
                kind: site.kind.rsplit('.').next().unwrap_or(&site.kind).to_owned(),
                operator,
                shape: shape[1..].to_vec(),
                units: shape[channel],
                sight: geometry.sight(site.value, &axes),
                axes,
                tokens: layout.tokens,
                pre_activation: site.pre.is_some(),
            };
            let call = (site.path.clone(), site.call);
            list.push(Layer { info, value: site.value, pre: site.pre, call });
        }
        let by_path =
            list.iter().enumerate().map(|(index, layer)| (layer.info.path.clone(), index)).collect();
        let calls = calls
            .into_iter()
            .filter(|(_, calls)| calls.len() > 1)
            .map(|(path, calls)| (path.to_owned(), calls.len()))
            .collect();
        let mut layers =
            Self { list, names: Names::default(), unlisted, by_path, calls, model: model.to_owned() };
        layers.name();
        layers
    }

    /// The same layers of a network whose modules have these paths, of which those that compute nothing are known by name too.
    pub fn with_modules(mut self, modules: &[String]) -> Self {
        // Of every module that computes something, and of those around it.
        let mut paths = HashSet::new();
        for path in self.list.iter().map(|layer| &layer.call.0).chain(self.unlisted.keys()) {
            let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
            paths.extend(ends.map(|end| &path[..end]));
        }
        let silent = modules.iter().filter(|path| !path.is_empty() && !paths.contains(path.as_str()));
        let silent: Vec<String> = silent.cloned().collect();
        self.unlisted.extend(silent.into_iter().map(|path| (path, Unlisted::NoOperator)));
        self.name();
        self
    }

    fn name(&mut self) {
        self.unlisted.retain(|path, _| !self.by_path.contains_key(path) && !self.calls.contains_key(path));
        self.unlisted.remove("");
        let names = self.list.iter().map(|layer| layer.info.path.clone());
        self.names = Names::new(names.chain(self.calls.keys().cloned()).chain(self.unlisted.keys().cloned()));
    }

    /// Modules that are no layers, in order of path.
    pub fn unlisted(&self) -> &BTreeMap<String, Unlisted> {
        &self.unlisted
    }

    /// All of them, in graph order.
    pub fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.list.iter()
    }

    /// The layer that `path`, `path#1` or `path:pre` names, and the value that it means. Names are taken as [`Names::find`] does: `layer3_0_conv1` is
    /// `layer3.0.conv1`.
    ///
    /// # Errors
    /// [`ModelError::UnknownLayer`], [`ModelError::AmbiguousLayer`], [`ModelError::SeveralCalls`], [`ModelError::UnlistedLayer`],
    /// [`ModelError::NoPreActivation`].
    pub fn find(&self, asked: &str) -> Result<(&Layer, ValueId), ModelError> {
        let (name, pre) = asked.strip_suffix(PRE).map_or((asked, false), |name| (name, true));
        let path = match self.names.find(name) {
            Found::One(path) => path,
            Found::Several(paths) => {
                return Err(ModelError::AmbiguousLayer {
                    layer: name.to_owned(),
                    model: self.model.clone(),
                    paths: paths.into_iter().map(str::to_owned).collect(),
                });
            }
            Found::Nothing => return Err(self.unknown(name)),
        };
        let Some(&index) = self.by_path.get(path) else { return Err(self.no_layer(path)) };
        let layer = &self.list[index];
        match (pre, layer.pre) {
            (false, _) => Ok((layer, layer.value)),
            (true, Some(value)) => Ok((layer, value)),
            (true, None) => Err(ModelError::NoPreActivation {
                layer: path.to_owned(),
                operator: layer.info.operator.clone(),
            }),
        }
    }

    /// The one name of what `asked` names: the layer's path, with `:pre` where that is asked for.
    ///
    /// # Errors
    /// As [`Layers::find`].
    pub fn canonical(&self, asked: &str) -> Result<String, ModelError> {
        let (layer, _) = self.find(asked)?;
        let pre = if asked.ends_with(PRE) { PRE } else { "" };
        Ok(format!("{}{pre}", layer.info.path))
    }

    /// Why a name that is known names no layer.
    fn no_layer(&self, path: &str) -> ModelError {
        let (layer, model) = (path.to_owned(), self.model.clone());
        match self.calls.get(path) {
            Some(&calls) => ModelError::SeveralCalls { layer, model, calls },
            None => {
                let why = self.unlisted.get(path).copied().unwrap_or(Unlisted::NoOperator);
                ModelError::UnlistedLayer { layer, model, why }
            }
        }
    }

    fn unknown(&self, path: &str) -> ModelError {
        ModelError::UnknownLayer {
            layer: path.to_owned(),
            model: self.model.clone(),
            near: nearest(path, self.list.iter().map(|layer| layer.info.path.as_str()), GUESSES),
            total: self.list.len(),
        }
    }
}

fn plain_name(node: &Node) -> String {
    match &node.operator {
        Operator::Aten { name, .. } => format!("aten::{name}"),
        other @ Operator::Number(_) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::passes::tap::sites;
    use crate::model::testing::network;

    fn layers(text: &str) -> Layers {
        let mut network = network(text);
        let sites = sites(&mut network.graph);
        let shapes = (0..network.graph.values.len()).map(|id| (ValueId(id), vec![1, 4, 8, 8])).collect();
        Layers::new("net", &network.graph, &sites, &shapes, 1)
    }

    const NETWORK: &str = "
        a = conv2d(x, w1) @ block block.conv
        b = relu(a) @ block block.act
        c = relu(b) @ act
        d = conv2d(c, w2) @ last
        e = relu(d) @ act#1
        f = reshape(e, 2)";

    fn check_error(asked: &str, words: &[&str]) {
        let error = layers(NETWORK).find(asked).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn lists_every_call_in_graph_order() {
        let layers = layers(NETWORK);
        let paths: Vec<_> = layers.iter().map(|layer| layer.info.path.as_str()).collect();
        assert_eq!(paths, ["block.conv", "block.act", "block", "act#0", "last", "act#1", "output"]);
        let kinds: Vec<_> = layers.iter().map(|layer| layer.info.kind.as_str()).collect();
        assert_eq!(kinds, ["conv", "act", "block", "act", "last", "act", "Network"]);
    }

    #[test]
    fn finds_layers_and_what_comes_before_their_activation() {
        let layers = layers(NETWORK);
        let value = |asked| layers.find(asked).unwrap().1;
        assert_eq!(value("block:pre"), value("block.conv"));
        assert_eq!(value("act#1:pre"), value("last"));
        assert_eq!(layers.find("last").unwrap().0.info.operator, "aten::conv2d");
        assert!(!layers.find("last").unwrap().0.info.pre_activation);
        assert!(layers.find("block").unwrap().0.info.pre_activation);
    }

    #[test]
    fn errors_say_what_to_ask_for() {
        check_error(
            "blok.conv",
            &["`blok.conv` is not in model `net`", "did you mean `block.conv`", "lists all 7"],
        );
        check_error("act", &["runs 2 times", "`act#0` to `act#1`"]);
        check_error("act#2", &["is not in model", "`act#"]);
        check_error("last:pre", &["`last` has no value before an activation", "aten::conv2d"]);
        check_error("", &["layer ``"]);
    }

    #[test]
    fn a_module_named_output_keeps_its_name() {
        let layers = layers("a = conv2d(x, w1) @ output\n b = relu(a)");
        let paths: Vec<_> = layers.iter().map(|layer| layer.info.path.as_str()).collect();
        assert_eq!(paths, ["output"]);
        assert_eq!(layers.find("output").unwrap().0.info.operator, "aten::conv2d");
    }
}
