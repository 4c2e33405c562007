//! The passes, each a function from graph to graph; they know no file format and no tensors.

pub mod activation;
pub mod cut;
pub mod fold;
pub mod gradients;
pub mod lend;
pub mod open;
pub mod out_of_place;
pub mod redirect;
pub mod smooth;
pub mod tap;
