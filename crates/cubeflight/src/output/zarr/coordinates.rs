//! What a group says besides its pixels: time, pixel centres, the grid mapping, and what is known of
//! each time step. Names and attributes are those that the Python client gives.

use arrow_schema::{DataType as Arrow, Field};
use serde_json::{Map, Value, json};
use zarrs::array::{FillValue, data_type};

use super::{Outcome, Store, numbers, texts};
use crate::commands::pull::cube::{Column, Cube};

/// What (DN + offset) is divided by to give reflectance.
const QUANTIFICATION: f64 = 10_000.0;

/// A fill value that is not a number as xarray writes it: its eight bytes in base64.
const NAN: &str = "AAAAAAAA+H8=";

const TIME_UNITS: &str = "microseconds since 1970-01-01";

/// Beside what the stream itself says of a column that describes time steps.
const SAYS: [(&str, &str, &str); 10] = [
    ("product_ids", "long_name", "products of the time step, separated by blanks"),
    ("status", "long_name", "ok, partial, failed or skipped"),
    ("platform", "long_name", "satellite"),
    ("relative_orbit", "long_name", "relative orbit number"),
    ("processing_baseline", "long_name", "processing baseline"),
    ("sun_azimuth", "standard_name", "solar_azimuth_angle"),
    ("sun_elevation", "standard_name", "solar_elevation_angle"),
    ("view_azimuth", "standard_name", "sensor_azimuth_angle"),
    ("view_incidence", "standard_name", "sensor_zenith_angle"),
    ("sensing_time", "long_name", "sensing time of the tile (UTC)"),
];

/// The list that has a number for each reflectance column, in their order.
const OFFSETS: &str = "radiometric_offset";

/// All that the bands of a group share.
pub(super) fn write(store: &Store, group: &str, column: &Column, cube: &Cube) -> Outcome<()> {
    let [width, _, left, _, height, top] = column.transform;
    let x = centres(left, width, column.width);
    let y = centres(top, height, column.height);
    axis(store, group, "x", &x)?;
    axis(store, group, "y", &y)?;
    let path = |name: &str| format!("{group}/{name}");
    let times: Vec<Value> = cube.steps.iter().map(|step| step.time.into()).collect();
    let says = json!({ "standard_name": "time", "long_name": "datatake start (UTC)" });
    moments(store, &path("time"), &times, map(says))?;
    let zero = 0_i64.to_le_bytes();
    let kind = (data_type::int64(), FillValue::from(0_i64));
    numbers(store, &path("spatial_ref"), None, kind, &zero, grid_mapping(column))?;
    if column.planes > 1 {
        let bands: Vec<u8> = (1..=column.planes as i64).flat_map(i64::to_le_bytes).collect();
        let kind = (data_type::int64(), FillValue::from(0_i64));
        numbers(store, &path("band"), Some("band"), kind, &bands, Map::new())?;
    }
    for field in cube.described.iter().filter(|field| field.name() != OFFSETS) {
        described(store, group, field, cube)?;
    }
    Ok(())
}

/// The offsets of a reflectance band, `<band>_offset`, where the stream knows any.
pub(super) fn of_band(store: &Store, group: &str, column: &Column, cube: &Cube) -> Outcome<()> {
    let Some(offsets) = offsets(column, cube) else { return Ok(()) };
    let says = format!("offset to add to raw digital numbers of {}", column.name());
    let path = format!("{group}/{}_offset", column.name());
    number_or_nan(store, &path, &offsets, map(json!({ "long_name": says })))
}

/// Attributes of a band: what the stream says of it, and what holds for the steps of this cube.
pub(super) fn band_attributes(column: &Column, cube: &Cube) -> Map<String, Value> {
    let mut attributes = column.attributes.clone();
    settle(&mut attributes, column, cube);
    if column.element_bytes == 4 {
        attributes.insert("_FillValue".to_owned(), NAN.into());
    }
    let [width, _, left, _, height, top] = column.transform;
    let right = left + column.width as f64 * width;
    let bottom = top + column.height as f64 * height;
    attributes.insert("proj:bbox".to_owned(), json!([left, bottom, right, top]));
    attributes.insert("grid_mapping".to_owned(), "spatial_ref".into());
    let names = cube.described.iter().map(|field| field.name().as_str());
    let mut names: Vec<&str> = names.filter(|name| *name != OFFSETS).collect();
    let offset = format!("{}_offset", column.name());
    if offsets(column, cube).is_some() {
        names.push(&offset);
    }
    attributes.insert("coordinates".to_owned(), names.join(" ").into());
    attributes
}

/// Says of raw numbers what holds for every step that was read: the schema was written before any
/// product was known.
fn settle(attributes: &mut Map<String, Value>, column: &Column, cube: &Cube) {
    let radiometry = attributes.get("radiometry").and_then(Value::as_str);
    if !matches!(radiometry, Some("raw" | "raw-mixed")) {
        return;
    }
    let offsets = offsets(column, cube).unwrap_or_default();
    let steps = cube.steps.iter().map(|step| matches!(step.status.as_str(), "skipped" | "failed"));
    let read: Vec<Option<f64>> = if offsets.is_empty() {
        vec![None]
    } else {
        steps.zip(&offsets).filter(|(unread, _)| !unread).map(|(_, it)| it.as_f64()).collect()
    };
    let Some(first) = read.first().copied() else { return };
    attributes.remove("scale_factor");
    attributes.remove("add_offset");
    let Some(offset) = first.filter(|_| read.iter().all(|other| *other == first)) else {
        attributes.insert("radiometry".to_owned(), "raw-mixed".into());
        return;
    };
    attributes.insert("radiometry".to_owned(), "raw".into());
    attributes.insert("scale_factor".to_owned(), (1.0 / QUANTIFICATION).into());
    attributes.insert("add_offset".to_owned(), (offset / QUANTIFICATION).into());
}

