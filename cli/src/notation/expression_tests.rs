//! Tables for the notation of expressions.

use super::*;
use crate::json;
use prost::Message;
use serde_json::{Value, json};
use unitscope_proto::v1::stream_progress_response::Event;
use unitscope_proto::v1::{Job, OptimizeSpec, StreamProgressResponse, job};

fn check(text: &str, calls: &[&str], tree: Value) {
    let objective: Objective = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let found: Vec<_> = objective.calls.iter().map(|written| written.call.text.as_str()).collect();
    assert_eq!(found, calls, "{text}");
    assert_eq!(objective.tree, json::from_json("Expression", &tree).unwrap(), "{text}");
    for Written { call, place, .. } in &objective.calls {
        assert!(objective.text[*place..].starts_with(&call.text), "{text}");
    }
}

/// The arithmetic of `a()`, `b()` and so on, which are terms 0, 1 and so on.
fn check_tree(text: &str, tree: Value) {
    let objective: Objective = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(objective.tree, json::from_json("Expression", &tree).unwrap(), "{text}");
}

fn check_error(text: &str, marks: &str, says: &str) {
    let error = text.parse::<Objective>().expect_err(text);
    assert!(error.message.contains(says), "{text}: {}", error.message);
    assert!(error.to_string().ends_with(&format!("    {text}\n    {marks}")), "{error}");
}

fn sum(parts: Value) -> Value {
    json!({ "sum": { "parts": parts } })
}

fn product(parts: Value) -> Value {
    json!({ "product": { "parts": parts } })
}

fn minus(part: Value) -> Value {
    json!({ "negation": part })
}

fn term(place: u32) -> Value {
    json!({ "term": place })
}

fn number(number: f64) -> Value {
    json!({ "constant": number })
}

#[test]
fn calls_stand_in_order_with_their_text() {
    check(
        "channel(mixed4a, 97) - 0.1*total_variation()",
        &["channel(mixed4a, 97)", "total_variation()"],
        sum(json!([term(0), product(json!([number(-0.1), term(1)]))])),
    );
    check(" my-plugin/l.2 ( ) ", &["my-plugin/l.2 ( )"], term(0));
    check("unit('é, (', 7)+b(x=')')", &["unit('é, (', 7)", "b(x=')')"], sum(json!([term(0), term(1)])));
}

#[test]
fn arguments_have_names_or_places() {
    let check = |text: &str, positional: Value, named: Value| {
        let objective: Objective = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let written = objective.calls[0].clone();
        let values: Vec<Value> = written.positional.into_iter().map(|(_, value)| value).collect();
        assert_eq!(Value::from(values), positional, "{text}");
        assert_eq!(Value::Object(written.call.arguments.into_iter().collect()), named, "{text}");
    };
    check("a(inception_4a, 97)", json!(["inception_4a", 97]), json!({}));
    check("a(layer3.0.conv1:pre, 5)", json!(["layer3.0.conv1:pre", 5]), json!({}));
    check("a(conv#1, -5, weight = 2)", json!(["conv#1", -5]), json!({"weight": 2}));
    check("a([1, 2], 'x=1', true, k=[3])", json!([[1, 2], "x=1", true]), json!({"k": [3]}));
    check("a(b-c, 1e-3)", json!(["b-c", 0.001]), json!({}));
}

#[test]
fn operators_bind_as_in_arithmetic() {
    check_tree("a() - b() - c()", sum(json!([term(0), minus(term(1)), minus(term(2))])));
    check_tree("a() - (b() - c())", sum(json!([term(0), minus(sum(json!([term(1), minus(term(2))])))])));
    check_tree("a()+b()*c()", sum(json!([term(0), product(json!([term(1), term(2)]))])));
    check_tree("(a()+b())*c()", product(json!([sum(json!([term(0), term(1)])), term(2)])));
    check_tree("-a()*b()", product(json!([minus(term(0)), term(1)])));
    check_tree("a() * -b()", product(json!([term(0), minus(term(1))])));
    check_tree("- - -a()", minus(term(0)));
    check_tree("a()--b()", sum(json!([term(0), term(1)])));
}

