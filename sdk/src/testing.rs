//! Checks for a term, without a server: [`check_term`] runs all that the header asks of one.
//!
//! ```no_run
//! # use unitscope_sdk::*;
//! # struct Mean;
//! # impl Term for Mean {
//! #     const INFO: TermInfo = TermInfo::objective("mean", "", "");
//! #     fn new(_: &Params<'_>) -> Result<Mean, Error> { Ok(Mean) }
//! # }
//! use unitscope_sdk::testing::{Array, Given, MockHost, check_term};
//!
//! let mut host = MockHost::new::<Mean>(&[("layer", Given::Str("conv1")), ("channel", Given::Int(2))]).unwrap();
//! check_term(&mut host, &[Array::random(&[3, 4, 5, 6], 1)], false);
//! ```
//!
//! The checks know a [`Subject`], not how it is called: a host that loads libraries can be one, too.

mod array;
mod checks;
mod mock;

pub use array::Array;
pub use checks::{
    check_accumulates, check_gradient, check_independence, check_input_unchanged, check_layouts,
    check_permutation, check_precisions, check_term,
};
pub use mock::{Given, MockHost};

/// A term that can be evaluated: a mock host's, or one that a real host has loaded.
pub trait Subject {
    /// Whether the gradient of tap k can be wanted: false for one that reads the reference image.
    fn has_gradient(&mut self, k: usize) -> bool {
        let _ = k;
        true
    }

    /// Evaluates the term on these taps, in float64, or in float32 where `single`; adds to `gradients`, where given, one array per tap
    /// of its shape. The term is handed no buffer for a tap without gradient, and its array stays as it is. Prepares the term for the
    /// shapes first.
    ///
    /// # Errors
    /// What the term or host said.
    fn eval(
        &mut self,
        taps: &mut [Array],
        gradients: Option<&mut [Array]>,
        scale: &[f64],
        single: bool,
    ) -> Result<Vec<f64>, String>;
}
