//! A term's schema, and the values that a request gave for it; the host has checked them against the schema.

use crate::abi::{
    US_TYPE_BOOL, US_TYPE_CLASS, US_TYPE_ENUM, US_TYPE_F64, US_TYPE_F64_LIST, US_TYPE_I64, US_TYPE_I64_LIST,
    US_TYPE_LAYER, US_TYPE_STR, us_value,
};
use crate::error::Error;

/// One row of a term's schema: what people see in `unitscope terms show`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) kind: u32,
    pub(crate) required: bool,
    pub(crate) default: Option<Value>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) choices: &'static [&'static str],
}

impl Param {
    const fn new(name: &'static str, kind: u32, doc: &'static str) -> Param {
        Param {
            name,
            doc,
            unit: "",
            kind,
            required: false,
            default: None,
            min: None,
            max: None,
            choices: &[],
        }
    }

    /// True or false.
    #[must_use]
    pub const fn bool(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_BOOL, doc)
    }

    /// An integer.
    #[must_use]
    pub const fn int(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_I64, doc)
    }

    /// A finite number.
    #[must_use]
    pub const fn float(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_F64, doc)
    }

    /// Text.
    #[must_use]
    pub const fn string(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_STR, doc)
    }

    /// One of several words.
    #[must_use]
    pub const fn choice(name: &'static str, choices: &'static [&'static str], doc: &'static str) -> Param {
        let param = Param::new(name, US_TYPE_ENUM, doc);
        Param { choices, ..param }
    }

    /// The path of a layer; the host checks that the model has it.
    #[must_use]
    pub const fn layer(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_LAYER, doc)
    }

    /// A class of the model's output: the term gets its number, by [`Params::index`]; a request may give its label.
    #[must_use]
    pub const fn class(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_CLASS, doc)
    }

    /// Integers.
    #[must_use]
    pub const fn ints(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_I64_LIST, doc)
    }

    /// Finite numbers.
    #[must_use]
    pub const fn floats(name: &'static str, doc: &'static str) -> Param {
        Param::new(name, US_TYPE_F64_LIST, doc)
    }

    /// A request must give it.
    #[must_use]
    pub const fn required(mut self) -> Param {
        self.required = true;
        self
    }

    /// What it is where a request leaves it out.
    #[must_use]
    pub const fn default(mut self, value: Value) -> Param {
        self.default = Some(value);
        self
    }

    /// The least number (or element), inclusive.
    #[must_use]
    pub const fn min(mut self, min: f64) -> Param {
        self.min = Some(min);
        self
    }

    /// The largest number (or element), inclusive.
    #[must_use]
    pub const fn max(mut self, max: f64) -> Param {
        self.max = Some(max);
        self
    }

    /// Its unit, such as "px".
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Param {
        self.unit = unit;
        self
    }
}

