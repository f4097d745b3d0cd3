//! Marker codes (ISO/IEC 15444-1 A.2, table A.2).

use std::fmt;

/// A two-byte marker code, `0xFF01` to `0xFFFE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Marker(pub u16);

impl Marker {
    /// Start of codestream.
    pub const SOC: Self = Self(0xff4f);
    /// Extended capabilities (part 15).
    pub const CAP: Self = Self(0xff50);
    /// Image and tile size.
    pub const SIZ: Self = Self(0xff51);
    /// Coding style default.
    pub const COD: Self = Self(0xff52);
    /// Coding style of a component.
    pub const COC: Self = Self(0xff53);
    /// Tile-part lengths.
    pub const TLM: Self = Self(0xff55);
    /// Packet lengths, main header.
    pub const PLM: Self = Self(0xff57);
    /// Packet lengths, tile-part header.
    pub const PLT: Self = Self(0xff58);
    /// Quantisation default.
    pub const QCD: Self = Self(0xff5c);
    /// Quantisation of a component.
    pub const QCC: Self = Self(0xff5d);
    /// Region of interest.
    pub const RGN: Self = Self(0xff5e);
    /// Progression order change.
    pub const POC: Self = Self(0xff5f);
    /// Packed packet headers, main header.
    pub const PPM: Self = Self(0xff60);
    /// Packed packet headers, tile-part header.
    pub const PPT: Self = Self(0xff61);
    /// Component registration.
    pub const CRG: Self = Self(0xff63);
    /// Comment.
    pub const COM: Self = Self(0xff64);
    /// Start of tile-part.
    pub const SOT: Self = Self(0xff90);
    /// Start of data.
    pub const SOD: Self = Self(0xff93);
    /// End of codestream.
    pub const EOC: Self = Self(0xffd9);

    /// The name in the standard, for the markers that a header may hold.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::SOC => "SOC",
            Self::CAP => "CAP",
            Self::SIZ => "SIZ",
            Self::COD => "COD",
            Self::COC => "COC",
            Self::TLM => "TLM",
            Self::PLM => "PLM",
            Self::PLT => "PLT",
            Self::QCD => "QCD",
            Self::QCC => "QCC",
            Self::RGN => "RGN",
            Self::POC => "POC",
            Self::PPM => "PPM",
            Self::PPT => "PPT",
            Self::CRG => "CRG",
            Self::COM => "COM",
            Self::SOT => "SOT",
            Self::SOD => "SOD",
            Self::EOC => "EOC",
            _ => return None,
        })
    }

    /// Whether the code stands for a marker at all.
    pub fn is_marker(self) -> bool {
        self.0 > 0xff00 && self.0 < 0xffff
    }

    /// Markers `FF30` to `FF3F` have no length and no parameters (A.1.3).
    pub fn is_bare(self) -> bool {
        (0xff30..=0xff3f).contains(&self.0)
    }

    /// Whether a segment of this marker may stand in a header: not a delimiter, not bare.
    pub(crate) fn is_segment(self) -> bool {
        self.is_marker()
            && !self.is_bare()
            && !matches!(self, Self::SOC | Self::SOT | Self::SOD | Self::EOC)
            // in-bit-stream markers SOP and EPH
            && !matches!(self.0, 0xff91 | 0xff92)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
