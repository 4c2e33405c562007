//! Programs written as JSON, followed without libtorch: shapes follow from a few rules.

use serde_json::{Value as Json, json};

use super::*;
use crate::model::graph::Argument;

/// Element by element, but for what the tests need.
struct Rules {
    facts: HashMap<ValueId, Fact>,
    last: Vec<Option<Fact>>,
}

impl Shapes for Rules {
    fn leaf(&mut self, id: ValueId, fact: &Fact) -> Result<(), ModelError> {
        self.facts.insert(id, fact.clone());
        Ok(())
    }

    fn call(
        &mut self,
        name: &str,
        _: &str,
        arguments: &[(String, Argument)],
    ) -> Result<Vec<Option<Fact>>, ModelError> {
        let Some((_, Argument::Tensor(first))) = arguments.first() else {
            return Ok(vec![Some(Fact { sizes: Vec::new(), dtype: FLOAT })]);
        };
        let mut fact = self.facts[first].clone();
        self.last = match (name, arguments.get(1)) {
            ("reshape", Some((_, Argument::Ints(sizes)))) => {
                let known = |size: &crate::model::graph::Size| match size {
                    crate::model::graph::Size::Known(value) => *value,
                    crate::model::graph::Size::Computed(_) => panic!("sizes are known here"),
                };
                fact.sizes = sizes.iter().map(known).collect();
                vec![Some(fact)]
            }
            ("chunk", Some((_, Argument::Int(count)))) => vec![Some(fact); usize::try_from(*count).unwrap()],
            _ => vec![Some(fact)],
        };
        Ok(self.last.clone())
    }

    fn bind(&mut self, ids: &[Option<ValueId>]) {
        for (id, fact) in ids.iter().zip(self.last.drain(..)) {
            self.facts.extend(id.zip(fact));
        }
    }
}

/// `OUTPUTS = kind(INPUTS)`, variables being numbers.
fn node(kind: &str, inputs: &[u32], outputs: &[u32]) -> Json {
    json!({ "kind": kind, "inputs": inputs, "outputs": outputs })
}

fn constant(value: Json, output: u32) -> Json {
    json!({ "kind": "prim::Constant", "inputs": [], "outputs": [output], "value": value })
}

/// A call that returns one tensor.
fn aten(name: &str, names: &[&str], inputs: &[u32], output: u32) -> Json {
    json!({ "kind": format!("aten::{name}"), "inputs": inputs, "outputs": [output], "names": names,
            "returns": ["Tensor"], "source": "net.py:7" })
}

fn relu(input: u32, output: u32) -> Json {
    aten("relu", &["self"], &[input], output)
}

fn block(inputs: &[u32], nodes: Vec<Json>, outputs: &[u32]) -> Json {
    json!({ "inputs": inputs, "nodes": nodes, "outputs": outputs })
}

/// A network whose `forward(0: self, 1: image)` has these instructions and returns a variable; variables from 100 are free.
fn network(nodes: Vec<Json>, returned: u32) -> Json {
    json!({
        "objects": [{ "class": "__torch__.Net", "attributes": [["act", { "object": 1 }], ["weight", { "tensor": 0 }]],
                      "parameters": ["weight"], "methods": [["forward", 0]] },
                    { "class": "__torch__.nn.___torch_mangle_3.Act", "attributes": [], "parameters": [], "methods": [["forward", 1], ["other", 1]] }],
        "functions": [{ "name": "forward", "body": block(&[0, 1], nodes, &[returned]) },
                      { "name": "act", "body": block(&[0, 1], vec![relu(1, 2)], &[2]) }],
        "tensors": [{ "dtype": 6, "sizes": [4], "strides": [1], "offset": 0, "place": 64 }],
        "defaults": [],
    })
}

fn follow(program: &Json, size: u32) -> Result<Interpreted, ModelError> {
    let document: Document = serde_json::from_value(program.clone()).unwrap();
    let mut rules = Rules { facts: HashMap::new(), last: Vec::new() };
    interpret(&document, [2, 3, size, size], &mut rules)
}

