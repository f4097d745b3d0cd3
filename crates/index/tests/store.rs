//! Index files: round trips, writers side by side, damage. Needs no real data.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use common::{L2A, Setup, key};
use cubeflight_index::{Index, Result, Selection};
use cubeflight_jp2::TlmEntry;
use cubeflight_sentinel2::{AssetId, Level, ProductId};
use cubeflight_tlm::{PacketLengths, RecordSource, TlmRecord};

/// A record of `tiles` tile-parts; `size` tells the states of one file apart.
fn record(product: &str, asset: &str, tiles: u16, size: u64) -> TlmRecord {
    let product: ProductId = product.parse().unwrap();
    let entries: Vec<TlmEntry> = (0..tiles)
        .map(|tile| TlmEntry { tile: Some(tile), length: 1000 + u32::from(tile) })
        .collect();
    let source = RecordSource {
        asset: AssetId::parse(asset, product.level()).unwrap(),
        product,
        key: key(asset),
        store: None,
        etag: None,
    };
    TlmRecord::from_tlm(source, size, 2400, &entries).unwrap()
}

async fn read(index: &Index) -> Result<Vec<Arc<TlmRecord>>> {
    index.records(Level::L2A, "29UNU".parse().unwrap(), &Selection::default()).await
}

fn index_files(setup: &Setup) -> Vec<PathBuf> {
    let folder = setup.folder.path().join("index/v1/sentinel-2-l2a/29UNU");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_is_known_of_a_file_survives() {
    let setup = Setup::empty();
    let packets = |counts: &[u32], lengths: &[u32]| {
        Some(PacketLengths { counts: counts.to_vec(), lengths: lengths.to_vec() })
    };
    let header = || Some(Bytes::from_static(b"\xff\x4fheader"));
    let mut records = vec![
        record(L2A, "B01_60m", 3, 9000),
        record(L2A, "B02_10m", 3, 9001),
        record(L2A, "B03_10m", 3, 9002),
        record(L2A, "B04_10m", 3, 9003),
        record(L2A, "B05_20m", 3, 9004),
    ];
    records[1].main_header = header();
    records[2].packet_lengths = packets(&[2, 1, 0], &[3, 2, 1]);
    (records[3].main_header, records[3].packet_lengths) = (header(), packets(&[0, 0, 0], &[]));
    records[3].etag = Some("\"0x8D\"".to_owned());
    records[4].etag = Some(String::new());
    setup.index.append(&records).await.unwrap();
    let back = read(&setup.index_again()).await.unwrap();
    let back: Vec<TlmRecord> = back.iter().map(|record| (**record).clone()).collect();
    assert_eq!(back, records);
}

#[tokio::test]
async fn a_selection_is_a_part() {
    let setup = Setup::empty();
    let other = L2A.replace("20221005T115411", "20221010T115411");
    let records =
        [record(&other, "B02", 1, 9000), record(L2A, "B03", 1, 9000), record(L2A, "B02", 1, 9000)];
    setup.index.append(&records).await.unwrap();
    let tile = "29UNU".parse().unwrap();
    let select = async |selection: Selection| -> Vec<String> {
        let found = setup.index.records(Level::L2A, tile, &selection).await.unwrap();
        found
            .iter()
            .map(|r| format!("{} {}", r.product.datatake_start().date_naive(), r.asset))
            .collect()
    };
    let all = ["2022-10-05 B02_10m", "2022-10-05 B03_10m", "2022-10-10 B02_10m"];
    assert_eq!(select(Selection::default()).await, all);
    let products = vec![other.parse().unwrap()];
    assert_eq!(select(Selection { products, ..Selection::default() }).await, all[2..]);
    let assets = vec![AssetId::parse("B03", Level::L2A).unwrap()];
    assert_eq!(select(Selection { assets, ..Selection::default() }).await, all[1..2]);
    let none = setup.index.records(Level::L1C, tile, &Selection::default()).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn later_records_of_a_file_replace_earlier_ones() {
    let setup = Setup::empty();
    let bare = record(L2A, "B02", 3, 9000);
    let full = TlmRecord { main_header: Some(Bytes::from_static(b"header")), ..bare.clone() };
    for record in [&bare, &full] {
        setup.index.append(std::slice::from_ref(record)).await.unwrap();
    }
    let back = read(&setup.index).await.unwrap();
    assert_eq!(back.iter().map(|record| &**record).collect::<Vec<_>>(), [&full]);
}

#[tokio::test]
async fn the_last_written_state_comes_last() {
    let setup = Setup::empty();
    let states = [9005, 9001, 9003, 9001, 9004];
    for size in states {
        setup.index.append(&[record(L2A, "B02", 3, size)]).await.unwrap();
    }
    for _ in 0..20 {
        let sizes: Vec<u64> = read(&setup.index).await.unwrap().iter().map(|r| r.size).collect();
        assert_eq!(sizes, [9005, 9003, 9001, 9004]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_side_by_side_lose_nothing() {
    let setup = Setup::empty();
    let write = |index: Index, from: u64| async move {
        for size in from..from + 25 {
            index.append(&[record(L2A, "B02", 1, size)]).await.unwrap();
        }
    };
    let first = tokio::spawn(write(setup.index_again(), 9000));
    let second = tokio::spawn(write(setup.index_again(), 9025));
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(index_files(&setup).len(), 50);
    let mut sizes: Vec<u64> =
        read(&setup.index).await.unwrap().iter().map(|record| record.size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, (9000..9050).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_appended_is_no_file() {
    let setup = Setup::empty();
    assert!(setup.index.append(&[]).await.unwrap().is_empty());
    assert!(read(&setup.index).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_index_file_is_named() {
    let setup = Setup::empty();
    let records: Vec<TlmRecord> = (0..20).map(|n| record(L2A, "B02", 121, 200_000 + n)).collect();
    setup.index.append(&records).await.unwrap();
    let [file] = index_files(&setup).try_into().unwrap();
    let good = fs::read(&file).unwrap();
    let check = async |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let error = read(&setup.index_again()).await.unwrap_err();
        assert_eq!(error.code(), "CF-IDX-001", "{what}: {error}");
        assert!(error.to_string().contains(file.file_name().unwrap().to_str().unwrap()));
    };
    let noise: Vec<u8> =
        (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    check(&noise, "random bytes").await;
    check(b"", "empty").await;
    for end in [1, 4, 8, good.len() / 2, good.len() - 9, good.len() - 1] {
        check(&good[..end], "truncated").await;
    }
    check(&[&good[..100], &noise, b"PAR1"].concat(), "random footer").await;
    // Another sound Parquet file: the table of a peer.
    let peer = cubeflight_index::write_peer(&[Arc::new(records[0].clone())], false).unwrap();
    check(&peer, "other columns").await;

    // Every damage of the footer and of the pages is an error or goes unnoticed; it never ends the
    // task.
    for at in (0..good.len()).step_by(7) {
        for bits in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= bits;
            fs::write(&file, &bytes).unwrap();
            if let Err(error) = read(&setup.index_again()).await {
                assert_eq!(error.code(), "CF-IDX-001", "byte {at}: {error}");
            }
        }
    }
}
