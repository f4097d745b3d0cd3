//! Solar days.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use cubeflight_sentinel2::{MgrsTile, Resolution};

/// Metres of a degree along the equator and along a meridian.
const DEGREE: f64 = 111_320.0;
/// Seconds in which the sun moves by one degree.
const SECONDS: f64 = 240.0;

/// The date at the tile's centre by the mean sun.
pub(super) fn day(time: DateTime<Utc>, tile: MgrsTile) -> NaiveDate {
    let shift = TimeDelta::seconds((longitude(tile) * SECONDS).round() as i64);
    time.checked_add_signed(shift).unwrap_or(time).date_naive()
}

/// Longitude of the tile's centre in degrees, on a sphere: right to a tenth of a degree, that is to
/// half a minute of the sun, while the satellites pass hours away from midnight. Not wrapped: a turn
/// is a day.
fn longitude(tile: MgrsTile) -> f64 {
    let grid = tile.grid(Resolution::R60m).bounds();
    let false_northing = if tile.is_south() { 10_000_000.0 } else { 0.0 };
    let north = (grid.min_y + grid.max_y) / 2.0 - false_northing;
    let east = (grid.min_x + grid.max_x) / 2.0 - 500_000.0;
    let latitude = (north / DEGREE).to_radians();
    f64::from(tile.zone()) * 6.0 - 183.0 + east / (DEGREE * latitude.cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes() {
        // what pyproj makes of the centres
        for (tile, expected) in [
            ("33TVN", 14.4022),
            ("29UNU", -8.1869),
            ("18LTM", -77.2533),
            ("57KWR", 159.5324),
            ("01KAB", 179.7632 - 360.0),
        ] {
            let found = longitude(tile.parse().unwrap());
            assert!((found - expected).abs() < 0.1, "{tile}: {found}");
        }
    }

    #[test]
    fn days_begin_at_midnight_by_the_sun() {
        let tile = "57KWR".parse().unwrap();
        let day = |time: &str| day(time.parse().unwrap(), tile).to_string();
        // 159.5 degrees east: 10 h 38 min ahead
        assert_eq!(day("2024-08-04T13:20:00Z"), "2024-08-04");
        assert_eq!(day("2024-08-04T13:23:00Z"), "2024-08-05");
        assert_eq!(day("2024-08-04T23:38:19Z"), "2024-08-05");
    }
}
