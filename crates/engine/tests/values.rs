//! The numbers in the cube are those of the files, and what the request makes of them.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Known, L1C, L2A, Place, assemble, crop, cube, decoded, original};
use cubeflight_engine::{EngineConfig, Pixels};
use cubeflight_jp2::{Image, Rect};
use cubeflight_sentinel2::{CubeRequest, Radiometry, Resolution, Window};

/// Of both products: DN 1000 is reflectance 0, and DN are ten thousandths.
const OFFSET: i32 = -1000;
const QUANTIFICATION: f32 = 10_000.0;

/// Windows that look random and are the same every time (xorshift64).
struct Windows {
    state: u64,
    side: u32,
}

impl Windows {
    fn below(&mut self, limit: u32) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        u32::try_from(self.state % u64::from(limit)).unwrap()
    }
}

impl Iterator for Windows {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let (x, y) = (self.below(self.side), self.below(self.side));
        // Mostly small, some as large as the tile.
        let reach = self.side >> self.below(6);
        let width = 1 + self.below(reach.min(self.side - x));
        let height = 1 + self.below(reach.min(self.side - y));
        Some(Window { x, y, width, height })
    }
}

async fn check_windows(known: Known, bands: &[&str], resolution: Resolution, seed: u64) {
    let Some(place) = Place::indexed(known, bands).await else { return };
    let whole: Vec<Image> = bands.iter().map(|band| decoded(&original(known, band))).collect();
    let engine = place.engine(EngineConfig::default());
    let windows = Windows { state: seed, side: resolution.pixels() };
    for (number, window) in windows.take(12).enumerate() {
        let request = known.window(bands, resolution, window);
        let max_message_bytes = if number % 2 == 0 { 90_000 } else { 4_000_000 };
        let request = CubeRequest { max_message_bytes, ..request };
        // A row of every band may be above the small limit.
        if engine.layout(&request).await.is_err() {
            continue;
        }
        let (layout, blocks) = cube(&engine, &request).await;
        assert!(blocks.iter().all(|block| block.faults.is_empty()));
        for (position, column) in layout.columns.iter().enumerate() {
            let same = assemble(column, &blocks, position) == crop(&whole[position], column);
            assert!(same, "{} {window:?}", column.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_60_m_are_crops() {
    let bands = ["B04_60m", "SCL_60m", "TCI_60m", "CLASSI_B00", "WVP_60m"];
    check_windows(L2A, &bands, Resolution::R60m, 0x5EED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_20_m_are_crops() {
    check_windows(L2A, &["SCL", "AOT_20m", "SNW", "DETFOO_B05"], Resolution::R20m, 0xC0FFEE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_10_m_beside_60_m_are_crops() {
    check_windows(L2A, &["AOT_10m", "B11_60m"], Resolution::R10m, 0xBEEF).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_level_1c_are_crops() {
    check_windows(L1C, &["B01", "QUALIT_B01", "DETFOO_B01"], Resolution::R60m, 0xACE).await;
}

const EDGE: Window = Window { x: 150, y: 300, width: 700, height: 500 };
/// Wide enough to hold the edge of either swath.
const SWATH: Window = Window { x: 0, y: 200, width: 1830, height: 500 };

async fn check_radiometry(known: Known, band: &str, other: &str) {
    let Some(place) = Place::indexed(known, &[band, other]).await else { return };
    let engine = place.engine(EngineConfig::default());
    let raw = known.window(&[band, other], Resolution::R60m, SWATH);
    let (layout, blocks) = cube(&engine, &raw).await;
    let stored = assemble(&layout.columns[0], &blocks, 0);
    let mask = assemble(&layout.columns[1], &blocks, 1);
    assert!(stored.contains(&0.0) && stored.iter().any(|dn| *dn > 1500.0));

    let harmonised = CubeRequest { radiometry: Radiometry::Harmonised, ..raw.clone() };
    let (layout, blocks) = cube(&engine, &harmonised).await;
    assert!(matches!(blocks[0].pixels[0], Pixels::U16(_)));
    let expected = stored.iter().map(|dn| match *dn {
        0.0 => 0.0,
        dn => (dn + OFFSET as f32).max(1.0),
    });
    assert!(expected.eq(assemble(&layout.columns[0], &blocks, 0)));
    assert_eq!(assemble(&layout.columns[1], &blocks, 1), mask, "only reflectance has an offset");

    let reflectance = CubeRequest { radiometry: Radiometry::Reflectance, ..raw.clone() };
    let (layout, blocks) = cube(&engine, &reflectance).await;
    assert!(matches!(blocks[0].pixels[0], Pixels::F32(_)));
    let found = assemble(&layout.columns[0], &blocks, 0);
    for (dn, value) in stored.iter().zip(found) {
        match *dn {
            0.0 => assert!(value.is_nan()),
            dn => assert_eq!(value, (dn + OFFSET as f32) / QUANTIFICATION),
        }
    }
    assert_eq!(assemble(&layout.columns[1], &blocks, 1), mask);
}

#[tokio::test(flavor = "multi_thread")]
async fn level_2a_is_harmonised() {
    check_radiometry(L2A, "B04_60m", "SCL_60m").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn level_1c_is_harmonised() {
    check_radiometry(L1C, "B01", "DETFOO_B01").await;
}

/// Component k of a mask is bit k; of a picture, plane k.
#[tokio::test(flavor = "multi_thread")]
async fn components_are_bits_of_masks_and_planes_of_pictures() {
    let bands = ["CLASSI_B00", "TCI_60m"];
    let Some(place) = Place::indexed(L2A, &bands).await else { return };
    let engine = place.engine(EngineConfig::default());
    let (layout, blocks) = cube(&engine, &L2A.window(&bands, Resolution::R60m, EDGE)).await;
    let source = Rect::new(EDGE.x, EDGE.y, EDGE.right(), EDGE.bottom());
    let components = |band| {
        let image = decoded(&original(L2A, band));
        [0, 1, 2].map(|component| {
            let mut samples = vec![0; source.area() as usize];
            image.write_u8(component, source, &mut samples, EDGE.width as usize, 1).unwrap();
            samples
        })
    };
    let [opaque, cirrus, snow] = components("CLASSI_B00");
    let flags = assemble(&layout.columns[0], &blocks, 0);
    for (pixel, flags) in flags.iter().enumerate() {
        assert_eq!(*flags, f32::from(opaque[pixel] | cirrus[pixel] << 1 | snow[pixel] << 2));
    }
    assert!(flags.iter().any(|flags| *flags > 1.0));

    let planes = components("TCI_60m").concat();
    let found = assemble(&layout.columns[1], &blocks, 1);
    assert!(planes.iter().copied().map(f32::from).eq(found));
}
