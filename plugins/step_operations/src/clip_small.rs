//! `clip_small`: makes the pixels with the least contrast grey.

use unitscope_sdk::{Apply, Error, Float, Param, Params, Term, TermInfo, Value};

use crate::decay::GREY;
use crate::every::{EVERY, Every};

/// x[i, :, p] ← 0.5 for every pixel p whose norm over channels of x − 0.5 is below a percentile of the image's norms: Yosinski et al. 2015.
pub struct ClipSmall {
    percentile: f64,
    every: Every,
}

impl Term for ClipSmall {
    const INFO: TermInfo = TermInfo::image_operation(
        "clip_small",
        "Grey where little is",
        "After every n-th step makes those pixels middle grey whose distance from it, the L2 norm of x − 0.5 over channels, is below a percentile of \
         their own image's distances: ⌊percentile/100 · pixels⌋ of them where no two are equal. Source: Yosinski et al. 2015, clipping pixels \
         with small norm.",
    )
    .params(&[
        Param::float("percentile", "Which share of the pixels counts as small.")
            .default(Value::Float(20.0))
            .min(0.0)
            .max(100.0)
            .unit("%"),
        EVERY,
    ]);

    fn new(params: &Params<'_>) -> Result<ClipSmall, Error> {
        Ok(ClipSmall { percentile: params.float("percentile")?, every: Every::new(params)? })
    }

    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        if !self.every.is_due(&apply.step()) {
            return Ok(());
        }
        let mut values = Vec::new();
        for image in 0..apply.images() {
            let mut pixels = apply.image.image(image);
            let [channels, _, width] = pixels.as_grid().sizes();
            pixels.as_grid().copy_channels_last_to(&mut values);
            let square = |x: &T| (x.to_f64() - GREY).powi(2);
            let norms: Vec<f64> =
                values.chunks(channels).map(|pixel| pixel.iter().map(square).sum()).collect();
            let threshold = self.threshold(&norms);
            for (at, _) in norms.iter().enumerate().filter(|&(_, &norm)| norm < threshold) {
                let mut pixel = pixels.part([0, at / width, at % width], [channels, 1, 1]);
                pixel.each(|x| *x = T::from_f64(GREY));
            }
        }
        Ok(())
    }
}

impl ClipSmall {
    /// The least norm that is large enough; of 100 % all but the largest are small.
    fn threshold(&self, norms: &[f64]) -> f64 {
        let mut sorted = norms.to_vec();
        let small = (self.percentile / 100.0 * sorted.len() as f64).floor() as usize;
        let small = small.min(sorted.len() - 1);
        *sorted.select_nth_unstable_by(small, f64::total_cmp).1
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given};

    use super::*;
    use crate::testing::{Edited, applied};

    fn check(percentile: f64, expected: [f64; 8]) {
        let mut image = Array::random(&[1, 2, 1, 4], 1);
        image.data = vec![0.5, 0.9, 0.6, 0.2, 0.0, 0.5, 0.6, 0.5];
        let given = [("percentile", Given::Float(percentile)), ("every", Given::Int(1))];
        assert_eq!(applied::<ClipSmall>(&given, &image, Edited::Image).data, expected, "{percentile}");
    }

    #[test]
    fn the_pixels_with_the_smallest_norms_become_grey() {
        // Norms of the four pixels: 0.5, 0.4, 0.14, 0.3.
        check(0.0, [0.5, 0.9, 0.6, 0.2, 0.0, 0.5, 0.6, 0.5]);
        check(25.0, [0.5, 0.9, 0.5, 0.2, 0.0, 0.5, 0.5, 0.5]);
        check(74.0, [0.5, 0.9, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5]);
        check(100.0, [0.5, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5]);
    }
}
