//! The transformation itself and its cache.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use cubeflight_sentinel2::{Bounds, MgrsTile};
use proj::Proj;

use crate::code::Code;
use crate::{Error, Result};

/// Points added to each edge, since edges become curves; the default of GDAL and pyproj.
const DENSIFY: i32 = 21;

/// Transformations kept per thread. Creating one takes milliseconds.
const CACHED: usize = 16;

/// Largest distance in longitude from the central meridian, in degrees. Transverse Mercator is
/// singular at 90 degrees and folds back beyond, so bounds on the far side of the Earth would get
/// coordinates that look like those of the tile.
const REACH: f64 = 80.0;

/// A transformation from one system to a UTM zone.
struct Transformation {
    from: Code,
    epsg: u32,
    /// Whether coordinates are longitudes and latitudes in degrees.
    degrees: bool,
    to_utm: Proj,
    to_geographic: Proj,
}

thread_local! {
    /// PROJ objects belong to one thread each; the last used stands first.
    static CACHE: RefCell<VecDeque<Rc<Transformation>>> = const { RefCell::new(VecDeque::new()) };
}

/// The smallest UTM rectangle that holds the bounds, edges densified by 21 points.
///
/// `bounds` are `[min_x, min_y, max_x, max_y]` in units of `from`, always with the easting or the
/// **longitude first**, whatever the axis order of the registry: `EPSG:4326` and `OGC:CRS84` mean
/// the same. In degrees, `min_x > max_x` means across the antimeridian. `from` is
/// `EPSG:<number>`, a bare number, or `OGC:CRS84`. Bounds in the tile's own system are returned as
/// they are.
///
/// The result may reach beyond the tile. The first use of a system on a thread reads the database
/// that is compiled in and takes some milliseconds: call from a blocking thread.
///
/// # Errors
///
/// [`Error::Syntax`], [`Error::Unknown`] and [`Error::Kind`] for what is no usable system,
/// [`Error::Bounds`] for numbers that span no area, [`Error::NoTransformation`] and
/// [`Error::OutOfReach`] for bounds that have no place in the tile's zone.
pub fn to_utm(bounds: [f64; 4], from: &str, tile: MgrsTile) -> Result<Bounds> {
    convert(bounds, from, tile, Bounds::new)
}

/// The same for one of several windows, which may be a line or a point.
///
/// # Errors
///
/// As [`to_utm`], but that [`Error::Bounds`] is only for numbers in the wrong order.
pub fn window_to_utm(bounds: [f64; 4], from: &str, tile: MgrsTile) -> Result<Bounds> {
    convert(bounds, from, tile, Bounds::with_points)
}

/// `checked` says which rectangles are bounds.
fn convert(
    bounds: [f64; 4],
    from: &str,
    tile: MgrsTile,
    checked: impl Fn(f64, f64, f64, f64) -> cubeflight_sentinel2::Result<Bounds>,
) -> Result<Bounds> {
    let code: Code = from.parse()?;
    let [min_x, min_y, max_x, max_y] = bounds;
    let degenerate = || Error::Bounds { bounds: list(&bounds), crs: code.to_string() };
    if !bounds.iter().all(|v| v.is_finite()) {
        return Err(degenerate());
    }
    if code == Code::Epsg(tile.epsg()) {
        return checked(min_x, min_y, max_x, max_y).map_err(|_| degenerate());
    }
    // whatever order longitudes are in
    checked(min_x.min(max_x), min_y, min_x.max(max_x), max_y).map_err(|_| degenerate())?;
    let transformation = cached(code, tile)?;
    // PROJ takes bounds across the antimeridian too, but returns a rectangle that is far too wide.
    let across = min_x > max_x && transformation.degrees;
    let max_x = if across { max_x + 360.0 } else { max_x };
    checked(min_x, min_y, max_x, max_y).map_err(|_| degenerate())?;
    let unwrapped = [min_x, min_y, max_x, max_y];
    let out_of_reach = || Error::OutOfReach { bounds: list(&bounds), crs: code.to_string(), tile };
    if !transformation.reaches(&unwrapped, tile) {
        return Err(out_of_reach());
    }
    let [left, bottom, right, top] = transformation
        .to_utm
        .transform_bounds(min_x, min_y, max_x, max_y, DENSIFY)
        .map_err(|_| out_of_reach())?;
    // PROJ marks what it cannot place by infinities.
    checked(left, bottom, right, top).map_err(|_| out_of_reach())
}

