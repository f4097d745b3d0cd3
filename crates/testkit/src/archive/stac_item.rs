//! STAC items as CDSE writes them, and the collection that they belong to.

use cubeflight_sentinel2::{AssetId, Band, Cells, Level, Mission, SpectralBand, safe};
use serde_json::{Map, Value, json};

use super::facts::Facts;
use super::product::PlannedProduct;
use super::safe_xml::product_type;
use super::write::FileFacts;

const API: &str = "https://stac.dataspace.copernicus.eu/v1";
const EXTENSIONS: &str = "https://stac-extensions.github.io";

/// Which conventions an item follows. CDSE makes items when products come in and seldom again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Up to 2024: no cloud and snow probability, scale and offset of reflectance on AOT and WVP
    /// too, `B07_60m` with the pixel distance of 20 m.
    Old,
    /// Since.
    New,
}

/// Names of the extensions with the version in each style.
const SCHEMAS: [(&str, &str, &str); 14] = [
    ("alternate-assets", "v1.2.0", "v1.2.0"),
    ("authentication", "v1.1.0", "v1.1.0"),
    ("classification", "v2.0.0", "v2.0.0"),
    ("eo", "v2.0.0", "v2.0.0"),
    ("file", "v2.1.0", "v2.1.0"),
    ("grid", "v1.1.0", "v1.1.0"),
    ("processing", "v1.2.0", "v1.2.0"),
    ("product", "v0.1.0", "v1.0.0"),
    ("projection", "v2.0.0", "v2.0.0"),
    ("raster", "v2.0.0", "v2.0.0"),
    ("sat", "v1.0.0", "v1.1.0"),
    ("storage", "v2.0.0", "v2.0.0"),
    ("timestamps", "v1.1.0", "v1.1.0"),
    ("view", "v1.0.0", "v1.1.0"),
];

/// Names of the classes in items, and in their statistics where they are there.
const CLASSES: [(&str, &str); 12] = [
    ("no_data", "nodata"),
    ("saturated_or_defective", "saturated_defective"),
    ("dark_area_pixels", "dark_area"),
    ("cloud_shadows", "cloud_shadow"),
    ("vegetation", "vegetation"),
    ("not_vegetated", "not_vegetated"),
    ("water", "water"),
    ("unclassified", "unclassified"),
    ("cloud_medium_probability", "medium_proba_clouds"),
    ("cloud_high_probability", "high_proba_clouds"),
    ("thin_cirrus", "thin_cirrus"),
    ("snow", ""),
];

/// The collection of the items.
pub(super) fn collection(level: Level) -> Vec<u8> {
    let name = level.to_string().replacen('L', "Level-", 1);
    pretty(&json!({
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": level.collection(),
        "title": format!("Sentinel-2 {name} (synthetic)"),
        "description": format!("Made-up products in the form of Sentinel-2 {name}."),
        "license": "other",
        "extent": {
            "spatial": { "bbox": [[-180.0, -90.0, 180.0, 90.0]] },
            "temporal": { "interval": [["2015-06-27T00:00:00Z", null]] },
        },
        "links": [],
    }))
}

/// The item of a product. Paths of `files` are relative to the product's folder.
pub(super) fn item(
    product: &PlannedProduct,
    facts: &Facts,
    files: &[FileFacts],
    footprint: &[[f64; 2]],
) -> Vec<u8> {
    let new_since = chrono::DateTime::from_timestamp(1_735_689_600, 0).unwrap_or_default();
    let style = if product.datatake.start < new_since { Style::Old } else { Style::New };
    let id = product.id.to_string();
    let collection = product.id.level().collection();
    let link =
        |rel: &str, media: &str, href: String| json!({"rel": rel, "type": media, "href": href});
    let of_collection = format!("{API}/collections/{collection}");
    let mut links = vec![
        link("collection", "application/json", of_collection.clone()),
        link("parent", "application/json", of_collection.clone()),
        link("root", "application/json", format!("{API}/")),
        link("self", "application/geo+json", format!("{of_collection}/items/{id}")),
    ];
    if style == Style::New {
        let folder = format!("s3://eodata/{}/", product.prefix());
        links.push(link("enclosure", "application/x-directory", folder));
    }
    let bound = |get: fn(&[f64; 2]) -> f64, pick: fn(f64, f64) -> f64, start: f64| {
        footprint.iter().map(get).fold(start, pick)
    };
    let bbox = [
        bound(|p| p[0], f64::min, f64::INFINITY),
        bound(|p| p[1], f64::min, f64::INFINITY),
        bound(|p| p[0], f64::max, f64::NEG_INFINITY),
        bound(|p| p[1], f64::max, f64::NEG_INFINITY),
    ];
    let mut extensions: Vec<String> = SCHEMAS
        .iter()
        .map(|(name, old, new)| {
            let version = if style == Style::Old { old } else { new };
            format!("{EXTENSIONS}/{name}/{version}/schema.json")
        })
        .collect();
    extensions.push("https://cs-si.github.io/eopf-stac-extension/v1.2.0/schema.json".to_owned());
    pretty(&json!({
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": extensions,
        "id": id,
        "collection": collection,
        "bbox": bbox,
        "geometry": { "type": "Polygon", "coordinates": [footprint] },
        "properties": properties(product, facts, files),
        "links": links,
        "assets": assets(product, facts, files, style),
    }))
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = format!("{value:#}").into_bytes();
    text.push(b'\n');
    text
}

