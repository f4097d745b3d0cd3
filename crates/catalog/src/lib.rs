//! Which products there are, behind one trait.
//!
//! A [`Catalog`] answers a [`Query`] with every product of a tile and level whose datatake starts
//! in a time range, and names what it leaves out and why. Filters (cloud cover), duplicates and
//! split datastrips are not its business: they apply to what it finds.
//!
//! - [`ArchiveListing`] walks an archive of SAFE folders and reads their metadata XML;
//! - [`StacItems`] reads STAC items from files (JSON, stac-geoparquet), in the conventions of CDSE;
//! - [`StacApi`] asks a STAC API for them;
//! - [`Mirrored`] leads to the files of a mirror that arranges them in another way.
//!
//! [`MetadataSource`] reads what such items do not say, [`resolve_steps`] makes time steps of what was
//! found.
#![forbid(unsafe_code)]

mod archive;
mod error;
mod geoparquet;
mod metadata_source;
mod mirror;
mod radiometry;
mod safe_xml;
mod stac_api;
mod stac_item;
mod stac_items;
mod steps;
#[cfg(test)]
mod tests;
mod types;
mod walk;

pub use archive::ArchiveListing;
pub use error::{Error, Result};
pub use metadata_source::MetadataSource;
pub use mirror::{Mirror, Mirrored};
pub use stac_api::{StacApi, StacApiOptions};
pub use stac_items::StacItems;
pub use steps::{Part, Rules, Steps, TimeStep, resolve_steps};
pub use types::{AssetRef, Catalog, Found, Omitted, Product, ProductMetadata, Query};
