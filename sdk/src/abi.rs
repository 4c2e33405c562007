//! The C header's declarations in Rust, field for field; what they mean is said in `include/unitscope_plugin.h` alone.
//!
//! For hosts, and for tests that break the rules; a plugin author needs none of it.
#![allow(
    missing_docs,
    non_camel_case_types,
    reason = "the header documents these items, under the same names"
)]

use std::ffi::{c_char, c_void};
use std::mem::{offset_of, size_of};

pub const US_ABI_MAJOR: u16 = 0;
pub const US_ABI_MINOR: u16 = 0;
/// The entry symbol of this major version.
pub const US_ENTRY_SYMBOL: &str = "us_plugin_entry_v0";

pub type us_status = i32;
pub const US_OK: us_status = 0;
pub const US_CANCELLED: us_status = 1;
pub const US_INVALID_ARGUMENT: us_status = 3;
pub const US_RESOURCE_EXHAUSTED: us_status = 8;
pub const US_FAILED_PRECONDITION: us_status = 9;
pub const US_OUT_OF_RANGE: us_status = 11;
pub const US_UNIMPLEMENTED: us_status = 12;
pub const US_INTERNAL: us_status = 13;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_str {
    pub ptr: *const c_char,
    pub len: u64,
}

impl us_str {
    /// Lends a Rust string; whoever reads it must do so while the string lives.
    #[must_use]
    pub const fn new(text: &str) -> us_str {
        us_str { ptr: text.as_ptr().cast(), len: text.len() as u64 }
    }
}

pub const US_ERROR_PANICKED: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_error {
    pub buf: *mut c_char,
    pub cap: u64,
    pub len: u64,
    pub parameter: i32,
    pub flags: u32,
}

