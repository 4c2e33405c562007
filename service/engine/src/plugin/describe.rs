//! Copies a library's descriptor into [`TermInfo`]s, and checks it on the way: sizes, nulls, text, caps, the schema.

use std::collections::BTreeSet;

use unitscope_sdk::abi::{
    US_CAP_BATCH_COUPLED, US_CAP_EDITS_GRADIENT, US_CAP_EDITS_IMAGE, US_CAP_STRIDED, US_DTYPES_F32,
    US_DTYPES_F64, US_OBJECTIVE, US_PARAM_HAS_MAX, US_PARAM_HAS_MIN, US_PARAM_REQUIRED, US_PENALTY,
    US_STEP_OPERATION, US_TYPE_BOOL, US_TYPE_CLASS, US_TYPE_ENUM, US_TYPE_F64, US_TYPE_F64_LIST, US_TYPE_I64,
    US_TYPE_I64_LIST, US_TYPE_LAYER, US_TYPE_STR, us_host, us_param, us_plugin, us_str, us_term, us_value,
    us_vtbl,
};

use super::info::{ParamInfo, ParamKind, ParamValue, TermInfo, TermKind};
use super::library::RawTerm;
use super::limits::{CHOICES, DOC_BYTES, LIST_ELEMENTS, NAME_BYTES, PARAMS, TERMS};
use super::note::Note;
use super::params;

/// The terms of a plugin.
///
/// # Errors
/// The first rule of the header that the descriptor breaks.
///
/// # Safety
/// `raw` and what it points to are valid and unchanging for the life of the process where they are not null.
pub(super) unsafe fn plugin(
    raw: *const us_plugin,
    host: *const us_host,
    note: &Note,
    digest: &str,
) -> Result<Vec<TermInfo>, String> {
    // SAFETY: the caller's promise, for this block and every one below.
    let plugin = unsafe { sized(raw, "us_plugin", |plugin| plugin.struct_size)? };
    super::note::check_abi_numbers(plugin.abi_major, plugin.abi_min_minor)?;
    // SAFETY: as above.
    let (id, version) =
        unsafe { (name(plugin.id, "the plugin's id")?, name(plugin.version, "the plugin's version")?) };
    if id != note.id || version != note.version {
        return Err(format!(
            "its note says `{}` {} and its descriptor `{id}` {version}; they must agree",
            note.id, note.version
        ));
    }
    // SAFETY: as above.
    let terms = unsafe { pointers(plugin.terms, plugin.n_terms, TERMS, "terms")? };
    let mut infos: Vec<TermInfo> = Vec::new();
    for &raw in terms {
        // SAFETY: as above.
        let info = unsafe { term(raw, host)? };
        if infos.iter().any(|other| other.id == info.id) {
            return Err(format!("offers the term `{}` twice", info.id));
        }
        infos.push(TermInfo {
            plugin_id: id.clone(),
            plugin_version: version.clone(),
            library_digest: digest.to_owned(),
            ..info
        });
    }
    let offered: BTreeSet<&str> = infos.iter().map(|info| info.id.as_str()).collect();
    if offered != note.terms.iter().map(String::as_str).collect() {
        return Err(format!("its note lists the terms {:?} and its descriptor {offered:?}", note.terms));
    }
    Ok(infos)
}

unsafe fn term(raw: *const us_term, host: *const us_host) -> Result<TermInfo, String> {
    // SAFETY: the caller's promise, for this block and every one below.
    let term = unsafe { sized(raw, "us_term", |term| term.struct_size)? };
    // SAFETY: as above.
    let id = unsafe { name(term.id, "a term's id")? };
    if !is_id(&id, true) {
        return Err(format!("`{id}` is no id for a term: a-z, 0-9, _ and ., beginning with a letter"));
    }
    let of_term = |reason: String| format!("term `{id}`: {reason}");
    let kind = match term.kind {
        US_OBJECTIVE => TermKind::Objective,
        US_PENALTY => TermKind::Penalty,
        US_STEP_OPERATION => TermKind::StepOperation,
        other => return Err(of_term(format!("kind {other} is none that this service knows"))),
    };
    if term.dtypes & US_DTYPES_F32 == 0 {
        return Err(of_term("does not take float32, which every term must".to_owned()));
    }
    let cap = |bit: u64| term.caps & bit != 0;
    if kind == TermKind::StepOperation && cap(US_CAP_EDITS_IMAGE) == cap(US_CAP_EDITS_GRADIENT) {
        return Err(of_term(
            "a step operation must say whether it edits the image or the gradient, and not both".to_owned(),
        ));
    }
    // SAFETY: as above.
    let vtbl = unsafe { *sized(term.vtbl, "us_vtbl", |vtbl| vtbl.struct_size).map_err(of_term)? };
    check_functions(&vtbl, kind).map_err(of_term)?;
    // SAFETY: as above.
    let params = unsafe { schema(term).map_err(of_term)? };
    // SAFETY: as above.
    let (version, title, doc) = unsafe {
        (
            name(term.version, "its version").map_err(of_term)?,
            text(term.title, DOC_BYTES, "its title").map_err(of_term)?,
            text(term.doc, DOC_BYTES, "its doc").map_err(of_term)?,
        )
    };
    Ok(TermInfo {
        version,
        title,
        doc,
        kind,
        plugin_id: String::new(),
        plugin_version: String::new(),
        library_digest: String::new(),
        batch_coupled: cap(US_CAP_BATCH_COUPLED),
        strided: cap(US_CAP_STRIDED),
        float64: term.dtypes & US_DTYPES_F64 != 0,
        edits_image: cap(US_CAP_EDITS_IMAGE),
        edits_gradient: cap(US_CAP_EDITS_GRADIENT),
        params,
        raw: RawTerm { term: raw, vtbl, host },
        id,
    })
}

