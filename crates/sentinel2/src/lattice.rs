//! Reduced resolutions: which samples of a grid are left, and where they lie.

use std::ops::Range;

use crate::{Align, Bounds, Error, Grid, Result, Window};

/// Highest level of reduced resolution: the images of all bands have four levels of wavelet
/// decomposition at least.
pub const MAX_REDUCE: u8 = 4;

/// Checks a level of reduced resolution that was asked for.
///
/// Levels above [`MAX_REDUCE`] are [`Error::Reduce`].
pub fn reduce_level(level: u32) -> Result<u8> {
    let known = u8::try_from(level).ok().filter(|level| *level <= MAX_REDUCE);
    known.ok_or(Error::Reduce { level })
}

/// The samples of a grid at a reduced resolution.
///
/// Level r keeps the pixels whose column and row are multiples of 2^r: sample i is centred where
/// pixel i * 2^r is, at corner + (i * 2^r + 0.5) * metres. That is where the samples of a JPEG 2000
/// image at that resolution stand on the reference grid (ISO/IEC 15444-1 B.5). Its pixels are 2^r
/// times as large and have the samples in their middle, so the outer edges of the first ones lie
/// half a reduced pixel less half a full one outside the tile. Level 0 is the grid itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lattice {
    grid: Grid,
    level: u8,
}

impl Lattice {
    /// Levels above 31 leave one sample, like level 31. What can be asked for ends at
    /// [`MAX_REDUCE`], see [`reduce_level`].
    pub(crate) fn new(grid: Grid, level: u8) -> Self {
        Self { grid, level: level.min(31) }
    }

    /// Pixels of the grid from one sample to the next.
    pub fn stride(&self) -> u32 {
        1 << self.level
    }

    /// Pixel size in metres.
    pub fn metres(&self) -> u32 {
        self.grid.resolution.metres().saturating_mul(self.stride())
    }

    /// Columns over the tile: the pixels of the grid divided by the stride, rounded up.
    pub fn width(&self) -> u32 {
        self.grid.width.div_ceil(self.stride())
    }

    /// Rows over the tile.
    pub fn height(&self) -> u32 {
        self.grid.height.div_ceil(self.stride())
    }

    /// All samples.
    pub fn full(&self) -> Window {
        Window { x: 0, y: 0, width: self.width(), height: self.height() }
    }

    /// Column of the grid at which the samples of a column lie.
    pub fn full_x(&self, column: u32) -> u32 {
        column.saturating_mul(self.stride())
    }

    /// Row of the grid at which the samples of a row lie.
    pub fn full_y(&self, row: u32) -> u32 {
        row.saturating_mul(self.stride())
    }

    /// Easting of the centres of a column, in metres.
    pub fn x_centre(&self, column: u32) -> f64 {
        self.grid.x_centre(self.full_x(column))
    }

    /// Northing of the centres of a row, in metres.
    pub fn y_centre(&self, row: u32) -> f64 {
        self.grid.y_centre(self.full_y(row))
    }

    /// The pixels of the grid from the first to the last sample of a window.
    pub fn area(&self, window: &Window) -> Window {
        let length = |count: u32| match count {
            0 => 0,
            _ => (count - 1).saturating_mul(self.stride()).saturating_add(1),
        };
        Window {
            x: self.full_x(window.x),
            y: self.full_y(window.y),
            width: length(window.width),
            height: length(window.height),
        }
    }

    /// The samples that lie in a window of the grid, or none.
    pub fn samples_in(&self, area: &Window) -> Option<Window> {
        let stride = self.stride();
        let (x, y) = (area.x.div_ceil(stride), area.y.div_ceil(stride));
        let (right, bottom) = (area.right().div_ceil(stride), area.bottom().div_ceil(stride));
        (x < right && y < bottom).then(|| Window { x, y, width: right - x, height: bottom - y })
    }

