//! Pure planning: which bytes of which files give the pixels that a request asks for, and in
//! which messages they travel. Nothing here reads anything.
//!
//! - [`Layout`] says what the cube looks like: a [`Column`] per band with its window, and how its
//!   rows are cut into row-blocks. It depends on the request alone.
//! - [`AssetRead`] says what one asset costs: the JP2 tiles that the window meets, the byte ranges
//!   that hold them, and which row-blocks each tile fills.
//! - [`Plan`] puts both together for all time steps, with a [`Summary`] for people.

#![forbid(unsafe_code)]

mod asset;
mod cost;
mod error;
mod estimate;
mod footprint;
mod lattice;
mod layout;
mod planner;
mod step;

pub use asset::{
    AssetRead, HeaderSource, ReadGroup, TileArea, TileRead, TileSource, decode_area, plan_asset,
};
pub use cost::CostModel;
pub use error::{Error, Result};
pub use footprint::at_resolution;
pub use lattice::TileLattice;
pub use layout::{Column, ElementType, Layout, LayoutError, LayoutRequest};
pub use planner::plan;
pub use step::{
    Candidate, ColumnSource, Fault, MaskImage, Plan, PlannedCandidate, PlannedColumn, PlannedMask,
    PlannedPart, PlannedSource, PlannedStep, SCL, Scale, Step, StepMask, StepMetadata, StepPart,
    Summary, Unindexed,
};
