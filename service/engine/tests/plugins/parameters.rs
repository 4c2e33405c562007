//! Requests' parameters against the schemas of loaded terms.

use proptest::prelude::*;
use unitscope_engine::plugin::{ParamValue, TermError};

use super::support::{builtin, params, text};

fn check(term: &str, given: &[(&str, ParamValue)], parameter: &str, words: &str) {
    let error = builtin()
        .term(term)
        .expect("a built-in term")
        .create(&params(given), &[], 1)
        .err()
        .expect("bad parameters");
    assert_eq!(error.parameter(), Some(parameter), "{error}");
    assert!(error.is_request() && error.to_string().contains(words), "{error}");
}

#[test]
fn each_mistake_names_its_parameter() {
    let layer = || ("layer", text("conv1"));
    check("channel", &[layer()], "channel", "is required and missing; give an integer of at least 0");
    check("channel", &[("channel", ParamValue::Int(1))], "layer", "is required and missing");
    check(
        "channel",
        &[layer(), ("chanel", ParamValue::Int(1))],
        "chanel",
        "did you mean `channel`? it has layer, channel",
    );
    check(
        "channel",
        &[layer(), ("channel", text("1"))],
        "channel",
        "got the string `1`, expected an integer",
    );
    check("channel", &[layer(), ("channel", ParamValue::Int(-1))], "channel", "got -1");
    check("channel", &[layer(), ("channel", ParamValue::Float(0.5))], "channel", "got 0.5");
    check("channel", &[layer(), ("channel", ParamValue::Float(f64::NAN))], "channel", "got NaN");
    check("channel", &[("layer", ParamValue::Int(1))], "layer", "the path of a layer");
    check("l2", &[("center", ParamValue::Float(1.5))], "center", "a finite number from 0 to 1");
    check("total_variation", &[("size", ParamValue::Int(1))], "size", "it has none");
}

#[test]
fn a_class_is_a_number_or_one_of_the_models_labels() {
    let labels = ["rings", "stripes"].map(str::to_owned);
    let create = |value: ParamValue, labels: &[String]| {
        let term = builtin().term("class").expect("a built-in term");
        term.create(&params(&[("class", value)]), labels, 1).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(create(text("stripes"), &labels), Ok(()));
    assert_eq!(create(ParamValue::Float(1.0), &labels), Ok(()));
    assert_eq!(create(ParamValue::Int(7), &[]), Ok(()));
    let refused = |value, words| {
        let error = create(value, &labels).expect_err("no class of the model");
        assert!(error.contains("parameter `class` of `class`") && error.contains(words), "{error}");
    };
    refused(text("ring"), "did you mean `rings`?");
    refused(ParamValue::Int(2), "class 2 is out of range");
}

#[test]
fn an_unknown_term_names_the_nearest() {
    let error = builtin().term("chanel").expect_err("no such term");
    assert!(error.to_string().contains("did you mean `channel`"), "{error}");
}

fn value() -> impl Strategy<Value = ParamValue> {
    prop_oneof![
        any::<bool>().prop_map(ParamValue::Bool),
        any::<i64>().prop_map(ParamValue::Int),
        any::<f64>().prop_map(ParamValue::Float),
        ".{0,40}".prop_map(ParamValue::String),
        any::<Vec<i64>>().prop_map(ParamValue::IntList),
        any::<Vec<f64>>().prop_map(ParamValue::FloatList),
    ]
}

proptest! {
    #[test]
    fn any_parameters_make_an_instance_or_an_error_that_names_one(
        term in prop::sample::select(vec!["unit", "negative", "class", "group", "l2", "normalize_gradient"]),
        given in prop::collection::btree_map(
            prop_oneof![prop::sample::select(vec![
                "layer", "channel", "row", "column", "pre", "center", "class", "height", "weights",
            ])
                .prop_map(str::to_owned), "[a-z]{1,8}"],
            value(),
            0..5,
        ),
    ) {
        let term = builtin().term(term).expect("a built-in term");
        match term.create(&given, &[], 1) {
            Ok(mut instance) => prop_assert!(instance.taps().is_ok()),
            Err(error) => {
                let parameter = match &error {
                    TermError::Parameter { parameter, .. } => parameter.clone(),
                    other => panic!("{other}"),
                };
                prop_assert!(given.contains_key(&parameter) || term.params.iter().any(|param| param.name == parameter));
            }
        }
    }
}
