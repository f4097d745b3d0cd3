//! The Zarr metadata (version 2) and the coordinates, which are small enough to stand inline.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cubeflight_sentinel2::{AssetId, Cells, Grid, Level, ProductId, SampleType};
use serde_json::{Map, Value, json};

use super::{AssetArray, References, grid_mapping};

/// What stands in the references themselves.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// Key in the store -> metadata document.
    pub(super) metadata: BTreeMap<String, Value>,
    /// Path of a coordinate -> its only chunk. The key of the chunk is `0`.
    pub(super) coordinates: BTreeMap<String, Vec<u8>>,
}

/// A one-dimensional coordinate, or a scalar where there are no dimensions.
struct Coordinate {
    dimension: Option<&'static str>,
    length: usize,
    dtype: String,
    data: Vec<u8>,
    attributes: Value,
}

impl References {
    /// Metadata of all groups and arrays, and the coordinates.
    pub(super) fn inline(&self) -> Inline {
        let mut inline = Inline::default();
        inline.group("", self.root_attributes());
        let mut groups: BTreeMap<String, Vec<&AssetArray>> = BTreeMap::new();
        for array in &self.arrays {
            let path = array.asset.eopf_path(self.level);
            let group = path.rsplit_once('/').map_or("", |(group, _)| group);
            groups.entry(group.to_owned()).or_default().push(array);
        }
        for (group, arrays) in &groups {
            self.add_group(&mut inline, group, arrays);
        }
        inline
    }

    fn add_group(&self, inline: &mut Inline, group: &str, arrays: &[&AssetArray]) {
        let Some(resolution) = arrays.first().map(|array| array.asset.resolution) else { return };
        let grid = self.tile.grid(resolution);
        for (end, _) in group.match_indices('/') {
            inline.group(group.get(..end).unwrap_or_default(), json!({}));
        }
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str, coordinate: Coordinate, listed: bool| {
            if listed {
                names.push(name.to_owned());
            }
            inline.coordinate(&format!("{group}/{name}"), coordinate);
        };
        add("time", times(&self.steps), false);
        add("y", centres(&grid, 'y'), false);
        add("x", centres(&grid, 'x'), false);
        if let Some(planes) = arrays.iter().find_map(|array| array.planes()) {
            add("band", bands(planes), false);
        }
        add("spatial_ref", scalar(&grid), true);
        for (name, coordinate) in steps(&self.steps) {
            add(name, coordinate, true);
        }
        for array in arrays.iter().filter(|array| array.asset.is_reflectance()) {
            let path = array.asset.eopf_path(self.level);
            let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
            add(&format!("{name}_offset"), offsets(&self.steps, name), true);
        }
        inline.group(group, json!({ "proj:epsg": grid.epsg, "coordinates": names.join(" ") }));
        for array in arrays {
            let path = array.asset.eopf_path(self.level);
            inline.metadata.insert(format!("{path}/.zarray"), zarray(array, self.steps.len()));
            inline.metadata.insert(format!("{path}/.zattrs"), self.zattrs(array, &grid));
        }
    }

    fn root_attributes(&self) -> Value {
        let notice = "Contains modified Copernicus Sentinel data";
        let year = |id: &ProductId| id.datatake_start().format("%Y").to_string();
        let years = (self.steps.first().map(year), self.steps.last().map(year));
        let attribution = match years {
            (Some(first), Some(last)) if first == last => format!("{notice} [{first}]"),
            (Some(first), Some(last)) => format!("{notice} [{first}-{last}]"),
            _ => notice.to_owned(),
        };
        let ids: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        json!({ "Conventions": "CF-1.11", "product_ids": ids, "attribution": attribution })
    }

