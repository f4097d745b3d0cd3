//! Plans of random records, windows and costs.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{PRODUCT, asset, check, column, even_record, record, source, tile_count};
use cubeflight_plan::{CostModel, plan_asset};
use cubeflight_sentinel2::Window;
use cubeflight_tlm::TlmRecord;
use proptest::prelude::*;

const ASSETS: [&str; 6] =
    ["B02_10m", "SCL_20m", "B04_60m", "TCI_60m", "DETFOO_B05_20m", "QUALIT_B02_10m"];

fn windows(name: &'static str) -> impl Strategy<Value = Window> {
    let side = asset(name).resolution.pixels();
    (0..side, 0..side, 1..=side, 1..=side).prop_map(move |(x, y, width, height)| Window {
        x,
        y,
        width: width.min(side - x),
        height: height.min(side - y),
    })
}

fn costs() -> impl Strategy<Value = CostModel> {
    let latency = prop_oneof![Just(0.0), 0.0..0.1_f64];
    let longest = prop_oneof![Just(0), 0..2_000_000_u64, Just(u64::MAX)];
    (latency, 1e5..1e9_f64, longest).prop_map(|(latency, bandwidth, max_request_bytes)| CostModel {
        latency,
        bandwidth,
        max_request_bytes,
        ..CostModel::LOCAL
    })
}

/// Records of up to three parts a tile: those of a tile together, or all first parts first.
fn records(name: &'static str) -> impl Strategy<Value = Arc<TlmRecord>> {
    let tiles = tile_count(asset(name));
    let lengths = prop::collection::vec(14..200_000_u32, usize::from(tiles) * 3);
    (1..=3_u16, any::<bool>(), lengths).prop_map(move |(parts, together, lengths)| {
        let order: Vec<u16> = match together {
            true => (0..tiles).flat_map(|tile| (0..parts).map(move |_| tile)).collect(),
            false => (0..parts).flat_map(|_| 0..tiles).collect(),
        };
        let parts: Vec<_> = order.into_iter().zip(lengths).collect();
        record(source(PRODUCT, asset(name)), &parts)
    })
}

proptest! {
    #[test]
    fn every_wanted_tile_lies_in_the_ranges_of_its_group(
        (name, window, record) in prop::sample::select(&ASSETS[..])
            .prop_flat_map(|name| (Just(name), windows(name), records(name))),
        block_rows in 1..12_000_u32,
        cost in costs(),
    ) {
        let column = column(name, window, block_rows);
        let read = plan_asset(&column, "href".to_owned(), record, &cost).unwrap();
        check(&read, &column, &cost);
        prop_assert!(read.requests() >= read.groups.len() as u64);
        prop_assert_eq!(read.jp2_tiles(), common::wanted(&column).len() as u64);
    }
}

const WHOLE: Window = Window { x: 0, y: 0, width: 5490, height: 5490 };
/// Two columns of JP2 tiles in the middle of the image: neighbours, and then a gap of seven tiles.
const STRIP: Window = Window { x: 1300, y: 0, width: 1200, height: 5490 };

fn ranges(window: Window, block_rows: u32, cost: CostModel) -> Vec<usize> {
    let column = column("SCL_20m", window, block_rows);
    let record = even_record(PRODUCT, column.asset, 1000);
    let read = plan_asset(&column, "href".to_owned(), record, &cost).unwrap();
    check(&read, &column, &cost);
    read.groups.iter().map(|group| group.tiles.len()).collect()
}

fn gap_of(bytes: u32, max_request_bytes: u64) -> CostModel {
    CostModel { latency: 1.0, bandwidth: f64::from(bytes), max_request_bytes, ..CostModel::LOCAL }
}

#[test]
fn neighbours_are_merged_across_gaps_that_are_worth_it() {
    let one_block = WHOLE.height;
    assert_eq!(ranges(WHOLE, one_block, gap_of(0, u64::MAX)), [81]);
    assert_eq!(ranges(STRIP, one_block, gap_of(6999, u64::MAX)), [2; 9]);
    assert_eq!(ranges(STRIP, one_block, gap_of(7000, u64::MAX)), [18]);
}

#[test]
fn requests_end_at_their_longest() {
    let one_block = WHOLE.height;
    assert_eq!(ranges(WHOLE, one_block, gap_of(0, 30_000)), [30, 30, 21]);
    assert_eq!(ranges(WHOLE, one_block, gap_of(0, 29_999)), [29, 29, 23]);
    // the gaps count
    assert_eq!(ranges(STRIP, one_block, gap_of(7000, 20_000)), [6, 6, 6]);
    // a tile-part that is longer is read all the same
    assert_eq!(ranges(STRIP, one_block, gap_of(7000, 10)), [1; 18]);
}

#[test]
fn tiles_of_other_row_blocks_stay_apart() {
    let all = gap_of(1_000_000, u64::MAX);
    // a row-block for each row of tiles
    assert_eq!(ranges(WHOLE, 640, all), [9; 9]);
    // the third and the eighth row of tiles fill two row-blocks each
    assert_eq!(ranges(WHOLE, 1600, all), [18, 9, 18, 18, 9, 9]);
}

#[test]
fn gaps_of_odd_costs() {
    let gap = |latency, bandwidth| {
        CostModel { latency, bandwidth, max_request_bytes: 0, ..CostModel::LOCAL }.worthwhile_gap()
    };
    assert_eq!(gap(0.015, 20e6), 300_000);
    assert_eq!(gap(-1.0, 20e6), 0);
    assert_eq!(gap(f64::NAN, 20e6), 0);
    assert_eq!(gap(f64::INFINITY, 20e6), u64::MAX);
}
