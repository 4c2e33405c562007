//! What the header asks of every term, as checks that panic with the numbers that differ.

use super::Subject;
use super::array::{Array, uniform};

/// Every check of this module, on row-major taps of at least two images: gradient, independence of the images (permutation where
/// they are `coupled`), accumulation, layouts, precisions, and that inputs stay as they are.
///
/// # Panics
/// Where the term fails one of them.
pub fn check_term(subject: &mut dyn Subject, taps: &[Array], coupled: bool) {
    check_gradient(subject, taps);
    check_permutation(subject, taps);
    if !coupled {
        check_independence(subject, taps);
    }
    check_accumulates(subject, taps);
    check_layouts(subject, taps);
    check_precisions(subject, taps);
    check_input_unchanged(subject, taps);
}

/// The gradient agrees with central differences, element by element, of every tap that has one.
///
/// # Panics
/// Where they differ by more than 1e-6 of the largest.
pub fn check_gradient(subject: &mut dyn Subject, taps: &[Array]) {
    // Near the cube root of float64's precision, where truncation and rounding errors of a central difference balance.
    const STEP: f64 = 6e-6;
    let scale = scales(taps);
    let (_, gradients) = gradients(subject, taps, &scale);
    let wanted: Vec<bool> = (0..taps.len()).map(|k| subject.has_gradient(k)).collect();
    let mut sum = |taps: &mut Vec<Array>| -> f64 {
        let values = subject.eval(taps, None, &scale, false).unwrap_or_else(|error| panic!("eval: {error}"));
        values.iter().zip(&scale).map(|(value, scale)| value * scale).sum()
    };
    let mut moved = taps.to_vec();
    for (k, tap) in taps.iter().enumerate().filter(|&(k, _)| wanted[k]) {
        let mut differences = tap.zeros();
        for at in 0..tap.data.len() {
            moved[k].data[at] = tap.data[at] + STEP;
            let up = sum(&mut moved);
            moved[k].data[at] = tap.data[at] - STEP;
            let down = sum(&mut moved);
            moved[k].data[at] = tap.data[at];
            differences.data[at] = (up - down) / (2.0 * STEP);
        }
        close(
            &gradients[k].data,
            &differences.data,
            1e-6,
            &format!("gradient of tap {k} and finite differences"),
        );
    }
}

/// Each image's value and gradient is what it is alone.
///
/// # Panics
/// Where they differ by more than 1e-12 of the largest.
pub fn check_independence(subject: &mut dyn Subject, taps: &[Array]) {
    let scale = scales(taps);
    let (values, batch) = gradients(subject, taps, &scale);
    for image in 0..taps[0].images() {
        let alone: Vec<Array> = taps.iter().map(|tap| tap.select(&[image])).collect();
        let (value, gradient) = gradients(subject, &alone, &scale[image..=image]);
        close(&value, &values[image..=image], 1e-12, "value alone and in the batch");
        for (k, gradient) in gradient.iter().enumerate() {
            close(&gradient.data, &batch[k].select(&[image]).data, 1e-12, "gradient alone and in the batch");
        }
    }
}

/// Images in another order have the same values and gradients, in that order.
///
/// # Panics
/// Where they differ by more than 1e-12 of the largest.
pub fn check_permutation(subject: &mut dyn Subject, taps: &[Array]) {
    let scale = scales(taps);
    let (values, straight) = gradients(subject, taps, &scale);
    let order: Vec<usize> = (0..taps[0].images()).rev().collect();
    let pick = |values: &[f64]| order.iter().map(|&image| values[image]).collect::<Vec<f64>>();
    let turned: Vec<Array> = taps.iter().map(|tap| tap.select(&order)).collect();
    let (turned_values, turned) = gradients(subject, &turned, &pick(&scale));
    close(&turned_values, &pick(&values), 1e-12, "values in another order");
    for (k, gradient) in turned.iter().enumerate() {
        close(&gradient.data, &straight[k].select(&order).data, 1e-12, "gradients in another order");
    }
}

