//! Satellites and processing levels.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// One satellite of the mission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mission {
    /// Sentinel-2A.
    S2A,
    /// Sentinel-2B.
    S2B,
    /// Sentinel-2C.
    S2C,
    /// Sentinel-2D.
    S2D,
}

impl Mission {
    /// All satellites.
    pub const ALL: [Self; 4] = [Self::S2A, Self::S2B, Self::S2C, Self::S2D];

    /// The `platform` of a STAC item, as in `sentinel-2a`.
    pub fn platform(self) -> &'static str {
        match self {
            Self::S2A => "sentinel-2a",
            Self::S2B => "sentinel-2b",
            Self::S2C => "sentinel-2c",
            Self::S2D => "sentinel-2d",
        }
    }
}

impl fmt::Display for Mission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::S2A => "S2A",
            Self::S2B => "S2B",
            Self::S2C => "S2C",
            Self::S2D => "S2D",
        })
    }
}

impl FromStr for Mission {
    type Err = Error;

    /// Reads `S2A` and `sentinel-2a`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|m| lower == m.platform() || lower == m.to_string().to_ascii_lowercase())
            .ok_or_else(|| Error::Mission { text: text.to_owned() })
    }
}

/// Processing level of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Top-of-atmosphere reflectance.
    L1C,
    /// Bottom-of-atmosphere reflectance, with scene classification.
    L2A,
}

impl Level {
    /// Both levels.
    pub const ALL: [Self; 2] = [Self::L1C, Self::L2A];

    /// Identifier of the STAC collection, as in `sentinel-2-l2a`.
    pub fn collection(self) -> &'static str {
        match self {
            Self::L1C => "sentinel-2-l1c",
            Self::L2A => "sentinel-2-l2a",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::L1C => "L1C",
            Self::L2A => "L2A",
        })
    }
}

impl FromStr for Level {
    type Err = Error;

    /// Reads `sentinel-2-l2a` and `L2A`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        match lower.strip_prefix("sentinel-2-").unwrap_or(&lower) {
            "l1c" => Ok(Self::L1C),
            "l2a" => Ok(Self::L2A),
            _ => Err(Error::Level { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Mission};

    #[test]
    fn names_round_trip() {
        for mission in Mission::ALL {
            assert_eq!(mission.to_string().parse(), Ok(mission));
            assert_eq!(mission.platform().parse(), Ok(mission));
        }
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(level.collection().parse(), Ok(level));
        }
        assert_eq!("S2E".parse::<Mission>().unwrap_err().code(), "CF-S2-008");
        assert_eq!("L1B".parse::<Level>().unwrap_err().code(), "CF-S2-009");
    }
}
