//! The schema: a pure function of the normalised request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use chrono::Datelike;
use cubeflight_plan::{Column, ElementType, Layout};
use cubeflight_sentinel2::{Radiometry, TimeRange};
use serde_json::{Value, json};

use crate::{Error, Result};

/// Version of the schema.
pub const SCHEMA_VERSION: &str = "1";

/// What (DN + offset) is divided by to give reflectance, in every baseline there is.
const QUANTIFICATION: f64 = 10_000.0;

/// The schema of a cube.
///
/// `request` is the normalised request as JSON; it travels in the schema metadata, so that a saved
/// stream says what it is. `raw_offset` is what raw reflectance of every product that the request can
/// give needs added ([`CubeRequest::raw_offset`](cubeflight_sentinel2::CubeRequest::raw_offset)).
///
/// # Errors
/// A row-block that Arrow cannot describe.
pub fn cube_schema(
    layout: &Layout,
    time: &TimeRange,
    request: &str,
    raw_offset: Option<i16>,
) -> Result<Schema> {
    let mut fields = step_fields();
    for column in &layout.columns {
        fields.push(tensor_field(layout, column, raw_offset)?);
    }
    Ok(Schema::new_with_metadata(fields, schema_metadata(layout, time, request)))
}

pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

pub(crate) fn error_fields() -> Fields {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Fields::from(vec![text("column"), text("product_id"), text("code"), text("message")])
}

pub(crate) fn list_item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, false))
}

/// The columns before the bands: whose row it is and what is known of its time step.
fn step_fields() -> Vec<Field> {
    let number = |name: &str, units: &str, long_name: &str| {
        let metadata = [("units", units), ("long_name", long_name)];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Field::new(name, DataType::Float64, true).with_metadata(HashMap::from(metadata))
    };
    vec![
        Field::new("time", timestamp(), false),
        Field::new("product_ids", DataType::List(list_item(DataType::Utf8)), false),
        Field::new("status", DataType::Utf8, false),
        Field::new("errors", DataType::List(list_item(DataType::Struct(error_fields()))), false),
        Field::new("block", DataType::UInt16, false),
        Field::new("platform", DataType::Utf8, true),
        Field::new("relative_orbit", DataType::UInt16, true),
        Field::new("processing_baseline", DataType::Utf8, true),
        Field::new("radiometric_offset", DataType::List(list_item(DataType::Int16)), true),
        number("cloud_cover", "percent", "cloud cover of the product"),
        number("snow_cover", "percent", "snow cover of the product"),
        number("sun_azimuth", "degree", "mean sun azimuth, clockwise from north"),
        number("sun_elevation", "degree", "mean sun elevation above the horizon"),
        number("view_azimuth", "degree", "mean viewing azimuth, clockwise from north"),
        number("view_incidence", "degree", "mean viewing incidence angle from nadir"),
        Field::new("sensing_time", timestamp(), true),
        number("valid_fraction", "1", "share of window pixels that hold data"),
    ]
}

fn tensor_field(layout: &Layout, column: &Column, raw_offset: Option<i16>) -> Result<Field> {
    let elements = column.block_elements();
    let too_large = |_| Error::TooLarge { path: column.path.clone(), elements };
    let list_size = i32::try_from(elements).map_err(too_large)?;
    let item = match column.element {
        ElementType::U8 => DataType::UInt8,
        ElementType::U16 => DataType::UInt16,
        ElementType::F32 => DataType::Float32,
    };
    let data_type = DataType::FixedSizeList(list_item(item), list_size);

    let (rows, columns) = (column.block_rows, column.block_width);
    let tensor = match column.planes() {
        1 => json!({ "shape": [rows, columns], "dim_names": ["y", "x"] }),
        planes => json!({ "shape": [planes, rows, columns], "dim_names": ["band", "y", "x"] }),
    };
    let mut metadata = HashMap::from([
        ("ARROW:extension:name".to_owned(), "arrow.fixed_shape_tensor".to_owned()),
        ("ARROW:extension:metadata".to_owned(), tensor.to_string()),
        ("proj:epsg".to_owned(), column.grid.epsg.to_string()),
    ]);
    metadata.extend(place(column).map(|(key, value)| (key.to_owned(), value.to_string())));
    if column.reduce > 0 {
        let by = if column.sampled() { "sampling" } else { "low-pass" };
        metadata.insert("reduce".to_owned(), column.reduce.to_string());
        metadata.insert("reduced_by".to_owned(), by.to_owned());
    }
    for (key, value) in column.asset.attributes(layout.level) {
        metadata.insert(key, attribute_text(value));
    }
    if column.asset.is_reflectance() {
        radiometry_attributes(layout.radiometry, raw_offset, &mut metadata);
    }
    Ok(Field::new(&column.path, data_type, false).with_metadata(metadata))
}

