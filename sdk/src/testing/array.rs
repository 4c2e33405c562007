//! A small tensor of a test, in float64, with strides and axis roles.

use crate::abi::{US_AXIS_BATCH, US_AXIS_CHANNEL, US_AXIS_HEIGHT, US_AXIS_TOKEN, US_AXIS_WIDTH};

/// A tensor of a test. Its elements lie row-major or channels-last.
#[derive(Clone, Debug)]
pub struct Array {
    /// Its sizes, the batch first.
    pub shape: Vec<i64>,
    /// Its strides, in elements.
    pub strides: Vec<i64>,
    /// The header's `US_AXIS_*` of each axis.
    pub axes: Vec<u8>,
    /// Its elements, in the order of memory.
    pub data: Vec<f64>,
}

impl Array {
    /// Row-major values between −1 and 1, drawn by a seed. Two sizes are batch and channel, three batch, token and channel, four
    /// batch, channel, height and width.
    ///
    /// # Panics
    /// With another number of sizes.
    #[must_use]
    pub fn random(shape: &[i64], seed: u64) -> Array {
        let axes = match shape.len() {
            2 => vec![US_AXIS_BATCH, US_AXIS_CHANNEL],
            3 => vec![US_AXIS_BATCH, US_AXIS_TOKEN, US_AXIS_CHANNEL],
            4 => vec![US_AXIS_BATCH, US_AXIS_CHANNEL, US_AXIS_HEIGHT, US_AXIS_WIDTH],
            n => panic!("{n} sizes; a test's array has 2 to 4"),
        };
        let elements: i64 = shape.iter().product();
        let mut state = seed;
        let data = (0..elements).map(|_| 2.0 * uniform(&mut state) - 1.0).collect();
        Array { shape: shape.to_vec(), strides: row_major(shape), axes, data }
    }

    /// Zeros of the same shape and strides.
    #[must_use]
    pub fn zeros(&self) -> Array {
        Array { data: vec![0.0; self.data.len()], ..self.clone() }
    }

    /// The same tensor with its channels innermost in memory.
    #[must_use]
    pub fn channels_last(&self) -> Array {
        let mut order: Vec<usize> =
            (0..self.shape.len()).filter(|&axis| self.axes[axis] != US_AXIS_CHANNEL).collect();
        order.extend((0..self.shape.len()).filter(|&axis| self.axes[axis] == US_AXIS_CHANNEL));
        let mut strides = vec![1; self.shape.len()];
        let mut stride = 1;
        for &axis in order.iter().rev() {
            strides[axis] = stride;
            stride *= self.shape[axis];
        }
        let mut copy = Array { strides, ..self.zeros() };
        self.each_index(|index| {
            let to = copy.offset(index);
            copy.data[to] = self.data[self.offset(index)];
        });
        copy
    }

    /// Its elements, row-major by its shape, whatever its strides.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.data.len());
        self.each_index(|index| values.push(self.data[self.offset(index)]));
        values
    }

    /// The batch size.
    #[must_use]
    pub fn images(&self) -> usize {
        self.shape[0] as usize
    }

    /// These images of it, in this order, row-major.
    #[must_use]
    pub fn select(&self, images: &[usize]) -> Array {
        let values = self.values();
        let size = values.len() / self.images();
        let mut shape = self.shape.clone();
        shape[0] = images.len() as i64;
        let data =
            images.iter().flat_map(|&image| values[image * size..(image + 1) * size].to_vec()).collect();
        Array { strides: row_major(&shape), shape, axes: self.axes.clone(), data }
    }

    fn offset(&self, index: &[i64]) -> usize {
        index.iter().zip(&self.strides).map(|(index, stride)| index * stride).sum::<i64>() as usize
    }

    fn each_index(&self, mut f: impl FnMut(&[i64])) {
        let mut index = vec![0; self.shape.len()];
        for at in 0..self.data.len() {
            let mut rest = at as i64;
            for axis in (0..self.shape.len()).rev() {
                index[axis] = rest % self.shape[axis];
                rest /= self.shape[axis];
            }
            f(&index);
        }
    }
}

fn row_major(shape: &[i64]) -> Vec<i64> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}

/// A number in 0..1, by splitmix64 (Steele, Lea, Flood 2014).
pub(super) fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // The upper 53 bits fill a float64's fraction.
    (z >> 11) as f64 / (1_u64 << 53) as f64
}
