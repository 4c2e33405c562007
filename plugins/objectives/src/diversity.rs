//! `diversity`: makes the images of a job differ in style, by their Gram matrices.
//!
//! With F_i = A[i] as a matrix [channels, positions], G_i = F_i·F_iᵀ and p_ij = ⟨G_i, G_j⟩, two images are alike by
//! s_ij = p_ij / √(p_ii·p_jj), from 0 to 1 for activations behind a ReLU. Image i's value is −mean over j ≠ i of s_ij.
//!
//! Every p_ij is also ‖F_iᵀ·F_j‖², a product of positions by positions. [`Form`] says which of the two is cheaper; both give the
//! p_ij and, from the weights w_ij = ∂(Σ scale·value)/∂p_ij, the gradient Σ_{j≠i} 2·w_ij·G_j·F_i + 4·w_ii·G_i·F_i.

use unitscope_sdk::{Error, Eval, Float, Grid, GridMut, Params, Shape, Tap, Term, TermInfo};

use crate::gram::add_product;
use crate::pairs::{Pairs, dot, factor, value, weights};
use crate::position::LAYER;

/// lucid's `objectives.diversity`, as a mean over pairs and with the sign that makes larger better.
pub struct Diversity {
    layer: String,
}

impl Term for Diversity {
    const INFO: TermInfo = TermInfo::objective(
        "diversity",
        "Images that differ",
        "Minus the mean similarity of an image's style with the other images of the job: the similarity of two images is the cosine \
         of their Gram matrices F·Fᵀ over channels. From −1 (all alike) to about 0; 0 for a single image. \
         Source: lucid, objectives.diversity, which sums over pairs and is subtracted; here it is a mean and is added.",
    )
    .params(&[LAYER])
    .batch_coupled();

    fn new(params: &Params<'_>) -> Result<Diversity, Error> {
        Ok(Diversity { layer: params.string("layer")? })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        let images = eval.images();
        let features: Vec<Features<T>> = (0..images).map(|image| Features::of(eval, image)).collect();
        let form = Form::cheaper(&eval.input(0).shape());
        let grams = if form == Form::Channels { channel_grams(&features) } else { Vec::new() };
        let products = match form {
            Form::Channels => products_of(&grams),
            Form::Positions => Pairs::of(images, |i, j| dot_of_positions(&features[i], &features[j])),
        };
        for image in 0..images {
            eval.set_value(image, value(&products, image));
        }
        let scale: Vec<f64> = (0..images).map(|image| eval.scale(image)).collect();
        let weights = weights(&products, &scale);
        if eval.gradient(0).is_none() {
            return Ok(());
        }
        let mixed = if form == Form::Channels { mix(&grams, &weights) } else { Vec::new() };
        for image in 0..images {
            if eval.step().cancelled() {
                return Err(Error::cancelled());
            }
            let Some(gradient) = eval.gradient(0) else { return Ok(()) };
            let sums = match form {
                Form::Channels => gradient_by_channels(&features[image], &mixed[image]),
                Form::Positions => gradient_by_positions(&features, &weights, image),
            };
            add(&sums, &mut gradient.image(image));
        }
        Ok(())
    }
}

/// Which matrix the products are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Gram matrices, channels by channels, one per image.
    Channels,
    /// Positions by positions, one per pair of images.
    Positions,
}

impl Form {
    /// Multiplications are n·C²·P in the first form, and n²·P²·C in the second.
    fn cheaper(shape: &Shape) -> Form {
        if shape.images * shape.height * shape.width < shape.channels {
            Form::Positions
        } else {
            Form::Channels
        }
    }
}

/// One image's activations in the two layouts that the products need.
struct Features<T> {
    channels: usize,
    positions: usize,
    /// [channels][positions]
    by_channel: Vec<T>,
    /// [positions][channels]
    by_position: Vec<T>,
}

impl<T: Float> Features<T> {
    fn of(eval: &Eval<'_, T>, image: usize) -> Features<T> {
        let grid = eval.input(0).image(image);
        let [channels, height, width] = grid.sizes();
        let (mut by_channel, mut by_position) = (Vec::new(), Vec::new());
        grid.copy_to(&mut by_channel);
        grid.copy_channels_last_to(&mut by_position);
        Features { channels, positions: height * width, by_channel, by_position }
    }
}

fn channel_grams<T: Float>(features: &[Features<T>]) -> Vec<Vec<f64>> {
    let gram = |f: &Features<T>| {
        let mut gram = vec![0.0; f.channels * f.channels];
        add_product(&f.by_position, &f.by_position, [f.positions, f.channels, f.channels], &mut gram);
        gram
    };
    features.iter().map(gram).collect()
}

/// Elements of all Gram matrices that are worked on together: for eight images 256 KiB, which a second-level cache holds. Each matrix is
/// then read from memory once, not once per pair.
const CHUNK: usize = 4096;

/// p_ij = ⟨G_i, G_j⟩
fn products_of(grams: &[Vec<f64>]) -> Pairs {
    let images = grams.len();
    let elements = grams.first().map_or(0, Vec::len);
    let mut products = Pairs::of(images, |_, _| 0.0);
    for start in (0..elements).step_by(CHUNK) {
        let chunk = start..(start + CHUNK).min(elements);
        let part = Pairs::of(images, |i, j| dot(&grams[i][chunk.clone()], &grams[j][chunk.clone()]));
        products.values.iter_mut().zip(&part.values).for_each(|(sum, part)| *sum += part);
    }
    products
}

