//! A synthetic archive of Sentinel-2 products, coded as ESA codes them.
//!
//! [`Archive::write`] makes, below one directory, the bucket `eodata` with products of level 2A or 1C
//! in the layout of CDSE (`eodata/Sentinel-2/MSI/L2A/YYYY/MM/DD/<id>.SAFE/…`: images, metadata XML,
//! manifest) and `stac` with an item for each product in the conventions of CDSE: those of items
//! up to 2024 for datatakes before 2025, those of newer items for later ones.
//!
//! The landscape is made up: relief, rivers, fields with crops that grow and are harvested, forest,
//! villages, snow and clouds with their shadows, and a scene classification that agrees with all of
//! it. It depends on the seed and on UTM coordinates alone, so tiles of a zone join and time steps
//! are steps of one history. Noise is such that reflectance at 10 m takes some 7 to 8 bits a
//! pixel, and decoding costs what real data cost.
//!
//! Over the years products come in the baselines that were in use, and [`Extras`] bring what real
//! archives have now and then. Numbers of all baselines are such that, harmonised, they are the same.
//!
//! Not there: previews (PVI, quicklooks), `INSPIRE.xml`, the datastrip's metadata, auxiliary data, and
//! old names of files (`L2A_T…` before late 2018).

mod config;
mod facts;
mod ground;
mod manifest;
mod noise;
mod orbit;
mod product;
mod role;
mod safe_xml;
mod scene;
mod season;
mod sky;
mod spectra;
mod stac_item;
mod surface;
mod write;
mod xml;

use std::collections::BTreeMap;

use cubeflight_sentinel2::AssetId;

pub use self::config::{Config, Extras};
pub use self::product::PlannedProduct;
pub use self::scene::{Landscape, Scene};
use crate::Result;

/// An archive, planned.
#[derive(Debug)]
pub struct Archive {
    config: Config,
    products: Vec<PlannedProduct>,
    landscape: Landscape,
}

/// How far writing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Products that are done.
    pub done: usize,
    /// Products in all.
    pub total: usize,
    /// The product that is being made; empty at the end.
    pub product: &'a str,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Time steps.
    pub steps: usize,
    /// Products; more than the steps where there are extras.
    pub products: usize,
    /// Files in the products.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The filled tiles of each kind of image that was encoded.
    pub filled: BTreeMap<AssetId, AssetTotals>,
}

/// Sums over tiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AssetTotals {
    /// Pixels, those without data included.
    pub pixels: u64,
    /// Bytes of their tile-parts.
    pub bytes: u64,
}

impl AssetTotals {
    /// Bits for each pixel; 0 where there is none.
    #[must_use]
    pub fn bits_per_pixel(&self) -> f64 {
        if self.pixels == 0 { 0.0 } else { self.bytes as f64 * 8.0 / self.pixels as f64 }
    }
}

impl Archive {
    /// Decides which products there are; writes nothing.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) names what cannot be: more steps than passes,
    /// bounds outside the tile, a band that level 2A does not have.
    pub fn plan(config: Config) -> Result<Self> {
        config.assets()?;
        config.window(cubeflight_sentinel2::Resolution::R20m)?;
        let products = product::plan(&config)?;
        let landscape = Landscape::new(config.seed, config.tile);
        Ok(Self { config, products, landscape })
    }

    /// Plans and writes an archive, over what is there of it. `progress` is told of each product,
    /// and of the end.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); [`Error::Archive`](crate::Error::Archive) where a file cannot be
    /// written, [`Error::Jp2`](crate::Error::Jp2) where an image cannot be encoded.
    pub fn write(config: &Config, progress: &dyn Fn(Progress<'_>)) -> Result<Report> {
        Self::plan(config.clone())?.write_all(progress)
    }

    /// The products, by time.
    #[must_use]
    pub fn products(&self) -> &[PlannedProduct] {
        &self.products
    }

    /// What a product of the archive shows: the samples of its images.
    #[must_use]
    pub fn scene(&self, product: &PlannedProduct) -> Scene<'_> {
        Scene::new(&self.landscape, product)
    }
}
