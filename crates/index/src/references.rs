//! Records as references: a Zarr store whose chunks are byte ranges of the JP2 files.
//!
//! Each image is an array (time, y, x) under its EOPF path, one JP2 tile a chunk. A chunk is the
//! tile-part as it stands in the file; the codec `cubeflight_jp2` of the Python package makes a
//! codestream of it with the main header from the array's metadata. Written in the two formats of
//! Kerchunk that fsspec reads: JSON, and Parquet for many references.

mod build;
mod grid_mapping;
mod json;
mod metadata;
mod parquet;

#[cfg(test)]
mod tests;

use std::fmt;

use cubeflight_sentinel2::{AssetId, Cells, Level, MgrsTile, ProductId};

pub use self::parquet::{RECORD_SIZE, ReferenceFile};

/// Most references that [`References::write_json`] is meant for: readers hold all of them in
/// memory, a quarter of a kilobyte of text each.
pub const MAX_JSON_REFERENCES: u64 = 1_000_000;

/// Most samples of one tile, all components counted: what the codec decodes at once.
const MAX_TILE_SAMPLES: u64 = 1 << 26;

/// The references of one collection and tile.
#[derive(Debug, Clone)]
pub struct References {
    level: Level,
    tile: MgrsTile,
    steps: Vec<ProductId>,
    arrays: Vec<AssetArray>,
    left_out: Vec<LeftOut>,
}

/// A record that is not referenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Product of the record.
    pub product: ProductId,
    /// Its asset; `None` for the whole product.
    pub asset: Option<AssetId>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asset {
            Some(asset) => write!(f, "{} {asset}: {}", self.product, self.reason),
            None => write!(f, "{}: {}", self.product, self.reason),
        }
    }
}

/// One asset over all time steps.
#[derive(Debug, Clone)]
struct AssetArray {
    asset: AssetId,
    coding: TileCoding,
    /// One for each time step; `None` where the step has no such file.
    files: Vec<Option<File>>,
}

/// What all files of an array have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TileCoding {
    /// Main header without comments and lists of tile-parts.
    header: Vec<u8>,
    tile_width: u32,
    tile_height: u32,
    tiles_x: u32,
    tiles_y: u32,
    components: u16,
}

/// The tiles of one file.
#[derive(Debug, Clone)]
struct File {
    href: String,
    /// Offset and length in bytes of the tile-part of each tile, in raster order.
    spans: Vec<(u64, u32)>,
}

impl AssetArray {
    /// Length of the axis before y and x, where there is one.
    fn planes(&self) -> Option<u16> {
        matches!(self.asset.cells(), Cells::Rgb).then_some(self.coding.components)
    }

    fn tiles(&self) -> u64 {
        u64::from(self.coding.tiles_x) * u64::from(self.coding.tiles_y)
    }

    /// File, offset and length of each chunk in the order of the array; `None` for a time step
    /// without file.
    fn chunks(&self) -> impl Iterator<Item = Option<(&str, u64, u32)>> {
        let tiles = usize::try_from(self.tiles()).unwrap_or(usize::MAX);
        self.files.iter().flat_map(move |file| {
            let chunk = move |tile: usize| {
                let file = file.as_ref()?;
                let (offset, length) = file.spans.get(tile)?;
                Some((file.href.as_str(), *offset, *length))
            };
            (0..tiles).map(chunk)
        })
    }
}

impl References {
    /// Product of each time step, ascending in time.
    #[must_use]
    pub fn steps(&self) -> &[ProductId] {
        &self.steps
    }

    /// Records that are not referenced, and why.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Number of files that are referenced.
    #[must_use]
    pub fn files(&self) -> usize {
        self.arrays.iter().flat_map(|array| &array.files).flatten().count()
    }

    /// Number of arrays of pixels.
    #[must_use]
    pub fn arrays(&self) -> usize {
        self.arrays.len()
    }

    /// Number of references to byte ranges.
    #[must_use]
    pub fn references(&self) -> u64 {
        let files = |array: &AssetArray| array.files.iter().flatten().map(|_| array.tiles()).sum();
        self.arrays.iter().map(|array| -> u64 { files(array) }).sum()
    }
}
