//! What indexing costs: requests by kind of file, as the S3 server sees them, over full-size files.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod files;

use std::collections::BTreeMap;

use cubeflight_index::{
    Assets, Index, IndexOptions, Indexer, MAX_WHOLE_READ, Report, ScanDetail, Scope, Selection,
    archive_listing, scan_asset,
};
use cubeflight_sentinel2::{AssetId, Level, Resolution, Wanted, safe};
use cubeflight_storage::{Credentials, Options, Root, StoreProfile};
use cubeflight_testkit::s3::{Config, Logged, Profile, Server};
use cubeflight_tlm::TlmRecord;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::files::{Tlm, enlarge, make};

/// A server over a directory, and how to ask it.
struct Place {
    folder: TempDir,
    server: Server,
    options: Options,
}

impl Place {
    async fn new(folder: TempDir, profile: Profile) -> Self {
        std::fs::create_dir_all(folder.path().join("index")).unwrap();
        let config = Config { profile, ..Config::new(folder.path()) };
        let server = Server::start(config).await.unwrap();
        let (key, secret) = Config::KEY;
        let mut options = Options {
            endpoint: Some(server.endpoint()),
            credentials: Some(Credentials::keys(key, secret)),
            ..Options::default()
        };
        StoreProfile::Cdse.apply(&mut options);
        options.share_limits().unwrap();
        Self { folder, server, options }
    }

    fn root(&self, bucket: &str) -> Root {
        Root::open(&format!("s3://{bucket}"), &self.options).unwrap()
    }

    fn index(&self) -> Index {
        Index::new(self.root("index"))
    }

    async fn run(&self, options: IndexOptions) -> Report {
        let archive = self.root("eodata");
        let source = archive_listing(&archive, None, &options.scope);
        let indexer = Indexer::new(archive, self.index(), options);
        let report = indexer.run(source, &CancellationToken::new()).await;
        assert!(report.stopped.is_none(), "{:?}", report.stopped);
        report
    }

    /// Requests for images since the last call, by asset; no request may have been refused.
    fn reads(&self) -> BTreeMap<AssetId, Vec<Logged>> {
        let mut reads: BTreeMap<AssetId, Vec<Logged>> = BTreeMap::new();
        for request in self.server.take_requests() {
            assert!(matches!(request.status, Some(200 | 206)), "{request} {:?}", request.status);
            if let Some(key) = safe::parse_key(&request.key)
                && request.bucket == "eodata"
            {
                reads.entry(key.asset).or_default().push(request);
            }
        }
        reads
    }
}

fn asset(name: &str) -> AssetId {
    AssetId::parse(name, Level::L2A).unwrap()
}

fn options(detail: ScanDetail) -> IndexOptions {
    let scope = Scope { assets: Assets::All, ..Scope::default() };
    IndexOptions { detail, scope, ..IndexOptions::default() }
}

fn counts(reads: &BTreeMap<AssetId, Vec<Logged>>) -> Vec<(String, usize)> {
    reads.iter().map(|(asset, reads)| (asset.to_string(), reads.len())).collect()
}

async fn records(place: &Place) -> BTreeMap<AssetId, TlmRecord> {
    let tile = files::TILE.parse().unwrap();
    let found = place.index().records(Level::L2A, tile, &Selection::default()).await.unwrap();
    found.iter().map(|record| (record.asset, record.as_ref().clone())).collect()
}

const KINDS: [&str; 9] = [
    "B02_10m",
    "AOT_10m",
    "B11_20m",
    "SCL_20m",
    "CLD_20m",
    "B01_60m",
    "TCI_60m",
    "QUALIT_B01_60m",
    "DETFOO_B05_20m",
];

/// Those of [`KINDS`] that are large in a real product.
const LARGE: [&str; 2] = ["B02_10m", "B11_20m"];