/// The operators, in order.
fn check(nodes: Vec<Json>, returned: u32, size: u32, expected: &[&str]) {
    let found = follow(&network(nodes, returned), size).unwrap();
    let operators: Vec<String> = found.graph.nodes.iter().map(|node| node.operator.to_string()).collect();
    assert_eq!(operators, expected);
}

fn check_refused(nodes: Vec<Json>, returned: u32, words: &[&str]) {
    let error = follow(&network(nodes, returned), 8).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{error}");
    }
}

fn call_act(input: u32, object: u32, output: u32) -> [Json; 2] {
    let mut attribute = node("prim::GetAttr", &[0], &[object]);
    attribute["name"] = json!("act");
    let mut call = node("prim::CallMethod", &[object, input], &[output]);
    call["name"] = json!("forward");
    [attribute, call]
}

#[test]
fn modules_are_known_by_their_path_and_their_calls_are_counted() {
    let nodes = [call_act(1, 100, 101), call_act(101, 102, 103)].concat();
    let found = follow(&network(nodes, 103), 8).unwrap();
    let modules: Vec<_> = found.graph.nodes.iter().map(|node| node.modules.last().unwrap().clone()).collect();
    let call = |call| ModuleCall { path: "act".to_owned(), kind: "nn.Act".to_owned(), call };
    assert_eq!(modules, [call(0), call(1)]);
    assert_eq!(found.ran.iter().map(String::as_str).collect::<Vec<_>>(), ["", "act"]);
}

#[test]
fn a_branch_on_a_size_goes_the_way_of_that_size() {
    // size(image, 2) > 10 ? relu : sigmoid
    let program = || {
        let mut branch = node("prim::If", &[104], &[105]);
        let other = aten("sigmoid", &["self"], &[1], 201);
        branch["blocks"] = json!([block(&[], vec![relu(1, 200)], &[200]), block(&[], vec![other], &[201])]);
        vec![
            constant(json!(2), 100),
            node("aten::size", &[1, 100], &[101]),
            constant(json!(10), 102),
            node("aten::gt", &[101, 102], &[104]),
            branch,
        ]
    };
    let size = "torch.ops.aten.sym_size.int";
    check(program(), 105, 16, &[size, "_operator.gt", "aten::relu"]);
    check(program(), 105, 8, &[size, "_operator.gt", "aten::sigmoid"]);
}

#[test]
fn loops_run_as_often_as_their_count_says() {
    let mut repeat = node("prim::Loop", &[100, 101, 1], &[102]);
    repeat["blocks"] = json!([block(&[200, 201], vec![relu(201, 202)], &[101, 202])]);
    check(vec![constant(json!(3), 100), constant(json!(true), 101), repeat], 102, 8, &["aten::relu"; 3]);
    let mut endless = node("prim::Loop", &[100, 101, 1], &[102]);
    endless["blocks"] = json!([block(&[200, 201], vec![], &[101, 201])]);
    let nodes = vec![constant(json!(i64::MAX), 100), constant(json!(true), 101), endless];
    check_refused(nodes, 102, &["the number of rounds of a loop", "the cap is"]);
}

#[test]
fn sizes_stay_numbers_of_the_graph() {
    let nodes = vec![
        constant(json!(0), 100),
        node("aten::size", &[1, 100], &[101]),
        constant(json!(-1), 102),
        node("prim::ListConstruct", &[101, 102], &[103]),
        aten("reshape", &["self", "shape"], &[1, 103], 104),
    ];
    let found = follow(&network(nodes, 104), 8).unwrap();
    let number = found.graph.nodes[0].defines().next().unwrap().0;
    let sizes = Argument::Ints(vec![
        crate::model::graph::Size::Computed(number),
        crate::model::graph::Size::Known(-1),
    ]);
    assert_eq!(found.graph.nodes[1].argument("shape"), Some(&sizes));
}

#[test]
fn numbers_in_tensors_are_numbers() {
    // As traces have it: Int(floor_divide(NumToTensor(size), 2)).
    let nodes = vec![
        constant(json!(2), 100),
        node("aten::size", &[1, 100], &[101]),
        node("prim::NumToTensor", &[101], &[102]),
        aten("floor_divide", &["self", "other"], &[102, 100], 103),
        node("aten::Int", &[103], &[104]),
        node("prim::ListConstruct", &[100, 104], &[105]),
        aten("reshape", &["self", "shape"], &[1, 105], 106),
    ];
    check(nodes, 106, 8, &["torch.ops.aten.sym_size.int", "_operator.floordiv", "aten::reshape"]);
}

