//! Where tensors live and how many threads work on them: what a server settles once, at its start.

use crate::model::{ModelError, load_cuda};
pub use tch::Device;

/// The libtorch that this is built for; the build refuses any other.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No device has this name.
    #[error("`{0}` is not a device; use `auto`, `cpu` or `cuda:N`")]
    Unknown(String),
    /// The machine or its libtorch lacks it.
    #[error("device `{name}` is not there: {reason}; use `cpu`")]
    Absent {
        /// What was asked for.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// CUDA is installed and broken.
    #[error(transparent)]
    Broken(#[from] ModelError),
}

/// Finds a device by name; `auto` is the first GPU, or the CPU where there is none. Call it once, before any other use of libtorch.
///
/// # Errors
/// A [`DeviceError`].
pub fn open(name: &str) -> Result<Device, DeviceError> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let number = match name {
        "auto" => None,
        "cuda" => Some(0),
        _ => {
            let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
            Some(number.ok_or_else(|| DeviceError::Unknown(name.to_owned()))?)
        }
    };
    let installed = load_cuda()?;
    let gpus = if installed && tch::Cuda::is_available() { tch::Cuda::device_count() } else { 0 };
    match number {
        None if gpus > 0 => Ok(Device::Cuda(0)),
        None => Ok(Device::Cpu),
        Some(number) if (number as i64) < gpus => Ok(Device::Cuda(number)),
        Some(_) => {
            let reason = if installed {
                format!("there are {gpus} GPUs")
            } else {
                "libtorch has no CUDA half".to_owned()
            };
            Err(DeviceError::Absent { name: name.to_owned(), reason })
        }
    }
}

/// `cpu` or `cuda:N`.
#[must_use]
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".to_owned(),
    }
}

/// Sets how many threads one operator uses when called from this thread. Part of what decides a result's last bits.
pub fn set_threads(threads: usize) {
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
}
