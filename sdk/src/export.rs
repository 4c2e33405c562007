//! The macro that makes a crate a plugin, and the descriptors that it exports. What a term's functions do is `entry`'s.

use crate::abi::{
    US_ABI_MAJOR, US_CAP_BATCH_COUPLED, US_CAP_EDITS_GRADIENT, US_CAP_EDITS_IMAGE, US_CAP_STRIDED,
    US_DTYPES_F32, US_DTYPES_F64, US_PARAM_HAS_MAX, US_PARAM_HAS_MIN, US_PARAM_REQUIRED, us_error, us_host,
    us_list, us_param, us_plugin, us_status, us_str, us_term, us_value, us_value_v, us_vtbl,
};
use crate::entry::{apply, create, destroy, eval, guard, prepare, taps};
use crate::log;
use crate::params::{Param, Value};
use crate::term::{Kind, Term, TermInfo};

/// Makes a crate of type `cdylib` a plugin: its id (like a domain turned round), its version, and the types of its terms. Once per
/// crate. `vendor` and `license` (an SPDX expression) may follow the version.
#[macro_export]
macro_rules! export {
    (id: $id:expr, version: $version:expr, terms: [$($term:ty),+ $(,)?] $(,)?) => {
        $crate::export! { id: $id, version: $version, vendor: "", license: "", terms: [$($term),+] }
    };
    (
        id: $id:expr, version: $version:expr, vendor: $vendor:expr, license: $license:expr,
        terms: [$($term:ty),+ $(,)?] $(,)?
    ) => {
        const _: () = {
            const TERMS: &[&str] = &[$(<$term as $crate::Term>::INFO.id()),+];
            const PANIC: &str = if cfg!(panic = "abort") { "abort" } else { "unwind" };
            const LENGTH: usize = $crate::note::length($id, $version, TERMS, PANIC);

            #[used]
            #[unsafe(link_section = ".note.unitscope")]
            static NOTE: $crate::note::Note<LENGTH> =
                $crate::note::Note::new($crate::note::text($id, $version, TERMS, PANIC));

            static PLUGIN: std::sync::OnceLock<$crate::export::Plugin> = std::sync::OnceLock::new();

            #[unsafe(no_mangle)]
            unsafe extern "C" fn us_plugin_entry_v0(
                host: *const $crate::abi::us_host,
                plugin: *mut *const $crate::abi::us_plugin,
                error: *mut $crate::abi::us_error,
            ) -> $crate::abi::us_status {
                let make = || {
                    $crate::export::Plugin::new([$id, $version, $vendor, $license], &[
                        $($crate::export::term::<$term>()),+
                    ])
                };
                // SAFETY: the host calls this as the header says.
                unsafe { $crate::export::enter(&PLUGIN, make, host, plugin, error) }
            }
        };
    };
}

