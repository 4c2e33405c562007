//! The dot product of two vectors times a power of their cosine, for `direction` and `compare`: value and gradient.

/// Keeps norms above zero; lucid's number.
const EPSILON: f64 = 1e-4;
/// Below it the cosine counts as this, so that a dot product below zero is not multiplied by a cosine below zero; lucid's number.
const FLOOR: f64 = 0.1;

/// What two vectors a and v have to do with each other.
#[derive(Clone, Copy)]
pub struct Pair {
    /// Σ a·v
    pub dot: f64,
    /// ‖a‖
    pub norm: f64,
    /// ‖v‖
    pub other_norm: f64,
}

/// A value, and its gradient by a, which is `v·along + a·back`.
pub struct Measured {
    pub value: f64,
    pub along: f64,
    pub back: f64,
}

impl Pair {
    /// dot / ((ε + ‖a‖)·(ε + ‖v‖)), ε = 1e-4: the cosine, and 0 where a vector is zero.
    pub fn cosine(self) -> Measured {
        let along = 1.0 / ((EPSILON + self.norm) * (EPSILON + self.other_norm));
        let value = self.dot * along;
        let back = if self.norm > 0.0 { -value / ((EPSILON + self.norm) * self.norm) } else { 0.0 };
        Measured { value, along, back }
    }

    /// dot · max(0.1, cosine)^power
    pub fn dot_by_cosine(self, power: f64) -> Measured {
        let cosine = self.cosine();
        let factor = cosine.value.max(FLOOR).powf(power);
        let value = self.dot * factor;
        if power == 0.0 || cosine.value <= FLOOR {
            return Measured { value, along: factor, back: 0.0 };
        }
        let by_cosine = value * power / cosine.value;
        Measured { value, along: factor + by_cosine * cosine.along, back: by_cosine * cosine.back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_dot_product_stays_negative() {
        let opposite = Pair { dot: -4.0, norm: 2.0, other_norm: 2.0 }.dot_by_cosine(2.0);
        assert!((opposite.value + 0.04).abs() < 1e-12, "{}", opposite.value);
    }

    #[test]
    fn a_vector_of_zeros_has_a_finite_gradient() {
        let zero = Pair { dot: 0.0, norm: 0.0, other_norm: 2.0 };
        for measured in [zero.cosine(), zero.dot_by_cosine(1.0)] {
            assert_eq!((measured.value, measured.back), (0.0, 0.0));
            assert!(measured.along.is_finite());
        }
    }
}
