//! Row-blocks in the order in which they are complete.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use common::{
    Act, Given, L2A, Place, Tampered, crop, decoded, guarded, next, numbers, original, outcome,
    until,
};
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_jp2::Image;
use cubeflight_plan::{Column, CostModel, Layout, Plan};
use cubeflight_sentinel2::{CubeRequest, OnError, Order, Resolution, Window};
use futures::StreamExt;

const BANDS: [&str; 3] = ["B04_60m", "SCL", "TCI_60m"];

/// The whole files, decoded once.
static TRUTH: LazyLock<[Image; 3]> =
    LazyLock::new(|| BANDS.map(|band| decoded(&original(L2A, band))));

fn request() -> CubeRequest {
    let window = Window { x: 300, y: 100, width: 900, height: 1500 };
    let request = L2A.window(&BANDS, Resolution::R60m, window);
    CubeRequest { max_message_bytes: 100_000, ..request }
}

/// Each tile is a read of its own.
fn tile_by_tile() -> Option<CostModel> {
    Some(CostModel { max_request_bytes: 0, ..CostModel::LOCAL })
}

/// There is one real product of the tile: its step three times over.
fn three_times(plan: Plan) -> Plan {
    let steps = plan.steps.iter().cycle().take(3).cloned().collect();
    Plan { steps, ..plan }
}

fn check_pixels(layout: &Layout, given: &[Given]) {
    for (position, (column, truth)) in layout.columns.iter().zip(TRUTH.iter()).enumerate() {
        for block in given {
            let window = column.block_window(u32::from(block.block));
            if window.height == 0 {
                continue;
            }
            let of_block = Column { window, ..column.clone() };
            let (plane, rows) = (
                (column.block_rows * column.block_width) as usize,
                (window.height * window.width) as usize,
            );
            let found = numbers(&block.pixels[position]);
            let found: Vec<f32> =
                found.chunks(plane).flat_map(|plane| plane[..rows].iter().copied()).collect();
            assert!(found == crop(truth, &of_block), "{} block {}", column.path, block.block);
        }
    }
}

fn places(given: &[Given]) -> BTreeSet<(usize, u16)> {
    let places: BTreeSet<_> = given.iter().map(|block| (block.step, block.block)).collect();
    assert_eq!(places.len(), given.len(), "a block twice");
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_is_given_once_however_small_the_look_ahead() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for (look_ahead_bytes, reads_per_stream, threads, cost) in [
        (128 << 20, 8, 0, None),
        (128 << 20, 8, 0, tile_by_tile()),
        (0, 8, 0, tile_by_tile()),
        (1, 1, 1, None),
        (300_000, 2, 1, tile_by_tile()),
    ] {
        let config = EngineConfig {
            look_ahead_bytes,
            reads_per_stream,
            threads,
            cost,
            ..EngineConfig::default()
        };
        let engine = place.engine(config);
        let plan = three_times(engine.resolve(&request()).await.unwrap().plan);
        let layout = Arc::clone(&plan.layout);
        let given = outcome(engine.run_in(Order::Completion, plan, OnError::Mark)).await;
        let given: Vec<Given> = given.into_iter().map(Result::unwrap).collect();
        let all = (0..3).flat_map(|step| (0..layout.blocks).map(move |block| (step, block)));
        assert_eq!(places(&given), all.collect());
        check_pixels(&layout, &given);
    }
}

