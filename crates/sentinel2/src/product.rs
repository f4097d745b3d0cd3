//! Product identifiers.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::time::{format_compact, parse_compact};
use crate::{Baseline, Error, Level, MgrsTile, Mission, Result};

/// A product's compact name (PSD, "compact naming convention"), as in
/// `S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000`.
///
/// Ordered by datatake start, then by the rest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId {
    datatake_start: DateTime<Utc>,
    mission: Mission,
    level: Level,
    tile: MgrsTile,
    relative_orbit: u16,
    baseline: Baseline,
    discriminator: String,
}

impl ProductId {
    /// The satellite.
    pub fn mission(&self) -> Mission {
        self.mission
    }

    /// The processing level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Start of the datatake, whole seconds. This is the time of the time step; the tile itself is
    /// sensed up to some ten minutes later.
    pub fn datatake_start(&self) -> DateTime<Utc> {
        self.datatake_start
    }

    /// The processing baseline.
    pub fn baseline(&self) -> Baseline {
        self.baseline
    }

    /// The relative orbit, 1 to 143.
    pub fn relative_orbit(&self) -> u16 {
        self.relative_orbit
    }

    /// The tile.
    pub fn tile(&self) -> MgrsTile {
        self.tile
    }

    /// The last part, shaped like a time. It tells products of one datatake apart; from baseline
    /// 02.06 on it is the processing time, before that any time of the datatake.
    pub fn discriminator(&self) -> &str {
        &self.discriminator
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mission, level, relative_orbit, tile, discriminator, .. } = self;
        let start = format_compact(&self.datatake_start);
        let baseline = self.baseline.id();
        write!(
            f,
            "{mission}_MSI{level}_{start}_{baseline}_R{relative_orbit:03}_T{tile}_{discriminator}"
        )
    }
}

impl FromStr for ProductId {
    type Err = Error;

    /// Reads the compact name, with or without `.SAFE`.
    fn from_str(text: &str) -> Result<Self> {
        let name = text.strip_suffix(".SAFE").unwrap_or(text);
        if is_long(name) {
            return Err(Error::LongName { text: text.to_owned() });
        }
        parse(name).map_err(|reason| Error::ProductId { text: text.to_owned(), reason })
    }
}

/// The names of before December 2016, as in
/// `S2A_OPER_PRD_MSIL1C_PDMC_20160101T000000_R022_V20160101T000000_20160101T000000`.
fn is_long(name: &str) -> bool {
    let mut parts = name.split('_');
    parts.next().is_some_and(|p| p.parse::<Mission>().is_ok())
        && parts.next().is_some_and(|p| matches!(p, "OPER" | "USER"))
}

fn parse(name: &str) -> std::result::Result<ProductId, String> {
    let parts: Vec<&str> = name.split('_').collect();
    let &[mission, level, start, baseline, orbit, tile, discriminator] = parts.as_slice() else {
        return Err(format!("it has {} parts between underscores instead of 7", parts.len()));
    };
    let id = ProductId {
        mission: mission.parse().map_err(|_| format!("`{mission}` is no satellite"))?,
        level: level
            .strip_prefix("MSI")
            .and_then(|l| l.parse().ok())
            .ok_or_else(|| format!("`{level}` is neither MSIL1C nor MSIL2A"))?,
        datatake_start: parse_compact(start)
            .ok_or_else(|| format!("the datatake start `{start}` is no date"))?,
        baseline: baseline.parse().map_err(|_| format!("`{baseline}` is no baseline"))?,
        relative_orbit: orbit
            .strip_prefix('R')
            .and_then(|digits| digits.parse().ok())
            .filter(|number| (1..=143).contains(number))
            .ok_or_else(|| format!("the orbit `{orbit}` is not R001 to R143"))?,
        tile: tile.parse().map_err(|error| format!("{error}"))?,
        discriminator: Some(discriminator)
            .filter(|text| is_stamp(text))
            .ok_or_else(|| format!("the last part `{discriminator}` is not like 20230306T172000"))?
            .to_owned(),
    };
    // The parts are read leniently elsewhere; an id has one spelling.
    let canonical = id.to_string();
    if canonical == name { Ok(id) } else { Err(format!("its spelling would be {canonical}")) }
}

