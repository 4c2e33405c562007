//! Fuzzes the table of weights: the input is `model_weights_config.json`.
#![no_main]

use unitscope_fuzz::memory::Capped;

#[global_allocator]
static MEMORY: Capped = Capped;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    unitscope_fuzz::readers::weights(data);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, capacity: usize, seed: u32| {
    unitscope_fuzz::mutate::json(data, size, capacity, seed)
});
