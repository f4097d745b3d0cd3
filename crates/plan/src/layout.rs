//! What the cube looks like: a column per asset, its window, its row-blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use cubeflight_sentinel2::{
    Align, AssetId, Bounds, Cells, Error as Domain, Grid, Lattice, Level, MgrsTile, Radiometry,
    SampleType, SclMask, Window, reduce_level,
};

use crate::{Error, Result, TileArea, TileLattice};

/// Row-blocks of a step that does not fit in one message have at most this many bytes: message
/// sizes of 1-4 MiB stream fastest.
const BLOCK_GOAL: u64 = 2 * 1024 * 1024;

/// Windows of a list are read together as far as their row-blocks have this many bytes: JP2 tiles
/// that several of them meet are read once, and all of their row-blocks are open meanwhile.
const SHARED_BYTES: u64 = 32 * 1024 * 1024;

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
    /// Grid of the asset over the whole MGRS tile, at full resolution.
    pub grid: Grid,
    /// Level of reduced resolution.
    pub reduce: u8,
    /// Samples of [`Self::lattice`] that the cube holds; at full resolution pixels of the grid. Of a
    /// list of windows the smallest one that holds them all.
    pub window: Window,
    /// The list, where the cube has one: row-block k is window k.
    pub list: Option<Arc<[Window]>>,
    /// How many windows of the list, one after the other, are read together.
    pub together: usize,
    /// What a cell is made of.
    pub cells: Cells,
    /// Element as it travels.
    pub element: ElementType,
    /// Rows of a row-block; of a list those of the tallest window.
    pub block_rows: u32,
    /// Columns of a row-block; of a list those of the widest window.
    pub block_width: u32,
}

