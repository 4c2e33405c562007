//! A borrowed tensor as it goes to a plugin: pointer, type, shape, strides, axis roles. It knows neither torch nor who owns the data.

use std::ffi::c_void;
use std::marker::PhantomData;

use unitscope_sdk::abi::{
    US_AXIS_BATCH, US_AXIS_CHANNEL, US_AXIS_HEIGHT, US_AXIS_OTHER, US_AXIS_TOKEN, US_AXIS_WIDTH,
    US_DEVICE_CPU, US_DTYPE_FLOAT, US_MAX_DIMS, us_device, us_dtype, us_tensor, us_view,
};

use super::guard::Element;

/// A borrowed tensor on the CPU. Axis 0 is the batch. Strides are in elements and may be of any order.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: *mut c_void,
    dtype: DType,
    ndim: usize,
    shape: [i64; US_MAX_DIMS],
    strides: [i64; US_MAX_DIMS],
    axes: [Axis; US_MAX_DIMS],
    lives: PhantomData<&'a mut [u8]>,
}

impl<'a> View<'a> {
    /// A view of memory that someone else owns.
    ///
    /// # Errors
    /// Where `shape`, `strides` and `axes` differ in length, have no axis or more than 8, or hold a size below 1 or a
    /// negative stride.
    ///
    /// # Safety
    /// `data` points to every element that `shape` and `strides` reach, of type `dtype`, for `'a`. Nothing else writes
    /// them in that time, and nothing else reads them if the view is given as a gradient or to
    /// [`apply`](super::Instance::apply).
    pub unsafe fn from_raw(
        data: *mut c_void,
        dtype: DType,
        shape: &[i64],
        strides: &[i64],
        axes: &[Axis],
    ) -> Result<View<'a>, ViewError> {
        if strides.len() != shape.len() || axes.len() != shape.len() {
            return Err(ViewError::Lengths { shape: shape.len(), strides: strides.len(), axes: axes.len() });
        }
        if shape.is_empty() || shape.len() > US_MAX_DIMS {
            return Err(ViewError::Dims(shape.len()));
        }
        if shape.iter().any(|&size| size < 1) || strides.iter().any(|&stride| stride < 0) {
            return Err(ViewError::Sizes { shape: shape.to_vec(), strides: strides.to_vec() });
        }
        if shape.iter().try_fold(8_i64, |bytes, &size| bytes.checked_mul(size)).is_none() {
            return Err(ViewError::Sizes { shape: shape.to_vec(), strides: strides.to_vec() });
        }
        let mut view = View {
            data,
            dtype,
            ndim: shape.len(),
            shape: [1; US_MAX_DIMS],
            strides: [0; US_MAX_DIMS],
            axes: [Axis::Other; US_MAX_DIMS],
            lives: PhantomData,
        };
        view.shape[..shape.len()].copy_from_slice(shape);
        view.strides[..shape.len()].copy_from_slice(strides);
        view.axes[..shape.len()].copy_from_slice(axes);
        Ok(view)
    }

    /// A shape without data, for [`prepare`](super::Instance::prepare); row-major.
    ///
    /// # Errors
    /// As [`from_raw`](View::from_raw).
    pub fn shape_only(dtype: DType, shape: &[i64], axes: &[Axis]) -> Result<View<'static>, ViewError> {
        // SAFETY: the data is null, and `prepare` hands it on as "no data"; every use of data asks for it first.
        unsafe { View::from_raw(std::ptr::null_mut(), dtype, shape, &row_major(shape), axes) }
    }

    /// A row-major view of a slice.
    ///
    /// # Errors
    /// As [`from_raw`](View::from_raw), and where the slice has not exactly the shape's number of elements.
    pub fn from_slice<T: Element>(
        data: &'a mut [T],
        shape: &[i64],
        axes: &[Axis],
    ) -> Result<View<'a>, ViewError> {
        let elements = shape.iter().product::<i64>();
        if usize::try_from(elements) != Ok(data.len()) {
            return Err(ViewError::Elements { shape: shape.to_vec(), elements: data.len() });
        }
        // SAFETY: the slice is borrowed mutably for `'a` and holds exactly the elements that row-major strides reach.
        unsafe { View::from_raw(data.as_mut_ptr().cast(), T::DTYPE, shape, &row_major(shape), axes) }
    }

    /// The same view without its data.
    #[must_use]
    pub fn without_data(&self) -> View<'static> {
        View { data: std::ptr::null_mut(), lives: PhantomData, ..*self }
    }

    /// The first element, or null.
    #[must_use]
    pub fn data(&self) -> *mut c_void {
        self.data
    }

    /// Its element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its sizes, the batch first.
    #[must_use]
    pub fn shape(&self) -> &[i64] {
        &self.shape[..self.ndim]
    }

    /// Its strides, in elements.
    #[must_use]
    pub fn strides(&self) -> &[i64] {
        &self.strides[..self.ndim]
    }

    /// What its axes mean.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes[..self.ndim]
    }

    /// The batch size.
    #[must_use]
    pub fn images(&self) -> usize {
        usize::try_from(self.shape[0]).expect("from_raw lets no negative size pass")
    }

    /// The number of elements.
    #[must_use]
    pub fn elements(&self) -> usize {
        usize::try_from(self.shape().iter().product::<i64>()).expect("from_raw lets no negative size pass")
    }

    /// Whether its elements lie in row-major order without gaps; axes of size 1 may have any stride.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let expected = row_major(self.shape());
        self.shape()
            .iter()
            .zip(self.strides())
            .zip(expected)
            .all(|((&size, &stride), row)| size == 1 || stride == row)
    }

    /// The struct that the header declares; it borrows this view's shape and strides.
    pub(super) fn as_raw(&self) -> us_view {
        let bits = match self.dtype {
            DType::F32 => 32,
            DType::F64 => 64,
        };
        us_view {
            t: us_tensor {
                data: self.data,
                device: us_device { device_type: US_DEVICE_CPU, device_id: 0 },
                ndim: self.ndim as i32,
                dtype: us_dtype { code: US_DTYPE_FLOAT, bits, lanes: 1 },
                shape: self.shape.as_ptr().cast_mut(),
                strides: self.strides.as_ptr().cast_mut(),
                byte_offset: 0,
            },
            axis: self.axes.map(Axis::to_raw),
        }
    }
}

