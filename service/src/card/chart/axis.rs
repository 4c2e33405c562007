//! One axis for real and optimized images: from scores to places, broken where one linear scale would squeeze the data. It draws nothing.

/// The least share of the width that the data takes, so that its histogram can be read.
pub(super) const DATA_SHARE: f64 = 0.35;

/// How far a score may lie beyond the data, in widths of the data, before the axis breaks on that side. With this much on both
/// sides the data still takes 1 / 2.8 = 0.357 of the width.
const FAR: f64 = 0.9;

/// How much of the scale beyond the data an axis keeps before its break. With [`FAR`] on the other side and [`FAR_SHARE`] taken
/// away the data takes 0.82 / 2.3 = 0.357 of the width; between two breaks 0.64 / 1.8 = 0.356.
const NEAR: f64 = 0.4;

/// The share of the width beyond a break, the break included.
const FAR_SHARE: f64 = 0.18;

/// Scores beyond are drawn at it: their differences can still be told apart from infinity.
const HUGE: f64 = 1e300;

/// A run of the axis with one linear scale.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    low: f64,
    high: f64,
    left: f64,
    right: f64,
}

/// Places scores on pixels, monotonically.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// One to three, in the order of the scores.
    pieces: Vec<Piece>,
    /// The one with the data.
    main: usize,
}

impl Axis {
    /// For data in `low..=high` and further `scores`, on `left..=right` px.
    pub(super) fn new((low, high): (f64, f64), scores: &[f64], (left, right): (f64, f64)) -> Self {
        let (low, high) = spread(low, high);
        let span = high - low;
        let finite = || scores.iter().copied().filter(|score| !score.is_nan()).map(bounded);
        let least = finite().fold(low, f64::min);
        let most = finite().fold(high, f64::max);
        if span / (most - least) >= DATA_SHARE {
            let pieces = vec![Piece { low: least, high: most, left, right }];
            return Self { pieces, main: 0 };
        }
        let (before, after) = (low - least > FAR * span, most - high > FAR * span);
        let edges = (
            if before {
                finite().fold(low, |edge, s| if s >= low - NEAR * span { edge.min(s) } else { edge })
            } else {
                least
            },
            if after {
                finite().fold(high, |edge, s| if s <= high + NEAR * span { edge.max(s) } else { edge })
            } else {
                most
            },
        );
        let (share, gap) = ((right - left) * FAR_SHARE, (right - left) * FAR_SHARE * 0.35);
        let mut pieces = Vec::with_capacity(3);
        if before {
            let inner = finite().filter(|score| *score < edges.0).fold(least, f64::max);
            pieces.push(Piece::far((least, inner), edges.0 - inner, (left, left + share - gap)));
        }
        let main = pieces.len();
        let main_left = if before { left + share } else { left };
        let main_right = if after { right - share } else { right };
        pieces.push(Piece { low: edges.0, high: edges.1, left: main_left, right: main_right });
        if after {
            let inner = finite().filter(|score| *score > edges.1).fold(most, f64::min);
            pieces.push(Piece::far((inner, most), inner - edges.1, (right - share + gap, right)));
        }
        Self { pieces, main }
    }

    /// Where a score lies, within the axis's ends. A score that is not a number has no place.
    pub(super) fn x(&self, score: f64) -> Option<f64> {
        if score.is_nan() {
            return None;
        }
        let score = bounded(score);
        let last = &self.pieces[self.pieces.len() - 1];
        let mut from = (self.pieces[0].low, self.pieces[0].left);
        for piece in &self.pieces {
            for to in [(piece.low, piece.left), (piece.high, piece.right)] {
                if score <= to.0 {
                    return Some(between(score, from, to));
                }
                from = to;
            }
        }
        Some(last.right)
    }

    /// Whether a score lies on the axis and in no break.
    pub(super) fn holds(&self, score: f64) -> bool {
        self.pieces.iter().any(|piece| piece.low <= score && score <= piece.high)
    }

    /// Pixel centres of the breaks.
    pub(super) fn breaks(&self) -> Vec<f64> {
        self.pieces.windows(2).map(|pair| f64::midpoint(pair[0].right, pair[1].left)).collect()
    }

    /// (left, right) px of each run.
    pub(super) fn runs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.pieces.iter().map(|piece| (piece.left, piece.right))
    }

    /// Round scores to label, about one per `room` px, in order.
    pub(super) fn ticks(&self, room: f64) -> Vec<f64> {
        let ticks = |(place, piece): (usize, &Piece)| {
            let most = ((piece.right - piece.left) / room).floor().max(1.0);
            if place == self.main { piece.round(most) } else { piece.outer(most.max(2.0)) }
        };
        self.pieces.iter().enumerate().flat_map(ticks).collect()
    }
}

impl Piece {
    /// A run beyond a break, `room` away from the scores before the break: what lies in it keeps off its ends.
    fn far((low, high): (f64, f64), room: f64, (left, right): (f64, f64)) -> Self {
        // One score alone stands in the middle.
        let wanted = if high > low { (high - low) * 0.3 } else { low.abs() * 0.05 };
        let margin = wanted.min(room / 2.0).max(f64::MIN_POSITIVE);
        Self { low: low - margin, high: high + margin, left, right }
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn round(&self, most: f64) -> Vec<f64> {
        let raw = (self.high - self.low) / most;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|s| *s >= raw).unwrap_or(10.0 * power);
        let first = (self.low / step).ceil();
        // A step is at least the span over `most`, which bounds the ticks; next to a huge score it may be lost in rounding.
        let tick = |i: u32| (first + f64::from(i)) * step;
        (0..=most as u32 + 1)
            .map(tick)
            .filter(|t| t.is_finite() && *t >= self.low && *t <= self.high)
            .collect()
    }

    /// Beyond a break the ends say enough, as round numbers may not lie within.
    fn outer(&self, most: f64) -> Vec<f64> {
        match self.round(most) {
            ticks if ticks.is_empty() => vec![f64::midpoint(self.low, self.high)],
            ticks => ticks,
        }
    }
}

/// A range with some width, as all scores may be equal, or not numbers at all.
pub(super) fn spread(low: f64, high: f64) -> (f64, f64) {
    if low.is_nan() || high.is_nan() {
        return (-1.0, 1.0);
    }
    let (low, high) = (bounded(low.min(high)), bounded(low.max(high)));
    // Below a millionth of its size a difference is only noise of 32-bit floats.
    let least = low.abs().max(high.abs()) * 1e-6;
    if high - low > least.max(1e-290) {
        return (low, high);
    }
    let middle = f64::midpoint(low, high);
    let half = if middle.abs() > 1e-280 { middle.abs() * 0.25 } else { 1.0 };
    (middle - half, middle + half)
}

fn bounded(score: f64) -> f64 {
    score.clamp(-HUGE, HUGE)
}

/// Linear, and never outside `from.1..=to.1`.
fn between(score: f64, from: (f64, f64), to: (f64, f64)) -> f64 {
    if to.0 <= from.0 {
        return to.1;
    }
    let share = ((score - from.0) / (to.0 - from.0)).clamp(0.0, 1.0);
    from.1 + share * (to.1 - from.1)
}
