//! A host of one term, for a plugin author's tests: it calls the term through the C functions, as a real one does.

use std::ffi::c_void;

use super::{Array, Subject};
use crate::abi::{
    US_DEVICE_CPU, US_DTYPE_FLOAT, US_MAX_DIMS, US_OK, US_TAP_LAYER, US_TAP_REFERENCE, us_device, us_dtype,
    us_error, us_io, us_list, us_status, us_step, us_str, us_tap, us_tensor, us_term, us_value, us_value_v,
    us_view, us_vtbl,
};
use crate::export;
use crate::float::Float;
use crate::params::{Param, Value, slice};
use crate::term::Term;

/// A parameter's value.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum Given<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// For strings, choices and layers.
    Str(&'a str),
    Ints(&'a [i64]),
    Floats(&'a [f64]),
}

/// One instance of a term.
pub struct MockHost {
    vtbl: us_vtbl,
    instance: *mut c_void,
}

impl MockHost {
    /// Makes an instance; parameters that are not given have their defaults. Types and ranges are not checked, which a real host does.
    ///
    /// # Errors
    /// What the term said.
    pub fn new<T: Term>(given: &[(&str, Given<'_>)]) -> Result<MockHost, String> {
        let term: &us_term = export::term::<T>();
        let value = |param: &Param| {
            let given = given.iter().find(|(name, _)| *name == param.name).map(|&(_, given)| given);
            let given = given.or(param.default.map(|value| match value {
                Value::Bool(value) => Given::Bool(value),
                Value::Int(value) => Given::Int(value),
                Value::Float(value) => Given::Float(value),
                Value::Str(value) => Given::Str(value),
                Value::Ints(values) => Given::Ints(values),
                Value::Floats(values) => Given::Floats(values),
            }));
            us_value { r#type: param.kind, is_set: u32::from(given.is_some()), v: raw(given) }
        };
        let values: Vec<us_value> = T::INFO.params.iter().map(value).collect();
        // SAFETY: `term` is a descriptor of this crate, whose table lives as long as the process.
        let vtbl = unsafe { *term.vtbl };
        let mut instance = std::ptr::null_mut();
        let create = vtbl.create.expect("the SDK sets every required function");
        // SAFETY: the pointers are valid for the call, and the values are laid out by the term's schema.
        call(|error| unsafe {
            create(term, std::ptr::null(), values.as_ptr(), values.len() as u64, 1, &raw mut instance, error)
        })?;
        Ok(MockHost { vtbl, instance })
    }

    /// The layers that the term reads; none for the image.
    ///
    /// # Errors
    /// What the term said.
    pub fn taps(&mut self) -> Result<Vec<Option<String>>, String> {
        self.each_tap(|tap| {
            // SAFETY: the taps are the SDK's, with their strings.
            let bytes = unsafe { slice(tap.layer.ptr.cast::<u8>(), tap.layer.len) };
            (tap.what == US_TAP_LAYER).then(|| String::from_utf8_lossy(bytes).into_owned())
        })
    }

    fn each_tap<R>(&mut self, read: impl Fn(&us_tap) -> R) -> Result<Vec<R>, String> {
        let function = self.vtbl.taps.ok_or("a step operation has no taps")?;
        let (mut taps, mut n): (*const us_tap, u64) = (std::ptr::null(), 0);
        // SAFETY: the instance came from `create`, and the pointers are valid for the call.
        call(|error| unsafe { function(self.instance, &raw mut taps, &raw mut n, error) })?;
        // SAFETY: the taps are the SDK's, valid until the next call.
        Ok(unsafe { slice(taps, n) }.iter().map(read).collect())
    }

    /// Shows the term the shapes of its taps.
    ///
    /// # Errors
    /// What the term said.
    pub fn prepare(&mut self, taps: &[Array]) -> Result<(), String> {
        let function = self.vtbl.prepare.expect("the SDK sets every function that it can");
        let views: Vec<us_view> = taps.iter().map(|tap| view::<f64>(tap, std::ptr::null_mut())).collect();
        // SAFETY: the instance came from `create`, and the views borrow from `taps`.
        call(|error| unsafe { function(self.instance, views.as_ptr(), views.len() as u64, error) })
    }

    /// Applies a step operation to image and gradient, in float64.
    ///
    /// # Errors
    /// What the term said.
    pub fn apply(&mut self, image: &mut Array, gradient: &mut Array) -> Result<(), String> {
        self.prepare(std::slice::from_ref(image))?;
        let function = self.vtbl.apply.ok_or("an objective or penalty has no apply")?;
        let (image_data, gradient_data) = (image.data.as_mut_ptr(), gradient.data.as_mut_ptr());
        let (image, gradient) = (view::<f64>(image, image_data), view::<f64>(gradient, gradient_data));
        let step = step();
        // SAFETY: the instance came from `create`, and the views borrow from arrays that are mutably borrowed.
        call(|error| unsafe {
            function(self.instance, &raw const step, &raw const image, &raw const gradient, error)
        })
    }

    fn eval_as<T: Float>(
        &mut self,
        taps: &mut [Array],
        gradients: Option<&mut [Array]>,
        scale: &[f64],
    ) -> Result<Vec<f64>, String> {
        let function = self.vtbl.eval.ok_or("a step operation has no eval")?;
        let mut values = vec![f64::NAN; scale.len()];
        let mut inputs = Buffers::<T>::of(taps);
        let mut outputs = gradients.as_deref().map(Buffers::<T>::of);
        let (input, mut output) = (
            inputs.views(taps),
            match (&mut outputs, gradients.as_deref()) {
                (Some(outputs), Some(gradients)) => outputs.views(gradients),
                _ => Vec::new(),
            },
        );
        for (k, view) in output.iter_mut().enumerate() {
            if !self.has_gradient(k) {
                view.t.data = std::ptr::null_mut();
            }
        }
        let mut io = us_io {
            struct_size: size_of::<us_io>() as u32,
            n_taps: taps.len() as u32,
            n: values.len() as u64,
            r#in: input.as_ptr(),
            grad: if outputs.is_some() { output.as_ptr() } else { std::ptr::null() },
            scale: scale.as_ptr(),
            value: values.as_mut_ptr(),
        };
        let step = step();
        // SAFETY: the instance came from `create`; every pointer in `io` is valid for the call.
        call(|error| unsafe { function(self.instance, &raw const step, &raw mut io, error) })?;
        inputs.write_back(taps);
        if let (Some(outputs), Some(gradients)) = (outputs, gradients) {
            outputs.write_back(gradients);
        }
        Ok(values)
    }
}

impl Subject for MockHost {
    fn has_gradient(&mut self, k: usize) -> bool {
        let flags = self.each_tap(|tap| tap.flags).unwrap_or_default();
        flags.get(k).is_none_or(|flags| flags & US_TAP_REFERENCE == 0)
    }

    fn eval(
        &mut self,
        taps: &mut [Array],
        gradients: Option<&mut [Array]>,
        scale: &[f64],
        single: bool,
    ) -> Result<Vec<f64>, String> {
        self.prepare(taps)?;
        if single {
            self.eval_as::<f32>(taps, gradients, scale)
        } else {
            self.eval_as::<f64>(taps, gradients, scale)
        }
    }
}

/// The elements of arrays in the type that the term sees.
struct Buffers<T>(Vec<Vec<T>>);

impl<T: Float> Buffers<T> {
    fn of(arrays: &[Array]) -> Buffers<T> {
        Buffers(arrays.iter().map(|array| array.data.iter().copied().map(T::from_f64).collect()).collect())
    }

    fn views(&mut self, arrays: &[Array]) -> Vec<us_view> {
        arrays.iter().zip(&mut self.0).map(|(array, data)| view::<T>(array, data.as_mut_ptr())).collect()
    }

    fn write_back(self, arrays: &mut [Array]) {
        for (array, data) in arrays.iter_mut().zip(self.0) {
            array.data = data.into_iter().map(T::to_f64).collect();
        }
    }
}

impl Drop for MockHost {
    fn drop(&mut self) {
        let destroy = self.vtbl.destroy.expect("the SDK sets every required function");
        // SAFETY: the instance came from `create`, and this is the last call.
        unsafe { destroy(self.instance) };
    }
}

fn view<T: Float>(array: &Array, data: *mut T) -> us_view {
    let mut axis = [0; US_MAX_DIMS];
    axis[..array.axes.len()].copy_from_slice(&array.axes);
    us_view {
        t: us_tensor {
            data: data.cast(),
            device: us_device { device_type: US_DEVICE_CPU, device_id: 0 },
            ndim: array.shape.len() as i32,
            dtype: us_dtype { code: US_DTYPE_FLOAT, bits: T::BITS, lanes: 1 },
            shape: array.shape.as_ptr().cast_mut(),
            strides: array.strides.as_ptr().cast_mut(),
            byte_offset: 0,
        },
        axis,
    }
}

fn raw(given: Option<Given<'_>>) -> us_value_v {
    match given {
        None => us_value_v { i: 0 },
        Some(Given::Bool(value)) => us_value_v { i: i64::from(value) },
        Some(Given::Int(value)) => us_value_v { i: value },
        Some(Given::Float(value)) => us_value_v { f: value },
        Some(Given::Str(value)) => us_value_v { s: us_str::new(value) },
        Some(Given::Ints(values)) => {
            us_value_v { list: us_list { ptr: values.as_ptr().cast(), len: values.len() as u64 } }
        }
        Some(Given::Floats(values)) => {
            us_value_v { list: us_list { ptr: values.as_ptr().cast(), len: values.len() as u64 } }
        }
    }
}

/// The first of two steps, never cancelled.
fn step() -> us_step {
    let struct_size = size_of::<us_step>() as u32;
    us_step {
        struct_size,
        flags: 0,
        step: 0,
        total_steps: 2,
        seed: 1,
        ctx: std::ptr::null_mut(),
        cancelled: None,
    }
}

fn call(function: impl FnOnce(*mut us_error) -> us_status) -> Result<(), String> {
    let mut buffer = vec![0_u8; 1 << 10];
    let mut error = us_error {
        buf: buffer.as_mut_ptr().cast(),
        cap: buffer.len() as u64,
        len: 0,
        parameter: -1,
        flags: 0,
    };
    let status = function(&raw mut error);
    if status == US_OK {
        return Ok(());
    }
    buffer.truncate(error.len as usize);
    Err(format!("{} (status {status}, parameter {})", String::from_utf8_lossy(&buffer), error.parameter))
}
