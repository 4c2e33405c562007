//! Memory that plain Rust and libtorch share: a batch of pictures, and activations as slices. `unsafe` lives here.

use super::reading::Extent;
use super::reduce::Order;
use tch::{Device, Kind, TchError, Tensor};

/// Pictures on the CPU that go through the network together, float32.
pub struct Batch {
    /// `[n, h, w, c]`, contiguous.
    tensor: Tensor,
    /// Numbers of one picture.
    picture: usize,
}

impl Batch {
    /// Zeros of this shape: pictures, channels, rows, columns.
    pub fn new([n, c, h, w]: [u32; 4]) -> Result<Self, TchError> {
        let tensor = Tensor::f_zeros([n, h, w, c].map(i64::from), (Kind::Float, Device::Cpu))?;
        Ok(Self { tensor, picture: [c, h, w].iter().map(|&size| size as usize).product() })
    }

    /// The numbers of one picture, `h × w × c`. Below the batch's size.
    pub fn picture(&mut self, place: usize) -> &mut [f32] {
        assert!(place < self.tensor.size()[0] as usize, "a batch has room for {:?}", self.tensor.size());
        // SAFETY: the tensor was made above: contiguous float32 on the CPU, of n × `picture` numbers, of which these are inside. Nobody else
        // has it: `input` borrows `self`, and its result shares the memory only until the network has read it (see there).
        unsafe {
            let first = self.tensor.data_ptr().cast::<f32>().add(place * self.picture);
            std::slice::from_raw_parts_mut(first, self.picture)
        }
    }

    /// `[n, c, h, w]`, on that device. On the CPU it shares the batch's memory: drop it before the next [`Batch::picture`].
    pub fn input(&self, device: Device) -> Result<Tensor, TchError> {
        self.tensor.f_permute([0, 3, 1, 2])?.f_to(device)
    }
}

/// Activations of one layer for all images of a batch, on the CPU.
pub struct Activations {
    tensor: Tensor,
    /// How each image's numbers lie.
    pub order: Order,
    /// Numbers of one image.
    image: usize,
}

impl Activations {
    /// Of a layer's tensor, float32 by image. Copies it where it lies neither channels first nor channels last, or on another device.
    pub fn of(layer: &Tensor, extent: &Extent) -> Result<Self, TchError> {
        let layer = layer.detach().f_to(Device::Cpu)?;
        let rank = layer.dim();
        let channel = extent.channel_axis;
        // Channels moved to the end; contiguous then means channels last.
        let last: Vec<i64> =
            (0..rank).filter(|&axis| axis != channel).chain([channel]).map(|axis| axis as i64).collect();
        let moved = layer.f_permute(&last[..])?;
        let (tensor, order) = if moved.is_contiguous() {
            (moved, Order::ChannelsLast)
        } else if channel == 1 && layer.is_contiguous() {
            (layer, Order::ChannelsFirst)
        } else {
            (moved.f_contiguous()?, Order::ChannelsLast)
        };
        let image = extent.channels as usize * extent.elements();
        if tensor.kind() != Kind::Float
            || tensor.numel() != tensor.size().first().map_or(0, |n| *n as usize) * image
        {
            return Err(TchError::Shape(format!(
                "a layer of shape {:?} is not the {extent:?} that it was",
                tensor.size()
            )));
        }
        Ok(Self { tensor, order, image })
    }

    /// The numbers of one image, channels × elements. Below the batch's size.
    pub fn image(&self, place: usize) -> &[f32] {
        assert!(place < self.tensor.size()[0] as usize, "there are {:?} activations", self.tensor.size());
        // SAFETY: `of` made sure that the tensor is contiguous float32 on the CPU of n × `image` numbers, of which these are inside; it
        // lives as long as `self`, and nobody writes to activations.
        unsafe {
            let first = self.tensor.data_ptr().cast::<f32>().add(place * self.image);
            std::slice::from_raw_parts(first, self.image)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading::Space;
    use super::*;

    #[test]
    fn pictures_reach_the_network_by_channel() {
        let mut batch = Batch::new([2, 3, 1, 2]).unwrap();
        batch.picture(1).copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let input = batch.input(Device::Cpu).unwrap();
        assert_eq!(input.size(), [2, 3, 1, 2]);
        let numbers = Vec::<f32>::try_from(input.contiguous().reshape([-1])).unwrap();
        assert_eq!(numbers, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    /// Channel c at row r and column s is 100c + 10r + s, whatever the layout.
    #[test]
    fn activations_are_found_in_every_layout() {
        let value = |c: usize, r: usize, s: usize| (100 * c + 10 * r + s) as f32;
        let numbers: Vec<f32> = (0..2 * 3 * 4).map(|i| value(i / 12, i / 4 % 3, i % 4)).collect();
        let rows = Tensor::from_slice(&numbers).reshape([1, 2, 3, 4]);
        let check = |layer: Tensor, channel_axis: usize, expected: Order| {
            let extent =
                Extent { channels: 2, prefix: 0, rows: 3, columns: 4, space: Space::Map, channel_axis };
            let found = Activations::of(&layer, &extent).unwrap();
            assert_eq!(found.order, expected);
            for (place, number) in found.image(0).iter().enumerate() {
                let (c, p) = match expected {
                    Order::ChannelsFirst => (place / 12, place % 12),
                    Order::ChannelsLast => (place % 2, place / 2),
                };
                assert_eq!(*number, value(c, p / 4, p % 4));
            }
        };
        check(rows.shallow_clone(), 1, Order::ChannelsFirst);
        check(rows.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]), 1, Order::ChannelsLast);
        check(rows.permute([0, 2, 3, 1]).contiguous(), 3, Order::ChannelsLast);
        check(rows.permute([0, 2, 3, 1]), 3, Order::ChannelsLast);
        check(rows.transpose(2, 3).contiguous().transpose(2, 3), 1, Order::ChannelsLast);
        check(rows.permute([0, 2, 1, 3]).contiguous(), 2, Order::ChannelsLast);
        let wrong =
            Extent { channels: 5, prefix: 0, rows: 3, columns: 4, space: Space::Map, channel_axis: 1 };
        assert!(Activations::of(&rows, &wrong).is_err());
    }
}
