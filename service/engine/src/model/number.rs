//! Arithmetic on sizes, as Python does it: what a graph with dynamic dimensions computes beside its tensors; knows no tensors.

use std::fmt;

/// A number that a graph computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Python's `int`, within 64 bits.
    Int(i64),
    /// Python's `float`.
    Float(f64),
    /// Python's `bool`.
    Bool(bool),
}

/// What a graph may do with numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberOperator {
    /// Size of a tensor along a dimension: arguments `self`, `dim`.
    Size,
    /// Number of a tensor's elements: argument `self`.
    Elements,
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// ⌊a / b⌋
    FloorDiv,
    /// a / b, a float
    TrueDiv,
    /// a mod b, with b's sign
    Mod,
    /// a to the power of b
    Pow,
    /// −a
    Neg,
    /// The larger
    Max,
    /// The smaller
    Min,
    /// Rounded down, an integer
    Floor,
    /// Rounded up, an integer
    Ceil,
    /// Towards zero, an integer
    Trunc,
    /// As a float
    ToFloat,
    /// √a, a float
    Sqrt,
    /// a = b
    Eq,
    /// a ≠ b
    Ne,
    /// a < b
    Lt,
    /// a ≤ b
    Le,
    /// a > b
    Gt,
    /// a ≥ b
    Ge,
    /// Not a
    Not,
}

/// The names that `torch.export` gives them.
const NAMES: &[(&str, NumberOperator)] = &[
    ("torch.ops.aten.sym_size.int", NumberOperator::Size),
    ("torch.ops.aten.sym_numel.default", NumberOperator::Elements),
    ("_operator.add", NumberOperator::Add),
    ("_operator.sub", NumberOperator::Sub),
    ("_operator.mul", NumberOperator::Mul),
    ("_operator.floordiv", NumberOperator::FloorDiv),
    ("_operator.truediv", NumberOperator::TrueDiv),
    ("_operator.mod", NumberOperator::Mod),
    ("_operator.pow", NumberOperator::Pow),
    ("_operator.neg", NumberOperator::Neg),
    ("torch.sym_max", NumberOperator::Max),
    ("torch.sym_min", NumberOperator::Min),
    ("math.floor", NumberOperator::Floor),
    ("math.ceil", NumberOperator::Ceil),
    ("math.trunc", NumberOperator::Trunc),
    ("torch.sym_int", NumberOperator::Trunc),
    ("torch.sym_float", NumberOperator::ToFloat),
    ("torch._sym_sqrt", NumberOperator::Sqrt),
    ("_operator.eq", NumberOperator::Eq),
    ("_operator.ne", NumberOperator::Ne),
    ("_operator.lt", NumberOperator::Lt),
    ("_operator.le", NumberOperator::Le),
    ("_operator.gt", NumberOperator::Gt),
    ("_operator.ge", NumberOperator::Ge),
    ("torch.sym_not", NumberOperator::Not),
];

impl NumberOperator {
    /// The operator of this name in an exported program.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// Computes it on numbers; not for [`Self::Size`] and [`Self::Elements`], which take a tensor.
    ///
    /// # Errors
    /// In words: a wrong number of operands, a division by zero, a result beyond 64 bits.
    pub fn apply(self, operands: &[Number]) -> Result<Number, String> {
        match *operands {
            [a] => self.unary(a),
            [a, b] => self.binary(a, b),
            _ => None,
        }
        .ok_or_else(|| format!("cannot compute {self} of {operands:?}"))
    }

    fn unary(self, a: Number) -> Option<Number> {
        Some(match (self, a) {
            (Self::Neg, Number::Int(a)) => Number::Int(a.checked_neg()?),
            (Self::Neg, a) => Number::Float(-a.float()),
            (Self::Floor | Self::Ceil | Self::Trunc, Number::Int(_)) => a,
            (Self::Floor, a) => integer(a.float().floor())?,
            (Self::Ceil, a) => integer(a.float().ceil())?,
            (Self::Trunc, a) => integer(a.float().trunc())?,
            (Self::ToFloat, a) => Number::Float(a.float()),
            (Self::Sqrt, a) => Number::Float(a.float().sqrt()),
            (Self::Not, a) => Number::Bool(a.float() == 0.0),
            _ => return None,
        })
    }

