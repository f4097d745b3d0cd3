//! Digital numbers, harmonised numbers and reflectance.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// What the pixels of reflectance bands mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Radiometry {
    /// Digital numbers as in the file.
    #[default]
    Raw,
    /// Digital numbers with the product's offset added, comparable over all baselines.
    Harmonised,
    /// Reflectance as 32-bit float.
    Reflectance,
}

impl fmt::Display for Radiometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Raw => "raw",
            Self::Harmonised => "harmonised",
            Self::Reflectance => "reflectance",
        })
    }
}

impl FromStr for Radiometry {
    type Err = Error;

    /// Reads `raw`, `harmonised` and `reflectance`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "raw" => Ok(Self::Raw),
            "harmonised" => Ok(Self::Harmonised),
            "reflectance" => Ok(Self::Reflectance),
            _ => Err(Error::Radiometry { text: text.to_owned() }),
        }
    }
}

/// A digital number with the offset added. 0 is "no data" and stays so; what is valid stays valid,
/// so the result is at least 1.
#[inline]
pub fn harmonise(dn: u16, offset: i16) -> u16 {
    match dn {
        0 => 0,
        _ => dn.saturating_add_signed(offset).max(1),
    }
}

/// Reflectance of a digital number: `(dn + offset) / quantification`, not clipped, not-a-number
/// for 0, which is "no data".
#[inline]
pub fn reflectance(dn: u16, offset: i16, quantification: f32) -> f32 {
    match dn {
        0 => f32::NAN,
        // Both fit 24 bits, so the sum is exact.
        _ => (f32::from(dn) + f32::from(offset)) / quantification,
    }
}

#[cfg(test)]
mod tests {
    use super::{Radiometry, harmonise, reflectance};

    #[test]
    fn harmonised() {
        assert_eq!(harmonise(0, -1000), 0);
        assert_eq!(harmonise(1, -1000), 1);
        assert_eq!(harmonise(1000, -1000), 1);
        assert_eq!(harmonise(1001, -1000), 1);
        assert_eq!(harmonise(1002, -1000), 2);
        assert_eq!(harmonise(32767, -1000), 31767);
        assert_eq!(harmonise(5, 0), 5);
        assert_eq!(harmonise(u16::MAX, i16::MAX), u16::MAX);
        assert_eq!(harmonise(1, i16::MIN), 1);
    }

    #[test]
    fn reflectances() {
        assert!(reflectance(0, -1000, 10_000.0).is_nan());
        assert_eq!(reflectance(500, -1000, 10_000.0), -0.05);
        assert_eq!(reflectance(11_000, -1000, 10_000.0), 1.0);
    }

    #[test]
    fn names() {
        for text in ["raw", "harmonised", "reflectance"] {
            assert_eq!(text.parse::<Radiometry>().unwrap().to_string(), text);
        }
        assert_eq!(Radiometry::default(), Radiometry::Raw);
        assert_eq!("toa".parse::<Radiometry>().unwrap_err().code(), "CF-S2-017");
    }
}
