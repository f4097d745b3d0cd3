//! What can be wrong with a coordinate reference system or with bounds in it.

use cubeflight_sentinel2::MgrsTile;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Bounds that cannot be brought to the tile's UTM zone, with what to give instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not the code of a coordinate reference system.
    #[error(
        "`{text}` is not the code of a coordinate reference system: give EPSG:<number> or OGC:CRS84"
    )]
    Syntax {
        /// What was given.
        text: String,
    },
    /// The code is not in the database.
    #[error("{crs} is unknown: look for a code in the EPSG registry")]
    Unknown {
        /// The code.
        crs: String,
    },
    /// The code is that of a geocentric, vertical or other system without plane coordinates.
    #[error("{crs} is neither geographic nor projected: bounds need a system with x and y")]
    Kind {
        /// The code.
        crs: String,
    },
    /// There is no way from the coordinate reference system to the tile's.
    #[error("{crs} cannot be transformed to EPSG:{epsg} of tile {tile}: {reason}")]
    NoTransformation {
        /// The code.
        crs: String,
        /// The tile.
        tile: MgrsTile,
        /// The tile's own system.
        epsg: u32,
        /// What PROJ says.
        reason: String,
    },
    /// The numbers do not span an area.
    #[error(
        "bounds {bounds} in {crs} span no area: give finite numbers with min_x < max_x and \
         min_y < max_y; in a geographic system x is the longitude, and min_x > max_x means across \
         the antimeridian"
    )]
    Bounds {
        /// What was given, with commas.
        bounds: String,
        /// The code.
        crs: String,
    },
    /// The bounds have no image in the tile's zone, or one that wraps round the pole.
    #[error(
        "bounds {bounds} in {crs} reach too far from tile {tile}: give bounds within 80 degrees of \
         longitude of its zone, x (longitude) first"
    )]
    OutOfReach {
        /// What was given, with commas.
        bounds: String,
        /// The code.
        crs: String,
        /// The tile.
        tile: MgrsTile,
    },
}

impl Error {
    /// All codes of this crate.
    pub const CODES: &[&str] =
        &["CF-CRS-001", "CF-CRS-002", "CF-CRS-003", "CF-CRS-004", "CF-CRS-005", "CF-CRS-006"];

    /// The stable code of this error, `CF-CRS-NNN`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "CF-CRS-001",
            Self::Unknown { .. } => "CF-CRS-002",
            Self::Kind { .. } => "CF-CRS-003",
            Self::NoTransformation { .. } => "CF-CRS-004",
            Self::Bounds { .. } => "CF-CRS-005",
            Self::OutOfReach { .. } => "CF-CRS-006",
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
        let error = Error::Syntax { text: String::new() };
        assert_eq!(Some(&error.code()), Error::CODES.first());
    }
}
