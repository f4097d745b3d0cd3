//! Parquet files of items: of a writer that is not ours, of many row groups, and damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, StructArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field};
use cubeflight_sentinel2::Wanted;
use cubeflight_storage::{Options, Root};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use super::{query, realdata};
use crate::{Catalog, Found, Query, StacItems};

/// Written by stac-geoparquet 0.8.3 from two items of CDSE, with a few of their assets and no links.
const WRITTEN: &str = "tests/data/cdse.stac-geoparquet.parquet";
const KEPT: [&str; 8] = [
    "SCL_20m",
    "B02_10m",
    "CLD_20m",
    "B07_60m",
    "AOT_10m",
    "thumbnail",
    "Product",
    "granule_metadata",
];

fn written() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(WRITTEN)
}

fn open(dir: &Path) -> StacItems {
    StacItems::new(Root::open(dir.to_str().unwrap(), &Options::default()).unwrap())
}

async fn search(dir: &Path, query: &Query) -> Found {
    open(dir).search(query).await.unwrap()
}

#[tokio::test]
async fn items_are_those_of_json() {
    let Some(real) = realdata() else { return };
    let (parquet, json) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::copy(written(), parquet.path().join("items.parquet")).unwrap();
    for file in fs::read_dir(real.join("stac/cdse")).unwrap() {
        let path = file.unwrap().path();
        if !path.to_str().unwrap().ends_with(".FeatureCollection.json") {
            continue;
        }
        let mut items: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for item in items["features"].as_array_mut().unwrap() {
            let assets = item["assets"].as_object_mut().unwrap();
            assets.retain(|key, _| KEPT.contains(&key.as_str()));
        }
        fs::write(json.path().join(path.file_name().unwrap()), items.to_string()).unwrap();
    }
    for (tile, time, listed) in [("36NYH", "2020", 4), ("55WFR", "2026-05", 5)] {
        let query = query("L2A", tile, time);
        let (found, expected) =
            (search(parquet.path(), &query).await, search(json.path(), &query).await);
        assert_eq!(found, expected);
        let [product] = found.products.as_slice() else { panic!("{found:?}") };
        let sized = product.assets.values().filter(|asset| asset.size.is_some()).count();
        assert_eq!(sized, listed, "an asset that only the other item has is none");
    }
    let all = open(parquet.path());
    let mut all: Vec<_> = all.all(Wanted::default()).try_collect().await.unwrap();
    all.sort_by_key(|found| found.as_ref().unwrap().id.clone());
    assert_eq!(all.len(), 2);
    let nothing = search(parquet.path(), &query("L2A", "36NYH", "2021")).await;
    assert_eq!(nothing, Found::default());
}

fn product(year: i32, tile: &str) -> String {
    format!("S2A_MSIL2A_{year}0103T101411_N0500_R022_T{tile}_20230306T172000")
}

/// A row group a year, two tiles in each.
fn years(path: &Path) {
    let batch = |year: i32| {
        let ids = ["33TVN", "33TWN"].map(|tile| product(year, tile));
        let hrefs = ids.each_ref().map(|id| {
            let tile = &id[39..44];
            format!(
                "s3://eodata/{id}.SAFE/GRANULE/L2A_T{tile}_A028910_{year}0103T101405/IMG_DATA/R20m/\
                 T{tile}_{year}0103T101411_SCL_20m.jp2"
            )
        });
        let date = chrono::NaiveDate::from_ymd_opt(year, 1, 3).unwrap().and_hms_opt(10, 14, 11);
        let date = date.unwrap().and_utc().timestamp_millis();
        let text = |values: [&str; 2]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
        let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
        let asset: ArrayRef = Arc::new(StructArray::from(vec![
            (field("href"), text(hrefs.each_ref().map(String::as_str))),
            (field("type"), text(["image/jp2"; 2])),
        ]));
        let assets: ArrayRef = Arc::new(StructArray::from(vec![(
            Arc::new(Field::new("SCL_20m", asset.data_type().clone(), true)),
            asset,
        )]));
        RecordBatch::try_from_iter([
            ("id", text(ids.each_ref().map(String::as_str))),
            ("collection", text(["sentinel-2-l2a"; 2])),
            // without a zone
            ("datetime", Arc::new(TimestampMillisecondArray::from(vec![date; 2])) as ArrayRef),
            ("geometry", text(["x"; 2])),
            ("assets", assets),
        ])
        .unwrap()
    };
    let first = batch(2017);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, first.schema(), Some(properties)).unwrap();
    for year in 2017..2023 {
        writer.write(&batch(year)).unwrap();
    }
    writer.close().unwrap();
}

