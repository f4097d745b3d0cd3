//! What can be wrong with Sentinel-2 names, bounds and times.

use crate::{Bounds, Level, MAX_REDUCE};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A name, bounds or time that cannot be used, with what to give instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not shaped like an MGRS tile name.
    #[error(
        "`{text}` is not an MGRS tile name: give zone, latitude band and square, as in `33TVN`"
    )]
    TileSyntax {
        /// What was given.
        text: String,
    },
    /// The text is shaped like an MGRS tile name, but there is no such square.
    #[error("`{text}` names no MGRS square: {reason}")]
    NoSuchTile {
        /// What was given.
        text: String,
        /// Which part is wrong and what would be right.
        reason: String,
    },
    /// The resolution is none of the three of the instrument.
    #[error("`{text}` is not a resolution: give 10m, 20m or 60m")]
    Resolution {
        /// What was given.
        text: String,
    },
    /// The numbers do not span an area.
    #[error(
        "bounds {min_x},{min_y},{max_x},{max_y} span no area: give finite numbers with \
         min_x < max_x and min_y < max_y"
    )]
    Bounds {
        /// What was given as west edge.
        min_x: f64,
        /// What was given as south edge.
        min_y: f64,
        /// What was given as east edge.
        max_x: f64,
        /// What was given as north edge.
        max_y: f64,
    },
    /// The numbers are not those of a window.
    #[error(
        "{min_x},{min_y},{max_x},{max_y} is no window: give finite numbers with min_x <= max_x and \
         min_y <= max_y"
    )]
    Window {
        /// What was given as west edge.
        min_x: f64,
        /// What was given as south edge.
        min_y: f64,
        /// What was given as east edge.
        max_x: f64,
        /// What was given as north edge.
        max_y: f64,
    },
    /// One of several windows cannot be used.
    #[error("windows[{position}]: {error}")]
    InWindow {
        /// Which one, from 0.
        position: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// The alignment is unknown.
    #[error("`{text}` is not an alignment: give centre, 20m or 60m")]
    Align {
        /// What was given.
        text: String,
    },
    /// The bounds do not meet the tile.
    #[error(
        "bounds {wanted} lie outside the tile, which covers {tile} in EPSG:{epsg}: check the tile \
         and the coordinate reference system of the bounds"
    )]
    OutsideTile {
        /// What was asked for.
        wanted: Bounds,
        /// What the tile covers.
        tile: Bounds,
        /// The tile's coordinate reference system.
        epsg: u32,
    },
    /// The bounds meet the tile, but fall between pixel centres.
    #[error(
        "bounds {wanted} hold no pixel centre at {metres} m: widen them, or align them to 20m or 60m"
    )]
    NoPixel {
        /// What was asked for.
        wanted: Bounds,
        /// Pixel size of the grid.
        metres: u32,
    },
    /// The satellite is unknown.
    #[error("`{text}` is not a Sentinel-2 satellite: give S2A, S2B, S2C or S2D")]
    Mission {
        /// What was given.
        text: String,
    },
    /// The processing level is unknown.
    #[error("`{text}` is not a processing level: give sentinel-2-l1c or sentinel-2-l2a")]
    Level {
        /// What was given.
        text: String,
    },
    /// The processing baseline is malformed.
    #[error("`{text}` is not a processing baseline: give it as N0511 or 05.11")]
    Baseline {
        /// What was given.
        text: String,
    },
    /// The text is not a product identifier.
    #[error(
        "`{text}` is not a product id: {reason}; an id looks like \
         S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000"
    )]
    ProductId {
        /// What was given.
        text: String,
        /// Which part is wrong.
        reason: String,
    },
    /// The product has a name of the old long form, of before December 2016.
    #[error(
        "`{text}` is a long product name of before december 2016, which holds several tiles: use \
         the reprocessed product with the compact name"
    )]
    LongName {
        /// What was given.
        text: String,
    },
    /// The band is known at no level.
    #[error("`{text}` is not a band: {level} has {available}")]
    UnknownBand {
        /// What was given.
        text: String,
        /// The level that was asked.
        level: Level,
        /// What exists there.
        available: String,
    },
    /// The band exists, but not at this level or resolution.
    #[error("{level} has no `{text}`: it has {available}")]
    NotInLevel {
        /// What was given.
        text: String,
        /// The level that was asked.
        level: Level,
        /// What exists there.
        available: String,
    },
    /// The time or interval is malformed.
    #[error(
        "`{text}` is not a time range: {reason}; give start/end as in 2021-01-01/2021-12-31, with \
         .. for an open end"
    )]
    TimeRange {
        /// What was given.
        text: String,
        /// Which part is wrong.
        reason: String,
    },
    /// The interval ends before it starts.
    #[error("time range `{text}` ends before it starts: swap its ends")]
    InvertedTimeRange {
        /// What was given.
        text: String,
    },
    /// The radiometry is unknown.
    #[error("`{text}` is not a radiometry: give raw, harmonised or reflectance")]
    Radiometry {
        /// What was given.
        text: String,
    },
    /// The grouping is unknown.
    #[error("`{text}` is not a grouping: give datatake or solar_day")]
    GroupBy {
        /// What was given.
        text: String,
    },
    /// The mask cannot be used.
    #[error("mask cannot be used: {reason}")]
    Mask {
        /// Which part is wrong and what would be right.
        reason: String,
    },
    /// A condition cannot be used.
    #[error("filter `{text}` cannot be used: {reason}")]
    Filter {
        /// What was given.
        text: String,
        /// Which part is wrong and what would be right.
        reason: String,
    },
    /// The level of reduced resolution does not exist.
    #[error("reduce is {level}, but there are the levels 0 to {MAX_REDUCE}: give one of them")]
    Reduce {
        /// What was asked for.
        level: u32,
    },
}

