//! The order in which elements of several strided blocks of one shape are visited: along memory, in as few lines as possible.

/// Visits N blocks of one shape [channels, height, width] together, line by line.
pub(crate) struct Walk<const N: usize> {
    /// Sizes of the three loops, outermost first; the last is the length of a line.
    sizes: [usize; 3],
    strides: [[usize; N]; 3],
}

impl<const N: usize> Walk<N> {
    /// `strides[k]` are block k's. Lines run along the smallest stride of block 0, and axes that continue each other in every
    /// block become one: a dense block is a single line.
    pub fn new(sizes: [usize; 3], strides: [[usize; 3]; N]) -> Walk<N> {
        let mut axes: Vec<(usize, [usize; N])> = (0..3)
            .filter(|&axis| sizes[axis] != 1)
            .map(|axis| (sizes[axis], strides.map(|block| block[axis])))
            .collect();
        axes.sort_by_key(|&(_, strides)| std::cmp::Reverse(strides[0]));
        let mut merged: Vec<(usize, [usize; N])> = Vec::with_capacity(3);
        for (size, strides) in axes {
            match merged.last_mut() {
                Some((outer, before)) if (0..N).all(|k| before[k] == strides[k] * size) => {
                    *outer *= size;
                    *before = strides;
                }
                _ => merged.push((size, strides)),
            }
        }
        let mut walk = Walk { sizes: [1; 3], strides: [[1; N]; 3] };
        let start = 3 - merged.len();
        for (at, (size, strides)) in merged.into_iter().enumerate() {
            walk.sizes[start + at] = size;
            walk.strides[start + at] = strides;
        }
        walk
    }

    /// Calls `line` with the offset of the first element in each block, the length, and the strides.
    #[inline(always)]
    pub fn lines(&self, mut line: impl FnMut([usize; N], usize, [usize; N])) {
        let [outer, middle, len] = self.sizes;
        if len == 0 {
            return;
        }
        for i in 0..outer {
            for j in 0..middle {
                let offsets = std::array::from_fn(|k| i * self.strides[0][k] + j * self.strides[1][k]);
                line(offsets, len, self.strides[2]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: [usize; 3], strides: [[usize; 3]; 2], lines: usize) {
        let (mut seen, mut count) = (Vec::new(), 0);
        Walk::new(sizes, strides).lines(|offsets, len, strides| {
            count += 1;
            seen.extend((0..len).map(|at| (offsets[0] + at * strides[0], offsets[1] + at * strides[1])));
        });
        let mut expected = Vec::new();
        for c in 0..sizes[0] {
            for y in 0..sizes[1] {
                for x in 0..sizes[2] {
                    let offset = |block: [usize; 3]| c * block[0] + y * block[1] + x * block[2];
                    expected.push((offset(strides[0]), offset(strides[1])));
                }
            }
        }
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{sizes:?} {strides:?}");
        assert_eq!(count, lines, "{sizes:?} {strides:?}");
    }

    #[test]
    fn every_element_is_visited_once_in_as_few_lines_as_possible() {
        let row_major = [20, 5, 1];
        let channels_last = [1, 15, 3];
        check([3, 4, 5], [row_major, row_major], 1);
        check([3, 4, 5], [channels_last, channels_last], 1);
        check([3, 4, 5], [row_major, channels_last], 3);
        check([1, 4, 5], [channels_last, channels_last], 1);
        check([3, 4, 4], [row_major, row_major], 12);
        check([0, 4, 5], [row_major, row_major], 0);
        check([1, 1, 1], [row_major, channels_last], 1);
    }
}
