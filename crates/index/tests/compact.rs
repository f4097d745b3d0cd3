//! Compaction, owned parts, counts and the cache. Needs no real data.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{L2A, Setup, key};
use cubeflight_index::{Detail, Index, Selection};
use cubeflight_jp2::TlmEntry;
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId};
use cubeflight_storage::{Method, Options, RequestLog, Root};
use cubeflight_tlm::{PacketLengths, RecordSource, TlmRecord};

const HOUR: Duration = Duration::from_secs(3600);

fn tile() -> MgrsTile {
    "29UNU".parse().unwrap()
}

fn record(asset: &str, size: u64) -> TlmRecord {
    let product: ProductId = L2A.parse().unwrap();
    let source = RecordSource {
        asset: AssetId::parse(asset, product.level()).unwrap(),
        product,
        key: key(asset),
        store: None,
        etag: None,
    };
    let entry = |tile| TlmEntry { tile: Some(tile), length: 1000 };
    TlmRecord::from_tlm(source, size, 2400, &[entry(0), entry(1)]).unwrap()
}

/// Some of the tile-parts of [`record`].
fn part(asset: &str, size: u64, at: usize) -> TlmRecord {
    let mut record = record(asset, size);
    record.tile_parts = vec![record.tile_parts[at]];
    record.complete = false;
    record
}

