//! How long the built-in objectives take on a layer of usual size; run by hand, in release, with `--ignored --nocapture`.

use std::time::Instant;

use unitscope_engine::plugin::{Axis, GuardedBuffer, Instance, ParamValue};

use super::support::{LoadedSubject, STEP, text};

#[test]
#[ignore = "a measurement"]
fn time_per_eval() {
    for (term, given) in [
        ("channel", vec![("layer", text("conv1")), ("channel", ParamValue::Int(7))]),
        ("layer", vec![("layer", text("conv1"))]),
        ("diversity", vec![("layer", text("conv1"))]),
    ] {
        for shape in [[8, 512, 14, 14], [8, 512, 28, 28]] {
            for channels_last in [false, true] {
                let LoadedSubject(mut instance) = LoadedSubject::builtin(term, &given);
                let best = best_ms(&mut instance, shape, channels_last);
                println!(
                    "{term:10} {shape:?} {} {best:.2} ms",
                    if channels_last { "channels-last" } else { "row-major" }
                );
            }
        }
    }
}

fn best_ms(instance: &mut Instance, [n, c, h, w]: [i64; 4], channels_last: bool) -> f64 {
    let axes = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];
    let strides = if channels_last { [c * h * w, 1, w * c, c] } else { [c * h * w, h * w, w, 1] };
    let mut data: Vec<f32> = (0..n * c * h * w).map(|at| (at as f32 * 0.37).sin()).collect();
    // SAFETY: both kinds of strides reach exactly the elements of `data`, which outlives the view.
    let tap = unsafe {
        unitscope_engine::plugin::View::from_raw(
            data.as_mut_ptr().cast(),
            unitscope_engine::plugin::DType::F32,
            &[n, c, h, w],
            &strides,
            &axes,
        )
    };
    let tap = tap.expect("a view");
    let mut gradient = GuardedBuffer::<f32>::like(&tap);
    instance.prepare(&[tap]).expect("a shape");
    let mut values = vec![0.0; n as usize];
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let view = [gradient.view().expect("a view")];
        let start = Instant::now();
        instance.eval(&STEP, &[tap], Some(&view), &vec![1.0; n as usize], &mut values).expect("values");
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}
