//! Plans of real files: `CUBEFLIGHT_REALDATA`, by default `shared/realdata` beside the workspace.
//! Skipped where it is absent, except in CI.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{PRODUCT, asset, check, column, source};
use cubeflight_jp2::scan_bytes;
use cubeflight_plan::{AssetRead, CostModel, Error, HeaderSource, Result, plan_asset};
use cubeflight_sentinel2::{AssetId, Level, Window, safe};
use cubeflight_tlm::TlmRecord;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// The folder of one L2A product and what else its kinds of file are.
fn realdata() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/realdata");
    let root = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default.into(), PathBuf::from);
    let product = root.join("jp2/L2A_N0400_S2A_20221005_T29UNU");
    if product.is_dir() {
        return Some(product);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no real data at {}", root.display());
    println!("skipped: no real data at {}", root.display());
    None
}

/// The record of every asset of the product whose file is there.
fn records(product: &Path) -> Vec<Arc<TlmRecord>> {
    let id = PRODUCT.parse().unwrap();
    let mut records = Vec::new();
    for asset in AssetId::all(Level::L2A) {
        let key = safe::asset_key("X.SAFE", "granule", &id, asset);
        let (_, path) = key.split_once("granule/").unwrap();
        let path = product.join(path.trim_start_matches("IMG_DATA/"));
        if !path.is_file() {
            continue;
        }
        let structure = scan_bytes(&fs::read(path).unwrap()).unwrap();
        let record = TlmRecord::from_structure(source(PRODUCT, asset), &structure).unwrap();
        records.push(Arc::new(record));
    }
    assert!(records.len() >= 20, "{} records", records.len());
    records
}

fn record(product: &Path, name: &str) -> TlmRecord {
    let wanted = asset(name);
    let records = records(product);
    let found = records.iter().find(|record| record.asset == wanted).unwrap();
    (**found).clone()
}

fn plan(name: &str, window: Window, record: TlmRecord) -> Result<AssetRead> {
    let column = column(name, window, window.height);
    plan_asset(&column, "href".to_owned(), Arc::new(record), &CostModel::LOCAL)
}

#[test]
fn random_windows_read_the_tiles_that_they_meet() {
    let Some(product) = realdata() else { return };
    let records = records(&product);
    let gap = prop_oneof![Just(0.0), 0.0..1e6];
    let strategy =
        (any::<prop::sample::Index>(), [0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0], 1..3000_u32, gap);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(400));
    runner
        .run(&strategy, |(pick, [x, y, w, h], block_rows, gap)| {
            let record = pick.get(&records);
            let side = record.asset.resolution.pixels();
            let pixel = |share: f64| (share * f64::from(side)) as u32;
            let (x, y) = (pixel(x), pixel(y));
            let window = Window {
                x,
                y,
                width: (pixel(w) + 1).min(side - x),
                height: (pixel(h) + 1).min(side - y),
            };
            let column = column(&record.asset.to_string(), window, block_rows);
            let cost = CostModel {
                latency: 1.0,
                bandwidth: gap,
                max_request_bytes: 400_000,
                ..CostModel::LOCAL
            };
            let read = plan_asset(&column, "href".to_owned(), Arc::clone(record), &cost).unwrap();
            check(&read, &column, &cost);
            let HeaderSource::Known(header) = &read.header else { panic!("no header") };
            for tile in read.groups.iter().flat_map(|group| &group.tiles) {
                let rect = header.siz.tile_rect(tile.tile).unwrap();
                let area = tile.areas[0].samples;
                prop_assert!(rect.x0 <= area.x && area.right() <= rect.x1);
                prop_assert!(rect.y0 <= area.y && area.bottom() <= rect.y1);
            }

            let bare = TlmRecord { main_header: None, packet_lengths: None, ..(**record).clone() };
            let blind = plan_asset(&column, "href".to_owned(), Arc::new(bare), &cost).unwrap();
            check(&blind, &column, &cost);
            // where no gaps are read over, packets are less than tile-parts
            prop_assert!(gap >= 1.0 || read.bytes() <= blind.bytes());
            let HeaderSource::Fetch(range) = blind.header else { panic!("a header") };
            // up to the SOT marker, which proves that the header ends there
            prop_assert_eq!(range, 0..record.first_sot + 2);
            Ok(())
        })
        .unwrap();
}

