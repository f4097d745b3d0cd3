//! The main header of a codestream (ISO/IEC 15444-1 A.4 to A.6).

mod parse;

pub(crate) use self::parse::{
    At, check_header_size, check_length, check_main_marker, parse_coc, parse_cod, wide,
};
use self::parse::{Found, split};
use crate::marker::Marker;
use crate::tlm::TlmEntry;
use crate::{Error, Result};

/// Longest main header that is read, bytes.
pub const MAX_MAIN_HEADER: u64 = 1 << 20;
/// Most components that are read; the standard allows 16,384.
pub const MAX_COMPONENTS: u16 = 256;
/// Most tiles of a codestream (Isot has 16 bits).
pub const MAX_TILES: u64 = 65_535;

/// One component as SIZ has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Bits of a sample, 1 to 38.
    pub bit_depth: u8,
    /// Whether samples are signed.
    pub signed: bool,
    /// Horizontal separation on the reference grid (XRsiz).
    pub dx: u8,
    /// Vertical separation on the reference grid (YRsiz).
    pub dy: u8,
}

/// Image and tile size (A.5.1); all lengths in reference grid points.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Siz {
    /// Capabilities (Rsiz).
    pub capabilities: u16,
    /// End of the image area, columns (Xsiz).
    pub x_size: u32,
    /// End of the image area, rows (Ysiz).
    pub y_size: u32,
    /// Start of the image area, columns (XOsiz).
    pub x_offset: u32,
    /// Start of the image area, rows (YOsiz).
    pub y_offset: u32,
    /// Tile width (XTsiz).
    pub tile_width: u32,
    /// Tile height (YTsiz).
    pub tile_height: u32,
    /// Start of the first tile, columns (XTOsiz).
    pub tile_x_offset: u32,
    /// Start of the first tile, rows (YTOsiz).
    pub tile_y_offset: u32,
    /// The components, in order.
    pub components: Vec<Component>,
}

/// Order of the packets of a tile (A.6.1, table A.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progression {
    /// Layer, resolution, component, position.
    Lrcp,
    /// Resolution, layer, component, position.
    Rlcp,
    /// Resolution, position, component, layer.
    Rpcl,
    /// Position, component, resolution, layer.
    Pcrl,
    /// Component, position, resolution, layer.
    Cprl,
}

impl Progression {
    /// The four letters of the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lrcp => "LRCP",
            Self::Rlcp => "RLCP",
            Self::Rpcl => "RPCL",
            Self::Pcrl => "PCRL",
            Self::Cprl => "CPRL",
        }
    }
}

/// How the samples of one component are coded (SPcod, SPcoc; tables A.15 and A.20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// Wavelet decomposition levels, 0 to 32; there is one resolution more.
    pub levels: u8,
    /// Width of a code-block as a power of two, 2 to 10.
    pub block_width: u8,
    /// Height of a code-block as a power of two, 2 to 10.
    pub block_height: u8,
    /// Code-block style bits (table A.19).
    pub block_style: u8,
    /// Wavelet: 1 is the reversible 5-3, 0 the irreversible 9-7.
    pub transform: u8,
    /// Precinct width and height of each resolution as powers of two; 15 where none are given.
    pub precincts: Vec<(u8, u8)>,
}

/// Coding style default (A.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cod {
    /// Style bits (Scod): 1 precincts are given, 2 SOP may be used, 4 EPH is used.
    pub style: u8,
    /// Packet order.
    pub progression: Progression,
    /// Quality layers, at least 1.
    pub layers: u16,
    /// Multiple component transform: 1 when the first three components are transformed.
    pub multi_component: u8,
    /// The coding of every component without a COC.
    pub coding: Coding,
}

/// Coding style of one component (A.6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coc {
    /// Component index.
    pub component: u16,
    /// Its coding.
    pub coding: Coding,
}

/// Quantisation (A.6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qcd {
    /// 0 none (reversible), 1 scalar derived, 2 scalar expounded.
    pub style: u8,
    /// Guard bits.
    pub guard_bits: u8,
    /// Exponent and mantissa of each sub-band; the mantissa is 0 for style 0.
    pub steps: Vec<(u8, u16)>,
}

/// Quantisation of one component (A.6.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qcc {
    /// Component index.
    pub component: u16,
    /// Its quantisation.
    pub quantisation: Qcd,
}

