//! Order of the row-blocks, the look-ahead, and what happens when nobody reads any more.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use common::{
    Act, Given, L2A, Place, Tampered, assemble, crop, cube, decoded, guarded, next, original, until,
};
use cubeflight_engine::EngineConfig;
use cubeflight_jp2::Image;
use cubeflight_plan::{CostModel, Layout, Plan, PlannedColumn};
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};
use futures::StreamExt;

/// 60 m beside 20 m: small tiles of the one cross few row-blocks, large ones of the other many.
const BANDS: [&str; 3] = ["B04_60m", "SCL", "TCI_60m"];

/// The whole files, decoded once.
static TRUTH: LazyLock<[Image; 3]> =
    LazyLock::new(|| BANDS.map(|band| decoded(&original(L2A, band))));

fn small_messages(request: CubeRequest) -> CubeRequest {
    let max_message_bytes = 100_000;
    CubeRequest { max_message_bytes, ..request }
}

fn half_the_tile() -> CubeRequest {
    let window = Window { x: 300, y: 100, width: 900, height: 1500 };
    small_messages(L2A.window(&BANDS, Resolution::R60m, window))
}

fn check(layout: &Layout, blocks: &[Given]) {
    let numbers: Vec<_> = blocks.iter().map(|block| (block.step, block.block)).collect();
    let expected: Vec<_> = (0..layout.blocks).map(|block| (0, block)).collect();
    assert!(expected.len() > 50);
    assert_eq!(numbers, expected);
    for (position, (column, truth)) in layout.columns.iter().zip(TRUTH.iter()).enumerate() {
        let same = assemble(column, blocks, position) == crop(truth, column);
        assert!(same, "{}", column.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_in_order_however_small_the_look_ahead() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for (look_ahead_bytes, reads_per_stream, threads) in
        [(128 << 20, 8, 0), (0, 8, 0), (1, 1, 1), (300_000, 2, 1)]
    {
        let config =
            EngineConfig { look_ahead_bytes, reads_per_stream, threads, ..EngineConfig::default() };
        let (layout, blocks) = cube(&place.engine(config), &half_the_tile()).await;
        check(&layout, &blocks);
    }
}

#[tokio::test]
async fn one_thread_for_everything_is_enough() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let config = EngineConfig { look_ahead_bytes: 0, threads: 1, ..EngineConfig::default() };
    let (layout, blocks) = cube(&place.engine(config), &half_the_tile()).await;
    check(&layout, &blocks);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_follow_each_other() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let engine = place.engine(EngineConfig { look_ahead_bytes: 0, ..EngineConfig::default() });
    let plan = engine.resolve(&half_the_tile()).await.unwrap().plan;
    let layout = Arc::clone(&plan.layout);
    let blocks = common::outcome(engine.run(three_times(plan), half_the_tile().on_error)).await;
    let blocks: Vec<Given> = blocks.into_iter().map(|block| block.unwrap()).collect();
    let per_step = usize::from(layout.blocks);
    assert_eq!(blocks.len(), 3 * per_step);
    for (step, blocks) in blocks.chunks(per_step).enumerate() {
        let blocks: Vec<Given> =
            blocks.iter().map(|block| Given { step: block.step - step, ..block.clone() }).collect();
        check(&layout, &blocks);
    }
}

/// There is one real product of the tile: its step three times over.
fn three_times(plan: Plan) -> Plan {
    let steps = plan.steps.iter().cycle().take(3).cloned().collect();
    Plan { steps, ..plan }
}

#[tokio::test]
async fn a_working_set_above_the_limit_is_refused_before_reading() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let config = EngineConfig {
        look_ahead_bytes: 0,
        max_working_set_bytes: 150_000,
        ..EngineConfig::default()
    };
    let engine = place.engine(config);
    let plan = engine.resolve(&half_the_tile()).await.unwrap().plan;
    place.log.take();
    let mut stream = engine.run(plan, half_the_tile().on_error);
    assert_eq!(next(&mut stream).await.unwrap_err().code(), "CF-ENG-001");
    assert!(guarded(stream.next()).await.is_none());
    assert_eq!(place.log.take(), []);
}

/// Reads that may begin while the first `open` row-blocks are held.
fn reads_within(plan: &Plan, open: u32) -> usize {
    let columns = plan.steps.iter().flat_map(cubeflight_plan::PlannedStep::planned);
    let groups = columns.flat_map(|column| match column {
        PlannedColumn::Read(read) => read.groups.clone(),
        other => panic!("not planned: {other:?}"),
    });
    let mut reads: Vec<_> = groups.map(|group| (group.blocks(), group.ranges.len())).collect();
    reads.sort_by_key(|(blocks, _)| blocks.start);
    let begun = reads.iter().take_while(|(blocks, _)| blocks.end <= open);
    begun.map(|(_, requests)| requests).sum()
}

