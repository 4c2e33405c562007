//! The fuzzer's corpus, read again without it: no input makes a reader panic or ask for too much memory. It needs no libtorch.
#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

#[path = "../../../fuzz/src/memory.rs"]
mod memory;
#[path = "../../../fuzz/src/readers.rs"]
mod readers;

use std::path::Path;

#[global_allocator]
static MEMORY: memory::Capped = memory::Capped;

/// Reads every input of a target. So many at least are there, and so many at least are taken: a reader that refuses all would pass any corpus.
fn check(target: &str, reader: fn(&[u8]) -> bool, inputs: usize, taken: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut found = [0, 0];
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        // Which one it was, should it panic.
        println!("{}", path.display());
        found[0] += 1;
        found[1] += usize::from(reader(&bytes));
    }
    assert!(found[0] >= inputs && found[1] >= taken, "{target}: {} inputs, {} taken", found[0], found[1]);
}

#[test]
fn archives() {
    check("archive", readers::archive, 20, 5);
}

#[test]
fn exported_programs() {
    check("pt2", readers::pt2, 40, 5);
}

#[test]
fn tables_of_weights() {
    check("weights", readers::weights, 25, 5);
}

#[test]
fn torchscript_programs() {
    check("torchscript", readers::torchscript, 15, 5);
}
