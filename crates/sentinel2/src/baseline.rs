//! Processing baselines.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// Version of the processing chain that made a product.
///
/// Ordered by rank: a higher baseline replaces a lower one of the same datatake, but 99.99, which
/// marks products made outside ESA's own chain, ranks below every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Baseline {
    /// Major version, 0 to 99.
    pub major: u8,
    /// Minor version, 0 to 99.
    pub minor: u8,
}

impl Baseline {
    /// The baseline of products made outside ESA's own chain, by any version of it.
    pub const UNOFFICIAL: Self = Self { major: 99, minor: 99 };

    /// What is to be added to the digital numbers of reflectance, where the baseline tells: 0 for
    /// 02 and 03, -1000 for 04 and 05. Others need the product's own metadata.
    pub fn radiometric_offset(self) -> Option<i16> {
        match self.major {
            2 | 3 => Some(0),
            4 | 5 => Some(-1000),
            _ => None,
        }
    }

    /// The form used in product ids, as in `N0511`.
    pub fn id(self) -> String {
        format!("N{:02}{:02}", self.major, self.minor)
    }
}

impl Ord for Baseline {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |b: &Self| (*b != Self::UNOFFICIAL, b.major, b.minor);
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Baseline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{:02}", self.major, self.minor)
    }
}

impl FromStr for Baseline {
    type Err = Error;

    /// Reads `N0511`, `0511` and `05.11`.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix('N').unwrap_or(text);
        let bytes = match *digits.as_bytes() {
            [a, b, c, d] | [a, b, b'.', c, d] => [a, b, c, d],
            _ => return Err(Error::Baseline { text: text.to_owned() }),
        };
        if !bytes.iter().all(u8::is_ascii_digit) {
            return Err(Error::Baseline { text: text.to_owned() });
        }
        let [a, b, c, d] = bytes.map(|digit| digit - b'0');
        Ok(Self { major: a * 10 + b, minor: c * 10 + d })
    }
}

#[cfg(test)]
mod tests {
    use super::Baseline;

    #[test]
    fn three_spellings() {
        for text in ["N0511", "0511", "05.11"] {
            let baseline: Baseline = text.parse().unwrap();
            assert_eq!(baseline, Baseline { major: 5, minor: 11 });
            assert_eq!((baseline.to_string(), baseline.id()), ("05.11".into(), "N0511".into()));
        }
        for text in ["", "N", "511", "5.11", "05.1", "051100", "05,11", "N05a1", "+511", "٠٥١١"]
        {
            assert_eq!(text.parse::<Baseline>().unwrap_err().code(), "CF-S2-010", "{text}");
        }
    }

    #[test]
    fn unofficial_ranks_last() {
        let mut all: Vec<Baseline> =
            ["0511", "9999", "0204", "0500"].iter().map(|t| t.parse().unwrap()).collect();
        all.sort();
        let names: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["99.99", "02.04", "05.00", "05.11"]);
    }

    #[test]
    fn offsets() {
        let offset = |text: &str| text.parse::<Baseline>().unwrap().radiometric_offset();
        assert_eq!(offset("0204"), Some(0));
        assert_eq!(offset("0301"), Some(0));
        assert_eq!(offset("0400"), Some(-1000));
        assert_eq!(offset("0513"), Some(-1000));
        assert_eq!(offset("9999"), None);
        assert_eq!(offset("0600"), None);
        assert_eq!(offset("0104"), None);
    }
}
