//! The plugin host: loads libraries, offers their terms, calls them and checks all that they return. It knows no model and no torch.

pub mod limits;

mod call;
mod check;
mod class;
mod describe;
mod error;
mod guard;
mod info;
mod library;
mod note;
mod params;
mod registry;
mod stage;
mod term;
mod view;

pub use error::{Stage, Status, TermError};
pub use guard::{Element, GuardedBuffer};
pub use info::{ParamInfo, ParamKind, ParamValue, TermInfo, TermKind};
pub use library::{LogLevel, LogSink};
pub use registry::{Problem, Registry};
pub use term::{Instance, StepInfo, Tap};
pub use view::{Axis, DType, View, ViewError};
