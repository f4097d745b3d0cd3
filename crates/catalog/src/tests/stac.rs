//! Real items of CDSE, old and new, and what can be wrong with others.

use std::path::Path;

use cubeflight_sentinel2::Band;
use cubeflight_storage::{Options, Root};
use serde_json::{Value, json};

use super::{asset, near, query, realdata};
use crate::{Catalog, Found, Product, Query, StacItems};

const OLD: &str = "openeo_issue1043_N0500_S2B_20200322_T36NYH.FeatureCollection.json";
const NEW: &str = "openeo_issue1547_N0512_S2C_20260527_T55WFR.FeatureCollection.json";

fn open(dir: &Path) -> StacItems {
    StacItems::new(Root::open(dir.to_str().unwrap(), &Options::default()).unwrap())
}

async fn search(dir: &Path, query: &Query) -> Found {
    open(dir).search(query).await.unwrap()
}

async fn only(dir: &Path, query: &Query) -> Product {
    let found = search(dir, query).await;
    assert_eq!(found.omitted, []);
    let [product] = <[Product; 1]>::try_from(found.products).unwrap();
    product
}

#[tokio::test]
async fn an_old_item() {
    let Some(real) = realdata() else { return };
    // the folder holds a landing page, a collection and the items of another collection as well
    let product = only(&real.join("stac/cdse"), &query("L2A", "36NYH", "2020-03-22")).await;
    assert_eq!(
        product.id.to_string(),
        "S2B_MSIL2A_20200322T074609_N0500_R135_T36NYH_20230612T214223"
    );
    assert_eq!(product.granule.as_deref(), Some("L2A_T36NYH_A015891_20200322T075811"));
    assert_eq!(product.datastrip_start.unwrap().to_rfc3339(), "2020-03-22T07:58:11+00:00");
    let blue = &product.assets[&asset(&product, "B02")];
    assert_eq!(blue.size, Some(114_601_346));
    assert_eq!(
        blue.href,
        "s3://eodata/Sentinel-2/MSI/L2A_N0500/2020/03/22/S2B_MSIL2A_20200322T074609_N0500_R135_\
         T36NYH_20230612T214223.SAFE/GRANULE/L2A_T36NYH_A015891_20200322T075811/IMG_DATA/R10m/\
         T36NYH_20200322T074609_B02_10m.jp2"
    );
    // 36 images in the item; probabilities and masks beside them
    let listed = product.assets.values().filter(|asset| asset.size.is_some()).count();
    assert_eq!(listed, 36);
    assert_eq!(product.assets.len(), 36 + 4 + 13 + 13 + 1);
    let mask = &product.assets[&asset(&product, "DETFOO_B02")];
    assert!(
        mask.href.ends_with("L2A_T36NYH_A015891_20200322T075811/QI_DATA/MSK_DETFOO_B02.jp2"),
        "{}",
        mask.href
    );
    let metadata = &product.metadata;
    near(metadata.cloud_cover, 87.94);
    near(metadata.snow_cover, 0.0);
    near(metadata.sun_elevation, 65.9227012039063);
    near(metadata.sun_azimuth, 92.8418823238341);
    near(metadata.view_azimuth, 138.094688918345);
    near(metadata.view_incidence, 3.1429272437726974);
    assert!(metadata.radiometric_offset.is_empty(), "offsets are not taken from items");
    assert_eq!(product.radiometric_offset(Band::B04), Some(-1000), "the baseline tells");
    near(metadata.no_data, 0.0);
    assert_eq!(metadata.sensing_time, None, "its datetime is the datatake's");
    assert_eq!(metadata.processed.unwrap().to_rfc3339(), "2023-06-12T21:42:23+00:00");
}

#[tokio::test]
async fn a_new_item() {
    let Some(real) = realdata() else { return };
    let product = only(&real.join("stac/cdse"), &query("L2A", "55WFR", "2026-05/..")).await;
    assert_eq!(product.id.baseline().to_string(), "05.12");
    assert_eq!(product.assets[&asset(&product, "B02")].size, Some(133_423_574));
    assert_eq!(product.assets[&asset(&product, "SCL")].size, Some(3_136_860));
    near(product.metadata.no_data, 0.0);
    let clouds = &product.assets[&asset(&product, "CLD")];
    assert_eq!(clouds.size, Some(5_373_183), "listed, not derived");
    assert!(clouds.href.ends_with("QI_DATA/MSK_CLDPRB_20m.jp2"));
}

