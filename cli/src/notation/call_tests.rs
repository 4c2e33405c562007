//! Tables for the notation of calls.

use super::*;

fn check(text: &str, name: &str, arguments: serde_json::Value) {
    let call: Call = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(call.name, name, "{text}");
    assert_eq!(serde_json::Value::Object(call.arguments.into_iter().collect()), arguments, "{text}");
}

fn check_error(text: &str, marks: &str, says: &str) {
    let error = text.parse::<Call>().and_then(|call| call.term()).map(|term| format!("{term:?}"));
    let error = error.expect_err(text);
    assert_eq!(error.column, marks.find('^').unwrap(), "{text}: {error}");
    assert!(error.message.contains(says), "{text}: {}", error.message);
    assert!(error.to_string().ends_with(&format!("    {text}\n    {marks}")), "{error}");
}

#[test]
fn calls_that_read() {
    check("l2", "l2", json!({}));
    check(" l2 ( ) ", "l2", json!({}));
    check("total_variation(weight=0.1)", "total_variation", json!({"weight": 0.1}));
    check("a(b=-1, c=1e-3 ,d=+2)", "a", json!({"b": -1, "c": 0.001, "d": 2}));
    check("a(b=true,c=false)", "a", json!({"b": true, "c": false}));
    check("a(layer=layer3.0:pre)", "a", json!({"layer": "layer3.0:pre"}));
    check(r#"a(b="x, (y)", c='it\'s')"#, "a", json!({"b": "x, (y)", "c": "it's"}));
    check("a(b=[1, 2,3], c=[], d=[x,'y z'])", "a", json!({"b": [1, 2, 3], "c": [], "d": ["x", "y z"]}));
    check("a(b=nan, c=inf, d=-x)", "a", json!({"b": "nan", "c": "inf", "d": "-x"}));
    check("a(b=ééé, c='→')", "a", json!({"b": "ééé", "c": "→"}));
}

#[test]
fn errors_point_at_the_place() {
    check_error("", "^", "expected a name such as `total_variation`, found the end");
    check_error("(x=1)", "^", "expected a name");
    check_error("l2 x", "   ^", "expected `(` or the end, found `x`");
    check_error("l2(x=1", "      ^", "expected `,` or `)`, found the end");
    check_error("l2(x)", "    ^", "expected `=` and a value after `x`, found `)`");
    check_error("l2(x=)", "     ^", "expected a value");
    check_error("l2(x=1,)", "       ^", "expected a parameter's name, found `)`");
    check_error("l2(x=1, x=2)", "        ^", "`x` is given twice");
    check_error("l2(x='abc)", "     ^", "no closing '");
    check_error("l2(x=[1 2])", "        ^", "expected `,` or `]`");
    check_error("l2(x=[[1]])", "      ^", "lists do not nest");
    check_error("l2(x=1))", "       ^", "expected the end, found `)`");
    check_error("l2(é='ö', x)", "           ^", "expected `=`");
    check_error("l2(x=1, weight=nan)", "        ^", "`weight` must be a finite number");
    check_error("l2(images=3)", "   ^", "`images` must be a list");
    check_error("l2(image_weights=[x])", "   ^", "`image_weights` must be a list of finite numbers");
    check_error("l2(7)", "    ^", "expected `=` and a value after `7`");
    check_error("l2(images=[0.5])", "   ^", "`images` must be a list");
}

#[test]
fn weight_and_images_belong_to_the_term() {
    let call: Call = "l2(weight=-2, images=[0,2], image_weights=[1, -0.5], power=3)".parse().unwrap();
    let term = call.term().unwrap();
    assert_eq!((term.weight, term.images, term.image_weights), (Some(-2.0), vec![0, 2], vec![1.0, -0.5]));
    let params = term.params.unwrap();
    assert_eq!(
        params.fields.into_iter().collect::<Vec<_>>(),
        vec![("power".into(), protobuf_value(&json!(3)))]
    );
}

#[test]
fn a_call_is_the_json_of_a_oneof() {
    let call: Call = "jitter(pixels=4)".parse().unwrap();
    assert_eq!(call.json(), json!({"jitter": {"pixels": 4}}));
}
