//! Loading libraries in a test, and a loaded term as the subject of the SDK's checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use tempfile::TempDir;
use unitscope_engine::plugin::{
    Axis, DType, Element, Instance, LogSink, ParamValue, Problem, Registry, StepInfo, View,
};
use unitscope_sdk::Float;
use unitscope_sdk::testing::{Array, Subject};
use unitscope_tests::build::{checkout, libraries};

/// What one call of the host loaded.
pub struct Loaded {
    pub registry: Registry,
    pub problems: Vec<Problem>,
    /// Lines that plugins logged.
    pub log: Arc<Mutex<Vec<String>>>,
    /// The folder; a loaded library is never unloaded, but its file may go.
    _folder: TempDir,
}

/// Copies these libraries into a folder of their own, and loads it.
pub fn load(libraries: &[&Path]) -> Loaded {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (number, library) in libraries.iter().enumerate() {
        let name = library.file_name().expect("a file").to_string_lossy();
        std::fs::copy(library, folder.path().join(format!("{number}-{name}"))).expect("a readable library");
    }
    load_folders(vec![folder.path().to_owned()], folder)
}

/// Loads these folders; `folder` is kept as long as the result.
pub fn load_folders(folders: Vec<PathBuf>, folder: TempDir) -> Loaded {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    let sink: LogSink = Arc::new(move |level, plugin, line| {
        lines.lock().expect("no test panics with the lock").push(format!("{level:?} {plugin} {line}"));
    });
    let (registry, problems) = Registry::load(&folders, sink);
    Loaded { registry, problems, log, _folder: folder }
}

/// The built-in plugins, loaded once.
pub fn builtin() -> &'static Registry {
    static BUILTIN: OnceLock<Loaded> = OnceLock::new();
    let loaded = BUILTIN.get_or_init(|| load(&libraries().plugins()));
    assert_eq!(loaded.problems, []);
    &loaded.registry
}

/// Compiles a C file of the fixtures to a library, with the compiler that the machine calls `cc`.
pub fn compile(source: &str, options: &[&str], folder: &Path) -> PathBuf {
    let library = folder.join("plugin.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(&compiler)
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC", "-I"])
        .arg(checkout().join("sdk/include"))
        .args(options)
        .arg("-o")
        .arg(&library)
        .arg(checkout().join("tests/fixtures/c_plugin").join(source))
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", compiler.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Parameters of a request.
pub fn params(given: &[(&str, ParamValue)]) -> BTreeMap<String, ParamValue> {
    given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub fn text(value: &str) -> ParamValue {
    ParamValue::String(value.to_owned())
}

/// A step that is not cancelled.
pub const STEP: StepInfo<'static> = StepInfo { step: 0, total_steps: 2, seed: 1, cancelled: &|| false };

/// A loaded instance, as the SDK's checks want it.
pub struct LoadedSubject(pub Instance);

impl LoadedSubject {
    /// A term of the built-in plugins.
    pub fn builtin(term: &str, given: &[(&str, ParamValue)]) -> LoadedSubject {
        let term = builtin().term(term).expect("a built-in term");
        let mut instance = term.create(&params(given), &[], 1).expect("valid parameters");
        instance.taps().expect("taps");
        LoadedSubject(instance)
    }

    fn eval_as<T: Float + Element>(
        &mut self,
        taps: &mut [Array],
        gradients: Option<&mut [Array]>,
        scale: &[f64],
    ) -> Result<Vec<f64>, String> {
        let mut inputs = convert::<T>(taps);
        let mut outputs = gradients.as_deref().map(convert::<T>).unwrap_or_default();
        let mut values = vec![0.0; scale.len()];
        let input = views(taps, &mut inputs);
        self.0.prepare(&input).map_err(|error| error.to_string())?;
        let tapped = self.0.taps().map_err(|error| error.to_string())?;
        let output = gradients.as_deref().map(|gradients| {
            let views = views(gradients, &mut outputs).into_iter().zip(&tapped);
            views
                .map(|(view, tap)| if tap.is_reference() { view.without_data() } else { view })
                .collect::<Vec<_>>()
        });
        let result = self.0.eval(&STEP, &input, output.as_deref(), scale, &mut values);
        result.map_err(|error| error.to_string())?;
        let back = |arrays: &mut [Array], data: Vec<Vec<T>>| {
            for (array, data) in arrays.iter_mut().zip(data) {
                array.data = data.into_iter().map(T::to_f64).collect();
            }
        };
        back(taps, inputs);
        back(gradients.unwrap_or_default(), outputs);
        Ok(values)
    }
}

impl Subject for LoadedSubject {
    fn has_gradient(&mut self, k: usize) -> bool {
        !self.0.taps().expect("taps")[k].is_reference()
    }

    fn eval(
        &mut self,
        taps: &mut [Array],
        gradients: Option<&mut [Array]>,
        scale: &[f64],
        single: bool,
    ) -> Result<Vec<f64>, String> {
        if single {
            self.eval_as::<f32>(taps, gradients, scale)
        } else {
            self.eval_as::<f64>(taps, gradients, scale)
        }
    }
}

fn convert<T: Float>(arrays: &[Array]) -> Vec<Vec<T>> {
    arrays.iter().map(|array| array.data.iter().copied().map(T::from_f64).collect()).collect()
}

fn views<'a, T: Element>(arrays: &[Array], data: &'a mut [Vec<T>]) -> Vec<View<'a>> {
    arrays.iter().zip(data).map(|(array, data)| view(array, data)).collect()
}

/// A view of an array's elements in another type.
pub fn view<'a, T: Element>(array: &Array, data: &'a mut [T]) -> View<'a> {
    let axes: Vec<Axis> = array.axes.iter().map(|&axis| role(axis)).collect();
    assert_eq!(data.len(), array.data.len());
    let dtype = if size_of::<T>() == 8 { DType::F64 } else { DType::F32 };
    // SAFETY: an array's strides reach its elements only, and `data` has as many and is borrowed for the view's life.
    let view =
        unsafe { View::from_raw(data.as_mut_ptr().cast(), dtype, &array.shape, &array.strides, &axes) };
    view.expect("an array has the shape of a view")
}

fn role(axis: u8) -> Axis {
    [Axis::Other, Axis::Batch, Axis::Channel, Axis::Height, Axis::Width, Axis::Token][usize::from(axis)]
}
