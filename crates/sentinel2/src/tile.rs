//! The MGRS tiles of Sentinel-2.
//!
//! A tile is a 100 km square of the Military Grid Reference System (NGA.STND.0037, appendix B),
//! grown to 109.8 km and moved outward to multiples of 60 m, so that the 10, 20 and 60 m grids of
//! one UTM zone share their lattices.

use std::fmt;
use std::str::FromStr;

use crate::grid::{Grid, Resolution};
use crate::{Error, Result};

/// Latitude bands from 80° S, 8° each, the last one 12°.
const BANDS: &[u8; 20] = b"CDEFGHJKLMNPQRSTUVWX";
/// Row letters from the equator in odd zones; even zones start at `F`.
const ROWS: &[u8; 20] = b"ABCDEFGHJKLMNPQRSTUV";
/// Column letters of zones 1, 4, …; of 2, 5, …; of 3, 6, …
const COLUMNS: [&[u8; 8]; 3] = [b"ABCDEFGH", b"JKLMNPQR", b"STUVWXYZ"];

const SQUARE: i32 = 100_000;
const FALSE_NORTHING: i32 = 10_000_000;
/// Least common multiple of the three pixel sizes.
const LATTICE: i32 = 60;

/// One MGRS tile, as in `33TVN`. Its grid follows from its name alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MgrsTile {
    zone: u8,
    band: u8,
    column: u8,
    row: u8,
    ulx: i32,
    uly: i32,
}

impl MgrsTile {
    /// UTM zone, 1 to 60.
    pub fn zone(&self) -> u8 {
        self.zone
    }

    /// Whether the tile's grid is that of the southern hemisphere (bands C to M).
    pub fn is_south(&self) -> bool {
        self.band < b'N'
    }

    /// EPSG code of the tile's grid: WGS 84 / UTM, 326zz north and 327zz south.
    pub fn epsg(&self) -> u32 {
        let hemisphere = if self.is_south() { 32_700 } else { 32_600 };
        hemisphere + u32::from(self.zone)
    }

    /// Easting and northing of the tile's upper-left corner in metres, `ULX` and `ULY` of the
    /// granule metadata; the northing is the false one in the south.
    pub fn upper_left(&self) -> (i32, i32) {
        (self.ulx, self.uly)
    }

    /// The tile's pixels at one resolution.
    pub fn grid(&self, resolution: Resolution) -> Grid {
        Grid {
            epsg: self.epsg(),
            origin_x: self.ulx,
            origin_y: self.uly,
            resolution,
            width: resolution.pixels(),
            height: resolution.pixels(),
        }
    }
}

impl fmt::Debug for MgrsTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MgrsTile({self})")
    }
}

impl fmt::Display for MgrsTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [band, column, row] = [self.band, self.column, self.row].map(char::from);
        write!(f, "{:02}{band}{column}{row}", self.zone)
    }
}

impl FromStr for MgrsTile {
    type Err = Error;

    /// Reads `33TVN`, `T33TVN`, `MGRS-33TVN` and `7HFE`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self> {
        let syntax = || Error::TileSyntax { text: text.to_owned() };
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("MGRS-").or(upper.strip_prefix('T')).unwrap_or(&upper);
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        let (number, letters) = name.split_at(digits);
        let &[band, column, row] = letters.as_bytes() else { return Err(syntax()) };
        if !(1..=2).contains(&digits) || !letters.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(syntax());
        }
        let zone = number.parse().map_err(|_| syntax())?;
        locate(zone, band, column, row)
            .map_err(|reason| Error::NoSuchTile { text: text.to_owned(), reason })
    }
}

/// Checks the letters and computes the upper-left corner.
fn locate(zone: u8, band: u8, column: u8, row: u8) -> std::result::Result<MgrsTile, String> {
    if !(1..=60).contains(&zone) {
        return Err(format!("zones are 1 to 60, not {zone}"));
    }
    let band_index = position(BANDS, band).ok_or_else(|| {
        format!("latitude bands are C to X without I and O, not {}", band as char)
    })?;
    let columns = COLUMNS[usize::from((zone - 1) % 3)];
    let column_index = position(columns, column).ok_or_else(|| {
        format!(
            "columns of zone {zone} are {}, not {}",
            String::from_utf8_lossy(columns),
            column as char
        )
    })?;
    let row_index = position(ROWS, row)
        .ok_or_else(|| format!("rows are A to V without I and O, not {}", row as char))?;

    // Odd zones count rows from A at the equator, even zones from F.
    let row_in_cycle = if zone % 2 == 1 { row_index } else { (row_index + 15) % 20 };
    let easting = (column_index + 1) * SQUARE;
    // The row letters repeat every 2,000 km: take the repetition whose square meets the band.
    let northing = (-5..5)
        .map(|cycle| (cycle * 20 + row_in_cycle) * SQUARE)
        .find(|&northing| meets_band(easting, northing, band_index))
        .ok_or_else(|| {
            format!(
                "column {} row {} does not meet latitude band {}",
                column as char, row as char, band as char
            )
        })?;

    let ulx = easting.div_euclid(LATTICE) * LATTICE;
    // Rounded up on the true northing: 10,000,000 is no multiple of 60, so rounding the false
    // northing would be off by 20 or 40 m in the south.
    let top = northing + SQUARE;
    let uly = -(-top).div_euclid(LATTICE) * LATTICE;
    let uly = if band < b'N' { uly + FALSE_NORTHING } else { uly };
    Ok(MgrsTile { zone, band, column, row, ulx, uly })
}