async fn read(index: &Index) -> Vec<Arc<TlmRecord>> {
    index.records(Level::L2A, tile(), &Selection::default()).await.unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn table(setup: &Setup) -> PathBuf {
    setup.folder.path().join("index/v1/sentinel-2-l2a/29UNU")
}

#[tokio::test]
async fn a_compaction_keeps_what_the_files_say_together() {
    let setup = Setup::empty();
    let packets = PacketLengths { counts: vec![1, 1], lengths: vec![900, 901] };
    let full = TlmRecord { packet_lengths: Some(packets), ..record("B02", 9000) };
    let header =
        TlmRecord { main_header: Some(Bytes::from_static(b"header")), ..record("B02", 9000) };
    for record in [full, header, part("B03", 9100, 1), part("B03", 9100, 0), record("B04", 9200)] {
        setup.index.append(&[record]).await.unwrap();
    }
    let before = read(&setup.index).await;
    assert_eq!(before.len(), 3);
    assert!(before[0].main_header.is_some() && before[0].packet_lengths.is_some());
    assert_eq!(before[1].tile_parts.len(), 2);

    let counted = setup.index.table(Level::L2A, tile()).await.unwrap();
    assert_eq!((counted.records, counted.products, counted.files), (3, 1, 5));
    assert_eq!((counted.with_packets, counted.incomplete), (1, 1));

    let done = setup.index.compact(Level::L2A, tile(), HOUR).await.unwrap();
    assert_eq!((done.inputs, done.records, done.removed), (5, 3, 0));
    assert_eq!(files(&table(&setup)).len(), 6);
    for index in [&setup.index, &setup.index_again()] {
        assert_eq!(read(index).await, before);
        let info = index.table(Level::L2A, tile()).await.unwrap();
        assert_eq!(info.files, 1);
        assert_eq!(
            (info.records, info.products, info.with_packets, info.incomplete, info.time),
            (3, 1, 1, 1, counted.time)
        );
        assert_eq!(index.tables().await.unwrap(), [info]);
    }

    // nothing to write again, but the inputs are removed when their time has come
    let again = setup.index.compact(Level::L2A, tile(), HOUR).await.unwrap();
    assert_eq!((again.inputs, again.output, again.removed), (0, None, 0));
    let last = setup.index.compact(Level::L2A, tile(), Duration::ZERO).await.unwrap();
    assert_eq!((last.output, last.removed), (None, 5));
    assert_eq!(files(&table(&setup)).len(), 1);
    assert_eq!(read(&setup.index_again()).await, before);
}

#[tokio::test]
async fn an_append_that_raced_a_compaction_is_older_than_what_was_compacted() {
    let setup = Setup::empty();
    for size in [9000, 9001] {
        setup.index.append(&[record("B02", size)]).await.unwrap();
    }
    let inputs: Vec<(PathBuf, Vec<u8>)> =
        files(&table(&setup)).into_iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect();
    setup.index.compact(Level::L2A, tile(), Duration::ZERO).await.unwrap();
    setup.index.append(&[record("B02", 9002)]).await.unwrap();
    // what was removed comes back late, as a retried request may bring it
    for (path, bytes) in inputs {
        fs::write(path, bytes).unwrap();
    }
    setup.index.compact(Level::L2A, tile(), Duration::ZERO).await.unwrap();
    let sizes: Vec<u64> = read(&setup.index_again()).await.iter().map(|r| r.size).collect();
    assert_eq!(sizes, [9000, 9001, 9002]);
}

#[tokio::test]
async fn a_reader_with_an_old_listing_starts_again() {
    let setup = Setup::empty();
    let reader = setup.index_again();
    for size in [9000, 9001] {
        setup.index.append(&[record("B02", size)]).await.unwrap();
    }
    // it has listed the files, and read nothing of them
    assert!(read(&setup.index).await.len() == 2);
    let nothing = Selection {
        assets: vec![AssetId::parse("B8A", Level::L2A).unwrap()],
        ..Selection::default()
    };
    assert!(reader.records(Level::L2A, tile(), &nothing).await.unwrap().is_empty());
    setup.index.compact(Level::L2A, tile(), Duration::ZERO).await.unwrap();
    assert_eq!(files(&table(&setup)).len(), 1);
    assert_eq!(read(&reader).await.len(), 2);
}

#[tokio::test]
async fn owners_have_parts_of_their_own() {
    let setup = Setup::empty();
    let url = setup.folder.path().join("index");
    let root = Root::open(url.to_str().unwrap(), &Options::default()).unwrap();
    let owned = |owner: &str| Index::owned_by(root.clone(), owner);
    assert_eq!(owned("").unwrap_err().code(), "CF-IDX-005");
    let names = ["a", "A", "../../v1/sentinel-2-l2a", "a/b", "v1", "a b\u{0}"];
    for (size, name) in (9000..).zip(names) {
        owned(name).unwrap().append(&[record("B02", size)]).await.unwrap();
    }
    assert!(read(&setup.index).await.is_empty());
    assert!(setup.index.tables().await.unwrap().is_empty());
    for (size, name) in (9000..).zip(names) {
        let found = read(&setup.index.of_owner(name).unwrap()).await;
        assert_eq!(found.iter().map(|r| r.size).collect::<Vec<_>>(), [size], "{name}");
    }
    assert_eq!(files(&url).len(), 1);
    assert_eq!(files(&url.join("v1-owned")).len(), names.len());
}

#[tokio::test]
async fn what_is_in_memory_is_not_read_again() {
    let setup = Setup::empty();
    let records: Vec<TlmRecord> = (0..300).map(|n| record("B02", 9000 + n)).collect();
    setup.index.append(&records).await.unwrap();
    let log = Arc::new(RequestLog::default());
    let options = Options { request_log: Some(Arc::clone(&log)), ..Options::default() };
    let url = setup.folder.path().join("index");
    let index = Index::new(Root::open(url.to_str().unwrap(), &options).unwrap());
    // side by side they read once
    let select = Selection { detail: Detail::Tlm, ..Selection::default() };
    let reads = (0..8).map(|_| index.records(Level::L2A, tile(), &select));
    for found in futures::future::join_all(reads).await {
        assert_eq!(found.unwrap().len(), 300);
    }
    let methods: Vec<Method> = log.take().iter().map(|request| request.method).collect();
    assert_eq!(methods, [Method::List, Method::Get]);
    assert_eq!(index.records(Level::L2A, tile(), &select).await.unwrap().len(), 300);
    assert!(log.take().is_empty());
    // its own appends it sees at once
    index.append(&[record("B03", 9000)]).await.unwrap();
    assert_eq!(index.records(Level::L2A, tile(), &select).await.unwrap().len(), 301);
}

#[tokio::test]
async fn a_file_in_the_wrong_folder_is_refused() {
    let setup = Setup::empty();
    setup.index.append(&[record("B02", 9000)]).await.unwrap();
    let [file] = files(&table(&setup)).try_into().unwrap();
    let other = setup.folder.path().join("index/v1/sentinel-2-l2a/29UNV");
    fs::create_dir_all(&other).unwrap();
    fs::rename(&file, other.join(file.file_name().unwrap())).unwrap();
    let index = setup.index_again();
    let tile = "29UNV".parse().unwrap();
    let error = index.records(Level::L2A, tile, &Selection::default()).await.unwrap_err();
    assert_eq!(error.code(), "CF-IDX-001", "{error}");
}