/// The numbers as in the request; large ones with an exponent.
fn list(bounds: &[f64; 4]) -> String {
    bounds.map(|v| format!("{v:?}")).join(",")
}

impl Transformation {
    fn new(from: Code, tile: MgrsTile) -> Result<Self> {
        let (crs, epsg) = (from.to_string(), tile.epsg());
        let description = describe(&crs)?;
        // The first type in the document is that of the whole.
        let kind =
            description.split_once("\"type\":\"").and_then(|(_, rest)| rest.split('"').next());
        let degrees = match kind {
            Some("GeographicCRS") => description.contains("\"unit\":\"degree\""),
            Some("ProjectedCRS") => false,
            _ => return Err(Error::Kind { crs }),
        };
        let transformation = |to: &str| {
            Proj::new_known_crs(&crs, to, None).map_err(|error| Error::NoTransformation {
                crs: crs.clone(),
                tile,
                epsg,
                reason: error.to_string(),
            })
        };
        let to_utm = transformation(&format!("EPSG:{epsg}"))?;
        let to_geographic = transformation(&Code::Crs84.to_string())?;
        Ok(Self { from, epsg, degrees, to_utm, to_geographic })
    }

    /// Whether corners, middles of the edges and centre lie within reach of the tile's zone.
    fn reaches(&self, bounds: &[f64; 4], tile: MgrsTile) -> bool {
        let &[min_x, min_y, max_x, max_y] = bounds;
        // Beyond a turn and a half PROJ complains about each point on standard error.
        if self.degrees && (min_x < -360.0 || max_x > 540.0 || min_y < -90.0 || max_y > 90.0) {
            return false;
        }
        let central_meridian = f64::from(tile.zone()) * 6.0 - 183.0;
        let middle = |a: f64, b: f64| a / 2.0 + b / 2.0;
        [min_x, middle(min_x, max_x), max_x].into_iter().all(|x| {
            [min_y, middle(min_y, max_y), max_y].into_iter().all(|y| {
                self.to_geographic.convert((x, y)).is_ok_and(|(longitude, _)| {
                    let turn = longitude - central_meridian;
                    // Not-a-number and infinities are out of reach.
                    turn.is_finite() && ((turn + 180.0).rem_euclid(360.0) - 180.0).abs() <= REACH
                })
            })
        })
    }
}

/// PROJJSON of a system without white space.
fn describe(crs: &str) -> Result<String> {
    let unknown = || Error::Unknown { crs: crs.to_owned() };
    let object = Proj::new(crs).map_err(|_| unknown())?;
    let mut json = object.to_projjson(Some(false), None, None).map_err(|_| unknown())?;
    json.retain(|c| !c.is_whitespace());
    Ok(json)
}

/// The transformation from this thread's cache, created where it is missing.
fn cached(from: Code, tile: MgrsTile) -> Result<Rc<Transformation>> {
    let epsg = tile.epsg();
    let hit = CACHE.with_borrow_mut(|cache| {
        let at = cache.iter().position(|t| t.from == from && t.epsg == epsg)?;
        let found = cache.remove(at)?;
        cache.push_front(Rc::clone(&found));
        Some(found)
    });
    if let Some(found) = hit {
        return Ok(found);
    }
    let created = Rc::new(Transformation::new(from, tile)?);
    CACHE.with_borrow_mut(|cache| {
        cache.truncate(CACHED - 1);
        cache.push_front(Rc::clone(&created));
    });
    Ok(created)
}