    /// The samples whose centres lie within the bounds, both ends included.
    ///
    /// To align, bounds are first rounded outward to multiples of 20 or 60 m times 2^level from the
    /// upper-left corner of the tile. Between two such multiples lie as many samples of a finer grid
    /// for each one of a coarser grid as at full resolution, the first of them in its pixel of full
    /// resolution; so the windows nest as far as the tile reaches, although the edges of reduced
    /// pixels do not meet.
    ///
    /// Bounds are in the grid's coordinate reference system. Bounds wholly outside the tile are
    /// [`Error::OutsideTile`], bounds between centres [`Error::NoPixel`].
    pub fn window(&self, bounds: &Bounds, align: Align) -> Result<Window> {
        let no_sample = || Error::NoPixel { wanted: *bounds, metres: self.metres() };
        let clipped = self.clipped(bounds)?;
        let columns = self.samples_within(clipped.columns(), self.width(), align);
        let rows = self.samples_within(clipped.rows(), self.height(), align);
        if columns.is_empty() || rows.is_empty() {
            return Err(no_sample());
        }
        Ok(window_of(columns, rows))
    }

    /// One of several windows: as [`Self::window`], but never empty. Where the bounds hold no centre
    /// along an axis, the sample whose pixel their middle lies in is taken; so bounds may be a line
    /// or a point ([`Bounds::with_points`]). Pixels hold their west and north edges. To align a
    /// point, it is rounded outward to the square that it lies in.
    ///
    /// Bounds wholly outside the tile are [`Error::OutsideTile`].
    pub fn window_or_point(&self, bounds: &Bounds, align: Align) -> Result<Window> {
        let clipped = self.clipped(bounds)?;
        let columns = self.samples_or_one(clipped.columns(), self.width(), align);
        let rows = self.samples_or_one(clipped.rows(), self.height(), align);
        Ok(window_of(columns, rows))
    }

    /// The part of the bounds in the tile.
    fn clipped(&self, bounds: &Bounds) -> Result<Clipped> {
        let tile = self.grid.bounds();
        // Northings fall with the row: count their negatives, which is exact.
        let columns = clip((bounds.min_x, bounds.max_x), (tile.min_x, tile.max_x));
        let rows = clip((-bounds.max_y, -bounds.min_y), (-tile.max_y, -tile.min_y));
        let outside = || Error::OutsideTile { wanted: *bounds, tile, epsg: self.grid.epsg };
        let (columns, rows) = columns.zip(rows).ok_or_else(outside)?;
        Ok(Clipped { edges: (tile.min_x, -tile.max_y), columns, rows })
    }

    /// The window rule along one axis, which begins at the edge of the tile.
    fn samples_within(&self, (edge, span): (f64, Span), count: u32, align: Align) -> Range<u32> {
        let metres = f64::from(self.grid.resolution.metres());
        let stride = f64::from(self.stride());
        let (min, max) = match align {
            Align::Centre => span,
            Align::R20m => round_outward(edge, span, 20.0 * stride),
            Align::R60m => round_outward(edge, span, 60.0 * stride),
        };
        centres_within(edge + metres / 2.0, metres * stride, count, min, max)
    }

    /// The same, but at least the sample in whose pixel the middle lies.
    fn samples_or_one(&self, (edge, span): (f64, Span), count: u32, align: Align) -> Range<u32> {
        let found = self.samples_within((edge, span), count, align);
        if !found.is_empty() {
            return found;
        }
        let first = edge + f64::from(self.grid.resolution.metres()) / 2.0;
        let middle = span.0 / 2.0 + span.1 / 2.0;
        // The pixels of a reduced lattice may end before the tile does, by half of one at most.
        let at = ((middle - first) / self.step() + 0.5).floor();
        let at = at.clamp(0.0, f64::from(count.saturating_sub(1))) as u32;
        at..at + 1
    }

