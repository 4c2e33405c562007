//! The engine's side of `tests/bench/step.py`: times a forward and a backward pass to a layer, once per line of its input.
//!
//! `step_time MODEL_DIR LAYER BATCH THREADS`; prints milliseconds, one number per line.

use std::io::BufRead;
use std::time::Instant;
use tch::{Device, Kind, Tensor};
use unitscope_engine::model::{Model, Reader, gradients};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, layer, batch, threads] = arguments.as_slice() else {
        return Err("give MODEL_DIR LAYER BATCH THREADS".into());
    };
    tch::set_num_threads(threads.parse()?);
    let model = Model::load(std::path::Path::new(folder), &Reader::default())?;
    let program = model.program(std::slice::from_ref(layer), model.size(), Device::Cpu)?;
    let input = &model.manifest().input;
    let channels = i64::from(input.channels.count());
    let shape = [batch.parse()?, channels, i64::from(input.height), i64::from(input.width)];
    // Channels-last, like the other side's.
    let x = Tensor::rand(shape, (Kind::Float, Device::Cpu));
    let x = x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
    let tap = tch::no_grad(|| program.run(&x))?.remove(0);
    let gradient = tap.ones_like();
    // The host empties such a buffer at each step; filling it is the terms' work.
    let mut buffer = tap.zeros_like();
    for line in std::io::stdin().lock().lines() {
        line?;
        let x = x.detach().set_requires_grad(true);
        let begin = Instant::now();
        let taps = program.run(&x)?;
        let _ = buffer.zero_();
        let found = gradients(&taps, &[x], std::slice::from_ref(&gradient))?;
        let elapsed_ms = begin.elapsed().as_secs_f64() * 1e3;
        assert!(found[0].is_some(), "the layer depends on the input");
        println!("{elapsed_ms}");
    }
    Ok(())
}
