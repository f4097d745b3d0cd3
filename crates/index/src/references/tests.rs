use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cubeflight_jp2::TlmEntry;
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId};
use cubeflight_tlm::{RecordSource, TlmRecord};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::References;

const NEW: &str = "S2A_MSIL2A_20221005T115411_N0510_R023_T29UNU_20230105T164454";
const OLD: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";
const NEXT: &str = "S2B_MSIL2A_20221010T115411_N0400_R023_T29UNU_20221010T164454";
const LAST: &str = "S2A_MSIL2A_20221015T115411_N9999_R023_T29UNU_20221015T164454";

/// SOC, SIZ, COD, QCD and a comment, as ESA's 60 m images have them.
fn header(tile: u32, guard_bits: u8, comment: &str) -> Vec<u8> {
    let mut out = vec![0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0];
    for value in [1830, 1830, 0, 0, tile, tile, 0, 0] {
        out.extend_from_slice(&u32::to_be_bytes(value));
    }
    out.extend_from_slice(&[0, 1, 14, 1, 1]);
    out.extend_from_slice(&[0xff, 0x52, 0, 12, 0, 0, 0, 1, 0, 0, 4, 4, 0, 1]);
    out.extend_from_slice(&[0xff, 0x5c, 0, 4, guard_bits << 5, 72]);
    let length = u16::try_from(comment.len()).unwrap() + 4;
    out.extend_from_slice(&[0xff, 0x64]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(comment.as_bytes());
    out
}

fn record(product: &str, asset: &str, header: Option<Vec<u8>>, tiles: u16) -> TlmRecord {
    let source = RecordSource {
        product: product.parse().unwrap(),
        asset: AssetId::parse(asset, Level::L2A).unwrap(),
        store: None,
        key: format!("Sentinel-2/{product}/{asset}.jp2"),
        etag: None,
    };
    let entries: Vec<TlmEntry> = (0..tiles)
        .map(|tile| TlmEntry { tile: Some(tile), length: 100 + u32::from(tile) })
        .collect();
    let mut record = TlmRecord::from_tlm(source, 1 << 32, 2400, &entries).unwrap();
    record.main_header = header.map(Bytes::from);
    record
}

/// 10 x 10 tiles of 192 pixels.
fn good(product: &str, asset: &str) -> TlmRecord {
    record(product, asset, Some(header(192, 1, product)), 100)
}

fn references(records: &[TlmRecord]) -> References {
    let tile: MgrsTile = "29UNU".parse().unwrap();
    let records: Vec<_> = records.iter().cloned().map(Arc::new).collect();
    References::new(Level::L2A, tile, &records, |record| format!("s3://eodata/{}", record.key))
}

fn json(references: &References) -> BTreeMap<String, Value> {
    let mut out = Vec::new();
    references.write_json(&mut out).unwrap();
    let mut all: BTreeMap<String, Value> = serde_json::from_slice(&out).unwrap();
    assert_eq!(all["version"], 1);
    serde_json::from_value(all.remove("refs").unwrap()).unwrap()
}

fn document(refs: &BTreeMap<String, Value>, key: &str) -> Value {
    serde_json::from_str(refs[key].as_str().unwrap()).unwrap()
}

fn reasons(references: &References) -> Vec<String> {
    references.left_out().iter().map(ToString::to_string).collect()
}

#[test]
fn a_chunk_is_a_tile_part() {
    let references = references(&[good(OLD, "B04_60m"), good(NEXT, "B04_60m")]);
    assert_eq!(references.left_out(), []);
    assert_eq!((references.references(), references.files(), references.arrays()), (200, 2, 1));
    let refs = json(&references);
    let path = "measurements/reflectance/r60m/b04";
    let href = format!("s3://eodata/Sentinel-2/{NEXT}/B04_60m.jp2");
    let before: u64 = (100..123).sum();
    assert_eq!(refs[&format!("{path}/1.2.3")], serde_json::json!([href, 2400 + before, 123]));
    let array = document(&refs, &format!("{path}/.zarray"));
    assert_eq!(array["shape"], serde_json::json!([2, 1830, 1830]));
    assert_eq!(array["chunks"], serde_json::json!([1, 192, 192]));
    assert_eq!((&array["dtype"], &array["fill_value"]), (&"<u2".into(), &0.into()));
    assert_eq!(array["compressor"]["id"], "cubeflight_jp2");
    let attributes = document(&refs, &format!("{path}/.zattrs"));
    assert_eq!(attributes["_ARRAY_DIMENSIONS"], serde_json::json!(["time", "y", "x"]));
    assert_eq!((&attributes["proj:epsg"], &attributes["valid_min"]), (&32629.into(), &1.into()));
    assert!(!attributes.as_object().unwrap().contains_key("_FillValue"));
    for group in ["", "measurements/", "measurements/reflectance/"] {
        assert_eq!(document(&refs, &format!("{group}.zgroup"))["zarr_format"], 2);
    }
    let all = document(&refs, ".zmetadata");
    assert_eq!(all["metadata"][format!("{path}/.zarray")], array);
}

#[test]
fn comments_do_not_matter_and_codings_do() {
    let odd = record(NEXT, "B04_60m", Some(header(192, 2, "")), 100);
    let other = references(&[good(OLD, "B04_60m"), odd, good(LAST, "B04_60m")]);
    assert_eq!(other.steps().len(), 2);
    let expected = "the file is coded otherwise than most of this asset";
    assert_eq!(reasons(&other), [format!("{NEXT} B04_60m: {expected}")]);
    // unofficial products have no known offset: the coordinate needs not-a-number
    let offset = document(&json(&other), "measurements/reflectance/r60m/b04_offset/.zarray");
    assert_eq!(offset["dtype"], "<f4");
}

#[test]
fn the_newest_baseline_is_the_time_step() {
    let newer = references(&[good(NEW, "B04_60m"), good(OLD, "B04_60m")]);
    assert_eq!(newer.steps(), [NEW.parse::<ProductId>().unwrap()]);
    assert_eq!(reasons(&newer), [format!("{OLD}: {NEW} has a higher processing baseline")]);
}

#[test]
fn records_that_say_too_little_are_named() {
    let cut = |change: &dyn Fn(&mut TlmRecord)| {
        let mut bad = good(OLD, "B04_60m");
        change(&mut bad);
        let left = references(&[bad, good(NEXT, "B04_60m")]);
        assert_eq!((left.steps().len(), left.left_out().len()), (1, 1));
        left.left_out()[0].reason.clone()
    };
    assert!(cut(&|r| r.complete = false).contains("only some"));
    assert!(cut(&|r| r.main_header = None).contains("no main header"));
    assert!(cut(&|r| r.main_header = Some(Bytes::from_static(b"x"))).contains("damaged"));
    assert!(cut(&|r| r.tile_parts.truncate(99)).contains("99 tile-parts for 100 tiles"));
    assert!(cut(&|r| r.tile_parts[7].tile = 8).contains("tile 8 has several"));
    assert!(cut(&|r| r.tile_parts[7].tile = 100).contains("no tile 100"));
    assert!(cut(&|r| r.tile_parts[7].offset += 1).contains("contradicts"));
    let size = |at: usize, value: u32| {
        move |r: &mut TlmRecord| {
            let mut raw = r.main_header.as_ref().unwrap().to_vec();
            raw[at..at + 4].copy_from_slice(&value.to_be_bytes());
            r.main_header = Some(raw.into());
        }
    };
    assert!(cut(&size(8, 1829)).contains("1829 x 1830"));
    let other = "33TVN".parse().unwrap();
    let foreign =
        References::new(Level::L2A, other, &[Arc::new(good(OLD, "B04_60m"))], |_| String::new());
    assert_eq!((foreign.files(), foreign.left_out().len()), (0, 1));
}

#[test]
fn a_newer_state_of_a_file_replaces_the_older() {
    let (mut older, newer) = (good(OLD, "B04_60m"), good(OLD, "B04_60m"));
    older.size += 1;
    let states = references(&[older, newer]);
    assert_eq!((states.files(), states.left_out().len()), (1, 1));
}

#[test]
fn missing_files_are_missing_chunks() {
    let sparse = references(&[good(OLD, "B04_60m"), good(NEXT, "B04_60m"), good(NEXT, "B11_60m")]);
    assert_eq!((sparse.steps().len(), sparse.references()), (2, 300));
    let refs = json(&sparse);
    assert!(!refs.contains_key("measurements/reflectance/r60m/b11/0.0.0"));
    assert!(refs.contains_key("measurements/reflectance/r60m/b11/1.0.0"));

    let mut files = BTreeMap::new();
    let mut last = String::new();
    for file in sparse.parquet_files() {
        let file = file.unwrap();
        last.clone_from(&file.path);
        files.insert(file.path, file.bytes);
    }
    assert_eq!(last, ".zmetadata");
    let metadata: Value = serde_json::from_slice(&files[".zmetadata"]).unwrap();
    assert_eq!(metadata["record_size"], 10_000);
    let columns = |band: &str| {
        let path = format!("measurements/reflectance/r60m/{band}/refs.0.parq");
        let bytes = Bytes::from(files[&path].clone());
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
        let batch = reader.next().unwrap().unwrap();
        let schema = batch.schema();
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        (batch.num_rows(), names, batch.column_by_name("raw").map(|raw| raw.null_count()))
    };
    let names = ["path", "offset", "size"].map(str::to_owned);
    assert_eq!(columns("b04"), (200, names.to_vec(), None));
    let (rows, _, inline) = columns("b11");
    assert_eq!((rows, inline), (200, Some(100)));
}

#[test]
fn nothing_is_no_error() {
    let nothing = references(&[]);
    assert_eq!((nothing.files(), nothing.references()), (0, 0));
    assert_eq!(json(&nothing).len(), 3);
}
