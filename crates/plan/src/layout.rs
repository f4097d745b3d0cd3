//! What the cube looks like: a column per asset, its window, its row-blocks.

use std::ops::Range;

use cubeflight_sentinel2::{
    Align, AssetId, Bounds, Cells, Grid, Level, MgrsTile, Radiometry, SampleType, SclMask, Window,
};

use crate::{Error, Result};

/// Row-blocks of a step that does not fit in one message have at most this many bytes: message
/// sizes of 1-4 MiB stream fastest.
const BLOCK_GOAL: u64 = 2 * 1024 * 1024;

/// Element of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// Unsigned 8 bit.
    U8,
    /// Unsigned 16 bit.
    U16,
    /// IEEE 754 single precision.
    F32,
}

impl ElementType {
    /// Bytes of an element.
    #[must_use]
    pub fn size(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
        }
    }
}

/// One band of the cube.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The asset.
    pub asset: AssetId,
    /// EOPF path without leading slash; the name of the column.
    pub path: String,
    /// Grid of the asset over the whole MGRS tile.
    pub grid: Grid,
    /// Pixels of the grid that the cube holds.
    pub window: Window,
    /// What a cell is made of.
    pub cells: Cells,
    /// Element as it travels.
    pub element: ElementType,
    /// Rows of a row-block.
    pub block_rows: u32,
}

impl Column {
    /// An asset over a window of its grid, as one row-block.
    pub(crate) fn new(
        level: Level,
        tile: MgrsTile,
        asset: AssetId,
        window: Window,
        radiometry: Radiometry,
    ) -> Self {
        let is_float = asset.is_reflectance() && radiometry == Radiometry::Reflectance;
        let element = match asset.sample_type() {
            SampleType::U8 => ElementType::U8,
            SampleType::U16 if is_float => ElementType::F32,
            SampleType::U16 => ElementType::U16,
        };
        Self {
            asset,
            path: asset.eopf_path(level),
            grid: tile.grid(asset.resolution),
            window,
            cells: asset.cells(),
            element,
            block_rows: window.height,
        }
    }

    /// Tensor planes: 3 for RGB, else 1.
    #[must_use]
    pub fn planes(&self) -> u32 {
        match self.cells {
            Cells::Rgb => 3,
            _ => 1,
        }
    }

    /// Rows of the window that row-block `block` holds, counted from the window's first row. Empty
    /// when the column ends before that block.
    #[must_use]
    pub fn rows_of_block(&self, block: u32) -> Range<u32> {
        let start = block.saturating_mul(self.block_rows).min(self.window.height);
        let end = start.saturating_add(self.block_rows).min(self.window.height);
        start..end
    }

    /// The samples that row-block `block` holds. Empty when the column ends before that block.
    #[must_use]
    pub fn block_window(&self, block: u32) -> Window {
        let rows = self.rows_of_block(block);
        let Window { x, width, .. } = self.window;
        Window { x, y: self.window.y + rows.start, width, height: rows.end - rows.start }
    }

    /// Elements of one row-block: planes x rows x columns, fill rows included.
    #[must_use]
    pub fn block_elements(&self) -> u64 {
        u64::from(self.planes()) * u64::from(self.block_rows) * u64::from(self.window.width)
    }

    /// Bytes of one row-block.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        self.block_elements() * self.element.size()
    }

    fn row_bytes(&self) -> u64 {
        u64::from(self.planes()) * u64::from(self.window.width) * self.element.size()
    }
}

/// The columns of a cube and how many row-blocks a time step has.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Processing level.
    pub level: Level,
    /// MGRS tile.
    pub tile: MgrsTile,
    /// What the numbers of reflectance columns mean.
    pub radiometry: Radiometry,
    /// Reflectance that becomes fill.
    pub mask: Option<SclMask>,
    /// Smallest share of valid pixels of a step that is not skipped, 0 to 1.
    pub min_valid: Option<f64>,
    /// Columns in request order.
    pub columns: Vec<Column>,
    /// Row-blocks of a time step, at least 1.
    pub blocks: u16,
}

/// What a layout is made from; bounds are in the tile's UTM zone.
#[derive(Debug, Clone)]
pub struct LayoutRequest<'a> {
    /// Processing level.
    pub level: Level,
    /// MGRS tile.
    pub tile: MgrsTile,
    /// Assets in column order.
    pub assets: &'a [AssetId],
    /// `None` is the whole tile.
    pub bounds: Option<Bounds>,
    /// How bounds become a window.
    pub align: Align,
    /// What the numbers of reflectance columns mean.
    pub radiometry: Radiometry,
    /// Reflectance that becomes fill.
    pub mask: Option<&'a SclMask>,
    /// Smallest share of valid pixels of a step that is not skipped.
    pub min_valid: Option<f64>,
    /// Largest message body in bytes.
    pub max_message_bytes: u32,
}

impl Layout {
    /// Lays out the cube. A step that fits in one message is one row-block; else the blocks are the
    /// largest multiple of the unit within 2 MiB, where the unit is the fewest rows that are whole
    /// at every resolution asked for.
    ///
    /// # Errors
    /// Bounds that miss the tile, and message limits below one unit.
    pub fn new(request: &LayoutRequest<'_>) -> Result<Self, LayoutError> {
        let mut columns = Vec::with_capacity(request.assets.len());
        for asset in request.assets {
            columns.push(column(request, *asset)?);
        }
        let blocks = cut_blocks(&mut columns, request.max_message_bytes)?;
        Ok(Self {
            level: request.level,
            tile: request.tile,
            radiometry: request.radiometry,
            mask: request.mask.cloned(),
            min_valid: request.min_valid,
            columns,
            blocks,
        })
    }

