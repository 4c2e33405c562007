//! Every built-in step operation through its loaded library: what it writes, layouts, independence of the images.

use unitscope_engine::plugin::{ParamValue, StepInfo};
use unitscope_sdk::testing::Array;

use super::support::{STEP, builtin, params, view};

/// Image and gradient after one step, in float32. Both begin as the array.
fn applied(term: &str, given: &[(&str, ParamValue)], array: &Array, step: u64) -> [Array; 2] {
    let mut instance =
        builtin().term(term).expect("a term").create(&params(given), &[], 1).expect("valid parameters");
    assert_eq!(instance.taps(), Ok(vec![]));
    let mut image: Vec<f32> = array.data.iter().map(|&value| value as f32).collect();
    let mut gradient = image.clone();
    let views = (view(array, &mut image), view(array, &mut gradient));
    instance.prepare(&[views.0]).expect("a shape");
    instance.apply(&StepInfo { step, ..STEP }, &views.0, &views.1).expect("it applies");
    [image, gradient].map(|data| Array { data: data.into_iter().map(f64::from).collect(), ..array.clone() })
}

/// What the term writes changes in this step, and what it does not write stays; channels-last memory and an image alone give the same.
fn check(term: &str, given: &[(&str, ParamValue)], step: u64, [image, gradient]: [bool; 2]) {
    let array = Array::random(&[2, 3, 4, 5], 1);
    let info = builtin().term(term).expect("a built-in term");
    let after = applied(term, given, &array, step);
    let rounded: Vec<f64> = array.data.iter().map(|&value| f64::from(value as f32)).collect();
    let changed = [0, 1].map(|at| after[at].data != rounded);
    assert_eq!(changed, [image, gradient], "{term} in step {step}");
    assert!((info.edits_image || !image) && (info.edits_gradient || !gradient), "{term} says what it writes");
    for (at, last) in applied(term, given, &array.channels_last(), step).iter().enumerate() {
        assert_eq!(last.values(), after[at].values(), "{term}: channels-last");
        let alone = &applied(term, given, &array.select(&[1]), step)[at];
        assert_eq!(alone.values(), after[at].select(&[1]).values(), "{term}: an image alone");
    }
}

#[test]
fn operations_on_the_gradient() {
    for term in ["normalize_gradient", "clip_gradient", "blur_gradient"] {
        check(term, &[], 0, [false, true]);
    }
    check("clip_gradient", &[("max_norm", ParamValue::Float(1e6))], 0, [false, false]);
}

#[test]
fn operations_on_the_image() {
    check("decay", &[], 0, [true, false]);
    for term in ["blur_image", "clip_small"] {
        check(term, &[], 3, [true, false]);
        check(term, &[], 2, [false, false]);
        check(term, &[("every", ParamValue::Int(1))], 2, [true, false]);
    }
}

#[test]
fn a_normalized_gradient_has_length_one() {
    let [_, gradient] = applied("normalize_gradient", &[], &Array::random(&[2, 3, 4, 5], 1), 0);
    for image in 0..2 {
        let norm = gradient.select(&[image]).data.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5, "{norm}");
    }
}
