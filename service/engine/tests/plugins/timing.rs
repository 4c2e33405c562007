//! How long the built-in objectives take on a layer of usual size; run by hand, in release, with `--ignored --nocapture`.

use unitscope_engine::plugin::{Axis, DType, GuardedBuffer, Instance, ParamValue, View};

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
                let mean = mean_ms(&mut instance, shape, channels_last);
                println!(
                    "{term:10} {shape:?} {} {mean:.2} ms",
                    if channels_last { "channels-last" } else { "row-major" }
                );
            }
        }
    }
}

/// Enough that the times' coarse steps of a few milliseconds do not show.
const EVALS: u32 = 50;

fn mean_ms(instance: &mut Instance, [n, c, h, w]: [i64; 4], channels_last: bool) -> f64 {
    let axes = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];
    let strides = if channels_last { [c * h * w, 1, w * c, c] } else { [c * h * w, h * w, w, 1] };
    let mut data: Vec<f32> = (0..n * c * h * w).map(|at| (at as f32 * 0.37).sin()).collect();
    // SAFETY: both kinds of strides reach exactly the elements of `data`, which outlives the view.
    let tap = unsafe { View::from_raw(data.as_mut_ptr().cast(), DType::F32, &[n, c, h, w], &strides, &axes) };
    let tap = tap.expect("a view");
    let mut gradient = GuardedBuffer::<f32>::like(&tap);
    instance.prepare(&[tap]).expect("a shape");
    let mut values = vec![0.0; n as usize];
    let start = cpu_ms();
    for _ in 0..EVALS {
        let view = [gradient.view().expect("a view")];
        instance.eval(&STEP, &[tap], Some(&view), &vec![1.0; n as usize], &mut values).expect("values");
    }
    (cpu_ms() - start) / f64::from(EVALS)
}

/// Time that this thread has run, which other processes' load does not lengthen.
fn cpu_ms() -> f64 {
    let stat =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread its times");
    let ns = stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.expect("the first number is nanoseconds on a CPU") / 1e6
}
