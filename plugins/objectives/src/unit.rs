//! `unit`: one unit of a layer, at one position.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Shape, Tap, Term, TermInfo};

use crate::position::{CHANNEL, LAYER, Position};

/// A[i, channel, row, column] for image i: lucid's `objectives.neuron`.
pub struct Unit {
    layer: String,
    position: Position,
}

impl Term for Unit {
    const INFO: TermInfo = TermInfo::objective(
        "unit",
        "One unit",
        "The activation of one unit: one channel at one position of a layer, A[channel, row, column]. On a layer without space, \
         such as logits, the channel alone. On a layer of tokens `column` alone is the token, and `row` with `column` the patch there, where the layer listing tells patches. Source: lucid, objectives.neuron.",
    )
    .params(&[
        LAYER,
        CHANNEL,
        Param::int("row", "The row, counted from 0; the middle one, ⌊height/2⌋, if left out.").min(0.0),
        Param::int("column", "The column, counted from 0; the middle one, ⌊width/2⌋, if left out.").min(0.0),
    ]);

    fn new(params: &Params<'_>) -> Result<Unit, Error> {
        Ok(Unit { layer: params.string("layer")?, position: Position::new(params)? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        self.position.prepare(&shapes[0])
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            eval.set_value(image, self.position.value(&eval.input(0).image(image)));
            let share = eval.scale(image);
            if let Some(gradient) = eval.gradient(0) {
                self.position.add_gradient(&mut gradient.image(image), share);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn check(shape: &[i64], given: &[(&str, Given<'_>)], element: usize) {
        let mut all = vec![("layer", Given::Str("conv1")), ("channel", Given::Int(1))];
        all.extend_from_slice(given);
        let mut host = MockHost::new::<Unit>(&all).expect("valid parameters");
        let tap = Array::random(shape, 3);
        check_term(&mut host, std::slice::from_ref(&tap), false);
        let values = host.eval(&mut [tap.clone()], None, &[1.0, 1.0], false).expect("a value");
        assert_eq!(values[0], tap.data[element], "{shape:?}");
    }

    #[test]
    fn it_is_the_element_itself() {
        check(&[2, 3, 4, 5], &[], 20 + 2 * 5 + 2);
        check(&[2, 3, 4, 5], &[("row", Given::Int(0)), ("column", Given::Int(4))], 20 + 4);
        check(&[2, 3, 1, 1], &[], 1);
        check(&[2, 3], &[], 1);
        check(&[2, 4, 3], &[("column", Given::Int(3))], 3 * 3 + 1);
    }

    #[test]
    fn a_position_outside_names_its_parameter() {
        for (name, position) in [("channel", 0), ("row", 2), ("column", 3)] {
            let mut given = vec![("layer", Given::Str("conv1")), (name, Given::Int(9))];
            if name != "channel" {
                given.push(("channel", Given::Int(1)));
            }
            let params = [("channel", 1), ("row", 2), ("column", 3)];
            let expected = params.iter().find(|(other, _)| *other == name).map(|(_, position)| *position);
            let mut host = MockHost::new::<Unit>(&given).expect("valid parameters");
            let error = host.prepare(&[Array::random(&[1, 3, 4, 5], 1)]).expect_err("out of range");
            assert!(error.contains(&format!("{name} 9 is out of range")), "{error} {position}");
            assert!(error.contains(&format!("parameter {}", expected.expect("listed"))), "{error}");
        }
    }
}