impl Error {
    /// All codes of this crate.
    pub const CODES: &[&str] = &[
        "CF-S2-001",
        "CF-S2-002",
        "CF-S2-003",
        "CF-S2-004",
        "CF-S2-005",
        "CF-S2-006",
        "CF-S2-007",
        "CF-S2-008",
        "CF-S2-009",
        "CF-S2-010",
        "CF-S2-011",
        "CF-S2-012",
        "CF-S2-013",
        "CF-S2-014",
        "CF-S2-015",
        "CF-S2-016",
        "CF-S2-017",
        "CF-S2-018",
        "CF-S2-019",
        "CF-S2-020",
        "CF-S2-021",
        "CF-S2-022",
    ];

    /// The stable code of this error, `CF-S2-NNN`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TileSyntax { .. } => "CF-S2-001",
            Self::NoSuchTile { .. } => "CF-S2-002",
            Self::Resolution { .. } => "CF-S2-003",
            Self::Bounds { .. } => "CF-S2-004",
            Self::Align { .. } => "CF-S2-005",
            Self::OutsideTile { .. } => "CF-S2-006",
            Self::NoPixel { .. } => "CF-S2-007",
            Self::Mission { .. } => "CF-S2-008",
            Self::Level { .. } => "CF-S2-009",
            Self::Baseline { .. } => "CF-S2-010",
            Self::ProductId { .. } => "CF-S2-011",
            Self::LongName { .. } => "CF-S2-012",
            Self::UnknownBand { .. } => "CF-S2-013",
            Self::NotInLevel { .. } => "CF-S2-014",
            Self::TimeRange { .. } => "CF-S2-015",
            Self::InvertedTimeRange { .. } => "CF-S2-016",
            Self::Radiometry { .. } => "CF-S2-017",
            Self::GroupBy { .. } => "CF-S2-018",
            Self::Mask { .. } => "CF-S2-019",
            Self::Filter { .. } => "CF-S2-020",
            Self::Reduce { .. } => "CF-S2-021",
            Self::Window { .. } => "CF-S2-022",
            Self::InWindow { error, .. } => error.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Error;

    #[test]
    fn codes_are_listed_once_and_in_order() {
        let distinct: BTreeSet<_> = Error::CODES.iter().collect();
        assert_eq!(distinct.len(), Error::CODES.len());
        assert!(Error::CODES.is_sorted());
        let error = Error::Window { min_x: 1.0, min_y: 0.0, max_x: 0.0, max_y: 0.0 };
        assert_eq!(Some(&error.code()), Error::CODES.last());
    }
}