#[tokio::test(flavor = "multi_thread")]
async fn requests_by_kind() {
    let folder = make(&KINDS, 1);
    for name in LARGE {
        enlarge(folder.path(), asset(name), Tlm::None);
    }
    let place = Place::new(folder, Profile::local()).await;
    let report = place.run(options(ScanDetail::Plt)).await;
    assert_eq!((report.found, report.indexed, report.failed.len()), (9, 9, 0));
    let reads = place.reads();
    println!("{:?}", counts(&reads));
    for name in KINDS {
        let wanted = match name {
            "B02_10m" => 121,
            "B11_20m" => 81,
            _ => 1,
        };
        assert_eq!(reads[&asset(name)].len(), wanted, "{name}");
        assert!(reads[&asset(name)].iter().all(|read| read.method == "GET"));
    }
    // headers only
    let bytes: u64 = reads[&asset("B02_10m")].iter().map(|read| read.bytes).sum();
    assert!(bytes < 64 * 1024, "{bytes}");
    assert!(records(&place).await.values().all(|record| record.packet_lengths.is_some()));

    // again: nothing to do, and no request for any file
    let report = place.run(options(ScanDetail::Plt)).await;
    assert_eq!((report.found, report.indexed, report.known), (9, 0, 9));
    assert!(place.reads().is_empty());
}

