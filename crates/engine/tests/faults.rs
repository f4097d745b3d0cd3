//! What is broken becomes fill with a name, or ends the cube; what may pass never becomes fill.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use common::{
    Act, Given, L2A, Place, Tampered, assemble, crop, cube, decoded, numbers, original, outcome,
};
use cubeflight_engine::{Engine, EngineConfig, Error};
use cubeflight_jp2::{Image, scan_bytes};
use cubeflight_plan::Layout;
use cubeflight_sentinel2::{CubeRequest, OnError};

const BANDS: [&str; 2] = ["B04_60m", "B01_60m"];
const B04: &str = "measurements/reflectance/r60m/b04";

/// The whole files, decoded once.
static TRUTH: LazyLock<[Image; 2]> =
    LazyLock::new(|| BANDS.map(|band| decoded(&original(L2A, band))));

/// Some hundred row-blocks.
fn request(on_error: OnError) -> CubeRequest {
    CubeRequest { on_error, max_message_bytes: 100_000, ..L2A.request(&BANDS) }
}

/// Rows of the first column that are fill with a fault, by its code; every other pixel is right.
fn check_marked(layout: &Layout, blocks: &[Given], code: &str) -> Vec<u16> {
    assert_eq!(blocks.len(), usize::from(layout.blocks));
    let mut marked = Vec::new();
    for (position, band) in BANDS.into_iter().enumerate() {
        let column = &layout.columns[position];
        let truth = crop(&TRUTH[position], column);
        for block in blocks {
            let held = column.block_window(u32::from(block.block));
            let rows = held.y as usize..held.bottom() as usize;
            let width = column.window.width as usize;
            let found = numbers(&block.pixels[position]);
            match block.faults.iter().find(|(failed, _)| *failed == position) {
                Some((_, fault)) => {
                    assert_eq!((fault.code, &fault.product), (code, &L2A.product()));
                    assert!(found.iter().all(|value| *value == 0.0));
                    assert_eq!(band, BANDS[0], "the other asset is whole");
                    marked.push(block.block);
                }
                None => {
                    let truth = &truth[rows.start * width..rows.end * width];
                    assert!(found.starts_with(truth), "{band}, block {}", block.block);
                }
            }
        }
    }
    marked
}

/// `mark` names the blocks that are fill; `fail` gives all blocks before the first of them, then
/// the error.
async fn check(place: &Place, code: &str) -> Vec<u16> {
    let engine = place.engine(EngineConfig::default());
    let (layout, blocks) = cube(&engine, &request(OnError::Mark)).await;
    let marked = check_marked(&layout, &blocks, code);
    assert!(!marked.is_empty());

    let failing = request(OnError::Fail);
    let plan = engine.resolve(&failing).await.unwrap().plan;
    let mut given = outcome(engine.run(plan, failing.on_error)).await;
    let error = given.pop().unwrap().unwrap_err();
    assert_eq!(error.code(), code);
    assert_eq!(error.place(), (Some(L2A.id.to_owned()), Some(B04)));
    assert!(matches!(error, Error::Fault { .. }));
    let given: Vec<Given> = given.into_iter().map(|block| block.unwrap()).collect();
    assert_eq!(given, blocks[..usize::from(marked[0])]);
    marked
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_the_product_lacks() {
    let Some(place) = Place::indexed(L2A, &BANDS[1..]).await else { return };
    let marked = check(&place, "CF-ENG-011").await;
    assert_eq!(marked[0], 0);
}

/// The catalogue lists the file, then it is removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_removed_after_planning() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let engine = place.engine(EngineConfig::default());
    let plan = engine.resolve(&request(OnError::Mark)).await.unwrap().plan;
    fs::remove_file(place.file(L2A, BANDS[0])).unwrap();
    let layout = Arc::clone(&plan.layout);
    let blocks = outcome(engine.run(plan.clone(), OnError::Mark)).await;
    let blocks: Vec<Given> = blocks.into_iter().map(|block| block.unwrap()).collect();
    let marked = check_marked(&layout, &blocks, "CF-STO-005");
    assert_eq!(marked.len(), blocks.len());
    let mut failed = outcome(engine.run(plan, OnError::Fail)).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed.remove(0).unwrap_err().code(), "CF-STO-005");
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// The listing shows another size, so the record is not used; the scan finds the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_after_indexing() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    truncate(&place.file(L2A, BANDS[0]));
    let marked = check(&place, "CF-JP2-002").await;
    assert_eq!(marked[0], 0);
}