    /// The attributes that the server gives the variable, raw.
    fn zattrs(&self, array: &AssetArray, grid: &Grid) -> Value {
        let mut attributes = array.asset.attributes(self.level);
        // In Zarr 2 this is the fill value of the array.
        attributes.remove("_FillValue");
        let dimensions = match array.planes() {
            Some(_) => json!(["time", "band", "y", "x"]),
            None => json!(["time", "y", "x"]),
        };
        let mut set = |key: &str, value: Value| attributes.insert(key.to_owned(), value);
        set("_ARRAY_DIMENSIONS", dimensions);
        set("grid_mapping", json!("spatial_ref"));
        set("proj:epsg", json!(grid.epsg));
        set("proj:transform", json!(grid.transform(&grid.full())));
        set("proj:shape", json!([grid.height, grid.width]));
        if array.asset.is_reflectance() {
            set("radiometry", json!("raw-mixed"));
        }
        Value::Object(attributes)
    }
}

impl Inline {
    fn group(&mut self, path: &str, attributes: Value) {
        let key = |name: &str| match path {
            "" => name.to_owned(),
            _ => format!("{path}/{name}"),
        };
        self.metadata.insert(key(".zgroup"), json!({ "zarr_format": 2 }));
        if attributes != json!({}) {
            self.metadata.insert(key(".zattrs"), attributes);
        }
    }

