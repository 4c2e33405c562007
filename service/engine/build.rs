//! Finds libtorch for whoever links the engine: its own tests here, its dependents through `DEP_UNITSCOPE_ENGINE_LIBTORCH_LIB`.

use std::env;
use std::path::PathBuf;
use std::process::exit;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    let libtorch = libtorch();
    let lib = libtorch.join("lib");
    println!("cargo::metadata=libtorch_lib={}", lib.display());
    // Nobody should need LD_LIBRARY_PATH. The canonical path outlives the checkout's link.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    #[cfg(feature = "torch")]
    compile_shim(&libtorch);
}

/// The C interface to libtorch's dispatcher, in the C++ dialect and ABI that torch-sys uses.
#[cfg(feature = "torch")]
fn compile_shim(libtorch: &std::path::Path) {
    println!("cargo::rerun-if-changed=shim");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // libtorch's headers are not ours to mend; as system headers they do not warn.
        .flag("-isystem")
        .flag(libtorch.join("include"))
        .flag("-isystem")
        .flag(libtorch.join("include/torch/csrc/api/include"))
        .warnings(true)
        .flag_if_supported("-Wno-missing-field-initializers")
        // GCC 12 at -O3 takes the inlined reference counts of `intrusive_ptr` for stray writes.
        .flag_if_supported("-Wno-stringop-overflow")
        .file("shim/shim.cpp")
        .file("shim/torchscript.cpp")
        .compile("unitscope_shim");
}

/// The libtorch that torch-sys is built with as well, by its canonical path.
fn libtorch() -> PathBuf {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let Some(value) = env::var_os("LIBTORCH") else {
        refuse("LIBTORCH is not set: run cargo inside the checkout, whose `.cargo/config.toml` sets it");
    };
    let named = PathBuf::from(value);
    println!("cargo::rerun-if-changed={}", named.join("lib/libtorch.so").display());
    match named.canonicalize() {
        Ok(found) if found.join("lib/libtorch_cpu.so").exists() => found,
        _ => refuse(&format!("there is no libtorch at `{}`: run `make libtorch`", named.display())),
    }
}

fn refuse(reason: &str) -> ! {
    println!("cargo::error={reason}");
    exit(1);
}