/// A whole product, its files above 8 MiB where those of real ones are.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes all images of a product: a minute"]
async fn requests_of_a_whole_product() {
    let all = AssetId::all(Level::L2A);
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let folder = make(&names.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let expected = |asset: &AssetId| {
        let (name, resolution) = (asset.band.to_string(), asset.resolution);
        match (name.as_str(), resolution) {
            ("SCL" | "CLD" | "SNW" | "AOT", _) | (_, Resolution::R60m) => 1,
            ("TCI", Resolution::R20m) => 9,
            (name, _) if name.contains('_') => 1,
            (_, Resolution::R10m) => 121,
            (_, Resolution::R20m) => 81,
        }
    };
    for asset in all.iter().filter(|asset| expected(asset) > 1) {
        enlarge(folder.path(), *asset, Tlm::None);
    }
    let place = Place::new(folder, Profile::local()).await;
    let native = place.run(IndexOptions::default()).await;
    let reads = place.reads();
    let requests: usize = reads.values().map(Vec::len).sum();
    println!("default: {} files, {requests} requests", native.indexed);
    assert_eq!((native.indexed, requests), (13, 4 * 121 + 6 * 81 + 3));

    let rest = place.run(options(ScanDetail::Plt)).await;
    assert_eq!((native.indexed + rest.indexed, rest.known), (all.len(), native.indexed));
    let mut reads = reads;
    reads.extend(place.reads());
    let requests: usize = reads.values().map(Vec::len).sum();
    println!("all: {} files, {requests} requests", all.len());
    for asset in &all {
        assert_eq!(reads[asset].len(), expected(asset), "{asset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn less_detail_is_completed_later() {
    let folder = make(&["B02_10m", "SCL_20m"], 1);
    enlarge(folder.path(), asset("B02_10m"), Tlm::None);
    let place = Place::new(folder, Profile::local()).await;
    assert_eq!(place.run(options(ScanDetail::Tlm)).await.indexed, 2);
    let reads = place.reads();
    assert_eq!(counts(&reads), [("B02_10m".to_owned(), 121), ("SCL_20m".to_owned(), 1)]);
    let bytes: u64 = reads[&asset("B02_10m")].iter().map(|read| read.bytes).sum();
    assert_eq!(bytes, 8192 + 120 * 12);
    assert!(records(&place).await.values().all(|record| record.packet_lengths.is_none()));

    assert_eq!(place.run(options(ScanDetail::Tlm)).await.known, 2);
    assert!(place.reads().is_empty());
    assert_eq!(place.run(options(ScanDetail::Plt)).await.indexed, 2);
    assert!(records(&place).await.values().all(|record| record.packet_lengths.is_some()));
    // and more than is wanted is enough
    assert_eq!(place.run(options(ScanDetail::Tlm)).await.known, 2);
}

/// Files of 2026 have a TLM.
#[tokio::test(flavor = "multi_thread")]
async fn files_with_their_own_tlm_take_two_requests() {
    let folder = files::make_in("2026-03-01", "2026-04-01", &["B02_10m", "B11_20m"], 1);
    for name in LARGE {
        enlarge(folder.path(), asset(name), Tlm::Right);
    }
    let place = Place::new(folder, Profile::local()).await;
    let report = place.run(options(ScanDetail::Plt)).await;
    assert_eq!((report.indexed, report.failed.len()), (3, 0));
    let got = counts(&place.reads());
    assert_eq!(
        got,
        [("B02_10m".to_owned(), 2), ("B11_20m".to_owned(), 2), ("SCL_20m".to_owned(), 1)]
    );
    let records = records(&place).await;
    for name in LARGE {
        let record = &records[&asset(name)];
        assert!(record.complete && record.main_header.is_some());
        assert!(record.packet_lengths.is_none());
    }
    // they are as complete as they will get
    assert_eq!(place.run(options(ScanDetail::Plt)).await.known, 3);
    assert!(place.reads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tlm_is_not_believed() {
    let folder = make(&["B02_10m", "B11_20m"], 1);
    enlarge(folder.path(), asset("B02_10m"), Tlm::Shifted);
    enlarge(folder.path(), asset("B11_20m"), Tlm::Swapped);
    let place = Place::new(folder, Profile::local()).await;
    let report = place.run(options(ScanDetail::Plt)).await;
    assert_eq!((report.indexed, report.failed.len()), (3, 0));
    let got = counts(&place.reads());
    println!("{got:?}");
    let records = records(&place).await;
    for (name, tiles) in [("B02_10m", 121), ("B11_20m", 81)] {
        let record = &records[&asset(name)];
        assert_eq!(record.tile_parts.len(), tiles);
        assert!(record.packet_lengths.is_some(), "{name}: walked");
        record.check().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_size_it_is_one_request_more() {
    let folder = make(&["B01_60m"], 1);
    let place = Place::new(folder, Profile::local()).await;
    let archive = place.root("eodata");
    let file = cubeflight_index::candidates(&archive, None).await.unwrap().remove(0);
    assert!(file.size < MAX_WHOLE_READ);
    place.server.take_requests();
    scan_asset(&archive, &file.path, file.source, None).await.unwrap();
    assert_eq!(place.server.take_requests().len(), 2);
}

/// The limits of a credential hold for all roots that share them, and for listings.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_refused_under_the_limits_of_cdse() {
    let folder = make(&["B01_60m", "B09_60m"], 4);
    let place = Place::new(folder, Profile::cdse()).await;
    let options = IndexOptions { concurrency: 40, ..options(ScanDetail::Plt) };
    let report = place.run(options).await;
    assert_eq!((report.indexed, report.failed.len()), (12, 0));
    assert!(place.folder.path().join("index/v1").is_dir());
    for request in place.server.take_requests() {
        assert!(matches!(request.status, Some(200 | 206)), "{request} {:?}", request.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_cannot_hold_it_are_not_listed() {
    let folder = make(&["B01_60m"], 3);
    let place = Place::new(folder, Profile::local()).await;
    let listed = |time: &str| {
        let wanted = Wanted { time: time.parse().unwrap(), ..Wanted::default() };
        let scope = Scope { wanted, ..Scope::everything() };
        let (place, options) = (&place, IndexOptions { scope, ..IndexOptions::default() });
        async move {
            let report = place.run(options).await;
            let requests = place.server.take_requests();
            let lists =
                requests.iter().filter(|r| r.key.starts_with("Sentinel-2/") && r.range.is_none());
            let keys: Vec<String> = lists
                .filter(|r| r.operation.as_deref() == Some("ListObjectsV2"))
                .map(|r| r.key.clone())
                .collect();
            (report.found, keys)
        }
    };
    let (found, lists) = listed("2019-01").await;
    assert_eq!(found, 0);
    assert!(lists.iter().all(|key| !key.contains("/2022/")), "{lists:?}");
    let (found, _) = listed("../..").await;
    assert_eq!(found, 6);
}
