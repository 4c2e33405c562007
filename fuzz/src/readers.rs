//! What reads a model file, each reader a function of the bytes that it gets: whether it takes them. None may panic; knows no fuzzer.
//!
//! The targets of cargo-fuzz call these, and a test of the engine, on the corpus.

use std::collections::HashMap;
use std::io::{Cursor, Write};

use unitscope_engine::model::Reach;
use unitscope_engine::model::archive::Archive;
use unitscope_engine::model::error::ModelError;
use unitscope_engine::model::graph::{Argument, Graph, Operator, Size, ValueId};
use unitscope_engine::model::layers::Layers;
use unitscope_engine::model::limits;
use unitscope_engine::model::operators;
use unitscope_engine::model::passes::gradients::Gradients;
use unitscope_engine::model::passes::{activation, cut, fold, out_of_place, tap};
use unitscope_engine::model::pt2::{self, StoredTensor};
use unitscope_engine::model::shapes::{Fact, Shapes};
use unitscope_engine::model::torchscript::document::Document;
use unitscope_engine::model::torchscript::interpret::interpret;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// Bytes of a zip archive: its directory, every entry and its digest. True where all of it is sound.
///
/// # Panics
/// Where an entry or the digest is not what lies in the file.
pub fn archive(bytes: &[u8]) -> bool {
    let Ok(mut archive) = Archive::new(bytes.to_vec()) else { return false };
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let mut is_sound = true;
    for name in &names {
        let Ok(read) = archive.read(name, limits::FILE_BYTES) else {
            is_sound = false;
            continue;
        };
        let place = archive.data_range(name).expect("what can be read has a place");
        assert_eq!(read, bytes[place.start as usize..place.end as usize], "entry {name}");
    }
    let _ = pt2::read(&archive);
    let digest = archive.digest().map(str::to_owned);
    if let Ok(digest) = &digest {
        assert_eq!(*digest, blake3::hash(bytes).to_hex().to_string());
    }
    assert!(digest.is_ok() || !is_sound, "every entry is sound, but not the file: {digest:?}");
    is_sound
}

/// The JSON of an exported program, in an archive that has an entry for every weight that it may name; then the passes.
///
/// # Panics
/// Where a pass leaves an invalid graph.
pub fn pt2(json: &[u8]) -> bool {
    let Ok(exported) = read_exported(json, TABLE) else { return false };
    passes(exported.graph)
}

/// The tables of weights and of constants of an exported program without any. True where a tensor of it fits its entry.
///
/// # Panics
/// Where a tensor that is taken reaches beyond its entry.
pub fn weights(json: &[u8]) -> bool {
    let Ok(exported) = read_exported(PROGRAM, json) else { return false };
    let length = |tensor: &StoredTensor| {
        let number = tensor.entry.strip_prefix("data/weights/weight_")?;
        ENTRY_BYTES.get(number.parse::<usize>().ok()?).copied()
    };
    let mut any_fits = false;
    for (name, tensor) in &exported.stored {
        let length = length(tensor).unwrap_or(ENTRY_BYTES[0]);
        if tensor.check(name, length as u64).is_ok() {
            assert!(reach(tensor) <= length as i128, "{tensor:?} in {length} bytes");
            any_fits = true;
        }
    }
    any_fits
}

/// What the reading process says of a TorchScript file, at two input sizes; then the passes.
///
/// # Panics
/// Where a pass leaves an invalid graph.
pub fn torchscript(json: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Document>(json) else { return false };
    let mut is_any = false;
    for image in [[1, 3, 8, 8], [2, 3, 64, 48]] {
        if let Ok(found) = interpret(&document, image, &mut Rules::default()) {
            found.graph.validate().expect("what is interpreted is valid");
            assert!(found.weights.values().all(|index| *index < document.tensors.len()));
            is_any |= passes(found.graph);
        }
    }
    is_any
}

/// Sizes of the entries that a table of weights can name, in bytes: `weight_0`, `weight_1`, …
const ENTRY_BYTES: [usize; 4] = [0, 4, 600, 4096];

/// An exported program that returns its image.
const PROGRAM: &[u8] = br#"{"schema_version":{"major":8,"minor":20},"graph_module":{
    "graph":{"inputs":[{"as_tensor":{"name":"x"}}],"outputs":[{"as_tensor":{"name":"x"}}],"nodes":[],
        "tensor_values":{"x":{"dtype":7,"sizes":[{"as_int":1},{"as_int":3},{"as_int":8},{"as_int":8}]}}},
    "signature":{"input_specs":[{"user_input":{"arg":{"as_tensor":{"name":"x"}}}}],
        "output_specs":[{"user_output":{"arg":{"as_tensor":{"name":"x"}}}}]}}}"#;

/// No weights.
const TABLE: &[u8] = br#"{"config":{}}"#;

fn read_exported(program: &[u8], table: &[u8]) -> Result<pt2::Exported, ModelError> {
    let full;
    let table = if table == TABLE {
        full = table_for(program);
        &full
    } else {
        table
    };
    let blank = ENTRY_BYTES.map(|length| vec![0; length]);
    let mut entries = vec![
        ("archive_format".to_owned(), &b"pt2"[..]),
        ("byteorder".to_owned(), b"little"),
        ("models/model.json".to_owned(), program),
        ("data/weights/model_weights_config.json".to_owned(), table),
        ("data/constants/model_constants_config.json".to_owned(), table),
    ];
    let numbered = |(number, bytes)| (format!("data/weights/weight_{number}"), Vec::as_slice(bytes));
    entries.extend(blank.iter().enumerate().map(numbered));
    pt2::read(&Archive::new(packed(&entries))?)
}