#[cfg(test)]
mod tests {
    use cubeflight_sentinel2::{Align, Bounds, MgrsTile, Resolution};
    use proj::Proj;
    use proptest::prelude::*;

    use super::{CACHE, CACHED, to_utm, window_to_utm};

    /// Corners in longitude and latitude and what pyproj makes of the lower left and upper right.
    const GEOGRAPHIC: [f64; 4] = [
        14.329_675_231_114_356,
        46.991_590_054_734_424,
        14.468_498_813_310_521,
        47.086_774_163_895_12,
    ];
    const CORNERS: [f64; 4] = [
        449_030.256_546_773_1,
        5_204_447.577_367_328,
        459_657.825_058_199_47,
        5_214_944.124_667_359,
    ];

    fn tile(name: &str) -> MgrsTile {
        name.parse().unwrap()
    }

    fn utm(bounds: [f64; 4], from: &str, name: &str) -> [f64; 4] {
        let b = to_utm(bounds, from, tile(name)).unwrap();
        [b.min_x, b.min_y, b.max_x, b.max_y]
    }

    fn code(bounds: [f64; 4], from: &str, name: &str) -> &'static str {
        to_utm(bounds, from, tile(name)).unwrap_err().code()
    }

    /// By how much the first rectangle exceeds the second on each side.
    fn margins(outer: [f64; 4], inner: [f64; 4]) -> [f64; 4] {
        [inner[0] - outer[0], inner[1] - outer[1], outer[2] - inner[2], outer[3] - inner[3]]
    }

    #[test]
    fn longitude_first() {
        let to_utm_33 = Proj::new_known_crs("EPSG:4326", "EPSG:32633", None).unwrap();
        for (lon, lat, x, y) in [
            (GEOGRAPHIC[0], GEOGRAPHIC[1], CORNERS[0], CORNERS[1]),
            (GEOGRAPHIC[2], GEOGRAPHIC[3], CORNERS[2], CORNERS[3]),
        ] {
            let found = to_utm_33.convert((lon, lat)).unwrap();
            assert!((found.0 - x).abs() < 1e-3 && (found.1 - y).abs() < 1e-3, "{found:?}");
        }
        let dense = utm(GEOGRAPHIC, "EPSG:4326", "33TVN");
        let margins = margins(dense, CORNERS);
        // Meridians converge: the box leans by up to some hundred metres.
        assert!(margins.iter().all(|m| (-1e-3..200.0).contains(m)), "{margins:?}");
        assert!(margins[1] > 50.0, "{margins:?}");
        for spelling in ["epsg:4326", "4326", "OGC:CRS84"] {
            assert_eq!(utm(GEOGRAPHIC, spelling, "33TVN"), dense);
        }
        let window = tile("33TVN")
            .grid(Resolution::R10m)
            .window(&to_utm(GEOGRAPHIC, "4326", tile("33TVN")).unwrap(), Align::Centre);
        assert!(window.is_ok_and(|w| w.width >= 1063 && w.height >= 1049));
    }

    #[test]
    fn own_system_is_returned_as_it_is() {
        assert_eq!(utm(CORNERS, "EPSG:32633", "33TVN"), CORNERS);
        assert_eq!(utm(CORNERS, "32633", "33TVN"), CORNERS);
        let [a, b, c, d] = CORNERS;
        assert_eq!(code([c, b, a, d], "32633", "33TVN"), "CF-CRS-005");
    }

    #[test]
    fn windows_may_be_points() {
        let there = Proj::new_known_crs("EPSG:4326", "EPSG:32633", None).unwrap();
        let [lon, lat, east, ..] = GEOGRAPHIC;
        let (x, y) = there.convert((lon, lat)).unwrap();
        let point = window_to_utm([lon, lat, lon, lat], "4326", tile("33TVN")).unwrap();
        assert_eq!((point.min_x, point.min_y), (point.max_x, point.max_y));
        assert!((point.min_x - x).abs() < 1e-6 && (point.min_y - y).abs() < 1e-6);
        // a parallel bends
        let line = window_to_utm([lon, lat, east, lat], "4326", tile("33TVN")).unwrap();
        assert!(line.max_x - line.min_x > 10_000.0 && line.max_y > line.min_y);
        let box_of = |bounds| window_to_utm(bounds, "4326", tile("33TVN"));
        assert_eq!(box_of(GEOGRAPHIC).unwrap(), to_utm(GEOGRAPHIC, "4326", tile("33TVN")).unwrap());
        for wrong in [[lon, lat, lon, lat - 0.1], [lon, lat, f64::NAN, lat]] {
            assert_eq!(box_of(wrong).unwrap_err().code(), "CF-CRS-005");
        }
        assert_eq!(box_of([1e3, lat, 1e3, lat]).unwrap_err().code(), "CF-CRS-006");
    }

    #[test]
    fn there_and_back() {
        for (name, crs, bounds) in [
            ("33TVN", 3035, CORNERS),
            ("33TVN", 3857, CORNERS),
            ("33TVN", 32632, CORNERS),
            ("33TVN", 4258, CORNERS),
            ("18LTM", 4326, [210_000.0, 8_600_000.0, 220_000.0, 8_610_000.0]),
            ("18LTM", 3857, [210_000.0, 8_600_000.0, 220_000.0, 8_610_000.0]),
            ("07HFE", 4326, [610_000.0, 6_400_000.0, 620_000.0, 6_410_000.0]),
        ] {
            let back = format!("EPSG:{}", tile(name).epsg());
            let away = Proj::new_known_crs(&back, &format!("EPSG:{crs}"), None).unwrap();
            let [a, b, c, d] = bounds;
            let there = away.transform_bounds(a, b, c, d, 21).unwrap();
            let margins = margins(utm(there, &crs.to_string(), name), bounds);
            // Two bounding boxes of rotated squares: never smaller, larger by the rotation only.
            let most = if crs == 32632 || crs == 3035 { 3_000.0 } else { 1_000.0 };
            assert!(margins.iter().all(|m| (-0.01..most).contains(m)), "{crs} {margins:?}");
        }
    }

    #[test]
    fn across_the_antimeridian() {
        let box_across = utm([179.0, -17.0, -179.0, -16.0], "EPSG:4326", "01KAB");
        let east = utm([-180.0, -17.0, -179.0, -16.0], "EPSG:4326", "01KAB");
        assert!((box_across[2] - east[2]).abs() < 1e-3);
        let width = box_across[2] - box_across[0];
        assert!((210_000.0..220_000.0).contains(&width), "{width}");
        // From the western side the same box is in reach of zone 60.
        let west = utm([179.0, -17.0, -179.0, -16.0], "OGC:CRS84", "60KYB");
        assert!(west[0] < 720_000.0 && west[2] > 920_000.0);
        // Longitudes beyond 180 mean the same, and the wrong way round spans the whole Earth.
        assert_eq!(utm([179.0, -17.0, 181.0, -16.0], "4326", "01KAB"), box_across);
        assert_eq!(code([-179.0, -17.0, 179.0, -16.0], "4326", "01KAB"), "CF-CRS-006");
        // Only degrees wrap.
        assert_eq!(code([4_610_000.0, 2.6e6, 4_600_000.0, 2.7e6], "3035", "33TVN"), "CF-CRS-005");
    }

    #[test]
    fn refusals() {
        let any = [14.3, 46.9, 14.5, 47.1];
        assert_eq!(code(any, "+proj=longlat", "33TVN"), "CF-CRS-001");
        assert_eq!(code(any, "EPSG:999999", "33TVN"), "CF-CRS-002");
        // Geocentric, vertical, compound; a unit.
        for crs in ["4978", "5773", "9518", "9001"] {
            assert_eq!(code(any, crs, "33TVN"), "CF-CRS-003", "{crs}");
        }
        for bounds in [
            [14.3, 46.9, 14.3, 47.1],
            [14.3, 47.1, 14.5, 46.9],
            [14.3, 46.9, f64::NAN, 47.1],
            [f64::NEG_INFINITY, 46.9, 14.5, 47.1],
        ] {
            assert_eq!(code(bounds, "4326", "33TVN"), "CF-CRS-005", "{bounds:?}");
        }
        for bounds in [
            [-180.0, -90.0, 180.0, 90.0],
            [195.0, 46.9, 196.0, 47.1],
            [-166.0, 46.9, -165.0, 47.1],
            [1000.0, 46.9, 1001.0, 47.1],
            [14.3, 89.0, 14.5, 91.0],
            [449_030.0, 5_204_447.0, 459_657.0, 5_214_944.0],
            [-1e300, -1e300, 1e300, 1e300],
        ] {
            assert_eq!(code(bounds, "4326", "33TVN"), "CF-CRS-006", "{bounds:?}");
        }
        assert_eq!(code([1e30, 2.6e6, 1e31, 2.7e6], "3035", "33TVN"), "CF-CRS-006");
        // Round the south pole.
        assert_eq!(code([-5e5, -5e5, 5e5, 5e5], "3031", "01CCV"), "CF-CRS-006");
        let text = to_utm([1e300, 0.0, 1.5e300, 1.0], "3035", tile("33TVN")).unwrap_err();
        assert!(text.to_string().contains("bounds 1e300,0.0,1.5e300,1.0 in EPSG:3035"), "{text}");
    }

    #[test]
    fn the_cache_is_bounded_and_used() {
        for zone in 1..=40 {
            let name = format!("{zone:02}N{}", if zone % 2 == 1 { "CA" } else { "MF" });
            let Ok(tile) = name.parse::<MgrsTile>() else { continue };
            let meridian = f64::from(zone) * 6.0 - 183.0;
            to_utm([meridian, 1.0, meridian + 1.0, 2.0], "4326", tile).unwrap();
        }
        let held = CACHE.with_borrow(|cache| cache.len());
        assert!((5..=CACHED).contains(&held), "{held}");
        let first = || CACHE.with_borrow(|cache| cache.front().map(std::rc::Rc::as_ptr));
        utm(GEOGRAPHIC, "4326", "33TVN");
        let before = first();
        utm(GEOGRAPHIC, "EPSG:4326", "33TWN");
        assert_eq!(first(), before, "one entry serves all tiles of a zone");
    }

    proptest! {
        #[test]
        fn never_panics(
            bounds in proptest::array::uniform4(prop_oneof![-400.0..400.0, proptest::num::f64::ANY]),
            crs in prop_oneof![Just("4326"), Just("3035"), Just("3857"), Just("32633")],
        ) {
            if let Ok(Bounds { min_x, min_y, max_x, max_y }) = to_utm(bounds, crs, tile("33TVN")) {
                prop_assert!(min_x < max_x && min_y < max_y);
            }
        }

        /// Whatever lies in the box lies in its image.
        #[test]
        fn holds_its_points(
            lon in 5.0..25.0, lat in -79.0..80.0, width in 0.01..3.0, height in 0.01..3.0,
            u in 0.0..1.0, v in 0.0..1.0,
        ) {
            let found = utm([lon, lat, lon + width, lat + height], "4326", "33TVN");
            let to_utm_33 = Proj::new_known_crs("OGC:CRS84", "EPSG:32633", None).unwrap();
            let (x, y) = to_utm_33.convert((lon + u * width, lat + v * height)).unwrap();
            // The edge is sampled: between samples it may stand out a little.
            let slack = 50.0;
            prop_assert!(found[0] - slack < x && x < found[2] + slack);
            prop_assert!(found[1] - slack < y && y < found[3] + slack);
        }
    }
}
