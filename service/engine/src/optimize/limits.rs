//! Every cap of an optimization that depends on its passes, with its reason.

/// Pixels of the pictures whose activations are alive at once: one picture of 2048 × 2048, whose tape is a matter of gigabytes in a
/// deep network, or as many smaller ones as have its pixels.
pub const PIXELS_AT_ONCE: u64 = 1 << 22;
