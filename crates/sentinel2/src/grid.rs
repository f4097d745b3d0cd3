//! The pixel grids of a tile and the window rule.

use std::fmt;
use std::str::FromStr;

use crate::{Bounds, Error, Lattice, Result, Window};

/// Pixel size of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// 10 m, 10980 pixels.
    R10m,
    /// 20 m, 5490 pixels.
    R20m,
    /// 60 m, 1830 pixels.
    R60m,
}

impl Resolution {
    /// All resolutions, the finest first.
    pub const ALL: [Self; 3] = [Self::R10m, Self::R20m, Self::R60m];

    /// Pixel size in metres.
    pub fn metres(self) -> u32 {
        match self {
            Self::R10m => 10,
            Self::R20m => 20,
            Self::R60m => 60,
        }
    }

    /// Columns and rows of a whole tile, which is 109.8 km wide.
    pub fn pixels(self) -> u32 {
        109_800 / self.metres()
    }

    /// Name of the EOPF group, as in `r10m`.
    pub fn group(self) -> &'static str {
        match self {
            Self::R10m => "r10m",
            Self::R20m => "r20m",
            Self::R60m => "r60m",
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.group()[1..])
    }
}

impl FromStr for Resolution {
    type Err = Error;

    /// Reads `10m` and `r10m`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix('r').unwrap_or(&lower);
        Self::ALL
            .into_iter()
            .find(|r| &r.group()[1..] == name)
            .ok_or_else(|| Error::Resolution { text: text.to_owned() })
    }
}

/// How bounds become windows.
///
/// The three grids do not nest under the centre rule: a 20 m pixel whose centre is inside the
/// bounds may have 10 m pixels whose centres are not. Rounding the bounds outward first makes the
/// windows of finer grids whole multiples of those of coarser ones. At a reduced level the steps to
/// which they are rounded grow with the pixels, see [`Lattice::window`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Align {
    /// Bounds as given.
    #[default]
    Centre,
    /// Bounds rounded outward to the 20 m lattice: 10 and 20 m windows nest.
    R20m,
    /// Bounds rounded outward to the 60 m lattice: all windows nest.
    R60m,
}

impl fmt::Display for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Centre => "centre",
            Self::R20m => "20m",
            Self::R60m => "60m",
        })
    }
}

impl FromStr for Align {
    type Err = Error;

    /// Reads `centre`, `20m` and `60m`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "centre" => Ok(Self::Centre),
            "20m" => Ok(Self::R20m),
            "60m" => Ok(Self::R60m),
            _ => Err(Error::Align { text: text.to_owned() }),
        }
    }
}