fn check_functions(vtbl: &us_vtbl, kind: TermKind) -> Result<(), String> {
    let step_operation = kind == TermKind::StepOperation;
    for (name, there, wanted) in [
        ("create", vtbl.create.is_some(), true),
        ("destroy", vtbl.destroy.is_some(), true),
        ("taps", vtbl.taps.is_some(), !step_operation),
        ("eval", vtbl.eval.is_some(), !step_operation),
        ("apply", vtbl.apply.is_some(), step_operation),
    ] {
        if wanted && !there {
            return Err(format!("its function `{name}` is missing"));
        }
    }
    Ok(())
}

unsafe fn schema(term: &us_term) -> Result<Vec<ParamInfo>, String> {
    // SAFETY: the caller's promise, for this block and every one below.
    let rows = unsafe { pointers(term.params, term.n_params, PARAMS, "parameters")? };
    let mut params: Vec<ParamInfo> = Vec::new();
    for &row in rows {
        // SAFETY: as above.
        let param = unsafe { param(sized(row, "us_param", |param| param.struct_size)?)? };
        if params.iter().any(|other| other.name == param.name) {
            return Err(format!("declares the parameter `{}` twice", param.name));
        }
        params.push(param);
    }
    Ok(params)
}

unsafe fn param(raw: &us_param) -> Result<ParamInfo, String> {
    // SAFETY: the caller's promise, for this block and every one below.
    let name = unsafe { name(raw.name, "a parameter's name")? };
    if !is_id(&name, false) || name == "weight" {
        return Err(format!(
            "`{name}` is no name for a parameter: a-z, 0-9 and _, beginning with a letter, and not `weight`, which is the host's"
        ));
    }
    let of_param = |reason: String| format!("parameter `{name}`: {reason}");
    let kind = match raw.r#type {
        US_TYPE_BOOL => ParamKind::Bool,
        US_TYPE_I64 => ParamKind::Int,
        US_TYPE_F64 => ParamKind::Float,
        US_TYPE_STR => ParamKind::String,
        US_TYPE_ENUM => ParamKind::Enum,
        US_TYPE_LAYER => ParamKind::Layer,
        US_TYPE_I64_LIST => ParamKind::IntList,
        US_TYPE_F64_LIST => ParamKind::FloatList,
        US_TYPE_CLASS => ParamKind::Class,
        other => return Err(of_param(format!("type {other} is none that this service knows"))),
    };
    let limit = |flag: u32, value: f64| (raw.flags & flag != 0).then_some(value);
    // SAFETY: as above.
    let choices = unsafe { array(raw.choices, raw.n_choices, CHOICES, "choices").map_err(of_param)? };
    // SAFETY: as above.
    let choices = choices.iter().map(|&choice| unsafe { text(choice, NAME_BYTES, "a choice") });
    let info = ParamInfo {
        // SAFETY: as above.
        doc: unsafe { text(raw.doc, DOC_BYTES, "its doc").map_err(of_param)? },
        // SAFETY: as above.
        unit: unsafe { text(raw.unit, NAME_BYTES, "its unit").map_err(of_param)? },
        kind,
        // SAFETY: as above.
        default: unsafe { default(&raw.def, raw.r#type).map_err(of_param)? },
        required: raw.flags & US_PARAM_REQUIRED != 0,
        min: limit(US_PARAM_HAS_MIN, raw.min),
        max: limit(US_PARAM_HAS_MAX, raw.max),
        choices: choices.collect::<Result<_, _>>().map_err(of_param)?,
        name: name.clone(),
    };
    if info.kind == ParamKind::Enum && info.choices.is_empty() {
        return Err(of_param("an enumeration needs choices".to_owned()));
    }
    if let (Some(min), Some(max)) = (info.min, info.max)
        && (min > max || min.is_nan() || max.is_nan())
    {
        return Err(of_param(format!("its range {min} to {max} is empty")));
    }
    if let Some(value) = &info.default {
        params::check(&info, value.clone())
            .map_err(|reason| of_param(format!("its default breaks its rules: {reason}")))?;
    }
    Ok(info)
}

unsafe fn default(raw: &us_value, kind: u32) -> Result<Option<ParamValue>, String> {
    if raw.is_set == 0 {
        return Ok(None);
    }
    if raw.r#type != kind {
        return Err("its default has another type than it".to_owned());
    }
    // SAFETY: the caller's promise: the union holds what `type` says, as the header has it.
    let value = unsafe {
        match kind {
            US_TYPE_BOOL => ParamValue::Bool(raw.v.i != 0),
            US_TYPE_I64 | US_TYPE_CLASS => ParamValue::Int(raw.v.i),
            US_TYPE_F64 => ParamValue::Float(raw.v.f),
            US_TYPE_I64_LIST => ParamValue::IntList(
                array(
                    raw.v.list.ptr.cast::<i64>(),
                    raw.v.list.len,
                    LIST_ELEMENTS as u64,
                    "default elements",
                )?
                .to_vec(),
            ),
            US_TYPE_F64_LIST => ParamValue::FloatList(
                array(
                    raw.v.list.ptr.cast::<f64>(),
                    raw.v.list.len,
                    LIST_ELEMENTS as u64,
                    "default elements",
                )?
                .to_vec(),
            ),
            _ => ParamValue::String(text(raw.v.s, DOC_BYTES, "its default")?),
        }
    };
    Ok(Some(value))
}

