//! Writers, compactions and readers of one index table at once, over stores that fail: nothing that
//! was acknowledged is ever missing, and at the end everything is there exactly once.
// in an integration test, helpers are no tests to clippy
#![allow(clippy::panic, clippy::unwrap_used)]

mod flaky;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cubeflight_index::{CacheOptions, Detail, Index, Selection};
use cubeflight_jp2::TlmEntry;
use cubeflight_sentinel2::{AssetId, Level, MgrsTile};
use cubeflight_storage::{Credentials, Options, RetryPolicy, Root};
use cubeflight_testkit::s3::{Config, Server};
use cubeflight_tlm::{RecordSource, TlmRecord};
use object_store::local::LocalFileSystem;
use tempfile::TempDir;

use crate::flaky::Flaky;

const PRODUCT: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";
const WRITERS: u64 = 4;
const COMPACTORS: usize = 2;
/// Longer than a listing of these small tables takes.
const GRACE: Duration = Duration::from_millis(750);
const FAULTS: &str = "seed=7; 503 share=0.04 burst=2; 500 share=0.03; reset share=0.03; \
                      short share=0.03; reset method=PUT nth=5; reset method=DELETE nth=4";

fn tile() -> MgrsTile {
    "29UNU".parse().unwrap()
}

/// A record that its number, as the size of the file, tells from all others.
fn record(number: u64) -> TlmRecord {
    let assets = ["B02_10m", "B8A_20m", "SCL_20m"];
    let asset = assets[usize::try_from(number % 3).unwrap()];
    let product = PRODUCT.parse().unwrap();
    let source = RecordSource {
        product,
        asset: AssetId::parse(asset, Level::L2A).unwrap(),
        store: Some("s3://eodata".to_owned()),
        key: format!("Sentinel-2/{asset}.jp2"),
        etag: None,
    };
    let entry = TlmEntry { tile: Some(0), length: 1000 };
    TlmRecord::from_tlm(source, 10_000 + number, 2400, &[entry]).unwrap()
}

async fn read(index: &Index) -> cubeflight_index::Result<Vec<u64>> {
    let selection = Selection { detail: Detail::Tlm, ..Selection::default() };
    let records = index.records(Level::L2A, tile(), &selection).await?;
    Ok(records.iter().map(|record| record.size - 10_000).collect())
}

/// When a writer has done enough.
#[derive(Clone, Copy)]
enum End {
    Appends(u64),
    After(Instant),
}

impl End {
    fn reached(self, appends: u64) -> bool {
        match self {
            Self::Appends(most) => appends >= most,
            Self::After(end) => Instant::now() >= end,
        }
    }
}

/// Appends until the end; a failed append is tried again, as a writer does that must not lose
/// anything.
async fn write(index: Index, writer: u64, end: End, acknowledged: Arc<Mutex<BTreeSet<u64>>>) {
    let mut number = writer;
    let mut appends = 0;
    while !end.reached(appends) {
        let numbers: Vec<u64> = (0..1 + appends % 3).map(|at| number + at * WRITERS).collect();
        let records: Vec<TlmRecord> = numbers.iter().map(|number| record(*number)).collect();
        while let Err(error) = index.append(&records).await {
            assert!(error.is_transient(), "{error}");
        }
        number += WRITERS * u64::try_from(numbers.len()).unwrap();
        acknowledged.lock().unwrap().extend(numbers);
        appends += 1;
    }
}

async fn storm(open: impl Fn() -> Index, end: End, calm: impl FnOnce()) {
    let acknowledged: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let writing = Arc::new(AtomicUsize::new(usize::try_from(WRITERS).unwrap()));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (index, acknowledged) = (open(), Arc::clone(&acknowledged));
        let writing = Arc::clone(&writing);
        tasks.spawn(async move {
            write(index, writer, end, acknowledged).await;
            writing.fetch_sub(1, Ordering::SeqCst);
        });
    }
    for _ in 0..COMPACTORS {
        let (index, writing) = (open(), Arc::clone(&writing));
        tasks.spawn(async move {
            while writing.load(Ordering::SeqCst) > 0 {
                if let Err(error) = index.compact(Level::L2A, tile(), GRACE).await {
                    assert!(error.is_transient(), "{error}");
                }
            }
        });
    }
    let (index, known) = (open(), Arc::clone(&acknowledged));
    let still = Arc::clone(&writing);
    tasks.spawn(async move {
        while still.load(Ordering::SeqCst) > 0 {
            let before = known.lock().unwrap().clone();
            match read(&index).await {
                Ok(found) => {
                    let set: BTreeSet<u64> = found.iter().copied().collect();
                    assert_eq!(set.len(), found.len(), "a record came twice");
                    let missing: Vec<_> = before.difference(&set).collect();
                    assert!(missing.is_empty(), "{missing:?} missing of {}", before.len());
                }
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    });
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }

    calm();
    let index = open();
    let expected: Vec<u64> = acknowledged.lock().unwrap().iter().copied().collect();
    let sorted = async || {
        let mut found = read(&index).await.unwrap();
        found.sort_unstable();
        found
    };
    assert_eq!(sorted().await, expected);
    // one file is left when nobody else is at work, and it says the same
    index.compact(Level::L2A, tile(), Duration::ZERO).await.unwrap();
    index.compact(Level::L2A, tile(), Duration::ZERO).await.unwrap();
    assert_eq!(sorted().await, expected);
    let info = index.table(Level::L2A, tile()).await.unwrap();
    assert_eq!((info.files, info.records), (1, u64::try_from(expected.len()).unwrap()));
    println!("{} records, {} bytes", info.records, info.bytes);
}

/// Listings are never old: what one task was told another must find.
fn index(root: Root) -> Index {
    let options = CacheOptions { listing: Duration::ZERO, ..CacheOptions::default() };
    Index::with_cache(root, &options)
}

fn options() -> Options {
    let retry = RetryPolicy {
        max_retries: 3,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(4),
        ..RetryPolicy::default()
    };
    Options { retry, max_connections: 32, ..Options::default() }
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

async fn storm_on_s3(end: End) {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("tables")).unwrap();
    let config = Config { faults: FAULTS.parse().unwrap(), ..Config::new(folder.path()) };
    let server = Server::start(config).await.unwrap();
    let (key, secret) = Config::KEY;
    let options = Options {
        endpoint: Some(server.endpoint()),
        credentials: Some(Credentials::keys(key, secret)),
        ..options()
    };
    let open = || index(Root::open("s3://tables/index", &options).unwrap());
    storm(open, end, || server.set_faults(cubeflight_testkit::s3::Faults::default())).await;
    assert_eq!(files_in(&folder.path().join("tables/index/v1/sentinel-2-l2a/29UNU")), 1);
    server.stop().await;
}

async fn storm_on_files(end: End) {
    let folder = TempDir::new().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let flaky = Arc::new(Flaky::new(local));
    let url = format!("file://{}", folder.path().display());
    let open = || index(Root::with_store(&url, Arc::clone(&flaky) as _, &options()).unwrap());
    storm(open, end, || flaky.calm()).await;
    assert_eq!(files_in(&folder.path().join("v1/sentinel-2-l2a/29UNU")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_s3() {
    storm_on_s3(End::Appends(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_files() {
    storm_on_files(End::Appends(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute long"]
async fn nothing_is_lost_on_s3_in_a_minute() {
    storm_on_s3(End::After(Instant::now() + Duration::from_secs(60))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute long"]
async fn nothing_is_lost_on_files_in_a_minute() {
    storm_on_files(End::After(Instant::now() + Duration::from_secs(60))).await;
}
