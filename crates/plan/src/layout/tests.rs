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
        windows: &[],
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

/// Two rows of 10 m and one of 60 m: fewer than the six and one that blocks are cut by.
#[test]
fn a_window_below_one_unit_needs_no_more_than_itself() {
    let bounds = Bounds::new(399_960.0, 5_299_405.0, 509_760.0, 5_299_415.0).unwrap();
    let bands = ["B08", "B01_60m"];
    let step = 2 * 10980 * 2 + 1830 * 2;
    let error = layout(&bands, Some(bounds), step - 1).unwrap_err();
    assert_eq!(error.code(), "CF-PLN-001");
    assert!(error.to_string().contains(&format!("at least {step} bytes")), "{error}");
    let layout = layout(&bands, Some(bounds), step).unwrap();
    assert_eq!((layout.blocks, layout.block_bytes()), (1, u64::from(step)));
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
            let mut next = column.window.y;
            for block in 0..u32::from(layout.blocks) {
                let held = column.block_window(block);
                prop_assert_eq!(held.y, next);
                prop_assert_eq!((held.x, held.width), (column.window.x, column.window.width));
                next = held.bottom();
            }
            prop_assert_eq!(next, column.window.bottom());
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
        let tiles = TileLattice::of_asset(column.asset, &column.grid);
        let [turn] = column.areas_by_tile(&tiles).try_into().unwrap();
        let mut pixels = 0;
        for (tile, part) in tiles.tiles_in(column.area()) {
            let [TileArea { samples, blocks }] = turn[&tile].as_slice() else { panic!() };
            let rect = cubeflight_jp2::Rect::new(part.x, part.y, part.right(), part.bottom());
            let decoded = rect.reduced(reduce);
            prop_assert_eq!(
                (decoded.x0, decoded.y0, decoded.x1, decoded.y1),
                (samples.x, samples.y, samples.right(), samples.bottom())
            );
            prop_assert_eq!(samples.intersection(&column.window), Some(*samples));
            pixels += samples.pixels();
            prop_assert!(blocks.end <= u32::from(layout.blocks));
            for block in 0..u32::from(layout.blocks) {
                let meets = column.block_window(block).intersection(samples).is_some();
                prop_assert_eq!(blocks.contains(&block), meets);
            }
        }
        prop_assert_eq!(pixels, column.window.pixels());
    }

    /// A list of windows is one row-block for each, which holds what a cube of that window alone
    /// would; the areas of its JP2 tiles hold each of its pixels once.
    #[test]
    fn windows_are_as_they_are_alone(
        picks in prop::sample::subsequence(vec!["B08", "B11", "B01_60m", "TCI_10m", "SCL"], 1..=5),
        corners in prop::collection::vec((0.0..105_000.0, 0.0..105_000.0, 0.0..4_000.0, 0.0..4_000.0), 1..40),
        near in any::<bool>(), reduce in 0..=4_u8,
        align in prop::sample::select(vec![Align::Centre, Align::R20m, Align::R60m]),
    ) {
        let listed: Vec<Bounds> = corners.iter().map(|(x, y, width, height)| {
            // some lists have all their windows over each other
            let scale = if near { 0.02 } else { 1.0 };
            let (x, y) = (399_960.0 + x * scale, 5_190_240.0 + y * scale);
            Bounds::with_points(x, y, x + width, y + height).unwrap()
        }).collect();
        let assets: Vec<AssetId> =
            picks.iter().map(|band| AssetId::parse(band, Level::L2A).unwrap()).collect();
        let request = LayoutRequest {
            level: Level::L2A,
            tile: "33TVN".parse().unwrap(),
            assets: &assets,
            bounds: None,
            windows: &listed,
            align,
            reduce,
            radiometry: Radiometry::Raw,
            mask: None,
            min_valid: None,
            max_message_bytes: u32::MAX,
        };
        let layout = Layout::new(&request).unwrap();
        prop_assert_eq!(usize::from(layout.blocks), listed.len());
        let footprints = layout.footprints();
        for (number, bounds) in (0..).zip(&listed) {
            let alone = Layout::new(&LayoutRequest {
                bounds: Some(*bounds), windows: &[], ..request.clone()
            });
            let Ok(alone) = alone else { continue };
            for (column, alone) in layout.columns.iter().zip(&alone.columns) {
                prop_assert_eq!(column.block_window(number), alone.window);
            }
            prop_assert_eq!(footprints[number as usize], alone.footprints()[0]);
        }
        for column in &layout.columns {
            let tiles = TileLattice::of_asset(column.asset, &column.grid);
            let turns = column.areas_by_tile(&tiles);
            prop_assert_eq!(turns.len(), listed.len().div_ceil(column.together));
            let mut held = vec![0; listed.len()];
            let mut seen: Vec<(u32, Window)> = Vec::new();
            for (turn, by_tile) in turns.iter().enumerate() {
                for (tile, TileArea { samples, blocks }) in
                    by_tile.iter().flat_map(|(tile, areas)| areas.iter().map(move |area| (tile, area)))
                {
                    prop_assert!(column.tiles(&tiles).contains(tile));
                    prop_assert_eq!(blocks.len(), 1);
                    let window = column.block_window(blocks.start);
                    prop_assert_eq!(samples.intersection(&window), Some(*samples));
                    prop_assert_eq!(blocks.start as usize / column.together, turn);
                    let again = seen.iter().any(|(block, other)| {
                        *block == blocks.start && other.intersection(samples).is_some()
                    });
                    prop_assert!(!again, "a pixel twice");
                    held[blocks.start as usize] += samples.pixels();
                    seen.push((blocks.start, *samples));
                }
            }
            let wanted: Vec<u64> = column.windows().iter().map(Window::pixels).collect();
            prop_assert_eq!(held, wanted);
            let around = column.windows().iter().all(|w| w.intersection(&column.window) == Some(*w));
            prop_assert!(around);
            prop_assert!(column.windows().iter().any(|w| w.width == column.block_width));
            prop_assert!(column.windows().iter().any(|w| w.height == column.block_rows));
        }
        let open = layout.block_bytes() * layout.columns[0].together as u64;
        prop_assert!(open <= SHARED_BYTES || layout.columns[0].together == 1);
    }
}

