//! Unitscope's built-in step operations: `normalize_gradient`. Each lives in a file of its own.

mod normalize_gradient;

unitscope_sdk::export! {
    id: "org.unitscope.step_operations",
    version: env!("CARGO_PKG_VERSION"),
    vendor: "Unitscope",
    license: "Apache-2.0",
    terms: [normalize_gradient::NormalizeGradient],
}
