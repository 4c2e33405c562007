//! Write Unitscope objectives, penalties and step operations in Rust: one trait, [`Term`], and one macro, [`export!`].
//!
//! A plugin is a crate of type `cdylib` that depends on this one. This is a whole one: an objective that is the mean of one
//! channel of one layer.
//!
//! ```
//! use unitscope_sdk::{Error, Eval, Float, Param, Params, Shape, Tap, Term, TermInfo};
//!
//! struct Mean {
//!     layer: String,
//!     channel: usize,
//! }
//!
//! impl Term for Mean {
//!     const INFO: TermInfo = TermInfo::objective("mean", "Mean of a channel", "The mean over space.").params(&[
//!         Param::layer("layer", "The layer's path.").required(),
//!         Param::int("channel", "The channel, counted from 0.").required().min(0.0),
//!     ]);
//!
//!     fn new(params: &Params<'_>) -> Result<Mean, Error> {
//!         Ok(Mean { layer: params.string("layer")?, channel: params.index("channel")? })
//!     }
//!
//!     fn taps(&self) -> Vec<Tap> {
//!         vec![Tap::layer(&self.layer)]
//!     }
//!
//!     fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
//!         shapes[0].check_channel("channel", self.channel)
//!     }
//!
//!     fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
//!         for image in 0..eval.images() {
//!             let channel = eval.input(0).image(image).channel(self.channel);
//!             eval.set_value(image, channel.mean());
//!             let share = eval.scale(image) / channel.len() as f64;
//!             if let Some(gradient) = eval.gradient(0) {
//!                 gradient.image(image).channel(self.channel).add(share);
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! unitscope_sdk::export! { id: "org.example.mean", version: "0.1.0", terms: [Mean] }
//! ```
//!
//! Build it, and put the library into a folder that the server reads plugins from. [`testing`] checks a term's gradient,
//! its independence between images and its manners with memory, without a server. The ABI underneath is
//! `include/unitscope_plugin.h`; [`abi`] is that header in Rust.

pub mod abi;
pub mod testing;

mod call;
mod entry;
mod error;
#[doc(hidden)]
pub mod export;
mod float;
mod grid;
mod log;
#[doc(hidden)]
pub mod note;
mod params;
mod tensor;
mod term;
mod walk;

pub use call::{Apply, Eval, Step};
pub use error::{Code, Error};
pub use float::Float;
pub use grid::{Grid, GridMut};
pub use log::{Level, log};
pub use params::{Param, Params, Value};
pub use tensor::{Shape, Tensor, TensorMut};
pub use term::{Kind, Tap, Term, TermInfo};
