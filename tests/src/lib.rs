//! What the tests of several crates share; the tests of the whole are in `it/`. It knows no proto and no tensor.

pub mod build;