/// The offset of each step, null where it is not known; None where none is.
fn offsets(column: &Column, cube: &Cube) -> Option<Vec<Value>> {
    let mut reflectance = cube.columns.iter().filter(|it| it.attributes.contains_key("radiometry"));
    let place = reflectance.position(|it| it.path == column.path)?;
    let lists = cube.steps.iter().map(|step| step.properties.get(OFFSETS));
    let found = lists.map(|list| list.and_then(|it| it.get(place)).cloned().unwrap_or_default());
    let found: Vec<Value> = found.collect();
    found.iter().any(|offset| !offset.is_null()).then_some(found)
}

/// A column that describes time steps.
fn described(store: &Store, group: &str, field: &Field, cube: &Cube) -> Outcome<()> {
    let name = field.name();
    let values: Vec<Value> = match name.as_str() {
        // those of all row-blocks together
        "status" => cube.steps.iter().map(|step| step.status.as_str().into()).collect(),
        _ => {
            let values = cube.steps.iter().map(|step| step.properties.get(name));
            values.map(|value| value.cloned().unwrap_or_default()).collect()
        }
    };
    let mut says: Map<String, Value> =
        field.metadata().iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect();
    if let Some((_, key, text)) = SAYS.iter().find(|(of, ..)| of == name) {
        says.entry(*key).or_insert((*text).into());
    }
    let path = format!("{group}/{name}");
    match field.data_type() {
        Arrow::Timestamp(..) => moments(store, &path, &values, says),
        Arrow::Float64 => floats(store, &path, &values, says),
        Arrow::UInt16 => number_or_nan(store, &path, &values, says),
        _ => {
            let words = values.iter().map(|value| value.as_str().unwrap_or_default().to_owned());
            texts(store, &path, words.collect(), says)
        }
    }
}

/// Whole numbers, or floats where one of them is not known.
fn number_or_nan(
    store: &Store,
    path: &str,
    values: &[Value],
    says: Map<String, Value>,
) -> Outcome<()> {
    let Some(whole) = values.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>() else {
        return floats(store, path, values, says);
    };
    let bytes: Vec<u8> = whole.into_iter().flat_map(i64::to_le_bytes).collect();
    let kind = (data_type::int64(), FillValue::from(0_i64));
    numbers(store, path, Some("time"), kind, &bytes, says)
}

fn floats(store: &Store, path: &str, values: &[Value], says: Map<String, Value>) -> Outcome<()> {
    let bytes: Vec<u8> =
        values.iter().flat_map(|it| it.as_f64().unwrap_or(f64::NAN).to_le_bytes()).collect();
    let kind = (data_type::float64(), FillValue::from(f64::NAN));
    numbers(store, path, Some("time"), kind, &bytes, says)
}

/// Times; one that is not known is NumPy's NaT.
fn moments(
    store: &Store,
    path: &str,
    values: &[Value],
    mut says: Map<String, Value>,
) -> Outcome<()> {
    says.insert("units".to_owned(), TIME_UNITS.into());
    says.insert("calendar".to_owned(), "proleptic_gregorian".into());
    let bytes: Vec<u8> =
        values.iter().flat_map(|it| it.as_i64().unwrap_or(i64::MIN).to_le_bytes()).collect();
    let kind = (data_type::int64(), FillValue::from(i64::MIN));
    numbers(store, path, Some("time"), kind, &bytes, says)
}

/// Pixel centres along an axis.
fn centres(first: f64, step: f64, count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (first + (i as f64 + 0.5) * step).to_le_bytes()).collect()
}

fn axis(store: &Store, group: &str, name: &str, centres: &[u8]) -> Outcome<()> {
    let says = json!({
        "standard_name": format!("projection_{name}_coordinate"),
        "long_name": format!("{name} of the pixel centre"),
        "units": "m",
        "axis": name.to_uppercase(),
    });
    let kind = (data_type::float64(), FillValue::from(f64::NAN));
    numbers(store, &format!("{group}/{name}"), Some(name), kind, centres, map(says))
}

/// CF grid mapping of a UTM zone on WGS 84 (EPSG:326zz and EPSG:327zz).
fn grid_mapping(column: &Column) -> Map<String, Value> {
    let epsg = column.attributes.get("proj:epsg").and_then(Value::as_u64).unwrap_or_default();
    let [width, shear_x, left, shear_y, height, top] = column.transform;
    let zone = epsg % 100;
    let (hemisphere, northing) = if epsg / 100 == 327 { ('S', 10_000_000.0) } else { ('N', 0.0) };
    map(json!({
        "spatial_ref": format!("EPSG:{epsg}"),
        "epsg_code": format!("EPSG:{epsg}"),
        "projected_crs_name": format!("WGS 84 / UTM zone {zone}{hemisphere}"),
        "geographic_crs_name": "WGS 84",
        "horizontal_datum_name": "World Geodetic System 1984",
        "reference_ellipsoid_name": "WGS 84",
        "semi_major_axis": 6_378_137.0,
        "inverse_flattening": 298.257_223_563,
        "prime_meridian_name": "Greenwich",
        "longitude_of_prime_meridian": 0.0,
        "grid_mapping_name": "transverse_mercator",
        "latitude_of_projection_origin": 0.0,
        "longitude_of_central_meridian": 6.0 * zone as f64 - 183.0,
        "scale_factor_at_central_meridian": 0.9996,
        "false_easting": 500_000.0,
        "false_northing": northing,
        "GeoTransform": format!("{left} {width} {shear_x} {top} {shear_y} {height}"),
    }))
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
