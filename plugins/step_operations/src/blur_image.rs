//! `blur_image`: blurs the image every few steps.

use unitscope_sdk::{Apply, Error, Float, Params, Term, TermInfo};

use crate::every::{EVERY, Every};
use crate::gaussian::{Gaussian, SIGMA};

/// x[i] ← G·x[i] after every n-th step, G a Gaussian blur: Yosinski et al. 2015.
pub struct BlurImage {
    gaussian: Gaussian,
    every: Every,
}

impl Term for BlurImage {
    const INFO: TermInfo = TermInfo::image_operation(
        "blur_image",
        "Blur between steps",
        "Blurs each image with a Gaussian after every n-th step, which takes high frequencies away. At the border the mean is over the pixels that \
         there are. Source: Yosinski et al. 2015, Gaussian blur.",
    )
    .params(&[SIGMA, EVERY]);

    fn new(params: &Params<'_>) -> Result<BlurImage, Error> {
        Ok(BlurImage { gaussian: Gaussian::new(params.float("sigma_px")?), every: Every::new(params)? })
    }

    fn apply<T: Float>(&mut self, apply: &mut Apply<'_, T>) -> Result<(), Error> {
        if !self.every.is_due(&apply.step()) {
            return Ok(());
        }
        for image in 0..apply.images() {
            if apply.step().cancelled() {
                return Err(Error::cancelled());
            }
            self.gaussian.apply(&mut apply.image.image(image));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given};

    use super::*;
    use crate::testing::{Edited, applied};

    #[test]
    fn it_blurs_in_the_steps_that_are_due() {
        let image = Array::random(&[2, 3, 6, 5], 1);
        let after = |every| applied::<BlurImage>(&[("every", Given::Int(every))], &image, Edited::Image);
        let roughness =
            |array: &Array| array.data.windows(2).map(|pair| (pair[0] - pair[1]).abs()).sum::<f64>();
        assert!(roughness(&after(1)) < 0.5 * roughness(&image));
        // The first of two steps is not the second.
        assert_eq!(after(2).data, image.data);
    }
}
