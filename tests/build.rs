//! Tells the tests, which look at pictures through the engine, where libtorch lies. It asks for none where nobody links it.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var_os("LIBTORCH").map(PathBuf::from).and_then(|named| named.canonicalize().ok());
    if let Some(libtorch) = libtorch {
        println!("cargo::rustc-link-arg-tests=-Wl,-rpath,{}", libtorch.join("lib").display());
    }
}