/// A client that stops reading: what is read ahead is what the look-ahead allows, no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_the_reads() {
    let bands = ["B04_60m"];
    let Some(place) = Place::indexed(L2A, &bands).await else { return };
    let request = small_messages(L2A.request(&bands));
    // Whole tiles of 192 rows cross 8 blocks of 27 rows; 24 of these blocks are the look-ahead.
    let store = Tampered::new(&place.store(), |_, _| Act::Pass);
    let probe = place.engine(EngineConfig::default());
    let block = probe.layout(&request).await.unwrap().block_bytes().div_ceil(1024) * 1024;
    let config = EngineConfig {
        look_ahead_bytes: 24 * block,
        cost: Some(CostModel { max_request_bytes: 0, ..CostModel::LOCAL }),
        ..EngineConfig::default()
    };
    let engine = place.tampered(Arc::clone(&store), config);
    let plan = engine.resolve(&request).await.unwrap().plan;
    let (blocks, total) = (plan.layout.blocks, plan.summary.requests as usize);
    let expected = reads_within(&plan, 24);
    let more = reads_within(&plan, 25);
    assert!(expected > 0 && expected < total);

    let mut stream = engine.run(plan, request.on_error);
    until(|| store.begun() == expected).await;
    // Whatever could still begin gets its turn.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.begun(), expected);

    let held = next(&mut stream).await.unwrap();
    let second = next(&mut stream).await.unwrap();
    assert_eq!((held.block, second.block), (0, 1));
    drop(second);
    until(|| store.begun() >= more).await;
    drop(held);
    let mut last = 1;
    while let Some(block) = guarded(stream.next()).await {
        last = block.unwrap().block;
    }
    assert_eq!((last + 1, store.begun()), (blocks, total));
}

/// Dropped while reads are under way: they are given up, and nothing holds the engine any more.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_ends_reads_and_tasks() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    // The first block is read, then there is silence.
    let store = Tampered::new(&place.store(), |_, number| match number {
        0..20 => Act::Pass,
        _ => Act::Hang,
    });
    let config = EngineConfig { reads_per_stream: 4, ..EngineConfig::default() };
    let engine = place.tampered(Arc::clone(&store), config);
    let plan = engine.resolve(&half_the_tile()).await.unwrap().plan;
    let mut stream = engine.run(plan, half_the_tile().on_error);
    drop(next(&mut stream).await.unwrap());
    until(|| store.waiting() == 4).await;
    drop(stream);
    until(|| store.waiting() == 0).await;

    let begun = store.begun();
    let alive = Arc::downgrade(&store);
    drop((engine, store));
    until(|| alive.strong_count() == 0).await;
    assert_eq!(begun, 24);
}

/// Dropped while tiles are decoded: jobs that have not begun do nothing, and nothing is read that
/// waited for its place in the look-ahead.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_ends_decoding() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let request = half_the_tile();
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&begun);
    let store = Tampered::new(&place.store(), move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        Act::Pass
    });
    let block = place.engine(EngineConfig::default()).layout(&request).await.unwrap().block_bytes();
    let config =
        EngineConfig { threads: 1, look_ahead_bytes: 24 * block, ..EngineConfig::default() };
    let engine = place.tampered(Arc::clone(&store), config);
    let plan = engine.resolve(&request).await.unwrap().plan;
    let total = plan.summary.requests as usize;
    let mut stream = engine.run(plan, request.on_error);
    drop(next(&mut stream).await.unwrap());
    drop((stream, engine));
    let alive = Arc::downgrade(&store);
    drop(store);
    until(|| alive.strong_count() == 0).await;
    let begun = begun.load(Ordering::SeqCst);
    assert!(begun < total, "{begun} of {total} reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_read_is_an_empty_stream() {
    let Some(place) = Place::indexed(L2A, &["B04_60m"]).await else { return };
    let engine = place.engine(EngineConfig::default());
    let request =
        CubeRequest { time: "2020-01-01/2020-12-31".parse().unwrap(), ..L2A.request(&["B04_60m"]) };
    let (_, blocks) = cube(&engine, &request).await;
    assert_eq!(blocks, []);
    // No steps that were found before are no steps, not all there are.
    let plan = engine.plan(&L2A.request(&["B04_60m"]), &[], &engine.cost()).await.unwrap();
    assert_eq!(plan.steps.len(), 0);
}