/// What was in the gradient's buffers before is still in the sum.
///
/// # Panics
/// Where it is not.
pub fn check_accumulates(subject: &mut dyn Subject, taps: &[Array]) {
    let scale = scales(taps);
    let (_, fresh) = gradients(subject, taps, &scale);
    let mut filled: Vec<Array> = taps.to_vec();
    eval(subject, taps, Some(&mut filled), &scale, false);
    for (k, gradient) in filled.iter().enumerate() {
        let expected: Vec<f64> = gradient_sum(&fresh[k], &taps[k]);
        close(
            &gradient.data,
            &expected,
            1e-12,
            "a gradient added to a filled buffer (it must be added, not assigned)",
        );
    }
}

fn gradient_sum(gradient: &Array, before: &Array) -> Vec<f64> {
    gradient.data.iter().zip(&before.data).map(|(gradient, before)| gradient + before).collect()
}

/// Channels-last taps and gradients, and one of each, give what row-major ones give.
///
/// # Panics
/// Where they differ by more than 1e-12 of the largest.
pub fn check_layouts(subject: &mut dyn Subject, taps: &[Array]) {
    let scale = scales(taps);
    let (values, straight) = gradients(subject, taps, &scale);
    let last: Vec<Array> = taps.iter().map(Array::channels_last).collect();
    for (taps, like) in [(&last[..], &last[..]), (taps, &last[..]), (&last[..], taps)] {
        let mut gradients: Vec<Array> = like.iter().map(Array::zeros).collect();
        let other = eval(subject, taps, Some(&mut gradients), &scale, false);
        close(&other, &values, 1e-12, "values in another layout");
        for (k, gradient) in gradients.iter().enumerate() {
            close(&gradient.values(), &straight[k].values(), 1e-12, "gradients in another layout");
        }
    }
}

/// float32 gives what float64 gives.
///
/// # Panics
/// Where they differ by more than 1e-4 of the largest.
pub fn check_precisions(subject: &mut dyn Subject, taps: &[Array]) {
    let scale = scales(taps);
    let (values, double) = gradients(subject, taps, &scale);
    let mut single: Vec<Array> = taps.iter().map(Array::zeros).collect();
    let single_values = eval(subject, taps, Some(&mut single), &scale, true);
    close(&single_values, &values, 1e-4, "values in float32 and float64");
    for (k, gradient) in single.iter().enumerate() {
        close(&gradient.data, &double[k].data, 1e-4, "gradients in float32 and float64");
    }
}

/// The taps are as they were after an evaluation.
///
/// # Panics
/// Where they are not.
pub fn check_input_unchanged(subject: &mut dyn Subject, taps: &[Array]) {
    let mut lent = taps.to_vec();
    let mut gradients: Vec<Array> = taps.iter().map(Array::zeros).collect();
    subject
        .eval(&mut lent, Some(&mut gradients), &scales(taps), false)
        .unwrap_or_else(|error| panic!("eval: {error}"));
    for (k, (lent, tap)) in lent.iter().zip(taps).enumerate() {
        assert!(lent.data == tap.data, "the term wrote to tap {k}, which is read only");
    }
}

/// A factor per image, none of them 0 or 1.
fn scales(taps: &[Array]) -> Vec<f64> {
    let mut state = 7;
    (0..taps[0].images()).map(|_| 0.5 + uniform(&mut state)).collect()
}

fn gradients(subject: &mut dyn Subject, taps: &[Array], scale: &[f64]) -> (Vec<f64>, Vec<Array>) {
    let mut gradients: Vec<Array> = taps.iter().map(Array::zeros).collect();
    let values = eval(subject, taps, Some(&mut gradients), scale, false);
    (values, gradients)
}

fn eval(
    subject: &mut dyn Subject,
    taps: &[Array],
    gradients: Option<&mut [Array]>,
    scale: &[f64],
    single: bool,
) -> Vec<f64> {
    let values = subject.eval(&mut taps.to_vec(), gradients, scale, single);
    values.unwrap_or_else(|error| panic!("eval: {error}"))
}

fn close(a: &[f64], b: &[f64], tolerance: f64, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}: lengths");
    // Below 1e-3 of the usual size 1, differences are of rounding alone.
    let largest = b.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * largest,
            "{what} differ at {at}: {a} and {b} (largest: {largest})"
        );
    }
}
