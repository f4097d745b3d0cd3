//! What an archive is to hold.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{
    Align, AssetId, Band, Bounds, Level, MgrsTile, Resolution, SpectralBand, Window,
};

use crate::{Error, Result};

/// What to write, and where.
///
/// The same configuration gives the same bytes, whatever the directory, and files of the same
/// modification time (on one kind of processor: sines and roots are those of the platform).
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Directory; `eodata/Sentinel-2/…` and `stac/…` are made in it.
    pub out: PathBuf,
    /// Processing level of the products.
    pub level: Level,
    /// Tile.
    pub tile: MgrsTile,
    /// First time at which a datatake may start.
    pub start: DateTime<Utc>,
    /// Time before which datatakes start.
    pub end: DateTime<Utc>,
    /// Time steps: passes of the satellites, evenly chosen.
    pub steps: usize,
    /// Images of each product. What tells where a product has data is always there: `SCL_20m` at
    /// level 2A, the detector footprints of the bands at level 1C. What a product's baseline does
    /// not have as an image (masks and `B01_20m` before 04.00) is left out of it.
    pub bands: Vec<AssetId>,
    /// Area of interest in the tile's UTM coordinates; `None` is the whole tile, which takes
    /// minutes and some 100 MB for each 10 m band.
    ///
    /// Tiles of the images that meet it are wholly filled, all others hold no data (0).
    pub bounds: Option<Bounds>,
    /// Decides the landscape, the weather and the noise.
    pub seed: u64,
    /// Whether images have a TLM marker; those of baselines since 05.12 always have.
    pub with_tlm: bool,
    /// What makes an archive less than tidy.
    pub extras: Extras,
}

/// How many time steps have what real archives have now and then. No step has two of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// Steps with a second product of the same datastrip and baseline, processed later.
    pub duplicates: usize,
    /// Steps whose product was made again with a higher baseline.
    pub superseded: usize,
    /// Steps in two products, of two datastrips that overlap by some hundred metres.
    pub split_datastrips: usize,
    /// Steps in two products, of two datastrips of which the larger ends where the other begins.
    pub disjoint_datastrips: usize,
    /// Steps that the edge of the swath goes through.
    pub swath_edges: usize,
    /// Steps whose product was made again with a higher baseline and lost a side then.
    pub lost_areas: usize,
    /// Steps whose product is of baseline 99.99; with offset and without by turns, as the metadata
    /// of the product alone tell.
    pub unofficial: usize,
    /// Steps with a second product, processed later, that has metadata but no images.
    pub without_assets: usize,
    /// Steps with a second product, processed later, of which one image is listed but not there.
    pub missing_assets: usize,
    /// Whether products of before 2022-01-25 are those of the reprocessing (baseline 05.00, in the
    /// folder `L2A_N0500`) instead of the original ones.
    pub reprocessed: bool,
}

impl Extras {
    /// Two steps of each kind: what a mission-long series has to be ridden through.
    #[must_use]
    pub const fn some_of_each() -> Self {
        Self {
            duplicates: 2,
            superseded: 2,
            split_datastrips: 2,
            disjoint_datastrips: 2,
            swath_edges: 2,
            lost_areas: 2,
            unofficial: 2,
            without_assets: 2,
            missing_assets: 2,
            reprocessed: false,
        }
    }
}

impl Config {
    /// The defaults of a small archive: level 2A, no bounds, no extras, seed 1, the bands B02, B03, B04, B08,
    /// B11 and SCL.
    pub fn new(
        out: impl Into<PathBuf>,
        tile: MgrsTile,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
        steps: usize,
    ) -> Self {
        use Band::{B02, B03, B04, B08, B11};
        let native = |band: Band| AssetId { band, resolution: band.native_resolution() };
        Self {
            out: out.into(),
            level: Level::L2A,
            tile,
            start,
            end,
            steps,
            bands: [B02, B03, B04, B08, B11].map(native).to_vec(),
            bounds: None,
            seed: 1,
            with_tlm: false,
            extras: Extras::default(),
        }
    }

    /// The images of the products, each once, and among them what tells where there is data.
    pub(super) fn assets(&self) -> Result<Vec<AssetId>> {
        let level = self.level;
        let mut assets = Vec::new();
        for asset in &self.bands {
            // the band list of one level may serve for the other
            if level == Level::L1C && *asset == scl() {
                continue;
            }
            if !asset.exists(level) {
                let reason = format!("products of level {level} have no {asset}");
                return Err(Error::option("bands", &asset.to_string(), reason));
            }
            assets.push(*asset);
        }
        match level {
            Level::L2A => assets.push(scl()),
            Level::L1C => {
                let bands: Vec<_> = assets
                    .iter()
                    .filter(|asset| asset.is_reflectance())
                    .filter_map(|asset| asset.band.spectral())
                    .collect();
                assets.extend(bands.into_iter().map(footprint));
            }
        }
        assets.sort_unstable();
        assets.dedup();
        Ok(assets)
    }

    /// The area of interest in pixels.
    pub(super) fn window(&self, resolution: Resolution) -> Result<Window> {
        let grid = self.tile.grid(resolution);
        let Some(bounds) = &self.bounds else { return Ok(grid.full()) };
        // outward, so that coarse grids have pixels where fine ones have
        grid.window(bounds, Align::R60m)
            .map_err(|error| Error::option("bounds", &format!("{bounds:?}"), error.to_string()))
    }
}

/// The scene classification.
pub(super) fn scl() -> AssetId {
    AssetId { band: Band::Scl, resolution: Resolution::R20m }
}

/// The detector footprint of a band.
fn footprint(band: SpectralBand) -> AssetId {
    AssetId { band: Band::Detfoo(band), resolution: band.native_resolution() }
}
