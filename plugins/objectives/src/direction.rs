//! `direction`: how far the activations go along a vector of the layer's channels.

use unitscope_sdk::{Error, Eval, Float, Grid, Param, Params, Shape, Tap, Term, TermInfo, Value};

use crate::cosine::Pair;
use crate::place::{COLUMN, Place, ROW};
use crate::position::LAYER;

/// mean over positions of d·max(0.1, cos)^p for image i, with d = Σ_c A_c·v_c and cos = d/((ε + ‖A‖)(ε + ‖v‖)), ε = 1e-4: lucid's
/// `objectives.direction`, or `direction_neuron` where a position is given, per image.
pub struct Direction {
    layer: String,
    vector: Vec<f64>,
    norm: f64,
    power: f64,
    place: Place,
}

impl Term for Direction {
    const INFO: TermInfo = TermInfo::objective(
        "direction",
        "A direction of a layer",
        "How far a layer's activations go along a vector over its channels: the mean over positions of d · max(0.1, cos)^cosine_power, \
         d = Σ A[c] · vector[c], cos = d / ((1e-4 + ‖A‖) · (1e-4 + ‖vector‖)); at one position where `row` or `column` is given. The \
         power trades length for likeness. Source: lucid, objectives.direction and direction_neuron.",
    )
    .params(&[
        LAYER,
        Param::floats("vector", "One number per channel of the layer, not all of them 0.").required(),
        Param::float("cosine_power", "The power of the cosine; 0 is the dot product alone.")
            .default(Value::Float(0.0))
            .min(0.0)
            .max(16.0),
        ROW,
        COLUMN,
    ]);

    fn new(params: &Params<'_>) -> Result<Direction, Error> {
        let vector = params.floats("vector")?.to_vec();
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        // Beyond float32 neither the products nor the gradient could be told.
        if norm == 0.0 || norm > f64::from(f32::MAX) {
            let rule = "a direction has a length above 0 that a float32 can hold; give other numbers";
            return Err(Error::invalid(format!("its length is {norm}; {rule}")).parameter("vector"));
        }
        Ok(Direction {
            layer: params.string("layer")?,
            vector,
            norm,
            power: params.float("cosine_power")?,
            place: Place::new(params)?,
        })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        let (given, channels) = (self.vector.len(), shapes[0].channels);
        if given != channels {
            return Err(Error::invalid(format!(
                "it has {given} numbers, and the layer {channels} channels; give one number per channel"
            ))
            .parameter("vector"));
        }
        self.place.prepare(&shapes[0])
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let (mut activations, mut changes) = (Vec::new(), Vec::new());
        for image in 0..eval.images() {
            let part = self.place.of(&eval.input(0).image(image));
            part.copy_channels_last_to(&mut activations);
            let positions = (activations.len() / self.vector.len()) as f64;
            let share = eval.scale(image) / positions;
            let mut sum = 0.0;
            changes.clear();
            for position in activations.chunks(self.vector.len()) {
                let measured = self.pair(position).dot_by_cosine(self.power);
                sum += measured.value;
                let change = |(a, v): (&T, &f64)| {
                    T::from_f64(share * (v * measured.along + a.to_f64() * measured.back))
                };
                changes.extend(position.iter().zip(&self.vector).map(change));
            }
            eval.set_value(image, sum / positions);
            if let Some(gradient) = eval.gradient(0) {
                let mut gradient = gradient.image(image);
                let changes = Grid::channels_last(&changes, part.sizes());
                self.place.of_mut(&mut gradient).update(&changes, |change, gradient| *gradient += change);
            }
        }
        Ok(())
    }
}

impl Direction {
    /// One position's activations and the vector.
    fn pair<T: Float>(&self, position: &[T]) -> Pair {
        let (mut dot, mut squares) = (0.0, 0.0);
        for (a, v) in position.iter().zip(&self.vector) {
            let a = a.to_f64();
            dot += a * v;
            squares += a * a;
        }
        Pair { dot, norm: squares.sqrt(), other_norm: self.norm }
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    const VECTOR: Given<'_> = Given::Floats(&[1.0, -2.0, 0.5]);

    fn host(given: &[(&str, Given<'_>)]) -> MockHost {
        let all = [&[("layer", Given::Str("conv1")), ("vector", VECTOR)], given].concat();
        MockHost::new::<Direction>(&all).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for power in [0.0, 1.0, 2.5] {
            let power = ("cosine_power", Given::Float(power));
            for shape in [&[2, 3, 4, 5][..], &[3, 3], &[2, 4, 3]] {
                check_term(&mut host(&[power]), &[Array::random(shape, 3)], false);
            }
            check_term(
                &mut host(&[power, ("row", Given::Int(1))]),
                &[Array::random(&[2, 3, 4, 5], 4)],
                false,
            );
        }
    }

    #[test]
    fn it_is_the_dot_product_times_the_cosine() {
        let mut tap = Array::random(&[1, 3, 1, 2], 1);
        // (2, 0, 0) and (0, −1, 4) on the vector (1, −2, 0.5), of length √5.25.
        tap.data = vec![2., 0., 0., -1., 0., 4.];
        let value = |given: &[(&str, Given<'_>)]| {
            host(given).eval(&mut [tap.clone()], None, &[1.0], false).expect("a value")[0]
        };
        assert_eq!(value(&[]), 3.0);
        assert_eq!(value(&[("column", Given::Int(0))]), 2.0);
        let power = value(&[("column", Given::Int(0)), ("cosine_power", Given::Float(2.0))]);
        assert!((power - 2.0 / 5.25).abs() < 1e-3, "{power}");
    }

    #[test]
    fn a_vector_that_is_none_of_the_layer_is_refused() {
        let error = host(&[]).prepare(&[Array::random(&[1, 4], 1)]).expect_err("four channels");
        assert!(error.contains("3 numbers") && error.contains("4 channels"), "{error}");
        let zeros = [("layer", Given::Str("conv1")), ("vector", Given::Floats(&[0.0, 0.0]))];
        let error = MockHost::new::<Direction>(&zeros).err().expect("no length");
        assert!(error.contains("its length is 0"), "{error}");
    }
}