#[test]
fn clamps_bound_numbers_too() {
    let clamped = |low: Json, high: Json| {
        let nodes = vec![
            constant(json!(2), 100),
            node("aten::size", &[1, 100], &[101]),
            node("prim::NumToTensor", &[101], &[102]),
            constant(low, 103),
            constant(high, 104),
            aten("clamp", &["self", "min", "max"], &[102, 103, 104], 105),
            node("aten::Int", &[105], &[106]),
            node("prim::ListConstruct", &[100, 106], &[107]),
            aten("reshape", &["self", "shape"], &[1, 107], 108),
        ];
        let found = follow(&network(nodes, 108), 8).unwrap();
        found.graph.nodes.iter().map(|node| node.operator.to_string()).collect::<Vec<_>>()
    };
    let size = "torch.ops.aten.sym_size.int";
    assert_eq!(clamped(json!(0), json!(null)), [size, "torch.sym_max", "aten::reshape"]);
    assert_eq!(clamped(json!(0), json!(4)), [size, "torch.sym_max", "torch.sym_min", "aten::reshape"]);
    assert_eq!(clamped(json!(null), json!(null)), [size, "aten::reshape"]);
}

#[test]
fn lists_are_shared_and_change() {
    let nodes = vec![
        constant(json!(0), 100),
        node("prim::ListConstruct", &[1], &[101]),
        relu(1, 102),
        node("aten::append", &[101, 102], &[103]),
        constant(json!(1), 104),
        node("aten::__getitem__", &[101, 104], &[105]),
        aten("sigmoid", &["self"], &[105], 106),
    ];
    let found = follow(&network(nodes, 106), 8).unwrap();
    let made = found.graph.nodes[0].defines().next().unwrap().0;
    assert_eq!(found.graph.nodes[1].subject(), Some(made), "the second item is what was appended");
}

#[test]
fn pieces_of_a_tensor_are_values_of_their_own() {
    let mut chunk = aten("chunk", &["self", "chunks", "dim"], &[1, 100, 101], 102);
    chunk["returns"] = json!(["Tensor[]"]);
    let nodes = vec![
        constant(json!(2), 100),
        constant(json!(1), 101),
        chunk,
        node("prim::ListUnpack", &[102], &[103, 104]),
        relu(104, 105),
    ];
    let found = follow(&network(nodes, 105), 8).unwrap();
    let pieces: Vec<_> = found.graph.nodes[0].defines().map(|(id, _)| id).collect();
    assert_eq!((pieces.len(), found.graph.nodes[1].subject()), (2, Some(pieces[1])));
}

#[test]
fn stored_tensors_are_named_by_module_and_attribute() {
    let mut attribute = node("prim::GetAttr", &[0], &[100]);
    attribute["name"] = json!("weight");
    let nodes = vec![attribute, aten("mul", &["self", "other"], &[1, 100], 101)];
    let found = follow(&network(nodes, 101), 8).unwrap();
    assert_eq!(found.weights, HashMap::from([("weight".to_owned(), 0)]));
}

#[test]
fn what_no_graph_can_say_is_refused_with_its_place() {
    let mut branch = node("prim::If", &[100], &[101]);
    branch["blocks"] = json!([block(&[], vec![], &[1]), block(&[], vec![], &[1])]);
    branch["source"] = json!("net.py:12");
    let nodes = vec![aten("sum", &["self"], &[1], 100), branch];
    check_refused(nodes, 101, &["depends on the content of a tensor", "net.py:12", "unitscope_export"]);
    let nodes = vec![constant(json!("too small"), 100), node("prim::RaiseException", &[100], &[])];
    check_refused(nodes, 1, &["ends the network's run", "too small"]);
    check_refused(
        vec![aten("from_file", &["filename"], &[1], 100)],
        100,
        &["aten::from_file", "not among the operators"],
    );
    check_refused(
        vec![node("prim::rpc_async", &[1], &[100])],
        100,
        &["prim::rpc_async", "is not understood"],
    );
}