#[test]
fn a_window_that_misses_the_tile_is_named() {
    let inside = Bounds::with_points(400_000.0, 5_200_000.0, 400_000.0, 5_200_000.0).unwrap();
    let outside = Bounds::with_points(1.0, 1.0, 2.0, 2.0).unwrap();
    let error = listed(&[inside, inside, outside], LIMIT).unwrap_err();
    assert_eq!(error.code(), "CF-S2-006");
    assert!(error.to_string().starts_with("windows[2]: bounds 1,1,2,2 lie outside"), "{error}");
    let points = listed(&[inside; 3], LIMIT).unwrap();
    assert_eq!((points.blocks, points.columns[0].shape()), (3, [1, 1]));
    // the largest window of each column must fit
    let wide = Bounds::new(400_000.0, 5_200_000.0, 420_000.0, 5_200_100.0).unwrap();
    let error = listed(&[inside, wide], 39_999).unwrap_err();
    assert_eq!(error.code(), "CF-PLN-001");
    assert!(error.to_string().contains("at least 40000 bytes"), "{error}");
}

fn listed(windows: &[Bounds], limit: u32) -> Result<Layout, LayoutError> {
    let assets = [AssetId::parse("B08", Level::L2A).unwrap()];
    Layout::new(&LayoutRequest {
        level: Level::L2A,
        tile: MgrsTile::from_str("33TVN").unwrap(),
        assets: &assets,
        bounds: None,
        windows,
        align: Align::Centre,
        reduce: 0,
        radiometry: Radiometry::Raw,
        mask: None,
        min_valid: None,
        max_message_bytes: limit,
    })
}
