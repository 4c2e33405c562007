//! `compare`: how alike a layer's activations are for the picture and for a reference image.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Tap, Term, TermInfo, Value};

use crate::cosine::{Measured, Pair};
use crate::position::LAYER;

/// A of image i against R, the same layer's value for the reference, as vectors of N elements: lucid's caricature
/// (`dot_compare`, there without the reference's norm in the cosine), and feature inversion (Mahendran and Vedaldi 2015).
pub struct Compare {
    layer: String,
    measure: Measure,
}

#[derive(Clone, Copy)]
enum Measure {
    /// The power of the cosine.
    Dot(f64),
    Cosine,
    L2,
}

impl Term for Compare {
    const INFO: TermInfo = TermInfo::objective(
        "compare",
        "Like a reference image",
        "How alike the whole layer's activations A are to those of a reference image, R, which sees the same random transforms. \
         `dot`, a caricature: mean(A · R) · max(0.1, cos)^power with cos = ΣA·R / ((1e-4 + ‖A‖) · (1e-4 + ‖R‖)). `cosine`: cos alone, −1 \
         to 1. `l2`, an inversion: −mean((A − R)²), at most 0. Source: lucid's caricatures, which leave ‖R‖ out of the cosine and take \
         sums instead of means; Mahendran and Vedaldi 2015 for `l2`.",
    )
    .params(&[
        LAYER,
        Param::choice("measure", &["dot", "cosine", "l2"], "What likeness is.").default(Value::Str("dot")),
        Param::float("power", "For `dot`: the power of the cosine; 0 is the dot product alone.")
            .default(Value::Float(0.0))
            .min(0.0)
            .max(16.0),
    ]);

    fn new(params: &Params<'_>) -> Result<Compare, Error> {
        let power = params.float("power")?;
        let measure = match params.string("measure")?.as_str() {
            "cosine" => Measure::Cosine,
            "l2" => Measure::L2,
            _ => Measure::Dot(power),
        };
        if power != 0.0 && !matches!(measure, Measure::Dot(_)) {
            let rule = "only `dot` has a power; leave it out, or set `measure` to `dot`";
            return Err(Error::invalid(format!("got {power}; {rule}")).parameter("power"));
        }
        Ok(Compare { layer: params.string("layer")?, measure })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer), Tap::reference_layer(&self.layer)]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let (activations, reference) = (eval.input(0).image(image), eval.input(1).image(image));
            let elements = activations.len() as f64;
            let pair = || Pair {
                dot: activations.sum_with(&reference, |a, r| a * r),
                norm: activations.sum_by(|a| a * a).sqrt(),
                other_norm: reference.sum_by(|r| r * r).sqrt(),
            };
            let measured = match self.measure {
                Measure::Cosine => pair().cosine(),
                Measure::Dot(power) => {
                    let Measured { value, along, back } = pair().dot_by_cosine(power);
                    Measured { value: value / elements, along: along / elements, back: back / elements }
                }
                Measure::L2 => {
                    let squares = activations.sum_with(&reference, |a, r| (a - r) * (a - r));
                    // Subtracted from zero, because negative zero would be a strange score.
                    Measured { value: 0.0 - squares / elements, along: 2.0 / elements, back: -2.0 / elements }
                }
            };
            eval.set_value(image, measured.value);
            let share = |factor: f64| T::from_f64(eval.scale(image) * factor);
            let (along, back) = (share(measured.along), share(measured.back));
            if let Some(gradient) = eval.gradient(0) {
                let add = |a: T, r: T, gradient: &mut T| *gradient += along * r + back * a;
                gradient.image(image).update_with(&activations, &reference, add);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    const MEASURES: [(&str, f64); 5] =
        [("dot", 0.0), ("dot", 1.0), ("dot", 2.5), ("cosine", 0.0), ("l2", 0.0)];

    fn host(measure: &str, power: f64) -> MockHost {
        let given =
            [("layer", Given::Str("a")), ("measure", Given::Str(measure)), ("power", Given::Float(power))];
        MockHost::new::<Compare>(&given).expect("valid parameters")
    }

    /// A picture's activations, and a reference's that are near enough for the cosine to be above its floor.
    fn taps(shape: &[i64]) -> [Array; 2] {
        let (picture, mut reference) = (Array::random(shape, 3), Array::random(shape, 4));
        reference.data.iter_mut().zip(&picture.data).for_each(|(r, a)| *r = 0.5 * *r + a);
        [picture, reference]
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for (measure, power) in MEASURES {
            for shape in [&[2, 3, 4, 5][..], &[3, 6], &[2, 4, 3]] {
                check_term(&mut host(measure, power), &taps(shape), false);
            }
        }
    }

    #[test]
    fn it_is_the_likeness_that_it_names() {
        let [mut picture, mut reference] = taps(&[1, 2]);
        (picture.data, reference.data) = (vec![3., 4.], vec![3., 0.]);
        let value = |(measure, power)| {
            let taps = &mut [picture.clone(), reference.clone()];
            host(measure, power).eval(taps, None, &[1.0], false).expect("a value")[0]
        };
        let expected = [4.5, 4.5 * 0.6, 4.5 * 0.6_f64.powf(2.5), 0.6, -8.0];
        for (measure, expected) in MEASURES.into_iter().zip(expected) {
            assert!((value(measure) - expected).abs() < 1e-3, "{measure:?}: {}", value(measure));
        }
    }

    #[test]
    fn the_reference_has_no_gradient_and_others_no_power() {
        let mut host = host("dot", 0.0);
        assert!(host.has_gradient(0) && !host.has_gradient(1));
        let given = [("layer", Given::Str("a")), ("measure", Given::Str("l2")), ("power", Given::Float(1.0))];
        let error = MockHost::new::<Compare>(&given).err().expect("l2 has no power");
        assert!(error.contains("only `dot` has a power"), "{error}");
    }
}