#[test]
fn documents_that_contradict_themselves_are_refused() {
    let check = |change: fn(&mut Json), word: &str| {
        let mut program = network(call_act(1, 100, 101).to_vec(), 101);
        change(&mut program);
        let error = follow(&program, 8).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    check(|program| program["objects"] = json!([]), "holds no network");
    check(|program| program["objects"][0]["methods"] = json!([]), "no method `forward`");
    check(
        |program| program["objects"][0]["methods"] = json!([["forward", 9]]),
        "takes other things than one image",
    );
    check(|program| program["objects"][0]["attributes"] = json!([]), "no attribute `act`");
    check(
        |program| program["objects"][0]["attributes"][0][1] = json!({ "object": 7 }),
        "there is no object 7",
    );
    check(
        |program| program["functions"][1]["body"]["outputs"] = json!([77]),
        "variable 77 is read before it is set",
    );
    check(|program| program["functions"][1]["body"]["outputs"] = json!([]), "takes 2 arguments");
    // A function that calls itself.
    check(
        |program| program["functions"][1]["body"] = program["functions"][0]["body"].clone(),
        "no attribute `act`",
    );
    check(
        |program| {
            let call =
                json!({ "kind": "prim::CallFunction", "inputs": [0, 0, 1], "outputs": [5], "function": 1 });
            program["functions"][1]["body"]["nodes"] = json!([call]);
        },
        "the depth of calls",
    );
}

/// A program that ends, with this word, however often it says that something be repeated.
fn check_bounded(nodes: Vec<Json>, word: &str) {
    check_refused(nodes, 1, &[word, "the cap is"]);
}

#[test]
fn a_call_without_a_function_value_is_refused() {
    let mut call = node("prim::CallFunction", &[], &[100]);
    call["function"] = json!(1);
    check_refused(vec![call], 100, &["takes 2 arguments and got 0"]);
}

/// `before`, then `body` a hundred thousand times.
fn repeated(before: Vec<Json>, body: Vec<Json>) -> Vec<Json> {
    let mut repeat = node("prim::Loop", &[100, 101], &[]);
    repeat["blocks"] = json!([block(&[200], body, &[101])]);
    [vec![constant(json!(100_000), 100), constant(json!(true), 101)], before, vec![repeat]].concat()
}

#[test]
fn what_loops_pile_up_is_bounded() {
    let size = [constant(json!(2), 102), node("aten::size", &[1, 102], &[103])];
    check_bounded(repeated(vec![], size.to_vec()), "the graph's number of nodes");
    check_bounded(
        repeated(vec![], vec![constant(json!("x".repeat(9_000)), 102)]),
        "the length of all strings",
    );
    let long = constant(json!("x".repeat(9_000)), 102);
    let doubled = node("aten::add", &[102, 102], &[103]);
    check_bounded(repeated(vec![long], vec![doubled]), "the length of all strings");
    let many = [1; 1_000];
    check_bounded(
        repeated(vec![], vec![node("prim::TupleConstruct", &many, &[102])]),
        "the number of items in lists",
    );
    check_bounded(repeated(vec![], vec![node("aten::warn", &many, &[])]), "the number of instructions");
}

/// A list that holds itself many times.
fn endless_list() -> Vec<Json> {
    let append = || node("aten::append", &[102, 102], &[103]);
    [vec![node("prim::ListConstruct", &[], &[102])], (0..100).map(|_| append()).collect()].concat()
}

#[test]
fn lists_that_hold_themselves_end() {
    check_refused(endless_list(), 102, &["the depth of nested lists"]);
    // Fifteen levels of a hundred items, which hold nothing.
    let mut nodes = vec![node("prim::ListConstruct", &[], &[102])];
    nodes.extend((103..118).map(|level| node("prim::ListConstruct", &[level - 1; 100], &[level])));
    check_refused(nodes.clone(), 117, &["the number of instructions"]);
    nodes.push(node("aten::eq", &[117, 117], &[118]));
    check_refused(nodes, 1, &["the number of instructions"]);
}
