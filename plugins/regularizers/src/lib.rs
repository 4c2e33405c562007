//! Unitscope's built-in regularizers, penalties on the image: `total_variation`, `l1`, `l2`, `l_infinity`, `blur`, `boundary_complexity`,
//! `input_distance`, and on its opacity: `opacity`. Each lives in a file of its own.

mod blur;
mod boundary_complexity;
mod center;
mod input_distance;
mod l1;
mod l2;
mod l_infinity;
mod opacity;
mod smooth;
mod total_variation;

unitscope_sdk::export! {
    id: "org.unitscope.regularizers",
    version: env!("CARGO_PKG_VERSION"),
    vendor: "Unitscope",
    license: "Apache-2.0",
    terms: [
        total_variation::TotalVariation,
        l1::L1,
        l2::L2,
        l_infinity::LInfinity,
        blur::Blur,
        boundary_complexity::BoundaryComplexity,
        input_distance::InputDistance,
        opacity::Opacity,
    ],
}
