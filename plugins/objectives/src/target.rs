//! `target`: a channel or unit, driven to a given activation.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Shape, Tap, Term, TermInfo};

use crate::place::{COLUMN, Place, ROW};
use crate::position::{CHANNEL, LAYER, add_mean_gradient};

/// −(a − value)² for image i, with a = mean over space of A[i, channel], or A[i, channel, row, column] where a position is given.
pub struct Target {
    layer: String,
    channel: usize,
    value: f64,
    place: Place,
}

impl Term for Target {
    const INFO: TermInfo = TermInfo::objective(
        "target",
        "A given activation",
        "Minus the squared distance of an activation from a target, −(a − value)²: the mean of a channel over space, or one unit where \
         `row` or `column` is given. At most 0, which is reached at the target. Source: this project's own, after the request for \
         pictures between the least and the most activating one.",
    )
    .params(&[
        LAYER,
        CHANNEL,
        // The square of what is larger could not be told in float32.
        Param::float("value", "The target, in the layer's own unit.").required().min(-1e15).max(1e15),
        ROW,
        COLUMN,
    ]);

    fn new(params: &Params<'_>) -> Result<Target, Error> {
        Ok(Target {
            layer: params.string("layer")?,
            channel: params.index("channel")?,
            value: params.float("value")?,
            place: Place::new(params)?,
        })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        shapes[0].check_channel("channel", self.channel)?;
        self.place.prepare(&shapes[0])
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let activation = self.place.of(&eval.input(0).image(image)).channel(self.channel).mean();
            let distance = activation - self.value;
            // Subtracted from zero, because negative zero would be a strange score.
            eval.set_value(image, 0.0 - distance * distance);
            let share = -2.0 * distance * eval.scale(image);
            if let Some(gradient) = eval.gradient(0) {
                let mut gradient = gradient.image(image);
                add_mean_gradient(&mut self.place.of_mut(&mut gradient), self.channel, share);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn host(given: &[(&str, Given<'_>)]) -> MockHost {
        let base = [("layer", Given::Str("conv1")), ("channel", Given::Int(1)), ("value", Given::Float(2.0))];
        MockHost::new::<Target>(&[&base, given].concat()).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_with_and_without_position() {
        for given in [&[][..], &[("row", Given::Int(3))], &[("column", Given::Int(0))]] {
            check_term(&mut host(given), &[Array::random(&[2, 3, 4, 5], 3)], false);
        }
        check_term(&mut host(&[]), &[Array::random(&[2, 3], 3)], false);
    }

    #[test]
    fn it_is_largest_at_the_target() {
        let mut tap = Array::random(&[1, 2, 1, 2], 1);
        tap.data = vec![9., 9., 1., 3.];
        let value = |given: &[(&str, Given<'_>)]| {
            host(given).eval(&mut [tap.clone()], None, &[1.0], false).expect("a value")[0]
        };
        assert_eq!(value(&[]), 0.0);
        assert_eq!(value(&[("column", Given::Int(0))]), -1.0);
    }
}
