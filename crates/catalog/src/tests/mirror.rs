//! Products on mirrors that arrange their files in other ways.

use std::sync::Arc;

use cubeflight_sentinel2::StoreLayout;
use cubeflight_storage::{Options, RequestLog, Root};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::{asset, query, realdata};
use crate::{Catalog, Mirror, Mirrored, StacItems};

const ID: &str = "S2B_MSIL2A_20200322T074609_N0500_R135_T36NYH_20230612T214223";

/// The real items of CDSE.
fn items() -> Option<Arc<StacItems>> {
    let folder = realdata()?.join("stac/cdse");
    let root = Root::open(folder.to_str().unwrap(), &Options::default()).unwrap();
    Some(Arc::new(StacItems::new(root)))
}

fn root(store: &Arc<InMemory>, url: &str) -> (Root, Arc<RequestLog>) {
    let log = Arc::new(RequestLog::default());
    let options = Options { request_log: Some(Arc::clone(&log)), ..Options::default() };
    (Root::with_store(url, Arc::clone(store) as _, &options).unwrap(), log)
}

#[tokio::test]
async fn at_google() {
    let Some(items) = items() else { return };
    let (archive, log) = root(&Arc::default(), "s3://gcp-public-data-sentinel-2/L2");
    let mirror = Mirror::new(StoreLayout::Google, archive.clone());
    let query = query("L2A", "36NYH", "2020-03-22");
    let found = Mirrored::new(Arc::clone(&items) as _, mirror).search(&query).await.unwrap();
    let [product] = found.products.as_slice() else { panic!("{found:?}") };
    let all = &items.search(&query).await.unwrap().products[0].assets;
    assert_eq!(product.assets.len(), all.len());
    let blue = &product.assets[&asset(product, "B02")];
    assert_eq!(
        blue.href,
        format!(
            "s3://gcp-public-data-sentinel-2/L2/tiles/36/N/YH/{ID}.SAFE/GRANULE/\
             L2A_T36NYH_A015891_20200322T075811/IMG_DATA/R10m/T36NYH_20200322T074609_B02_10m.jp2"
        )
    );
    assert_eq!(blue.size, Some(114_601_346));
    assert!(archive.resolve(&blue.href).is_ok());
    assert_eq!(log.take().len(), 0, "the place follows from the name");
}

#[tokio::test]
async fn at_sinergise() {
    let Some(items) = items() else { return };
    let store = Arc::new(InMemory::new());
    let (archive, log) = root(&store, "s3://sentinel-s2-l2a");
    let mirrored = Mirrored::new(items, Mirror::new(StoreLayout::Sinergise, archive));
    let query = query("L2A", "36NYH", "2020-03-22");
    let none = mirrored.search(&query).await.unwrap();
    assert_eq!(none.products.len(), 0);
    assert_eq!((none.omitted[0].id.as_str(), none.omitted[0].code), (ID, "not_on_mirror"));

    let info = Path::from(format!("products/2020/3/22/{ID}/productInfo.json"));
    let other = ID.replace("N0500", "N0214");
    for (text, there) in [
        ("<html>".to_owned(), false),
        (
            format!(r#"{{"name":"{other}","tiles":[{{"path":"tiles/36/N/YH/2020/3/22/0"}}]}}"#),
            false,
        ),
        (format!(r#"{{"name":"{ID}","tiles":[{{"path":"tiles/36/N/YH/2020/3/22/1"}}]}}"#), true),
    ] {
        store.put(&info, text.into()).await.unwrap();
        let found = mirrored.search(&query).await.unwrap();
        assert_eq!(
            (found.products.len(), found.omitted.len()),
            (usize::from(there), usize::from(!there))
        );
    }
    log.take();
    let found = mirrored.search(&query).await.unwrap();
    assert_eq!(log.take().len(), 0, "a folder is looked up once");
    let product = &found.products[0];
    let blue = &product.assets[&asset(product, "B02")];
    assert_eq!(blue.href, "s3://sentinel-s2-l2a/tiles/36/N/YH/2020/3/22/1/R10m/B02.jp2");
    let scl = &product.assets[&asset(product, "SCL_60m")];
    assert_eq!(scl.href, "s3://sentinel-s2-l2a/tiles/36/N/YH/2020/3/22/1/R60m/SCL.jp2");
    assert!(!product.assets.contains_key(&asset(product, "DETFOO_B02")));
}
