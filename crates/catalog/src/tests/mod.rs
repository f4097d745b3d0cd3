//! Catalogues over real metadata and real items, laid out as an archive in a temporary directory.

mod archive;
mod geoparquet;
mod metadata_source;
mod mirror;
mod stac;
mod stac_api;

use std::path::{Path, PathBuf};

use cubeflight_sentinel2::AssetId;

use crate::{Product, Query};

/// The folder of real data, or `None` (said on standard output) where there is none; in CI it has
/// to be there.
fn realdata() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/realdata");
    let dir = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no real data at {}", dir.display());
    println!("skipped: no real data at {}", dir.display());
    None
}

fn query(level: &str, tile: &str, time: &str) -> Query {
    Query {
        level: level.parse().unwrap(),
        tile: tile.parse().unwrap(),
        time: time.parse().unwrap(),
        product_ids: Vec::new(),
    }
}

fn asset(product: &Product, name: &str) -> AssetId {
    AssetId::parse(name, product.id.level()).unwrap()
}

fn near(value: Option<f64>, expected: f64) {
    let value = value.expect("a value");
    assert!((value - expected).abs() < 1e-6, "{value} instead of {expected}");
}
