//! The layout of products in the SAFE format (PSD, "product structure"): object keys to assets and
//! back. Pure string work.

use chrono::{DateTime, Utc};

use crate::time::{format_compact, parse_compact};
use crate::{AssetId, Band, Level, ProductId, Resolution};

/// What the key of an image tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssetKey {
    /// The product.
    pub product: ProductId,
    /// The key up to and including the `.SAFE` folder.
    pub product_prefix: String,
    /// Name of the granule folder, as in `L2A_T29UNU_A038058_20221005T115407`.
    pub granule: String,
    /// The image.
    pub asset: AssetId,
}

/// Reads the key (or URL) of a JPEG 2000 image. `None` for everything that is not an image of a
/// cube: metadata, previews, masks in other formats, images of another tile than the product's.
pub fn parse_key(key: &str) -> Option<AssetKey> {
    let end = key.rfind(".SAFE/")? + ".SAFE".len();
    let (product_prefix, rest) = key.split_at_checked(end)?;
    let name = product_prefix.rsplit('/').next()?;
    let product: ProductId = name.parse().ok()?;

    let mut parts = rest.strip_prefix("/GRANULE/")?.split('/');
    let granule = parts.next().filter(|granule| !granule.is_empty())?;
    let folder = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let asset = match (product.level(), folder, rest.as_slice()) {
        (Level::L2A, "IMG_DATA", [group, file]) => {
            let resolution: Resolution = group.strip_prefix('R')?.parse().ok()?;
            resolved(image_name(file, &product)?)
                .filter(|asset| asset.resolution == resolution && !is_mask(asset))
        }
        (Level::L1C, "IMG_DATA", [file]) => {
            let band = Band::from_name(image_name(file, &product)?)?;
            Some(AssetId { band, resolution: band.native_resolution() })
                .filter(|asset| !is_mask(asset))
        }
        (level, "QI_DATA", [file]) => mask(file, &product, level),
        _ => None,
    }?;
    asset.exists(product.level()).then(|| AssetKey {
        product_prefix: product_prefix.to_owned(),
        granule: granule.to_owned(),
        product,
        asset,
    })
}

/// The key of an image of a product, by the naming in use since 2018.
pub fn asset_key(
    product_prefix: &str,
    granule: &str,
    product: &ProductId,
    asset: AssetId,
) -> String {
    let folder = format!("{product_prefix}/GRANULE/{granule}");
    let AssetId { band, resolution } = asset;
    let file = format!("T{}_{}", product.tile(), format_compact(&product.datatake_start()));
    match (band, product.level()) {
        (Band::Cld, _) => format!("{folder}/QI_DATA/MSK_CLDPRB_{resolution}.jp2"),
        (Band::Snw, _) => format!("{folder}/QI_DATA/MSK_SNWPRB_{resolution}.jp2"),
        (Band::Detfoo(_) | Band::Qualit(_) | Band::Classi, _) => {
            format!("{folder}/QI_DATA/MSK_{band}.jp2")
        }
        (_, Level::L1C) => format!("{folder}/IMG_DATA/{file}_{band}.jp2"),
        (_, Level::L2A) => format!("{folder}/IMG_DATA/R{resolution}/{file}_{asset}.jp2"),
    }
}

/// The key within the archive, the same on all mirrors: from `Sentinel-2/` on, the bucket and what
/// else stands before it apart. The key itself where there is no such folder.
pub fn archive_key(key: &str) -> &str {
    const ROOT: &str = "Sentinel-2/";
    // The last one: a mirror may live below a folder of the same name.
    key.rmatch_indices(ROOT)
        .find(|&(at, _)| at == 0 || key.as_bytes().get(at - 1) == Some(&b'/'))
        .and_then(|(at, _)| key.get(at..))
        .unwrap_or(key)
}

