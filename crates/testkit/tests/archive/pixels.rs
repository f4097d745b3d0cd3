//! What is read is what the landscape shows, and the bands agree with each other.

use std::sync::Arc;

use cubeflight_catalog::ArchiveListing;
use cubeflight_engine::{Engine, EngineConfig, Pixels};
use cubeflight_index::{Index, IndexOptions, build, candidates};
use cubeflight_sentinel2::{
    Align, AssetId, CubeRequest, DEFAULT_MESSAGE_BYTES, Level, OnError, Radiometry, RequestBounds,
    Window,
};
use cubeflight_storage::{Options, Root};
use cubeflight_testkit::archive::{Archive, Extras};
use futures::StreamExt;

use crate::common::{Made, asset, bounds, make, tile};

fn window(asset: AssetId) -> Window {
    tile().grid(asset.resolution).window(&bounds(), Align::Centre).unwrap()
}

async fn engine(made: &Made) -> Engine {
    let index = made.folder.path().join("index");
    let index =
        Index::new(Root::open_or_create(index.to_str().unwrap(), &Options::default()).unwrap());
    let archive = made.root();
    let files = candidates(&archive, None).await.unwrap();
    build(&archive, &index, files, &IndexOptions::default()).await.unwrap();
    let catalog = Arc::new(ArchiveListing::new(archive.clone()));
    Engine::new(archive, index, catalog, EngineConfig::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_reads_the_landscape() {
    let bands = ["B04_60m", "SCL", "B11_60m", "AOT_60m", "TCI_60m", "CLD_60m"].map(asset);
    let names = bands.map(|band| band.to_string());
    let names = names.each_ref().map(String::as_str);
    let extras = Extras { swath_edges: 1, ..Extras::default() };
    let made = make(("2021-12-01", "2022-03-01"), 3, &names, extras);
    let engine = engine(&made).await;
    let edges = bounds();
    let request = CubeRequest {
        level: Level::L2A,
        tile: tile(),
        time: "../..".parse().unwrap(),
        assets: bands.to_vec(),
        bounds: Some(RequestBounds {
            rectangle: [edges.min_x, edges.min_y, edges.max_x, edges.max_y],
            crs: None,
        }),
        windows: Vec::new(),
        align: Align::Centre,
        reduce: 0,
        cloud_cover_max: None,
        filters: Vec::new(),
        group_by: cubeflight_sentinel2::GroupBy::default(),
        mask: None,
        min_valid: None,
        product_ids: Vec::new(),
        radiometry: Radiometry::Raw,
        on_error: OnError::Fail,
        max_message_bytes: DEFAULT_MESSAGE_BYTES,
        delivery: cubeflight_sentinel2::Delivery::default(),
    };
    let plan = engine.resolve(&request).await.unwrap().plan;
    assert_eq!((plan.steps.len(), plan.layout.blocks), (3, 1));
    let mut blocks = engine.run(plan, request.on_error);
    for product in made.archive.products() {
        let block = blocks.next().await.unwrap().unwrap();
        let scene = made.archive.scene(product);
        for (pixels, band) in block.pixels.iter().zip(bands) {
            let expected = scene.samples(band, window(band));
            let read: Vec<u16> = match pixels {
                Pixels::U8(values) => values.iter().map(|value| u16::from(*value)).collect(),
                Pixels::U16(values) => values.clone(),
                other => panic!("{other:?}"),
            };
            assert!(read[..] == expected[..], "{band} of {}", product.id());
            assert!(read.iter().any(|value| *value != read[0]) || band == asset("CLD_60m"));
        }
    }
    assert!(blocks.next().await.is_none());
}

/// Reflectance of SCL's pixels by class, over a year.
#[test]
fn classes_agree_with_reflectance() {
    let made_up = |seed| {
        let at = |day: &str| day.parse().unwrap();
        let time = (at("2021-01-01T00:00:00Z"), at("2022-01-01T00:00:00Z"));
        let config = cubeflight_testkit::archive::Config {
            seed,
            ..cubeflight_testkit::archive::Config::new("unused", tile(), time, 24)
        };
        Archive::plan(config).unwrap()
    };
    let archive = made_up(1);
    let [infrared, red, short, scl] = ["B8A", "B04_20m", "B11", "SCL"].map(asset);
    let area = Window { x: 2_560, y: 4_300, width: 320, height: 320 };
    let mut sums = [[0.0_f64; 4]; 12];
    for product in archive.products() {
        let scene = archive.scene(product);
        let bands = [infrared, red, short].map(|band| scene.samples(band, area));
        for (i, class) in scene.samples(scl, area).into_iter().enumerate() {
            let sums = &mut sums[usize::from(class)];
            sums[3] += 1.0;
            for (sum, band) in sums.iter_mut().zip(&bands) {
                *sum += f64::from(band[i]) / 10_000.0;
            }
        }
    }
    let mean = |class: usize, band: usize| {
        assert!(sums[class][3] > 100.0, "class {class}: {} pixels", sums[class][3]);
        sums[class][band] / sums[class][3]
    };
    let (nir, red, swir) = (0, 1, 2);
    assert!(mean(9, nir) > 0.4 && mean(9, red) > 0.4, "clouds are bright");
    assert!(mean(6, nir) < 0.06, "water is dark: {}", mean(6, nir));
    assert!(mean(11, red) > 0.35 && mean(11, swir) < 0.2, "snow is white and dark beyond");
    assert!(mean(4, nir) > 3.0 * mean(4, red), "plants are green");
    assert!(mean(5, nir) < 3.0 * mean(5, red));
    assert!(mean(3, nir) < 0.7 * mean(4, nir), "shadows are dark: {}", mean(3, nir));
    assert_eq!(sums[0][3], 0.0);
}

#[test]
fn tiles_join_and_windows_do_not_matter() {
    let made = |name: &str| {
        let at = |day: &str| day.parse().unwrap();
        let time = (at("2021-06-01T00:00:00Z"), at("2021-07-01T00:00:00Z"));
        Archive::plan(cubeflight_testkit::archive::Config::new(
            "unused",
            name.parse().unwrap(),
            time,
            1,
        ))
        .unwrap()
    };
    let archive = made("33TVN");
    let scene = archive.scene(&archive.products()[0]);
    let band = asset("B04_60m");
    let whole = scene.samples(band, Window { x: 900, y: 700, width: 50, height: 40 });
    let part = scene.samples(band, Window { x: 917, y: 711, width: 9, height: 3 });
    for y in 0..3 {
        assert_eq!(part[y * 9..][..9], whole[(y + 11) * 50 + 17..][..9]);
    }
    // 33TWN begins 100 km to the east, where 33TVN has its last 9.8 km: water stays water
    let east = made("33TWN");
    let scl = asset("SCL_60m");
    let [a, b] = [(&archive, 1_667), (&east, 0)].map(|(archive, x)| {
        archive
            .scene(&archive.products()[0])
            .samples(scl, Window { x, y: 0, width: 160, height: 600 })
    });
    let water = |classes: &[u16]| -> Vec<bool> { classes.iter().map(|c| *c == 6).collect() };
    let [a, b] = [water(&a), water(&b)];
    let both = a.iter().zip(&b).filter(|(a, b)| **a && **b).count();
    let one = a.iter().zip(&b).filter(|(a, b)| **a != **b).count();
    assert!(both > 0 && one < both / 4, "{both} {one}");
}
