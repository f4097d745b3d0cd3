//! An archive laid out from real files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use cubeflight_sentinel2::Band;
use cubeflight_storage::{Method, Options, RequestLog, Root};

use super::{asset, near, query, realdata};
use crate::{ArchiveListing, Catalog, Found, Product, Query};

const L2A: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";
const L1C: &str = "S2A_MSIL1C_20220125T151701_N0400_R125_T18LTM_20220125T190036";

/// The product folder in the layout of CDSE.
fn folder(id: &str) -> String {
    let (level, date) = (&id[7..10], &id[11..19]);
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    format!("eodata/Sentinel-2/MSI/{level}/{year}/{month}/{day}/{id}.SAFE")
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    symlink(fs::canonicalize(from).unwrap(), to).unwrap();
}

/// Links the metadata of a product, as real as it is.
fn metadata(real: &Path, root: &Path, id: &str) {
    let safe = real.join("safe").join(format!("{id}.SAFE"));
    let product = root.join(folder(id));
    let name = format!("MTD_{}.xml", &id[4..10]);
    link(&safe.join(&name), &product.join(&name));
    for granule in fs::read_dir(safe.join("GRANULE")).unwrap().map(|entry| entry.unwrap()) {
        let to = product.join("GRANULE").join(granule.file_name()).join("MTD_TL.xml");
        link(&granule.path().join("MTD_TL.xml"), &to);
    }
}

/// The granule folder of a product laid out before.
fn granule(root: &Path, id: &str) -> std::path::PathBuf {
    let granules = root.join(folder(id)).join("GRANULE");
    fs::read_dir(granules).unwrap().next().unwrap().unwrap().path()
}

fn write(path: &Path, body: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, body).unwrap();
}

fn archive(real: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    metadata(real, dir.path(), L2A);
    let images = real.join("jp2/L2A_N0400_S2A_20221005_T29UNU");
    let to = granule(dir.path(), L2A);
    for group in ["R10m", "R20m", "R60m"] {
        link(&images.join(group), &to.join("IMG_DATA").join(group));
    }
    link(&images.join("QI_DATA"), &to.join("QI_DATA"));

    metadata(real, dir.path(), L1C);
    let images = real.join("jp2/L1C_N0400_S2A_20220125_T18LTM");
    let to = granule(dir.path(), L1C);
    for entry in walk(&images) {
        let name = entry.file_name().unwrap().to_str().unwrap();
        let folder = if name.starts_with("MSK_") { "QI_DATA" } else { "IMG_DATA" };
        link(&entry, &to.join(folder).join(name));
    }
    dir
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { files.extend(walk(&entry)) } else { files.push(entry) }
    }
    files
}

fn open(dir: &Path) -> (ArchiveListing, Arc<RequestLog>) {
    let log = Arc::new(RequestLog::default());
    let options = Options { request_log: Some(Arc::clone(&log)), ..Options::default() };
    (ArchiveListing::new(Root::open(dir.to_str().unwrap(), &options).unwrap()), log)
}

async fn search(dir: &Path, query: &Query) -> Found {
    open(dir).0.search(query).await.unwrap()
}

fn only(found: Found) -> Product {
    assert_eq!(found.omitted, []);
    let [product] = <[Product; 1]>::try_from(found.products).unwrap();
    product
}

#[tokio::test]
async fn a_level_2_product_with_all_its_metadata() {
    let Some(real) = realdata() else { return };
    let dir = archive(&real);
    let (catalog, log) = open(dir.path());
    let product = only(catalog.search(&query("L2A", "29UNU", "2022-10")).await.unwrap());
    assert_eq!(product.id.to_string(), L2A);
    assert_eq!(product.granule.as_deref(), Some("L2A_T29UNU_A038058_20221005T115407"));
    assert_eq!(product.datastrip_start.unwrap().to_rfc3339(), "2022-10-05T11:54:07+00:00");

    // every image but the preview, by name, with the size of the file
    assert_eq!(product.assets.len(), 24);
    let scl = &product.assets[&asset(&product, "SCL_20m")];
    let file =
        real.join("jp2/L2A_N0400_S2A_20221005_T29UNU/R20m/T29UNU_20221005T115411_SCL_20m.jp2");
    assert_eq!(scl.size, Some(fs::metadata(file).unwrap().len()));
    assert!(scl.etag.is_some());
    assert!(scl.href.starts_with("file:///") && scl.href.ends_with("_SCL_20m.jp2"), "{}", scl.href);
    for name in ["AOT_10m", "B8A_60m", "CLD_60m", "SNW_20m", "DETFOO_B05", "QUALIT_B02", "CLASSI"] {
        assert!(product.assets.contains_key(&asset(&product, name)), "{name}");
    }

    let metadata = &product.metadata;
    near(metadata.cloud_cover, 59.769726);
    near(metadata.snow_cover, 6.46e-4);
    near(metadata.sun_elevation, 90.0 - 57.820574357679);
    near(metadata.sun_azimuth, 172.840206897213);
    assert!((0.0..15.0).contains(&metadata.view_incidence.unwrap()));
    assert!((285.0..293.0).contains(&metadata.view_azimuth.unwrap()), "{metadata:?}");
    let sensed = metadata.sensing_time.unwrap().to_rfc3339();
    assert_eq!(sensed, "2022-10-05T11:56:49.581767+00:00");
    near(metadata.quantification, 10_000.0);
    assert_eq!(metadata.radiometric_offset.len(), 13);
    assert!(metadata.radiometric_offset.values().all(|offset| *offset == -1000));
    assert!(metadata.radiometric_offset.contains_key(&Band::B8A));

    // no image was read, and the other level and its year were not even listed
    let sent = log.take();
    let read: Vec<_> = sent.iter().filter(|request| request.method == Method::Get).collect();
    assert!(read.iter().all(|request| request.path.ends_with(".xml")), "{read:?}");
    assert_eq!(read.len(), 2);
    assert!(sent.iter().all(|request| !request.path.contains("L1C")), "{sent:?}");
}