/// Whether two keys name the same file of a product, on whatever mirror: they agree from the SAFE
/// folder on. Keys without such a folder must agree as a whole, or one be the end of the other, which
/// has the bucket too.
pub fn is_same_file(a: &str, b: &str) -> bool {
    let within = |key: &str| {
        let folder = key.split('/').find(|part| part.ends_with(".SAFE"))?;
        let at = key.find(folder)?;
        key.get(at..).map(str::to_owned)
    };
    match (within(a), within(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => {
            let (a, b) = (archive_key(a), archive_key(b));
            let ends = |long: &str, short: &str| {
                let rest = long.strip_suffix(short);
                !short.is_empty() && rest.is_some_and(|rest| rest.ends_with('/'))
            };
            a == b || ends(a, b) || ends(b, a)
        }
        _ => false,
    }
}

/// Whether a key is that of an asset of a product: what is known of the file may then be kept under
/// the name of both.
pub fn belongs_to(key: &str, product: &ProductId, asset: AssetId) -> bool {
    parse_key(key).is_some_and(|key| key.product == *product && key.asset == asset)
}

/// Start of the datastrip, from the name of the granule (`L2A_T29UNU_A038058_20221005T115407`) or
/// of the datastrip (`DS_ATOS_20221005T164454_S20221005T115407`, also in its long form).
///
/// Products of one datatake, tile and baseline with the same start are duplicates, with different
/// ones parts of one scene.
pub fn datastrip_start(granule: &str) -> Option<DateTime<Utc>> {
    let name = granule.trim_end_matches('/');
    name.split('_')
        .find_map(|part| part.strip_prefix('S').and_then(parse_compact))
        .or_else(|| parse_compact(name.rsplit('_').next()?))
}

/// `B02_10m` of `T29UNU_20221005T115411_B02_10m.jp2`. Names of before late 2018 start with `L2A_`.
fn image_name<'a>(file: &'a str, product: &ProductId) -> Option<&'a str> {
    let file = file.strip_suffix(".jp2")?;
    let file = file.strip_prefix("L2A_").unwrap_or(file);
    let (tile, rest) = file.split_once('_')?;
    let (time, name) = rest.split_once('_')?;
    let same_tile = tile.strip_prefix('T')?.parse() == Ok(product.tile());
    (same_tile && parse_compact(time).is_some()).then_some(name)
}

/// An asset by a name that has its resolution.
fn resolved(name: &str) -> Option<AssetId> {
    let (band, resolution) = name.rsplit_once('_')?;
    Some(AssetId { band: Band::from_name(band)?, resolution: resolution.parse().ok()? })
}

fn mask(file: &str, product: &ProductId, level: Level) -> Option<AssetId> {
    let Some(name) = file.strip_prefix("MSK_").and_then(|f| f.strip_suffix(".jp2")) else {
        // Before 2018 the probabilities were named like the bands.
        return resolved(image_name(file, product)?)
            .filter(|asset| matches!(asset.band, Band::Cld | Band::Snw) && level == Level::L2A);
    };
    let probability =
        |band, resolution: &str| Some(AssetId { band, resolution: resolution.parse().ok()? });
    if let Some(resolution) = name.strip_prefix("CLDPRB_") {
        return probability(Band::Cld, resolution);
    }
    if let Some(resolution) = name.strip_prefix("SNWPRB_") {
        return probability(Band::Snw, resolution);
    }
    let band = Band::from_name(name)?;
    let asset = AssetId { band, resolution: band.native_resolution() };
    matches!(band, Band::Detfoo(_) | Band::Qualit(_) | Band::Classi).then_some(asset)
}

/// Whether the image lives in `QI_DATA`.
fn is_mask(asset: &AssetId) -> bool {
    asset.is_class() && asset.band != Band::Scl
}

#[cfg(test)]
mod tests {
    use super::{archive_key, asset_key, belongs_to, datastrip_start, is_same_file, parse_key};
    use crate::{AssetId, Level, ProductId};

    const L2A: &str = "S2C_MSIL2A_20260527T014651_N0512_R017_T55WFR_20260527T042005";
    const L1C: &str = "S2A_MSIL1C_20220125T151701_N0400_R125_T18LTM_20220125T190036";