    /// Bytes of one row-block over all columns.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        self.columns.iter().map(Column::block_bytes).sum()
    }
}

/// Why there is no layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The bounds and the tile do not meet.
    #[error(transparent)]
    Window(#[from] cubeflight_sentinel2::Error),
    /// The row-blocks cannot be cut.
    #[error(transparent)]
    Blocks(#[from] Error),
}

impl LayoutError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Window(error) => error.code(),
            Self::Blocks(error) => error.code(),
        }
    }
}

fn column(
    request: &LayoutRequest<'_>,
    asset: AssetId,
) -> Result<Column, cubeflight_sentinel2::Error> {
    let grid = request.tile.grid(asset.resolution);
    let window = match &request.bounds {
        Some(bounds) => grid.window(bounds, request.align)?,
        None => grid.full(),
    };
    Ok(Column::new(request.level, request.tile, asset, window, request.radiometry))
}

fn cut_blocks(columns: &mut [Column], limit: u32) -> Result<u16> {
    let step_bytes: u64 = columns.iter().map(Column::block_bytes).sum();
    if step_bytes <= u64::from(limit) {
        return Ok(1);
    }
    let metres = unit_metres(columns);
    let rows_per_unit = |column: &Column| metres / column.grid.resolution.metres();
    let unit_bytes: u64 =
        columns.iter().map(|column| u64::from(rows_per_unit(column)) * column.row_bytes()).sum();
    if unit_bytes > u64::from(limit) {
        return Err(Error::MessageTooSmall { limit, minimum: unit_bytes });
    }
    let units = (BLOCK_GOAL.min(u64::from(limit)) / unit_bytes.max(1)).max(1);
    // A block is never taller than the tile, so the product fits.
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let mut blocks = 1;
    for column in columns.iter_mut() {
        column.block_rows = rows_per_unit(column).saturating_mul(units);
        blocks = blocks.max(column.window.height.div_ceil(column.block_rows));
    }
    u16::try_from(blocks).map_err(|_| Error::TooManyBlocks { blocks: u64::from(blocks) })
}

/// Least common multiple of the pixel sizes in metres: 10, 20 or 60.
fn unit_metres(columns: &[Column]) -> u32 {
    columns.iter().map(|column| column.grid.resolution.metres()).fold(1, lcm)
}

fn lcm(a: u32, b: u32) -> u32 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    fn layout(bands: &[&str], bounds: Option<Bounds>, limit: u32) -> Result<Layout, LayoutError> {
        let assets: Vec<AssetId> =
            bands.iter().map(|band| AssetId::parse(band, Level::L2A).unwrap()).collect();
        Layout::new(&LayoutRequest {
            level: Level::L2A,
            tile: MgrsTile::from_str("33TVN").unwrap(),
            assets: &assets,
            bounds,
            align: Align::Centre,
            radiometry: Radiometry::Raw,
            mask: None,
            min_valid: None,
            max_message_bytes: limit,
        })
    }

    const LIMIT: u32 = cubeflight_sentinel2::DEFAULT_MESSAGE_BYTES;

    fn seed_bounds() -> Bounds {
        Bounds::new(449030.2565467731, 5204447.577367328, 459657.82505819947, 5214944.124667359)
            .unwrap()
    }

    #[test]
    fn the_seed_step_is_one_block() {
        let layout = layout(&["B08", "B11", "SCL"], Some(seed_bounds()), LIMIT).unwrap();
        assert_eq!(layout.blocks, 1);
        let shapes: Vec<_> =
            layout.columns.iter().map(|c| (c.window.height, c.window.width)).collect();
        assert_eq!(shapes, [(1049, 1063), (525, 531), (525, 531)]);
    }

    #[test]
    fn a_whole_tile_is_cut_in_units() {
        let layout = layout(&["B08", "B11", "B01_60m"], None, LIMIT).unwrap();
        let rows: Vec<u32> = layout.columns.iter().map(|c| c.block_rows).collect();
        assert_eq!(rows[0], 2 * rows[1]);
        assert_eq!(rows[0], 6 * rows[2]);
        assert!(layout.block_bytes() <= BLOCK_GOAL);
    }

    #[test]
    fn a_limit_below_one_unit_names_the_minimum() {
        let error = layout(&["B08", "B11"], None, 1000).unwrap_err();
        assert_eq!(error.code(), "CF-PLN-001");
        assert!(error.to_string().contains(&(2 * 10980 * 2 + 5490 * 2).to_string()));
    }

    proptest! {
        #[test]
        fn blocks_cover_every_row_once_and_fit(
            picks in prop::sample::subsequence(vec!["B08", "B11", "B01_60m", "TCI_10m", "SCL"], 1..=5),
            x in 0.0..100_000.0, y in 0.0..100_000.0, side in 100.0..109_000.0,
            limit in 200_000_u32..8_000_000,
        ) {
            let bounds = Bounds::new(399960.0 + x, 5190240.0 + y, 399960.0 + x + side, 5190240.0 + y + side).unwrap();
            let layout = match layout(&picks, Some(bounds), limit) {
                Ok(layout) => layout,
                Err(error) => { prop_assert_eq!(error.code(), "CF-PLN-001"); return Ok(()); }
            };
            prop_assert!(layout.block_bytes() <= u64::from(limit));
            for column in &layout.columns {
                let mut next = 0;
                for block in 0..u32::from(layout.blocks) {
                    let rows = column.rows_of_block(block);
                    prop_assert_eq!(rows.start, next);
                    next = rows.end;
                }
                prop_assert_eq!(next, column.window.height);
            }
        }
    }
}