#[tokio::test]
async fn one_file_and_one_item() {
    let Some(real) = realdata() else { return };
    let dir = real.join("stac/cdse");
    let root = Root::open(dir.to_str().unwrap(), &Options::default()).unwrap();
    let path = root.resolve(NEW).unwrap();
    let catalog = StacItems::file(root.clone(), path);
    let found = catalog.search(&query("L2A", "55WFR", "../..")).await.unwrap();
    assert_eq!(found.products.len(), 1);
    let found = catalog.search(&query("L2A", "36NYH", "../..")).await.unwrap();
    assert_eq!(found, Found::default());
    let missing = StacItems::file(root.clone(), root.resolve("none.json").unwrap());
    let error = missing.search(&query("L2A", "36NYH", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-001");
}

/// The old item, changed.
fn item(real: &Path, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let text = std::fs::read(real.join("stac/cdse").join(OLD)).unwrap();
    let mut document: Value = serde_json::from_slice(&text).unwrap();
    let mut item = document["features"][0].take();
    change(&mut item);
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("deep")).unwrap();
    std::fs::write(dir.path().join("deep/item.json"), item.to_string()).unwrap();
    dir
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let Some(real) = realdata() else { return };
    let other_href = "s3://eodata/x/S2B_MSIL2A_20200322T074609_N0500_R135_T36NYH_20230612T214224\
                      .SAFE/GRANULE/L2A_T36NYH_A015891_20200322T075811/IMG_DATA/R10m/\
                      T36NYH_20200322T074609_B02_10m.jp2";
    type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;
    let cases: Vec<(&str, Change<'_>)> = vec![
        ("grid_mismatch", Box::new(|i| i["properties"]["grid:code"] = json!("MGRS-36NYG"))),
        ("grid_mismatch", Box::new(|i| i["assets"]["B02_10m"]["proj:code"] = json!("EPSG:32736"))),
        (
            "grid_mismatch",
            Box::new(|i| i["assets"]["B02_10m"]["proj:transform"][2] = json!(699_980)),
        ),
        ("baseline_mismatch", Box::new(|i| i["properties"]["processing:version"] = json!("05.09"))),
        ("asset_mismatch", Box::new(|i| i["assets"]["B02_10m"]["href"] = json!(other_href))),
        (
            "asset_mismatch",
            Box::new(|i| {
                i["assets"]["B03_10m"]["href"] = i["assets"]["B02_10m"]["href"].clone();
            }),
        ),
        (
            "cog_asset",
            Box::new(|i| {
                let href = "https://host/B02.tif";
                let kind = "image/tiff; application=geotiff; profile=cloud-optimized";
                i["assets"] = json!({"blue": {"href": href, "type": kind}});
            }),
        ),
        ("no_assets", Box::new(|i| i["assets"] = json!({}))),
        ("unreadable_item", Box::new(|i| i["properties"]["datetime"] = json!([1]))),
        ("unreadable_id", Box::new(|i| i["id"] = json!("S2B_36NYH_20200322_0_L2A"))),
    ];
    for (code, change) in cases {
        let dir = item(&real, change);
        let found = search(dir.path(), &query("L2A", "36NYH", "2020")).await;
        assert!(found.products.is_empty(), "{code}");
        assert_eq!(found.omitted.len(), 1, "{code}");
        assert_eq!(found.omitted[0].code, code, "{}", found.omitted[0].reason);
        // an item of another place or time is not reported
        let elsewhere = search(dir.path(), &query("L2A", "33TVN", "2020")).await;
        assert_eq!(elsewhere, Found::default(), "{code}");
    }
}

#[tokio::test]
async fn what_is_different_but_not_wrong() {
    let Some(real) = realdata() else { return };
    // an id in other words, an href that only the alternate has as s3, no sizes
    let dir = item(&real, |item| {
        let id = item["id"].take();
        item["properties"]["s2:product_uri"] = json!(format!("{}.SAFE", id.as_str().unwrap()));
        item["id"] = json!("S2B_36NYH_20200322_0_L2A");
        let s3 = item["assets"]["B02_10m"]["href"].take();
        item["assets"]["B02_10m"]["href"] = json!("https://zipper/$value");
        item["assets"]["B02_10m"]["alternate"] = json!({"s3": {"href": s3}});
        item["assets"]["B02_10m"].as_object_mut().unwrap().remove("file:size");
        item["properties"].as_object_mut().unwrap().remove("eo:cloud_cover");
        item["properties"].as_object_mut().unwrap().remove("eopf:datastrip_id");
    });
    let product = only(dir.path(), &query("L2A", "36NYH", "2020")).await;
    let blue = &product.assets[&asset(&product, "B02")];
    assert!(blue.href.starts_with("s3://eodata/") && blue.size.is_none());
    assert_eq!(product.metadata.cloud_cover, None);
    assert_eq!(product.datastrip_start.unwrap().to_rfc3339(), "2020-03-22T07:58:11+00:00");

    // in the words of other catalogues
    let dir = item(&real, |item| {
        let properties = item["properties"].as_object_mut().unwrap();
        for name in ["statistics", "processing:datetime", "eo:snow_cover", "view:sun_elevation"] {
            properties.remove(name);
        }
        properties.insert("s2:nodata_pixel_percentage".into(), json!(73.5));
        properties.insert("s2:snow_ice_percentage".into(), json!(2));
        properties.insert("s2:mean_solar_zenith".into(), json!(30.5));
        properties.insert("s2:generation_time".into(), json!("2023-06-12T21:42:23.000000Z"));
        properties.insert("datetime".into(), json!("2020-03-22T07:58:12.036000Z"));
    });
    let metadata = only(dir.path(), &query("L2A", "36NYH", "2020")).await.metadata;
    near(metadata.no_data, 73.5);
    near(metadata.snow_cover, 2.0);
    near(metadata.sun_elevation, 59.5);
    assert_eq!(metadata.sensing_time.unwrap().to_rfc3339(), "2020-03-22T07:58:12.036+00:00");
    assert_eq!(metadata.processed.unwrap().to_rfc3339(), "2023-06-12T21:42:23+00:00");

    // no masks but the probabilities as JPEG 2000 before baseline 04.00
    let dir = item(&real, |item| {
        let text = item.to_string().replace("N0500", "N0214").replace("05.00", "02.14");
        *item = serde_json::from_str(&text).unwrap();
    });
    let product = only(dir.path(), &query("L2A", "36NYH", "2020")).await;
    assert_eq!(product.assets.len(), 36 + 4, "the probabilities at 20 and 60 m");
}

#[tokio::test]
async fn files_that_are_no_items() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("catalog.json", r#"{"type": "Catalog", "id": "c"}"#);
    write("list.json", "[1, 2]");
    write("broken.json", "{");
    write("broken.txt", "{");
    write("empty.json", "");
    write("hollow.geojson", r#"{"type": "FeatureCollection"}"#);
    write("bare.json", r#"{"type": "FeatureCollection", "features": [{"type": "Feature"}, 3]}"#);
    let found = search(dir.path(), &query("L2A", "36NYH", "../..")).await;
    let omitted: Vec<_> = found.omitted.iter().map(|o| (o.id.as_str(), o.code)).collect();
    assert_eq!(
        omitted,
        [
            ("bare.json", "unreadable_id"),
            ("bare.json", "unreadable_item"),
            ("broken.json", "unreadable_file"),
            ("hollow.geojson", "unreadable_file"),
        ]
    );
}

#[tokio::test]
async fn a_file_is_read_again_only_when_it_changed() {
    let Some(real) = realdata() else { return };
    let dir = item(&real, |_| ());
    let root = Root::open(dir.path().to_str().unwrap(), &Options::default()).unwrap();
    let catalog = StacItems::new(root.clone());
    let query = query("L2A", "36NYH", "2020");
    assert_eq!(catalog.search(&query).await.unwrap().products.len(), 1);
    let before = root.counters();
    assert_eq!(catalog.search(&query).await.unwrap().products.len(), 1);
    assert_eq!(root.counters().requests - before.requests, 1, "the listing");
    assert_eq!(root.counters().bytes, before.bytes);
    std::fs::write(dir.path().join("deep/item.json"), r#"{"type": "Catalog"}"#).unwrap();
    assert_eq!(catalog.search(&query).await.unwrap().products.len(), 0);
}
