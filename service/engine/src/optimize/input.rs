//! From a picture to what the network takes: channel order, range, mean and deviation of the model's manifest.

use crate::model::{ChannelOrder, Input};
use tch::{Device, TchError, Tensor};

/// The normalization of one model on one device: `picture · scale + shift`, channels reversed for BGR.
pub struct Normalization {
    reverse_channels: bool,
    /// `[1, c, 1, 1]`, f32, in the model's order.
    scale: Tensor,
    /// `[1, c, 1, 1]`, f32, in the model's order.
    shift: Tensor,
}

impl Normalization {
    /// Folds the manifest's range, mean and deviation into one product and one sum.
    pub fn new(input: &Input, device: Device) -> Result<Self, TchError> {
        let [low, high] = input.range;
        let column = |values: Vec<f32>| {
            Tensor::f_from_slice(&values)?.f_reshape([1, values.len() as i64, 1, 1])?.f_to(device)
        };
        let channels = || input.mean.iter().zip(&input.std);
        Ok(Self {
            reverse_channels: input.channels == ChannelOrder::Bgr,
            scale: column(channels().map(|(_, std)| (high - low) / std).collect())?,
            shift: column(channels().map(|(mean, std)| (low - mean) / std).collect())?,
        })
    }

    /// Where pictures are normalized.
    pub fn device(&self) -> Device {
        self.scale.device()
    }

    /// `[n, c, h, w]` in `0..=1`, colours red first, to the network's input of the same shape.
    pub fn apply(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        let ordered = if self.reverse_channels { pictures.f_flip([1])? } else { pictures.shallow_clone() };
        ordered.f_mul(&self.scale)?.f_add(&self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_lands_in_the_last_channel_of_a_bgr_model() {
        let input = Input {
            height: 1,
            width: 1,
            resize: None,
            range: [0.0, 255.0],
            mean: vec![104.0, 117.0, 123.0],
            std: vec![1.0, 1.0, 2.0],
            channels: ChannelOrder::Bgr,
        };
        let normalization = Normalization::new(&input, Device::Cpu).unwrap();
        let red = Tensor::from_slice(&[1.0f32, 0.0, 0.0]).reshape([1, 3, 1, 1]);
        let found = Vec::<f32>::try_from(normalization.apply(&red).unwrap().reshape([3])).unwrap();
        assert_eq!(found, [-104.0, -117.0, (255.0 - 123.0) / 2.0]);
    }
}
