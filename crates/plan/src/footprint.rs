//! The pixels of the 20 m grid that say which pixels of a cube are valid.

use cubeflight_sentinel2::{AssetId, Level, MgrsTile, Radiometry, Resolution, Window};

use crate::{Column, Layout};

/// Metres of the grid on which validity is decided: that of the scene classification.
const METRES: u32 = 20;
/// Pixels of the lattice in which all three grids are counted, in metres.
const UNIT: u32 = 10;

impl Layout {
    /// The pixels of the 20 m grid that hold the pixels of all columns, rounded outward: of reduced
    /// columns those from the first to the last sample, at full resolution. Of a list one for each
    /// window, in its order.
    #[must_use]
    pub fn footprints(&self) -> Vec<Window> {
        let count = self.columns.iter().map(|column| column.windows().len()).max().unwrap_or(0);
        (0..count).map(|number| self.footprint(number)).collect()
    }

    fn footprint(&self, number: usize) -> Window {
        let full = self.tile.grid(Resolution::R20m).full();
        let mut ends = [u32::MAX, u32::MAX, 0, 0];
        for column in &self.columns {
            let Some(window) = column.windows().get(number) else { continue };
            let units = column.grid.resolution.metres() / UNIT;
            let area = column.lattice().area(window);
            let outward = METRES / UNIT;
            let found = [
                area.x * units / outward,
                area.y * units / outward,
                (area.right() * units).div_ceil(outward),
                (area.bottom() * units).div_ceil(outward),
            ];
            ends = [
                ends[0].min(found[0]),
                ends[1].min(found[1]),
                ends[2].max(found[2]),
                ends[3].max(found[3]),
            ];
        }
        let [x, y, right, bottom] = ends;
        let both =
            Window { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) };
        both.intersection(&full).unwrap_or(Window { x: 0, y: 0, width: 0, height: 0 })
    }

    /// [`Self::footprints`] and `metres` around each, as far as the tile reaches: what decides on the
    /// pixels of the cube where masked pixels spread that far.
    #[must_use]
    pub fn mask_windows(&self, metres: f64) -> Vec<Window> {
        let full = self.tile.grid(Resolution::R20m).full();
        // A tile has 5,490 pixels, so more than these are no different.
        let most = f64::from(full.width);
        let margin = (metres.max(0.0) / f64::from(METRES)).ceil().min(most) as u32;
        let widened = |window: Window| {
            let (x, y) = (window.x.saturating_sub(margin), window.y.saturating_sub(margin));
            let right = window.right().saturating_add(margin).min(full.width);
            let bottom = window.bottom().saturating_add(margin).min(full.height);
            Window { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
        };
        self.footprints().into_iter().map(widened).collect()
    }
}

/// A layout with one column an asset, each over the pixels that hold windows of the 20 m grid, and
/// one row-block a window. Masks are never reduced.
pub(crate) fn mask_layout(
    level: Level,
    tile: MgrsTile,
    assets: impl Iterator<Item = AssetId>,
    windows: &[Window],
) -> Layout {
    let radiometry = Radiometry::Raw;
    let nothing = Window { x: 0, y: 0, width: 0, height: 0 };
    let column = |asset: AssetId| {
        let held: Vec<Window> =
            windows.iter().map(|window| at_resolution(*window, asset.resolution)).collect();
        let first = held.first().copied().unwrap_or(nothing);
        let column = Column::new(level, tile, asset, 0, first, radiometry);
        if held.len() > 1 { column.with_list(held) } else { column }
    };
    let columns = assets.map(column).collect();
    let blocks = u16::try_from(windows.len()).unwrap_or(u16::MAX);
    Layout { level, tile, radiometry, mask: None, min_valid: None, columns, blocks }
}

/// The pixels of another grid that hold a window of the 20 m grid, rounded outward.
#[must_use]
pub fn at_resolution(window: Window, resolution: Resolution) -> Window {
    let scale = |start: u32, end: u32| match resolution {
        Resolution::R10m => (start * 2, end * 2),
        Resolution::R20m => (start, end),
        Resolution::R60m => (start / 3, end.div_ceil(3)),
    };
    let (x, right) = scale(window.x, window.right());
    let (y, bottom) = scale(window.y, window.bottom());
    Window { x, y, width: right - x, height: bottom - y }
}

