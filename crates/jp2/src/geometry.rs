//! The reference grid: rectangles, tiles, resolutions and precincts (ISO/IEC 15444-1 Annex B).

use std::fmt;
use std::ops::Range;

use crate::header::{Coding, MainHeader, Siz};
use crate::{Error, Result};

/// A half-open rectangle `[x0, x1) x [y0, y1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// First column.
    pub x0: u32,
    /// First row.
    pub y0: u32,
    /// One after the last column.
    pub x1: u32,
    /// One after the last row.
    pub y1: u32,
}

impl Rect {
    /// The rectangle `[x0, x1) x [y0, y1)`; empty when an end is not after its start.
    pub fn new(x0: u32, y0: u32, x1: u32, y1: u32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.x1.saturating_sub(self.x0)
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.y1.saturating_sub(self.y0)
    }

    /// Columns times rows.
    pub fn area(&self) -> u64 {
        u64::from(self.width()) * u64::from(self.height())
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.width() == 0 || self.height() == 0
    }

    /// What both hold; `None` when that is nothing.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let both = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        };
        (!both.is_empty()).then_some(both)
    }

    /// Whether `other` lies wholly inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.x0 <= other.x0 && self.y0 <= other.y0 && other.x1 <= self.x1 && other.y1 <= self.y1
    }

    /// The rectangle on the lattice of every 2^`reduce`-th sample: each bound divided and rounded
    /// up (B-14, B-15). May be empty.
    pub fn reduced(&self, reduce: u8) -> Self {
        Self {
            x0: ceil_shift(self.x0, reduce),
            y0: ceil_shift(self.y0, reduce),
            x1: ceil_shift(self.x1, reduce),
            y1: ceil_shift(self.y1, reduce),
        }
    }

    /// The same on a grid subsampled by `dx`, `dy` (B-12).
    fn subsampled(&self, dx: u8, dy: u8) -> Self {
        let (dx, dy) = (u32::from(dx.max(1)), u32::from(dy.max(1)));
        Self {
            x0: self.x0.div_ceil(dx),
            y0: self.y0.div_ceil(dy),
            x1: self.x1.div_ceil(dx),
            y1: self.y1.div_ceil(dy),
        }
    }
}

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x {}..{} y {}..{}", self.x0, self.x1, self.y0, self.y1)
    }
}

/// `ceil(value / 2^shift)`.
pub(crate) fn ceil_shift(value: u32, shift: u8) -> u32 {
    match shift {
        0 => value,
        1..=31 => {
            let down = value >> shift;
            // the remainder decides, so that value + 2^shift - 1 cannot overflow
            down + u32::from(down << shift != value)
        }
        _ => u32::from(value != 0),
    }
}

/// The cells of size 2^`exponent`, anchored at 0, that `[start, end)` meets; none where that is empty
/// (B-16).
pub(crate) fn cells(start: u32, end: u32, exponent: u8) -> Range<u32> {
    if end <= start {
        return 0..0;
    }
    start.checked_shr(exponent.into()).unwrap_or(0)..ceil_shift(end, exponent)
}

/// Precincts of an area of a resolution, whose sizes are 2^`exponents`.
pub(crate) fn precincts(area: Rect, exponents: (u8, u8)) -> (Range<u32>, Range<u32>) {
    (cells(area.x0, area.x1, exponents.0), cells(area.y0, area.y1, exponents.1))
}

/// Cells of a grid.
pub(crate) fn count((columns, rows): &(Range<u32>, Range<u32>)) -> u64 {
    let length = |range: &Range<u32>| u64::from(range.end.saturating_sub(range.start));
    length(columns).saturating_mul(length(rows))
}

impl Siz {
    /// The image area on the reference grid.
    pub fn image_rect(&self) -> Rect {
        Rect::new(self.x_offset, self.y_offset, self.x_size, self.y_size)
    }

    /// Tiles in a row (B-5).
    pub fn tiles_x(&self) -> u32 {
        self.x_size.saturating_sub(self.tile_x_offset).div_ceil(self.tile_width.max(1))
    }

    /// Tiles in a column (B-5).
    pub fn tiles_y(&self) -> u32 {
        self.y_size.saturating_sub(self.tile_y_offset).div_ceil(self.tile_height.max(1))
    }

    /// Number of tiles; at most 65,535.
    pub fn tiles(&self) -> u32 {
        self.tiles_x().saturating_mul(self.tiles_y())
    }

    /// The area of a tile on the reference grid, clipped to the image (B-7 to B-10).
    ///
    /// # Errors
    /// [`Error::TilePart`] when there is no such tile.
    pub fn tile_rect(&self, tile: u16) -> Result<Rect> {
        let (tile, columns) = (u32::from(tile), self.tiles_x());
        if tile >= self.tiles() || columns == 0 {
            return Err(Error::TilePart {
                tile,
                offset: 0,
                reason: "there is no such tile",
                found: u64::from(tile),
                expected: u64::from(self.tiles().saturating_sub(1)),
            });
        }
        let span = |index: u32, offset: u32, size: u32, low: u32, high: u32| {
            let start = offset.saturating_add(index.saturating_mul(size));
            (start.max(low), start.saturating_add(size).min(high))
        };
        let (x0, x1) =
            span(tile % columns, self.tile_x_offset, self.tile_width, self.x_offset, self.x_size);
        let (y0, y1) =
            span(tile / columns, self.tile_y_offset, self.tile_height, self.y_offset, self.y_size);
        Ok(Rect { x0, y0, x1, y1 })
    }

