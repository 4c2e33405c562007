//! Pictures as bytes: 8-bit pixels, PNG, NumPy's .npy. It knows no file and no job.

use image::codecs::png::PngEncoder;
use image::imageops::thumbnail;
use image::{ExtendedColorType, GrayImage, ImageEncoder, RgbImage};
use unitscope_engine::optimize::Picture;

/// Pixels of 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// One number per pixel.
    Grey(GrayImage),
    /// Red, green, blue.
    Rgb(RgbImage),
}

impl Pixels {
    /// Rounds to 8 bits. Three channels are colours; one is grey; any other number is no picture in itself, and colours are
    /// not made up for it: the mean over the channels is shown as grey.
    #[must_use]
    pub fn of(picture: &Picture) -> Self {
        let plane = picture.height as usize * picture.width as usize;
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let channels: Vec<&[f32]> = picture.values.chunks_exact(plane).collect();
        let size = "a picture holds channels × height × width values";
        if let [red, green, blue] = channels[..] {
            let bytes =
                (0..plane).flat_map(|pixel| [red, green, blue].map(|channel| byte(channel[pixel]))).collect();
            return Self::Rgb(RgbImage::from_raw(picture.width, picture.height, bytes).expect(size));
        }
        let mean =
            |pixel: usize| channels.iter().map(|channel| channel[pixel]).sum::<f32>() / channels.len() as f32;
        let bytes = (0..plane).map(|pixel| byte(mean(pixel))).collect();
        Self::Grey(GrayImage::from_raw(picture.width, picture.height, bytes).expect(size))
    }

    /// The same, shrunk until its longer side has at most `side` pixels.
    #[must_use]
    pub fn shrunk(&self, side: u32) -> Self {
        let (width, height) = match self {
            Self::Grey(image) => image.dimensions(),
            Self::Rgb(image) => image.dimensions(),
        };
        let long = width.max(height);
        if long <= side {
            return self.clone();
        }
        // At least one pixel is left of a very flat picture; the product fits, as sides are below 2^16.
        let small = |length: u32| (length * side / long).max(1);
        match self {
            Self::Grey(image) => Self::Grey(thumbnail(image, small(width), small(height))),
            Self::Rgb(image) => Self::Rgb(thumbnail(image, small(width), small(height))),
        }
    }

    /// As PNG. Equal pixels give equal bytes.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new(&mut bytes);
        let written = match self {
            Self::Grey(image) => {
                encoder.write_image(image, image.width(), image.height(), ExtendedColorType::L8)
            }
            Self::Rgb(image) => {
                encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)
            }
        };
        written.expect("the buffer has the image's size, and memory takes every byte");
        bytes
    }
}

/// `[channels, height, width]`, little-endian float32, in NumPy's format, version 1.0
/// (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
#[must_use]
pub fn npy(picture: &Picture) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    /// The data begin at a multiple of this.
    const ALIGNMENT: usize = 64;
    let Picture { channels, height, width, values } = picture;
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({channels}, {height}, {width}), }}");
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a header with three numbers is short");
    let mut bytes = Vec::with_capacity(MAGIC.len() + 2 + header.len() + 4 * values.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: u32, height: u32, width: u32, values: &[f32]) -> Picture {
        Picture { channels, height, width, values: values.to_vec() }
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