    fn asset(key: &str) -> Option<String> {
        parse_key(key).map(|k| k.asset.to_string())
    }

    #[test]
    fn files_are_the_same_on_all_mirrors() {
        let name = "X.SAFE/GRANULE/G/IMG_DATA/R10m/B08.jp2";
        let cdse = format!("Sentinel-2/MSI/L2A/2021/01/03/{name}");
        let google = format!("L2/tiles/33/T/VN/{name}");
        assert!(is_same_file(&cdse, &google));
        assert!(is_same_file("eodata/Sentinel-2/a.jp2", "Sentinel-2/a.jp2"));
        for other in ["Y.SAFE/GRANULE/G/IMG_DATA/R10m/B08.jp2", "X.SAFE/B08.jp2", "B08.jp2", ""] {
            assert!(!is_same_file(&cdse, other), "{other}");
        }
        assert!(!is_same_file("a.jp2", "b.jp2"));
        let key = "tiles/33/T/VN/2021/1/3/0/R10m/B08.jp2";
        assert!(is_same_file(key, &format!("s3://sentinel-s2-l2a/{key}")));
        assert!(!is_same_file(key, &format!("s3://sentinel-s2-l2a/x{key}")));
        assert!(!is_same_file(key, "tiles/33/T/VN/2021/1/3/1/R10m/B08.jp2"));
        assert!(!is_same_file("", "s3://bucket/"));
    }

    #[test]
    fn a_key_belongs_to_the_product_in_it() {
        let (product, other): (ProductId, ProductId) = (L2A.parse().unwrap(), L1C.parse().unwrap());
        let b08 = AssetId::parse("B08", Level::L2A).unwrap();
        let b04 = AssetId::parse("B04", Level::L2A).unwrap();
        let key = asset_key(&format!("Sentinel-2/{L2A}.SAFE"), "G", &product, b08);
        assert!(belongs_to(&key, &product, b08));
        assert!(!belongs_to(&key, &product, b04) && !belongs_to(&key, &other, b08));
        assert!(!belongs_to("somewhere/else.jp2", &product, b08));
    }

    #[test]
    fn keys_of_l2a() {
        let prefix = format!("s3://eodata/Sentinel-2/MSI/L2A/2026/05/27/{L2A}.SAFE");
        let granule = "L2A_T55WFR_A008996_20260527T014647";
        let key = |rest: &str| format!("{prefix}/GRANULE/{granule}/{rest}");
        let found = parse_key(&key("IMG_DATA/R10m/T55WFR_20260527T014651_B02_10m.jp2")).unwrap();
        assert_eq!((found.product_prefix.as_str(), found.granule.as_str()), (&*prefix, granule));
        assert_eq!(found.product.to_string(), L2A);
        for (rest, expected) in [
            ("IMG_DATA/R20m/T55WFR_20260527T014651_SCL_20m.jp2", Some("SCL_20m")),
            ("IMG_DATA/R60m/L2A_T55WFR_20260527T014651_B8A_60m.jp2", Some("B8A_60m")),
            ("QI_DATA/MSK_CLDPRB_20m.jp2", Some("CLD_20m")),
            ("QI_DATA/MSK_SNWPRB_60m.jp2", Some("SNW_60m")),
            ("QI_DATA/L2A_T55WFR_20260527T014651_CLD_20m.jp2", Some("CLD_20m")),
            ("QI_DATA/MSK_DETFOO_B8A.jp2", Some("DETFOO_B8A_20m")),
            ("QI_DATA/MSK_QUALIT_B10.jp2", Some("QUALIT_B10_60m")),
            ("QI_DATA/MSK_CLASSI_B00.jp2", Some("CLASSI_B00_60m")),
            ("QI_DATA/T55WFR_20260527T014651_PVI.jp2", None),
            ("QI_DATA/MSK_CLOUDS_B00.gml", None),
            ("QI_DATA/MSK_B02.jp2", None),
            ("IMG_DATA/R20m/T55WFR_20260527T014651_B02_10m.jp2", None),
            ("IMG_DATA/R10m/T55WFS_20260527T014651_B02_10m.jp2", None),
            ("IMG_DATA/R10m/T55WFR_20260527T014651_B02_10m.tif", None),
            ("IMG_DATA/R20m/T55WFR_20260527T014651_B08_20m.jp2", None),
            ("IMG_DATA/R20m/T55WFR_20260527T014651_CLD_20m.jp2", None),
            ("IMG_DATA/T55WFR_20260527T014651_B02_10m.jp2", None),
            ("MTD_TL.xml", None),
        ] {
            assert_eq!(asset(&key(rest)).as_deref(), expected, "{rest}");
        }
        assert_eq!(asset(&format!("{prefix}/manifest.safe")), None);
        assert_eq!(asset("tiles/55/W/FR/2026/5/27/0/R10m/B02.jp2"), None);
        assert_eq!(asset(""), None);
    }