    /// The tiles that an area of the reference grid meets, in raster order.
    pub fn tiles_in(&self, area: Rect) -> impl Iterator<Item = u16> + use<> {
        let columns = self.tiles_x();
        let hit = self.image_rect().intersection(&area);
        let (xs, ys) = match hit {
            Some(hit) => (
                span_of(hit.x0, hit.x1, self.tile_x_offset, self.tile_width),
                span_of(hit.y0, hit.y1, self.tile_y_offset, self.tile_height),
            ),
            None => (0..0, 0..0),
        };
        ys.flat_map(move |row| {
            xs.clone().filter_map(move |column| {
                u16::try_from(row.checked_mul(columns)?.checked_add(column)?).ok()
            })
        })
    }
}

/// Indices of the tiles along one axis that `[start, end)` meets.
fn span_of(start: u32, end: u32, offset: u32, size: u32) -> Range<u32> {
    let size = size.max(1);
    (start.saturating_sub(offset) / size)..(end.saturating_sub(offset).div_ceil(size))
}

/// Expected number of packets of a tile: layers times the precincts of every component and
/// resolution, with precincts anchored at the canvas origin (B.6), so that tiles of one size may
/// have different numbers.
///
/// The coding is that of the main header; tile-part headers may override it, see
/// [`TileCoding`](crate::TileCoding).
///
/// # Errors
/// [`Error::TilePart`] when there is no such tile.
pub fn packet_count(header: &MainHeader, tile: u16) -> Result<u64> {
    packet_count_of(&header.siz, header.cod.layers, tile, |component| header.coding(component))
}

/// [`packet_count`] with the coding of each component given.
pub(crate) fn packet_count_of<'a>(
    siz: &Siz,
    layers: u16,
    tile: u16,
    coding: impl Fn(u16) -> &'a Coding,
) -> Result<u64> {
    let rect = siz.tile_rect(tile)?;
    let mut total = 0u64;
    for (index, component) in (0u16..).zip(&siz.components) {
        let area = rect.subsampled(component.dx, component.dy);
        let coding = coding(index);
        for (resolution, exponents) in (0u8..).zip(&coding.precincts) {
            let area = area.reduced(coding.levels.saturating_sub(resolution));
            total = total.saturating_add(count(&precincts(area, *exponents)));
        }
    }
    Ok(total.saturating_mul(u64::from(layers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceil_shift_rounds_up() {
        assert_eq!(ceil_shift(0, 4), 0);
        assert_eq!(ceil_shift(1, 4), 1);
        assert_eq!(ceil_shift(16, 4), 1);
        assert_eq!(ceil_shift(17, 4), 2);
        assert_eq!(ceil_shift(u32::MAX, 31), 2);
        assert_eq!(ceil_shift(u32::MAX, 40), 1);
    }

    proptest::proptest! {
        /// Tiles cover the image once, and `tiles_in` finds those that meet an area.
        #[test]
        fn tiles_cover_the_image(
            size in 1u32..200, offset in 0u32..60, tile in 7u32..80, before in 0u32..7,
            x0 in 0u32..260, y0 in 0u32..260, w in 0u32..90, h in 0u32..90,
        ) {
            let siz = Siz {
                capabilities: 0,
                x_size: offset + size,
                y_size: offset + size / 2 + 1,
                x_offset: offset,
                y_offset: offset,
                tile_width: tile,
                tile_height: tile + 3,
                tile_x_offset: offset.saturating_sub(before),
                tile_y_offset: offset.saturating_sub(before / 2),
                components: Vec::new(),
            };
            let area = Rect::new(x0, y0, x0 + w, y0 + h);
            let tiles = 0..u16::try_from(siz.tiles()).unwrap();
            let rects: Vec<_> = tiles.clone().map(|tile| siz.tile_rect(tile).unwrap()).collect();
            let covered: u64 = rects.iter().map(Rect::area).sum();
            proptest::prop_assert_eq!(covered, siz.image_rect().area());
            let hit = |tile: &u16| rects[usize::from(*tile)].intersection(&area).is_some();
            let expected: Vec<_> = tiles.filter(hit).collect();
            proptest::prop_assert_eq!(siz.tiles_in(area).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn cells_are_anchored_at_zero() {
        assert_eq!(cells(640, 1280, 7), 5..10);
        assert_eq!(cells(320, 640, 7), 2..5);
        assert_eq!(cells(40, 80, 7), 0..1);
        assert_eq!(cells(120, 160, 7), 0..2);
        assert_eq!(cells(5, 5, 7), 0..0);
        assert_eq!(cells(0, u32::MAX, 0), 0..u32::MAX);
        assert_eq!(cells(7, 9, 40), 0..1);
        assert_eq!(count(&precincts(Rect::new(640, 5, 1280, 5), (7, 7))), 0);
        assert_eq!(count(&precincts(Rect::new(640, 120, 1280, 160), (7, 7))), 10);
    }
}
