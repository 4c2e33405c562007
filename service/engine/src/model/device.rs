//! Which devices there are: brings in libtorch's CUDA half where it is installed; knows no model.

use std::path::PathBuf;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use super::error::ModelError;
use super::shim;

/// Loads `libtorch_cuda.so` from beside `libtorch_cpu.so`, which registers the CUDA backend with the dispatcher; call it once, before any other use of
/// libtorch. One binary serves machines with and without a GPU. Returns whether the library was there.
///
/// # Errors
/// [`ModelError::Torch`] if it is there, but cannot be loaded.
pub fn load_cuda() -> Result<bool, ModelError> {
    let folder = shim::libtorch_folder().map_err(ModelError::Torch)?;
    let path: PathBuf = folder.join("libtorch_cuda.so");
    if !path.exists() {
        return Ok(false);
    }
    // SAFETY: the library is libtorch's own other half, from the folder that this process already runs code from; its initializers only register kernels.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
    let library = library
        .map_err(|error| ModelError::Torch(format!("`{}` cannot be loaded: {error}", path.display())))?;
    // Kernels stay registered for the life of the process, so the library must stay too.
    std::mem::forget(library);
    Ok(true)
}
