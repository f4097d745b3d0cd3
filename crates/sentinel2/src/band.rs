//! Bands and what else a product holds as images.

use std::fmt;

use crate::Resolution;

/// One of the thirteen spectral bands of the instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpectralBand {
    /// Coastal aerosol, 60 m.
    B01,
    /// Blue, 10 m.
    B02,
    /// Green, 10 m.
    B03,
    /// Red, 10 m.
    B04,
    /// Red edge, 20 m.
    B05,
    /// Red edge, 20 m.
    B06,
    /// Red edge, 20 m.
    B07,
    /// Near infrared, 10 m.
    B08,
    /// Narrow near infrared, 20 m.
    B8A,
    /// Water vapour, 60 m.
    B09,
    /// Cirrus, 60 m.
    B10,
    /// Short-wave infrared, 20 m.
    B11,
    /// Short-wave infrared, 20 m.
    B12,
}

impl SpectralBand {
    /// All bands, in the order of their `bandId` in the product metadata.
    pub const ALL: [Self; 13] = [
        Self::B01,
        Self::B02,
        Self::B03,
        Self::B04,
        Self::B05,
        Self::B06,
        Self::B07,
        Self::B08,
        Self::B8A,
        Self::B09,
        Self::B10,
        Self::B11,
        Self::B12,
    ];

    /// Name as in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::B01 => "B01",
            Self::B02 => "B02",
            Self::B03 => "B03",
            Self::B04 => "B04",
            Self::B05 => "B05",
            Self::B06 => "B06",
            Self::B07 => "B07",
            Self::B08 => "B08",
            Self::B8A => "B8A",
            Self::B09 => "B09",
            Self::B10 => "B10",
            Self::B11 => "B11",
            Self::B12 => "B12",
        }
    }

    /// Pixel size at which the instrument samples the band.
    pub fn native_resolution(self) -> Resolution {
        match self {
            Self::B02 | Self::B03 | Self::B04 | Self::B08 => Resolution::R10m,
            Self::B05 | Self::B06 | Self::B07 | Self::B8A | Self::B11 | Self::B12 => {
                Resolution::R20m
            }
            Self::B01 | Self::B09 | Self::B10 => Resolution::R60m,
        }
    }

    /// Central wavelength in nanometres, as `long_name` writes it: that of Sentinel-2A, since a
    /// cube may hold several satellites; the others differ by up to 17 nm (B12).
    pub fn wavelength(self) -> &'static str {
        match self {
            Self::B01 => "442.7",
            Self::B02 => "492.7",
            Self::B03 => "559.8",
            Self::B04 => "664.6",
            Self::B05 => "704.1",
            Self::B06 => "740.5",
            Self::B07 => "782.8",
            Self::B08 => "832.8",
            Self::B8A => "864.7",
            Self::B09 => "945.1",
            Self::B10 => "1373.5",
            Self::B11 => "1613.7",
            Self::B12 => "2202.4",
        }
    }

    /// The band with this name, in upper case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.name() == name)
    }
}

impl fmt::Display for SpectralBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an image of a product shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Reflectance of B01, coastal aerosol.
    B01,
    /// Reflectance of B02, blue.
    B02,
    /// Reflectance of B03, green.
    B03,
    /// Reflectance of B04, red.
    B04,
    /// Reflectance of B05, red edge.
    B05,
    /// Reflectance of B06, red edge.
    B06,
    /// Reflectance of B07, red edge.
    B07,
    /// Reflectance of B08, near infrared.
    B08,
    /// Reflectance of B8A, narrow near infrared.
    B8A,
    /// Reflectance of B09, water vapour.
    B09,
    /// Reflectance of B10, cirrus; L1C only.
    B10,
    /// Reflectance of B11, short-wave infrared.
    B11,
    /// Reflectance of B12, short-wave infrared.
    B12,
    /// Scene classification.
    Scl,
    /// Aerosol optical thickness at 550 nm.
    Aot,
    /// Water vapour column.
    Wvp,
    /// True colour image, three components.
    Tci,
    /// Cloud probability (`MSK_CLDPRB`).
    Cld,
    /// Snow probability (`MSK_SNWPRB`).
    Snw,
    /// Detector footprint of a band (`MSK_DETFOO`).
    Detfoo(SpectralBand),
    /// Quality mask of a band (`MSK_QUALIT`).
    Qualit(SpectralBand),
    /// Cloud classification (`MSK_CLASSI_B00`).
    Classi,
}

