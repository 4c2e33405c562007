//! Which steps an image operation works in, for `blur_image` and `clip_small`.

use unitscope_sdk::{Error, Param, Params, Step, Value};

pub const EVERY: Param = Param::int("every", "After how many steps it works again; 1 is each step.")
    .default(Value::Int(4))
    .min(1.0)
    .unit("steps");

/// Every n-th step, the n-th first.
pub struct Every(u64);

impl Every {
    pub fn new(params: &Params<'_>) -> Result<Every, Error> {
        // The schema keeps it at 1 or more; a division by zero must not hang on that.
        Ok(Every((params.index("every")? as u64).max(1)))
    }

    pub fn is_due(&self, step: &Step<'_>) -> bool {
        step.index() % self.0 == self.0 - 1
    }
}
