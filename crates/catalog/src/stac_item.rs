//! One STAC item (STAC 1.0 and 1.1) to one product, in the conventions of CDSE. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{AssetId, Band, Baseline, Level, MgrsTile, ProductId, Wanted, safe};
use serde_json::{Map, Value};
use stac::{Asset, Item};

use crate::{AssetRef, Omitted, Product, ProductMetadata, Query};

/// What an item came to.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A product.
    Product(Box<Product>),
    /// Something that cannot be used, with what is known of its place and time.
    Omitted {
        omitted: Omitted,
        level: Option<Level>,
        tile: Option<MgrsTile>,
        time: Option<DateTime<Utc>>,
    },
}

impl Entry {
    /// Whether a search is to report it; what is unknown may match.
    pub(crate) fn concerns(&self, query: &Query) -> bool {
        match self {
            Self::Product(product) => query.matches(&product.id),
            Self::Omitted { level, tile, time, .. } => {
                level.is_none_or(|level| level == query.level)
                    && tile.is_none_or(|tile| tile == query.tile)
                    && time.is_none_or(|time| query.time.contains(time))
            }
        }
    }

    /// The product, or why it cannot be used, where it is wanted; what is unknown may be.
    pub(crate) fn wanted(self, wanted: &Wanted) -> Option<Result<Product, Omitted>> {
        match self {
            Self::Product(product) => wanted.matches(&product.id).then_some(Ok(*product)),
            Self::Omitted { omitted, level, tile, time } => {
                let may_be = level.is_none_or(|it| wanted.level.is_none_or(|level| level == it))
                    && tile.is_none_or(|it| wanted.tile.is_none_or(|tile| tile == it))
                    && time.is_none_or(|it| wanted.time.contains(it));
                may_be.then_some(Err(omitted))
            }
        }
    }

    /// Whether it is known to be of the query's tile and level.
    pub(crate) fn is_of_tile(&self, query: &Query) -> bool {
        match self {
            Self::Product(product) => {
                product.id.tile() == query.tile && product.id.level() == query.level
            }
            Self::Omitted { level, tile, .. } => {
                *tile == Some(query.tile) && level.is_none_or(|level| level == query.level)
            }
        }
    }

    /// Bytes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Product(product) => {
                let assets = product.assets.values();
                let texts = |asset: &AssetRef| {
                    asset.href.len() + asset.checksum.as_ref().map_or(0, String::len)
                };
                600 + assets.map(|asset| 150 + texts(asset)).sum::<usize>()
            }
            Self::Omitted { omitted, .. } => 200 + omitted.id.len() + omitted.reason.len(),
        }
    }

    pub(crate) fn unknown(omitted: Omitted) -> Self {
        Self::Omitted { omitted, level: None, tile: None, time: None }
    }
}

/// The items of a JSON document: an item, or a collection of items. Other documents of STAC
/// (catalogues, collections) have none.
pub(crate) fn read_document(name: &str, text: &[u8]) -> Vec<Entry> {
    let document: Value = match serde_json::from_slice(text) {
        Ok(document) => document,
        Err(error) => {
            let omitted = Omitted::new(name, "unreadable_file", format!("not json: {error}"));
            return vec![Entry::unknown(omitted)];
        }
    };
    let Value::Object(mut document) = document else { return Vec::new() };
    match document.get("type").and_then(Value::as_str) {
        Some("Feature") => read_item(name, Value::Object(document)).into_iter().collect(),
        Some("FeatureCollection") => match document.remove("features") {
            Some(Value::Array(items)) => {
                items.into_iter().filter_map(|item| read_item(name, item)).collect()
            }
            _ => {
                let reason = "a feature collection without features";
                vec![Entry::unknown(Omitted::new(name, "unreadable_file", reason))]
            }
        },
        _ => Vec::new(),
    }
}

/// Whether a collection is one of ours, as far as its name tells.
fn is_ours(item: &Value) -> bool {
    let collection = item.get("collection").and_then(Value::as_str);
    let ours = [Level::L1C, Level::L2A].map(Level::collection);
    collection.is_none_or(|name| ours.iter().any(|ours| name.starts_with(ours)))
}