    /// `proj:transform` of a window, nine numbers row by row: pixel corner to coordinates.
    pub fn transform(&self, window: &Window) -> [f64; 9] {
        let step = self.step();
        let corner = self.window_bounds(window);
        [step, 0.0, corner.min_x, 0.0, -step, corner.max_y, 0.0, 0.0, 1.0]
    }

    /// The outer edges of a window.
    pub fn window_bounds(&self, window: &Window) -> Bounds {
        let step = self.step();
        let (min_x, max_y) =
            (self.x_centre(window.x) - step / 2.0, self.y_centre(window.y) + step / 2.0);
        Bounds {
            min_x,
            min_y: max_y - f64::from(window.height) * step,
            max_x: min_x + f64::from(window.width) * step,
            max_y,
        }
    }

    /// Pixel size in metres, which is exact.
    fn step(&self) -> f64 {
        f64::from(self.grid.resolution.metres()) * f64::from(self.stride())
    }
}

/// Which of `count` centres at `first`, `first + step`, … lie within `min..=max`.
///
/// The window rule for any lattice, that of reduced resolutions included. Exact where the centres
/// are exact in `f64`: a bound that is a centre includes it. `step` must be positive.
pub fn centres_within(first: f64, step: f64, count: u32, min: f64, max: f64) -> Range<u32> {
    let centre = |i: u32| first + f64::from(i) * step;
    let start = first_where(count, (min - first) / step, |i| centre(i) >= min);
    let end = first_where(count, (max - first) / step, |i| centre(i) > max);
    start..end.max(start)
}

/// The first of `0..count` where the test, false then true, holds; `count` if it never does. The
/// guess may be wrong by rounding and is put right by the test alone.
fn first_where(count: u32, guess: f64, test: impl Fn(u32) -> bool) -> u32 {
    // A cast from float to integer saturates; NaN becomes 0 and is put right below.
    let mut i = guess.ceil().clamp(0.0, f64::from(count)) as u32;
    while i > 0 && test(i - 1) {
        i -= 1;
    }
    while i < count && !test(i) {
        i += 1;
    }
    i
}

/// From and to along one axis, both included.
type Span = (f64, f64);

/// Bounds within a tile, along axes that begin at its edges.
struct Clipped {
    edges: (f64, f64),
    columns: Span,
    rows: Span,
}

impl Clipped {
    fn columns(&self) -> (f64, Span) {
        (self.edges.0, self.columns)
    }

    fn rows(&self) -> (f64, Span) {
        (self.edges.1, self.rows)
    }
}

/// The part of a span in the tile. To share no more than an edge is not to meet; a point on an edge
/// belongs to the pixel after it.
fn clip((min, max): Span, (start, end): Span) -> Option<Span> {
    let clipped = (min.max(start), max.min(end));
    let is_point = min == max && min >= start && min < end;
    // Written so that not-a-number counts as outside.
    (clipped.0 < clipped.1 || is_point).then_some(clipped)
}

fn window_of(columns: Range<u32>, rows: Range<u32>) -> Window {
    Window {
        x: columns.start,
        y: rows.start,
        width: columns.end - columns.start,
        height: rows.end - rows.start,
    }
}

/// Moves both ends outward to multiples of `step` from the edge, a point to the two around it.
fn round_outward(edge: f64, (min, max): Span, step: f64) -> Span {
    let start = floor_to(edge, min, step);
    let end = -floor_to(-edge, -max, step);
    (start, if end > start { end } else { start + step })
}

/// The largest `origin + k * step` that is not above the value. The quotient may be wrong by
/// rounding and is put right by comparing the multiples themselves, which are exact.
fn floor_to(origin: f64, value: f64, step: f64) -> f64 {
    let mut k = ((value - origin) / step).floor();
    while origin + k * step > value {
        k -= 1.0;
    }
    while origin + (k + 1.0) * step <= value {
        k += 1.0;
    }
    origin + k * step
}

#[cfg(test)]
mod tests;
