//! Numbers per pair of images, for `diversity`: products p_ij of Gram matrices, the values made of them, and the weights of their gradients.

/// Below this the Gram matrix counts as zero, as in lucid (the ε of its `l2_normalize`, on the sum of squares).
const EPSILON: f64 = 1e-10;

/// A number per pair of images.
pub struct Pairs {
    images: usize,
    pub values: Vec<f64>,
}

impl Pairs {
    /// Symmetric: `f` is asked for i ≤ j only.
    pub fn of(images: usize, mut f: impl FnMut(usize, usize) -> f64) -> Pairs {
        let mut pairs = Pairs { images, values: vec![0.0; images * images] };
        for i in 0..images {
            for j in i..images {
                let value = f(i, j);
                pairs.values[i * images + j] = value;
                pairs.values[j * images + i] = value;
            }
        }
        pairs
    }

    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.images + j]
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Independent partial sums, so that additions need not wait for each other.
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

/// −mean over j ≠ i of s_ij.
pub fn value(products: &Pairs, i: usize) -> f64 {
    let others = (0..products.images).filter(|&j| j != i);
    let sum: f64 = others.map(|j| similarity(products, i, j)).sum();
    // Subtracted from zero, because negative zero would be a strange score.
    if products.images < 2 { 0.0 } else { 0.0 - sum / (products.images - 1) as f64 }
}

fn similarity(products: &Pairs, i: usize, j: usize) -> f64 {
    products.at(i, j) / (norm(products, i) * norm(products, j))
}

/// ‖G_i‖
fn norm(products: &Pairs, i: usize) -> f64 {
    products.at(i, i).max(EPSILON).sqrt()
}

/// w_ij = ∂(Σ_i scale_i·value_i)/∂p_ij, each pair i ≠ j counted once.
pub fn weights(products: &Pairs, scale: &[f64]) -> Pairs {
    let images = products.images;
    if images < 2 {
        return Pairs::of(images, |_, _| 0.0);
    }
    let share = |i: usize, j: usize| (scale[i] + scale[j]) / (images - 1) as f64;
    Pairs::of(images, |i, j| {
        if i != j {
            return -share(i, j) / (norm(products, i) * norm(products, j));
        }
        if products.at(i, i) <= EPSILON {
            return 0.0;
        }
        let others = (0..images).filter(|&j| j != i);
        let sum: f64 = others.map(|j| share(i, j) * similarity(products, i, j)).sum();
        sum / (2.0 * products.at(i, i))
    })
}

/// The factor of G_j·F_i in image i's gradient.
pub fn factor(weights: &Pairs, i: usize, j: usize) -> f64 {
    if i == j { 4.0 * weights.at(i, i) } else { 2.0 * weights.at(i, j) }
}
