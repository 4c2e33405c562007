//! .
pub mod abi;
