//! `channel`: the mean of one channel over space.

use unitscope_sdk::{Error, Eval, Float, Params, Shape, Tap, Term, TermInfo};

use crate::position::{CHANNEL, LAYER, add_mean_gradient};

/// mean over row and column of A[i, channel] for image i: lucid's `objectives.channel`, per image.
pub struct Channel {
    layer: String,
    channel: usize,
}

impl Term for Channel {
    const INFO: TermInfo = TermInfo::objective(
        "channel",
        "One channel",
        "The mean activation of one channel of a layer over space (or over tokens), mean A[channel]. \
         Source: lucid, objectives.channel.",
    )
    .params(&[LAYER, CHANNEL]);

    fn new(params: &Params<'_>) -> Result<Channel, Error> {
        Ok(Channel { layer: params.string("layer")?, channel: params.index("channel")? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        shapes[0].check_channel("channel", self.channel)
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            eval.set_value(image, eval.input(0).image(image).channel(self.channel).mean());
            let share = eval.scale(image);
            if let Some(gradient) = eval.gradient(0) {
                add_mean_gradient(&mut gradient.image(image), self.channel, share);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn check(shape: &[i64]) {
        let given = [("layer", Given::Str("conv1")), ("channel", Given::Int(1))];
        let mut host = MockHost::new::<Channel>(&given).expect("valid parameters");
        check_term(&mut host, &[Array::random(shape, 3)], false);
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        check(&[3, 2, 4, 5]);
        check(&[2, 3, 17, 19]);
        check(&[3, 5]);
        check(&[2, 4, 3]);
    }

    #[test]
    fn it_is_the_mean() {
        let given = [("layer", Given::Str("conv1")), ("channel", Given::Int(1))];
        let mut host = MockHost::new::<Channel>(&given).expect("valid parameters");
        let mut tap = Array::random(&[1, 2, 2, 2], 1);
        tap.data = vec![9., 9., 9., 9., 1., 2., 3., 6.];
        assert_eq!(host.eval(&mut [tap], None, &[1.0], false).expect("a value"), [3.0]);
    }
}
