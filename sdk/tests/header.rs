//! The header compiles without a warning in every C and C++ that it promises; its own assertions hold its layout, and the ones in
//! `abi.rs` hold the same numbers for Rust.

use std::path::Path;
use std::process::Command;

const SOURCE: &str = r#"
#include "unitscope_plugin.h"
US_NOTE("org.example.header", "1.0.0", "one,two");
static int32_t never(void *ctx) { return ctx != 0; }
int main(void) {
  us_step step;
  step.cancelled = never;
  return (int)sizeof(us_io) + step.cancelled(0);
}
"#;

/// Compiles the source with this compiler and standard; the header is fit for `-Werror`.
fn check(variable: &str, fallback: &str, standard: &str, extension: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("header-{standard}.{extension}"));
    std::fs::write(&source, SOURCE).expect("cargo's folder for tests can be written");
    let compiler = std::env::var_os(variable).unwrap_or_else(|| fallback.into());
    let output = Command::new(&compiler)
        .args([
            &format!("-std={standard}"),
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", compiler.display()));
    assert!(output.status.success(), "{standard}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_is_clean_c() {
    for standard in ["c99", "c11", "c17"] {
        check("CC", "cc", standard, "c");
    }
}

#[test]
fn it_is_clean_cpp() {
    for standard in ["c++11", "c++17", "c++20"] {
        check("CXX", "c++", standard, "cpp");
    }
}

#[test]
fn every_constant_and_struct_of_the_header_is_in_abi_rs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).expect("a file of this crate");
    let (header, rust) = (read("include/unitscope_plugin.h"), read("src/abi.rs"));
    let constants: Vec<(&str, &str)> = header.split(['\n', '{', ',', ';']).filter_map(constant).collect();
    for (name, value) in &constants {
        let declared = rust.lines().any(|line| {
            line.starts_with(&format!("pub const {name}:")) && line.ends_with(&format!("= {value};"))
        });
        assert!(declared, "{name} = {value} is not in abi.rs");
    }
    assert!(constants.len() > 45, "{} constants found", constants.len());
    for name in header.lines().filter_map(|line| line.strip_prefix("} us_")?.strip_suffix(';')) {
        assert!(rust.contains(&format!("pub struct us_{name} {{")), "us_{name} is not in abi.rs");
    }
}

/// `US_NAME = 1` of an enum, or `#define US_NAME 1u`.
fn constant(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let (name, rest) = text.split_once(" = ").or_else(|| text.strip_prefix("#define ")?.split_once(' '))?;
    let value = rest.split(' ').next()?.trim_end_matches('u');
    (name.starts_with("US_") && value.chars().all(|c| c.is_ascii_digit())).then_some((name, value))
}