/// The pixels of a tile at one resolution. Rows run from north to south.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    /// EPSG code of the UTM zone.
    pub epsg: u32,
    /// Easting of the upper-left corner of the upper-left pixel, in metres.
    pub origin_x: i32,
    /// Northing of the upper-left corner of the upper-left pixel, in metres.
    pub origin_y: i32,
    /// Pixel size.
    pub resolution: Resolution,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Grid {
    /// All pixels.
    pub fn full(&self) -> Window {
        Window { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// The pixels whose centres lie within the bounds, both ends included, cut to the tile.
    ///
    /// Bounds are in the grid's coordinate reference system. Bounds wholly outside the tile are
    /// [`Error::OutsideTile`], bounds between pixel centres [`Error::NoPixel`].
    pub fn window(&self, bounds: &Bounds, align: Align) -> Result<Window> {
        self.reduced(0).window(bounds, align)
    }

    /// The samples that are left at a reduced resolution, see [`Lattice`].
    pub fn reduced(&self, level: u8) -> Lattice {
        Lattice::new(*self, level)
    }

    /// `proj:transform` of a window, nine numbers row by row: pixel corner to coordinates.
    pub fn transform(&self, window: &Window) -> [f64; 9] {
        let step = f64::from(self.resolution.metres());
        let corner = self.window_bounds(window);
        [step, 0.0, corner.min_x, 0.0, -step, corner.max_y, 0.0, 0.0, 1.0]
    }

    /// The outer edges of the grid.
    pub fn bounds(&self) -> Bounds {
        self.window_bounds(&self.full())
    }

    /// The outer edges of a window.
    pub fn window_bounds(&self, window: &Window) -> Bounds {
        let step = f64::from(self.resolution.metres());
        let (x, y) = (f64::from(self.origin_x), f64::from(self.origin_y));
        Bounds {
            min_x: x + f64::from(window.x) * step,
            min_y: y - (f64::from(window.y) + f64::from(window.height)) * step,
            max_x: x + (f64::from(window.x) + f64::from(window.width)) * step,
            max_y: y - f64::from(window.y) * step,
        }
    }

    /// Easting of the centres of a column, in metres.
    pub fn x_centre(&self, column: u32) -> f64 {
        let step = f64::from(self.resolution.metres());
        f64::from(self.origin_x) + (f64::from(column) + 0.5) * step
    }

    /// Northing of the centres of a row, in metres.
    pub fn y_centre(&self, row: u32) -> f64 {
        let step = f64::from(self.resolution.metres());
        f64::from(self.origin_y) - (f64::from(row) + 0.5) * step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Align, Grid, Resolution};
    use crate::{Bounds, MgrsTile, Window};

    fn grid(resolution: Resolution) -> Grid {
        "33TVN".parse::<MgrsTile>().unwrap().grid(resolution)
    }

    /// Bounds of 33TVN that have been used with other software: the expected windows are known.
    fn reference() -> Bounds {
        let (min_x, min_y) = (449_030.256_546_773_1, 5_204_447.577_367_328);
        let (max_x, max_y) = (459_657.825_058_199_47, 5_214_944.124_667_359);
        Bounds::new(min_x, min_y, max_x, max_y).unwrap()
    }

    #[test]
    fn reference_windows() {
        let fine = grid(Resolution::R10m).window(&reference(), Align::Centre).unwrap();
        assert_eq!(fine, Window { x: 4907, y: 8510, width: 1063, height: 1049 });
        let coarse = grid(Resolution::R20m).window(&reference(), Align::Centre).unwrap();
        assert_eq!((coarse.width, coarse.height), (531, 525));
        // JPEG 2000 tiles that they meet: 2 x 2 at 10 m and at 20 m.
        assert_eq!((9 * 1024 - fine.y, fine.bottom() - 9 * 1024), (706, 343));
        assert_eq!((5 * 1024 - fine.x, fine.right() - 5 * 1024), (213, 850));
        assert_eq!((7 * 640 - coarse.y, coarse.bottom() - 7 * 640), (225, 300));
        assert_eq!((4 * 640 - coarse.x, coarse.right() - 4 * 640), (106, 425));
    }

    #[test]
    fn transforms() {
        let grid = grid(Resolution::R10m);
        let window = Window { x: 4907, y: 8510, width: 1063, height: 1049 };
        let expected = [10.0, 0.0, 449_030.0, 0.0, -10.0, 5_214_940.0, 0.0, 0.0, 1.0];
        assert_eq!(grid.transform(&window), expected);
        assert_eq!(grid.x_centre(4907), 449_035.0);
        assert_eq!(grid.y_centre(8510), 5_214_935.0);
        let edges = grid.bounds();
        assert_eq!((edges.min_x, edges.max_x), (399_960.0, 509_760.0));
        assert_eq!((edges.min_y, edges.max_y), (5_190_240.0, 5_300_040.0));
        assert_eq!(grid.window(&edges, Align::Centre).unwrap(), grid.full());
    }

    #[test]
    fn a_bound_on_a_centre_includes_it() {
        let grid = grid(Resolution::R10m);
        let (x0, x1) = (grid.x_centre(100), grid.x_centre(200));
        let (y0, y1) = (grid.y_centre(300), grid.y_centre(250));
        let window = grid.window(&Bounds::new(x0, y0, x1, y1).unwrap(), Align::Centre).unwrap();
        assert_eq!(window, Window { x: 100, y: 250, width: 101, height: 51 });
        let inner = Bounds::new(x0.next_up(), y0.next_up(), x1.next_down(), y1.next_down());
        let window = grid.window(&inner.unwrap(), Align::Centre).unwrap();
        assert_eq!(window, Window { x: 101, y: 251, width: 99, height: 49 });
    }

    #[test]
    fn refusals() {
        let grid = grid(Resolution::R10m);
        let window = |min_x, min_y, max_x, max_y, align| {
            grid.window(&Bounds::new(min_x, min_y, max_x, max_y).unwrap(), align)
        };
        let geographic = window(14.3, 46.9, 14.5, 47.1, Align::Centre).unwrap_err();
        assert_eq!(geographic.code(), "CF-S2-006");
        assert!(geographic.to_string().contains("399960,5190240,509760,5300040 in EPSG:32633"));
        // Sharing an edge is not meeting.
        let beside = window(509_760.0, 5_200_000.0, 520_000.0, 5_210_000.0, Align::R60m);
        assert_eq!(beside.unwrap_err().code(), "CF-S2-006");
        let between = window(400_026.0, 5_200_001.0, 400_034.0, 5_200_100.0, Align::Centre);
        assert_eq!(between.unwrap_err().code(), "CF-S2-007");
        let aligned = window(400_026.0, 5_200_001.0, 400_034.0, 5_200_100.0, Align::R20m).unwrap();
        assert_eq!((aligned.x, aligned.width), (6, 2));
        // Only the part inside the tile counts; huge numbers do not overflow.
        let all = window(-1e300, -1e300, 1e300, 1e300, Align::R20m).unwrap();
        assert_eq!(all, grid.full());
        assert!(Bounds::new(0.0, 0.0, f64::NAN, 1.0).is_err());
        assert!(Bounds::new(0.0, 0.0, f64::INFINITY, 1.0).is_err());
        assert_eq!(Bounds::new(1.0, 0.0, 1.0, 1.0).unwrap_err().code(), "CF-S2-004");
    }

    #[test]
    fn names() {
        for resolution in Resolution::ALL {
            assert_eq!(resolution.to_string().parse(), Ok(resolution));
            assert_eq!(resolution.group().parse(), Ok(resolution));
            assert_eq!(resolution.pixels() * resolution.metres(), 109_800);
        }
        for align in [Align::Centre, Align::R20m, Align::R60m] {
            assert_eq!(align.to_string().parse(), Ok(align));
        }
        assert_eq!("15m".parse::<Resolution>().unwrap_err().code(), "CF-S2-003");
        assert_eq!("10m".parse::<Align>().unwrap_err().code(), "CF-S2-005");
    }

    fn any_resolution() -> impl Strategy<Value = Resolution> {
        prop_oneof![Just(Resolution::R10m), Just(Resolution::R20m), Just(Resolution::R60m)]
    }

    /// Offsets from the tile's corner, often exact multiples of 5 m, some outside the tile.
    fn offset() -> impl Strategy<Value = f64> {
        prop_oneof![
            -1_000.0..111_000.0,
            (-100i32..22_000).prop_map(|n| f64::from(n) * 5.0),
            (-100i32..22_000).prop_map(|n| (f64::from(n) * 5.0).next_up()),
            (-100i32..22_000).prop_map(|n| (f64::from(n) * 5.0).next_down()),
        ]
    }

    fn span() -> impl Strategy<Value = (f64, f64)> {
        (offset(), prop_oneof![offset(), 0.0..300.0]).prop_filter_map("empty", |(a, b)| {
            let b = if b < 300.0 { a + b } else { b };
            (a != b).then(|| (a.min(b), a.max(b)))
        })
    }

    fn bounds() -> impl Strategy<Value = Bounds> {
        (span(), span()).prop_filter_map("empty", |(x, y)| {
            let (left, top) = (399_960.0, 5_300_040.0);
            Bounds::new(left + x.0, top - y.1, left + x.1, top - y.0).ok()
        })
    }

    proptest! {
        #[test]
        fn window_is_brute_force(bounds in bounds(), resolution in any_resolution()) {
            let grid = grid(resolution);
            let columns: Vec<u32> = (0..grid.width)
                .filter(|&c| bounds.min_x <= grid.x_centre(c) && grid.x_centre(c) <= bounds.max_x)
                .collect();
            let rows: Vec<u32> = (0..grid.height)
                .filter(|&r| bounds.min_y <= grid.y_centre(r) && grid.y_centre(r) <= bounds.max_y)
                .collect();
            match grid.window(&bounds, Align::Centre) {
                Ok(window) => {
                    prop_assert_eq!(columns, (window.x..window.right()).collect::<Vec<_>>());
                    prop_assert_eq!(rows, (window.y..window.bottom()).collect::<Vec<_>>());
                }
                Err(_) => prop_assert!(columns.is_empty() || rows.is_empty()),
            }
        }

        #[test]
        fn aligned_windows_nest(bounds in bounds()) {
            let times = |w: Window, n: u32| Window {
                x: w.x * n, y: w.y * n, width: w.width * n, height: w.height * n,
            };
            let window = |r, align| grid(r).window(&bounds, align);
            let fine = window(Resolution::R10m, Align::R20m);
            prop_assert_eq!(fine, window(Resolution::R20m, Align::R20m).map(|w| times(w, 2)));
            let coarse = window(Resolution::R60m, Align::R60m);
            prop_assert_eq!(
                window(Resolution::R20m, Align::R60m).ok(), coarse.clone().ok().map(|w| times(w, 3))
            );
            prop_assert_eq!(
                window(Resolution::R10m, Align::R60m).ok(), coarse.ok().map(|w| times(w, 6))
            );
        }

        /// Aligning never loses a pixel and never adds as much as a lattice step.
        #[test]
        fn aligned_windows_cover(bounds in bounds(), resolution in any_resolution()) {
            let grid = grid(resolution);
            for (align, step) in [(Align::R20m, 20.0), (Align::R60m, 60.0)] {
                let Ok(aligned) = grid.window(&bounds, align) else { continue };
                if let Ok(plain) = grid.window(&bounds, Align::Centre) {
                    prop_assert_eq!(aligned.intersection(&plain), Some(plain));
                }
                if f64::from(resolution.metres()) <= step {
                    let edges = grid.window_bounds(&aligned);
                    let tile = grid.bounds();
                    prop_assert!(edges.min_x <= bounds.min_x.max(tile.min_x));
                    prop_assert!(edges.min_x > bounds.min_x - step);
                    prop_assert!(edges.max_y >= bounds.max_y.min(tile.max_y));
                    prop_assert!(edges.max_y < bounds.max_y + step);
                }
            }
        }
    }
}