/// Where the pixels lie. A list of windows has no `proj:transform` and no `proj:shape`, because one
/// place for all would be wrong for each.
fn place(column: &Column) -> [(&'static str, Value); 2] {
    let lattice = column.lattice();
    if column.is_list() {
        let windows = column.windows().iter();
        let windows: Vec<_> = windows.map(|it| json!([it.y, it.x, it.height, it.width])).collect();
        return [
            ("cubeflight:windows", Value::from(windows)),
            ("cubeflight:windows_transform", json!(lattice.transform(&lattice.full()))),
        ];
    }
    [
        ("proj:transform", json!(lattice.transform(&column.window))),
        ("proj:shape", json!([column.window.height, column.window.width])),
    ]
}

/// Strings travel as they are, everything else as JSON.
fn attribute_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// `scale_factor` and `add_offset` stand only where they hold for every step of any cube that the
/// request could give: raw DN change their offset with the processing baseline, so only a request
/// for certain products can tell it.
fn radiometry_attributes(
    radiometry: Radiometry,
    raw_offset: Option<i16>,
    metadata: &mut HashMap<String, String>,
) {
    let mut set = |key: &str, value: &str| {
        metadata.insert(key.to_owned(), value.to_owned());
    };
    match (radiometry, raw_offset) {
        (Radiometry::Raw, None) => set("radiometry", "raw-mixed"),
        (Radiometry::Raw, Some(offset)) => {
            set("radiometry", "raw");
            set("scale_factor", "0.0001");
            set("add_offset", &json!(f64::from(offset) / QUANTIFICATION).to_string());
        }
        (Radiometry::Harmonised, _) => {
            set("radiometry", "harmonised");
            set("scale_factor", "0.0001");
            set("add_offset", "0.0");
        }
        (Radiometry::Reflectance, _) => {
            set("radiometry", "reflectance");
            set("_FillValue", "NaN");
            set("units", "1");
            metadata.remove("valid_min");
            metadata.remove("valid_max");
        }
    }
}

fn schema_metadata(layout: &Layout, time: &TimeRange, request: &str) -> HashMap<String, String> {
    let columns: Vec<Value> = layout
        .columns
        .iter()
        .map(|column| {
            let [height, width] = column.shape();
            json!({
                "name": column.path,
                "block_rows": column.block_rows,
                "height": height,
                "width": width,
            })
        })
        .collect();
    let groups: BTreeMap<&str, Value> = layout
        .columns
        .iter()
        .filter_map(|column| {
            let (group, _) = column.path.rsplit_once('/')?;
            Some((group, json!({ "proj:epsg": column.grid.epsg })))
        })
        .collect();
    HashMap::from([
        ("cubeflight:schema_version".to_owned(), SCHEMA_VERSION.to_owned()),
        ("cubeflight:server_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("cubeflight:request".to_owned(), request.to_owned()),
        ("cubeflight:blocks".to_owned(), layout.blocks.to_string()),
        ("cubeflight:columns".to_owned(), Value::from(columns).to_string()),
        ("cubeflight:groups".to_owned(), json!(groups).to_string()),
        ("attribution".to_owned(), attribution(time)),
    ])
}

/// The notice that the Copernicus terms ask for. The years are those of the request, because the
/// schema is sent before any product is known; an open interval has none.
fn attribution(time: &TimeRange) -> String {
    let notice = "Contains modified Copernicus Sentinel data";
    match (time.start, time.end) {
        (Some(start), Some(end)) if start.year() == end.year() => {
            format!("{notice} [{}]", start.year())
        }
        (Some(start), Some(end)) => format!("{notice} [{}-{}]", start.year(), end.year()),
        _ => notice.to_owned(),
    }
}
