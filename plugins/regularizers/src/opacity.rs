//! `opacity`: how much of the picture is opaque.

use unitscope_sdk::{Error, Eval, Float, Params, Tap, Term, TermInfo};

/// mean α for each image: what lucid multiplies objectives by, as 1 − mean α (Mordvintsev et al. 2018, "Differentiable Image
/// Parameterizations", transparency).
pub struct Opacity;

impl Term for Opacity {
    const INFO: TermInfo = TermInfo::penalty(
        "opacity",
        "Opacity",
        "The mean opacity of a picture that has one (parameterization.alpha): mean α. What the objective does not need becomes transparent; \
         best as a factor, channel(…) * (1 - opacity()), which needs no weight. 0 to 1. Source: Mordvintsev et al. 2018, Differentiable Image \
         Parameterizations.",
    );

    fn new(_: &Params<'_>) -> Result<Opacity, Error> {
        Ok(Opacity)
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::alpha()]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let opacity = eval.input(0).image(image);
            let elements = opacity.len() as f64;
            eval.set_value(image, opacity.sum_by(|x| x) / elements);
            let share = T::from_f64(eval.scale(image) / elements);
            if let Some(gradient) = eval.gradient(0) {
                gradient.image(image).update(&opacity, |_, gradient| *gradient += share);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, MockHost, Subject, check_term};

    use super::*;

    #[test]
    fn it_is_the_mean_and_its_gradient_is_even() {
        let mut host = MockHost::new::<Opacity>(&[]).expect("no parameters");
        check_term(&mut host, &[Array::random(&[2, 1, 4, 5], 3)], false);
        let mut opacity = [Array::random(&[1, 1, 1, 4], 1)];
        opacity[0].data = vec![1.0, 0.25, 0.0, 0.5];
        let value = host.eval(&mut opacity, None, &[1.0], false).expect("a value")[0];
        assert!((value - 0.4375).abs() < 1e-12, "{value}");
    }
}