/// Strides, in elements, of a tensor whose last axis is contiguous.
pub(super) fn row_major(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides
}

/// Element types that plugins see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 32-bit float; every term takes it.
    F32,
    /// 64-bit float; for checks of gradients.
    F64,
}

/// What an axis of a tensor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// One entry per image.
    Batch,
    /// The units of a layer.
    Channel,
    /// Rows.
    Height,
    /// Columns.
    Width,
    /// Tokens of a sequence.
    Token,
    /// Something else.
    Other,
}

impl Axis {
    fn to_raw(self) -> u8 {
        match self {
            Axis::Batch => US_AXIS_BATCH,
            Axis::Channel => US_AXIS_CHANNEL,
            Axis::Height => US_AXIS_HEIGHT,
            Axis::Width => US_AXIS_WIDTH,
            Axis::Token => US_AXIS_TOKEN,
            Axis::Other => US_AXIS_OTHER,
        }
    }
}

/// Why something is not a view.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ViewError {
    #[error(
        "a view needs one stride and one role per axis; it has {shape} sizes, {strides} strides and {axes} roles"
    )]
    Lengths { shape: usize, strides: usize, axes: usize },
    #[error("a view has 1 to 8 axes, not {0}")]
    Dims(usize),
    #[error(
        "sizes are at least 1 and fit memory, and strides are not negative; got {shape:?} with strides {strides:?}"
    )]
    Sizes { shape: Vec<i64>, strides: Vec<i64> },
    #[error("the shape {shape:?} does not have the {elements} elements of its slice")]
    Elements { shape: Vec<i64>, elements: usize },
}