/// A field in the middle of a tile costs a part of the tile, and the more so the smaller it is.
#[test]
fn small_windows_read_few_packets() {
    let Some(product) = realdata() else { return };
    for (name, side, most) in
        [("SCL_20m", 80, 0.3), ("SCL_20m", 320, 0.8), ("AOT_10m", 128, 0.6), ("B04_60m", 24, 0.5)]
    {
        let record = record(&product, name);
        let tile = asset(name).coding().jp2_tile;
        let at = tile + (tile - side) / 2;
        let window = Window { x: at, y: at, width: side, height: side };
        let column = column(name, window, side);
        let cost = CostModel { latency: 0.0, ..CostModel::LOCAL };
        let read = plan_asset(&column, "href".to_owned(), Arc::new(record.clone()), &cost).unwrap();
        let [group] = read.groups.as_slice() else { panic!("{} groups", read.groups.len()) };
        assert!(group.ranges.len() > 1, "{name}");
        let whole = record.tile_part(group.tiles[0].tile).unwrap().length;
        let share = read.bytes() as f64 / f64::from(whole);
        println!("{name} {side}: {share:.2} in {} requests", group.ranges.len());
        assert!(share < most, "{name} {side}: {share}");
        // far away all of it is one request
        let far = CostModel { latency: 1.0, ..CostModel::LOCAL };
        let read = plan_asset(&column, "href".to_owned(), Arc::new(record), &far).unwrap();
        assert_eq!(read.requests(), 1);
    }
}

#[test]
fn a_whole_image_is_every_tile_part_once() {
    let Some(product) = realdata() else { return };
    for record in records(&product) {
        let side = record.asset.resolution.pixels();
        let window = Window { x: 0, y: 0, width: side, height: side };
        let read = plan(&record.asset.to_string(), window, (*record).clone()).unwrap();
        // Tile-parts follow each other: one request from the first SOT to EOC.
        assert_eq!(read.groups.len(), 1, "{}", record.asset);
        let [range] = read.groups[0].ranges.as_slice() else { panic!("several requests") };
        assert_eq!(range.start, record.first_sot, "{}", record.asset);
        // empty packets at the end are left out
        assert!((record.size - 2_000..=record.size - 2).contains(&range.end), "{}", record.asset);
        assert_eq!(read.jp2_tiles(), record.tile_parts.len() as u64);
    }
}

const CORNER: Window = Window { x: 0, y: 0, width: 10, height: 10 };

#[test]
fn records_of_other_assets_are_refused() {
    let Some(product) = realdata() else { return };
    let scl = record(&product, "SCL_60m");
    let code =
        |name: &str, record: &TlmRecord| plan(name, CORNER, record.clone()).unwrap_err().code();
    assert_eq!(code("SCL_20m", &scl), "CF-PLN-003");
    // one component where three are due, and eight where one is
    assert_eq!(code("TCI_60m", &scl), "CF-PLN-004");
    assert_eq!(code("DETFOO_B01", &record(&product, "QUALIT_B01")), "CF-PLN-004");
    // Without header the number of tiles tells: 100 are more than 81.
    let bare = TlmRecord { main_header: None, ..scl };
    assert_eq!(code("SCL_20m", &bare), "CF-PLN-005");
    let error = plan("SCL_20m", CORNER, bare).unwrap_err();
    assert!(matches!(error, Error::TileNotIndexed { tile: 81, .. }), "{error}");
}

#[test]
fn a_missing_tile_matters_where_it_is_wanted() {
    let Some(product) = realdata() else { return };
    let mut record = record(&product, "B04_60m");
    record.tile_parts.remove(12);
    let at = |x, y| plan("B04_60m", Window { x, y, ..CORNER }, record.clone());
    assert_eq!(at(0, 0).unwrap().jp2_tiles(), 1);
    let error = at(2 * 192, 192).unwrap_err();
    assert!(matches!(error, Error::TileNotIndexed { tile: 12, .. }), "{error}");
    assert_eq!(error.code(), "CF-PLN-005");
}

#[test]
fn headers_that_cannot_be_planned_with_are_named() {
    let Some(product) = realdata() else { return };
    let good = record(&product, "B04_60m");
    let header = good.main_header.clone().unwrap();
    let code = |header: Vec<u8>| {
        let record = TlmRecord { main_header: Some(Bytes::from(header)), ..good.clone() };
        plan("B04_60m", CORNER, record).unwrap_err().code()
    };
    assert_eq!(code(header[..40].to_vec()), "CF-PLN-006");
    assert_eq!(code(Vec::new()), "CF-PLN-006");
    // XOsiz: SOC 2, SIZ marker 2, Lsiz 2, Rsiz 2, Xsiz 4, Ysiz 4
    let mut offset = header.to_vec();
    offset[19] = 1;
    assert_eq!(code(offset), "CF-PLN-004");
    let mut wide = header.to_vec();
    wide[11] += 1;
    assert_eq!(code(wide), "CF-PLN-003");
}
