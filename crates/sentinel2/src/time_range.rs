//! Intervals of time as STAC writes them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

use crate::{Error, Result};

/// An interval of time, both ends included; an end that is `None` is open.
///
/// Read from the `datetime` of a STAC search (RFC 3339 with `/` and `..`). Dates that leave out
/// parts are widened as pystac-client does: a start to its first second, an end to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TimeRange {
    /// First moment.
    pub start: Option<DateTime<Utc>>,
    /// Last moment.
    pub end: Option<DateTime<Utc>>,
}

impl TimeRange {
    /// Checks that the interval does not end before it starts.
    pub fn new(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Result<Self> {
        let range = Self { start, end };
        match (start, end) {
            (Some(start), Some(end)) if end < start => {
                Err(Error::InvertedTimeRange { text: range.to_string() })
            }
            _ => Ok(range),
        }
    }

    /// Whether the moment lies in the interval.
    pub fn contains(&self, time: DateTime<Utc>) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

impl fmt::Display for TimeRange {
    /// `2021-01-01T00:00:00Z/2021-12-31T23:59:59Z`, with `..` for open ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |time: Option<DateTime<Utc>>| {
            time.map_or_else(
                || "..".to_owned(),
                |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            )
        };
        write!(f, "{}/{}", end(self.start), end(self.end))
    }
}

impl FromStr for TimeRange {
    type Err = Error;

    /// Reads `a/b`, `../b`, `a/..`, `../..` and a single date or time.
    fn from_str(text: &str) -> Result<Self> {
        let malformed = |reason: String| Error::TimeRange { text: text.to_owned(), reason };
        let side = |part: &str| match part {
            "" | ".." => Ok(None),
            _ => span(part).map(Some).ok_or_else(|| malformed(format!("`{part}` is no date"))),
        };
        let (start, end) = match text.split_once('/') {
            None if text.is_empty() => return Err(malformed("it is empty".to_owned())),
            None if text == ".." => return Err(malformed("it has only one end".to_owned())),
            None => {
                let both = side(text)?;
                (both, both)
            }
            Some((_, end)) if end.contains('/') => {
                return Err(malformed("it has more than two ends".to_owned()));
            }
            Some((start, end)) => (side(start)?, side(end)?),
        };
        Self::new(start.map(|(first, _)| first), end.map(|(_, last)| last))
            .map_err(|_| Error::InvertedTimeRange { text: text.to_owned() })
    }
}

/// First and last second of a year, month or day; a time is both.
fn span(text: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    // Dates are told by their length, so that each has one reading only.
    let year = |part: &str| (part.len() == 4).then(|| number(part))?;
    let bounds = match *text.split('-').collect::<Vec<_>>().as_slice() {
        [y] => {
            let first = NaiveDate::from_ymd_opt(i32::try_from(year(y)?).ok()?, 1, 1)?;
            (first, first.checked_add_months(Months::new(12))?)
        }
        [y, m] if m.len() == 2 => {
            let first = NaiveDate::from_ymd_opt(i32::try_from(year(y)?).ok()?, number(m)?, 1)?;
            (first, first.checked_add_months(Months::new(1))?)
        }
        [y, m, d] if m.len() == 2 && d.len() == 2 => {
            let year = i32::try_from(year(y)?).ok()?;
            let first = NaiveDate::from_ymd_opt(year, number(m)?, number(d)?)?;
            (first, first.checked_add_days(Days::new(1))?)
        }
        _ => return moment(text).map(|time| (time, time)),
    };
    let [first, next] = [bounds.0, bounds.1].map(|date| date.and_hms_opt(0, 0, 0));
    Some((first?.and_utc(), next?.and_utc().checked_sub_signed(TimeDelta::seconds(1))?))
}

/// A date with time; without an offset it is UTC.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if !text.is_ascii() || !text.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let naive = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .ok()
        .or_else(|| naive().map(|time| time.and_utc()))
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use proptest::prelude::*;

    use super::TimeRange;

    fn normal(text: &str) -> String {
        text.parse::<TimeRange>().unwrap().to_string()
    }

    #[test]
    fn widened_like_pystac_client() {
        for (text, expected) in [
            ("2021", "2021-01-01T00:00:00Z/2021-12-31T23:59:59Z"),
            ("2021-02", "2021-02-01T00:00:00Z/2021-02-28T23:59:59Z"),
            ("2022-10-05", "2022-10-05T00:00:00Z/2022-10-05T23:59:59Z"),
            ("2021/2022", "2021-01-01T00:00:00Z/2022-12-31T23:59:59Z"),
            ("2021-01/2021-03", "2021-01-01T00:00:00Z/2021-03-31T23:59:59Z"),
            ("2021-12/2022", "2021-12-01T00:00:00Z/2022-12-31T23:59:59Z"),
            ("../2024-02", "../2024-02-29T23:59:59Z"),
            ("2024-02-29/..", "2024-02-29T00:00:00Z/.."),
            ("/2021", "../2021-12-31T23:59:59Z"),
            ("2021/", "2021-01-01T00:00:00Z/.."),
            ("../..", "../.."),
            ("2021-01-03T10:14:11Z", "2021-01-03T10:14:11Z/2021-01-03T10:14:11Z"),
            ("2021-01-03T10:14:11", "2021-01-03T10:14:11Z/2021-01-03T10:14:11Z"),
            ("2021-01-03T11:14:11+01:00/..", "2021-01-03T10:14:11Z/.."),
            ("2021-01-03T10:14:11.024Z/..", "2021-01-03T10:14:11.024Z/.."),
        ] {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "..",
            "/2021/",
            "2021/2022/2023",
            "21",
            "2021-1",
            "2021-13",
            "2021-02-30",
            "+2021",
            "2021-1-1",
            "2021-01-01 / 2021-02-01",
            "2021-01-01T25:00:00Z",
            "today",
            "20210103",
            "-2021",
            "12021",
            "2021-01-03T10:14",
        ] {
            let error = text.parse::<TimeRange>().unwrap_err();
            assert_eq!(error.code(), "CF-S2-015", "{text}");
        }
        let error = "2022/2021".parse::<TimeRange>().unwrap_err();
        assert_eq!(error.code(), "CF-S2-016");
    }

    #[test]
    fn both_ends_included() {
        let range: TimeRange = "2021-01-03/2021-01-04".parse().unwrap();
        let time = |d, h, m, s| Utc.with_ymd_and_hms(2021, 1, d, h, m, s).unwrap();
        assert!(range.contains(time(3, 0, 0, 0)) && range.contains(time(4, 23, 59, 59)));
        assert!(!range.contains(time(2, 23, 59, 59)) && !range.contains(time(5, 0, 0, 0)));
        assert!(TimeRange::default().contains(time(1, 0, 0, 0)));
    }

    proptest! {
        #[test]
        fn display_round_trips(a in proptest::option::of(0i64..4_000_000_000), b in proptest::option::of(0i64..4_000_000_000)) {
            let time = |s: Option<i64>| s.map(|s| Utc.timestamp_opt(s, 0).unwrap());
            if let Ok(range) = TimeRange::new(time(a), time(b)) {
                prop_assert_eq!(range.to_string().parse::<TimeRange>().unwrap(), range);
            }
        }

        #[test]
        fn never_panics(text in "[0-9TZ:./+-]{0,60}|\\PC{0,40}") {
            let _ = text.parse::<TimeRange>();
        }
    }
}