/// A struct that begins with `struct_size`, if it is there and has at least the fields of this version.
unsafe fn sized<'a, T>(raw: *const T, what: &str, size: impl Fn(&T) -> u32) -> Result<&'a T, String> {
    if raw.is_null() || !raw.is_aligned() {
        return Err(format!("a {what} is missing (null or misaligned pointer)"));
    }
    // SAFETY: the caller's promise, and the pointer is neither null nor misaligned. A struct shorter than `T` is refused before
    // any field but its first is read.
    let value = unsafe { &*raw };
    let size = size(value) as usize;
    if size < size_of::<T>() {
        return Err(format!("a {what} has {size} bytes; this ABI version's has {}", size_of::<T>()));
    }
    Ok(value)
}

unsafe fn pointers<'a, T>(
    raw: *const *const T,
    len: u64,
    max: u64,
    what: &str,
) -> Result<&'a [*const T], String> {
    // SAFETY: the caller's promise.
    unsafe { array(raw, len, max, what) }
}

unsafe fn array<'a, T>(raw: *const T, len: u64, max: u64, what: &str) -> Result<&'a [T], String> {
    if len > max {
        return Err(format!("{len} {what} are more than the {max} that this service takes"));
    }
    if len == 0 {
        return Ok(&[]);
    }
    if raw.is_null() || !raw.is_aligned() {
        return Err(format!("its {len} {what} are missing (null or misaligned pointer)"));
    }
    // SAFETY: the caller's promise, and the pointer is neither null nor misaligned.
    Ok(unsafe { std::slice::from_raw_parts(raw, len as usize) })
}

/// A string that must not be empty.
unsafe fn name(raw: us_str, what: &str) -> Result<String, String> {
    // SAFETY: the caller's promise.
    let name = unsafe { text(raw, NAME_BYTES, what)? };
    if name.is_empty() { Err(format!("{what} is empty")) } else { Ok(name) }
}

pub(super) unsafe fn text(raw: us_str, max: u64, what: &str) -> Result<String, String> {
    if raw.len > max {
        return Err(format!("{what} has {} bytes, more than the {max} that this service takes", raw.len));
    }
    if raw.len == 0 {
        return Ok(String::new());
    }
    if raw.ptr.is_null() {
        return Err(format!("{what} is null, with a length of {}", raw.len));
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(raw.ptr.cast::<u8>(), raw.len as usize) };
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("{what} is not UTF-8"))
}

fn is_id(id: &str, dots: bool) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || (dots && c == '.'))
}
