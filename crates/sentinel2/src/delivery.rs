//! Which steps of a cube are sent, and how.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::time_range::moment;

/// The order of the row-blocks of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Time steps in ascending time, the row-blocks of a step one after the other.
    #[default]
    Time,
    /// Each row-block as soon as it is complete.
    Completion,
}

/// Compression of the buffers of a message, as Arrow IPC defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Buffers travel as they are, which is fastest wherever the network is.
    #[default]
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// Which steps of a cube are sent, and how. The cube is the same whatever stands here: the schema does
/// not depend on it, nor does what a step holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Delivery {
    /// Order of the row-blocks.
    pub order: Order,
    /// Compression of the messages.
    pub compression: Compression,
    /// Only the steps of these times, ascending and none twice; empty is all of them. A step's time is
    /// the earliest datatake start of its products.
    pub times: Vec<DateTime<Utc>>,
}

/// Reads the time of a step: a date with time as RFC 3339 has it, UTC where it has no offset.
#[must_use]
pub fn step_time(text: &str) -> Option<DateTime<Utc>> {
    moment(text)
}

/// Writes what [`step_time`] reads: `2021-01-03T10:14:11Z`.
#[must_use]
pub fn format_step_time(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_steps() {
        let utc = |text: &str| text.parse::<DateTime<Utc>>().ok();
        let expected = utc("2021-01-03T10:14:11Z");
        assert!(expected.is_some());
        for text in [
            "2021-01-03T10:14:11Z",
            "2021-01-03T11:14:11+01:00",
            "2021-01-03T10:14:11.000000Z",
            "2021-01-03T10:14:11",
            "2021-01-03T10:14:11.000000000",
        ] {
            assert_eq!(step_time(text), expected, "{text}");
        }
        for text in ["", "2021-01-03", "2021-01-03T10", "now", "2021-13-03T10:14:11Z", "../.."] {
            assert_eq!(step_time(text), None, "{text}");
        }
    }
}