fn properties(product: &PlannedProduct, facts: &Facts, files: &[FileFacts]) -> Value {
    let start = product.start_text();
    let made = product.processed.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let statistics: Map<String, Value> = CLASSES
        .iter()
        .zip(facts.percent)
        .filter(|((_, name), _)| !name.is_empty())
        .map(|((_, name), percent)| ((*name).to_owned(), Value::from(percent)))
        .collect();
    let (azimuth, incidence) = facts.mean_view();
    let designator = match product.datatake.mission {
        Mission::S2A => "2015-028A",
        Mission::S2B => "2017-013A",
        _ => "2024-157A",
    };
    let [.., snow] = facts.percent;
    let level = product.id.level();
    let mut properties = json!({
        "gsd": 10,
        "datetime": start,
        "start_datetime": start,
        "end_datetime": start,
        "created": made,
        "updated": made,
        "published": made,
        "platform": product.datatake.mission.platform(),
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "grid:code": format!("MGRS-{}", product.id.tile()),
        "eo:cloud_cover": (facts.cloud_cover * 100.0).round() / 100.0,
        "eo:snow_cover": snow,
        "statistics": statistics,
        "product:type": product_type(product),
        "product:timeliness": "PT24H",
        "product:timeliness_category": "NRT",
        "processing:level": if level == Level::L2A { "L2" } else { "L1" },
        "processing:version": product.baseline.to_string(),
        "processing:datetime": made,
        "processing:facility": "ESA",
        "eopf:datatake_id": product.datatake_id(),
        "eopf:datastrip_id": product.datastrip_id(),
        "eopf:instrument_mode": "INS-NOBS",
        "eopf:origin_datetime": made,
        "sat:absolute_orbit": product.datatake.absolute_orbit,
        "sat:relative_orbit": product.datatake.relative_orbit,
        "sat:orbit_state": "descending",
        "sat:platform_international_designator": designator,
        "view:azimuth": azimuth,
        "view:incidence_angle": incidence,
        "view:sun_azimuth": facts.sun_azimuth,
        "view:sun_elevation": facts.sun_elevation,
        "auth:schemes": { "s3": { "type": "s3" } },
        "storage:schemes": { "cdse-s3": {
            "title": "Copernicus Data Space Ecosystem S3",
            "platform": "https://eodata.dataspace.copernicus.eu",
            "requester_pays": false,
        } },
        "_private": { "product_size": files.iter().map(|file| file.bytes).sum::<u64>() },
    });
    // what needs the scene classification is not known of level 1C
    if level == Level::L1C
        && let Some(properties) = properties.as_object_mut()
    {
        properties.remove("statistics");
        properties.remove("eo:snow_cover");
    }
    properties
}

fn assets(product: &PlannedProduct, facts: &Facts, files: &[FileFacts], style: Style) -> Value {
    let prefix = product.prefix();
    let mut assets = Map::new();
    for file in files {
        let key = format!("{prefix}/{}", file.path);
        let common = json!({
            "href": format!("s3://eodata/{key}"),
            "file:size": file.bytes,
            "file:checksum": file.checksum.multihash(),
            "file:local_path": format!("{}.SAFE/{}", product.id, file.path),
            "alternate": { "https": alternate(product, file, style) },
            "alternate:name": "S3",
            "auth:refs": ["s3"],
            "storage:refs": ["cdse-s3"],
        });
        let Value::Object(mut asset) = common else { continue };
        let name = match safe::parse_key(&key) {
            Some(found) if listed(found.asset, style) => {
                image(&mut asset, found.asset, product, facts, style);
                match product.id.level() {
                    Level::L2A => found.asset.to_string(),
                    Level::L1C => found.asset.band.to_string(),
                }
            }
            Some(_) => continue,
            None => {
                let title = file.path.rsplit('/').next().unwrap_or(&file.path);
                asset.insert("type".into(), "application/xml".into());
                asset.insert("title".into(), title.into());
                asset.insert("roles".into(), json!(["metadata"]));
                match title {
                    "manifest.safe" => "safe_manifest".to_owned(),
                    "MTD_TL.xml" => "granule_metadata".to_owned(),
                    _ => "product_metadata".to_owned(),
                }
            }
        };
        assets.insert(name, Value::Object(asset));
    }
    let host = host(style);
    let archive = json!({
        "href": format!("https://{host}/odata/v1/Products({})/$value", uuid(product)),
        "type": "application/zip",
        "title": "Zipped product",
        "roles": ["data", "metadata", "archive"],
        "auth:refs": ["oidc"],
        "file:size": files.iter().map(|file| file.bytes).sum::<u64>(),
        "file:local_path": format!("{}.SAFE.zip", product.id),
    });
    assets.insert("Product".to_owned(), archive);
    Value::Object(assets)
}

