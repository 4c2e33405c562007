//! One image's part of a tensor: a block [channels, height, width] in any strides, read or written without a copy.
//!
//! A layer without space is a block of height and width 1; tokens lie along the width.

use std::marker::PhantomData;

use crate::float::Float;
use crate::walk::Walk;

/// A block that is read.
#[derive(Clone, Copy)]
pub struct Grid<'a, T> {
    data: *const T,
    sizes: [usize; 3],
    strides: [usize; 3],
    lives: PhantomData<&'a [T]>,
}

/// A block that is read and written.
pub struct GridMut<'a, T> {
    grid: Grid<'a, T>,
    data: *mut T,
    lives: PhantomData<&'a mut [T]>,
}

// SAFETY: it lends shared access to elements that are `Sync`, as a slice does.
unsafe impl<T: Sync> Send for Grid<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Sync> Sync for Grid<'_, T> {}

impl<'a, T: Float> Grid<'a, T> {
    /// # Safety
    /// Every element that `sizes` and `strides` reach from `data` on may be read for `'a`.
    pub(crate) unsafe fn new(data: *const T, sizes: [usize; 3], strides: [usize; 3]) -> Grid<'a, T> {
        Grid { data, sizes, strides, lives: PhantomData }
    }

    /// A slice as a block with its channels innermost: `[height][width][channels]`.
    ///
    /// # Panics
    /// Where the slice has not exactly the block's number of elements.
    #[must_use]
    pub fn channels_last(values: &'a [T], sizes: [usize; 3]) -> Grid<'a, T> {
        assert_eq!(values.len(), sizes.iter().product(), "one element per position and channel");
        // SAFETY: the strides reach every element of the slice, and no other.
        unsafe { Grid::new(values.as_ptr(), sizes, [1, sizes[2] * sizes[0], sizes[0]]) }
    }

    /// Channels, height, width.
    #[must_use]
    pub fn sizes(&self) -> [usize; 3] {
        self.sizes
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Whether it has no element: true only for a part that was cut so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One channel, as a block of one.
    ///
    /// # Panics
    /// Where there is no such channel; [`Shape::check_channel`](crate::Shape::check_channel) in `prepare` says so earlier.
    #[must_use]
    pub fn channel(&self, channel: usize) -> Grid<'a, T> {
        self.part([channel, 0, 0], [1, self.sizes[1], self.sizes[2]])
    }

    /// The block of these sizes whose first element is at `start`; both are [channel, row, column].
    ///
    /// # Panics
    /// Where it is not inside this one.
    #[must_use]
    pub fn part(&self, start: [usize; 3], sizes: [usize; 3]) -> Grid<'a, T> {
        let offset = self.offset(start, sizes);
        // SAFETY: `offset` checked that the part lies inside this block.
        unsafe { Grid::new(self.data.add(offset), sizes, self.strides) }
    }

    fn offset(&self, start: [usize; 3], sizes: [usize; 3]) -> usize {
        let inside = (0..3).all(|axis| start[axis] + sizes[axis] <= self.sizes[axis]);
        assert!(inside, "{sizes:?} from {start:?} on is not inside of {:?}", self.sizes);
        // Nothing is read of an empty part, and its first element need not exist.
        if sizes.contains(&0) { 0 } else { (0..3).map(|axis| start[axis] * self.strides[axis]).sum() }
    }

    /// The element at [channel, row, column].
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn at(&self, index: [usize; 3]) -> T {
        let offset = self.offset(index, [1; 3]);
        // SAFETY: `offset` checked that the element is inside of the block.
        unsafe { *self.data.add(offset) }
    }

    /// The sum of `f` over all elements, in float64.
    #[inline(always)]
    pub fn sum_by(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.sum_with(self, |value, _| f(value))
    }

    /// The sum of `f` over the pairs of elements of two blocks, in float64.
    ///
    /// # Panics
    /// Where the blocks differ in shape.
    #[inline(always)]
    pub fn sum_with(&self, other: &Grid<'_, T>, f: impl Fn(f64, f64) -> f64) -> f64 {
        assert_eq!(self.sizes, other.sizes, "blocks of one shape");
        // Independent partial sums, so that additions need not wait for each other.
        const LANES: usize = 8;
        let mut sums = [0.0; LANES];
        Walk::new(self.sizes, [self.strides, other.strides]).lines(|[a, b], len, [a_stride, b_stride]| {
            let mut at = 0;
            // SAFETY: the walk stays inside of the blocks, as `Grid::new` was promised; `at` is below `len`.
            let pair = |at: usize| unsafe {
                f((*self.data.add(a + at * a_stride)).to_f64(), (*other.data.add(b + at * b_stride)).to_f64())
            };
            while at + LANES <= len {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum += pair(at + lane);
                }
                at += LANES;
            }
            for at in at..len {
                sums[0] += pair(at);
            }
        });
        sums.iter().sum()
    }

    /// The mean, in float64.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum_by(|value| value) / self.len() as f64
    }

    /// Copies the block, row-major: `[channels][height · width]`.
    pub fn copy_to(&self, out: &mut Vec<T>) {
        self.copy_strided(out, [self.sizes[1] * self.sizes[2], self.sizes[2], 1]);
    }

    /// Copies the block with its channels innermost: `[height · width][channels]`.
    pub fn copy_channels_last_to(&self, out: &mut Vec<T>) {
        self.copy_strided(out, [1, self.sizes[2] * self.sizes[0], self.sizes[0]]);
    }

    fn copy_strided(&self, out: &mut Vec<T>, strides: [usize; 3]) {
        out.clear();
        out.resize(self.len(), T::default());
        // SAFETY: `out` has as many elements as the block, and both callers' strides fill it exactly.
        let mut copy = unsafe { GridMut::new(out.as_mut_ptr(), self.sizes, strides) };
        copy.update(self, |value, out| *out = value);
    }
}

