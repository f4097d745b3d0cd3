//! The MGRS tiles of Sentinel-2.
//!
//! A tile is a 100 km square of the Military Grid Reference System (NGA.STND.0037, appendix B),
//! grown to 109.8 km and moved outward to multiples of 60 m, so that the 10, 20 and 60 m grids of
//! one UTM zone share their lattices.

use std::fmt;
use std::str::FromStr;

use crate::geographic::{latitude, longitude_offset};
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

    /// What encloses the tile in geographic coordinates: west, south, east, north in degrees (WGS
    /// 84), grown by some 100 m. A tile on the antimeridian has its west east of its east, as
    /// RFC 7946 (5.2) has it.
    pub fn geographic_bounds(&self) -> [f64; 4] {
        let extent = f64::from(Resolution::R60m.metres() * Resolution::R60m.pixels());
        let false_northing = if self.is_south() { FALSE_NORTHING } else { 0 };
        let west = f64::from(self.ulx - 500_000);
        let north = f64::from(self.uly - false_northing);
        let meridian = f64::from(self.zone) * 6.0 - 183.0;
        let (mut min_x, mut min_y) = (f64::INFINITY, f64::INFINITY);
        let (mut max_x, mut max_y) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        // parallels and meridians are bent in the grid: the edge is followed, not its corners only
        for step in 0..=EDGE_STEPS {
            let along = extent * f64::from(step) / f64::from(EDGE_STEPS);
            for (x, y) in [
                (west + along, north),
                (west + along, north - extent),
                (west, north - along),
                (west + extent, north - along),
            ] {
                let (lon, lat) = (meridian + longitude_offset(x, y), latitude(x, y));
                (min_x, max_x) = (min_x.min(lon), max_x.max(lon));
                (min_y, max_y) = (min_y.min(lat), max_y.max(lat));
            }
        }
        let dy = MARGIN;
        let dx = MARGIN / min_y.abs().max(max_y.abs()).to_radians().cos();
        let wrap = |lon: f64| (lon + 180.0).rem_euclid(360.0) - 180.0;
        [wrap(min_x - dx), min_y - dy, wrap(max_x + dx), max_y + dy]
    }
}

/// Points along each edge whose bounds are taken.
const EDGE_STEPS: u32 = 32;
/// Degrees of latitude by which bounds are grown: more than an edge bends between two points.
const MARGIN: f64 = 0.001;

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

    /// Against PROJ (pyproj, EPSG:326zz and 327zz to EPSG:4326, edges densified 1,000 times).
    #[test]
    fn geographic_bounds() {
        for (name, expected) in [
            ("33TVN", [13.662865, 46.858176, 15.130470, 47.853702]),
            ("29UNU", [-9.000300, 52.251592, -7.355053, 53.249626]),
            ("18LTM", [-77.762813, -12.746642, -76.745581, -11.746226]),
            ("57KWR", [158.999805, -22.695388, 160.068763, -21.700021]),
            ("01KAB", [179.239210, -17.254850, -179.715461, -16.247763]),
            ("55WFR", [149.343164, 67.453312, 152.119568, 68.494825]),
            ("07HFE", [-139.945531, -32.621057, -138.764261, -31.615848]),
        ] {
            let tile: MgrsTile = name.parse().unwrap();
            let found = tile.geographic_bounds();
            let [dx, dy] = [found[0] - expected[0], found[1] - expected[1]];
            let [ex, ey] = [expected[2] - found[2], expected[3] - found[3]];
            for outside in [-dx, -dy, -ex, -ey] {
                assert!((0.0..0.01).contains(&outside), "{name}: {found:?}, not {expected:?}");
            }
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