fn position(letters: &[u8], letter: u8) -> Option<i32> {
    letters.iter().position(|&l| l == letter).and_then(|i| i32::try_from(i).ok())
}

/// Whether the 100 km square with this west and south edge (true northing) has points inside the
/// latitude band. A square may straddle the edge of a band and belongs to both then.
fn meets_band(easting: i32, northing: i32, band: i32) -> bool {
    // The southern half mirrors the northern one.
    let (bottom, south) = if band < 10 {
        (-(northing + SQUARE), f64::from(9 - band) * 8.0)
    } else {
        (northing, f64::from(band - 10) * 8.0)
    };
    let north = match band {
        0 => 80.0,
        19 => 84.0,
        _ => south + 8.0,
    };
    if bottom < 0 {
        return false;
    }
    // On one northing the latitude falls with the distance from the central meridian.
    let west = f64::from(easting - 500_000);
    let east = west + f64::from(SQUARE);
    let near = if west <= 0.0 && east >= 0.0 { 0.0 } else { west.abs().min(east.abs()) };
    let far = west.abs().max(east.abs());
    let highest = latitude(near, f64::from(bottom + SQUARE));
    let lowest = latitude(far, f64::from(bottom));
    highest > south && lowest < north
}

/// Latitude in degrees of a UTM point given by its distance from the central meridian and from the
/// equator in metres: Krüger's series in the third flattening, to the third order (millimetres
/// over all squares), on the WGS 84 ellipsoid.
fn latitude(x: f64, y: f64) -> f64 {
    const N: f64 = 0.001_679_220_386_383_705;
    const RADIUS: f64 = 6_367_449.145_823_415 * 0.9996;
    let beta = [
        N / 2.0 - 2.0 / 3.0 * N * N + 37.0 / 96.0 * N * N * N,
        N * N / 48.0 + N * N * N / 15.0,
        17.0 / 480.0 * N * N * N,
    ];
    let (xi, eta) = (y / RADIUS, x / RADIUS);
    let (mut xi1, mut eta1) = (xi, eta);
    for (coefficient, j) in beta.into_iter().zip([2.0, 4.0, 6.0]) {
        xi1 -= coefficient * (j * xi).sin() * (j * eta).cosh();
        eta1 -= coefficient * (j * xi).cos() * (j * eta).sinh();
    }
    // From the conformal latitude back to the geodetic one.
    let conformal = (xi1.sin() / eta1.cosh()).asin();
    let delta = [
        2.0 * N - 2.0 / 3.0 * N * N - 2.0 * N * N * N,
        7.0 / 3.0 * N * N - 8.0 / 5.0 * N * N * N,
        56.0 / 15.0 * N * N * N,
    ];
    let geodetic = delta
        .into_iter()
        .zip([2.0, 4.0, 6.0])
        .fold(conformal, |sum, (coefficient, j)| sum + coefficient * (j * conformal).sin());
    geodetic.to_degrees()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BANDS, COLUMNS, MgrsTile, ROWS, SQUARE, latitude, meets_band};
    use crate::Resolution;

    #[test]
    fn corners() {
        for (name, epsg, ulx, uly) in [
            ("29UNU", 32629, 499_980, 5_900_040),
            ("32TQM", 32632, 699_960, 4_700_040),
            ("33TVN", 32633, 399_960, 5_300_040),
            ("18LTM", 32718, 199_980, 8_700_040),
            ("57KWR", 32757, 499_980, 7_600_000),
            ("07HFE", 32707, 600_000, 6_500_020),
            ("01KAB", 32701, 99_960, 8_200_000),
            ("31TDH", 32631, 399_960, 4_800_000),
            ("49WDM", 32649, 399_960, 7_200_000),
            ("55WFR", 32655, 600_000, 7_600_020),
        ] {
            let tile: MgrsTile = name.parse().unwrap();
            assert_eq!((tile.epsg(), tile.upper_left()), (epsg, (ulx, uly)), "{name}");
            assert_eq!(tile.to_string(), name);
            assert_eq!(tile.is_south(), epsg > 32700);
            let grid = tile.grid(Resolution::R20m);
            assert_eq!((grid.width, grid.height), (5490, 5490));
            assert_eq!((grid.origin_x, grid.origin_y, grid.epsg), (ulx, uly, epsg));
        }
    }

    #[test]
    fn spellings() {
        let tile: MgrsTile = "07HFE".parse().unwrap();
        for text in ["7HFE", "T07HFE", "MGRS-07HFE", "MGRS-7HFE", "t7hfe"] {
            assert_eq!(text.parse(), Ok(tile), "{text}");
        }
        assert_eq!((tile.zone(), tile.to_string().as_str()), (7, "07HFE"));
    }

    #[test]
    fn refusals() {
        for text in
            ["", "T", "33", "33TV", "33TVNX", "333TVN", "33T/N", "33tvñ", "TT33TVN", "+3TVN"]
        {
            assert_eq!(text.parse::<MgrsTile>().unwrap_err().code(), "CF-S2-001", "{text}");
        }
        for (text, says) in [
            ("00TVN", "zones"),
            ("61TVN", "zones"),
            ("33IVN", "latitude bands"),
            ("33OVN", "latitude bands"),
            ("33AVN", "latitude bands"),
            ("33BVN", "latitude bands"),
            ("33YVN", "latitude bands"),
            ("33ZVN", "latitude bands"),
            ("33TAN", "columns of zone 33 are STUVWXYZ"),
            ("31TVN", "columns of zone 31 are ABCDEFGH"),
            ("33TVW", "rows"),
            ("33TVI", "rows"),
            ("33TVA", "does not meet latitude band T"),
            ("18LTA", "does not meet latitude band L"),
        ] {
            let error = text.parse::<MgrsTile>().unwrap_err();
            assert_eq!(error.code(), "CF-S2-002", "{text}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    /// Squares on the edge of two bands have the same corner under both names.
    #[test]
    fn straddling_squares() {
        let corner = |name: &str| name.parse::<MgrsTile>().map(|t| t.upper_left());
        // 48° N lies at 5,316 km on the central meridian: row P of zone 33 (5,300 to 5,400 km).
        assert_eq!(corner("33TVP").unwrap(), corner("33UVP").unwrap());
        assert_eq!(corner("33UVN").unwrap_err().code(), "CF-S2-002");
        // The equator is an edge of rows: no square straddles it.
        assert!(corner("31NDA").is_ok() && corner("31MDV").is_ok());
        assert!(corner("31MDA").is_err() && corner("31NDV").is_err());
    }

    /// A name has at most one place: no other repetition of its row meets the band.
    #[test]
    fn places_are_unique() {
        for band in 0..20 {
            for column in 1..=8 {
                for row in 0..20 {
                    let places = (-5..5)
                        .filter(|cycle| {
                            meets_band(column * SQUARE, (cycle * 20 + row) * SQUARE, band)
                        })
                        .count();
                    assert!(places <= 1, "band {band} column {column} row {row}");
                }
            }
        }
    }

    /// On the central meridian the latitude follows from the arc length alone, here by numerical
    /// integration instead of a series.
    #[test]
    fn latitudes_on_the_central_meridian() {
        let (a, e2) = (6_378_137.0_f64, 0.006_694_379_990_141_3_f64);
        let (mut arc, mut degrees, step) = (0.0, 0.0_f64, 0.01_f64);
        while degrees < 84.0 {
            let sin = (degrees + step / 2.0).to_radians().sin();
            arc += a * (1.0 - e2) / (1.0 - e2 * sin * sin).powf(1.5) * step.to_radians();
            degrees += step;
            assert!((latitude(0.0, arc * 0.9996) - degrees).abs() < 1e-6, "{degrees}");
        }
    }

    /// Latitudes by PROJ 9.6, of eastings and northings in a northern zone.
    #[test]
    fn latitudes_off_the_central_meridian() {
        for (easting, northing, expected) in [
            (399_960.0, 5_300_040.0, 47.845_914_826_8),
            (800_000.0, 7_000_000.0, 63.005_027_789_2),
            (100_000.0, 9_300_000.0, 82.799_077_576_3),
            (900_000.0, 9_328_000.0, 83.015_443_253_6),
        ] {
            let found = latitude(easting - 500_000.0, northing);
            assert!((found - expected).abs() < 1e-7, "{easting} {northing}: {found}");
        }
    }

    proptest! {
        #[test]
        fn names_round_trip(zone in 1u8..=60, band in 0usize..20, column in 0usize..8, row in 0usize..20) {
            let column = COLUMNS[usize::from(zone - 1) % 3][column];
            let letters = [BANDS[band], column, ROWS[row]].map(char::from);
            let name = format!("{zone:02}{}{}{}", letters[0], letters[1], letters[2]);
            if let Ok(tile) = name.parse::<MgrsTile>() {
                prop_assert_eq!(tile.to_string(), name);
                let (ulx, uly) = tile.upper_left();
                // Rounded outward by less than the lattice, and whole on the lattice of the zone.
                prop_assert_eq!(ulx % 60, 0);
                prop_assert!((0..60).contains(&(100_000 - ulx % 100_000) .rem_euclid(100_000)));
                let north = if tile.is_south() { uly - 10_000_000 } else { uly };
                prop_assert_eq!(north % 60, 0);
                prop_assert!((0..60).contains(&uly.rem_euclid(100_000)));
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _ = text.parse::<MgrsTile>();
        }
    }
}
