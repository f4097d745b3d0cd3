//! How ESA codes each kind of image.

use super::spec::{EncodeSpec, TlmPlacement};

/// A kind of image: one row of what ESA's products hold.
///
/// The coding of each was read from real files, but for those marked *by class*: these have the
/// grid, tile count and header lengths of their siblings, and are taken to be coded like them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Reflectance (by class), aerosol optical thickness and water vapour (by class) at 10 m.
    Reflectance10m,
    /// The same at 20 m; reflectance and water vapour by class.
    Reflectance20m,
    /// The same at 60 m.
    Reflectance60m,
    /// True-colour image at 10 m; by class.
    Tci10m,
    /// True-colour image at 20 m; by class.
    Tci20m,
    /// True-colour image at 60 m. Real files have a second XML box too, see
    /// [`EncodeSpec::extra_xml`].
    Tci60m,
    /// Scene classification, cloud and snow probability at 20 m.
    Scl20m,
    /// Scene classification, cloud and snow probability at 60 m.
    Scl60m,
    /// Preview image. Real ones are cut to their rate cap, so they are lossy; ours are not.
    Pvi,
    /// Detector footprint mask of a 10 m band.
    Detfoo10m,
    /// Detector footprint mask of a 20 m band.
    Detfoo20m,
    /// Detector footprint mask of a 60 m band.
    Detfoo60m,
    /// Quality mask of a 10 m band.
    Qualit10m,
    /// Quality mask of a 20 m band.
    Qualit20m,
    /// Quality mask of a 60 m band.
    Qualit60m,
    /// Cloud classification mask of L1C.
    Classi,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::Reflectance10m,
        Self::Reflectance20m,
        Self::Reflectance60m,
        Self::Tci10m,
        Self::Tci20m,
        Self::Tci60m,
        Self::Scl20m,
        Self::Scl60m,
        Self::Pvi,
        Self::Detfoo10m,
        Self::Detfoo20m,
        Self::Detfoo60m,
        Self::Qualit10m,
        Self::Qualit20m,
        Self::Qualit60m,
        Self::Classi,
    ];

    /// Ground sampling distance, metres.
    pub fn metres(self) -> u32 {
        match self {
            Self::Reflectance10m | Self::Tci10m | Self::Detfoo10m | Self::Qualit10m => 10,
            Self::Reflectance20m
            | Self::Tci20m
            | Self::Scl20m
            | Self::Detfoo20m
            | Self::Qualit20m => 20,
            Self::Reflectance60m
            | Self::Tci60m
            | Self::Scl60m
            | Self::Detfoo60m
            | Self::Qualit60m
            | Self::Classi => 60,
            Self::Pvi => 320,
        }
    }

    /// Columns, and rows, of the image.
    pub fn side(self) -> u32 {
        match self.metres() {
            10 => 10_980,
            20 => 5_490,
            60 => 1_830,
            _ => 343,
        }
    }

    /// Components and bits of a sample.
    fn samples(self) -> (u16, u8) {
        match self {
            Self::Reflectance10m | Self::Reflectance20m | Self::Reflectance60m => (1, 15),
            Self::Tci10m | Self::Tci20m | Self::Tci60m | Self::Pvi | Self::Classi => (3, 8),
            Self::Qualit10m | Self::Qualit20m | Self::Qualit60m => (8, 8),
            Self::Scl20m | Self::Scl60m | Self::Detfoo10m | Self::Detfoo20m | Self::Detfoo60m => {
                (1, 8)
            }
        }
    }

    /// Tile, levels, code-block and precinct.
    fn blocks(self) -> (u32, u8, u32, u32) {
        match self {
            Self::Reflectance10m | Self::Tci10m | Self::Detfoo10m | Self::Qualit10m => {
                (1024, 4, 64, 256)
            }
            Self::Reflectance20m | Self::Scl20m => (640, 4, 8, 128),
            Self::Tci20m | Self::Detfoo20m | Self::Qualit20m => (2048, 5, 64, 256),
            Self::Reflectance60m | Self::Scl60m => (192, 4, 4, 64),
            Self::Tci60m | Self::Detfoo60m | Self::Qualit60m | Self::Classi => (256, 4, 16, 128),
            Self::Pvi => (8, 4, 16, 128),
        }
    }
}

/// The coding of a kind, without XML and without TLM.
///
/// The rate cap is 9 bits for each pixel of the grid, whatever the depth: what the comments of
/// real files state, rounded to two digits.
pub fn spec_of(kind: Kind) -> EncodeSpec {
    let side = kind.side();
    let (components, bit_depth) = kind.samples();
    let (tile, levels, code_block, precinct) = kind.blocks();
    EncodeSpec {
        width: side,
        height: side,
        components,
        bit_depth,
        tile,
        levels,
        code_block,
        precinct,
        mct: components >= 3,
        rate_cap: f64::from(side) * f64::from(side) * 9.0 / 8.0,
        tlm: TlmPlacement::None,
        gml: None,
        extra_xml: None,
    }
}
