//! Unitscope's built-in step operations, on the gradient: `normalize_gradient`, `clip_gradient`, `blur_gradient`; on the image: `decay`,
//! `blur_image`, `clip_small`. Each lives in a file of its own.

mod blur_gradient;
mod blur_image;
mod clip_gradient;
mod clip_small;
mod decay;
mod every;
mod gaussian;
mod normalize_gradient;
#[cfg(test)]
mod testing;

unitscope_sdk::export! {
    id: "org.unitscope.step_operations",
    version: env!("CARGO_PKG_VERSION"),
    vendor: "Unitscope",
    license: "Apache-2.0",
    terms: [
        normalize_gradient::NormalizeGradient,
        clip_gradient::ClipGradient,
        blur_gradient::BlurGradient,
        decay::Decay,
        blur_image::BlurImage,
        clip_small::ClipSmall,
    ],
}
