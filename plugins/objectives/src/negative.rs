//! `negative`: what a channel or unit wants least.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Shape, Tap, Term, TermInfo, Value};

use crate::position::{CHANNEL, LAYER, Position, add_mean_gradient};

/// −mean over space of A[i, channel] for image i; −A[i, channel, row, column] where a position is given. Read before the activation,
/// because behind a ReLU an inhibited channel is 0 and has no gradient.
pub struct Negative {
    layer: String,
    channel: usize,
    position: Position,
}

impl Term for Negative {
    const INFO: TermInfo = TermInfo::objective(
        "negative",
        "A channel or unit, driven down",
        "Minus the mean of one channel over space; minus one unit where `row` or `column` is given. Reads the value before the \
         layer's activation, where there is one, because behind a ReLU what is inhibited has no gradient. \
         Source: lucid, −objectives.channel and −objectives.neuron.",
    )
    .params(&[
        LAYER,
        CHANNEL,
        Param::int("row", "The row, counted from 0; the middle one if only `column` is given.").min(0.0),
        Param::int("column", "The column, counted from 0; the middle one if only `row` is given.").min(0.0),
        Param::bool("pre", "Read the value before the layer's activation, where there is one.").default(Value::Bool(true)),
    ]);

    fn new(params: &Params<'_>) -> Result<Negative, Error> {
        let layer = params.string("layer")?;
        let named = layer.ends_with(":pre");
        Ok(Negative {
            layer: if params.bool("pre")? && !named { format!("{layer}:pre?") } else { layer },
            channel: params.index("channel")?,
            position: Position::new(params)?,
        })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        self.position.prepare(&shapes[0])
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let activations = eval.input(0).image(image);
            let value = if self.position.is_given() {
                self.position.value(&activations)
            } else {
                activations.channel(self.channel).mean()
            };
            eval.set_value(image, -value);
            let share = -eval.scale(image);
            if let Some(gradient) = eval.gradient(0) {
                let mut gradient = gradient.image(image);
                if self.position.is_given() {
                    self.position.add_gradient(&mut gradient, share);
                } else {
                    add_mean_gradient(&mut gradient, self.channel, share);
                }
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
        let mut all = vec![("layer", Given::Str("conv1")), ("channel", Given::Int(1))];
        all.retain(|(name, _)| given.iter().all(|(other, _)| other != name));
        all.extend_from_slice(given);
        MockHost::new::<Negative>(&all).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_with_and_without_position() {
        for given in [&[][..], &[("row", Given::Int(2))], &[("column", Given::Int(0))]] {
            check_term(&mut host(given), &[Array::random(&[2, 3, 4, 5], 3)], false);
        }
        check_term(&mut host(&[]), &[Array::random(&[2, 3], 3)], false);
    }

    #[test]
    fn it_is_minus_the_mean_or_the_unit() {
        let mut tap = Array::random(&[1, 2, 2, 2], 1);
        tap.data = vec![9., 9., 9., 9., 1., 2., 3., 6.];
        let value = |given: &[(&str, Given<'_>)]| {
            host(given).eval(&mut [tap.clone()], None, &[1.0], false).expect("a value")[0]
        };
        assert_eq!(value(&[]), -3.0);
        assert_eq!(value(&[("row", Given::Int(0))]), -2.0);
    }

    #[test]
    fn it_reads_before_the_activation_unless_told_otherwise() {
        let layer = |given: &[(&str, Given<'_>)]| host(given).taps().expect("one tap")[0].clone();
        assert_eq!(layer(&[]).as_deref(), Some("conv1:pre?"));
        assert_eq!(layer(&[("layer", Given::Str("conv1#1"))]).as_deref(), Some("conv1#1:pre?"));
        assert_eq!(layer(&[("layer", Given::Str("conv1:pre"))]).as_deref(), Some("conv1:pre"));
        assert_eq!(layer(&[("pre", Given::Bool(false))]).as_deref(), Some("conv1"));
    }
}
