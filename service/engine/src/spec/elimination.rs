//! Several starts of each picture, of which the worse go early. It knows no tensor.

/// Pictures `k · starts` … `(k + 1) · starts − 1` are one family, of which the worse half, rounded down, goes after each of `steps`, by its
/// scores without transforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elimination {
    /// Pictures of a family, at least 2; the spec's images are a multiple.
    pub starts: u32,
    /// Rising, at least one, each in `1..=steps - 1` of the spec.
    pub steps: Vec<u32>,
}
