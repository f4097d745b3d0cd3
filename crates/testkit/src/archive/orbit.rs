//! Where the satellites pass and when, and how a tile lies to them and to the sun.
//!
//! The reference orbit repeats after 143 revolutions in 10 days; its descending passes cross the
//! equator at about 10:30 local solar time. Times and orbit numbers are anchored to real products
//! and hold to within minutes; manoeuvres are not known here.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use cubeflight_sentinel2::{MgrsTile, Mission};

use super::noise::mix;

/// One pass of a satellite over a tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Datatake {
    pub(super) mission: Mission,
    pub(super) relative_orbit: u16,
    pub(super) absolute_orbit: u32,
    /// Start of the datatake, whole seconds.
    pub(super) start: DateTime<Utc>,
    /// When the tile itself is sensed.
    pub(super) sensing: DateTime<Utc>,
    /// Of the tile from the satellite's track, kilometres, positive to the east.
    pub(super) off_track: f64,
}

/// Latitude and longitude in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

const REVOLUTIONS: i64 = 143;
const CYCLE_SECONDS: i64 = 10 * 86_400;
const INCLINATION: f64 = 98.62;
/// Longitude, to which the descending nodes of relative orbit 0 would lead.
const NODE: f64 = 193.9;
/// Half of the swath, kilometres.
const HALF_SWATH: f64 = 145.0;
/// Kilometres of a degree.
const DEGREE: f64 = 111.2;

/// Descending passes of the equator that are known from real products: mission, relative and
/// absolute orbit, seconds since 1970.
const ANCHORS: [(Mission, i64, i64, i64); 3] = [
    (Mission::S2A, 23, 38_058, 1_664_971_909),
    (Mission::S2B, 122, 40_188, 1_731_666_050),
    (Mission::S2C, 17, 8_996, 1_779_847_657),
];

/// Since when S2B delivers, and since when S2C takes S2A's place; seconds since 1970.
const SECOND_SATELLITE: i64 = 1_498_867_200;
const THIRD_SATELLITE: i64 = 1_737_417_600;

/// Angle along the orbit to the descending node and how far east of it the track is, in degrees.
fn along_track(latitude: f64) -> (f64, f64) {
    let latitude = latitude.clamp(-81.0, 81.0).to_radians();
    let inclination = INCLINATION.to_radians();
    let angle = (latitude.sin() / inclination.sin()).clamp(-1.0, 1.0).asin().to_degrees();
    let east = (latitude.tan() / -inclination.tan()).clamp(-1.0, 1.0).asin().to_degrees();
    // the earth turns below while the satellite goes to the node
    let turned = angle / 360.0 * 360.0 * 10.0 / 143.0;
    (angle, east + turned)
}

