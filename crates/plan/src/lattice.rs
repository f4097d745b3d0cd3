//! How a codestream divides its image into JP2 tiles.

use cubeflight_jp2::MainHeader;
use cubeflight_sentinel2::{AssetId, Grid, Window};

use crate::{Error, Result};

/// Tiles of a codestream whose image and tile grid begin at the origin, as in every file that ESA
/// writes (ISO/IEC 15444-1 B.3 with all offsets 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileLattice {
    /// Image columns.
    pub width: u32,
    /// Image rows.
    pub height: u32,
    /// Tile columns (XTsiz).
    pub tile_width: u32,
    /// Tile rows (YTsiz).
    pub tile_height: u32,
}

impl TileLattice {
    /// The lattice that a main header describes.
    ///
    /// # Errors
    /// An image that is not the asset's grid, offsets, and components that do not fit the asset.
    pub fn of_header(asset: AssetId, grid: &Grid, header: &MainHeader) -> Result<Self> {
        let siz = &header.siz;
        let name = || asset.to_string();
        if siz.x_offset != 0
            || siz.y_offset != 0
            || siz.tile_x_offset != 0
            || siz.tile_y_offset != 0
        {
            return Err(Error::Coding {
                asset: name(),
                reason: "its image or tile grid does not begin at the origin".to_owned(),
            });
        }
        if siz.x_size != grid.width || siz.y_size != grid.height {
            return Err(Error::GridMismatch {
                asset: name(),
                width: siz.x_size,
                height: siz.y_size,
                expected: grid.width,
            });
        }
        let coding = asset.coding();
        if siz.components.len() != usize::from(coding.components) {
            return Err(Error::Coding {
                asset: name(),
                reason: format!(
                    "it has {} components, {} are expected",
                    siz.components.len(),
                    coding.components
                ),
            });
        }
        Ok(Self {
            width: siz.x_size,
            height: siz.y_size,
            tile_width: siz.tile_width,
            tile_height: siz.tile_height,
        })
    }

    /// The lattice that ESA gives this asset, for records without main header.
    #[must_use]
    pub fn of_asset(asset: AssetId, grid: &Grid) -> Self {
        let side = asset.coding().jp2_tile;
        Self { width: grid.width, height: grid.height, tile_width: side, tile_height: side }
    }

    /// Tiles in the image.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.columns() * self.height.div_ceil(self.tile_height)
    }

    fn columns(&self) -> u32 {
        self.width.div_ceil(self.tile_width)
    }

    /// The tiles that meet a window, in raster order, each with the part of the window in it.
    pub fn tiles_in(&self, window: Window) -> impl Iterator<Item = (u32, Window)> + use<> {
        let lattice = *self;
        let rows = window.y / self.tile_height..window.bottom().div_ceil(self.tile_height);
        let columns = window.x / self.tile_width..window.right().div_ceil(self.tile_width);
        rows.flat_map(move |row| columns.clone().map(move |column| (row, column))).filter_map(
            move |(row, column)| {
                let tile = Window {
                    x: column * lattice.tile_width,
                    y: row * lattice.tile_height,
                    width: lattice.tile_width,
                    height: lattice.tile_height,
                };
                let part = tile.intersection(&window)?;
                Some((row * lattice.columns() + column, part))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_METRES: TileLattice =
        TileLattice { width: 10980, height: 10980, tile_width: 1024, tile_height: 1024 };

    #[test]
    fn the_seed_window_is_split_as_in_the_facts() {
        let window = Window { x: 4907, y: 8510, width: 1063, height: 1049 };
        let parts: Vec<_> = TEN_METRES.tiles_in(window).collect();
        let sizes: Vec<_> = parts.iter().map(|(_, part)| (part.height, part.width)).collect();
        assert_eq!(sizes, [(706, 213), (706, 850), (343, 213), (343, 850)]);
        let tiles: Vec<u32> = parts.iter().map(|(tile, _)| *tile).collect();
        assert_eq!(tiles, [8 * 11 + 4, 8 * 11 + 5, 9 * 11 + 4, 9 * 11 + 5]);
    }

    proptest! {
        #[test]
        fn parts_tile_the_window(x in 0_u32..1830, y in 0_u32..1830, w in 1_u32..1830, h in 1_u32..1830, side in 100_u32..2000) {
            let lattice = TileLattice { width: 1830, height: 1830, tile_width: side, tile_height: side };
            let window = Window { x, y, width: w.min(1830 - x), height: h.min(1830 - y) };
            let parts: Vec<_> = lattice.tiles_in(window).collect();
            let area: u64 = parts.iter().map(|(_, part)| part.pixels()).sum();
            prop_assert_eq!(area, window.pixels());
            prop_assert!(parts.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(parts.iter().all(|(tile, _)| *tile < lattice.count()));
        }
    }
}
