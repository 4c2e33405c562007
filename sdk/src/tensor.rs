//! A tap or gradient of a whole batch, and its shape, with every layout brought to batch, channel, height, width by axis roles.

use std::marker::PhantomData;

use crate::abi::{US_AXIS_BATCH, US_AXIS_CHANNEL, US_DEVICE_CPU, US_DTYPE_FLOAT, US_MAX_DIMS, us_view};
use crate::error::Error;
use crate::float::Float;
use crate::grid::{Grid, GridMut};

/// The sizes of a tap. A layer without space has height and width 1; tokens lie along the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The batch size.
    pub images: usize,
    /// Units of the layer.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Whether the layer has this channel.
    ///
    /// # Errors
    /// One that names the parameter and the channels that there are.
    pub fn check_channel(&self, parameter: &str, channel: usize) -> Result<(), Error> {
        check_index(parameter, "channel", channel, self.channels)
    }

    /// Whether the layer has this row.
    ///
    /// # Errors
    /// As [`check_channel`](Shape::check_channel).
    pub fn check_row(&self, parameter: &str, row: usize) -> Result<(), Error> {
        check_index(parameter, "row", row, self.height)
    }

    /// Whether the layer has this column.
    ///
    /// # Errors
    /// As [`check_channel`](Shape::check_channel).
    pub fn check_column(&self, parameter: &str, column: usize) -> Result<(), Error> {
        check_index(parameter, "column", column, self.width)
    }
}

fn check_index(parameter: &str, noun: &str, index: usize, size: usize) -> Result<(), Error> {
    if index < size {
        return Ok(());
    }
    let last = size.saturating_sub(1);
    Err(Error::invalid(format!("{noun} {index} is out of range: the layer has {size}, 0 to {last}"))
        .parameter(parameter))
}

/// Where each image's block lies.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub shape: Shape,
    /// Batch, channel, height, width; in elements.
    strides: [usize; 4],
}

impl Layout {
    /// # Safety
    /// `view` follows the header: its shape and strides point to `ndim` numbers.
    pub unsafe fn of(view: &us_view) -> Result<Layout, Error> {
        let ndim = usize::try_from(view.t.ndim).unwrap_or(0);
        if ndim == 0 || ndim > US_MAX_DIMS || view.t.shape.is_null() || view.t.strides.is_null() {
            return Err(Error::internal(format!("a view of {ndim} axes breaks the plugin ABI")));
        }
        // SAFETY: the caller's promise.
        let (sizes, strides) = unsafe {
            (std::slice::from_raw_parts(view.t.shape, ndim), std::slice::from_raw_parts(view.t.strides, ndim))
        };
        let mut layout =
            Layout { shape: Shape { images: 1, channels: 1, height: 1, width: 1 }, strides: [0; 4] };
        let mut space = Vec::new();
        for (axis, (&size, &stride)) in sizes.iter().zip(strides).enumerate() {
            let (Ok(size), Ok(stride)) = (usize::try_from(size), usize::try_from(stride)) else {
                return Err(Error::internal(format!(
                    "sizes {sizes:?} and strides {strides:?} break the plugin ABI"
                )));
            };
            match view.axis[axis] {
                US_AXIS_BATCH => (layout.shape.images, layout.strides[0]) = (size, stride),
                US_AXIS_CHANNEL => (layout.shape.channels, layout.strides[1]) = (size, stride),
                _ => space.push((size, stride)),
            }
        }
        // Axes of size 1 say nothing about where elements lie; two others are rows and columns, one is columns.
        if space.len() > 2 {
            space.retain(|&(size, _)| size != 1);
        }
        match space[..] {
            [] => {}
            [(width, stride)] => (layout.shape.width, layout.strides[3]) = (width, stride),
            [(height, row), (width, column)] => {
                (layout.shape.height, layout.strides[2]) = (height, row);
                (layout.shape.width, layout.strides[3]) = (width, column);
            }
            _ => {
                return Err(Error::invalid(format!(
                    "a layer of shape {sizes:?} has {} axes besides batch and channel; at most two can be used",
                    space.len()
                )));
            }
        }
        Ok(layout)
    }

    fn sizes(&self) -> [usize; 3] {
        [self.shape.channels, self.shape.height, self.shape.width]
    }

    fn image(&self, image: usize) -> usize {
        assert!(image < self.shape.images, "image {image} of a batch of {}", self.shape.images);
        image * self.strides[0]
    }

    fn inner(&self) -> [usize; 3] {
        [self.strides[1], self.strides[2], self.strides[3]]
    }
}

/// A tap: read only.
#[derive(Clone, Copy)]
pub struct Tensor<'a, T> {
    data: *const T,
    layout: Layout,
    lives: PhantomData<&'a [T]>,
}

impl<'a, T: Float> Tensor<'a, T> {
    /// # Safety
    /// `view` follows the header, and its elements may be read for `'a`.
    pub(crate) unsafe fn new(view: &us_view) -> Result<Tensor<'a, T>, Error> {
        // SAFETY: the caller's promise.
        let layout = unsafe { Layout::of(view)? };
        Ok(Tensor { data: data::<T>(view)?, layout, lives: PhantomData })
    }

    /// Its sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.layout.shape
    }

    /// One image's block.
    ///
    /// # Panics
    /// Where the batch has no such image.
    #[must_use]
    pub fn image(&self, image: usize) -> Grid<'a, T> {
        let offset = self.layout.image(image);
        // SAFETY: `new` was promised every element of the layout, and `image` is one of the batch.
        unsafe { Grid::new(self.data.add(offset), self.layout.sizes(), self.layout.inner()) }
    }
}

/// A gradient, or what a step operation edits.
pub struct TensorMut<'a, T> {
    data: *mut T,
    layout: Layout,
    lives: PhantomData<&'a mut [T]>,
}

impl<'a, T: Float> TensorMut<'a, T> {
    /// # Safety
    /// `view` follows the header, and its elements may be read and written for `'a`, by nothing else meanwhile.
    pub(crate) unsafe fn new(view: &us_view) -> Result<TensorMut<'a, T>, Error> {
        // SAFETY: the caller's promise.
        let layout = unsafe { Layout::of(view)? };
        Ok(TensorMut { data: data::<T>(view)?, layout, lives: PhantomData })
    }

    /// Its sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.layout.shape
    }

    /// One image's block.
    ///
    /// # Panics
    /// Where the batch has no such image.
    #[must_use]
    pub fn image(&mut self, image: usize) -> GridMut<'_, T> {
        let offset = self.layout.image(image);
        // SAFETY: `new` was promised every element of the layout; the block borrows this tensor mutably.
        unsafe { GridMut::new(self.data.add(offset), self.layout.sizes(), self.layout.inner()) }
    }
}

fn data<T: Float>(view: &us_view) -> Result<*mut T, Error> {
    let dtype = view.t.dtype;
    if (dtype.code, dtype.bits, dtype.lanes) != (US_DTYPE_FLOAT, T::BITS, 1)
        || view.t.device.device_type != US_DEVICE_CPU
        || view.t.data.is_null()
        || view.t.byte_offset != 0
    {
        return Err(Error::internal("a view's type, device or data breaks the plugin ABI"));
    }
    Ok(view.t.data.cast())
}
