//! The element types of tensors: float32, which every job uses, and float64, in which gradients are checked.

use std::ops::{Add, AddAssign, Mul, Sub};

/// `f32` or `f64`. Sums are best taken in float64, whatever the tensor's type.
pub trait Float:
    Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
    + sealed::Sealed
{
    /// Its width.
    const BITS: u8;
    /// Exact.
    fn to_f64(self) -> f64;
    /// Rounded to the nearest.
    fn from_f64(value: f64) -> Self;
    /// `self · factor + term`, rounded once; slow where the machine has no such instruction enabled.
    #[must_use]
    fn mul_add(self, factor: Self, term: Self) -> Self;
}

impl Float for f32 {
    const BITS: u8 = 32;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn mul_add(self, factor: f32, term: f32) -> f32 {
        f32::mul_add(self, factor, term)
    }
}

impl Float for f64 {
    const BITS: u8 = 64;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_f64(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn mul_add(self, factor: f64, term: f64) -> f64 {
        f64::mul_add(self, factor, term)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}