impl<'a, T: Float> GridMut<'a, T> {
    /// # Safety
    /// Every element that `sizes` and `strides` reach from `data` on may be read and written for `'a`, and nothing else reads or
    /// writes them meanwhile.
    pub(crate) unsafe fn new(data: *mut T, sizes: [usize; 3], strides: [usize; 3]) -> GridMut<'a, T> {
        // SAFETY: the caller's promise covers reading.
        GridMut { grid: unsafe { Grid::new(data, sizes, strides) }, data, lives: PhantomData }
    }

    /// The same block, to read from.
    #[must_use]
    pub fn as_grid(&self) -> Grid<'_, T> {
        self.grid
    }

    /// One channel, as a block of one.
    ///
    /// # Panics
    /// Where there is no such channel.
    #[must_use]
    pub fn channel(&mut self, channel: usize) -> GridMut<'_, T> {
        let [_, height, width] = self.grid.sizes;
        self.part([channel, 0, 0], [1, height, width])
    }

    /// The block of these sizes whose first element is at `start`; both are [channel, row, column].
    ///
    /// # Panics
    /// Where it is not inside this one.
    #[must_use]
    pub fn part(&mut self, start: [usize; 3], sizes: [usize; 3]) -> GridMut<'_, T> {
        let offset = self.grid.offset(start, sizes);
        // SAFETY: `offset` checked that the part lies inside this block, which stays borrowed.
        unsafe { GridMut::new(self.data.add(offset), sizes, self.grid.strides) }
    }

    /// Adds to every element.
    pub fn add(&mut self, value: f64) {
        self.each(|element| *element += T::from_f64(value));
    }

    /// Calls `f` with every element.
    #[inline(always)]
    pub fn each(&mut self, f: impl Fn(&mut T)) {
        Walk::new(self.grid.sizes, [self.grid.strides]).lines(|[start], len, [stride]| {
            for at in 0..len {
                // SAFETY: the walk stays inside of the block, as `GridMut::new` was promised, one element at a time.
                f(unsafe { &mut *self.data.add(start + at * stride) });
            }
        });
    }

    /// Calls `f` with the elements of another block and, to be written, the ones of this.
    ///
    /// # Panics
    /// Where the blocks differ in shape.
    #[inline(always)]
    pub fn update(&mut self, other: &Grid<'_, T>, f: impl Fn(T, &mut T)) {
        self.update_with(other, other, |value, _, out| f(value, out));
    }

    /// Calls `f` with the elements of two other blocks and, to be written, the ones of this.
    ///
    /// # Panics
    /// Where the blocks differ in shape.
    #[inline(always)]
    pub fn update_with(&mut self, first: &Grid<'_, T>, second: &Grid<'_, T>, f: impl Fn(T, T, &mut T)) {
        assert!(self.grid.sizes == first.sizes && first.sizes == second.sizes, "blocks of one shape");
        let walk = Walk::new(self.grid.sizes, [self.grid.strides, first.strides, second.strides]);
        walk.lines(|[out, a, b], len, strides| {
            // SAFETY: the walk stays inside of the blocks, as their constructors were promised; the written block overlaps no
            // other, which makes its elements exclusive.
            let step = |at: usize, [o, x, y]: [usize; 3]| unsafe {
                f(
                    *first.data.add(a + at * x),
                    *second.data.add(b + at * y),
                    &mut *self.data.add(out + at * o),
                );
            };
            if strides == [1; 3] {
                for at in 0..len {
                    step(at, [1; 3]);
                }
            } else {
                for at in 0..len {
                    step(at, strides);
                }
            }
        });
    }
}