    fn coordinate(&mut self, path: &str, coordinate: Coordinate) {
        let Coordinate { dimension, length, dtype, data, attributes } = coordinate;
        let dimensions: Vec<&str> = dimension.into_iter().collect();
        let shape: Vec<usize> = dimension.iter().map(|_| length).collect();
        let zarray = zarr2(&json!(shape), &json!(shape), &dtype, Value::Null, Value::Null);
        let mut attributes = match attributes {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        attributes.insert("_ARRAY_DIMENSIONS".to_owned(), json!(dimensions));
        self.metadata.insert(format!("{path}/.zarray"), zarray);
        self.metadata.insert(format!("{path}/.zattrs"), Value::Object(attributes));
        self.coordinates.insert(path.to_owned(), data);
    }

    /// The consolidated metadata, with more beside them.
    pub(super) fn consolidated(&self, more: Value) -> Value {
        let mut document = match more {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        document.insert("zarr_consolidated_format".to_owned(), json!(1));
        document.insert("metadata".to_owned(), json!(self.metadata));
        Value::Object(document)
    }
}

fn zarr2(shape: &Value, chunks: &Value, dtype: &str, fill: Value, codec: Value) -> Value {
    json!({
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": dtype,
        "fill_value": fill,
        "compressor": codec,
        "filters": null,
        "order": "C",
        "dimension_separator": ".",
    })
}

fn zarray(array: &AssetArray, steps: usize) -> Value {
    let (asset, coding) = (array.asset, &array.coding);
    let dtype = match asset.sample_type() {
        SampleType::U8 => "|u1",
        SampleType::U16 => "<u2",
    };
    let cells = match asset.cells() {
        Cells::Plain => "plain",
        Cells::Rgb => "planes",
        Cells::Flags { .. } => "flags",
    };
    let codec = json!({
        "id": "cubeflight_jp2",
        "header": STANDARD.encode(&coding.header),
        "dtype": dtype,
        "cells": cells,
    });
    let pixels = asset.resolution.pixels();
    let (height, width) = (coding.tile_height, coding.tile_width);
    let (shape, chunks) = match array.planes() {
        Some(planes) => (json!([steps, planes, pixels, pixels]), json!([1, planes, height, width])),
        None => (json!([steps, pixels, pixels]), json!([1, height, width])),
    };
    zarr2(&shape, &chunks, dtype, fill_value(asset), codec)
}

/// Readers mask the fill value, so there is none where 0 is a value. What is missing is 0 all the
/// same.
fn fill_value(asset: AssetId) -> Value {
    let level_free = asset.attributes(Level::L2A);
    level_free.get("_FillValue").cloned().unwrap_or(Value::Null)
}

fn times(steps: &[ProductId]) -> Coordinate {
    Coordinate {
        dimension: Some("time"),
        length: steps.len(),
        dtype: "<i8".to_owned(),
        data: steps.iter().flat_map(|id| id.datatake_start().timestamp().to_le_bytes()).collect(),
        attributes: json!({
            "standard_name": "time",
            "long_name": "datatake start (UTC)",
            "units": "seconds since 1970-01-01 00:00:00",
            "calendar": "proleptic_gregorian",
        }),
    }
}

/// Pixel centres along an axis, in metres.
fn centres(grid: &Grid, axis: char) -> Coordinate {
    let (dimension, length, standard_name) = match axis {
        'y' => ("y", grid.height, "projection_y_coordinate"),
        _ => ("x", grid.width, "projection_x_coordinate"),
    };
    let centre = |place: u32| match axis {
        'y' => grid.y_centre(place),
        _ => grid.x_centre(place),
    };
    Coordinate {
        dimension: Some(dimension),
        length: usize::try_from(length).unwrap_or_default(),
        dtype: "<f8".to_owned(),
        data: (0..length).flat_map(|place| centre(place).to_le_bytes()).collect(),
        attributes: json!({
            "standard_name": standard_name,
            "long_name": format!("{dimension} of the pixel centre"),
            "units": "m",
            "axis": dimension.to_ascii_uppercase(),
        }),
    }
}

fn bands(planes: u16) -> Coordinate {
    Coordinate {
        dimension: Some("band"),
        length: usize::from(planes),
        dtype: "<i8".to_owned(),
        data: (1..=i64::from(planes)).flat_map(i64::to_le_bytes).collect(),
        attributes: json!({}),
    }
}

fn scalar(grid: &Grid) -> Coordinate {
    Coordinate {
        dimension: None,
        length: 1,
        dtype: "<i8".to_owned(),
        data: vec![0; 8],
        attributes: grid_mapping::attributes(grid),
    }
}

/// What the product ids say of the time steps.
fn steps(products: &[ProductId]) -> [(&'static str, Coordinate); 4] {
    let texts = |of: &dyn Fn(&ProductId) -> String, long_name: &str| {
        let values: Vec<String> = products.iter().map(of).collect();
        let length = values.iter().map(|text| text.chars().count()).max().unwrap_or(1).max(1);
        // Unicode of fixed length, padded with zeros: all of it is ASCII here.
        let cells = |text: &String| {
            let padded = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(length);
            padded.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        Coordinate {
            dimension: Some("time"),
            length: products.len(),
            dtype: format!("<U{length}"),
            data: values.iter().flat_map(cells).collect(),
            attributes: json!({ "long_name": long_name }),
        }
    };
    let orbit = Coordinate {
        dimension: Some("time"),
        length: products.len(),
        dtype: "<u2".to_owned(),
        data: products.iter().flat_map(|id| id.relative_orbit().to_le_bytes()).collect(),
        attributes: json!({ "long_name": "relative orbit number" }),
    };
    [
        ("product_ids", texts(&|id| id.to_string(), "product of the time step")),
        ("platform", texts(&|id| id.mission().platform().to_owned(), "satellite")),
        ("processing_baseline", texts(&|id| id.baseline().to_string(), "processing baseline")),
        ("relative_orbit", orbit),
    ]
}

/// What raw digital numbers of a band need added, as far as the baselines tell.
fn offsets(products: &[ProductId], name: &str) -> Coordinate {
    let known: Option<Vec<i16>> =
        products.iter().map(|id| id.baseline().radiometric_offset()).collect();
    let (dtype, data) = match known {
        Some(values) => ("<i2", values.into_iter().flat_map(i16::to_le_bytes).collect()),
        None => {
            let value =
                |id: &ProductId| id.baseline().radiometric_offset().map_or(f32::NAN, f32::from);
            ("<f4", products.iter().flat_map(|id| value(id).to_le_bytes()).collect())
        }
    };
    Coordinate {
        dimension: Some("time"),
        length: products.len(),
        dtype: dtype.to_owned(),
        data,
        attributes: json!({
            "long_name": format!("offset to add to raw digital numbers of {name}"),
        }),
    }
}