/// The store does not answer the first read: all blocks but those that it fills are given meanwhile. On
/// one thread reads begin in their order.
#[tokio::test]
async fn a_slow_read_holds_back_its_own_blocks_only() {
    let bands = &BANDS[..1];
    let Some(place) = Place::indexed(L2A, bands).await else { return };
    let request = CubeRequest { max_message_bytes: 100_000, ..L2A.request(bands) };
    let store = Tampered::new(&place.store(), |_, number| match number {
        0 => Act::Hang,
        _ => Act::Pass,
    });
    let config = EngineConfig { cost: tile_by_tile(), ..EngineConfig::default() };
    let engine = place.tampered(Arc::clone(&store), config);
    let plan = engine.resolve(&request).await.unwrap().plan;
    let blocks = plan.layout.blocks;
    // a tile of 192 rows
    let rows = plan.layout.columns[0].block_rows;
    let held_back = u16::try_from(192_u32.div_ceil(rows)).unwrap();
    assert!(held_back > 1 && blocks > 2 * held_back);

    let mut stream = engine.run_in(Order::Completion, plan.clone(), OnError::Mark);
    let mut given = BTreeSet::new();
    for _ in held_back..blocks {
        given.insert(next(&mut stream).await.unwrap().block);
    }
    assert_eq!(given, (held_back..blocks).collect());
    assert_eq!(store.waiting(), 1);
    drop(stream);
    until(|| store.waiting() == 0).await;
}

/// Runs into a store that fails from one read on, reads one after the other.
async fn failing(place: &Place, order: Order, from: usize) -> (Arc<Layout>, Vec<Given>, String) {
    let store = Tampered::new(&place.store(), move |_, number| match number < from {
        true => Act::Pass,
        false => Act::Deny,
    });
    let config =
        EngineConfig { reads_per_stream: 1, cost: tile_by_tile(), ..EngineConfig::default() };
    let engine: Engine = place.tampered(store, config);
    let plan = three_times(engine.resolve(&request()).await.unwrap().plan);
    let layout = Arc::clone(&plan.layout);
    let mut given = outcome(engine.run_in(order, plan, OnError::Mark)).await;
    let error = given.pop().unwrap().unwrap_err();
    let given: Vec<Given> = given.into_iter().map(Result::unwrap).collect();
    (layout, given, error.code().to_owned())
}

/// What ends a cube ends it, after at least what would have been given in order. No block that lacks
/// pixels is given, also where one read fills several.
#[tokio::test(flavor = "multi_thread")]
async fn failures_come_after_what_was_complete() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let probe = place.engine(EngineConfig { cost: tile_by_tile(), ..EngineConfig::default() });
    let plan = probe.resolve(&request()).await.unwrap().plan;
    let reads = plan.summary.requests as usize;
    let mut most = 0;
    for from in [0, 1, 13, reads / 2, reads + reads / 3, 3 * reads - 1] {
        let (_, ordered, code) = failing(&place, Order::Time, from).await;
        let (layout, given, same) = failing(&place, Order::Completion, from).await;
        assert_eq!((code.as_str(), same.as_str()), ("CF-STO-006", "CF-STO-006"), "{from}");
        assert!(places(&given).is_superset(&places(&ordered)), "{from}");
        assert!(given.len() < 3 * usize::from(layout.blocks));
        check_pixels(&layout, &given);
        most = most.max(given.len());
    }
    assert!(most > 2 * usize::from(plan.layout.blocks));
}

/// A client that does not read stops this order, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_look_ahead_bounds_what_is_read() {
    let bands = &BANDS[..1];
    let Some(place) = Place::indexed(L2A, bands).await else { return };
    let request = CubeRequest { max_message_bytes: 100_000, ..L2A.request(bands) };
    let store = Tampered::new(&place.store(), |_, _| Act::Pass);
    let config =
        EngineConfig { look_ahead_bytes: 0, cost: tile_by_tile(), ..EngineConfig::default() };
    let engine = place.tampered(Arc::clone(&store), config);
    let plan = engine.resolve(&request).await.unwrap().plan;
    let total = plan.summary.requests as usize;
    let mut stream = engine.run_in(Order::Completion, plan, OnError::Mark);
    let first = next(&mut stream).await.unwrap();
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert!(store.begun() < total / 2, "{} of {total}", store.begun());
    drop(first);
    let mut rest = 0;
    while let Some(block) = guarded(stream.next()).await {
        block.unwrap();
        rest += 1;
    }
    assert!(rest > 0);
    assert_eq!(store.begun(), total);
}
