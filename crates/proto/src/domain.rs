//! Requests between wire and domain.

use std::str::FromStr;

use cubeflight_sentinel2 as sentinel2;
use sentinel2::{
    Align, AssetId, DEFAULT_MESSAGE_BYTES, Filter, GroupBy, Level, MgrsTile, OnError, ProductId,
    Radiometry, RequestBounds, SclMask, TimeRange, reduce_level,
};

use crate::delivery;
use crate::v1;
use crate::{Error, Result};

/// Bands that one request may name; there are 77 assets in a product.
const MAX_BANDS: usize = 128;
/// Product ids that one request may name; the archive has fewer than 1,500 products of a tile.
const MAX_PRODUCTS: usize = 3_000;
/// Conditions that one request may have.
const MAX_FILTERS: usize = 32;
/// Windows that one request may have.
const MAX_WINDOWS: usize = 1_024;
/// Largest message that a request may ask for; a client must be set to receive it.
const MAX_MESSAGE_BYTES: u32 = 1024 * 1024 * 1024;

impl TryFrom<&v1::CubeRequest> for sentinel2::CubeRequest {
    type Error = Error;

    fn try_from(wire: &v1::CubeRequest) -> Result<Self> {
        let level = match wire.collection.as_str() {
            "" => Level::L2A,
            collection => Level::from_str(collection)?,
        };
        if wire.tile.is_empty() {
            return Err(Error::MissingField {
                field: "tile",
                hint: "name an MGRS tile such as 33TVN",
            });
        }
        if wire.bounds.is_some() && !wire.windows.is_empty() {
            return Err(Error::Conflict { field: "bounds", other: "windows" });
        }
        Ok(Self {
            level,
            tile: MgrsTile::from_str(&wire.tile)?,
            time: match wire.datetime.as_str() {
                "" => TimeRange::new(None, None)?,
                interval => TimeRange::from_str(interval)?,
            },
            assets: cube_assets(&wire.bands, level)?,
            bounds: wire
                .bounds
                .as_ref()
                .map(|bounds| request_bounds(bounds, &wire.crs))
                .transpose()?,
            windows: windows(&wire.windows, &wire.crs)?,
            align: word(&wire.align)?.unwrap_or(Align::Centre),
            reduce: reduce_level(wire.reduce)?,
            cloud_cover_max: wire.cloud_cover_max.map(cloud_cover).transpose()?,
            product_ids: product_ids(&wire.product_ids)?,
            radiometry: word(&wire.radiometry)?.unwrap_or(Radiometry::Raw),
            filters: filters(&wire.filters)?,
            group_by: word(&wire.group_by)?.unwrap_or(GroupBy::Datatake),
            mask: wire.mask.as_ref().map(|mask| scl_mask(mask, level)).transpose()?,
            min_valid: wire.min_valid.map(min_valid).transpose()?,
            on_error: on_error(&wire.on_error)?,
            max_message_bytes: message_bytes(wire.max_message_bytes)?,
            delivery: delivery::delivery(wire)?,
        })
    }
}

impl From<&sentinel2::CubeRequest> for v1::CubeRequest {
    /// The normalised form: every default written out, every name in its canonical spelling.
    fn from(request: &sentinel2::CubeRequest) -> Self {
        let rectangle = |bounds: &RequestBounds| {
            let [min_x, min_y, max_x, max_y] = bounds.rectangle;
            v1::Bounds { min_x, min_y, max_x, max_y }
        };
        let first = request.bounds.as_ref().or(request.windows.first());
        let crs = first.and_then(|bounds| bounds.crs.clone());
        let mut wire = Self {
            collection: request.level.collection().to_owned(),
            tile: request.tile.to_string(),
            datetime: request.time.to_string(),
            bands: request.assets.iter().map(ToString::to_string).collect(),
            bounds: request.bounds.as_ref().map(rectangle),
            windows: request.windows.iter().map(rectangle).collect(),
            crs: crs.unwrap_or_default(),
            align: request.align.to_string(),
            reduce: u32::from(request.reduce),
            cloud_cover_max: request.cloud_cover_max,
            product_ids: request.product_ids.iter().map(ToString::to_string).collect(),
            radiometry: request.radiometry.to_string(),
            on_error: match request.on_error {
                OnError::Mark => "mark",
                OnError::Fail => "fail",
            }
            .to_owned(),
            max_message_bytes: request.max_message_bytes,
            mask: request.mask.as_ref().map(|mask| v1::SclMask {
                scl: mask.classes().map(u32::from).collect(),
                dilate: mask.dilation(),
            }),
            min_valid: request.min_valid,
            group_by: request.group_by.to_string(),
            filters: request.filters.iter().map(wire_filter).collect(),
            ..Self::default()
        };
        delivery::write(&request.delivery, &mut wire);
        wire
    }
}