/// A plugin's descriptor, which lives as long as the process.
pub struct Plugin(&'static us_plugin);

// SAFETY: the descriptor and all it points to is leaked and never written again.
unsafe impl Send for Plugin {}
// SAFETY: as for `Send`.
unsafe impl Sync for Plugin {}

impl Plugin {
    /// Id, version, vendor, license; and the terms.
    #[must_use]
    pub fn new([id, version, vendor, license]: [&'static str; 4], terms: &[&'static us_term]) -> Plugin {
        let terms: &'static [*const us_term] = leak(terms.iter().map(|&term| &raw const *term).collect());
        Plugin(Box::leak(Box::new(us_plugin {
            struct_size: size_of::<us_plugin>() as u32,
            abi_major: US_ABI_MAJOR,
            abi_min_minor: 0,
            id: us_str::new(id),
            version: us_str::new(version),
            vendor: us_str::new(vendor),
            license: us_str::new(license),
            terms: terms.as_ptr(),
            n_terms: terms.len() as u64,
        })))
    }
}

/// The body of the entry function.
///
/// # Safety
/// The pointers are what the header says.
pub unsafe fn enter(
    slot: &'static std::sync::OnceLock<Plugin>,
    make: impl FnOnce() -> Plugin,
    host: *const us_host,
    plugin: *mut *const us_plugin,
    error: *mut us_error,
) -> us_status {
    // SAFETY: the caller's promise, for the whole function.
    unsafe {
        guard(error, &[], || {
            if let Some(host) = host.as_ref() {
                log::set_host(host);
            }
            plugin.write(slot.get_or_init(make).0);
            Ok(())
        })
    }
}

/// A term's descriptor. Leaked: it lives as long as the process.
#[must_use]
pub fn term<T: Term>() -> &'static us_term {
    let info: &'static TermInfo = Box::leak(Box::new(T::INFO));
    let operation = matches!(info.kind, Kind::GradientOperation | Kind::ImageOperation);
    let vtbl = us_vtbl {
        struct_size: size_of::<us_vtbl>() as u32,
        reserved: 0,
        create: Some(create::<T>),
        destroy: Some(destroy::<T>),
        taps: (!operation).then_some(taps::<T>),
        prepare: Some(prepare::<T>),
        eval: (!operation).then_some(eval::<T>),
        apply: operation.then_some(apply::<T>),
        save: None,
        load: None,
    };
    let params: Vec<*const us_param> =
        info.params.iter().map(|param| &raw const *Box::leak(Box::new(raw_param(param)))).collect();
    let params = leak(params);
    let kind_caps = match info.kind {
        Kind::Objective | Kind::Penalty => 0,
        Kind::GradientOperation => US_CAP_EDITS_GRADIENT,
        Kind::ImageOperation => US_CAP_EDITS_IMAGE,
    };
    let coupled = if info.batch_coupled { US_CAP_BATCH_COUPLED } else { 0 };
    Box::leak(Box::new(us_term {
        struct_size: size_of::<us_term>() as u32,
        kind: info.kind.to_raw(),
        id: us_str::new(info.id),
        version: us_str::new(info.version),
        title: us_str::new(info.title),
        doc: us_str::new(info.doc),
        caps: US_CAP_STRIDED | kind_caps | coupled,
        dtypes: US_DTYPES_F32 | US_DTYPES_F64,
        reserved: 0,
        params: params.as_ptr(),
        n_params: params.len() as u64,
        vtbl: Box::leak(Box::new(vtbl)),
    }))
}

fn raw_param(param: &'static Param) -> us_param {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let choices: &'static [us_str] = leak(param.choices.iter().map(|choice| us_str::new(choice)).collect());
    us_param {
        struct_size: size_of::<us_param>() as u32,
        r#type: param.kind,
        flags: flag(param.required, US_PARAM_REQUIRED)
            | flag(param.min.is_some(), US_PARAM_HAS_MIN)
            | flag(param.max.is_some(), US_PARAM_HAS_MAX),
        reserved: 0,
        name: us_str::new(param.name),
        doc: us_str::new(param.doc),
        unit: us_str::new(param.unit),
        def: raw_default(param),
        min: param.min.unwrap_or_default(),
        max: param.max.unwrap_or_default(),
        choices: choices.as_ptr(),
        n_choices: choices.len() as u64,
    }
}

fn raw_default(param: &Param) -> us_value {
    let v = match param.default {
        None => us_value_v { i: 0 },
        Some(Value::Bool(value)) => us_value_v { i: i64::from(value) },
        Some(Value::Int(value)) => us_value_v { i: value },
        Some(Value::Float(value)) => us_value_v { f: value },
        Some(Value::Str(value)) => us_value_v { s: us_str::new(value) },
        Some(Value::Ints(values)) => {
            us_value_v { list: us_list { ptr: values.as_ptr().cast(), len: values.len() as u64 } }
        }
        Some(Value::Floats(values)) => {
            us_value_v { list: us_list { ptr: values.as_ptr().cast(), len: values.len() as u64 } }
        }
    };
    us_value { r#type: param.kind, is_set: u32::from(param.default.is_some()), v }
}

fn leak<T>(values: Vec<T>) -> &'static [T] {
    Box::leak(values.into_boxed_slice())
}
