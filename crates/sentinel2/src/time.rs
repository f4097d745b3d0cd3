//! The compact time stamps of Sentinel-2 names.

use chrono::{DateTime, TimeZone, Utc};

/// Reads `20210103T101411`; `None` unless it is a real date and time.
pub(crate) fn parse_compact(text: &str) -> Option<DateTime<Utc>> {
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok())?
    };
    if text.len() != 15 || text.as_bytes().get(8) != Some(&b'T') {
        return None;
    }
    let year = i32::try_from(digits(0..4)?).ok()?;
    Utc.with_ymd_and_hms(
        year,
        digits(4..6)?,
        digits(6..8)?,
        digits(9..11)?,
        digits(11..13)?,
        digits(13..15)?,
    )
    .single()
}

/// Writes what [`parse_compact`] reads.
pub(crate) fn format_compact(time: &DateTime<Utc>) -> impl std::fmt::Display + use<> {
    time.format("%Y%m%dT%H%M%S")
}