pub const US_DEVICE_CPU: i32 = 1;
pub const US_DTYPE_FLOAT: u8 = 2;
pub const US_MAX_DIMS: usize = 8;

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct us_device {
    pub device_type: i32,
    pub device_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct us_dtype {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_tensor {
    pub data: *mut c_void,
    pub device: us_device,
    pub ndim: i32,
    pub dtype: us_dtype,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

pub const US_AXIS_OTHER: u8 = 0;
pub const US_AXIS_BATCH: u8 = 1;
pub const US_AXIS_CHANNEL: u8 = 2;
pub const US_AXIS_HEIGHT: u8 = 3;
pub const US_AXIS_WIDTH: u8 = 4;
pub const US_AXIS_TOKEN: u8 = 5;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_view {
    pub t: us_tensor,
    pub axis: [u8; US_MAX_DIMS],
}

pub const US_TYPE_BOOL: u32 = 1;
pub const US_TYPE_I64: u32 = 2;
pub const US_TYPE_F64: u32 = 3;
pub const US_TYPE_STR: u32 = 4;
pub const US_TYPE_ENUM: u32 = 5;
pub const US_TYPE_LAYER: u32 = 6;
pub const US_TYPE_I64_LIST: u32 = 7;
pub const US_TYPE_F64_LIST: u32 = 8;
pub const US_TYPE_CLASS: u32 = 9;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_list {
    pub ptr: *const c_void,
    pub len: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union us_value_v {
    pub i: i64,
    pub f: f64,
    pub s: us_str,
    pub list: us_list,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_value {
    pub r#type: u32,
    pub is_set: u32,
    pub v: us_value_v,
}

pub const US_PARAM_REQUIRED: u32 = 1;
pub const US_PARAM_HAS_MIN: u32 = 2;
pub const US_PARAM_HAS_MAX: u32 = 4;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_param {
    pub struct_size: u32,
    pub r#type: u32,
    pub flags: u32,
    pub reserved: u32,
    pub name: us_str,
    pub doc: us_str,
    pub unit: us_str,
    pub def: us_value,
    pub min: f64,
    pub max: f64,
    pub choices: *const us_str,
    pub n_choices: u64,
}

pub const US_LOG_ERROR: i32 = 1;
pub const US_LOG_WARN: i32 = 2;
pub const US_LOG_INFO: i32 = 3;
pub const US_LOG_DEBUG: i32 = 4;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_host {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub name: us_str,
    pub version: us_str,
    pub ctx: *mut c_void,
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: i32, msg: us_str)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_step {
    pub struct_size: u32,
    pub flags: u32,
    pub step: u64,
    pub total_steps: u64,
    pub seed: u64,
    pub ctx: *mut c_void,
    pub cancelled: Option<unsafe extern "C" fn(ctx: *mut c_void) -> i32>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_io {
    pub struct_size: u32,
    pub n_taps: u32,
    pub n: u64,
    pub r#in: *const us_view,
    pub grad: *const us_view,
    pub scale: *const f64,
    pub value: *mut f64,
}

pub const US_OBJECTIVE: u32 = 1;
pub const US_PENALTY: u32 = 2;
pub const US_STEP_OPERATION: u32 = 3;

pub const US_CAP_STRIDED: u64 = 1;
pub const US_CAP_BATCH_COUPLED: u64 = 2;
pub const US_CAP_EDITS_IMAGE: u64 = 4;
pub const US_CAP_EDITS_GRADIENT: u64 = 8;

pub const US_DTYPES_F32: u32 = 1;
pub const US_DTYPES_F64: u32 = 2;

pub const US_TAP_LAYER: u32 = 1;
pub const US_TAP_IMAGE: u32 = 2;
pub const US_TAP_ALPHA: u32 = 3;
pub const US_TAP_REFERENCE: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_tap {
    pub what: u32,
    pub flags: u32,
    pub layer: us_str,
}

pub type us_write_fn = unsafe extern "C" fn(stream: *mut c_void, bytes: *const c_void, len: u64) -> i64;
pub type us_read_fn = unsafe extern "C" fn(stream: *mut c_void, bytes: *mut c_void, len: u64) -> i64;

pub type us_create_fn = unsafe extern "C" fn(
    term: *const us_term,
    host: *const us_host,
    params: *const us_value,
    n_params: u64,
    job_seed: u64,
    instance: *mut *mut c_void,
    error: *mut us_error,
) -> us_status;
pub type us_destroy_fn = unsafe extern "C" fn(instance: *mut c_void);
pub type us_taps_fn = unsafe extern "C" fn(
    instance: *mut c_void,
    taps: *mut *const us_tap,
    n: *mut u64,
    error: *mut us_error,
) -> us_status;
pub type us_prepare_fn = unsafe extern "C" fn(
    instance: *mut c_void,
    shapes: *const us_view,
    n: u64,
    error: *mut us_error,
) -> us_status;
pub type us_eval_fn = unsafe extern "C" fn(
    instance: *mut c_void,
    step: *const us_step,
    io: *mut us_io,
    error: *mut us_error,
) -> us_status;
pub type us_apply_fn = unsafe extern "C" fn(
    instance: *mut c_void,
    step: *const us_step,
    image: *const us_view,
    gradient: *const us_view,
    error: *mut us_error,
) -> us_status;
pub type us_save_fn = unsafe extern "C" fn(
    instance: *mut c_void,
    write: us_write_fn,
    stream: *mut c_void,
    error: *mut us_error,
) -> us_status;
pub type us_load_fn = unsafe extern "C" fn(
    instance: *mut c_void,
    read: us_read_fn,
    stream: *mut c_void,
    error: *mut us_error,
) -> us_status;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_vtbl {
    pub struct_size: u32,
    pub reserved: u32,
    pub create: Option<us_create_fn>,
    pub destroy: Option<us_destroy_fn>,
    pub taps: Option<us_taps_fn>,
    pub prepare: Option<us_prepare_fn>,
    pub eval: Option<us_eval_fn>,
    pub apply: Option<us_apply_fn>,
    pub save: Option<us_save_fn>,
    pub load: Option<us_load_fn>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_term {
    pub struct_size: u32,
    pub kind: u32,
    pub id: us_str,
    pub version: us_str,
    pub title: us_str,
    pub doc: us_str,
    pub caps: u64,
    pub dtypes: u32,
    pub reserved: u32,
    pub params: *const *const us_param,
    pub n_params: u64,
    pub vtbl: *const us_vtbl,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct us_plugin {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_min_minor: u16,
    pub id: us_str,
    pub version: us_str,
    pub vendor: us_str,
    pub license: us_str,
    pub terms: *const *const us_term,
    pub n_terms: u64,
}

pub type us_plugin_entry_fn = unsafe extern "C" fn(
    host: *const us_host,
    plugin: *mut *const us_plugin,
    error: *mut us_error,
) -> us_status;

pub const US_NOTE_SECTION: &str = ".note.unitscope";
pub const US_NOTE_OWNER: &str = "Unitscope";
pub const US_NOTE_TYPE: u32 = 1;

// The same numbers stand in the header; a field that moves breaks one of the two builds.
const _: () = {
    assert!(size_of::<us_error>() == 32);
    assert!(size_of::<us_tensor>() == 48 && offset_of!(us_tensor, device) == 8);
    assert!(offset_of!(us_tensor, ndim) == 16 && offset_of!(us_tensor, dtype) == 20);
    assert!(offset_of!(us_tensor, shape) == 24 && offset_of!(us_tensor, strides) == 32);
    assert!(offset_of!(us_tensor, byte_offset) == 40);
    assert!(size_of::<us_view>() == 56 && offset_of!(us_view, axis) == 48);
    assert!(size_of::<us_value>() == 24 && offset_of!(us_value, v) == 8);
    assert!(size_of::<us_param>() == 120 && offset_of!(us_param, def) == 64);
    assert!(size_of::<us_host>() == 56 && offset_of!(us_host, log) == 48);
    assert!(size_of::<us_step>() == 48 && offset_of!(us_step, cancelled) == 40);
    assert!(size_of::<us_io>() == 48 && offset_of!(us_io, value) == 40);
    assert!(size_of::<us_tap>() == 24 && offset_of!(us_tap, layer) == 8);
    assert!(size_of::<us_vtbl>() == 72 && offset_of!(us_vtbl, load) == 64);
    assert!(size_of::<us_term>() == 112 && offset_of!(us_term, vtbl) == 104);
    assert!(size_of::<us_plugin>() == 88 && offset_of!(us_plugin, n_terms) == 80);
};
