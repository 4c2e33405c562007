//! `interpolate`: from one channel to another, image by image.

use unitscope_sdk::{Error, Eval, Float, Param, Params, Shape, Tap, Term, TermInfo};

use crate::position::{CHANNEL, LAYER, add_mean_gradient};

/// (1 − w_i)·mean A[i, channel] + w_i·mean B[i, channel2] for image i of n, A and B two layers, w_i = i/(n − 1), or as given: lucid's
/// `objectives.channel_interpolate`, per image, and with w = 0 for a single image.
pub struct Interpolate {
    layers: [String; 2],
    channels: [usize; 2],
    weights: Vec<f64>,
}

impl Term for Interpolate {
    const INFO: TermInfo = TermInfo::objective(
        "interpolate",
        "From one channel to another",
        "Goes from one channel to another over the images of the job: (1 − w) · mean A[channel] + w · mean A2[channel2], w = i/(n − 1) for image i \
         of n, so that the images' order matters; 0 for a single one. Source: lucid, objectives.channel_interpolate.",
    )
    .params(&[
        LAYER,
        CHANNEL,
        Param::layer("layer2", "The path of the other channel's layer; the same layer if left out."),
        Param::int("channel2", "The other channel, counted from 0.").required().min(0.0),
        Param::floats("weights", "The w of each image; evenly spaced from 0 to 1 if left out.").min(0.0).max(1.0),
    ])
    .batch_coupled();

    fn new(params: &Params<'_>) -> Result<Interpolate, Error> {
        let layer = params.string("layer")?;
        let other = params.optional_string("layer2")?.unwrap_or_else(|| layer.clone());
        Ok(Interpolate {
            layers: [layer, other],
            channels: [params.index("channel")?, params.index("channel2")?],
            weights: params.floats("weights")?.to_vec(),
        })
    }

    fn taps(&self) -> Vec<Tap> {
        self.layers.iter().map(Tap::layer).collect()
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        shapes[0].check_channel("channel", self.channels[0])?;
        shapes[1].check_channel("channel2", self.channels[1])?;
        let (given, images) = (self.weights.len(), shapes[0].images);
        if given != 0 && given != images {
            return Err(Error::invalid(format!(
                "it has {given} numbers, and the term applies to {images} images; give one number per image, or none"
            ))
            .parameter("weights"));
        }
        Ok(())
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let images = eval.images();
        for image in 0..images {
            let even = || image as f64 / (images - 1).max(1) as f64;
            let weight = self.weights.get(image).copied().unwrap_or_else(even);
            let mut value = 0.0;
            for (tap, weight) in [1.0 - weight, weight].into_iter().enumerate() {
                value += weight * eval.input(tap).image(image).channel(self.channels[tap]).mean();
                let share = weight * eval.scale(image);
                if let Some(gradient) = eval.gradient(tap) {
                    add_mean_gradient(&mut gradient.image(image), self.channels[tap], share);
                }
            }
            eval.set_value(image, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{
        Array, Given, MockHost, Subject, check_accumulates, check_gradient, check_input_unchanged,
        check_layouts, check_precisions, check_term,
    };

    use super::*;

    const CHANNELS: [(&str, Given<'_>); 3] =
        [("layer", Given::Str("a")), ("channel", Given::Int(1)), ("channel2", Given::Int(0))];

    fn host(given: &[(&str, Given<'_>)]) -> MockHost {
        MockHost::new::<Interpolate>(&[&CHANNELS, given].concat()).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        for shapes in [[&[3, 2, 4, 5][..], &[3, 4, 2, 2]], [&[4, 3], &[4, 6, 2]]] {
            let taps = shapes.map(|shape| Array::random(shape, 3));
            // All checks but those that give the images another order or leave some out, which changes this term's values.
            for check in
                [check_gradient, check_accumulates, check_layouts, check_precisions, check_input_unchanged]
            {
                check(&mut host(&[]), &taps);
            }
        }
    }

    #[test]
    fn weights_that_are_the_same_in_both_orders_pass_every_check() {
        let weights = ("weights", Given::Floats(&[0.25, 1.0, 0.25]));
        let taps = [Array::random(&[3, 2, 4, 5], 3), Array::random(&[3, 1], 4)];
        check_term(&mut host(&[weights]), &taps, true);
    }

    #[test]
    fn it_goes_from_one_channel_to_the_other() {
        let mut tap = Array::random(&[3, 2], 1);
        tap.data = [8., 4.].repeat(3);
        let values = |given: &[(&str, Given<'_>)], images: &[usize]| {
            let tap = tap.select(images);
            host(given).eval(&mut [tap.clone(), tap], None, &vec![1.0; images.len()], false).expect("values")
        };
        assert_eq!(values(&[], &[0, 1, 2]), [4., 6., 8.]);
        assert_eq!(values(&[], &[0]), [4.]);
        assert_eq!(values(&[("weights", Given::Floats(&[1.0, 0.25]))], &[0, 1]), [8., 5.]);
    }

    #[test]
    fn weights_of_other_images_are_refused() {
        let taps = [Array::random(&[3, 2], 1), Array::random(&[3, 2], 1)];
        let error = host(&[("weights", Given::Floats(&[0.5]))]).prepare(&taps).expect_err("three images");
        assert!(error.contains("1 numbers") && error.contains("3 images"), "{error}");
        assert_eq!(host(&[]).taps().expect("two taps"), vec![Some("a".to_owned()); 2]);
    }
}
