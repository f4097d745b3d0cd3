//! How ESA codes the images.

use crate::{AssetId, Band, Cells, Resolution, SampleType};

/// Parameters of the JPEG 2000 codestream that ESA writes for an asset; the same in all operational
/// products since 2017. Use them to plan before the file has been seen, never to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coding {
    /// Width and height of a JPEG 2000 tile in pixels (`XTsiz`, `YTsiz`).
    pub jp2_tile: u32,
    /// Number of components (`Csiz`).
    pub components: u16,
    /// Bits per sample, unsigned (`Ssiz` + 1).
    pub bit_depth: u8,
    /// Decomposition levels of the wavelet transform (`COD`).
    pub levels: u8,
}

impl AssetId {
    /// What ESA writes for this asset.
    pub fn coding(&self) -> Coding {
        // Footprints, quality masks and colour images have larger tiles than the bands.
        let large =
            matches!(self.band, Band::Tci | Band::Detfoo(_) | Band::Qualit(_) | Band::Classi);
        let (jp2_tile, levels) = match (self.resolution, large) {
            (Resolution::R10m, _) => (1024, 4),
            (Resolution::R20m, false) => (640, 4),
            (Resolution::R20m, true) => (2048, 5),
            (Resolution::R60m, false) => (192, 4),
            (Resolution::R60m, true) => (256, 4),
        };
        let components = match self.cells() {
            Cells::Plain => 1,
            Cells::Rgb => 3,
            Cells::Flags { components } => u16::from(components),
        };
        let bit_depth = match self.sample_type() {
            SampleType::U8 => 8,
            SampleType::U16 => 15,
        };
        Coding { jp2_tile, components, bit_depth, levels }
    }
}
