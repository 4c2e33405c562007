//! The Rust side of the C++ shim: operators called by name, and gradients; one of the few files with `unsafe` code. Knows no graph.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use tch::Tensor;

use super::error::ModelError;

/// What one argument of a call is. Tensors are borrowed for the time of the call.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    None,
    Tensor(&'a Tensor),
    Tensors(Vec<Option<&'a Tensor>>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Bools(Vec<bool>),
    Text(&'a str),
    Device(tch::Device),
    /// The device of tensors that have a shape and no content.
    Meta,
}

/// A call of an operator, with everything filled in that does not change from run to run.
pub struct Step {
    step: ptr::NonNull<c_void>,
}

// SAFETY: a step is written once, in `Step::new`; a run copies its stack and only reads it. Its tensors are reference-counted atomically.
unsafe impl Send for Step {}
// SAFETY: as for Send: `us_step_run` takes a const step, and the dispatcher may be called from any thread.
unsafe impl Sync for Step {}

impl Step {
    /// Prepares `aten::NAME.OVERLOAD`. An argument without a value (`None`) comes with each run.
    ///
    /// # Errors
    /// libtorch's words: no such operator, an argument that the schema does not know, that is missing, or of the wrong type.
    pub fn new(name: &str, overload: &str, arguments: &[(&str, Option<Value<'_>>)]) -> Result<Self, String> {
        let text = |text: &str| {
            CString::new(text).map_err(|_| format!("`{}` holds a zero byte", text.escape_debug()))
        };
        let (name, overload) = (text(&format!("aten::{name}"))?, text(overload)?);
        let names: Vec<CString> = arguments.iter().map(|(name, _)| text(name)).collect::<Result<_, _>>()?;
        let names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let changing: Vec<u8> = arguments.iter().map(|(_, value)| u8::from(value.is_none())).collect();
        let held: Vec<Held> =
            arguments.iter().map(|(_, value)| Held::of(value.as_ref().unwrap_or(&Value::None))).collect();
        let raw: Vec<RawArgument> = held.iter().map(Held::raw).collect();
        let mut step = ptr::null_mut();
        // SAFETY: all pointers are live for the call and their lengths are `names.len()`; the shim copies what it keeps.
        let error = unsafe {
            us_step_new(
                name.as_ptr(),
                overload.as_ptr(),
                names.as_ptr(),
                raw.as_ptr(),
                changing.as_ptr(),
                count(&raw),
                &raw mut step,
            )
        };
        check(error)?;
        ptr::NonNull::new(step)
            .map(|step| Self { step })
            .ok_or_else(|| "the shim returned no step".to_owned())
    }

    /// Runs it with the values of its changing arguments, in their order. Returns its tensors, lists flattened; `None` for undefined ones.
    ///
    /// # Errors
    /// libtorch's words.
    pub fn run(&self, arguments: &[Value<'_>], outputs: usize) -> Result<Vec<Option<Tensor>>, String> {
        let held: Vec<Held> = arguments.iter().map(Held::of).collect();
        let raw: Vec<RawArgument> = held.iter().map(Held::raw).collect();
        let mut results = vec![ptr::null_mut(); outputs];
        let mut returned = 0;
        // SAFETY: the step lives; the arguments borrow live tensors; `results` has room for `outputs` pointers.
        let error = unsafe {
            us_step_run(
                self.step.as_ptr(),
                raw.as_ptr(),
                count(&raw),
                results.as_mut_ptr(),
                count(&results),
                &raw mut returned,
            )
        };
        let returned = usize::try_from(returned).unwrap_or(0).min(outputs);
        // SAFETY: the shim wrote `returned` pointers, each to a tensor that is ours from now on, or null.
        let tensors = results[..returned].iter().map(|&pointer| unsafe { adopt(pointer) }).collect();
        check(error)?;
        Ok(tensors)
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // SAFETY: the step came from `us_step_new` and is freed once.
        unsafe { us_step_free(self.step.as_ptr()) }
    }
}

/// What flows from `output_gradients` at `outputs` back to each of `inputs` (`torch::autograd::grad`); `None` where an input is unused. The tape
/// of the outputs is consumed.
///
/// # Errors
/// [`ModelError::Torch`]: a number of gradients that is not that of the outputs, or another shape.
pub fn gradients(
    outputs: &[Tensor],
    inputs: &[Tensor],
    output_gradients: &[Tensor],
) -> Result<Vec<Option<Tensor>>, ModelError> {
    if outputs.len() != output_gradients.len() {
        return Err(ModelError::Torch(format!(
            "{} outputs got {} gradients; give one for each",
            outputs.len(),
            output_gradients.len()
        )));
    }
    let pointer = |tensor: &Tensor| tensor.as_ptr().cast::<c_void>();
    let to: Vec<*const c_void> = inputs.iter().map(pointer).collect();
    // An output that does not depend on any input has no tape; libtorch would refuse all for its sake.
    let (from, with): (Vec<*const c_void>, Vec<*const c_void>) = outputs
        .iter()
        .zip(output_gradients)
        .filter(|(output, _)| output.requires_grad())
        .map(|(output, gradient)| (pointer(output), pointer(gradient)))
        .unzip();
    if from.is_empty() {
        return Ok(inputs.iter().map(|_| None).collect());
    }
    let mut results = vec![ptr::null_mut(); inputs.len()];
    // SAFETY: all pointers are to live tensors, as many as the counts say; `results` has room for one per input.
    let error = unsafe {
        us_gradients(
            from.as_ptr(),
            with.as_ptr(),
            count(&from),
            to.as_ptr(),
            count(&to),
            results.as_mut_ptr(),
        )
    };
    // SAFETY: each is null or a tensor that is ours from now on.
    let found = results.into_iter().map(|pointer| unsafe { adopt(pointer) }).collect();
    check(error).map_err(ModelError::Torch)?;
    Ok(found)
}

/// The folder that libtorch was loaded from.
pub(super) fn libtorch_folder() -> Result<std::path::PathBuf, String> {
    let mut folder = [0_u8; 4096];
    // SAFETY: the shim writes at most as many bytes as it is told, the last one zero.
    check(unsafe { us_libtorch_folder(folder.as_mut_ptr().cast(), count(&folder)) })?;
    let path = CStr::from_bytes_until_nul(&folder).map_err(|error| error.to_string())?;
    Ok(std::path::PathBuf::from(path.to_str().map_err(|error| error.to_string())?))
}

/// Lists that an argument points to, kept alive for the call.
struct Held {
    raw: RawArgument,
    pointers: Vec<*const c_void>,
    ints: Vec<i64>,
    floats: Vec<f64>,
}

impl Held {
    fn of(value: &Value<'_>) -> Self {
        let mut held = Self {
            raw: RawArgument::new(TAG_NONE),
            pointers: Vec::new(),
            ints: Vec::new(),
            floats: Vec::new(),
        };
        held.raw.tag = match value {
            Value::None => TAG_NONE,
            Value::Tensor(tensor) => {
                held.raw.pointer = tensor.as_ptr().cast();
                TAG_TENSOR
            }
            Value::Tensors(tensors) => {
                held.pointers = tensors
                    .iter()
                    .map(|tensor| tensor.map_or(ptr::null(), |tensor| tensor.as_ptr().cast()))
                    .collect();
                TAG_TENSORS
            }
            Value::Int(value) => {
                held.raw.integer = *value;
                TAG_INT
            }
            Value::Float(value) => {
                held.raw.real = *value;
                TAG_DOUBLE
            }
            Value::Bool(value) => {
                held.raw.integer = i64::from(*value);
                TAG_BOOL
            }
            Value::Ints(values) => {
                held.ints.clone_from(values);
                TAG_INTS
            }
            Value::Floats(values) => {
                held.floats.clone_from(values);
                TAG_DOUBLES
            }
            Value::Bools(values) => {
                held.ints = values.iter().map(|&value| i64::from(value)).collect();
                TAG_BOOLS
            }
            Value::Text(text) => {
                held.raw.pointer = text.as_ptr().cast();
                held.raw.count = count(text.as_bytes());
                TAG_TEXT
            }
            Value::Device(tch::Device::Cuda(index)) => held.device(CUDA, i64::try_from(*index).unwrap_or(-1)),
            Value::Device(_) => held.device(CPU, -1),
            Value::Meta => held.device(META, -1),
        };
        held
    }

    fn device(&mut self, kind: i64, index: i64) -> i32 {
        (self.raw.integer, self.raw.count) = (kind, index);
        TAG_DEVICE
    }

    fn raw(&self) -> RawArgument {
        let (count, pointer) = match self.raw.tag {
            TAG_TENSORS => (count(&self.pointers), self.pointers.as_ptr().cast()),
            TAG_INTS | TAG_BOOLS => (count(&self.ints), self.ints.as_ptr().cast()),
            TAG_DOUBLES => (count(&self.floats), self.floats.as_ptr().cast()),
            _ => (self.raw.count, self.raw.pointer),
        };
        RawArgument { count, pointer, ..self.raw }
    }
}

/// Kept in step with `us_argument` in shim.cpp.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawArgument {
    tag: i32,
    count: i64,
    integer: i64,
    real: f64,
    pointer: *const c_void,
}

impl RawArgument {
    fn new(tag: i32) -> Self {
        Self { tag, count: 0, integer: 0, real: 0.0, pointer: ptr::null() }
    }
}

const TAG_NONE: i32 = 0;
const TAG_TENSOR: i32 = 1;
const TAG_TENSORS: i32 = 2;
const TAG_INT: i32 = 3;
const TAG_DOUBLE: i32 = 4;
const TAG_BOOL: i32 = 5;
const TAG_INTS: i32 = 6;
const TAG_DOUBLES: i32 = 7;
const TAG_BOOLS: i32 = 8;
const TAG_TEXT: i32 = 9;
const TAG_DEVICE: i32 = 10;
/// `c10::DeviceType::CPU`, `CUDA` and `Meta`.
const CPU: i64 = 0;
const CUDA: i64 = 1;
const META: i64 = 14;

unsafe extern "C" {
    fn us_text_free(text: *mut c_char);
    fn us_step_new(
        name: *const c_char,
        overload: *const c_char,
        names: *const *const c_char,
        arguments: *const RawArgument,
        changing: *const u8,
        count: i64,
        step: *mut *mut c_void,
    ) -> *mut c_char;
    fn us_step_free(step: *mut c_void);
    fn us_step_run(
        step: *const c_void,
        arguments: *const RawArgument,
        count: i64,
        outputs: *mut *mut c_void,
        capacity: i64,
        returned: *mut i64,
    ) -> *mut c_char;
    fn us_gradients(
        outputs: *const *const c_void,
        gradients: *const *const c_void,
        output_count: i64,
        inputs: *const *const c_void,
        input_count: i64,
        results: *mut *mut c_void,
    ) -> *mut c_char;
    fn us_libtorch_folder(folder: *mut c_char, capacity: i64) -> *mut c_char;
}

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).expect("no slice has more than 2^63 items")
}

/// # Safety
/// `pointer` is null or an `at::Tensor*` made by `new` that nobody else frees.
unsafe fn adopt(pointer: *mut c_void) -> Option<Tensor> {
    // SAFETY: tch's tensor is an `at::Tensor*` made by `new`, which it deletes on drop.
    (!pointer.is_null()).then(|| unsafe { Tensor::from_ptr(pointer.cast()) })
}

/// Takes the shim's message, if there is one.
fn check(error: *mut c_char) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the shim's messages end in a zero byte, and are ours to free, once.
    let text = unsafe { CStr::from_ptr(error) }.to_string_lossy().trim().to_owned();
    // SAFETY: as above; the text was copied.
    unsafe { us_text_free(error) };
    Err(text)
}
