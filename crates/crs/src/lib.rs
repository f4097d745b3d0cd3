//! Bounds in any coordinate reference system to bounds in a tile's UTM zone.
//!
//! The only crate that links PROJ. PROJ and its database are compiled in, so nothing need be
//! installed; only a `proj.db` in the folder that `PROJ_DATA` names would take its place. No grids
//! are fetched: datum shifts that need a grid file use the best transformation without one.

#![forbid(unsafe_code)]

mod code;
mod error;
mod transform;

pub use error::{Error, Result};
pub use transform::{to_utm, window_to_utm};