fn wire_filter(filter: &Filter) -> v1::Filter {
    v1::Filter {
        property: filter.property().name().to_owned(),
        op: filter.comparison().to_string(),
        values: filter.values(),
    }
}

fn filters(wire: &[v1::Filter]) -> Result<Vec<Filter>> {
    if wire.len() > MAX_FILTERS {
        return Err(Error::OutOfRange {
            field: "filters",
            value: format!("a list of {}", wire.len()),
            expected: "at most 32 conditions",
        });
    }
    let filter = |f: &v1::Filter| Ok(Filter::new(&f.property, &f.op, &f.values)?);
    wire.iter().map(filter).collect()
}

/// Parses product ids, at most 3,000.
///
/// # Errors
/// Too many, or one that is no product id.
pub fn product_ids(ids: &[String]) -> Result<Vec<ProductId>> {
    if ids.len() > MAX_PRODUCTS {
        return Err(Error::OutOfRange {
            field: "productIds",
            value: format!("a list of {}", ids.len()),
            expected: "at most 3000 ids",
        });
    }
    Ok(ids.iter().map(|id| ProductId::from_str(id)).collect::<Result<_, _>>()?)
}

fn cube_assets(bands: &[String], level: Level) -> Result<Vec<AssetId>> {
    if bands.is_empty() {
        return Err(Error::MissingField {
            field: "bands",
            hint: "name at least one, such as B08, B02_60m or SCL",
        });
    }
    assets(bands, level)
}

/// Parses names of bands, at most 128.
///
/// # Errors
/// Too many, one that the level does not have, and one that is there twice.
pub fn assets(bands: &[String], level: Level) -> Result<Vec<AssetId>> {
    if bands.len() > MAX_BANDS {
        return Err(Error::OutOfRange {
            field: "bands",
            value: format!("a list of {}", bands.len()),
            expected: "at most 128 names",
        });
    }
    let mut assets = Vec::with_capacity(bands.len());
    for band in bands {
        let asset = AssetId::parse(band, level)?;
        if assets.contains(&asset) {
            return Err(Error::OutOfRange {
                field: "bands",
                value: format!("{band:?}, which is {asset} a second time"),
                expected: "each asset once",
            });
        }
        assets.push(asset);
    }
    Ok(assets)
}

fn request_bounds(bounds: &v1::Bounds, crs: &str) -> Result<RequestBounds> {
    let v1::Bounds { min_x, min_y, max_x, max_y } = *bounds;
    let rectangle = [min_x, min_y, max_x, max_y];
    if crs.is_empty() {
        sentinel2::Bounds::new(min_x, min_y, max_x, max_y)?;
        return Ok(RequestBounds { rectangle, crs: None });
    }
    Ok(RequestBounds { rectangle, crs: Some(crs.to_owned()) })
}

