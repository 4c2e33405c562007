//! Pictures as bytes: 8-bit pixels, PNG, NumPy's .npy. It knows no file and no job.

mod heat;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use unitscope_engine::optimize::Picture;
use unitscope_engine::rank::decode::View;

/// Pixels of 8 bits: grey or colours, with an opacity where the picture has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels(DynamicImage);

impl Pixels {
    /// Rounds to 8 bits. Three channels are colours; one is grey; any other number is no picture in itself, and colours are
    /// not made up for it: the mean over the channels is shown as grey.
    #[must_use]
    pub fn of(picture: &Picture) -> Self {
        let plane = picture.height as usize * picture.width as usize;
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let mut channels: Vec<&[f32]> = picture.values.chunks_exact(plane).collect();
        let opacity = if picture.alpha { channels.pop() } else { None };
        let mean =
            |pixel: usize| channels.iter().map(|channel| channel[pixel]).sum::<f32>() / channels.len() as f32;
        let grey: Vec<f32>;
        let mut shown = match channels[..] {
            [_, _, _] => channels,
            _ => {
                grey = (0..plane).map(mean).collect();
                vec![&grey[..]]
            }
        };
        shown.extend(opacity);
        let bytes =
            (0..plane).flat_map(|pixel| shown.iter().map(move |channel| byte(channel[pixel]))).collect();
        let (width, height) = (picture.width, picture.height);
        let image = match shown.len() {
            1 => GrayImage::from_raw(width, height, bytes).map(Into::into),
            2 => GrayAlphaImage::from_raw(width, height, bytes).map(Into::into),
            3 => RgbImage::from_raw(width, height, bytes).map(Into::into),
            _ => RgbaImage::from_raw(width, height, bytes).map(Into::into),
        };
        Self(image.expect("a picture holds channels × height × width values"))
    }

    /// What a network sees of a file.
    #[must_use]
    pub fn of_view(view: &View) -> Self {
        let (width, height, bytes) = (view.width, view.height, view.pixels.clone());
        let image = match view.channels {
            1 => GrayImage::from_raw(width, height, bytes).map(Into::into),
            _ => RgbImage::from_raw(width, height, bytes).map(Into::into),
        };
        Self(image.expect("a view holds height × width × channels bytes"))
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    /// The part from row `top` and column `left` up to before row `bottom` and column `right`, as far as it lies inside.
    #[must_use]
    pub fn crop(&self, [top, left, bottom, right]: [u32; 4]) -> Self {
        let (left, top) = (left.min(self.0.width() - 1), top.min(self.0.height() - 1));
        let (width, height) = (right.saturating_sub(left).max(1), bottom.saturating_sub(top).max(1));
        Self(self.0.crop_imm(left, top, width, height))
    }

    /// The same, shrunk until its longer side has at most `side` pixels.
    #[must_use]
    pub fn shrunk(&self, side: u32) -> Self {
        let (width, height) = (self.0.width(), self.0.height());
        let long = width.max(height);
        if long <= side {
            return self.clone();
        }
        // At least one pixel is left of a very flat picture; the product fits, as sides are below 2^16.
        let small = |length: u32| (length * side / long).max(1);
        Self(self.0.thumbnail_exact(small(width), small(height)))
    }

    /// As PNG. Equal pixels give equal bytes.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.0.write_with_encoder(PngEncoder::new(&mut bytes));
        written.expect("PNG has all these kinds of pixels, and memory takes every byte");
        bytes
    }
}

impl From<RgbImage> for Pixels {
    fn from(image: RgbImage) -> Self {
        Self(image.into())
    }
}

/// `[channels, height, width]`, little-endian float32, in NumPy's format, version 1.0
/// (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
#[must_use]
pub fn npy(picture: &Picture) -> Vec<u8> {
    let Picture { channels, height, width, values, .. } = picture;
    npy_of(&format!("{channels}, {height}, {width}"), std::iter::once(values.as_slice()))
}

fn npy_of<'a>(shape: &str, values: impl Iterator<Item = &'a [f32]> + Clone) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    /// The data begin at a multiple of this.
    const ALIGNMENT: usize = 64;
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a header with three numbers is short");
    let numbers: usize = values.clone().map(<[f32]>::len).sum();
    let mut bytes = Vec::with_capacity(MAGIC.len() + 2 + header.len() + 4 * numbers);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(values.flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// `[rows, columns]`, little-endian float32, in the same format.
#[must_use]
pub fn npy_matrix(rows: &[&[f32]], columns: usize) -> Vec<u8> {
    npy_of(&format!("{}, {columns}", rows.len()), rows.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: u32, height: u32, width: u32, values: &[f32]) -> Picture {
        Picture { channels, alpha: false, height, width, values: values.to_vec() }
    }

    fn decoded(pixels: &Pixels) -> image::DynamicImage {
        image::load_from_memory(&pixels.png()).unwrap()
    }

    #[test]
    fn three_channels_are_colours() {
        let pixels = Pixels::of(&picture(3, 1, 2, &[0.0, 1.0, 0.5, 0.25, 1.0, 2.0]));
        assert_eq!(decoded(&pixels).to_rgb8().into_raw(), [0, 128, 255, 255, 64, 255]);
    }

    #[test]
    fn opacity_is_a_channel_more() {
        let decoded = |channels, values: &[f32]| {
            let pixels = Pixels::of(&Picture { alpha: true, ..picture(channels, 1, 1, values) });
            let decoded = decoded(&pixels);
            (decoded.color(), decoded.into_bytes())
        };
        assert_eq!(decoded(4, &[0.0, 1.0, 0.2, 0.6]), (image::ColorType::Rgba8, vec![0, 255, 51, 153]));
        assert_eq!(decoded(2, &[0.2, 0.6]), (image::ColorType::La8, vec![51, 153]));
    }

    #[test]
    fn one_channel_is_grey() {
        let decoded = decoded(&Pixels::of(&picture(1, 2, 1, &[0.2, -1.0])));
        assert_eq!((decoded.color(), decoded.into_bytes()), (image::ColorType::L8, vec![51, 0]));
    }

    #[test]
    fn other_channels_show_their_mean() {
        assert_eq!(decoded(&Pixels::of(&picture(2, 1, 1, &[0.2, 0.6]))).into_bytes(), [102]);
        assert_eq!(decoded(&Pixels::of(&picture(5, 1, 1, &[0.0, 0.0, 1.0, 0.0, 0.0]))).into_bytes(), [51]);
    }

    #[test]
    fn shrinking_keeps_the_shape() {
        let size = |pixels: &Pixels| {
            let image = decoded(pixels);
            (image.width(), image.height())
        };
        let wide = Pixels::of(&picture(1, 20, 400, &[0.5; 8000]));
        assert_eq!(size(&wide.shrunk(100)), (100, 5));
        assert_eq!(size(&wide.shrunk(10)), (10, 1));
        assert_eq!(wide.shrunk(400), wide);
    }

    #[test]
    fn npy_has_numpys_header() {
        let bytes = npy(&picture(3, 1, 2, &[0.0, 1.0, 0.5, 0.25, 1.0, 2.0]));
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert_eq!(header.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1, 2), }");
        assert!(header.ends_with('\n'));
        let values: Vec<f32> = bytes[10 + length..]
            .chunks_exact(4)
            .map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]]))
            .collect();
        assert_eq!(values, [0.0, 1.0, 0.5, 0.25, 1.0, 2.0]);
    }
}
