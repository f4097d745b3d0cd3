//! What is read is what was planned, byte for byte.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Arc;

use common::{L1C, L2A, Place, assemble, crop, cube, decoded, original, outcome, planned, read};
use cubeflight_engine::EngineConfig;
use cubeflight_index::read_peer;
use cubeflight_plan::CostModel;
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};
use cubeflight_tlm::TlmRecord;

const BANDS: [&str; 5] = ["SCL", "B04_60m", "AOT_10m", "TCI_60m", "CLASSI_B00"];

/// Odd places and sizes in pixels of 60 m: a corner, a seam of tiles, one pixel, a strip.
const WINDOWS: [Window; 4] = [
    Window { x: 0, y: 0, width: 70, height: 190 },
    Window { x: 187, y: 570, width: 11, height: 13 },
    Window { x: 1829, y: 1829, width: 1, height: 1 },
    Window { x: 333, y: 0, width: 5, height: 1830 },
];

async fn check(place: &Place, config: EngineConfig, request: &CubeRequest) {
    let engine = place.engine(config);
    let plan = engine.resolve(request).await.unwrap().plan;
    assert_eq!(plan.summary.assets_without_index, 0);
    assert_eq!(plan.summary.header_requests, 0);
    let expected = planned(place, &plan);
    assert_eq!(plan.summary.requests, expected.len() as u64);
    let bytes: u64 = expected.iter().map(|(_, range)| range.end - range.start).sum();
    assert_eq!(plan.summary.bytes, bytes);

    place.log.take();
    let mut stream = engine.run(plan, request.on_error);
    while let Some(block) = common::guarded(futures::StreamExt::next(&mut stream)).await {
        assert_eq!(block.unwrap().faults, []);
    }
    assert_eq!(read(place.log.take()), expected);
    assert_eq!((stream.stats().requests, stream.stats().bytes), (expected.len() as u64, bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_read_their_plan() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for window in WINDOWS {
        let request = L2A.window(&BANDS, Resolution::R60m, window);
        check(&place, EngineConfig::default(), &request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tile_reads_its_plan_near_and_far() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for cost in [CostModel::LOCAL, CostModel::OBJECT_STORE] {
        let config = EngineConfig { cost: Some(cost), ..EngineConfig::default() };
        check(&place, config, &L2A.request(&BANDS)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn level_1c_reads_its_plan() {
    let bands = ["B01", "DETFOO_B02", "QUALIT_B01"];
    let Some(place) = Place::indexed(L1C, &bands).await else { return };
    for window in WINDOWS {
        let request = L1C.window(&bands, Resolution::R60m, window);
        check(&place, EngineConfig::default(), &request).await;
    }
}

/// Records of the peer say where tiles lie and nothing else: each asset's header is one request
/// more, however many reads wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn records_without_header_give_the_same_pixels() {
    let bands = ["SCL", "B04_60m", "TCI_60m", "AOT_10m"];
    let Some(place) = Place::new(&[(L2A, &bands)]) else { return };
    let table = fs::read(L2A.peer_table().unwrap()).unwrap();
    let rows = read_peer(table.into()).unwrap();
    let wanted: Vec<_> = bands.iter().map(|band| L2A.asset(band)).collect();
    let rows = rows.iter().filter(|row| wanted.contains(&row.source.asset));
    let records: Vec<TlmRecord> = rows.map(|row| row.record().unwrap().unwrap()).collect();
    assert_eq!(records.len(), bands.len());
    place.index.append(&records).await.unwrap();

    let window = Window { x: 100, y: 500, width: 400, height: 300 };
    let request = L2A.window(&bands, Resolution::R60m, window);
    let engine = place.engine(EngineConfig::default());
    let plan = engine.resolve(&request).await.unwrap().plan;
    assert_eq!(plan.summary.assets_without_index, 0);
    assert_eq!(plan.summary.header_requests, bands.len() as u64);
    let mut expected = planned(&place, &plan);
    for record in &records {
        expected.push((format!("eodata/{}", record.key), 0..record.first_sot + 2));
    }
    expected.sort_by_key(|(path, range)| (path.clone(), range.start));

    let layout = Arc::clone(&plan.layout);
    place.log.take();
    let blocks: Vec<_> = outcome(engine.run(plan, request.on_error)).await;
    let blocks: Vec<_> = blocks.into_iter().map(|block| block.unwrap()).collect();
    assert_eq!(read(place.log.take()), expected);
    for (position, (column, band)) in layout.columns.iter().zip(bands).enumerate() {
        let whole = decoded(&original(L2A, band));
        assert!(assemble(column, &blocks, position) == crop(&whole, column), "{band}");
    }
}

/// Without record an asset is scanned while serving.
#[tokio::test(flavor = "multi_thread")]
async fn assets_without_record_give_the_same_pixels() {
    let bands = ["SCL", "B04_60m"];
    let Some(place) = Place::new(&[(L2A, &bands)]) else { return };
    let engine = place.engine(EngineConfig::default());
    let request = L2A.window(&bands, Resolution::R60m, WINDOWS[1]);
    let plan = engine.resolve(&request).await.unwrap().plan;
    assert_eq!(plan.summary.assets_without_index, bands.len() as u64);
    let (layout, blocks) = cube(&engine, &request).await;
    for (position, (column, band)) in layout.columns.iter().zip(bands).enumerate() {
        let whole = decoded(&original(L2A, band));
        assert!(assemble(column, &blocks, position) == crop(&whole, column), "{band}");
    }
}
