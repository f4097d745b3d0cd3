//! Files that the index does not know: found while serving, once, and known from then on.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{Given, L2A, Place, assemble, crop, cube, decoded, guarded, original, outcome};
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_index::Selection;
use cubeflight_plan::Layout;
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};
use cubeflight_tlm::TlmRecord;
use futures::StreamExt;

const BANDS: [&str; 4] = ["SCL", "B04_60m", "TCI_60m", "AOT_10m"];
const HERE: Window = Window { x: 700, y: 900, width: 300, height: 250 };
const THERE: Window = Window { x: 100, y: 1500, width: 90, height: 300 };

/// All files are large ones.
fn config() -> EngineConfig {
    EngineConfig { max_whole_read: Some(0), ..EngineConfig::default() }
}

fn request(window: Window) -> CubeRequest {
    L2A.window(&BANDS, Resolution::R60m, window)
}

fn check_pixels(layout: &Layout, blocks: &[Given]) {
    for (position, (column, band)) in layout.columns.iter().zip(BANDS).enumerate() {
        let whole = decoded(&original(L2A, band));
        assert!(assemble(column, blocks, position) == crop(&whole, column), "{band}");
    }
}

async fn unindexed(engine: &Engine, request: &CubeRequest) -> u64 {
    engine.resolve(request).await.unwrap().plan.summary.assets_without_index
}

async fn records(place: &Place) -> Vec<Arc<TlmRecord>> {
    place.index.records(L2A.level, L2A.mgrs(), &Selection::default()).await.unwrap()
}

/// The pixels are right, and what was found is in the index for everybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_finds_is_written_back() {
    for config in [config(), EngineConfig::default()] {
        let Some(place) = Place::new(&[(L2A, &BANDS)]) else { return };
        let engine = place.engine(config.clone());
        let request = request(HERE);
        assert_eq!(unindexed(&engine, &request).await, 4);
        let (layout, blocks) = cube(&engine, &request).await;
        check_pixels(&layout, &blocks);
        engine.flush().await;

        let kept = records(&place).await;
        assert_eq!(kept.len(), 4);
        for record in &kept {
            record.check().unwrap();
            assert!(record.main_header.is_some() && record.packet_lengths.is_some());
            assert_eq!(record.complete, config.max_whole_read.is_none(), "{}", record.asset);
        }
        // a server that has never seen these files
        let other = place.engine(config);
        assert_eq!(unindexed(&other, &request).await, 0);
        let (layout, again) = cube(&other, &request).await;
        check_pixels(&layout, &again);
        assert_eq!(again, blocks);
    }
}

/// Other tiles of a file complete its record.
#[tokio::test(flavor = "multi_thread")]
async fn another_window_finds_what_is_missing() {
    let Some(place) = Place::new(&[(L2A, &BANDS)]) else { return };
    for (window, engine) in [(HERE, place.engine(config())), (THERE, place.engine(config()))] {
        let (layout, blocks) = cube(&engine, &request(window)).await;
        check_pixels(&layout, &blocks);
        engine.flush().await;
    }
    let engine = place.engine(config());
    for window in [HERE, THERE] {
        assert_eq!(unindexed(&engine, &request(window)).await, 0);
        let (layout, blocks) = cube(&engine, &request(window)).await;
        check_pixels(&layout, &blocks);
    }
    assert_eq!(records(&place).await.len(), 4);
}

/// However many streams want a file, one looks into it.
#[tokio::test(flavor = "multi_thread")]
async fn streams_share_their_scans() {
    let Some(place) = Place::new(&[(L2A, &BANDS)]) else { return };
    let request = request(HERE);
    let alone = place.engine(EngineConfig { write_back: false, ..config() });
    let mut stream = alone.run(alone.resolve(&request).await.unwrap().plan, request.on_error);
    while let Some(block) = guarded(stream.next()).await {
        drop(block.unwrap());
    }
    let once = stream.stats();
    assert_eq!(once.scanned_assets, 4);
    assert!(once.scan_requests >= 4, "{once:?}");

    let engine = place.engine(EngineConfig { write_back: false, ..config() });
    let mut streams = Vec::new();
    for _ in 0..6 {
        let plan = engine.resolve(&request).await.unwrap().plan;
        streams.push(engine.run(plan, request.on_error));
    }
    let (mut scans, mut looked) = (0, 0);
    let drained = streams.into_iter().map(|mut stream| async move {
        while let Some(block) = stream.next().await {
            drop(block.unwrap());
        }
        stream.stats()
    });
    for stats in guarded(futures::future::join_all(drained)).await {
        scans += stats.scan_requests;
        looked += stats.scanned_assets;
    }
    assert_eq!((scans, looked), (once.scan_requests, 24));
    engine.flush().await;
    assert!(records(&place).await.is_empty(), "write-back is off");
}

/// A stream that is dropped keeps what it found.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_keeps_what_it_found() {
    let Some(place) = Place::new(&[(L2A, &BANDS)]) else { return };
    let engine = place.engine(config());
    let request = CubeRequest { max_message_bytes: 200_000, ..request(HERE) };
    let mut stream = engine.run(engine.resolve(&request).await.unwrap().plan, request.on_error);
    guarded(stream.next()).await.unwrap().unwrap();
    drop(stream);
    engine.flush().await;
    // the stream's own end may be writing the same
    let index = place.index.clone();
    common::until_async(move || {
        let index = index.clone();
        async move {
            let all = Selection::default();
            index.records(L2A.level, L2A.mgrs(), &all).await.unwrap().len() == 4
        }
    })
    .await;
}

/// A catalogue that gives a product another's file: the pixels are those of that file, and nobody
/// else ever hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn claims_of_a_catalogue_stay_with_it() {
    let Some(place) = Place::new(&[(L2A, &BANDS)]) else { return };
    let honest = place.engine(config());
    let misled = place.engine_with(config(), common::Misled::new(&place, "AOT_10m", "B04_60m"));
    let request = L2A.window(&["B04_60m"], Resolution::R60m, HERE);
    let plan = misled.resolve(&request).await.unwrap().plan;
    let given = outcome(misled.run(plan, request.on_error)).await;
    // the file of another grid is no B04_60m
    let faults = given.into_iter().flat_map(|block| block.unwrap().faults).count();
    assert!(faults > 0);
    misled.flush().await;
    assert!(records(&place).await.is_empty());
    assert_eq!(unindexed(&honest, &request).await, 1);
    let (layout, blocks) = cube(&honest, &request).await;
    let whole = decoded(&original(L2A, "B04_60m"));
    assert!(assemble(&layout.columns[0], &blocks, 0) == crop(&whole, &layout.columns[0]));
}