#[tokio::test]
async fn a_level_1_product() {
    let Some(real) = realdata() else { return };
    let dir = archive(&real);
    let product = only(search(dir.path(), &query("L1C", "18LTM", "2022-01-25")).await);
    assert_eq!(product.id.to_string(), L1C);
    assert!(product.assets.contains_key(&asset(&product, "B01")), "{:?}", product.assets.keys());
    near(product.metadata.cloud_cover, 15.261692908498302);
    near(product.metadata.snow_cover, 0.0);
    assert_eq!(product.metadata.radiometric_offset[&Band::B10], -1000);
}

#[tokio::test]
async fn nothing_elsewhere_or_at_another_time() {
    let Some(real) = realdata() else { return };
    let dir = archive(&real);
    for query in [
        query("L2A", "29UNU", "2022-10-06"),
        query("L2A", "29UNU", "2022-10-05T11:54:12Z/.."),
        query("L2A", "29UPU", "../.."),
        query("L1C", "29UNU", "../.."),
    ] {
        assert_eq!(search(dir.path(), &query).await, Found::default());
    }
    let pinned =
        Query { product_ids: vec![L1C.parse().unwrap()], ..query("L2A", "29UNU", "../..") };
    let found = search(dir.path(), &pinned).await;
    assert_eq!((found.products.len(), found.omitted[0].code), (0, "not_in_catalog"));
    let pinned =
        Query { product_ids: vec![L2A.parse().unwrap()], ..query("L2A", "29UNU", "../..") };
    assert_eq!(search(dir.path(), &pinned).await.products.len(), 1);
}

/// All real products agree with the tile's name, and offsets come with baseline 04.00.
#[tokio::test]
async fn every_real_product() {
    let Some(real) = realdata() else { return };
    for entry in fs::read_dir(real.join("safe")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(id) = name.strip_suffix(".SAFE") else { continue };
        let dir = tempfile::tempdir().unwrap();
        metadata(&real, dir.path(), id);
        let (level, tile, time) = (&id[7..10], &id[38..44], &id[11..26]);
        // any image makes it a product
        let granule = granule(dir.path(), id);
        match level {
            "L1C" => write(&granule.join(format!("IMG_DATA/{tile}_{time}_B02.jp2")), b"x"),
            _ => write(&granule.join(format!("IMG_DATA/R10m/{tile}_{time}_B02_10m.jp2")), b"x"),
        }
        let product = only(search(dir.path(), &query(level, tile, "../..")).await);
        let expected = product.id.baseline().radiometric_offset().unwrap();
        let metadata = &product.metadata;
        assert!(metadata.radiometric_offset.values().all(|offset| *offset == expected), "{id}");
        assert_eq!(metadata.radiometric_offset.len(), 13, "{id}");
        let since_04 = !matches!(&id[27..32], "N0206" | "N0212" | "N0214");
        assert_eq!(expected, if since_04 { -1000 } else { 0 }, "{id}");
        assert_eq!(product.radiometric_offset(Band::B8A), Some(expected), "{id}");
        assert_eq!(metadata.quantification, Some(10_000.0), "{id}");
        let made = metadata.processed.unwrap() - product.id.datatake_start();
        assert!(made.num_minutes() > 30, "{id}: {made}");
        // level 1C does not say
        let no_data = metadata.no_data;
        let none = match &id[11..15] {
            _ if level == "L1C" => None,
            "2019" => Some(96.769554),
            "2021" => Some(92.326063),
            "2022" => Some(40.419397),
            _ => Some(0.0),
        };
        assert_eq!(no_data, none, "{id}");
        // some of the oldest products were sensed seconds before their datatake starts
        let after = metadata.sensing_time.unwrap() - product.id.datatake_start();
        assert!((-60..900).contains(&after.num_seconds()), "{id}: {after}");
        for value in [
            metadata.cloud_cover,
            metadata.sun_azimuth,
            metadata.sun_elevation,
            metadata.view_azimuth,
            metadata.view_incidence,
        ] {
            assert!(value.is_some_and(|value| (0.0..360.0).contains(&value)), "{id}: {metadata:?}");
        }
    }
}

