//! Unitscope's built-in regularizers, penalties on the image: `total_variation`, `l2`. Each lives in a file of its own.

mod l2;
mod total_variation;

unitscope_sdk::export! {
    id: "org.unitscope.regularizers",
    version: env!("CARGO_PKG_VERSION"),
    vendor: "Unitscope",
    license: "Apache-2.0",
    terms: [total_variation::TotalVariation, l2::L2],
}
