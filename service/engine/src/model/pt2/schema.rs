//! The JSON of an exported program, schema major 8, as `torch/_export/serde/schema.py` defines it; knows no meaning, only form.
//!
//! Fields that the engine does not need are left out; a union is a struct of options, because unknown variants of later minor versions
//! must not break the reading of what is around them.

use std::collections::HashMap;

use serde::Deserialize;

/// Read first, on its own: other majors have another form.
#[derive(Deserialize)]
pub struct Version {
    pub schema_version: SchemaVersion,
    #[serde(default)]
    pub torch_version: String,
}

#[derive(Deserialize)]
pub struct SchemaVersion {
    pub major: u64,
    pub minor: u64,
}

#[derive(Deserialize)]
pub struct ExportedProgram {
    pub graph_module: GraphModule,
    #[serde(default)]
    pub range_constraints: HashMap<String, RangeConstraint>,
}

#[derive(Deserialize, Clone, Copy)]
pub struct RangeConstraint {
    pub min_val: Option<i64>,
    pub max_val: Option<i64>,
}

#[derive(Deserialize)]
pub struct GraphModule {
    pub graph: Graph,
    pub signature: Signature,
    #[serde(default)]
    pub module_call_graph: Vec<Module>,
}

/// One for each module of the network, whether it computes anything or not.
#[derive(Deserialize)]
pub struct Module {
    #[serde(default)]
    pub fqn: String,
}

#[derive(Deserialize)]
pub struct Graph {
    pub inputs: Vec<Argument>,
    pub outputs: Vec<Argument>,
    pub nodes: Vec<Node>,
    pub tensor_values: HashMap<String, TensorMeta>,
}

#[derive(Deserialize)]
pub struct Node {
    pub target: String,
    pub inputs: Vec<NamedArgument>,
    pub outputs: Vec<Argument>,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

#[derive(Deserialize)]
pub struct NamedArgument {
    pub name: String,
    pub arg: Argument,
}

/// A union: one key, named by the kind.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    AsNone(serde::de::IgnoredAny),
    AsTensor(Named),
    AsTensors(Vec<Named>),
    AsInt(i64),
    AsInts(Vec<i64>),
    AsFloat(Float),
    AsFloats(Vec<Float>),
    AsString(String),
    AsSymInt(SymInt),
    AsSymInts(Vec<SymInt>),
    AsSymFloat(SymFloat),
    AsSymBool(SymBool),
    AsScalarType(i64),
    AsMemoryFormat(i64),
    AsLayout(i64),
    AsDevice(serde::de::IgnoredAny),
    AsBool(bool),
    AsBools(Vec<bool>),
    AsOptionalTensor(OptionalTensor),
    AsOptionalTensors(Vec<OptionalTensor>),
    /// Kinds that no operator on the allow list takes, and those of later minor versions.
    #[serde(untagged)]
    Other(HashMap<String, serde::de::IgnoredAny>),
}

#[derive(Deserialize)]
pub struct Named {
    pub name: String,
}

/// Python writes infinities and NaN as strings.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Float {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymInt {
    AsName(String),
    AsInt(i64),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymFloat {
    AsName(String),
    AsFloat(Float),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymBool {
    AsName(String),
    AsBool(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionalTensor {
    AsTensor(Named),
    AsNone(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
pub struct Signature {
    pub input_specs: Vec<InputSpec>,
    pub output_specs: Vec<OutputSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSpec {
    UserInput {
        arg: Argument,
    },
    Parameter {
        arg: Named,
        parameter_name: String,
    },
    Buffer {
        arg: Named,
        buffer_name: String,
    },
    TensorConstant {
        arg: Named,
        tensor_constant_name: String,
    },
    ConstantInput {},
    #[serde(untagged)]
    Other(HashMap<String, serde::de::IgnoredAny>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputSpec {
    UserOutput {
        arg: Argument,
    },
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
pub struct TensorMeta {
    pub dtype: i64,
    pub sizes: Vec<Dimension>,
    #[serde(default)]
    pub strides: Vec<Dimension>,
    pub storage_offset: Option<Dimension>,
}

/// A known size, or a symbolic one with the size of the example input.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    AsInt(i64),
    AsExpr { expr_str: String },
}

/// `model_weights_config.json` and `model_constants_config.json`.
#[derive(Deserialize)]
pub struct PayloadConfig {
    pub config: HashMap<String, Payload>,
}

#[derive(Deserialize)]
pub struct Payload {
    pub path_name: String,
    #[serde(default)]
    pub use_pickle: bool,
    pub tensor_meta: Option<TensorMeta>,
}
