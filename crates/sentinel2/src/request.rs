//! What a user asks for, in the domain's words.

use crate::{Align, AssetId, Level, MgrsTile, ProductId, Radiometry, TimeRange};

/// What happens to an asset that is permanently broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// Its pixels become fill and the step says so.
    #[default]
    Mark,
    /// The cube ends with the error.
    Fail,
}

/// Bounds as requested, in the coordinate reference system that was named.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestBounds {
    /// `[min_x, min_y, max_x, max_y]` in units of the CRS; x is longitude where it is geographic.
    pub rectangle: [f64; 4],
    /// Code of the CRS (`EPSG:4326`); `None` is the UTM zone of the tile.
    pub crs: Option<String>,
}

/// A cube: which pixels of which products.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeRequest {
    /// Processing level, which is the collection.
    pub level: Level,
    /// The MGRS tile.
    pub tile: MgrsTile,
    /// Interval of datatake starts, both ends included.
    pub time: TimeRange,
    /// Assets in the order of the columns; none twice.
    pub assets: Vec<AssetId>,
    /// `None` is the whole tile.
    pub bounds: Option<RequestBounds>,
    /// How bounds become a window.
    pub align: Align,
    /// Largest cloud cover of a time step, percent.
    pub cloud_cover_max: Option<f64>,
    /// Only these products; empty is all that match.
    pub product_ids: Vec<ProductId>,
    /// What the numbers of reflectance columns mean.
    pub radiometry: Radiometry,
    /// What happens to a permanently broken asset.
    pub on_error: OnError,
    /// Largest body of one message in bytes.
    pub max_message_bytes: u32,
}

/// Largest body of a message unless the request says otherwise: gRPC clients in Rust and Go refuse
/// messages above 4 MiB, and what surrounds the body needs less than 64 KiB.
pub const DEFAULT_MESSAGE_BYTES: u32 = 4 * 1024 * 1024 - 64 * 1024;