impl Band {
    /// The spectral band whose reflectance this is.
    pub fn spectral(self) -> Option<SpectralBand> {
        Some(match self {
            Self::B01 => SpectralBand::B01,
            Self::B02 => SpectralBand::B02,
            Self::B03 => SpectralBand::B03,
            Self::B04 => SpectralBand::B04,
            Self::B05 => SpectralBand::B05,
            Self::B06 => SpectralBand::B06,
            Self::B07 => SpectralBand::B07,
            Self::B08 => SpectralBand::B08,
            Self::B8A => SpectralBand::B8A,
            Self::B09 => SpectralBand::B09,
            Self::B10 => SpectralBand::B10,
            Self::B11 => SpectralBand::B11,
            Self::B12 => SpectralBand::B12,
            _ => return None,
        })
    }

    /// The pixel size that a bare band name means.
    pub fn native_resolution(self) -> Resolution {
        match self {
            Self::Aot | Self::Wvp | Self::Tci => Resolution::R10m,
            Self::Scl | Self::Cld | Self::Snw => Resolution::R20m,
            Self::Classi => Resolution::R60m,
            Self::Detfoo(band) | Self::Qualit(band) => band.native_resolution(),
            _ => self.spectral().map_or(Resolution::R60m, SpectralBand::native_resolution),
        }
    }

    /// All bands of both levels, spectral bands first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let spectral = SpectralBand::ALL;
        spectral
            .into_iter()
            .map(Self::from)
            .chain([Self::Scl, Self::Aot, Self::Wvp, Self::Tci, Self::Cld, Self::Snw])
            .chain(spectral.into_iter().map(Self::Detfoo))
            .chain(spectral.into_iter().map(Self::Qualit))
            .chain([Self::Classi])
    }

    /// The band with this name, in upper case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let mask = |prefix: &str| name.strip_prefix(prefix).and_then(SpectralBand::from_name);
        match name {
            "SCL" => Some(Self::Scl),
            "AOT" => Some(Self::Aot),
            "WVP" => Some(Self::Wvp),
            "TCI" => Some(Self::Tci),
            "CLD" => Some(Self::Cld),
            "SNW" => Some(Self::Snw),
            "CLASSI" | "CLASSI_B00" => Some(Self::Classi),
            _ => SpectralBand::from_name(name)
                .map(Self::from)
                .or_else(|| mask("DETFOO_").map(Self::Detfoo))
                .or_else(|| mask("QUALIT_").map(Self::Qualit)),
        }
    }
}

impl From<SpectralBand> for Band {
    fn from(band: SpectralBand) -> Self {
        match band {
            SpectralBand::B01 => Self::B01,
            SpectralBand::B02 => Self::B02,
            SpectralBand::B03 => Self::B03,
            SpectralBand::B04 => Self::B04,
            SpectralBand::B05 => Self::B05,
            SpectralBand::B06 => Self::B06,
            SpectralBand::B07 => Self::B07,
            SpectralBand::B08 => Self::B08,
            SpectralBand::B8A => Self::B8A,
            SpectralBand::B09 => Self::B09,
            SpectralBand::B10 => Self::B10,
            SpectralBand::B11 => Self::B11,
            SpectralBand::B12 => Self::B12,
        }
    }
}

impl fmt::Display for Band {
    /// The name without a resolution, as in `B02`, `SCL`, `DETFOO_B02`, `CLASSI_B00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scl => f.pad("SCL"),
            Self::Aot => f.pad("AOT"),
            Self::Wvp => f.pad("WVP"),
            Self::Tci => f.pad("TCI"),
            Self::Cld => f.pad("CLD"),
            Self::Snw => f.pad("SNW"),
            Self::Classi => f.pad("CLASSI_B00"),
            Self::Detfoo(band) => write!(f, "DETFOO_{band}"),
            Self::Qualit(band) => write!(f, "QUALIT_{band}"),
            _ => f.pad(self.spectral().map_or("", SpectralBand::name)),
        }
    }
}
