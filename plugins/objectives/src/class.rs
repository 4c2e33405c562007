//! `class`: the logit of one class of the model.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Shape, Tap, Term, TermInfo, Value};

use crate::position::add_mean_gradient;

/// A[i, class] of the output of image i: lucid's `objectives.class_logit`, per image.
pub struct Class {
    layer: String,
    class: usize,
}

impl Term for Class {
    const INFO: TermInfo = TermInfo::objective(
        "class",
        "One class",
        "The logit of one class, A[class]: before a softmax where the model's output is, as usual, its logits. On a layer with space \
         its mean over space. Source: lucid, objectives.class_logit.",
    )
    .params(&[
        Param::class("class", "The class's number, counted from 0, or its label.").required(),
        Param::layer("layer", "The path of the layer that has one channel per class, before any softmax.")
            .default(Value::Str("output")),
    ]);

    fn new(params: &Params<'_>) -> Result<Class, Error> {
        Ok(Class { layer: params.string("layer")?, class: params.index("class")? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        shapes[0].check_channel("class", self.class)
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            eval.set_value(image, eval.input(0).image(image).channel(self.class).mean());
            let share = eval.scale(image);
            if let Some(gradient) = eval.gradient(0) {
                add_mean_gradient(&mut gradient.image(image), self.class, share);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn host() -> MockHost {
        MockHost::new::<Class>(&[("class", Given::Int(2))]).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shape in [&[3, 5][..], &[2, 3, 4, 5]] {
            check_term(&mut host(), &[Array::random(shape, 3)], false);
        }
    }

    #[test]
    fn it_is_the_logit_of_the_output() {
        let mut tap = Array::random(&[1, 4], 1);
        tap.data = vec![1., 2., 5., 9.];
        assert_eq!(host().eval(&mut [tap], None, &[1.0], false).expect("a value"), [5.0]);
        assert_eq!(host().taps().expect("one tap"), [Some("output".to_owned())]);
        let error = host().prepare(&[Array::random(&[1, 2], 1)]).expect_err("two classes");
        assert!(error.contains("out of range") && error.contains("parameter 0"), "{error}");
    }
}
