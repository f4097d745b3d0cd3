//! Sentinel-2 domain words: tiles, products, bands, grids, windows, EOPF layout.
//!
//! Everything here is pure: no input or output, no clock, no global state. The words are those of
//! the Sentinel-2 Product Specification Document (PSD), of the EOPF product structure and of the CF
//! conventions; each type says which.

#![forbid(unsafe_code)]

mod asset;
mod attributes;
mod band;
mod baseline;
mod bounds;
mod coding;
mod delivery;
mod error;
mod filter;
mod folders;
mod geographic;
mod grid;
mod lattice;
mod level;
mod mask;
mod product;
mod radiometry;
mod request;
pub mod safe;
mod store_layout;
mod tile;
mod time;
mod time_range;
mod window;

pub use asset::{AssetId, Cells, SampleType};
pub use band::{Band, SpectralBand};
pub use baseline::Baseline;
pub use bounds::Bounds;
pub use coding::Coding;
pub use delivery::{Compression, Delivery, Order, format_step_time, step_time};
pub use error::{Error, Result};
pub use filter::{Comparison, Filter, Property, PropertyValue};
pub use folders::Wanted;
pub use grid::{Align, Grid, Resolution};
pub use lattice::{Lattice, MAX_REDUCE, centres_within, reduce_level};
pub use level::{Level, Mission};
pub use mask::SclMask;
pub use product::ProductId;
pub use radiometry::{Radiometry, harmonise, reflectance};
pub use request::{CubeRequest, DEFAULT_MESSAGE_BYTES, GroupBy, OnError, RequestBounds};
pub use store_layout::StoreLayout;
pub use tile::MgrsTile;
pub use time_range::TimeRange;
pub use window::Window;
