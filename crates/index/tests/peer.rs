//! The peer's tables against our own records of the same real files.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, LargeBinaryArray, LargeStringArray, RecordBatch, StringArray,
};
use bytes::Bytes;
use common::{Setup, TABLES, key, realdata, rows_with_cells, table};
use cubeflight_index::{IndexOptions, Selection, build, candidates, read_peer, write_peer};
use cubeflight_sentinel2::Level;
use cubeflight_tlm::{TlmRecord, encode_peer_cell};
use parquet::arrow::ArrowWriter;

async fn records(setup: &Setup, level: Level, tile: &str) -> Vec<Arc<TlmRecord>> {
    let tile = tile.parse().unwrap();
    setup.index.records(level, tile, &Selection::default()).await.unwrap()
}

#[tokio::test]
async fn our_records_of_real_files_are_the_peers_byte_for_byte() {
    let (Some(root), Some(setup)) = (realdata(), Setup::real()) else { return };
    let found = candidates(&setup.archive, None).await.unwrap();
    let report =
        build(&setup.archive, &setup.index, found, &IndexOptions::default()).await.unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    let mut ours = records(&setup, Level::L2A, "29UNU").await;
    ours.extend(records(&setup, Level::L1C, "18LTM").await);
    assert_eq!(ours.len(), report.found);
    let ours: BTreeMap<&str, &TlmRecord> =
        ours.iter().map(|record| (record.key.as_str(), record.as_ref())).collect();

    let mut compared = 0;
    for name in TABLES {
        for (row, cell) in rows_with_cells(table(&root, name)) {
            let Some(record) = ours.get(row.source.key.as_str()) else { continue };
            assert_eq!(encode_peer_cell(record).unwrap(), cell, "{name} {}", row.band_id);
            assert_eq!((&record.product, record.asset), (&row.source.product, row.source.asset));
            assert!(record.main_header.is_some() && record.packet_lengths.is_some());
            compared += 1;
        }
    }
    assert!(compared >= ours.len() && ours.len() >= 15, "{compared} of {}", ours.len());
}

#[test]
fn cells_of_real_tables_are_written_as_they_were_read() {
    let Some(root) = realdata() else { return };
    for name in [&TABLES[..], &["L1C-31TDH"]].concat() {
        for (row, cell) in rows_with_cells(table(&root, name)) {
            let record = row.record().unwrap().unwrap();
            assert_eq!(encode_peer_cell(&record).unwrap(), cell, "{name} {}", row.band_id);
        }
    }
}

#[test]
fn tables_round_trip() {
    let Some(root) = realdata() else { return };
    let rows = read_peer(table(&root, "L2A-29UNU-allres")).unwrap();
    let records: Vec<Arc<TlmRecord>> =
        rows.iter().map(|row| Arc::new(row.record().unwrap().unwrap())).collect();

    let all = read_peer(write_peer(&records, false).unwrap().into()).unwrap();
    let back: Vec<_> = all.iter().map(|row| Arc::new(row.record().unwrap().unwrap())).collect();
    assert_eq!(back, records);
    assert!(all.iter().all(|row| row.band_id == row.source.asset.to_string()));

    let best = read_peer(write_peer(&records, true).unwrap().into()).unwrap();
    let mut finest = BTreeMap::new();
    for record in &records {
        let resolution = record.asset.resolution;
        let known = finest.entry(record.asset.band.to_string()).or_insert(resolution);
        *known = resolution.min(*known);
    }
    let written: BTreeMap<_, _> =
        best.iter().map(|row| (row.band_id.clone(), row.source.asset.resolution)).collect();
    assert_eq!(written, finest);
    assert_eq!(best.len(), finest.len());
    assert!(best.len() < records.len());
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

const FILE: &str = "IMG_DATA/R60m/T29UNU_20221005T115411_B04_60m.jp2";

#[test]
fn other_layouts_of_text_are_read_and_an_empty_cell_means_a_tlm_in_the_file() {
    let path = key(FILE);
    let rows = read_peer(parquet(vec![
        ("product_id", Arc::new(LargeStringArray::from(vec!["any"]))),
        ("band_id", Arc::new(LargeStringArray::from(vec!["B04"]))),
        ("path", Arc::new(LargeStringArray::from(vec![path.as_str()]))),
        ("index", Arc::new(LargeBinaryArray::from_vec(vec![b""]))),
    ]))
    .unwrap();
    assert_eq!((rows[0].band_id.as_str(), rows[0].source.key.as_str()), ("B04", path.as_str()));
    assert!(rows[0].cell.is_none() && rows[0].record().unwrap().is_none());
}

#[test]
fn what_is_no_peer_table_is_named() {
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let path = key(FILE);
    let of = |path: ArrayRef, index: ArrayRef| {
        read_peer(parquet(vec![("band_id", text("B04")), ("path", path), ("index", index)]))
    };
    let cell = || Arc::new(BinaryArray::from_vec(vec![&b""[..]])) as ArrayRef;
    of(text(&path), cell()).unwrap();
    assert_eq!(of(text("tiles/29/U/NU/B04.jp2"), cell()).unwrap_err().code(), "CF-IDX-002");
    assert_eq!(of(text(&path), text("")).unwrap_err().code(), "CF-IDX-002");
    let cut = Arc::new(BinaryArray::from_vec(vec![&b"cut"[..]]));
    assert_eq!(of(text(&path), cut).unwrap_err().code(), "CF-TLM-004");
    let missing = read_peer(parquet(vec![("band_id", text("B04"))])).unwrap_err();
    assert_eq!(missing.code(), "CF-IDX-002");
    assert!(missing.to_string().contains("column path is missing"), "{missing}");
    assert_eq!(read_peer(Bytes::from_static(b"PAR1")).unwrap_err().code(), "CF-IDX-002");
}

#[test]
fn damaged_peer_tables_are_refused_or_read() {
    let Some(root) = realdata() else { return };
    let good = table(&root, "L2A-29UNU");
    for at in (0..good.len()).step_by(5) {
        let mut bytes = good.to_vec();
        bytes[at] ^= 0xff;
        if let Err(error) = read_peer(bytes.into()) {
            let code = error.code();
            assert!(["CF-IDX-002", "CF-TLM-004"].contains(&code) || code.starts_with("CF-JP2-"));
        }
    }
}