fn windows(wire: &[v1::Bounds], crs: &str) -> Result<Vec<RequestBounds>> {
    if wire.len() > MAX_WINDOWS {
        return Err(Error::OutOfRange {
            field: "windows",
            value: format!("a list of {}", wire.len()),
            expected: "at most 1024 windows",
        });
    }
    let window = |(position, window): (usize, &v1::Bounds)| {
        let v1::Bounds { min_x, min_y, max_x, max_y } = *window;
        // In degrees a window may reach over the antimeridian, which the transformation knows.
        if crs.is_empty() {
            sentinel2::Bounds::with_points(min_x, min_y, max_x, max_y)
                .map_err(|error| sentinel2::Error::InWindow { position, error: Box::new(error) })?;
        }
        let crs = (!crs.is_empty()).then(|| crs.to_owned());
        Ok(RequestBounds { rectangle: [min_x, min_y, max_x, max_y], crs })
    };
    wire.iter().enumerate().map(window).collect()
}

/// A word of the domain; an empty one is the default.
fn word<T: FromStr<Err = sentinel2::Error>>(value: &str) -> Result<Option<T>> {
    if value.is_empty() {
        return Ok(None);
    }
    Ok(Some(value.parse()?))
}

fn on_error(value: &str) -> Result<OnError> {
    match value {
        "" | "mark" => Ok(OnError::Mark),
        "fail" => Ok(OnError::Fail),
        _ => Err(Error::UnknownWord {
            field: "onError",
            value: value.to_owned(),
            known: "mark, fail",
        }),
    }
}

fn cloud_cover(percent: f64) -> Result<f64> {
    if (0.0..=100.0).contains(&percent) {
        return Ok(percent);
    }
    Err(Error::OutOfRange {
        field: "cloudCoverMax",
        value: percent.to_string(),
        expected: "between 0 and 100",
    })
}

fn scl_mask(mask: &v1::SclMask, level: Level) -> Result<SclMask> {
    if level == Level::L1C {
        let reason = "products of level L1C have no scene classification".to_owned();
        return Err(sentinel2::Error::Mask { reason }.into());
    }
    Ok(SclMask::new(&mask.scl, mask.dilate)?)
}

fn min_valid(share: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(Error::OutOfRange {
        field: "minValid",
        value: share.to_string(),
        expected: "between 0 and 1",
    })
}

