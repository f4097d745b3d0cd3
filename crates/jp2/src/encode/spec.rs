//! What a file to be written looks like.

use crate::header::{Component, MAX_COMPONENTS, MAX_TILES, Siz};
use crate::{Error, Rect, Result};

/// Most samples of one tile, all components together.
const MAX_TILE_SAMPLES: u64 = 1 << 28;
/// Most code-blocks of one tile: the encoder takes some 6 kB for each.
const MAX_TILE_BLOCKS: u128 = 1 << 18;
/// Longest side of an image.
const MAX_SIDE: u32 = 1 << 30;
/// Longest XML document of a box.
const MAX_XML: usize = 1 << 24;

/// How a file is coded. [`spec_of`](super::spec_of) has the values of the real kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodeSpec {
    /// Columns of the image, 1 to 2^30.
    pub width: u32,
    /// Rows of the image, 1 to 2^30.
    pub height: u32,
    /// Components, 1 to 256.
    pub components: u16,
    /// Bits of a sample, unsigned, 1 to 16.
    pub bit_depth: u8,
    /// Side of a tile; those at the right and lower edge are cut.
    pub tile: u32,
    /// Wavelet decomposition levels, 0 to 16.
    pub levels: u8,
    /// Side of a code-block, a power of two from 4 to 64. Above the lowest resolution a block is
    /// never larger than half the precinct (ISO/IEC 15444-1 B-18).
    pub code_block: u32,
    /// Side of a precinct at every resolution, a power of two from 8 to 32,768 (ESA: 64 to 256).
    pub precinct: u32,
    /// Whether the first three components go through the reversible colour transform (RCT).
    pub mct: bool,
    /// The size that the second comment states as upper bound, bytes, such as 1.4e8. The file is
    /// lossless all the same: nothing is cut off to reach it.
    pub rate_cap: f64,
    /// Where a TLM goes.
    pub tlm: TlmPlacement,
    /// GMLJP2 document of the `asoc` box, see [`gml`](super::gml); no box without.
    pub gml: Option<String>,
    /// A second XML document in a box of its own, as the 60 m true-colour images of L2A have it
    /// (`Inventory_Metadata`). The `asoc` box then has a 32-bit length, as in those files, and an
    /// XLBox otherwise.
    pub extra_xml: Option<String>,
}

/// Whether and where the main header has a TLM.
///
/// Products since February 2026 have one; no such file has been seen here, only counts of its
/// markers, which say nothing about its place. That it stands before the comments is assumed.
/// Readers must take both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlmPlacement {
    /// No TLM: products until February 2026.
    #[default]
    None,
    /// Behind QCD, before the comments.
    BeforeCom,
    /// Behind the comments, right before the first tile-part.
    AfterCom,
}

/// The samples of a tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TileContent {
    /// One value for each component.
    Constant(Vec<u16>),
    /// The component planes one after the other, each the rows of the tile's rectangle without
    /// gaps.
    Samples(Vec<u16>),
}

impl EncodeSpec {
    /// The reference grid of the file, after all checks of the specification.
    ///
    /// # Errors
    /// [`Error::EncodeSpec`] with the first parameter that is out of bounds.
    pub fn siz(&self) -> Result<Siz> {
        self.check()?;
        let component = Component { bit_depth: self.bit_depth, signed: false, dx: 1, dy: 1 };
        let siz = Siz {
            capabilities: 0,
            x_size: self.width,
            y_size: self.height,
            x_offset: 0,
            y_offset: 0,
            tile_width: self.tile,
            tile_height: self.tile,
            tile_x_offset: 0,
            tile_y_offset: 0,
            components: vec![component; usize::from(self.components)],
        };
        let tiles = u64::from(siz.tiles_x()) * u64::from(siz.tiles_y());
        require(tiles <= MAX_TILES, "number of tiles", tiles, "at most 65535")?;
        Ok(siz)
    }

    /// The rectangle of a tile on the reference grid.
    ///
    /// # Errors
    /// [`Error::EncodeSpec`], and [`Error::TilePart`] when there is no such tile.
    pub fn tile_rect(&self, tile: u16) -> Result<Rect> {
        self.siz()?.tile_rect(tile)
    }

    fn check(&self) -> Result<()> {
        let side = |value: u32| (1..=MAX_SIDE).contains(&value);
        let power =
            |value: u32, low, high| value.is_power_of_two() && (low..=high).contains(&value);
        let tile_width = u64::from(self.tile.min(self.width));
        let tile_height = u64::from(self.tile.min(self.height));
        // each factor is below 2^31, the third below 2^16: no overflow in 128 bits
        let samples = u128::from(tile_width * tile_height) * u128::from(self.components);
        let cap = self.rate_cap;
        let xml = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        require(side(self.width), "width", self.width, "1 to 2^30")?;
        require(side(self.height), "height", self.height, "1 to 2^30")?;
        let components = 1..=MAX_COMPONENTS;
        require(components.contains(&self.components), "components", self.components, "1 to 256")?;
        require((1..=16).contains(&self.bit_depth), "bit depth", self.bit_depth, "1 to 16")?;
        require(side(self.tile), "tile size", self.tile, "1 to 2^30")?;
        require(
            samples <= u128::from(MAX_TILE_SAMPLES),
            "samples of a tile",
            samples,
            "at most 2^28",
        )?;
        require(self.levels <= 16, "levels", self.levels, "0 to 16")?;
        let expected = "a power of two from 4 to 64";
        require(power(self.code_block, 4, 64), "code-block size", self.code_block, expected)?;
        let expected = "a power of two from 8 to 32768";
        require(power(self.precinct, 8, 1 << 15), "precinct size", self.precinct, expected)?;
        let side = u128::from(self.code_block.min(self.precinct / 2));
        let blocks = samples / (side * side);
        let expected = "at most 2^18";
        require(blocks <= MAX_TILE_BLOCKS, "code-blocks of a tile", blocks, expected)?;
        let transform = !self.mct || self.components >= 3;
        let expected = "3 or more components for the colour transform";
        require(transform, "components", self.components, expected)?;
        let expected = "a finite number of bytes from 1 to 1e99";
        require((1.0..=1e99).contains(&cap), "rate cap", cap, expected)?;
        for (name, length) in [("GML length", xml(&self.gml)), ("XML length", xml(&self.extra_xml))]
        {
            require(length <= MAX_XML, name, length, "at most 2^24 bytes")?;
        }
        Ok(())
    }

    /// Code-block size as a power of two.
    pub(super) fn block_exponent(&self) -> u8 {
        exponent(self.code_block)
    }

    /// Precinct size as a power of two.
    pub(super) fn precinct_exponent(&self) -> u8 {
        exponent(self.precinct)
    }
}

/// Logarithm of a power of two.
fn exponent(value: u32) -> u8 {
    u8::try_from(value.trailing_zeros()).unwrap_or_default()
}

fn require(
    holds: bool,
    field: &'static str,
    found: impl ToString,
    expected: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::EncodeSpec { field, found: found.to_string(), expected })
}
