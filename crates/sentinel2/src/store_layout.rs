//! Where mirrors keep the files of products. Pure string work.

use std::fmt;
use std::str::FromStr;

use chrono::Datelike;

use crate::{AssetId, Band, Level, MgrsTile, ProductId, safe};

/// How a store arranges the files of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StoreLayout {
    /// As the catalogue says: the archive of CDSE and copies of it.
    #[default]
    Cdse,
    /// SAFE folders by tile, `tiles/33/T/VN/<id>.SAFE/…`: Google Cloud, in the folder `L2` for
    /// level 2A.
    Google,
    /// Files by tile and day, without the names of products, `tiles/33/T/VN/2021/1/3/0/R10m/B04.jp2`:
    /// the buckets of Sinergise on AWS. Which product is in which folder stands in
    /// [`StoreLayout::product_info`].
    Sinergise,
}

impl StoreLayout {
    /// The key of a file at Google, from its key or URL elsewhere; `None` where that does not name
    /// a file of the product.
    pub fn google_key(product: &ProductId, key: &str) -> Option<String> {
        let found = safe::parse_key(key).filter(|found| found.product == *product)?;
        let folder = found.product_prefix.rsplit('/').next()?;
        let rest = key.get(found.product_prefix.len()..)?;
        let (zone, band, square) = parts(product.tile());
        Some(format!("tiles/{zone:02}/{band}/{square}/{folder}{rest}"))
    }

    /// The key of what Sinergise says of a product; see [`StoreLayout::sinergise_folder`].
    pub fn product_info(product: &ProductId) -> String {
        let day = product.datatake_start();
        let (year, month, day) = (day.year(), day.month(), day.day());
        format!("products/{year}/{month}/{day}/{product}/productInfo.json")
    }

    /// The folder of a product at Sinergise, from the text of its [`StoreLayout::product_info`], or
    /// what is wrong with that: it must be of this product and name one folder of its tile.
    pub fn sinergise_folder(product: &ProductId, info: &[u8]) -> Result<String, String> {
        let info: serde_json::Value =
            serde_json::from_slice(info).map_err(|error| format!("no json: {error}"))?;
        let name = info.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        if name.parse::<ProductId>().as_ref() != Ok(product) {
            let name: String = name.chars().take(100).collect();
            return Err(format!("it is of the product {name:?}"));
        }
        let (zone, band, square) = parts(product.tile());
        let of_tile = format!("tiles/{zone}/{band}/{square}/");
        let tiles = info.get("tiles").and_then(|tiles| tiles.as_array()).into_iter().flatten();
        let paths = tiles.filter_map(|tile| tile.get("path")?.as_str());
        let mut folders = paths.filter(|path| {
            let day = path.strip_prefix(&of_tile).map(|day| day.split('/').collect::<Vec<_>>());
            let number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            day.is_some_and(|day| day.len() == 4 && day.iter().all(number))
        });
        match (folders.next(), folders.next()) {
            (Some(folder), None) => Ok(folder.to_owned()),
            (None, _) => Err(format!("it names no folder below {of_tile}")),
            (Some(_), Some(_)) => Err(format!("it names several folders below {of_tile}")),
        }
    }

    /// The key of a file at Sinergise; `None` for the masks, which are not kept under one name.
    pub fn sinergise_key(folder: &str, level: Level, asset: AssetId) -> Option<String> {
        let AssetId { band, resolution } = asset;
        match (band, level) {
            (Band::Detfoo(_) | Band::Qualit(_) | Band::Classi, _) => None,
            (Band::Cld | Band::Snw, _) => Some(format!("{folder}/qi/{asset}.jp2")),
            (_, Level::L1C) => Some(format!("{folder}/{band}.jp2")),
            (_, Level::L2A) => Some(format!("{folder}/R{resolution}/{band}.jp2")),
        }
    }
}

/// Zone, latitude band and square.
fn parts(tile: MgrsTile) -> (u8, String, String) {
    let name = tile.to_string();
    let part = |range: std::ops::Range<usize>| name.get(range).unwrap_or_default().to_owned();
    (tile.zone(), part(2..3), part(3..5))
}

impl fmt::Display for StoreLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cdse => "cdse",
            Self::Google => "google",
            Self::Sinergise => "sinergise",
        })
    }
}

impl FromStr for StoreLayout {
    type Err = String;

