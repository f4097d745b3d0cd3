//! Questions to a catalogue and its answers.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{AssetId, Band, Level, MgrsTile, ProductId, TimeRange};

use crate::Result;

/// Somewhere that knows which products there are.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// Every product that the query asks for.
    ///
    /// Fails only where the catalogue as a whole cannot be read; a product that cannot be used is
    /// in [`Found::omitted`].
    async fn search(&self, query: &Query) -> Result<Found>;
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Processing level.
    pub level: Level,
    /// Tile.
    pub tile: MgrsTile,
    /// When the datatake starts, both ends included.
    pub time: TimeRange,
    /// Only these products; empty means all.
    pub product_ids: Vec<ProductId>,
}

impl Query {
    /// Whether a product is asked for, as far as its id tells (which is all the way).
    pub fn matches(&self, id: &ProductId) -> bool {
        id.level() == self.level
            && id.tile() == self.tile
            && self.time.contains(id.datatake_start())
            && (self.product_ids.is_empty() || self.product_ids.contains(id))
    }
}

/// What a search gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// By datatake start, then by id; no id twice.
    pub products: Vec<Product>,
    /// What the search came across and left out, by id.
    pub omitted: Vec<Omitted>,
}

impl Found {
    /// Sorts, keeps the first of equal ids, and names the pinned products that are nowhere.
    pub(crate) fn finish(mut self, query: &Query) -> Self {
        self.products.sort_by(|a, b| a.id.cmp(&b.id));
        self.products.dedup_by(|second, first| {
            let same = second.id == first.id;
            if same {
                let reason = "found a second time; the first is used".to_owned();
                self.omitted.push(Omitted {
                    id: second.id.to_string(),
                    code: "duplicate_id",
                    reason,
                });
            }
            same
        });
        for pin in &query.product_ids {
            let id = pin.to_string();
            let known = self.products.iter().any(|product| product.id == *pin)
                || self.omitted.iter().any(|omitted| omitted.id == id);
            if !known {
                let reason = "asked for by id, but not in the catalogue for this tile, level and \
                              time"
                    .to_owned();
                self.omitted.push(Omitted { id, code: "not_in_catalog", reason });
            }
        }
        self.omitted.sort_by(|a, b| (&a.id, a.code).cmp(&(&b.id, b.code)));
        self
    }
}

/// A product that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omitted {
    /// Id of the product, or the name of what holds it where that is unreadable.
    pub id: String,
    /// Why, for programs: `long_name`, `unreadable_id`, `unreadable_file`, `unreadable_item`,
    /// `unreadable_metadata`, `no_assets`, `cog_asset`, `asset_mismatch`, `grid_mismatch`,
    /// `baseline_mismatch`, `too_many_objects`, `several_granules`, `duplicate_id`, `not_in_catalog`,
    /// `other_collection`, `not_on_mirror`.
    pub code: &'static str,
    /// Why, for people.
    pub reason: String,
}

impl Omitted {
    pub(crate) fn new(id: impl ToString, code: &'static str, reason: impl Into<String>) -> Self {
        Self { id: id.to_string(), code, reason: reason.into() }
    }
}

/// One product and where its images are.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Name of its granule folder.
    pub granule: Option<String>,
    /// Start of its datastrip; tells parts of a scene from duplicates.
    pub datastrip_start: Option<DateTime<Utc>>,
    /// Its images. Hrefs come from the catalogue and are to be resolved against a configured
    /// store before they are read. Masks that a catalogue does not list are derived from the SAFE
    /// layout, without size; they may turn out not to exist.
    pub assets: BTreeMap<AssetId, AssetRef>,
    /// What is known about it without reading pixels.
    pub metadata: ProductMetadata,
}

/// Where one image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRef {
    /// URL.
    pub href: String,
    /// Bytes.
    pub size: Option<u64>,
    /// ETag of the store.
    pub etag: Option<String>,
    /// Checksum of the file as multihash in hexadecimal digits (`1620…` SHA3-256, `d50110…` MD5),
    /// as the STAC extension `file` has it.
    pub checksum: Option<String>,
}

/// What is known about a product without reading pixels; `None` is unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProductMetadata {
    /// Percent of the product.
    pub cloud_cover: Option<f64>,
    /// Percent of the product.
    pub snow_cover: Option<f64>,
    /// Percent of the tile without data.
    pub no_data: Option<f64>,
    /// Mean, degrees clockwise from north.
    pub sun_azimuth: Option<f64>,
    /// Mean, degrees above the horizon.
    pub sun_elevation: Option<f64>,
    /// Mean over the bands, degrees clockwise from north.
    pub view_azimuth: Option<f64>,
    /// Mean over the bands, degrees from the vertical.
    pub view_incidence: Option<f64>,
    /// When the tile was sensed; up to some ten minutes after the start of the datatake.
    pub sensing_time: Option<DateTime<Utc>>,
    /// What the product's own metadata says is to be added to raw reflectance, by spectral band;
    /// empty where it was not read (the baseline may then tell).
    pub radiometric_offset: BTreeMap<Band, i16>,
    /// What (DN + offset) is divided by to give reflectance.
    pub quantification: Option<f64>,
    /// When the product was made; tells which of two products of early baselines is the later one.
    pub processed: Option<DateTime<Utc>>,
}