/// All passes over a tile from `start` on and before `end`, by time.
pub(super) fn datatakes(tile: MgrsTile, start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Datatake> {
    let place = centre(tile);
    let (angle, east) = along_track(place.latitude);
    let period = CYCLE_SECONDS as f64 / REVOLUTIONS as f64;
    let kilometres = DEGREE * place.latitude.to_radians().cos() * INCLINATION.to_radians().sin();
    let mut found = Vec::new();
    for orbit in 1..=REVOLUTIONS {
        let node = NODE - orbit as f64 * 3_600.0 / 143.0;
        let off = (place.longitude - east - node + 180.0).rem_euclid(360.0) - 180.0;
        let off_track = off * kilometres;
        // a tile that is only touched has hardly any data
        if off_track.abs() > HALF_SWATH + 10.0 {
            continue;
        }
        for (mission, relative, absolute, seconds) in ANCHORS {
            let revolutions = orbit - relative;
            let first = seconds as f64 + revolutions as f64 * period - angle / 360.0 * period;
            let cycle_of = |time: DateTime<Utc>| {
                ((time.timestamp() as f64 - first) / CYCLE_SECONDS as f64).floor() as i64
            };
            for cycle in cycle_of(start) - 1..=cycle_of(end) + 1 {
                let sensed = first + (cycle * CYCLE_SECONDS) as f64;
                let Some(datatake) =
                    pass(mission, orbit, absolute + revolutions + cycle * REVOLUTIONS, sensed)
                else {
                    continue;
                };
                if start <= datatake.start && datatake.start < end {
                    found.push(Datatake { off_track, ..datatake });
                }
            }
        }
    }
    found.sort_by_key(|datatake| (datatake.start, datatake.relative_orbit));
    found
}

fn pass(mission: Mission, orbit: i64, absolute: i64, sensed: f64) -> Option<Datatake> {
    let seconds = sensed as i64;
    let flies = match mission {
        Mission::S2A => seconds < THIRD_SATELLITE,
        Mission::S2B => seconds >= SECOND_SATELLITE,
        _ => seconds >= THIRD_SATELLITE,
    };
    let absolute_orbit = u32::try_from(absolute).ok().filter(|_| flies)?;
    // a datatake begins minutes before the tile; where depends on the orbit's plan
    let lead = 150 + (orbit * 53) % 240;
    let start = seconds - lead;
    let last_digit = if mission == Mission::S2B { 9 } else { 1 };
    let start = start - start.rem_euclid(10) + last_digit;
    let micros = i64::try_from(mix(absolute.cast_unsigned()) % 1_000_000).ok()?;
    Some(Datatake {
        mission,
        relative_orbit: u16::try_from(orbit).ok()?,
        absolute_orbit,
        start: DateTime::from_timestamp(start, 0)?,
        sensing: DateTime::from_timestamp(seconds, 0)? + TimeDelta::microseconds(micros),
        off_track: 0.0,
    })
}

/// Picks passes: of the orbit with the tile nearest to its track where these suffice, else of all
/// orbits, evenly over the time. `None` where there are not as many.
pub(super) fn choose(all: &[Datatake], steps: usize) -> Option<Vec<Datatake>> {
    let nearest = all.iter().min_by(|a, b| a.off_track.abs().total_cmp(&b.off_track.abs()))?;
    let one_orbit: Vec<Datatake> =
        all.iter().filter(|d| d.relative_orbit == nearest.relative_orbit).copied().collect();
    let pool = if steps <= one_orbit.len() { &one_orbit } else { all };
    if steps > pool.len() {
        return None;
    }
    let mut chosen: Vec<Datatake> = Vec::with_capacity(steps);
    for step in 0..steps {
        let (at, next) = (step * pool.len() / steps, (step + 1) * pool.len() / steps);
        let last = chosen.last().map(|datatake| datatake.mission);
        // the satellites alternate, where a step of the choice leaves room for it
        let other = pool.get(at..next)?.iter().find(|datatake| Some(datatake.mission) != last);
        chosen.push(*other.or_else(|| pool.get(at))?);
    }
    Some(chosen)
}

/// The centre of a tile.
pub(super) fn centre(tile: MgrsTile) -> Place {
    let (x, y) = tile.upper_left();
    geographic(tile, f64::from(x) + 54_900.0, f64::from(y) - 54_900.0)
}

/// Latitude and longitude of a point of a tile's grid: Krüger's series to the third order, on the
/// WGS 84 ellipsoid.
pub(super) fn geographic(tile: MgrsTile, easting: f64, northing: f64) -> Place {
    const N: f64 = 0.001_679_220_386_383_705;
    const RADIUS: f64 = 6_367_449.145_823_415 * 0.9996;
    let beta = [
        N / 2.0 - 2.0 / 3.0 * N * N + 37.0 / 96.0 * N * N * N,
        N * N / 48.0 + N * N * N / 15.0,
        17.0 / 480.0 * N * N * N,
    ];
    let delta = [
        2.0 * N - 2.0 / 3.0 * N * N - 2.0 * N * N * N,
        7.0 / 3.0 * N * N - 8.0 / 5.0 * N * N * N,
        56.0 / 15.0 * N * N * N,
    ];
    let northing = if tile.is_south() { northing - 10_000_000.0 } else { northing };
    let (xi, eta) = (northing / RADIUS, (easting - 500_000.0) / RADIUS);
    let (mut xi1, mut eta1) = (xi, eta);
    for (coefficient, j) in beta.into_iter().zip([2.0, 4.0, 6.0]) {
        xi1 -= coefficient * (j * xi).sin() * (j * eta).cosh();
        eta1 -= coefficient * (j * xi).cos() * (j * eta).sinh();
    }
    let conformal = (xi1.sin() / eta1.cosh()).asin();
    let latitude = delta
        .into_iter()
        .zip([2.0, 4.0, 6.0])
        .fold(conformal, |sum, (coefficient, j)| sum + coefficient * (j * conformal).sin());
    let longitude = eta1.sinh().atan2(xi1.cos()).to_degrees();
    let meridian = f64::from(tile.zone()) * 6.0 - 183.0;
    Place {
        latitude: latitude.to_degrees(),
        longitude: (meridian + longitude + 180.0).rem_euclid(360.0) - 180.0,
    }
}

/// Azimuth (clockwise from north) and elevation of the sun in degrees, to about 0.02 degrees
/// (Astronomical Almanac, low-precision formulas).
pub(super) fn sun(place: Place, time: DateTime<Utc>) -> (f64, f64) {
    let days = time.timestamp() as f64 / 86_400.0 - 10_957.5;
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let longitude = 280.460 + 0.985_647_4 * days;
    let longitude =
        (longitude + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 0.000_000_4 * days).to_radians();
    let declination = (obliquity.sin() * longitude.sin()).asin();
    let ascension = (obliquity.cos() * longitude.sin()).atan2(longitude.cos());
    let sidereal = (18.697_374_558 + 24.065_709_824_419_08 * days).rem_euclid(24.0) * 15.0;
    let hour = (sidereal + place.longitude).to_radians() - ascension;
    let latitude = place.latitude.to_radians();
    let elevation = (latitude.sin() * declination.sin()
        + latitude.cos() * declination.cos() * hour.cos())
    .asin();
    let azimuth =
        (-hour.sin()).atan2(declination.tan() * latitude.cos() - latitude.sin() * hour.cos());
    (azimuth.to_degrees().rem_euclid(360.0), elevation.to_degrees())
}

/// Zenith and azimuth of the satellite as seen from the tile, degrees.
pub(super) fn view(off_track: f64) -> (f64, f64) {
    let zenith = (off_track.abs() / 786.0).atan().to_degrees() * 1.125;
    // seen from the east of its track the satellite is in the west
    (zenith, if off_track > 0.0 { 285.0 } else { 105.0 })
}

/// Day of the year, from 1 on.
pub(super) fn day_of_year(time: DateTime<Utc>) -> (i32, u32) {
    (time.year(), time.ordinal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(name: &str) -> MgrsTile {
        name.parse().unwrap()
    }

    fn year(name: &str, year: i32) -> Vec<Datatake> {
        let time = |year| format!("{year}-01-01T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
        datatakes(tile(name), time(year), time(year + 1))
    }

    #[test]
    fn passes_of_a_year() {
        let all = year("33TVN", 2021);
        let orbits: std::collections::BTreeSet<u16> =
            all.iter().map(|d| d.relative_orbit).collect();
        assert_eq!(orbits.into_iter().collect::<Vec<_>>(), [22, 122]);
        assert!((144..=148).contains(&all.len()), "{}", all.len());
        // a real product of this tile: S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_…
        let real = all.iter().find(|d| d.start.to_rfc3339().starts_with("2021-01-03")).unwrap();
        assert_eq!((real.mission, real.relative_orbit), (Mission::S2A, 22));
        assert!(real.start.to_rfc3339().starts_with("2021-01-03T10:1"), "{real:?}");
        for pair in all.windows(2) {
            assert!(pair[0].start < pair[1].start);
        }
        let of_orbit: Vec<_> = all.iter().filter(|d| d.relative_orbit == 22).collect();
        for pair in of_orbit.windows(2) {
            assert_ne!(pair[0].mission, pair[1].mission);
            assert_eq!(
                (pair[1].sensing.timestamp() - pair[0].sensing.timestamp() + 30) / 60,
                7_200
            );
        }
    }

    #[test]
    fn orbits_of_real_products() {
        for (name, orbit) in [
            ("29UNU", 23),
            ("32TQM", 122),
            ("57KWR", 87),
            ("01KAB", 29),
            ("31TDH", 51),
            ("36NYH", 135),
            ("55WFR", 17),
        ] {
            assert!(year(name, 2021).iter().any(|d| d.relative_orbit == orbit), "{name}");
        }
    }

    #[test]
    fn absolute_orbits_of_real_products() {
        // S2B_MSIL2A_20200322T074609_N0500_R135_T36NYH_…, orbit 15891
        let all = year("36NYH", 2020);
        let found = all.iter().find(|d| d.absolute_orbit == 15_891).unwrap();
        assert_eq!((found.mission, found.relative_orbit), (Mission::S2B, 135));
        assert!(found.start.to_rfc3339().starts_with("2020-03-22T0"), "{found:?}");
    }

    #[test]
    fn steps_are_chosen_evenly() {
        let all = year("33TVN", 2021);
        let few = choose(&all, 12).unwrap();
        assert!(few.iter().all(|d| d.relative_orbit == few[0].relative_orbit));
        assert!(few.windows(2).all(|pair| pair[0].mission != pair[1].mission));
        let many = choose(&all, 90).unwrap();
        assert_eq!(many.len(), 90);
        assert!(many.iter().any(|d| d.relative_orbit != many[0].relative_orbit));
        assert_eq!(choose(&all, 200), None);
        assert_eq!(choose(&[], 1), None);
    }

    #[test]
    fn sun_of_a_real_product() {
        // MTD_TL.xml of S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU: zenith 57.82, azimuth 172.84
        let time = "2022-10-05T11:56:49Z".parse().unwrap();
        let (azimuth, elevation) = sun(centre(tile("29UNU")), time);
        assert!((azimuth - 172.84).abs() < 0.3, "{azimuth}");
        assert!((90.0 - elevation - 57.82).abs() < 0.2, "{elevation}");
    }

    #[test]
    fn corners_are_where_real_items_say() {
        // CDSE's item of 36NYH: upper-left corner
        let place = geographic(tile("36NYH"), 699_960.0, 300_000.0);
        assert!((place.latitude - 2.712_829).abs() < 1e-5, "{place:?}");
        assert!((place.longitude - 34.798_697).abs() < 1e-5, "{place:?}");
        assert_eq!(view(0.0).0, 0.0);
    }
}