    /// `cdse`, `google` or `sinergise`.
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Cdse, Self::Google, Self::Sinergise]
            .into_iter()
            .find(|layout| layout.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no store layout: give cdse, google or sinergise"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const L2A: &str = "S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000";
    const L1C: &str = "S2A_MSIL1C_20220125T151701_N0400_R125_T07HFE_20220125T190036";

    #[test]
    fn keys_at_google() {
        let product: ProductId = L2A.parse().unwrap();
        let file = "GRANULE/L2A_T33TVN_A1_20210103T101411/IMG_DATA/R10m/T33TVN_20210103T101411_B08_10m.jp2";
        let href = format!("s3://eodata/Sentinel-2/MSI/L2A_N0500/2021/01/03/{L2A}.SAFE/{file}");
        let key = StoreLayout::google_key(&product, &href).unwrap();
        assert_eq!(key, format!("tiles/33/T/VN/{L2A}.SAFE/{file}"));
        // what is there is there
        assert_eq!(StoreLayout::google_key(&product, &key), Some(key.clone()));
        assert!(safe::is_same_file(&href, &key));
        let other: ProductId = L1C.parse().unwrap();
        assert_eq!(StoreLayout::google_key(&other, &href), None);
        let file = "GRANULE/L1C_T07HFE_A1_20220125T152341/IMG_DATA/T07HFE_20220125T151701_B08.jp2";
        let key = StoreLayout::google_key(&other, &format!("{L1C}.SAFE/{file}")).unwrap();
        assert!(key.starts_with("tiles/07/H/FE/S2A_MSIL1C"), "{key}");
    }

    #[test]
    fn keys_at_sinergise() {
        let asset = |name: &str, level| AssetId::parse(name, level).unwrap();
        let folder = "tiles/33/T/VN/2021/1/3/0";
        for (name, level, expected) in [
            ("B04", Level::L2A, Some("R10m/B04.jp2")),
            ("B04_60m", Level::L2A, Some("R60m/B04.jp2")),
            ("SCL", Level::L2A, Some("R20m/SCL.jp2")),
            ("TCI", Level::L2A, Some("R10m/TCI.jp2")),
            ("CLD", Level::L2A, Some("qi/CLD_20m.jp2")),
            ("B8A", Level::L1C, Some("B8A.jp2")),
            ("TCI", Level::L1C, Some("TCI.jp2")),
            ("DETFOO_B02", Level::L2A, None),
        ] {
            let key = StoreLayout::sinergise_key(folder, level, asset(name, level));
            assert_eq!(key, expected.map(|rest| format!("{folder}/{rest}")), "{name}");
        }
    }

    #[test]
    fn folders_at_sinergise() {
        let product: ProductId = L2A.parse().unwrap();
        assert_eq!(
            StoreLayout::product_info(&product),
            format!("products/2021/1/3/{L2A}/productInfo.json")
        );
        let read = |name: &str, paths: &[&str]| {
            let tiles: Vec<_> =
                paths.iter().map(|path| serde_json::json!({ "path": path })).collect();
            let info = serde_json::json!({ "name": name, "tiles": tiles });
            StoreLayout::sinergise_folder(&product, info.to_string().as_bytes())
        };
        let folder = "tiles/33/T/VN/2021/1/3/0";
        assert_eq!(read(L2A, &[folder]).as_deref(), Ok(folder));
        assert_eq!(read(L2A, &["tiles/33/T/WN/2021/1/3/0", folder]).as_deref(), Ok(folder));
        for (name, paths) in [
            (L1C, vec![folder]),
            ("", vec![folder]),
            (L2A, vec![]),
            (L2A, vec!["tiles/32/T/VN/2021/1/3/0"]),
            (L2A, vec!["tiles/33/T/VN/../../x/0"]),
            (L2A, vec!["tiles/33/T/VN/2021/1/3"]),
            (L2A, vec![folder, "tiles/33/T/VN/2021/1/3/1"]),
        ] {
            assert!(read(name, &paths).is_err(), "{name} {paths:?}");
        }
        assert!(StoreLayout::sinergise_folder(&product, b"<html>").is_err());
    }

    #[test]
    fn names() {
        for layout in [StoreLayout::Cdse, StoreLayout::Google, StoreLayout::Sinergise] {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        assert!("aws".parse::<StoreLayout>().unwrap_err().contains("google"));
    }
}
