//! What tests, benchmarks and the demo stand on.
#![forbid(unsafe_code)]

pub mod archive;
mod error;
pub mod s3;
pub mod stac;

pub use error::{Error, Result};