/// Real manifests: what they list is read where it is JPEG 2000, and refused by name where it is
/// TIFF.
#[tokio::test]
async fn what_real_manifests_list() {
    let Some(real) = realdata() else { return };
    let mut files: Vec<(String, std::path::PathBuf)> = Vec::new();
    for path in walk(&real.join("safe")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(id) = name.strip_suffix("-manifest.safe") {
            files.push((id.to_owned(), path));
        } else if name == "manifest.safe" {
            let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            files.push((folder.trim_end_matches(".SAFE").to_owned(), path));
        }
    }
    let mut refused = Vec::new();
    for (id, manifest) in &files {
        let text = fs::read_to_string(manifest).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let hrefs = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for href in hrefs.map(|href| href.trim_start_matches("./")) {
            if href.contains("GRANULE/") && !href.ends_with('/') {
                write(&dir.path().join(folder(id)).join(href), b"image");
            }
        }
        // what the files are, not what is in them
        for xml in walk(dir.path()).iter().filter(|path| path.extension() == Some("xml".as_ref())) {
            fs::write(xml, b"").unwrap();
        }
        let mut found = search(dir.path(), &query(&id[7..10], &id[38..44], "../..")).await;
        match found.products.pop() {
            Some(product) => {
                assert_eq!((product.id.to_string(), found.omitted.len()), (id.clone(), 0));
                let level = product.id.level();
                let expected = if level == cubeflight_sentinel2::Level::L1C { 14 } else { 30 };
                assert!(product.assets.len() >= expected, "{id}: {}", product.assets.len());
            }
            None => refused.push((id.clone(), found.omitted.remove(0))),
        }
    }
    assert!(files.len() >= 5, "{}", files.len());
    let [(id, omitted)] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(id.contains("_N0212_"), "{id}");
    assert_eq!(omitted.code, "cog_asset");
    assert!(omitted.reason.contains("TIFF") && omitted.reason.contains(".tif"), "{omitted:?}");
}

#[tokio::test]
async fn metadata_is_optional_but_not_to_be_wrong() {
    let base = folder(L2A);
    let granule = format!("{base}/GRANULE/L2A_T29UNU_A038058_20221005T115407");
    let image = format!("{granule}/IMG_DATA/R20m/T29UNU_20221005T115411_SCL_20m.jp2");
    let cases: [(&str, &[u8], Option<&str>); 5] = [
        ("MTD_MSIL2A.xml", b"", None),
        ("MTD_MSIL2A.xml", b"\n", None),
        ("MTD_MSIL2A.xml", b"<cut", Some("unreadable_metadata")),
        (
            "MTD_MSIL2A.xml",
            b"<a><PROCESSING_BASELINE>05.10</PROCESSING_BASELINE></a>",
            Some("baseline_mismatch"),
        ),
        (
            "GRANULE/L2A_T29UNU_A038058_20221005T115407/MTD_TL.xml",
            b"<a><HORIZONTAL_CS_CODE>EPSG:32630</HORIZONTAL_CS_CODE></a>",
            Some("grid_mismatch"),
        ),
    ];
    for (name, body, code) in cases {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join(&image), b"image");
        write(&dir.path().join(&base).join(name), body);
        let found = search(dir.path(), &query("L2A", "29UNU", "../..")).await;
        match code {
            None => {
                let product = only(found);
                assert!(product.metadata.radiometric_offset.is_empty(), "unknown stays unknown");
                assert_eq!(product.metadata.cloud_cover, None);
            }
            Some(code) => {
                assert!(found.products.is_empty());
                assert_eq!((found.omitted[0].code, found.omitted[0].id.as_str()), (code, L2A));
                assert!(found.omitted[0].reason.contains(name.rsplit('/').next().unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn products_without_images_and_in_odd_places() {
    let dir = tempfile::tempdir().unwrap();
    let granule = "GRANULE/L2A_T29UNU_A038058_20221005T115407";
    let image = format!("{granule}/IMG_DATA/R20m/T29UNU_20221005T115411_SCL_20m.jp2");
    // at any depth, in any folder; zero bytes are no image
    write(&dir.path().join(format!("my data/{L2A}.SAFE/{image}")), b"image");
    let empty = L2A.replace("164454", "164455");
    write(&dir.path().join(format!("{empty}.SAFE/{image}")), b"");
    // the same product twice
    write(&dir.path().join(format!("z/{L2A}.SAFE/{image}")), b"image");
    let long = "S2A_USER_PRD_MSIL2A_PDMC_20160101T000000_R022_V20160101T000000_20160101T000000";
    write(&dir.path().join(format!("{long}.SAFE/x")), b"");
    let found = search(dir.path(), &query("L2A", "29UNU", "../..")).await;
    assert_eq!(found.products.len(), 1);
    let codes: Vec<_> = found.omitted.iter().map(|omitted| omitted.code).collect();
    assert_eq!(codes, ["duplicate_id", "no_assets", "long_name"]);
}

#[tokio::test]
async fn a_loop_of_links_ends() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    symlink(dir.path(), dir.path().join("a/up")).unwrap();
    let error = open(dir.path()).0.search(&query("L2A", "29UNU", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-002");
}
