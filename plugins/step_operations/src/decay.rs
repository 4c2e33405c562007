//! `decay`: draws the image towards grey.

use unitscope_sdk::{Apply, Error, Float, Param, Params, Term, TermInfo, Value};

/// Middle grey, in 0..=1.
pub const GREY: f64 = 0.5;

/// x[i] ← 0.5 + (1 − rate)·(x[i] − 0.5) after every step: Yosinski et al. 2015, whose images are centred on 0.
pub struct Decay {
    rate: f64,
}

impl Term for Decay {
    const INFO: TermInfo = TermInfo::image_operation(
        "decay",
        "Decay towards grey",
        "Draws each image, in 0..=1, towards middle grey after every step: x ← 0.5 + (1 − rate) · (x − 0.5). What the objective does not keep \
         up fades. Source: Yosinski et al. 2015, L2 decay.",
    )
    .params(&[Param::float("rate", "The share of the contrast that a step takes away.")
        .default(Value::Float(0.01))
        .min(0.0)
        .max(1.0)]);

    fn new(params: &Params<'_>) -> Result<Decay, Error> {
        Ok(Decay { rate: params.float("rate")? })
    }

    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        let (grey, rest) = (T::from_f64(GREY), T::from_f64(1.0 - self.rate));
        for image in 0..apply.images() {
            apply.image.image(image).each(|x| *x = grey + rest * (*x - grey));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given};

    use super::*;
    use crate::testing::{Edited, applied};

    #[test]
    fn contrast_shrinks_by_the_rate() {
        let mut image = Array::random(&[1, 1, 1, 3], 1);
        image.data = vec![1.0, 0.5, 0.0];
        let after = applied::<Decay>(&[("rate", Given::Float(0.25))], &image, Edited::Image);
        assert_eq!(after.data, [0.875, 0.5, 0.125]);
    }
}
