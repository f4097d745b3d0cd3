//! Cubes of reduced resolution: low-pass samples of the wavelet, and every 2^r-th pixel of classes.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{L2A, Place, assemble, crop, original, outcome, planned, read};
use cubeflight_engine::EngineConfig;
use cubeflight_jp2::{DecodeOptions, Image, decode};
use cubeflight_plan::{Column, CostModel};
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};

fn image(band: &str, reduce: u8) -> Image {
    decode(&original(L2A, band), &DecodeOptions { area: None, reduce, max_bytes: u64::MAX })
        .unwrap()
}

/// Pixels of the column's window by another way: from the whole image.
fn expected(column: &Column) -> Vec<f32> {
    let image = image(&column.asset.to_string(), column.decode_reduce());
    if !column.sampled() {
        return crop(&image, column);
    }
    let full = Column { window: column.area(), ..column.clone() };
    let (width, stride) = (full.window.width as usize, column.lattice().stride() as usize);
    let pixels = crop(&image, &full);
    let rows = pixels.chunks(width).step_by(stride);
    rows.flat_map(|row| row.iter().copied().step_by(stride)).collect()
}

const BANDS: [&str; 5] = ["SCL", "AOT_20m", "B04_60m", "TCI_60m", "QUALIT_B05"];

#[tokio::test(flavor = "multi_thread")]
async fn reduced_windows_are_crops_of_the_reduced_image() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let engine = place.engine(EngineConfig::default());
    let windows = [
        Window { x: 0, y: 0, width: 1830, height: 1830 },
        Window { x: 333, y: 801, width: 555, height: 257 },
        Window { x: 1700, y: 100, width: 130, height: 99 },
    ];
    for reduce in [1, 4] {
        for window in windows {
            let request = L2A.window(&BANDS, Resolution::R60m, window);
            let request = CubeRequest { reduce, max_message_bytes: 100_000, ..request };
            let plan = engine.resolve(&request).await.unwrap().plan;
            let (wanted, layout) = (planned(&place, &plan), Arc::clone(&plan.layout));
            place.log.take();
            let blocks = outcome(engine.run(plan, request.on_error)).await;
            let blocks: Vec<_> = blocks.into_iter().map(Result::unwrap).collect();
            assert_eq!(read(place.log.take()), wanted);
            for (position, column) in layout.columns.iter().enumerate() {
                let found = assemble(column, &blocks, position);
                assert!(found == expected(column), "{} r{reduce} {window:?}", column.path);
            }
        }
    }
}

/// An overview of reflectance costs the lowest resolutions only.
#[tokio::test(flavor = "multi_thread")]
async fn an_overview_reads_little() {
    let Some(place) = Place::indexed(L2A, &["AOT_20m"]).await else { return };
    let cost = CostModel { latency: 0.0, ..CostModel::LOCAL };
    let engine = place.engine(EngineConfig { cost: Some(cost), ..EngineConfig::default() });
    let bytes = async |reduce| {
        let request = CubeRequest { reduce, ..L2A.request(&["AOT_20m"]) };
        engine.resolve(&request).await.unwrap().plan.summary.bytes
    };
    let (whole, small) = (bytes(0).await, bytes(4).await);
    assert!(small * 4 < whole, "{small} of {whole}");
}
