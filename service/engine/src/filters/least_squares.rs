//! Least squares with bounds, by Levenberg and Marquardt's method. It knows no Gabor function.

/// Numbers that are fitted.
pub(super) const PARAMETERS: usize = 9;

/// One value for each.
pub(super) type Parameters = [f64; PARAMETERS];

/// What is fitted, and how far it may go.
pub(super) struct Problem<'a, F> {
    /// Where the function is known.
    pub(super) places: &'a [[f64; 2]],
    /// Its values there.
    pub(super) targets: &'a [f64],
    /// The lowest and the highest value of each parameter.
    pub(super) bounds: [(f64, f64); PARAMETERS],
    /// The value at a place and its slopes by the parameters.
    pub(super) function: F,
}

/// Of the damping: at first, after a good step, after a bad one, and where no step helps any more (Marquardt 1963, with Nielsen's slower rise).
const DAMPING: f64 = 1e-3;
const EASED: f64 = 0.3;
const RAISED: f64 = 4.0;
const STUCK: f64 = 1e9;

/// A step that lowers the sum of squares by a smaller part than this is the last.
const TOLERANCE: f64 = 1e-9;

impl<F: Fn(&Parameters, [f64; 2]) -> (f64, Parameters)> Problem<'_, F> {
    /// Moves `start` downhill, at most `steps` times; gives the parameters and their sum of squares.
    pub(super) fn descend(&self, start: Parameters, steps: usize) -> (Parameters, f64) {
        let mut best = start;
        let (mut cost, mut normal) = self.normal(&best);
        let mut damping = DAMPING;
        for _ in 0..steps {
            let next = self.step(&best, &normal, damping);
            let (next_cost, next_normal) = self.normal(&next);
            // A cost that is no number is not lower.
            if next_cost < cost {
                let gain = cost - next_cost;
                (best, normal) = (next, next_normal);
                let done = gain <= TOLERANCE * cost;
                cost = next_cost;
                damping *= EASED;
                if done {
                    break;
                }
            } else {
                damping *= RAISED;
                if damping > STUCK {
                    break;
                }
            }
        }
        (best, cost)
    }

    /// The sum of squares, and what its normal equations are made of.
    fn normal(&self, at: &Parameters) -> (f64, Normal) {
        let mut normal = Normal { matrix: [[0.0; PARAMETERS]; PARAMETERS], slope: [0.0; PARAMETERS] };
        let mut cost = 0.0;
        for (place, target) in self.places.iter().zip(self.targets) {
            let (value, slopes) = (self.function)(at, *place);
            let rest = value - target;
            cost += rest * rest;
            for (i, slope) in slopes.iter().enumerate() {
                normal.slope[i] += slope * rest;
                for (j, other) in slopes[..=i].iter().enumerate() {
                    normal.matrix[i][j] += slope * other;
                }
            }
        }
        (cost, normal)
    }

    /// A damped step from `at`, within the bounds. Parameters that stand at one and would leave it stay, so that the others do not count on them.
    fn step(&self, at: &Parameters, normal: &Normal, damping: f64) -> Parameters {
        let moves = |i: usize| {
            let (low, high) = self.bounds[i];
            !(at[i] <= low && normal.slope[i] > 0.0 || at[i] >= high && normal.slope[i] < 0.0)
        };
        let mut matrix = normal.matrix;
        let mut right = normal.slope;
        for i in 0..PARAMETERS {
            if moves(i) {
                matrix[i][i] += damping * matrix[i][i] + f64::MIN_POSITIVE.sqrt();
                continue;
            }
            right[i] = 0.0;
            matrix[i] = [0.0; PARAMETERS];
            matrix.iter_mut().for_each(|row| row[i] = 0.0);
            matrix[i][i] = 1.0;
        }
        let step = solve(matrix, right);
        std::array::from_fn(|i| {
            let (low, high) = self.bounds[i];
            (at[i] - step[i]).clamp(low, high)
        })
    }
}

/// `JᵀJ`, of which the lower half is filled, and `Jᵀr`.
struct Normal {
    matrix: [[f64; PARAMETERS]; PARAMETERS],
    slope: Parameters,
}

/// Solves a symmetric system by Cholesky's decomposition of its lower half; a parameter that the others determine is not moved.
fn solve(mut matrix: [[f64; PARAMETERS]; PARAMETERS], mut right: Parameters) -> Parameters {
    for i in 0..PARAMETERS {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - sum;
            matrix[i][j] = match i == j {
                true if rest > 0.0 => rest.sqrt(),
                true => f64::INFINITY,
                false => rest / matrix[j][j],
            };
        }
        let sum: f64 = (0..i).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i][i];
    }
    for i in (0..PARAMETERS).rev() {
        let sum: f64 = (i + 1..PARAMETERS).map(|k| matrix[k][i] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i][i];
    }
    right
}