#[test]
fn numbers_are_folded() {
    check_tree("a()*2", product(json!([number(2.0), term(0)])));
    check_tree("2*(3*a())*0.5*b()", product(json!([number(3.0), term(0), term(1)])));
    check_tree("-(2*a())", product(json!([number(-2.0), term(0)])));
    check_tree("-2*-0.5*a()", term(0));
    check_tree("1 + a() + (2 - b())", sum(json!([term(0), minus(term(1)), number(3.0)])));
    check_tree("a() - 1e-3 + .001", term(0));
    check_tree("0*a()", product(json!([number(0.0), term(0)])));
    check_tree("1.5E+1*a()-2e1", sum(json!([product(json!([number(15.0), term(0)])), number(-20.0)])));
}

#[test]
fn errors_point_at_the_place() {
    check_error(
        "",
        "^",
        "expected a term such as `channel(conv2, 7)`, a number, `-` or a parenthesis, found the end",
    );
    check_error("a() +", "     ^", "expected a term");
    check_error(
        "a() * / b()",
        "      ^",
        "expected a term such as `channel(conv2, 7)`, a number, `-` or a parenthesis, found `/`",
    );
    check_error("a() b()", "    ^", "expected `+`, `-`, `*` or the end, found `b`");
    check_error("(a() b", "     ^", "expected `+`, `-`, `*` or `)`, found `b`");
    check_error("a())", "   ^", "or the end, found `)`");
    check_error(
        "a() - total_variation",
        "                     ^",
        "expected `(` after `total_variation`, found the end",
    );
    check_error("a(é, x=1, 7)", "          ^", "a value without a name cannot follow `x=`");
    check_error("a(x=1, x=2)", "       ^", "`x` is given twice");
    check_error("a(1 2)", "    ^", "expected `,` or `)`");
    check_error("2 * 3", "^", "there is no term to maximize");
    check_error("a() + 1.2.3", "      ^", "`1.2.3` is not a finite number");
    check_error("a() + 1e999", "      ^", "`1e999` is not a finite number");
    check_error("a() + 2e", "       ^", "expected `+`, `-`, `*` or the end, found `e`");
    check_error("a() + (1e300*1e300)", "       ^", "make one that is not finite");
}

#[test]
fn caps_hold_while_reading() {
    let marks = |column: usize| format!("{}^", " ".repeat(column));
    let nested = |open: usize| format!("{}a(){}", "(".repeat(open), ")".repeat(open));
    check_tree(&nested(32), term(0));
    vec!["(a())"; 40].join("+").parse::<Objective>().unwrap();
    check_error(&nested(33), &marks(32), "more than 32 parentheses are open");
    check_error(&"(".repeat(100_000), &marks(32), "more than 32 parentheses are open");
    check_tree(&format!("{}a()", "-".repeat(100_000)), term(0));
    check_error(&deep(16), "^", "nested more than 32 deep");
    let wide = |terms: usize| vec!["a()"; terms].join("+");
    wide(1023).parse::<Objective>().unwrap();
    check_error(&wide(1024), "^", "more than 1024 terms");
}

/// Each pair of parentheses is a sum in a product: two levels, which end in a term.
fn deep(pairs: usize) -> String {
    format!("{}a(){}", "2*(1+".repeat(pairs), ")".repeat(pairs))
}

#[test]
fn the_deepest_expression_can_be_sent_and_read_from_json() {
    let tree = deep(15).parse::<Objective>().unwrap().tree;
    let spec = Some(OptimizeSpec { objective: Some(tree), ..OptimizeSpec::default() });
    let job = Job { spec: spec.clone().map(job::Spec::Optimize), ..Job::default() };
    let done = StreamProgressResponse { event: Some(Event::Done(job)), ..StreamProgressResponse::default() };
    assert_eq!(StreamProgressResponse::decode(&done.encode_to_vec()[..]).unwrap(), done);
    let text = json::to_json("OptimizeSpec", spec.as_ref().unwrap()).to_string();
    assert_eq!(json::parse_spec(&text).ok(), spec);
}
