use std::str::FromStr;

use proptest::prelude::*;

use super::*;

fn layout(bands: &[&str], bounds: Option<Bounds>, limit: u32) -> Result<Layout, LayoutError> {
    reduced(bands, bounds, limit, 0)
}

fn reduced(
    bands: &[&str],
    bounds: Option<Bounds>,
    limit: u32,
    reduce: u8,
) -> Result<Layout, LayoutError> {
    let assets: Vec<AssetId> =
        bands.iter().map(|band| AssetId::parse(band, Level::L2A).unwrap()).collect();
    Layout::new(&LayoutRequest {
        level: Level::L2A,
        tile: MgrsTile::from_str("33TVN").unwrap(),
        assets: &assets,
        bounds,
        align: Align::Centre,
        reduce,
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
    let shapes: Vec<_> = layout.columns.iter().map(|c| (c.window.height, c.window.width)).collect();
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

#[test]
fn a_reduced_tile_is_smaller_and_has_the_same_unit() {
    let bands = ["B08", "B11", "B01_60m", "TCI", "SCL"];
    for (level, sides) in [(1, [5490, 2745, 915]), (4, [687, 344, 115])] {
        let layout = reduced(&bands, None, 600_000, level).unwrap();
        let shape = |c: &Column| (c.window.x, c.window.y, c.window.height, c.window.width);
        let [ten, twenty, sixty] = sides.map(|side| (0, 0, side, side));
        let shapes: Vec<_> = layout.columns.iter().map(shape).collect();
        assert_eq!(shapes, [ten, twenty, sixty, ten, twenty]);
        assert!(layout.blocks > 1);
        let rows: Vec<u32> = layout.columns.iter().map(|c| c.block_rows).collect();
        assert_eq!((rows[0], rows[0]), (2 * rows[1], 6 * rows[2]));
        assert_eq!((rows[3], rows[4]), (rows[0], rows[1]));
    }
    // at a sixteenth all bands of a step fit in one message
    assert_eq!(reduced(&bands, None, LIMIT, 4).unwrap().blocks, 1);
}

#[test]
fn classes_are_sampled_and_all_else_is_decoded_at_its_level() {
    let names = ["B02", "B01_60m", "AOT", "WVP_20m", "TCI", "SCL", "SCL_60m", "CLD", "SNW"];
    let masks = ["DETFOO_B02", "QUALIT_B05", "CLASSI"];
    let names = [&names[..], &masks[..]].concat();
    let low_pass = ["B02_10m", "B01_60m", "AOT_10m", "WVP_20m", "TCI_10m"];
    for level in 0..=4 {
        for column in reduced(&names, None, u32::MAX, level).unwrap().columns {
            let filtered = low_pass.contains(&column.asset.to_string().as_str());
            assert_eq!(column.sampled(), !filtered && level > 0, "{}", column.asset);
            assert_eq!(column.decode_reduce(), if filtered { level } else { 0 });
            assert_eq!(column.reduce, level);
        }
    }
}

#[test]
fn levels_that_do_not_exist_are_refused() {
    assert_eq!(reduced(&["B08"], None, LIMIT, 5).unwrap_err().code(), "CF-S2-021");
}

proptest! {
    #[test]
    fn blocks_cover_every_row_once_and_fit(
        picks in prop::sample::subsequence(vec!["B08", "B11", "B01_60m", "TCI_10m", "SCL"], 1..=5),
        x in 0.0..100_000.0, y in 0.0..100_000.0, side in 1000.0..109_000.0,
        limit in 200_000_u32..8_000_000, reduce in 0..=4_u8,
    ) {
        let bounds = Bounds::new(399960.0 + x, 5190240.0 + y, 399960.0 + x + side, 5190240.0 + y + side).unwrap();
        let layout = match reduced(&picks, Some(bounds), limit, reduce) {
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
        // one row of the coarsest band asked for belongs to whole rows of all others
        let metres = unit_metres(&layout.columns);
        let units = layout.columns.iter().map(|column| {
            f64::from(column.block_rows * column.grid.resolution.metres()) / f64::from(metres)
        });
        let units: Vec<f64> = units.collect();
        prop_assert!(layout.blocks == 1 || units.iter().all(|u| *u == units[0] && u.fract() == 0.0));
    }

    /// The samples of JP2 tiles are those of the window, each once, and where the decoder puts
    /// the samples of an image at that level.
    #[test]
    fn parts_of_the_grid_hold_the_samples_of_the_window(
        name in prop::sample::select(vec!["B08", "B11", "B01_60m", "QUALIT_B05", "TCI_60m", "SCL"]),
        x in 0.0..107_000.0, y in 0.0..107_000.0, side in 960.0..40_000.0,
        limit in 100_000_u32..1_000_000, reduce in 0..=4_u8,
    ) {
        let bounds = Bounds::new(399960.0 + x, 5190240.0 + y, 399960.0 + x + side, 5190240.0 + y + side).unwrap();
        let layout = reduced(&[name], Some(bounds), limit, reduce).unwrap();
        let [column] = layout.columns.as_slice() else { panic!() };
        let lattice = crate::TileLattice::of_asset(column.asset, &column.grid);
        let mut pixels = 0;
        for (_, part) in lattice.tiles_in(column.area()) {
            let samples = column.samples_in(&part).unwrap();
            let rect = cubeflight_jp2::Rect::new(part.x, part.y, part.right(), part.bottom());
            let decoded = rect.reduced(reduce);
            prop_assert_eq!(
                (decoded.x0, decoded.y0, decoded.x1, decoded.y1),
                (samples.x, samples.y, samples.right(), samples.bottom())
            );
            prop_assert_eq!(samples.intersection(&column.window), Some(samples));
            pixels += samples.pixels();
            let blocks = column.blocks_of(&samples);
            prop_assert!(blocks.end <= u32::from(layout.blocks));
            for block in 0..u32::from(layout.blocks) {
                let rows = column.rows_of_block(block);
                let (first, end) = (column.window.y + rows.start, column.window.y + rows.end);
                let meets = first.max(samples.y) < end.min(samples.bottom());
                prop_assert_eq!(blocks.contains(&block), meets);
            }
        }
        prop_assert_eq!(pixels, column.window.pixels());
    }
}
