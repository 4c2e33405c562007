//! Products of matrices for `diversity`: out += leftᵀ · right, in blocks that stay in registers.

use unitscope_sdk::Float;

/// Rows and columns of the block of sums that stays in registers: 4 × 16 float32 are eight AVX registers of the sixteen.
const ROWS: usize = 4;
const COLUMNS: usize = 16;
/// Products that are summed in the element's own type before the sum is added up in float64: few enough that float32's rounding stays
/// below 1e-5, and one block of the right matrix, 128 × 16, stays in the first-level cache.
const DEPTH: usize = 128;

/// `out[m][n] += Σ_k left[k][m] · right[k][n]`, all row-major; `left` is depth × rows, `right` depth × columns.
pub fn add_product<T: Float>(left: &[T], right: &[T], [depth, rows, columns]: [usize; 3], out: &mut [f64]) {
    assert_eq!((left.len(), right.len(), out.len()), (depth * rows, depth * columns, rows * columns));
    let product = Product { left, right, depth, rows, columns };
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the machine has what the function needs, as just checked.
        unsafe { product.add_to_with_fma(out) };
        return;
    }
    product.add_to::<false>(out);
}

struct Product<'a, T> {
    left: &'a [T],
    right: &'a [T],
    depth: usize,
    rows: usize,
    columns: usize,
}

impl<T: Float> Product<'_, T> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn add_to_with_fma(&self, out: &mut [f64]) {
        self.add_to::<true>(out);
    }

    #[inline(always)]
    fn add_to<const FMA: bool>(&self, out: &mut [f64]) {
        for start in (0..self.depth).step_by(DEPTH) {
            let end = (start + DEPTH).min(self.depth);
            for column in (0..self.columns).step_by(COLUMNS) {
                for row in (0..self.rows).step_by(ROWS) {
                    let full = row + ROWS <= self.rows && column + COLUMNS <= self.columns;
                    let sums = if full {
                        self.block::<FMA>([start, end], row, column)
                    } else {
                        self.edge::<FMA>([start, end], row, column)
                    };
                    self.store(&sums, row, column, out);
                }
            }
        }
    }

    /// Sums of a whole block.
    #[inline(always)]
    fn block<const FMA: bool>(
        &self,
        [start, end]: [usize; 2],
        row: usize,
        column: usize,
    ) -> [[T; COLUMNS]; ROWS] {
        let mut sums = [[T::default(); COLUMNS]; ROWS];
        for k in start..end {
            let left = &self.left[k * self.rows + row..][..ROWS];
            let right = &self.right[k * self.columns + column..][..COLUMNS];
            for m in 0..ROWS {
                for n in 0..COLUMNS {
                    sums[m][n] = fused::<T, FMA>(left[m], right[n], sums[m][n]);
                }
            }
        }
        sums
    }

    /// Sums of a block at the right or lower edge; the ones outside stay 0.
    fn edge<const FMA: bool>(
        &self,
        [start, end]: [usize; 2],
        row: usize,
        column: usize,
    ) -> [[T; COLUMNS]; ROWS] {
        let mut sums = [[T::default(); COLUMNS]; ROWS];
        let (rows, columns) = (ROWS.min(self.rows - row), COLUMNS.min(self.columns - column));
        for k in start..end {
            let left = &self.left[k * self.rows + row..][..rows];
            let right = &self.right[k * self.columns + column..][..columns];
            for (m, &left) in left.iter().enumerate() {
                for (n, &right) in right.iter().enumerate() {
                    sums[m][n] += left * right;
                }
            }
        }
        sums
    }

    fn store(&self, sums: &[[T; COLUMNS]; ROWS], row: usize, column: usize, out: &mut [f64]) {
        let (rows, columns) = (ROWS.min(self.rows - row), COLUMNS.min(self.columns - column));
        for (m, sums) in sums.iter().enumerate().take(rows) {
            let out = &mut out[(row + m) * self.columns + column..][..columns];
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += sum.to_f64();
            }
        }
    }
}

#[inline(always)]
fn fused<T: Float, const FMA: bool>(left: T, right: T, sum: T) -> T {
    // Without the instruction `mul_add` is a call into the C library.
    if FMA { left.mul_add(right, sum) } else { sum + left * right }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check([depth, rows, columns]: [usize; 3]) {
        let left: Vec<f64> = (0..depth * rows).map(|at| (at as f64 * 0.7).sin()).collect();
        let right: Vec<f64> = (0..depth * columns).map(|at| (at as f64 * 1.3).cos()).collect();
        let mut expected = vec![1.0; rows * columns];
        for (k, (left, right)) in left.chunks(rows).zip(right.chunks(columns)).enumerate() {
            assert!(k < depth);
            for (out, left) in expected.chunks_mut(columns).zip(left) {
                out.iter_mut().zip(right).for_each(|(out, right)| *out += left * right);
            }
        }
        let mut with_detection = vec![1.0; rows * columns];
        add_product(&left, &right, [depth, rows, columns], &mut with_detection);
        let mut plain = vec![1.0; rows * columns];
        Product { left: &left, right: &right, depth, rows, columns }.add_to::<false>(&mut plain);
        for (expected, (a, b)) in expected.iter().zip(with_detection.iter().zip(&plain)) {
            assert!((a - expected).abs() < 1e-11 && (b - expected).abs() < 1e-11, "{a} {b} {expected}");
        }
    }

    #[test]
    fn it_is_the_product_at_every_size() {
        for sizes in [[1, 1, 1], [5, 4, 16], [3, 9, 35], [300, 7, 18], [2, 16, 3]] {
            check(sizes);
        }
    }
}