/// A default.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// For strings, choices and layers.
    Str(&'static str),
    Ints(&'static [i64]),
    Floats(&'static [f64]),
}

/// The values that a request gave, with defaults filled in. Each getter fails, as a fault of the term, where the schema has no such
/// parameter or it is of another type; the ones without `optional` also where the value is left out.
pub struct Params<'a> {
    schema: &'static [Param],
    values: &'a [us_value],
    job_seed: u64,
}

impl<'a> Params<'a> {
    /// # Safety
    /// `values` follow the header: what `type` says is in the union, and its pointers are valid for `'a`.
    pub(crate) unsafe fn new(
        schema: &'static [Param],
        values: &'a [us_value],
        job_seed: u64,
    ) -> Result<Params<'a>, Error> {
        let fits = |(param, value): (&Param, &us_value)| param.kind == value.r#type;
        if schema.len() != values.len() || !schema.iter().zip(values).all(fits) {
            return Err(Error::internal("the host's parameters do not follow the term's schema"));
        }
        Ok(Params { schema, values, job_seed })
    }

    fn get(&self, name: &str, kinds: &[u32]) -> Result<Option<&'a us_value>, Error> {
        let position = self.schema.iter().position(|param| param.name == name);
        let value = position
            .map(|position| &self.values[position])
            .filter(|value| kinds.contains(&value.r#type))
            .ok_or_else(|| Error::internal(format!("the schema has no `{name}` of this type")))?;
        Ok((value.is_set != 0).then_some(value))
    }

    /// A flag.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn bool(&self, name: &str) -> Result<bool, Error> {
        let value = self.get(name, &[US_TYPE_BOOL])?.ok_or_else(|| missing(name))?;
        // SAFETY: `new` was promised that the union holds what the type says.
        Ok(unsafe { value.v.i } != 0)
    }

    /// An integer or a class's number, if given.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn optional_int(&self, name: &str) -> Result<Option<i64>, Error> {
        // SAFETY: `new` was promised that the union holds what the type says.
        Ok(self.get(name, &[US_TYPE_I64, US_TYPE_CLASS])?.map(|value| unsafe { value.v.i }))
    }

    /// An integer.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn int(&self, name: &str) -> Result<i64, Error> {
        self.optional_int(name)?.ok_or_else(|| missing(name))
    }

    /// An integer that counts from 0, if given.
    ///
    /// # Errors
    /// See [`Params`]; also where it is negative.
    pub fn optional_index(&self, name: &str) -> Result<Option<usize>, Error> {
        let index = |value: i64| {
            usize::try_from(value)
                .map_err(|_| Error::invalid(format!("{value} is negative; it counts from 0")).parameter(name))
        };
        self.optional_int(name)?.map(index).transpose()
    }

    /// An integer that counts from 0.
    ///
    /// # Errors
    /// See [`Params`]; also where it is negative.
    pub fn index(&self, name: &str) -> Result<usize, Error> {
        self.optional_index(name)?.ok_or_else(|| missing(name))
    }

    /// A number, if given.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn optional_float(&self, name: &str) -> Result<Option<f64>, Error> {
        // SAFETY: `new` was promised that the union holds what the type says.
        Ok(self.get(name, &[US_TYPE_F64])?.map(|value| unsafe { value.v.f }))
    }

    /// A number.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn float(&self, name: &str) -> Result<f64, Error> {
        self.optional_float(name)?.ok_or_else(|| missing(name))
    }

    /// A string, choice or layer, if given.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn optional_string(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.get(name, &[US_TYPE_STR, US_TYPE_ENUM, US_TYPE_LAYER])? else {
            return Ok(None);
        };
        // SAFETY: `new` was promised that the union holds what the type says, with valid pointers.
        let bytes = unsafe { slice(value.v.s.ptr.cast::<u8>(), value.v.s.len) };
        let text =
            std::str::from_utf8(bytes).map_err(|_| Error::internal("the host's string is not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    /// A string, choice or layer.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn string(&self, name: &str) -> Result<String, Error> {
        self.optional_string(name)?.ok_or_else(|| missing(name))
    }

    /// Integers; empty where they are left out.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn ints(&self, name: &str) -> Result<&'a [i64], Error> {
        let value = self.get(name, &[US_TYPE_I64_LIST])?;
        // SAFETY: `new` was promised that the union holds what the type says, with valid pointers.
        Ok(value.map_or(&[], |value| unsafe { slice(value.v.list.ptr.cast(), value.v.list.len) }))
    }

    /// Numbers; empty where they are left out.
    ///
    /// # Errors
    /// See [`Params`].
    pub fn floats(&self, name: &str) -> Result<&'a [f64], Error> {
        let value = self.get(name, &[US_TYPE_F64_LIST])?;
        // SAFETY: `new` was promised that the union holds what the type says, with valid pointers.
        Ok(value.map_or(&[], |value| unsafe { slice(value.v.list.ptr.cast(), value.v.list.len) }))
    }

    /// Differs by job and term: the entropy for what is drawn once.
    #[must_use]
    pub fn job_seed(&self) -> u64 {
        self.job_seed
    }
}

fn missing(name: &str) -> Error {
    Error::invalid("is missing").parameter(name)
}

/// # Safety
/// `ptr` points to `len` values for `'a`, or `len` is 0.
pub(crate) unsafe fn slice<'a, T>(ptr: *const T, len: u64) -> &'a [T] {
    if len == 0 || ptr.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(ptr, len as usize) }
}
