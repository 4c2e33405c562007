//! The JSON in which the reading process describes a TorchScript file, as `shim/torchscript.cpp` writes it; knows no meaning, only form.
//!
//! It comes from a process that ran what the file asked for, so it is data from outside: every index in it is checked where it is used.

use serde::Deserialize;

/// Everything that the file's `forward` can reach.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The network is the first.
    pub objects: Vec<Object>,
    /// Methods and functions that can be called.
    pub functions: Vec<Function>,
    /// Attributes and constants.
    pub tensors: Vec<StoredValue>,
    /// Of what the network's `forward` takes after the image; shorter than that where something has none.
    pub defaults: Vec<Literal>,
}

/// A module, or another object of a class of the file.
#[derive(Debug, Deserialize)]
pub struct Object {
    /// Such as `__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d`.
    pub class: String,
    /// In the order of their definition.
    pub attributes: Vec<(String, Literal)>,
    /// Names of the attributes that are parameters.
    pub parameters: Vec<String>,
    /// Names, and indices of functions.
    pub methods: Vec<(String, usize)>,
}

/// A method or function.
#[derive(Debug, Deserialize)]
pub struct Function {
    /// With its class or module.
    pub name: String,
    /// Its inputs are the arguments, a method's object first.
    pub body: Block,
}

/// A body, or a branch of it.
#[derive(Debug, Deserialize)]
pub struct Block {
    /// Variables that are set before it runs.
    pub inputs: Vec<u32>,
    /// In order.
    pub nodes: Vec<Instruction>,
    /// Variables that it returns.
    pub outputs: Vec<u32>,
}

/// One instruction. Values are numbered within a function.
#[derive(Debug, Deserialize)]
pub struct Instruction {
    /// Such as `aten::conv2d` or `prim::If`.
    pub kind: String,
    /// Variables that it reads.
    pub inputs: Vec<u32>,
    /// Variables that it sets.
    pub outputs: Vec<u32>,
    /// Of `prim::Constant`.
    #[serde(default)]
    pub value: Option<Literal>,
    /// Of `prim::CallFunction`.
    pub function: Option<usize>,
    /// The attribute or method that it names.
    #[serde(default)]
    pub name: String,
    /// Of the operator's schema.
    #[serde(default)]
    pub overload: String,
    /// The schema's arguments, in the order of the inputs.
    #[serde(default)]
    pub names: Vec<String>,
    /// The schema's types of results, such as `Tensor` or `Tensor[]`.
    #[serde(default)]
    pub returns: Vec<String>,
    /// Branches, or a loop's body.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// File and line of the Python source.
    #[serde(default)]
    pub source: String,
}

/// A constant or an attribute's value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// None.
    None(()),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string, or the name of an enum's member.
    Text(String),
    /// Anything else.
    Tagged(Tagged),
}

/// A value that JSON has no form for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tagged {
    /// Index into [`Document::tensors`].
    Tensor(usize),
    /// In decimal digits, `inf` or `nan`.
    Float(String),
    /// A list.
    List(Vec<Literal>),
    /// A tuple, named or not.
    Tuple(Vec<Literal>),
    /// Keys and values.
    Dict(Vec<(Literal, Literal)>),
    /// Index into [`Document::objects`].
    Object(usize),
    /// A device, which stands for the one that the network runs on.
    Device(()),
    /// The kind of a value that has no form here.
    Unsupported(String),
}

/// A tensor of the file.
#[derive(Debug, Deserialize)]
pub struct StoredValue {
    /// libtorch's number (`c10::ScalarType`).
    pub dtype: i64,
    /// Its shape.
    pub sizes: Vec<i64>,
    /// In elements.
    pub strides: Vec<i64>,
    /// In elements.
    pub offset: i64,
    /// Where in the file the bytes of its storage begin; none for what was computed while the file was read.
    pub place: Option<u64>,
    /// Its value, if it has a single element.
    #[serde(default)]
    pub number: Option<Literal>,
}
