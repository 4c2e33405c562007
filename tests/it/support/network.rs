//! What a network makes of pictures, run by the engine itself: the tests' own eye. It knows no server.

use std::path::Path;
use tch::{Device, Tensor};
use unitscope_engine::model::{Model, Program, Reader};

/// A network of RGB pictures from 0 to 1, cut at one layer.
pub struct Network {
    program: Program,
    mean: Tensor,
    std: Tensor,
}

impl Network {
    /// Loads a model folder.
    pub fn new(folder: &Path, layer: &str) -> Self {
        let model = Model::load(folder, &Reader::default()).expect("the model is good");
        let input = &model.manifest().input;
        assert_eq!(input.range, [0.0, 1.0], "pictures are read as they are");
        let channels = |values: &[f32]| Tensor::from_slice(values).view([1, -1, 1, 1]);
        let (mean, std) = (channels(&input.mean), channels(&input.std));
        Self {
            program: model
                .program(&[layer.to_owned()], model.size(), Device::Cpu)
                .expect("the layer is there"),
            mean,
            std,
        }
    }

    /// The layer's values for these PNGs of one size, `[n, …]`, float32.
    pub fn look(&self, pngs: &[Vec<u8>]) -> Tensor {
        let pictures: Vec<Tensor> = pngs.iter().map(|png| pixels(png)).collect();
        let input = (Tensor::stack(&pictures, 0) - &self.mean) / &self.std;
        let outputs = tch::no_grad(|| self.program.run(&input));
        outputs.expect("the network takes pictures of this size").remove(0)
    }
}

/// `[3, height, width]`, float32, in 0..=1.
pub fn pixels(png: &[u8]) -> Tensor {
    let picture = image::load_from_memory(png).expect("the server makes PNGs").into_rgb32f();
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    Tensor::from_slice(picture.as_raw()).view([height, width, 3]).permute([2, 0, 1]).contiguous()
}
