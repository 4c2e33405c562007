//! Tells every binary and test of the server where the libtorch lies that the engine was built with.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let lib = env::var("DEP_UNITSCOPE_ENGINE_LIBTORCH_LIB")
        .expect("the engine's build script names libtorch's folder");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
}
