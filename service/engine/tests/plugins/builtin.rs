//! Every built-in term through its loaded library: finite differences in float64, independence of the images (permutation where
//! they are coupled), accumulation, layouts, precisions.

use unitscope_engine::plugin::{ParamValue, Tap, TermError, TermKind, View};
use unitscope_sdk::testing::{
    Array, Subject, check_accumulates, check_gradient, check_layouts, check_precisions, check_term,
};

use super::support::{LoadedSubject, STEP, builtin, params, text, view};

fn check(term: &str, given: &[(&str, ParamValue)], shapes: &[&[i64]]) {
    for (seed, shape) in shapes.iter().enumerate() {
        let coupled = builtin().term(term).expect("a built-in term").batch_coupled;
        check_term(&mut LoadedSubject::builtin(term, given), &[Array::random(shape, seed as u64)], coupled);
    }
}

/// A term that compares with a reference image, whose tap is the second.
fn check_reference(term: &str, given: &[(&str, ParamValue)], shapes: &[&[i64]]) {
    for shape in shapes {
        let mut subject = LoadedSubject::builtin(term, given);
        assert!(subject.has_gradient(0) && !subject.has_gradient(1));
        let taps = [Array::random(shape, 1), Array::random(shape, 2)];
        check_term(&mut subject, &taps, false);
    }
}