/// Masks are in no item, the probabilities in newer ones.
fn listed(asset: AssetId, style: Style) -> bool {
    match asset.band {
        Band::Detfoo(_) | Band::Qualit(_) | Band::Classi => false,
        Band::Cld | Band::Snw => style == Style::New,
        _ => true,
    }
}

fn host(style: Style) -> &'static str {
    match style {
        Style::Old => "zipper.dataspace.copernicus.eu",
        Style::New => "download.dataspace.copernicus.eu",
    }
}

/// Where the same file would be by HTTPS; nothing answers there.
fn alternate(product: &PlannedProduct, file: &FileFacts, style: Style) -> Value {
    let nodes: Vec<String> = file.path.split('/').map(|part| format!("Nodes({part})")).collect();
    let href = format!(
        "https://{}/odata/v1/Products({})/Nodes({}.SAFE)/{}/$value",
        host(style),
        uuid(product),
        product.id,
        nodes.join("/")
    );
    json!({ "href": href, "auth:refs": ["oidc"], "storage:refs": [], "alternate:name": "HTTPS" })
}

/// An id of the product in the form of a UUID, from its name.
fn uuid(product: &PlannedProduct) -> String {
    let name = product.id.to_string();
    let hash =
        |seed: u64| name.bytes().fold(seed, |hash, byte| super::noise::mix(hash ^ u64::from(byte)));
    let hex = format!("{:016x}{:016x}", hash(1), hash(2));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// What items say of an image.
fn image(
    asset: &mut Map<String, Value>,
    id: AssetId,
    product: &PlannedProduct,
    facts: &Facts,
    style: Style,
) {
    let metres = id.resolution.metres();
    let (ulx, uly) = product.id.tile().upper_left();
    let (x, y) = (f64::from(ulx), f64::from(uly));
    let (step, pixels) = (f64::from(metres), id.resolution.pixels());
    let stated_step = if style == Style::Old && id.to_string() == "B07_60m" { 20 } else { metres };
    let depth = if id.coding().bit_depth > 8 { "uint16" } else { "uint8" };
    let mut put = |name: &str, value: Value| asset.insert(name.to_owned(), value);
    put("type", "image/jp2".into());
    put("title", format!("{id}").into());
    put("gsd", stated_step.into());
    put("data_type", depth.into());
    put("proj:code", format!("EPSG:{}", product.id.tile().epsg()).into());
    put("proj:bbox", json!([x, y - 109_800.0, x + 109_800.0, y]));
    put("proj:shape", json!([pixels, pixels]));
    put("proj:transform", json!([step, 0.0, x, 0.0, -step, y]));
    let sampling = match id.resolution.cmp(&id.band.native_resolution()) {
        std::cmp::Ordering::Less => "sampling:upsampled",
        std::cmp::Ordering::Equal => "sampling:original",
        std::cmp::Ordering::Greater => "sampling:downsampled",
    };
    let distance = format!("gsd:{}", id.resolution);
    put(
        "roles",
        match id.band {
            Band::Tci => json!(["visual", sampling, distance]),
            _ if id.is_reflectance() => json!(["data", "reflectance", sampling, distance]),
            Band::Scl => json!(["data", sampling, distance]),
            _ => json!(["data", distance]),
        },
    );
    if !matches!(id.band, Band::Cld | Band::Snw) {
        put("nodata", 0.into());
    }
    if id.is_reflectance() {
        let offset = f64::from(product.offset) / 10_000.0;
        put("raster:scale", json!(0.0001));
        put("raster:offset", json!(offset));
        let view = SpectralBand::ALL
            .into_iter()
            .position(|band| Some(band) == id.band.spectral())
            .and_then(|band| facts.views.get(band));
        if let Some((zenith, azimuth)) = view {
            put("view:azimuth", (*azimuth).into());
            put("view:incidence_angle", (*zenith).into());
        }
    }
    if matches!(id.band, Band::Aot | Band::Wvp) {
        // older items state those of reflectance, which is wrong
        let (scale, offset) = if style == Style::Old { (0.0001, -0.1) } else { (0.001, 0.0) };
        put("raster:scale", json!(scale));
        put("raster:offset", json!(offset));
    }
    if id.band == Band::Scl {
        let classes: Vec<Value> = CLASSES
            .iter()
            .zip(facts.percent)
            .enumerate()
            .map(|(value, ((name, _), percent))| {
                json!({ "value": value, "name": name, "percentage": percent })
            })
            .collect();
        put("classification:classes", Value::Array(classes));
    }
    let bands = match id.cells() {
        Cells::Rgb => json!([{ "name": "B04" }, { "name": "B03" }, { "name": "B02" }]),
        _ if id.is_reflectance() || style == Style::New && id.band != Band::Scl => {
            json!([{ "name": id.band.to_string() }])
        }
        _ => return,
    };
    put("bands", bands);
}