/// A comment (A.9.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// 0 binary, 1 ISO 8859-15 text (Rcme).
    pub registration: u16,
    /// The bytes.
    pub data: Vec<u8>,
}

/// One marker segment of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The marker.
    pub marker: Marker,
    /// Offset of the marker from SOC.
    pub offset: u32,
    /// The length field: the segment less its marker; 0 for a marker without a segment.
    pub length: u16,
}

/// The main header: parsed segments and the raw bytes from SOC up to the first SOT.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MainHeader {
    /// Image and tile size.
    pub siz: Siz,
    /// Coding style default.
    pub cod: Cod,
    /// Coding of single components.
    pub coc: Vec<Coc>,
    /// Quantisation default.
    pub qcd: Qcd,
    /// Quantisation of single components.
    pub qcc: Vec<Qcc>,
    /// Comments.
    pub comments: Vec<Comment>,
    /// Tile-part lengths in the order of Ztlm; empty without TLM.
    pub tlm: Vec<TlmEntry>,
    /// All segments in file order, for those that are known by name only too.
    pub segments: Vec<Segment>,
    raw: Vec<u8>,
}

impl MainHeader {
    /// Parses a main header from SOC on. Stops at the first SOT, or at the end of the slice when
    /// that is exactly the end of a segment.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::UnexpectedMarker`], [`Error::Segment`],
    /// [`Error::MissingSegment`] and [`Error::Limit`], offsets counted from SOC.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let segments = split(bytes)?;
        let end = segments.last().map_or(2, |last| last.end());
        let raw = bytes.get(..end).unwrap_or(bytes).to_vec();
        let length = u64::try_from(end).unwrap_or(u64::MAX);
        let mut found = Found::default();
        for segment in &segments {
            if segment.length > 0 {
                let start = segment.start().saturating_add(4);
                let body = raw.get(start..segment.end()).unwrap_or_default();
                found.add(segment, body, &raw)?;
            }
        }
        let missing = |marker| Error::MissingSegment { marker, length };
        let header = Self {
            siz: found.siz.ok_or(missing(Marker::SIZ))?,
            cod: found.cod.ok_or(missing(Marker::COD))?,
            coc: found.coc,
            qcd: found.qcd.ok_or(missing(Marker::QCD))?,
            qcc: found.qcc,
            comments: found.comments,
            tlm: found.tlm.into_values().flatten().collect(),
            segments,
            raw,
        };
        Ok(header)
    }

    /// The raw bytes, SOC up to the first SOT.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The raw bytes without TLM segments.
    pub fn without_tlm(&self) -> Vec<u8> {
        self.without(&[Marker::TLM])
    }

    /// Whether a segment of this marker is in the header.
    pub fn has(&self, marker: Marker) -> bool {
        self.segments.iter().any(|segment| segment.marker == marker)
    }

    /// The coding of a component: its COC, else COD.
    pub fn coding(&self, component: u16) -> &Coding {
        let own = self.coc.iter().find(|coc| coc.component == component);
        own.map_or(&self.cod.coding, |coc| &coc.coding)
    }

    /// The body of a segment: what follows its length field.
    pub fn body(&self, segment: &Segment) -> &[u8] {
        self.raw.get(segment.start().saturating_add(4)..segment.end()).unwrap_or_default()
    }

    /// The raw bytes without the segments of some markers.
    pub(crate) fn without(&self, dropped: &[Marker]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len());
        out.extend_from_slice(&Marker::SOC.0.to_be_bytes());
        for segment in self.segments.iter().filter(|s| !dropped.contains(&s.marker)) {
            out.extend_from_slice(self.raw.get(segment.start()..segment.end()).unwrap_or_default());
        }
        out
    }

    /// Why tiles cannot be cut out of this codestream and decoded one by one; `Ok` when they can.
    ///
    /// # Errors
    /// [`Error::CannotSplice`] for packed packet headers in the main header (PPM), which belong
    /// to tile-parts by their place in the file.
    pub fn can_splice(&self) -> Result<()> {
        if self.has(Marker::PPM) {
            return Err(Error::CannotSplice {
                reason: "packet headers are packed in the main header (PPM)",
            });
        }
        Ok(())
    }
}

impl Segment {
    pub(crate) fn start(&self) -> usize {
        usize::try_from(self.offset).unwrap_or(usize::MAX)
    }

    pub(crate) fn end(&self) -> usize {
        self.start().saturating_add(2).saturating_add(usize::from(self.length))
    }
}