fn channel(rest: &[(&'static str, ParamValue)]) -> Vec<(&'static str, ParamValue)> {
    [&[("layer", text("conv1")), ("channel", ParamValue::Int(1))], rest].concat()
}

const LAYERS: [&[i64]; 4] = [&[3, 4, 5, 6], &[2, 3, 1, 1], &[4, 6], &[2, 5, 3]];

#[test]
fn unit() {
    check("unit", &channel(&[]), &LAYERS);
    check("unit", &channel(&[("row", ParamValue::Int(4)), ("column", ParamValue::Int(0))]), &LAYERS[..1]);
}

#[test]
fn channel_mean() {
    check("channel", &channel(&[]), &LAYERS);
}

#[test]
fn layer() {
    check("layer", &[("layer", text("conv1"))], &LAYERS);
}

#[test]
fn negative() {
    check("negative", &channel(&[]), &LAYERS);
    check("negative", &channel(&[("row", ParamValue::Int(1))]), &LAYERS[..1]);
}

#[test]
fn direction() {
    let vector = ("vector", ParamValue::FloatList(vec![1.0, -0.5, 2.0, 0.0]));
    let given = [("layer", text("conv1")), vector];
    check("direction", &given, &[&[3, 4, 5, 6], &[2, 4], &[2, 3, 4]]);
    let rest = [("cosine_power", ParamValue::Float(2.0)), ("row", ParamValue::Int(4))];
    check("direction", &[&given[..], &rest[..1]].concat(), &[&[3, 4, 5, 6], &[2, 4], &[2, 3, 4]]);
    check("direction", &[&given[..], &rest[..]].concat(), &LAYERS[..1]);
}

#[test]
fn class_by_number() {
    check("class", &[("class", ParamValue::Int(2))], &LAYERS);
}

#[test]
fn target() {
    let value = ("value", ParamValue::Float(0.75));
    check("target", &channel(std::slice::from_ref(&value)), &LAYERS);
    check("target", &channel(&[value, ("column", ParamValue::Int(1))]), &LAYERS[..1]);
}

#[test]
fn compare_by_every_measure() {
    for (measure, power) in [("dot", 0.0), ("dot", 1.5), ("cosine", 0.0), ("l2", 0.0)] {
        let given =
            [("layer", text("conv1")), ("measure", text(measure)), ("power", ParamValue::Float(power))];
        check_reference("compare", &given, &LAYERS);
    }
}

#[test]
fn guide() {
    check_reference("guide", &[("layer", text("conv1"))], &LAYERS);
}

#[test]
fn group() {
    check("group", &[("layer", text("conv1"))], &LAYERS);
    let window =
        [("channel", ParamValue::Int(1)), ("channels", ParamValue::Int(2)), ("row", ParamValue::Int(3))];
    let weights = ("weights", ParamValue::FloatList(vec![2.0, -0.5]));
    check("group", &[&[("layer", text("conv1")), weights], &window[..]].concat(), &LAYERS[..1]);
}

#[test]
fn alignment() {
    check("alignment", &[("layer", text("conv1"))], &[&[3, 4, 5, 6], &[6, 3], &[2, 5, 3]]);
}

/// The order of the images is part of what it computes: with weights that are the same in both orders it passes every check, without any
/// the ones that keep the order.
#[test]
fn interpolate() {
    let given = channel(&[("channel2", ParamValue::Int(0)), ("layer2", text("conv2"))]);
    let taps = [Array::random(&[3, 4, 5, 6], 1), Array::random(&[3, 2], 2)];
    let weights = ("weights", ParamValue::FloatList(vec![0.25, 1.0, 0.25]));
    let weighted = [&given[..], &[weights]].concat();
    check_term(&mut LoadedSubject::builtin("interpolate", &weighted), &taps, true);
    for check in [check_gradient, check_accumulates, check_layouts, check_precisions] {
        check(&mut LoadedSubject::builtin("interpolate", &given), &taps);
    }
}

#[test]
fn diversity_in_both_forms() {
    check("diversity", &[("layer", text("conv1"))], &[&[3, 4, 3, 2], &[3, 24, 2, 3], &[4, 6], &[2, 5, 3]]);
}

#[test]
fn total_variation() {
    check("total_variation", &[], &[&[2, 3, 5, 4], &[3, 1, 1, 6]]);
}

#[test]
fn l2() {
    check("l2", &[], &[&[2, 3, 5, 4], &[3, 1, 2, 2]]);
}

#[test]
fn other_penalties() {
    const IMAGES: [&[i64]; 3] = [&[2, 3, 5, 4], &[3, 1, 1, 6], &[2, 1, 7, 7]];
    for term in ["l1", "l_infinity", "blur", "boundary_complexity", "opacity"] {
        check(term, &[], &IMAGES);
    }
    check("boundary_complexity", &[("border_px", ParamValue::Int(1))], &IMAGES);
    check_reference("input_distance", &[], &IMAGES);
}

#[test]
fn the_table_of_terms_is_what_the_docs_say() {
    let terms: Vec<(&str, TermKind)> = builtin().terms().map(|term| (term.id.as_str(), term.kind)).collect();
    let expected = [
        ("alignment", TermKind::Objective),
        ("blur", TermKind::Penalty),
        ("blur_gradient", TermKind::StepOperation),
        ("blur_image", TermKind::StepOperation),
        ("boundary_complexity", TermKind::Penalty),
        ("channel", TermKind::Objective),
        ("class", TermKind::Objective),
        ("clip_gradient", TermKind::StepOperation),
        ("clip_small", TermKind::StepOperation),
        ("compare", TermKind::Objective),
        ("decay", TermKind::StepOperation),
        ("direction", TermKind::Objective),
        ("diversity", TermKind::Objective),
        ("group", TermKind::Objective),
        ("guide", TermKind::Objective),
        ("input_distance", TermKind::Penalty),
        ("interpolate", TermKind::Objective),
        ("l1", TermKind::Penalty),
        ("l2", TermKind::Penalty),
        ("l_infinity", TermKind::Penalty),
        ("layer", TermKind::Objective),
        ("negative", TermKind::Objective),
        ("normalize_gradient", TermKind::StepOperation),
        ("opacity", TermKind::Penalty),
        ("target", TermKind::Objective),
        ("total_variation", TermKind::Penalty),
        ("unit", TermKind::Objective),
    ];
    assert_eq!(terms, expected);
    for term in builtin().terms() {
        assert!(term.strided && term.float64, "{}", term.id);
        assert!(
            !term.doc.is_empty() && !term.title.is_empty() && term.library_digest.len() == 64,
            "{}",
            term.id
        );
        assert!(term.params.iter().all(|param| !param.doc.is_empty()), "{}", term.id);
        assert_eq!(term.batch_coupled, ["alignment", "diversity", "interpolate"].contains(&term.id.as_str()));
    }
}

#[test]
fn taps_are_the_layers_asked_for() {
    let taps = |term: &str, given: &[(&'static str, ParamValue)]| {
        LoadedSubject::builtin(term, given).0.taps().expect("taps")
    };
    let tap = |path: &str, reference| Tap::Layer { path: path.to_owned(), reference };
    let layer = |path: &str| vec![tap(path, false)];
    assert_eq!(taps("class", &[("class", ParamValue::Int(0))]), layer("output"));
    assert_eq!(taps("compare", &[("layer", text("a"))]), [tap("a", false), tap("a", true)]);
    assert_eq!(taps("unit", &channel(&[])), layer("conv1"));
    assert_eq!(taps("negative", &channel(&[])), layer("conv1:pre?"));
    assert_eq!(taps("negative", &channel(&[("pre", ParamValue::Bool(false))])), layer("conv1"));
    assert_eq!(taps("total_variation", &[]), [Tap::Image { reference: false }]);
}

#[test]
fn the_host_wants_no_gradient_of_a_reference() {
    let LoadedSubject(mut instance) = LoadedSubject::builtin("compare", &[("layer", text("conv1"))]);
    let array = Array::random(&[2, 3], 1);
    let mut data: Vec<Vec<f64>> = (0..4).map(|_| array.data.clone()).collect();
    let views: Vec<View<'_>> = data.iter_mut().map(|data| view(&array, data)).collect();
    instance.prepare(&views[..2]).expect("two taps");
    let mut eval =
        |gradients: &[View<'_>]| instance.eval(&STEP, &views[..2], Some(gradients), &[1.0; 2], &mut [0.0; 2]);
    assert_eq!(eval(&[views[2], views[3].without_data()]), Ok(()));
    assert_eq!(eval(&[views[2].without_data(), views[3].without_data()]), Ok(()));
    let error = eval(&[views[2], views[3]]).expect_err("a buffer for the reference");
    assert!(error.to_string().contains("a tap of the reference image has no gradient"), "{error}");
}

#[test]
fn what_the_layer_does_not_have_is_refused_by_name() {
    for (name, position) in [("channel", 4), ("row", 5), ("column", 6)] {
        let mut given = params(&channel(&[]));
        given.insert(name.to_owned(), ParamValue::Int(position));
        let mut instance =
            builtin().term("unit").expect("a term").create(&given, &[], 1).expect("valid parameters");
        instance.taps().expect("taps");
        let array = Array::random(&[3, 4, 5, 6], 1);
        let shape: View<'static> = view(&array, &mut array.data.clone()).without_data();
        let error = instance.prepare(&[shape]).expect_err("out of range");
        assert!(
            matches!(&error, TermError::Refused { parameter: Some(parameter), .. } if parameter == name),
            "{error}"
        );
        assert!(
            error.is_request() && error.to_string().contains(&format!("{name} {position} is out of range")),
            "{error}"
        );
    }
}