/// Σ_j factor·G_j for every image i.
fn mix<T: Float>(grams: &[Vec<f64>], weights: &Pairs) -> Vec<Vec<T>> {
    let elements = grams.first().map_or(0, Vec::len);
    let mut mixed: Vec<Vec<T>> = grams.iter().map(|_| Vec::with_capacity(elements)).collect();
    let mut sums = [0.0; CHUNK];
    for start in (0..elements).step_by(CHUNK) {
        let end = (start + CHUNK).min(elements);
        for (i, mixed) in mixed.iter_mut().enumerate() {
            let sums = &mut sums[..end - start];
            sums.fill(0.0);
            for (j, gram) in grams.iter().enumerate() {
                let factor = factor(weights, i, j);
                sums.iter_mut().zip(&gram[start..end]).for_each(|(sum, gram)| *sum += factor * gram);
            }
            mixed.extend(sums.iter().copied().map(T::from_f64));
        }
    }
    mixed
}

/// F_iᵀ·F_j, [positions][positions].
fn cross<T: Float>(a: &Features<T>, b: &Features<T>) -> Vec<f64> {
    let mut cross = vec![0.0; a.positions * b.positions];
    add_product(&a.by_channel, &b.by_channel, [a.channels, a.positions, b.positions], &mut cross);
    cross
}

fn dot_of_positions<T: Float>(a: &Features<T>, b: &Features<T>) -> f64 {
    let cross = cross(a, b);
    dot(&cross, &cross)
}

/// (Σ_j factor·G_j)·F_i as [positions][channels], from the mixed Gram matrix of image i.
fn gradient_by_channels<T: Float>(f: &Features<T>, mixed: &[T]) -> Vec<f64> {
    let mut out = vec![0.0; f.positions * f.channels];
    add_product(&f.by_channel, mixed, [f.channels, f.positions, f.channels], &mut out);
    out
}

/// Σ_j factor·(F_jᵀ·F_i)ᵀ·F_jᵀ, the same as [positions][channels].
fn gradient_by_positions<T: Float>(features: &[Features<T>], weights: &Pairs, i: usize) -> Vec<f64> {
    let f = &features[i];
    let mut out = vec![0.0; f.positions * f.channels];
    for (j, other) in features.iter().enumerate() {
        let factor = factor(weights, i, j);
        let cross: Vec<T> = cross(other, f).into_iter().map(|value| T::from_f64(factor * value)).collect();
        add_product(&cross, &other.by_position, [other.positions, f.positions, f.channels], &mut out);
    }
    out
}

/// Adds [positions][channels] to an image's gradient.
fn add<T: Float>(sums: &[f64], gradient: &mut GridMut<'_, T>) {
    let sums: Vec<T> = sums.iter().copied().map(T::from_f64).collect();
    let sums = Grid::channels_last(&sums, gradient.as_grid().sizes());
    gradient.update(&sums, |sum, gradient| *gradient += sum);
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    fn host() -> MockHost {
        MockHost::new::<Diversity>(&[("layer", Given::Str("conv1"))]).expect("valid parameters")
    }

    fn values(tap: &Array) -> Vec<f64> {
        host().eval(&mut [tap.clone()], None, &vec![1.0; tap.images()], false).expect("values")
    }

    fn form(shape: [usize; 4]) -> Form {
        let [images, channels, height, width] = shape;
        Form::cheaper(&Shape { images, channels, height, width })
    }

    #[test]
    fn its_gradient_is_right_in_both_forms() {
        assert_eq!(form([3, 4, 3, 2]), Form::Channels);
        check_term(&mut host(), &[Array::random(&[3, 4, 3, 2], 3)], true);
        assert_eq!(form([3, 20, 2, 3]), Form::Positions);
        check_term(&mut host(), &[Array::random(&[3, 20, 2, 3], 4)], true);
        check_term(&mut host(), &[Array::random(&[4, 5], 5)], true);
        check_term(&mut host(), &[Array::random(&[2, 3, 7], 6)], true);
    }

    #[test]
    fn equal_images_are_worst_and_unrelated_ones_best() {
        let mut alike = Array::random(&[2, 3, 2, 2], 1);
        alike.data.copy_within(0..12, 12);
        assert!(values(&alike).iter().all(|value| (value + 1.0).abs() < 1e-12));
        let mut unrelated = Array::random(&[2, 2], 1);
        unrelated.data = vec![1.0, 0.0, 0.0, 1.0];
        assert_eq!(values(&unrelated), [0.0, 0.0]);
    }

    #[test]
    fn one_image_or_a_dead_layer_has_neither_value_nor_gradient() {
        for mut tap in [Array::random(&[1, 3, 2, 2], 1), Array::random(&[2, 3, 2, 2], 1).zeros()] {
            let mut gradients = [tap.zeros()];
            let scale = vec![1.0; tap.images()];
            let values = host().eval(std::slice::from_mut(&mut tap), Some(&mut gradients), &scale, false);
            assert!(values.expect("values").iter().chain(&gradients[0].data).all(|&value| value == 0.0));
        }
    }
}
