//! Fuzzes the zip reader: the input is a model file.
#![no_main]

use unitscope_fuzz::memory::Capped;

#[global_allocator]
static MEMORY: Capped = Capped;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    unitscope_fuzz::readers::archive(data);
});
