//! Lists of windows: each a row-block, JP2 tiles that they share read once.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::{Arc, LazyLock};

use common::{Given, L2A, Place, crop, decoded, numbers, original, outcome, planned, read};
use cubeflight_engine::EngineConfig;
use cubeflight_jp2::Image;
use cubeflight_plan::{Column, Layout};
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};

const BANDS: [&str; 3] = ["B04_60m", "SCL", "TCI_60m"];

/// The whole files, decoded once.
static TRUTH: LazyLock<[Image; 3]> =
    LazyLock::new(|| BANDS.map(|band| decoded(&original(L2A, band))));

/// Windows in pixels of the 60 m grid.
fn request(windows: &[Window]) -> CubeRequest {
    let bounds = windows.iter().map(|window| {
        let alone = L2A.window(&BANDS, Resolution::R60m, *window);
        alone.bounds.unwrap()
    });
    let windows = bounds.collect();
    CubeRequest { windows, max_message_bytes: u32::MAX / 4, ..L2A.request(&BANDS) }
}

/// The samples of a window in the row-block of a list, and that the rest is fill.
fn cut(column: &Column, block: &Given, position: usize) -> Vec<f32> {
    let window = column.block_window(u32::from(block.block));
    let (width, height) = (window.width as usize, window.height as usize);
    let buffer = numbers(&block.pixels[position]);
    assert_eq!(buffer.len() as u64, column.block_elements());
    let rows = buffer.chunks(column.block_width as usize).enumerate();
    let mut cells = Vec::new();
    for (row, values) in rows {
        let held = if row % (column.block_rows as usize) < height { width } else { 0 };
        cells.extend(&values[..held]);
        assert!(values[held..].iter().all(|value| *value == 0.0), "pixels beyond the window");
    }
    cells
}

fn check(layout: &Layout, blocks: &[Given], windows: &[Window]) {
    let numbers: Vec<_> = blocks.iter().map(|block| usize::from(block.block)).collect();
    assert_eq!(numbers, (0..windows.len()).collect::<Vec<_>>());
    for block in blocks {
        for (position, (column, truth)) in layout.columns.iter().zip(TRUTH.iter()).enumerate() {
            let window = column.block_window(u32::from(block.block));
            let alone = Column { window, list: None, ..column.clone() };
            let same = cut(column, block, position) == crop(truth, &alone);
            assert!(same, "{} of window {}", column.path, block.block);
        }
    }
}

async fn check_all(windows: &[Window]) {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for (look_ahead_bytes, reads_per_stream, threads) in [(128 << 20, 8, 0), (1, 1, 1), (1, 8, 2)] {
        let config =
            EngineConfig { look_ahead_bytes, reads_per_stream, threads, ..EngineConfig::default() };
        let engine = place.engine(config);
        let request = request(windows);
        let plan = engine.resolve(&request).await.unwrap().plan;
        let (wanted, layout) = (planned(&place, &plan), Arc::clone(&plan.layout));
        place.log.take();
        let blocks = outcome(engine.run(plan, request.on_error)).await;
        let blocks: Vec<Given> = blocks.into_iter().map(|block| block.unwrap()).collect();
        assert_eq!(read(place.log.take()), wanted);
        check(&layout, &blocks, windows);
    }
}

/// Scattered, over each other, one pixel, and in no order.
#[tokio::test(flavor = "multi_thread")]
async fn small_windows_are_crops_of_the_image() {
    let at = |number: u32| {
        let (x, y) = (number * 7919 % 1700, number * 5501 % 1700);
        Window { x, y, width: 1 + number * 13 % 90, height: 1 + number * 29 % 90 }
    };
    let mut windows: Vec<Window> = (0..40).map(at).collect();
    windows.push(windows[3]);
    windows.push(Window { x: 180, y: 180, width: 30, height: 30 });
    check_all(&windows).await;
}

/// Far more than the look-ahead, in several turns.
#[tokio::test(flavor = "multi_thread")]
async fn large_windows_do_not_wait_for_each_other() {
    let at = |number: u32| {
        let corner = |odd| if odd { 1000 } else { 0 };
        let (x, y) = (corner(number % 2 == 1), corner(number % 4 > 1));
        Window { x: x + number, y, width: 800, height: 830 }
    };
    let windows: Vec<Window> = (0..12).map(at).collect();
    let request = request(&windows);
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let plan = place.engine(EngineConfig::default()).resolve(&request).await.unwrap().plan;
    let column = &plan.layout.columns[0];
    assert!((2..windows.len() / 2).contains(&column.together), "{}", column.together);
    check_all(&windows).await;
}
