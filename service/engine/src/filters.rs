//! A convolution's filters as numbers to look at: their principal plane, and the Gabor function that fits it. It knows no model, no tensor and no picture.

mod fit;
mod gabor;
mod least_squares;
mod plane;
mod spectrum;

pub use fit::{Fit, LARGEST_SIDE, NoFit, SMALLEST_SIDE, fit};
pub use gabor::Gabor;
pub use plane::{Plane, principal};