impl Column {
    /// An asset over a window of its lattice, as one row-block.
    pub(crate) fn new(
        level: Level,
        tile: MgrsTile,
        asset: AssetId,
        reduce: u8,
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
            reduce,
            window,
            list: None,
            together: 1,
            cells: asset.cells(),
            element,
            block_rows: window.height,
            block_width: window.width,
        }
    }

    /// The same with a row-block for each of several windows, none of them empty. `self` is over the
    /// first.
    pub(crate) fn with_list(self, windows: Vec<Window>) -> Self {
        let window = windows.iter().fold(self.window, |all, window| all.around(window));
        let block_rows = windows.iter().map(|window| window.height).max().unwrap_or(0);
        let block_width = windows.iter().map(|window| window.width).max().unwrap_or(0);
        let (list, together) = (Some(windows.into()), usize::MAX);
        Self { window, list, together, block_rows, block_width, ..self }
    }

    /// Whether row-block k is window k of a list, and not a run of rows of the only window.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.list.is_some()
    }

    /// The windows of the list, or the only one.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        self.list.as_deref().unwrap_or(std::slice::from_ref(&self.window))
    }

    /// Rows and columns of the window; of a list those of the tallest and of the widest one.
    #[must_use]
    pub fn shape(&self) -> [u32; 2] {
        match self.list {
            Some(_) => [self.block_rows, self.block_width],
            None => [self.window.height, self.window.width],
        }
    }

    /// What the grid has at the column's level of resolution.
    #[must_use]
    pub fn lattice(&self) -> Lattice {
        self.grid.reduced(self.reduce)
    }

    /// Whether samples are pixels of the image decoded at full resolution: the reduced samples of
    /// classes, flags and probabilities, which the low-pass of the wavelet would turn into others.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.reduce > 0 && self.asset.is_class()
    }

    /// Resolutions that the decoder leaves out: none where the image is sampled.
    #[must_use]
    pub fn decode_reduce(&self) -> u8 {
        if self.sampled() { 0 } else { self.reduce }
    }

    /// The pixels of the grid from the first to the last sample of the window.
    #[must_use]
    pub fn area(&self) -> Window {
        self.lattice().area(&self.window)
    }

    /// Column of the grid at which a column of the lattice lies. Those of the window begin at
    /// `window.x`.
    #[must_use]
    pub fn full_x(&self, x: u32) -> u32 {
        self.lattice().full_x(x)
    }

    /// Row of the grid at which a row of the lattice lies. Those of the window begin at `window.y`.
    #[must_use]
    pub fn full_y(&self, y: u32) -> u32 {
        self.lattice().full_y(y)
    }

    /// Tensor planes: 3 for RGB, else 1.
    #[must_use]
    pub fn planes(&self) -> u32 {
        match self.cells {
            Cells::Rgb => 3,
            _ => 1,
        }
    }

    /// The samples that row-block `block` holds. Empty when the column ends before that block.
    #[must_use]
    pub fn block_window(&self, block: u32) -> Window {
        let Window { x, y, width, height } = self.window;
        if let Some(list) = &self.list {
            let none = Window { x, y, width: 0, height: 0 };
            return list.get(block as usize).copied().unwrap_or(none);
        }
        let start = block.saturating_mul(self.block_rows).min(height);
        let end = start.saturating_add(self.block_rows).min(height);
        Window { x, y: y + start, width, height: end - start }
    }

    /// Row-blocks of the only window that hold these samples, which lie in it.
    fn blocks_of(&self, samples: &Window) -> Range<u32> {
        let block = |y: u32| y.saturating_sub(self.window.y) / self.block_rows.max(1);
        block(samples.y)..block(samples.bottom().saturating_sub(1)) + 1
    }

    /// The samples that each JP2 tile must give, tile by tile in the order in which they are read,
    /// with the row-blocks that they fill. Of a list, in turns of those windows that are read
    /// together.
    pub(crate) fn areas_by_tile(&self, tiles: &TileLattice) -> Vec<BTreeMap<u32, Vec<TileArea>>> {
        let mut turns: Vec<BTreeMap<u32, Vec<TileArea>>> = Vec::new();
        let lattice = self.lattice();
        for (number, window) in (0_u32..).zip(self.windows()) {
            if (number as usize).is_multiple_of(self.together) || turns.is_empty() {
                turns.push(BTreeMap::new());
            }
            let Some(turn) = turns.last_mut() else { continue };
            for (tile, part) in tiles.tiles_in(lattice.area(window)) {
                // a tile's edge may hold no sample of a reduced lattice
                let samples = lattice.samples_in(&part).and_then(|it| it.intersection(window));
                let Some(samples) = samples else { continue };
                let blocks = match self.list {
                    Some(_) => number..number + 1,
                    None => self.blocks_of(&samples),
                };
                turn.entry(tile).or_default().push(TileArea { samples, blocks });
            }
        }
        turns
    }

    /// The JP2 tiles that hold samples of the cube.
    #[must_use]
    pub fn tiles(&self, tiles: &TileLattice) -> BTreeSet<u32> {
        let lattice = self.lattice();
        let areas = self.windows().iter().map(|window| lattice.area(window));
        areas.flat_map(|area| tiles.tiles_in(area)).map(|(tile, _)| tile).collect()
    }

    /// Elements of one row-block: planes x rows x columns, fill rows included.
    #[must_use]
    pub fn block_elements(&self) -> u64 {
        u64::from(self.planes()) * u64::from(self.block_rows) * u64::from(self.block_width)
    }

    /// Bytes of one row-block.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        self.block_elements() * self.element.size()
    }

    fn row_bytes(&self) -> u64 {
        u64::from(self.planes()) * u64::from(self.block_width) * self.element.size()
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
    /// `None` is the whole tile, unless there are windows.
    pub bounds: Option<Bounds>,
    /// Several areas instead of bounds, points among them; each is a row-block.
    pub windows: &'a [Bounds],
    /// How bounds become a window.
    pub align: Align,
    /// Level of reduced resolution of all columns.
    pub reduce: u8,
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
    /// at every resolution asked for. Reducing makes all pixels as many times larger and leaves the
    /// unit as it is. Of a list of windows each is one row-block, as large as the largest.
    ///
    /// # Errors
    /// Levels of resolution that do not exist, bounds and windows that miss the tile, and message
    /// limits below one unit or one window.
    pub fn new(request: &LayoutRequest<'_>) -> Result<Self, LayoutError> {
        reduce_level(u32::from(request.reduce))?;
        let mut columns = Vec::with_capacity(request.assets.len());
        for asset in request.assets {
            columns.push(column(request, *asset)?);
        }
        let blocks = match request.windows {
            [] => cut_blocks(&mut columns, request.max_message_bytes)?,
            _ => blocks_of_list(&mut columns, request.max_message_bytes)?,
        };
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
    /// There is no such window of the tile, or no such level of resolution.
    #[error(transparent)]
    Window(#[from] Domain),
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

fn column(request: &LayoutRequest<'_>, asset: AssetId) -> Result<Column, Domain> {
    let lattice = request.tile.grid(asset.resolution).reduced(request.reduce);
    let LayoutRequest { level, tile, reduce, radiometry, align, .. } = *request;
    let of = |window| Column::new(level, tile, asset, reduce, window, radiometry);
    let listed = |(position, bounds)| {
        let window = lattice.window_or_point(bounds, align);
        window.map_err(|error| Domain::InWindow { position, error: Box::new(error) })
    };
    let windows = request.windows.iter().enumerate().map(listed).collect::<Result<Vec<_>, _>>()?;
    match (windows.first(), &request.bounds) {
        (Some(first), _) => Ok(of(*first).with_list(windows)),
        (None, Some(bounds)) => Ok(of(lattice.window(bounds, align)?)),
        (None, None) => Ok(of(lattice.full())),
    }
}

/// Each window of a list is a row-block.
fn blocks_of_list(columns: &mut [Column], limit: u32) -> Result<u16> {
    let block_bytes: u64 = columns.iter().map(Column::block_bytes).sum();
    if block_bytes > u64::from(limit) {
        return Err(Error::MessageTooSmall { limit, minimum: block_bytes });
    }
    let together = usize::try_from(SHARED_BYTES / block_bytes.max(1)).unwrap_or(usize::MAX).max(1);
    for column in columns.iter_mut() {
        column.together = together;
    }
    let blocks = columns.first().map_or(0, |column| column.windows().len());
    u16::try_from(blocks).map_err(|_| Error::TooManyBlocks { blocks: blocks as u64 })
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
        // a window may have fewer rows than a unit
        return Err(Error::MessageTooSmall { limit, minimum: unit_bytes.min(step_bytes) });
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
mod tests;
