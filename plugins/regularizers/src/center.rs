//! The constant from which several penalties measure.

use unitscope_sdk::{Param, Value};

/// Their parameter `center`, in 0..=1.
pub const CENTER: Param =
    Param::float("center", "The constant; 0.5 is middle grey.").default(Value::Float(0.5)).min(0.0).max(1.0);
