//! Along one axis of the image, which pixels a tensor's elements see; knows no operator.

/// What the elements of one tensor see along one axis of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Extent {
    /// Nothing: weights, and what is computed from them and from sizes alone.
    Nothing,
    /// Where an element lies along one of the tensor's axes says what it sees.
    Along(Run),
    /// Intervals cannot say it, or the operator is not understood.
    Lost,
    /// All pixels. Always safe to say.
    All,
}

/// The element at index p of `axis` sees the pixels `start + stride · p ..= start + stride · p + size - 1`, some of which may lie outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) struct Run {
    /// Of the tensor.
    pub axis: usize,
    /// Pixels.
    pub stride: i64,
    /// The first pixel that index 0 sees; negative in the padding.
    pub start: i64,
    /// Pixels.
    pub size: i64,
}

impl Extent {
    /// What sees both: the smallest interval around two of equal stride.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Lost, _) | (_, Self::Lost) => Self::Lost,
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::Along(a), Self::Along(b)) => a.join(b).map_or(Self::Lost, Self::Along),
        }
    }
}

impl From<Option<Run>> for Extent {
    /// Lost where a number is beyond 64 bits.
    fn from(run: Option<Run>) -> Self {
        run.map_or(Self::Lost, Self::Along)
    }
}

impl Run {
    fn join(self, other: Self) -> Option<Self> {
        if (self.axis, self.stride) != (other.axis, other.stride) {
            return None;
        }
        let start = self.start.min(other.start);
        let end = self.start.checked_add(self.size)?.max(other.start.checked_add(other.size)?);
        Some(Self { start, size: end.checked_sub(start)?, ..self })
    }

    /// The same along another axis of the tensor.
    pub fn on(self, axis: usize) -> Self {
        Self { axis, ..self }
    }

    /// What index p of the result sees if it reads the indices `step · p - before .. step · p - before + span` (Araujo, Norris and Sim,
    /// "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, equations 2 to 5).
    pub fn window(self, span: i64, step: i64, before: i64) -> Option<Self> {
        if span < 1 || step < 1 {
            return None;
        }
        let reach = span.checked_sub(1)?.checked_mul(self.stride)?;
        Some(Self {
            axis: self.axis,
            stride: self.stride.checked_mul(step)?,
            start: self.start.checked_sub(before.checked_mul(self.stride)?)?,
            size: self.size.checked_add(reach)?,
        })
    }
}
