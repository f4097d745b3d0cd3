//! Which products there are, behind one trait.
//!
//! A [`Catalog`] answers a [`Query`] with every product of a tile and level whose datatake starts
//! in a time range, and names what it leaves out and why. Filters (cloud cover), duplicates and
//! split datastrips are not its business: they apply to what it finds.
//!
//! - [`ArchiveListing`] walks an archive of SAFE folders and reads their metadata XML;
//! - [`StacItems`] reads STAC items from files (JSON, stac-geoparquet), in the conventions of CDSE.
#![forbid(unsafe_code)]

mod archive;
mod error;
mod geoparquet;
mod safe_xml;
mod stac_item;
mod stac_items;
mod steps;
#[cfg(test)]
mod tests;
mod types;
mod walk;

pub use archive::ArchiveListing;
pub use error::{Error, Result};
pub use stac_items::StacItems;
pub use steps::{Steps, TimeStep, resolve_steps};
pub use types::{AssetRef, Catalog, Found, Omitted, Product, ProductMetadata, Query};