    fn binary(self, a: Number, b: Number) -> Option<Number> {
        if let (Some(a), Some(b)) = (a.int(), b.int()) {
            let (quotient, rest) = (a.checked_div(b), a.checked_rem(b));
            // Rust divides towards zero, Python towards minus infinity.
            let below = rest.is_some_and(|rest| rest != 0 && (rest < 0) != (b < 0));
            return Some(match self {
                Self::Add => Number::Int(a.checked_add(b)?),
                Self::Sub => Number::Int(a.checked_sub(b)?),
                Self::Mul => Number::Int(a.checked_mul(b)?),
                Self::FloorDiv => Number::Int(quotient? - i64::from(below)),
                Self::Mod => Number::Int(if below { rest? + b } else { rest? }),
                Self::Pow => Number::Int(a.checked_pow(u32::try_from(b).ok()?)?),
                Self::Max => Number::Int(a.max(b)),
                Self::Min => Number::Int(a.min(b)),
                Self::TrueDiv if b == 0 => return None,
                Self::TrueDiv => Number::Float(a as f64 / b as f64),
                _ => Number::Bool(self.compare(a.partial_cmp(&b)?)?),
            });
        }
        let (a, b) = (a.float(), b.float());
        Some(match self {
            Self::Add => Number::Float(a + b),
            Self::Sub => Number::Float(a - b),
            Self::Mul => Number::Float(a * b),
            Self::FloorDiv | Self::TrueDiv | Self::Mod if b == 0.0 => return None,
            Self::FloorDiv => Number::Float((a / b).floor()),
            Self::TrueDiv => Number::Float(a / b),
            Self::Mod => Number::Float(a - b * (a / b).floor()),
            Self::Pow => Number::Float(a.powf(b)),
            Self::Max => Number::Float(a.max(b)),
            Self::Min => Number::Float(a.min(b)),
            _ => Number::Bool(self.compare(a.partial_cmp(&b)?)?),
        })
    }

    fn compare(self, order: std::cmp::Ordering) -> Option<bool> {
        Some(match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            _ => return None,
        })
    }
}

impl Number {
    /// The integer; `None` for a float.
    pub fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bool(value) => Some(i64::from(value)),
            Self::Float(_) => None,
        }
    }

    /// As a float.
    pub fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
            Self::Bool(value) => f64::from(u8::from(value)),
        }
    }
}

impl fmt::Display for NumberOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, operator)| operator == self).map_or("?", |(name, _)| name);
        f.write_str(name)
    }
}

fn integer(value: f64) -> Option<Number> {
    // Beyond 2^53 a float no longer holds every integer; no size is that large.
    (value.abs() <= 9_007_199_254_740_992.0).then_some(Number::Int(value as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{Bool, Float, Int};

    fn check(name: &str, operands: &[Number], expected: Option<Number>) {
        let operator = NumberOperator::named(name).unwrap();
        assert_eq!(operator.apply(operands).ok(), expected, "{name} of {operands:?}");
    }

    #[test]
    fn computes_as_python_does() {
        check("_operator.floordiv", &[Int(7), Int(2)], Some(Int(3)));
        check("_operator.floordiv", &[Int(-7), Int(2)], Some(Int(-4)));
        check("_operator.floordiv", &[Int(-8), Int(2)], Some(Int(-4)));
        check("_operator.mod", &[Int(-7), Int(2)], Some(Int(1)));
        check("_operator.mod", &[Int(7), Int(-2)], Some(Int(-1)));
        check("_operator.truediv", &[Int(7), Int(2)], Some(Float(3.5)));
        check("_operator.mul", &[Int(7), Float(0.5)], Some(Float(3.5)));
        check("_operator.pow", &[Int(2), Int(10)], Some(Int(1024)));
        check("math.floor", &[Float(-3.5)], Some(Int(-4)));
        check("math.trunc", &[Float(-3.5)], Some(Int(-3)));
        check("math.ceil", &[Int(3)], Some(Int(3)));
        check("_operator.ge", &[Int(3), Int(3)], Some(Bool(true)));
        check("torch.sym_max", &[Int(3), Int(5)], Some(Int(5)));
        check("_operator.neg", &[Int(3)], Some(Int(-3)));
    }

    #[test]
    fn refuses_what_has_no_value() {
        check("_operator.floordiv", &[Int(7), Int(0)], None);
        check("_operator.truediv", &[Int(7), Int(0)], None);
        check("_operator.floordiv", &[Int(i64::MIN), Int(-1)], None);
        check("_operator.mul", &[Int(i64::MAX), Int(2)], None);
        check("_operator.add", &[Int(1)], None);
        check("math.floor", &[Float(f64::INFINITY)], None);
        check("_operator.lt", &[Float(f64::NAN), Int(1)], None);
    }
}