/// One item of the answer to a search for our collections.
pub(crate) fn read_feature(value: Value) -> Entry {
    if is_ours(&value)
        && let Some(entry) = read_item("an item without id", value.clone())
    {
        return entry;
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let collection: String = text("collection").chars().take(100).collect();
    let reason = format!("an item of the collection {collection:?}, which was not asked for");
    let omitted = Omitted::new(text("id"), "other_collection", reason);
    let id = product_id(text("id"), value.get("properties")).ok();
    omit(omitted, id.as_ref(), None)
}

/// One item; `None` for items of collections that are not ours.
pub(crate) fn read_item(file: &str, value: Value) -> Option<Entry> {
    if !is_ours(&value) {
        return None;
    }
    let name = value.get("id").and_then(Value::as_str).unwrap_or(file).to_owned();
    let id = product_id(&name, value.get("properties"));
    let item: Item = match serde_json::from_value(value) {
        Ok(item) => item,
        Err(error) => {
            let omitted = Omitted::new(&name, "unreadable_item", error.to_string());
            return Some(omit(omitted, id.as_ref().ok(), None));
        }
    };
    let entry = match (cog_reason(&item), id) {
        (Some(reason), id) => {
            omit(Omitted::new(&name, "cog_asset", reason), id.as_ref().ok(), Some(&item))
        }
        (None, Err(error)) => {
            let code = match error {
                cubeflight_sentinel2::Error::LongName { .. } => "long_name",
                _ => "unreadable_id",
            };
            omit(Omitted::new(&name, code, error.to_string()), None, Some(&item))
        }
        (None, Ok(id)) => match read_product(&item, &id) {
            Ok(product) => Entry::Product(Box::new(product)),
            Err((code, reason)) => omit(Omitted::new(&id, code, reason), Some(&id), Some(&item)),
        },
    };
    Some(entry)
}

fn omit(omitted: Omitted, id: Option<&ProductId>, item: Option<&Item>) -> Entry {
    let grid = item.and_then(|item| string(&item.properties.additional_fields, "grid:code"));
    Entry::Omitted {
        omitted,
        level: id.map(ProductId::level),
        tile: id.map(ProductId::tile).or_else(|| grid?.parse().ok()),
        time: id
            .map(ProductId::datatake_start)
            .or_else(|| item.and_then(|item| item.properties.datetime)),
    }
}

/// The product's id is the item's, or in the words of other catalogues `s2:product_uri`.
fn product_id(name: &str, properties: Option<&Value>) -> cubeflight_sentinel2::Result<ProductId> {
    name.parse().or_else(|error| {
        let uri = properties.and_then(|p| p.get("s2:product_uri")).and_then(Value::as_str);
        uri.map_or(Err(error), str::parse)
    })
}

fn media_type(asset: &Asset) -> &str {
    let text = asset.r#type.as_deref().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Why an item without JPEG 2000 images is no good, where it has others.
fn cog_reason(item: &Item) -> Option<String> {
    let has = |media: &str| item.assets.values().any(|asset| media_type(asset) == media);
    let tiff = item.assets.values().find(|asset| media_type(asset) == "image/tiff")?;
    (!has("image/jp2")).then(|| {
        let href: String = tiff.href.chars().take(200).collect();
        format!("its images are GeoTIFF, not the JPEG 2000 files of the product: {href}")
    })
}

type Refusal = (&'static str, String);

/// Largest size that is believed; real files have up to 140 MB.
const MAX_SIZE: u64 = 1 << 40;

fn read_product(item: &Item, id: &ProductId) -> Result<Product, Refusal> {
    let properties = &item.properties.additional_fields;
    check_item(properties, id)?;
    let mut assets = BTreeMap::new();
    let mut place: Option<(String, String)> = None;
    for (key, asset) in item.assets.iter().filter(|(_, asset)| media_type(asset) == "image/jp2") {
        let href = best_href(asset);
        let by_href = safe::parse_key(href);
        let by_key = AssetId::parse(key, id.level()).ok();
        if let Some(found) = &by_href
            && (found.product != *id || by_key.is_some_and(|by_key| by_key != found.asset))
        {
            let reason = format!("asset {key} leads to {} of {}", found.asset, found.product);
            return Err(("asset_mismatch", reason));
        }
        // previews and the like are JPEG 2000 as well
        let Some(asset_id) = by_key.or_else(|| by_href.as_ref().map(|found| found.asset)) else {
            continue;
        };
        check_grid(key, asset_id, asset, properties, id.tile(), by_href.is_some())?;
        check_offset(asset_id, asset, id);
        if let Some(found) = by_href {
            place.get_or_insert((found.product_prefix, found.granule));
        }
        let size = asset.additional_fields.get("file:size").and_then(Value::as_u64);
        let size = size.filter(|size| (1..=MAX_SIZE).contains(size));
        let checksum = string(&asset.additional_fields, "file:checksum").map(str::to_owned);
        let asset = AssetRef { href: href.to_owned(), size, etag: None, checksum };
        assets.insert(asset_id, asset);
    }
    if assets.is_empty() {
        return Err(("no_assets", "no asset of media type image/jp2 is a band or mask".to_owned()));
    }
    if let Some((prefix, granule)) = &place {
        derive_masks(&mut assets, prefix, granule, id);
    }
    let granule = place.map(|(_, granule)| granule);
    let datastrip_start = string(properties, "eopf:datastrip_id")
        .or_else(|| string(properties, "s2:datastrip_id"))
        .and_then(safe::datastrip_start)
        .or_else(|| granule.as_deref().and_then(safe::datastrip_start));
    let metadata = metadata(item, id);
    Ok(Product { id: id.clone(), granule, datastrip_start, assets, metadata })
}

/// What an item says of its product, in the words of CDSE or else in those of other catalogues
/// (`s2:…`). Offsets are not taken from items.
fn metadata(item: &Item, id: &ProductId) -> ProductMetadata {
    let properties = &item.properties.additional_fields;
    let number = |key: &str| properties.get(key).and_then(Value::as_f64);
    let statistic = |key: &str| properties.get("statistics")?.get(key)?.as_f64();
    let no_data = statistic("nodata").or_else(|| number("s2:nodata_pixel_percentage"));
    let time = |key: &str| string(properties, key)?.parse::<DateTime<Utc>>().ok();
    // `datetime` is the datatake's start with CDSE, with others the time of sensing
    let lead = |time: &DateTime<Utc>| (*time - id.datatake_start()).num_seconds();
    let sensed = item.properties.datetime.filter(|time| (1..LONGEST_LEAD).contains(&lead(time)));
    ProductMetadata {
        cloud_cover: number("eo:cloud_cover"),
        snow_cover: number("eo:snow_cover").or_else(|| number("s2:snow_ice_percentage")),
        no_data: no_data.filter(|percent| (0.0..=100.0).contains(percent)),
        sun_azimuth: number("view:sun_azimuth").or_else(|| number("s2:mean_solar_azimuth")),
        sun_elevation: number("view:sun_elevation")
            .or_else(|| number("s2:mean_solar_zenith").map(|zenith| 90.0 - zenith)),
        view_azimuth: number("view:azimuth"),
        view_incidence: number("view:incidence_angle"),
        sensing_time: sensed,
        processed: time("processing:datetime").or_else(|| time("s2:generation_time")),
        ..ProductMetadata::default()
    }
}

/// Seconds from the start of a datatake within which its tiles are sensed.
const LONGEST_LEAD: i64 = 1_800;

fn string<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(Value::as_str)
}

/// The s3 form of an href, which some items have only as an alternate (extension
/// alternate-assets).
fn best_href(asset: &Asset) -> &str {
    let s3 = |href: &&str| href.starts_with("s3://");
    let alternates = asset.additional_fields.get("alternate").and_then(Value::as_object);
    let alternate = || {
        let hrefs = alternates?.values().filter_map(|alternate| alternate.get("href")?.as_str());
        hrefs.into_iter().find(s3)
    };
    Some(asset.href.as_str()).filter(s3).or_else(alternate).unwrap_or(&asset.href)
}

/// What the item says of tile and baseline must be what the id says.
fn check_item(properties: &Map<String, Value>, id: &ProductId) -> Result<(), Refusal> {
    if let Some(code) = string(properties, "grid:code")
        && code.parse() != Ok(id.tile())
    {
        return Err(("grid_mismatch", format!("grid:code is {code}, the id has {}", id.tile())));
    }
    if let Some(version) = string(properties, "processing:version")
        && let Ok(version) = version.parse::<Baseline>()
        && version != id.baseline()
    {
        let reason = format!("processing:version is {version}, the id has {}", id.baseline());
        return Err(("baseline_mismatch", reason));
    }
    Ok(())
}

/// What the asset (in CDSE's items) or the item says of its grid (extension projection, versions 1
/// and 2) must be what follows from the tile's name. `confirmed`: the href says which image it is.
fn check_grid(
    key: &str,
    asset_id: AssetId,
    asset: &Asset,
    properties: &Map<String, Value>,
    tile: MgrsTile,
    confirmed: bool,
) -> Result<(), Refusal> {
    let field = |name: &str| asset.additional_fields.get(name).or_else(|| properties.get(name));
    let mismatch = |what: String| {
        let (x, y) = tile.upper_left();
        let epsg = tile.epsg();
        let reason = format!("{what} of asset {key}, but {tile} is EPSG:{epsg} from {x}, {y}");
        Err(("grid_mismatch", reason))
    };
    let code = match (field("proj:code"), field("proj:epsg")) {
        (Some(Value::String(code)), _) => Some(code.clone()),
        (_, Some(Value::Number(epsg))) => Some(format!("EPSG:{epsg}")),
        _ => None,
    };
    if let Some(code) = code
        && code != format!("EPSG:{}", tile.epsg())
    {
        return mismatch(format!("proj:code {code}"));
    }
    // only the asset's own: the item's would be of one of three pixel sizes
    let Some(Value::Array(stated)) = asset.additional_fields.get("proj:transform") else {
        return Ok(());
    };
    let numbers: Vec<f64> = stated.iter().filter_map(Value::as_f64).collect();
    let (x, y) = tile.upper_left();
    let step = f64::from(asset_id.resolution.metres());
    match numbers.as_slice() {
        &[width, row, x0, column, height, y0, ..]
            if (row, column, x0, y0) == (0.0, 0.0, f64::from(x), f64::from(y)) =>
        {
            // older items of CDSE give B07_60m the pixel size of 20 m; the file's place is right
            let right = (width, height) == (step, -step);
            if !right && !confirmed {
                return mismatch(format!("pixel size {width}"));
            }
            if !right {
                tracing::debug!(asset = key, width, step, "pixel size of a stac item is not used");
            }
            Ok(())
        }
        _ => mismatch(format!("proj:transform {}", Value::from(stated.clone()))),
    }
}

/// The offset in an item is known to be wrong at times, so it is only compared.
fn check_offset(asset_id: AssetId, asset: &Asset, id: &ProductId) {
    let number = |key: &str| asset.additional_fields.get(key).and_then(Value::as_f64);
    let (Some(scale), Some(offset)) = (number("raster:scale"), number("raster:offset")) else {
        return;
    };
    let Some(expected) = id.baseline().radiometric_offset() else { return };
    if asset_id.is_reflectance() && (offset / scale - f64::from(expected)).abs() > 0.5 {
        tracing::warn!(
            product = %id, band = %asset_id, scale, offset, expected,
            "the stac item has another radiometric offset than the baseline; the item's is not used"
        );
    }
}

/// First baseline whose products were seen to hold the cloud and snow probabilities under these
/// names.
const PROBABILITIES_SINCE: Baseline = Baseline { major: 2, minor: 14 };

/// Masks are in no item (the probabilities in newer ones only): their keys follow from the layout
/// beside a sibling.
fn derive_masks(
    assets: &mut BTreeMap<AssetId, AssetRef>,
    prefix: &str,
    granule: &str,
    id: &ProductId,
) {
    let masks = AssetId::all(id.level()).into_iter().filter(|asset| {
        let since = match asset.band {
            Band::Cld | Band::Snw => Some(PROBABILITIES_SINCE),
            Band::Detfoo(_) | Band::Qualit(_) | Band::Classi => asset.since(),
            _ => return false,
        };
        since.is_none_or(|since| id.baseline() >= since)
    });
    for mask in masks {
        let href = || safe::asset_key(prefix, granule, id, mask);
        assets.entry(mask).or_insert_with(|| AssetRef {
            href: href(),
            size: None,
            etag: None,
            checksum: None,
        });
    }
}