#[tokio::test]
async fn only_row_groups_of_the_period_are_read() {
    let dir = tempfile::tempdir().unwrap();
    years(&dir.path().join("items.parquet"));
    let size = fs::metadata(dir.path().join("items.parquet")).unwrap().len();
    let root = Root::open(dir.path().to_str().unwrap(), &Options::default()).unwrap();
    let items = StacItems::new(root.clone());
    let mut read = Vec::new();
    for time in ["2019", "2019", "2019/2020", "2000/2030"] {
        let before = root.counters();
        let found = items.search(&query("L2A", "33TWN", time)).await.unwrap();
        assert_eq!(found.omitted, []);
        let ids: Vec<String> = found.products.iter().map(|found| found.id.to_string()).collect();
        let years = match time {
            "2019" => 2019..2020,
            "2019/2020" => 2019..2021,
            _ => 2017..2023,
        };
        assert_eq!(ids, years.map(|year| product(year, "33TWN")).collect::<Vec<_>>());
        read.push(root.counters().bytes - before.bytes);
    }
    assert!(read[0] >= size, "the footer, which is the whole of a small file");
    assert!(read[1] > 0 && read[1] < size / 4, "{read:?} of {size}");
    assert!(read[2] > read[1] && read[3] > read[2], "{read:?} of {size}");
    assert!(read[3] < size, "the footer is kept: {read:?} of {size}");
}

#[tokio::test]
async fn what_is_no_good_is_named() {
    let dir = tempfile::tempdir().unwrap();
    years(&dir.path().join("good.parquet"));
    let good = fs::read(dir.path().join("good.parquet")).unwrap();
    fs::write(dir.path().join("short.parquet"), &good[..good.len() / 2]).unwrap();
    fs::write(dir.path().join("text.geoparquet"), "no parquet at all").unwrap();
    let batch = RecordBatch::try_from_iter([(
        "name",
        Arc::new(StringArray::from_iter_values(["x"])) as ArrayRef,
    )])
    .unwrap();
    let file = fs::File::create(dir.path().join("other.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let found = search(dir.path(), &query("L2A", "33TVN", "2020")).await;
    assert_eq!(found.products.len(), 1);
    let omitted: Vec<_> =
        found.omitted.iter().map(|found| (found.id.as_str(), found.code)).collect();
    assert_eq!(
        omitted,
        [
            ("other.parquet", "unreadable_file"),
            ("short.parquet", "unreadable_file"),
            ("text.geoparquet", "unreadable_file"),
        ]
    );
    let reason = &found.omitted[0].reason;
    assert_eq!(reason, "no STAC items: it has no column id");
}

#[tokio::test]
async fn damage_is_never_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("items.parquet");
    years(&path);
    let good = fs::read(&path).unwrap();
    let wanted = query("L2A", "33TVN", "2000/2030");
    let mut named = 0;
    for at in (0..good.len()).step_by(37) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        fs::write(&path, &bad).unwrap();
        let found = search(dir.path(), &wanted).await;
        named += usize::from(!found.omitted.is_empty());
    }
    assert!(named > 10, "{named} files were seen to be damaged");
}