/// Cut while it is read: what lies before the cut is right and stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_after_planning() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let engine = place.engine(EngineConfig::default());
    let plan = engine.resolve(&request(OnError::Mark)).await.unwrap().plan;
    truncate(&place.file(L2A, BANDS[0]));
    place.log.take();
    let layout = Arc::clone(&plan.layout);
    let blocks = outcome(engine.run(plan, OnError::Mark)).await;
    let blocks: Vec<Given> = blocks.into_iter().map(|block| block.unwrap()).collect();
    let marked = check_marked(&layout, &blocks, "CF-JP2-002");
    assert!(marked[0] > 10 && marked.len() > 10);
    let scans = place.log.take().iter().filter(|request| request.range.is_none()).count();
    assert_eq!(scans, 1, "rescanned once, not by every read that failed");
}

/// One tile's SOT is damaged: its rows are fill, all others are right.
#[tokio::test(flavor = "multi_thread")]
async fn a_tile_part_whose_header_is_damaged() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let path = place.file(L2A, BANDS[0]);
    let mut bytes = fs::read(&path).unwrap();
    let structure = scan_bytes(&bytes).unwrap();
    // Isot of a tile in the middle of the image.
    let part = &structure.tile_parts[55];
    assert_eq!(part.tile, 55);
    bytes[usize::try_from(part.offset).unwrap() + 5] = 56;
    fs::write(&path, bytes).unwrap();
    let marked = check(&place, "CF-JP2-009").await;
    let layout = place.engine(EngineConfig::default()).layout(&request(OnError::Mark)).await;
    let column = layout.unwrap().columns[0].clone();
    // Row 5 of the tiles, and what is read with it.
    let first = column.block_window(u32::from(marked[0]));
    let last = column.block_window(u32::from(*marked.last().unwrap()));
    assert!(first.y <= 5 * 192 && first.bottom() > 5 * 192, "{first:?}");
    assert!(last.y < 6 * 192 && last.bottom() >= 6 * 192, "{last:?}");
}

async fn ends_unavailable(engine: &Engine, on_error: OnError, code: &str) -> usize {
    let request = request(on_error);
    let plan = engine.resolve(&request).await.unwrap().plan;
    let layout = Arc::clone(&plan.layout);
    let mut given = outcome(engine.run(plan, on_error)).await;
    let error = given.pop().unwrap().unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(error.code(), code);
    let given: Vec<Given> = given.into_iter().map(|block| block.unwrap()).collect();
    for (number, block) in given.iter().enumerate() {
        assert_eq!((usize::from(block.block), &block.faults), (number, &Vec::new()));
    }
    for (column, (position, truth)) in layout.columns.iter().zip(TRUTH.iter().enumerate()) {
        assert!(crop(truth, column).starts_with(&assemble(column, &given, position)));
    }
    given.len()
}

/// Whatever was read before an upstream failed is given and right; nothing is fill; then the
/// stream ends with the error, also when the last read of all is the one that fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_ends_the_stream() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let probe = place.engine(EngineConfig::default());
    let plan = probe.resolve(&request(OnError::Mark)).await.unwrap().plan;
    let last = plan.summary.requests as usize - 1;
    let acts = [(Act::Reset, "CF-STO-007"), (Act::Deny, "CF-STO-006"), (Act::Puzzle, "CF-STO-013")];
    for (act, code) in acts {
        for (begin, on_error) in
            [(0, OnError::Mark), (7, OnError::Fail), (last, OnError::Mark), (last, OnError::Fail)]
        {
            let store = Tampered::new(&place.store(), move |_, number| match number {
                number if number >= begin => act,
                _ => Act::Pass,
            });
            let engine = place.tampered(store, EngineConfig::default());
            let given = ends_unavailable(&engine, on_error, code).await;
            assert!(given == 0 || begin > 0);
        }
    }
}

/// A failure while an asset without record is scanned is no fault of the asset either.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_while_scanning_ends_the_stream() {
    let Some(place) = Place::new(&[(L2A, &BANDS)]) else { return };
    let store = Tampered::new(&place.store(), |_, _| Act::Reset);
    let engine = place.tampered(store, EngineConfig::default());
    assert_eq!(ends_unavailable(&engine, OnError::Mark, "CF-STO-007").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_pass_are_retried() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let store = Tampered::new(&place.store(), |_, number| match number % 3 {
        2 => Act::Pass,
        _ => Act::Reset,
    });
    // One read at a time, so that two failures are of the same one.
    let config = EngineConfig { reads_per_stream: 1, ..EngineConfig::default() };
    let engine = place.tampered(store, config);
    let (layout, blocks) = cube(&engine, &request(OnError::Mark)).await;
    assert!(check_marked(&layout, &blocks, "none").is_empty());
}