/// Shaped like a time; some old discriminators are no real times.
fn is_stamp(text: &str) -> bool {
    text.len() == 15
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 8 { b == b'T' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use proptest::prelude::*;

    use super::ProductId;
    use crate::{Level, Mission};

    const ID: &str = "S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000";

    #[test]
    fn parts() {
        let id: ProductId = format!("{ID}.SAFE").parse().unwrap();
        assert_eq!(id.to_string(), ID);
        assert_eq!((id.mission(), id.level()), (Mission::S2A, Level::L2A));
        let start = Utc.with_ymd_and_hms(2021, 1, 3, 10, 14, 11).unwrap();
        assert_eq!(id.datatake_start(), start);
        assert_eq!(id.baseline().to_string(), "05.00");
        assert_eq!((id.relative_orbit(), id.tile().to_string()), (22, "33TVN".to_owned()));
        assert_eq!(id.discriminator(), "20230306T172000");
    }

    #[test]
    fn refusals() {
        for (from, to, names) in [
            ("20210103T", "20210230T", "no date"),
            ("T101411", "T241411", "no date"),
            ("S2A", "S3A", "satellite"),
            ("S2A", "s2a", "spelling"),
            ("MSIL2A", "MSIL1B", "MSIL1C"),
            ("N0500", "0500", "spelling"),
            ("N0500", "N500", "baseline"),
            ("R022", "R144", "orbit"),
            ("R022", "R22", "spelling"),
            ("R022", "R+22", "spelling"),
            ("T33TVN", "33TVN", "spelling"),
            ("T33TVN", "T61TVN", "zones"),
            ("_20230306T172000", "", "6 parts"),
            ("20230306T172000", "2023030T1720000", "last part"),
            ("20230306T172000", "20230306T172000/..", "last part"),
        ] {
            let error = ID.replacen(from, to, 1).parse::<ProductId>().unwrap_err();
            assert_eq!(error.code(), "CF-S2-011", "{to}");
            assert!(error.to_string().contains(names), "{error}");
        }
        let long = "S2A_OPER_PRD_MSIL1C_PDMC_20160101T000000_R022_V20160101T1_20160101T000000.SAFE";
        assert_eq!(long.parse::<ProductId>().unwrap_err().code(), "CF-S2-012");
    }

    #[test]
    fn sorted_by_time_first() {
        let later = ID.replace("S2A_MSIL2A_2021", "S2A_MSIL2A_2022").parse::<ProductId>().unwrap();
        let other = ID.replacen("S2A", "S2B", 1).parse::<ProductId>().unwrap();
        assert!(other < later);
    }

    proptest! {
        #[test]
        fn display_round_trips(
            mission in "S2[A-D]", level in "L1C|L2A", seconds in 0i64..4_000_000_000,
            baseline in "0[0-9][0-9][0-9]", orbit in 1u16..=143, tail in "[0-9]{8}T[0-9]{6}",
        ) {
            let start = Utc.timestamp_opt(seconds, 0).unwrap().format("%Y%m%dT%H%M%S");
            let text = format!("{mission}_MSI{level}_{start}_N{baseline}_R{orbit:03}_T01KAB_{tail}");
            let id: ProductId = text.parse().unwrap();
            prop_assert_eq!(id.to_string(), text.clone());
            prop_assert_eq!(format!("{text}.SAFE").parse::<ProductId>().unwrap(), id);
        }

        #[test]
        fn never_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<ProductId>();
        }

        #[test]
        fn damage_is_refused_or_round_trips(at in 0usize..61, byte in 0x20u8..0x7f) {
            let mut bytes = ID.as_bytes().to_vec();
            if let Some(b) = bytes.get_mut(at) { *b = byte }
            let text = String::from_utf8(bytes).unwrap();
            if let Ok(id) = text.parse::<ProductId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