/// A table with a tensor for every input of the program.
fn table_for(program: &[u8]) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_slice(program).unwrap_or_default();
    let specs = json.pointer("/graph_module/signature/input_specs").and_then(|specs| specs.as_array());
    let kinds = ["parameter", "buffer", "tensor_constant"];
    let names = specs.into_iter().flatten().filter_map(|spec| {
        kinds.iter().find_map(|kind| spec.get(kind)?.get(format!("{kind}_name"))?.as_str())
    });
    let tensor = serde_json::json!({ "path_name": "weight_2",
        "tensor_meta": { "dtype": 7, "sizes": [{ "as_int": 4 }], "strides": [{ "as_int": 1 }] } });
    let config: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), tensor.clone())).collect();
    serde_json::json!({ "config": config }).to_string().into_bytes()
}

fn packed(entries: &[(String, &[u8])]) -> Vec<u8> {
    const MEMORY: &str = "memory takes what is written to it";
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(format!("model/{name}"), stored).expect(MEMORY);
        zip.write_all(bytes).expect(MEMORY);
    }
    zip.finish().expect(MEMORY).into_inner()
}

/// Bytes up to the end of the last element, or of as many elements as there are.
fn reach(tensor: &StoredTensor) -> i128 {
    if tensor.sizes.contains(&0) {
        return 0;
    }
    let steps = tensor.sizes.iter().zip(&tensor.strides);
    let last = steps.fold(i128::from(tensor.offset), |last, (&size, &stride)| {
        last.saturating_add(i128::from(size - 1).saturating_mul(i128::from(stride)))
    });
    let elements =
        tensor.sizes.iter().fold(1_i128, |product, &size| product.saturating_mul(i128::from(size)));
    last.saturating_add(1).max(elements).saturating_mul(i128::from(tensor.dtype.bytes()))
}

/// Everything that happens to a graph without libtorch. True where it has a layer.
fn passes(graph: Graph) -> bool {
    let Ok(mut graph) = out_of_place::out_of_place(graph) else { return false };
    let writes = graph.nodes.iter().find(|node| match &node.operator {
        Operator::Aten { name, .. } => operators::plain_form(name).is_some(),
        Operator::Number(_) => false,
    });
    assert!(writes.is_none(), "an operator still writes in place: {writes:?}");
    let sites = tap::sites(&mut graph);
    if !is_valid(&graph) {
        return false;
    }
    let _ = Layers::new("model", &graph, &sites, &HashMap::new(), 1);
    for site in [sites.first(), sites.last()].into_iter().flatten() {
        let outputs = [Some(site.value), site.pre].into_iter().flatten().collect();
        let piece = cut::cut(Graph { outputs, ..graph.clone() });
        is_valid(&piece);
        activation::activations(&piece);
        for redirect in [Some(Reach::All), Some(Reach::Last), None] {
            let changed = Gradients { redirect, smooth_max_pools: redirect.is_some() }.of(piece.clone());
            is_valid(&changed);
            for rank in [None, Some(4)] {
                let (folded, _) = fold::fold(changed.clone(), |_| rank);
                is_valid(&folded);
            }
        }
    }
    !sites.is_empty()
}

/// A pass keeps a graph valid, though it may make it too large.
fn is_valid(graph: &Graph) -> bool {
    match graph.validate() {
        Ok(()) => true,
        Err(ModelError::TooLarge { .. }) => false,
        Err(error) => panic!("a pass made an invalid graph: {error}"),
    }
}

/// Shapes without libtorch: as the first tensor, but for a few operators.
#[derive(Default)]
struct Rules {
    facts: HashMap<ValueId, Fact>,
    last: Vec<Option<Fact>>,
}

impl Shapes for Rules {
    fn leaf(&mut self, id: ValueId, fact: &Fact) -> Result<(), ModelError> {
        if fact.sizes.iter().any(|size| *size < 0) {
            return Err(ModelError::Input("a size is negative".to_owned()));
        }
        self.facts.insert(id, fact.clone());
        Ok(())
    }

    fn call(
        &mut self,
        name: &str,
        _: &str,
        arguments: &[(String, Argument)],
    ) -> Result<Vec<Option<Fact>>, ModelError> {
        let unknown = || ModelError::Input("a tensor has no shape".to_owned());
        let scalar = Fact { sizes: Vec::new(), dtype: 6 };
        let first = arguments.iter().find_map(|(_, argument)| match argument {
            Argument::Tensor(id) => Some(*id),
            Argument::Tensors(ids) => ids.first().copied(),
            _ => None,
        });
        let mut fact = match first {
            Some(id) => self.facts.get(&id).ok_or_else(unknown)?.clone(),
            None => scalar,
        };
        let mut count = 1;
        match (name, arguments.get(1).map(|(_, argument)| argument)) {
            ("reshape" | "view" | "expand", Some(Argument::Ints(sizes))) => {
                let known = |size: &Size| match size {
                    Size::Known(size) => Some((*size).max(1)),
                    Size::Computed(_) => None,
                };
                fact.sizes = sizes.iter().map(known).collect::<Option<_>>().ok_or_else(unknown)?;
            }
            ("flatten", _) => fact.sizes.truncate(2),
            ("select", _) => drop(fact.sizes.pop()),
            ("unsqueeze" | "unflatten", _) => fact.sizes.push(1),
            ("chunk" | "split" | "unbind", Some(Argument::Int(given))) => {
                count = usize::try_from(*given)
                    .ok()
                    .filter(|count| *count <= limits::ARGUMENTS)
                    .ok_or_else(unknown)?;
            }
            _ => {}
        }
        self.last = vec![Some(fact); count];
        Ok(self.last.clone())
    }

    fn bind(&mut self, ids: &[Option<ValueId>]) {
        for (id, fact) in ids.iter().zip(self.last.drain(..)) {
            self.facts.extend(id.zip(fact));
        }
    }
}
