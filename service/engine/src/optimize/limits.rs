//! Every cap of an optimization that depends on its passes, with its reason.

/// Elements of pictures and activations that are alive at once (8 GiB in float32): one picture of 2048 × 2048 through a GoogLeNet,
/// or as many smaller ones as have its elements. The backward pass keeps about as much again for a moment.
pub const ELEMENTS_AT_ONCE: u64 = 1 << 31;
