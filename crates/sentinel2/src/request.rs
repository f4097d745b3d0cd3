//! What a user asks for, in the domain's words.

use std::fmt;
use std::str::FromStr;

use crate::{
    Align, AssetId, Delivery, Error, Filter, Level, MgrsTile, ProductId, Radiometry, Result,
    SclMask, TimeRange,
};

/// Which products make one time step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum GroupBy {
    /// Those of one datatake start.
    #[default]
    Datatake,
    /// Those of one solar day: the date of the datatake start shifted by the longitude of the
    /// tile's centre, 15 degrees an hour.
    SolarDay,
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Datatake => "datatake",
            Self::SolarDay => "solar_day",
        })
    }
}

impl FromStr for GroupBy {
    type Err = Error;

    /// Reads `datatake` and `solar_day`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "datatake" => Ok(Self::Datatake),
            "solar_day" => Ok(Self::SolarDay),
            _ => Err(Error::GroupBy { text: text.to_owned() }),
        }
    }
}

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
    /// `None` is the whole tile, unless there are windows.
    pub bounds: Option<RequestBounds>,
    /// Several areas instead of bounds: row-block k of a time step is window k. They may be points.
    pub windows: Vec<RequestBounds>,
    /// How bounds become a window.
    pub align: Align,
    /// Level of reduced resolution, 0 (full) to [`MAX_REDUCE`](crate::MAX_REDUCE): pixels are
    /// 2^level times as large.
    pub reduce: u8,
    /// Largest cloud cover of a time step, percent.
    pub cloud_cover_max: Option<f64>,
    /// Further conditions on time steps.
    pub filters: Vec<Filter>,
    /// Which products make one time step.
    pub group_by: GroupBy,
    /// Only these products; empty is all that match.
    pub product_ids: Vec<ProductId>,
    /// What the numbers of reflectance columns mean.
    pub radiometry: Radiometry,
    /// Reflectance that becomes fill.
    pub mask: Option<SclMask>,
    /// Smallest share of valid pixels of a time step, 0 to 1; steps below it are skipped.
    pub min_valid: Option<f64>,
    /// What happens to a permanently broken asset.
    pub on_error: OnError,
    /// Largest body of one message in bytes.
    pub max_message_bytes: u32,
    /// Which steps are sent, and how.
    pub delivery: Delivery,
}

impl CubeRequest {
    /// What raw reflectance of every product that the request can give needs added, where the
    /// request alone tells: products are pinned, and the baselines in their ids have one offset.
    pub fn raw_offset(&self) -> Option<i16> {
        let mut offsets = self.product_ids.iter().map(|id| id.baseline().radiometric_offset());
        let first = offsets.next().flatten()?;
        let raw = self.radiometry == Radiometry::Raw;
        (raw && offsets.all(|offset| offset == Some(first))).then_some(first)
    }
}

/// Largest body of a message unless the request says otherwise: gRPC clients in Rust and Go refuse
/// messages above 4 MiB, and what surrounds the body needs less than 64 KiB.
pub const DEFAULT_MESSAGE_BYTES: u32 = 4 * 1024 * 1024 - 64 * 1024;

#[cfg(test)]
mod tests {
    use crate::{Align, CubeRequest, DEFAULT_MESSAGE_BYTES, Level, OnError, Radiometry, TimeRange};

    #[test]
    fn the_offset_of_pinned_products() {
        let offset = |radiometry: Radiometry, baselines: &[&str]| {
            let id = |baseline: &&str| {
                format!("S2A_MSIL2A_20210103T101411_{baseline}_R022_T33TVN_20230306T172000")
                    .parse()
                    .unwrap()
            };
            let request = CubeRequest {
                level: Level::L2A,
                tile: "33TVN".parse().unwrap(),
                time: TimeRange::default(),
                assets: Vec::new(),
                bounds: None,
                windows: Vec::new(),
                align: Align::default(),
                reduce: 0,
                cloud_cover_max: None,
                product_ids: baselines.iter().map(id).collect(),
                radiometry,
                filters: Vec::new(),
                group_by: crate::GroupBy::default(),
                mask: None,
                min_valid: None,
                on_error: OnError::default(),
                max_message_bytes: DEFAULT_MESSAGE_BYTES,
                delivery: crate::Delivery::default(),
            };
            request.raw_offset()
        };
        assert_eq!(offset(Radiometry::Raw, &[]), None);
        assert_eq!(offset(Radiometry::Raw, &["N0214", "N0301"]), Some(0));
        assert_eq!(offset(Radiometry::Raw, &["N0400", "N0511"]), Some(-1000));
        assert_eq!(offset(Radiometry::Raw, &["N0214", "N0500"]), None);
        assert_eq!(offset(Radiometry::Raw, &["N0500", "N9999"]), None);
        assert_eq!(offset(Radiometry::Raw, &["N9999"]), None);
        assert_eq!(offset(Radiometry::Harmonised, &["N0500"]), None);
        assert_eq!(offset(Radiometry::Reflectance, &["N0500"]), None);
    }
}
