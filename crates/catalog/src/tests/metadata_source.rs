//! Metadata of products whose catalogue does not read it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cubeflight_sentinel2::{AssetId, Band, Level, ProductId};
use cubeflight_storage::{Method, Options, RequestLog, Root};

use crate::{AssetRef, MetadataSource, Product, ProductMetadata};

const UNOFFICIAL: &str = "S2A_MSIL2A_20180103T101411_N9999_R022_T33TVN_20230306T172000";
const FUTURE: &str = "S2A_MSIL2A_20280103T101411_N0600_R022_T33TVN_20280103T172000";
const KNOWN: &str = "S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000";

fn xml(id: &str, offset: &str) -> String {
    let baseline = format!("{}.{}", &id[28..30], &id[30..32]);
    let offsets: String = (0..13)
        .map(|band| format!("<BOA_ADD_OFFSET band_id='{band}'>{offset}</BOA_ADD_OFFSET>"))
        .collect();
    format!(
        "<a><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>\
         <BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>\
         <NODATA_PIXEL_PERCENTAGE>12.5</NODATA_PIXEL_PERCENTAGE>{offsets}</a>"
    )
}

/// A product as an item gives it, its image under a URL.
fn product(base: &str, id: &str) -> Product {
    let id: ProductId = id.parse().unwrap();
    let asset = AssetId::parse("B04_60m", Level::L2A).unwrap();
    let granule = "L2A_T33TVN_A033333_20210103T101406";
    let href =
        cubeflight_sentinel2::safe::asset_key(&format!("{base}/{id}.SAFE"), granule, &id, asset);
    let file = AssetRef { href, size: None, etag: None, checksum: None };
    Product {
        id,
        granule: Some(granule.to_owned()),
        datastrip_start: None,
        assets: [(asset, file)].into(),
        metadata: ProductMetadata { cloud_cover: Some(3.0), ..ProductMetadata::default() },
    }
}

fn write(dir: &Path, id: &str, body: &[u8]) {
    let folder = dir.join(format!("eodata/{id}.SAFE"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("MTD_MSIL2A.xml"), body).unwrap();
}

fn open(dir: &Path) -> (Root, Arc<RequestLog>) {
    let log = Arc::new(RequestLog::default());
    let options = Options {
        request_log: Some(Arc::clone(&log)),
        aliases: vec!["s3://eodata".to_owned()],
        ..Options::default()
    };
    let path = dir.join("eodata");
    fs::create_dir_all(&path).unwrap();
    (Root::open(path.to_str().unwrap(), &options).unwrap(), log)
}

fn reads(log: &RequestLog) -> Vec<String> {
    let gets = log.take().into_iter().filter(|request| request.method == Method::Get);
    gets.map(|request| request.path.to_string()).collect()
}

#[tokio::test]
async fn offsets_that_the_baseline_does_not_tell() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), UNOFFICIAL, xml(UNOFFICIAL, "-1000").as_bytes());
    write(dir.path(), FUTURE, xml(FUTURE, "-77").as_bytes());
    write(dir.path(), KNOWN, xml(KNOWN, "-5").as_bytes());
    let (root, log) = open(dir.path());
    let source = MetadataSource::new();
    let before = || [UNOFFICIAL, KNOWN, FUTURE].map(|id| product("s3://eodata", id));
    let mut products = before();
    source.complete(&root, &mut products).await.unwrap();
    let offsets = products.each_ref().map(|product| product.radiometric_offset(Band::B04));
    // the baseline that decides is believed, and costs nothing
    assert_eq!(offsets, [Some(-1000), Some(-1000), Some(-77)]);
    let mut read = reads(&log);
    read.sort();
    assert_eq!(read.len(), 2, "{read:?}");
    assert!(read.iter().all(|path| path.ends_with(".SAFE/MTD_MSIL2A.xml")), "{read:?}");
    let metadata = &products[0].metadata;
    assert_eq!((metadata.cloud_cover, metadata.no_data), (Some(3.0), Some(12.5)));
    assert_eq!(metadata.quantification, Some(10_000.0));
    // once
    let mut again = before();
    source.clone().complete(&root, &mut again).await.unwrap();
    assert_eq!(again, products);
    assert_eq!(reads(&log), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_read_stays_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let (root, log) = open(dir.path());
    let other_baseline = xml(KNOWN, "-1000");
    let bodies: [Option<&[u8]>; 7] = [
        None,
        Some(b""),
        Some(b"\n"),
        Some(b"<cut"),
        Some(b"\xff\xfe"),
        Some(b"<a/>"),
        Some(other_baseline.as_bytes()),
    ];
    for body in bodies {
        if let Some(body) = body {
            write(dir.path(), UNOFFICIAL, body);
        }
        let source = MetadataSource::new();
        for requests in [1, 0] {
            let mut products = [product("s3://eodata", UNOFFICIAL)];
            source.complete(&root, &mut products).await.unwrap();
            assert_eq!(products, [product("s3://eodata", UNOFFICIAL)], "{body:?}");
            assert_eq!(reads(&log).len(), requests, "{body:?}: not asked for again at once");
        }
    }
}

#[tokio::test]
async fn hostile_hrefs_read_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), UNOFFICIAL, xml(UNOFFICIAL, "-1000").as_bytes());
    fs::create_dir_all(dir.path().join("secret")).unwrap();
    let (root, log) = open(dir.path());
    let secret = format!("file://{}/secret", dir.path().display());
    for base in [
        "file:///etc",
        secret.as_str(),
        "s3://other-bucket",
        "http://169.254.169.254/latest",
        "s3://eodata/../secret",
        "s3://eodata/%2e%2e/secret",
        "s3://eodata//secret",
    ] {
        let mut products = [product(base, UNOFFICIAL)];
        MetadataSource::new().complete(&root, &mut products).await.unwrap();
        assert_eq!(products[0].radiometric_offset(Band::B04), None, "{base}");
        assert_eq!(reads(&log), Vec::<String>::new(), "{base}");
    }
    // nor is another product's metadata taken
    let mut products = [product("s3://eodata", UNOFFICIAL)];
    products[0].id = FUTURE.parse().unwrap();
    MetadataSource::new().complete(&root, &mut products).await.unwrap();
    assert_eq!((products[0].radiometric_offset(Band::B04), reads(&log).len()), (None, 0));
}
