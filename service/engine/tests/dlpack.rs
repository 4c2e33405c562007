//! The plugin ABI's tensor has the layout of DLPack's, as libtorch's own header declares it. Needs libtorch's headers, not its code.
#![cfg(feature = "torch")]

use std::path::{Path, PathBuf};
use std::process::Command;

use unitscope_tests::build::checkout;

const SOURCE: &str = r#"
#include <ATen/dlpack.h>
#include <type_traits>
#include "unitscope_plugin.h"

#define SAME(ours, theirs, our_field, their_field)                                     \
  static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field), #our_field); \
  static_assert(sizeof(ours::our_field) == sizeof(theirs::their_field), #our_field)

static_assert(sizeof(us_tensor) == sizeof(DLTensor), "us_tensor");
static_assert(alignof(us_tensor) == alignof(DLTensor), "us_tensor");
SAME(us_tensor, DLTensor, data, data);
SAME(us_tensor, DLTensor, device, device);
SAME(us_tensor, DLTensor, ndim, ndim);
SAME(us_tensor, DLTensor, dtype, dtype);
SAME(us_tensor, DLTensor, shape, shape);
SAME(us_tensor, DLTensor, strides, strides);
SAME(us_tensor, DLTensor, byte_offset, byte_offset);
SAME(us_device, DLDevice, device_type, device_type);
SAME(us_device, DLDevice, device_id, device_id);
SAME(us_dtype, DLDataType, code, code);
SAME(us_dtype, DLDataType, bits, bits);
SAME(us_dtype, DLDataType, lanes, lanes);
static_assert(std::is_same<decltype(us_tensor::shape), decltype(DLTensor::shape)>::value, "shape");
static_assert(int(US_DEVICE_CPU) == int(kDLCPU), "cpu");
static_assert(int(US_DTYPE_FLOAT) == int(kDLFloat), "float");
"#;

fn compile(source: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("dlpack-{}.cpp", source.len()));
    std::fs::write(&file, source).expect("cargo's folder for tests can be written");
    let libtorch =
        PathBuf::from(std::env::var_os("LIBTORCH").unwrap_or_else(|| checkout().join(".libtorch").into()));
    let output = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
        .args(["-std=c++17", "-fsyntax-only", "-I"])
        .arg(checkout().join("sdk/include"))
        .arg("-I")
        .arg(checkout().join(libtorch).join("include"))
        .arg(&file)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn the_tensor_is_dlpacks() {
    assert_eq!(compile(SOURCE), Ok(()));
}

#[test]
fn a_field_elsewhere_would_be_seen() {
    let error = compile(&SOURCE.replace("ndim, ndim", "ndim, dtype")).expect_err("two different fields");
    assert!(error.contains("static assertion failed"), "{error}");
}
