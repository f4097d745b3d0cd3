//! Codes of coordinate reference systems as requests give them.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A coordinate reference system by its code.
///
/// PROJ itself also takes pipelines, WKT and names of files; none of those may come from a request,
/// so only what has this shape reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// EPSG registry.
    Epsg(u32),
    /// Longitude and latitude on WGS 84.
    Crs84,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epsg(number) => write!(f, "EPSG:{number}"),
            Self::Crs84 => f.write_str("OGC:CRS84"),
        }
    }
}

impl FromStr for Code {
    type Err = Error;

    /// Reads `EPSG:3035`, `3035` and `OGC:CRS84`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self> {
        let upper = text.to_ascii_uppercase();
        if upper == "OGC:CRS84" {
            return Ok(Self::Crs84);
        }
        let digits = upper.strip_prefix("EPSG:").unwrap_or(&upper);
        // EPSG numbers have at most six digits; `parse` alone would take a sign.
        let number = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        match digits.parse() {
            Ok(code) if number => Ok(Self::Epsg(code)),
            _ => Err(Error::Syntax { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn spellings() {
        for text in ["EPSG:4326", "epsg:4326", "4326", "Epsg:04326"] {
            assert_eq!(text.parse(), Ok(Code::Epsg(4326)), "{text}");
        }
        for text in ["OGC:CRS84", "ogc:crs84"] {
            assert_eq!(text.parse(), Ok(Code::Crs84), "{text}");
        }
        assert_eq!(Code::Epsg(3035).to_string(), "EPSG:3035");
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "EPSG:",
            "EPSG:+4326",
            "EPSG:-1",
            "EPSG:4326 ",
            "EPSG:4326+5773",
            "EPSG:1234567",
            "ESRI:102001",
            "WGS84",
            "+proj=longlat +datum=WGS84",
            "proj=pipeline step proj=utm zone=33",
            "urn:ogc:def:crs:EPSG::4326",
            "/etc/passwd",
            "@/etc/passwd",
            "init=epsg:4326",
            "GEOGCS[\"WGS 84\"]",
            "٤٣٢٦",
        ] {
            assert_eq!(text.parse::<Code>().unwrap_err().code(), "CF-CRS-001", "{text}");
        }
    }
}