#[cfg(test)]
mod tests {
    use cubeflight_sentinel2::{Align, Bounds};
    use proptest::prelude::*;

    use super::*;
    use crate::LayoutRequest;

    fn layout(bands: &[&str], bounds: Option<Bounds>, reduce: u8) -> Layout {
        let assets: Vec<AssetId> =
            bands.iter().map(|band| AssetId::parse(band, Level::L2A).unwrap()).collect();
        Layout::new(&LayoutRequest {
            level: Level::L2A,
            tile: "33TVN".parse().unwrap(),
            assets: &assets,
            bounds,
            windows: &[],
            align: Align::Centre,
            reduce,
            radiometry: Radiometry::Raw,
            mask: None,
            min_valid: None,
            max_message_bytes: cubeflight_sentinel2::DEFAULT_MESSAGE_BYTES,
        })
        .unwrap()
    }

    #[test]
    fn a_whole_tile_is_its_own_footprint() {
        let full = Window { x: 0, y: 0, width: 5490, height: 5490 };
        for bands in [&["B08"][..], &["B01"], &["B11", "B01"]] {
            assert_eq!(layout(bands, None, 0).footprints(), [full]);
            assert_eq!(layout(bands, None, 0).mask_windows(5000.0), [full]);
        }
    }

    proptest! {
        #[test]
        fn every_pixel_lies_in_it(
            picks in prop::sample::subsequence(vec!["B08", "B11", "B01_60m"], 1..=3),
            x in 0.0..109_000.0, y in 0.0..109_000.0, side in 61.0..2_000.0, margin in 0.0..500.0,
        ) {
            let (x, y) = (399_960.0 + x, 5_190_240.0 + y);
            let bounds = Bounds::new(x, y, x + side, y + side).unwrap();
            let layout = layout(&picks, Some(bounds), 0);
            let [footprint] = layout.footprints()[..] else { panic!() };
            let [mask] = layout.mask_windows(margin)[..] else { panic!() };
            prop_assert_eq!(mask.intersection(&footprint), Some(footprint));
            for column in &layout.columns {
                let held = at_resolution(footprint, column.grid.resolution);
                prop_assert_eq!(held.intersection(&column.window), Some(column.window));
                if column.grid.resolution == Resolution::R60m {
                    // all nine pixels of each
                    prop_assert!(footprint.x <= column.window.x * 3);
                    prop_assert!(footprint.right() >= column.window.right() * 3);
                }
            }
            let reach = f64::from(footprint.x - mask.x) * 20.0;
            prop_assert!(mask.x == 0 || reach >= margin);
        }

        /// It holds the 20 m pixels of every reduced sample, and ends with those of one.
        #[test]
        fn it_reaches_from_the_first_to_the_last_sample(
            picks in prop::sample::subsequence(vec!["B08", "B11", "SCL", "B01_60m"], 1..=4),
            x in 0.0..107_000.0, y in 0.0..107_000.0, side in 960.0..2_500.0, reduce in 1..=4_u8,
        ) {
            let (x, y) = (399_960.0 + x, 5_190_240.0 + y);
            let bounds = Bounds::new(x, y, x + side, y + side).unwrap();
            let layout = layout(&picks, Some(bounds), reduce);
            let mut ends = [u32::MAX, u32::MAX, 0, 0];
            for column in &layout.columns {
                let window = column.window;
                let pixels = |from: u32, to: u32, full: &dyn Fn(u32) -> u32| {
                    let metres = column.grid.resolution.metres();
                    let first = full(from) * metres / 20;
                    (first, (full(to - 1) * metres + metres).div_ceil(20))
                };
                let (left, right) = pixels(window.x, window.right(), &|x| column.full_x(x));
                let (top, bottom) = pixels(window.y, window.bottom(), &|y| column.full_y(y));
                ends = [
                    ends[0].min(left), ends[1].min(top), ends[2].max(right), ends[3].max(bottom),
                ];
            }
            let [found] = layout.footprints()[..] else { panic!() };
            prop_assert_eq!(ends, [found.x, found.y, found.right(), found.bottom()]);
            let full = layout.tile.grid(Resolution::R20m).full();
            prop_assert_eq!(found.intersection(&full), Some(found));
        }
    }
}