fn message_bytes(bytes: u32) -> Result<u32> {
    match bytes {
        0 => Ok(DEFAULT_MESSAGE_BYTES),
        1..=MAX_MESSAGE_BYTES => Ok(bytes),
        _ => Err(Error::OutOfRange {
            field: "maxMessageBytes",
            value: bytes.to_string(),
            expected: "at most 1 GiB",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> v1::CubeRequest {
        v1::CubeRequest {
            tile: "33tvn".to_uppercase(),
            bands: vec!["B08".to_owned(), "SCL".to_owned()],
            datetime: "2021-01-01/2022-01-01".to_owned(),
            mask: Some(v1::SclMask { scl: vec![9, 3, 3], dilate: 60.0 }),
            min_valid: Some(0.25),
            reduce: 3,
            filters: vec![v1::Filter {
                property: "platform".to_owned(),
                op: "in".to_owned(),
                values: vec!["sentinel-2a".to_owned(), "sentinel-2b".to_owned()],
            }],
            ..v1::CubeRequest::default()
        }
    }

    #[test]
    fn normalising_is_idempotent() {
        let request = sentinel2::CubeRequest::try_from(&wire()).unwrap();
        let normal = v1::CubeRequest::from(&request);
        let again = sentinel2::CubeRequest::try_from(&normal).unwrap();
        assert_eq!(request, again);
        assert_eq!(normal, v1::CubeRequest::from(&again));
        assert_eq!(normal.bands, ["B08_10m", "SCL_20m"]);
        assert_eq!(normal.collection, "sentinel-2-l2a");
        assert_eq!((request.reduce, normal.reduce), (3, 3));
    }

    #[test]
    fn full_resolution_is_the_default_and_not_written() {
        let request = v1::CubeRequest { reduce: 0, ..wire() };
        let json = crate::encode_request_json(&request).unwrap();
        assert!(!json.contains("reduce"), "{json}");
        assert_eq!(sentinel2::CubeRequest::try_from(&request).unwrap().reduce, 0);
    }

    fn bounds(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> v1::Bounds {
        v1::Bounds { min_x, min_y, max_x, max_y }
    }

    #[test]
    fn windows_and_points() {
        let listed = vec![bounds(4e5, 52e5, 401e3, 5201e3), bounds(45e4, 52e5, 45e4, 52e5)];
        for crs in ["", "EPSG:32633"] {
            let wire = v1::CubeRequest { windows: listed.clone(), crs: crs.to_owned(), ..wire() };
            let request = sentinel2::CubeRequest::try_from(&wire).unwrap();
            assert_eq!(request.windows.len(), 2);
            let normal = v1::CubeRequest::from(&request);
            assert_eq!((normal.windows.as_slice(), normal.crs.as_str()), (&listed[..], crs));
            assert_eq!(sentinel2::CubeRequest::try_from(&normal).unwrap(), request);
        }
        let refusal = |windows: Vec<v1::Bounds>, bounds| {
            let wire = v1::CubeRequest { windows, bounds, ..wire() };
            sentinel2::CubeRequest::try_from(&wire).unwrap_err()
        };
        let wrong = refusal(vec![listed[0], bounds(1.0, 0.0, 0.0, 1.0)], None);
        assert_eq!(wrong.code(), "CF-S2-022");
        assert!(wrong.to_string().starts_with("windows[1]: 1,0,0,1 is no window"), "{wrong}");
        assert_eq!(refusal(vec![listed[0]; 1025], None).code(), "CF-REQ-006");
        assert_eq!(refusal(listed.clone(), Some(listed[0])).code(), "CF-REQ-007");
    }

    #[test]
    fn no_datetime_is_all_time() {
        let request = v1::CubeRequest { datetime: String::new(), ..wire() };
        let request = sentinel2::CubeRequest::try_from(&request).unwrap();
        let normal = v1::CubeRequest::from(&request);
        assert_eq!(sentinel2::CubeRequest::try_from(&normal).unwrap(), request);
    }

    #[test]
    fn each_bad_field_has_its_code() {
        let bad = |change: fn(&mut v1::CubeRequest)| {
            let mut request = wire();
            change(&mut request);
            sentinel2::CubeRequest::try_from(&request).unwrap_err().code()
        };
        assert_eq!(bad(|r| r.tile.clear()), "CF-REQ-005");
        assert_eq!(bad(|r| r.bands.clear()), "CF-REQ-005");
        assert_eq!(bad(|r| r.bands.push("B08_10m".to_owned())), "CF-REQ-006");
        assert_eq!(bad(|r| r.on_error = "skip".to_owned()), "CF-REQ-004");
        assert_eq!(bad(|r| r.cloud_cover_max = Some(f64::NAN)), "CF-REQ-006");
        assert_eq!(bad(|r| r.max_message_bytes = u32::MAX), "CF-REQ-006");
        assert_eq!(bad(|r| r.min_valid = Some(1.1)), "CF-REQ-006");
        assert_eq!(bad(|r| r.filters = vec![v1::Filter::default(); 33]), "CF-REQ-006");
        for change in [
            (|r| r.tile = "99XYZ".to_owned()) as fn(&mut v1::CubeRequest),
            |r| r.bands = vec!["B99".to_owned()],
            |r| r.datetime = "yesterday".to_owned(),
            |r| r.bounds = Some(v1::Bounds { min_x: 1.0, min_y: 0.0, max_x: 0.0, max_y: 1.0 }),
            |r| r.product_ids = vec!["S2".to_owned()],
            |r| r.collection = "landsat".to_owned(),
            |r| r.align = "30m".to_owned(),
            |r| r.radiometry = "dn".to_owned(),
            |r| r.group_by = "week".to_owned(),
            |r| r.reduce = 5,
            |r| r.reduce = 256,
            |r| r.mask = Some(v1::SclMask { scl: vec![12], dilate: 0.0 }),
            |r| r.filters = vec![v1::Filter::default()],
        ] {
            assert!(bad(change).starts_with("CF-S2-"));
        }
    }
}