    #[test]
    fn keys_of_l1c() {
        let folder = format!("{L1C}.SAFE/GRANULE/L1C_T18LTM_A034442_20220125T152341");
        for (rest, expected) in [
            ("IMG_DATA/T18LTM_20220125T151701_B10.jp2", Some("B10_60m")),
            ("IMG_DATA/T18LTM_20220125T151701_TCI.jp2", Some("TCI_10m")),
            ("QI_DATA/MSK_DETFOO_B02.jp2", Some("DETFOO_B02_10m")),
            ("QI_DATA/MSK_CLDPRB_20m.jp2", None),
            ("IMG_DATA/T18LTM_20220125T151701_SCL.jp2", None),
            ("IMG_DATA/R10m/T18LTM_20220125T151701_B02_10m.jp2", None),
        ] {
            assert_eq!(asset(&format!("{folder}/{rest}")).as_deref(), expected, "{rest}");
        }
    }

    #[test]
    fn keys_round_trip() {
        for (id, level) in [(L1C, Level::L1C), (L2A, Level::L2A)] {
            let product: ProductId = id.parse().unwrap();
            let prefix = format!("bucket/{id}.SAFE");
            for asset in AssetId::all(level) {
                let key = asset_key(&prefix, "granule", &product, asset);
                let found = parse_key(&key).unwrap();
                assert_eq!((found.asset, &found.product), (asset, &product), "{key}");
                assert_eq!((&*found.granule, &found.product_prefix), ("granule", &prefix));
            }
        }
    }

    #[test]
    fn archive_keys() {
        for key in [
            "Sentinel-2/MSI/x.jp2",
            "s3://eodata/Sentinel-2/MSI/x.jp2",
            "/data/Sentinel-2/mirror/Sentinel-2/MSI/x.jp2",
            "/data/eodata/Sentinel-2/MSI/x.jp2",
        ] {
            assert_eq!(archive_key(key), "Sentinel-2/MSI/x.jp2");
        }
        assert_eq!(archive_key("my-Sentinel-2/x.jp2"), "my-Sentinel-2/x.jp2");
        assert_eq!(archive_key("tiles/48/S/XG/x.jp2"), "tiles/48/S/XG/x.jp2");
    }

    #[test]
    fn datastrips() {
        let expected = Some("2022-10-05T11:54:07+00:00".to_owned());
        for name in [
            "L2A_T29UNU_A038058_20221005T115407",
            "L2A_T29UNU_A038058_20221005T115407/",
            "DS_ATOS_20221005T164454_S20221005T115407",
            "S2A_OPER_MSI_L2A_DS_ATOS_20221005T164454_S20221005T115407_N04.00",
        ] {
            assert_eq!(datastrip_start(name).map(|t| t.to_rfc3339()), expected, "{name}");
        }
        assert_eq!(datastrip_start("L2A_T29UNU_A038058"), None);
        assert_eq!(datastrip_start(""), None);
    }
}
