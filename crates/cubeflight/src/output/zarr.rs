//! A cube as a Zarr v3 store in a directory: EOPF groups, each complete by itself, as xarray writes
//! and reads them.

mod coordinates;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use zarrs::array::codec::ZstdCodec;
use zarrs::array::{
    Array, ArrayBuilder, ArrayBytes, ArrayMetadataOptions, ArraySubset, DataType, FillValue,
    data_type,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;

use crate::commands::pull::cube::{Column, Cube};
use crate::error::CliError;

type Store = Arc<FilesystemStore>;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Most pixels of a chunk in a row and in a column; in time a chunk is one step.
const MAX_CHUNK: u64 = 1024;

/// Of zstd: beyond it digital numbers hardly become smaller.
const ZSTD_LEVEL: i32 = 3;

/// Writes the store into a directory that is not there yet. It appears under its name when it is
/// complete.
pub(crate) fn write(path: &Path, cube: &Cube) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::write(&format!("write {}", path.display()), error)
    };
    if path.exists() {
        return Err(failed(&"it is there already"));
    }
    let partial = partial(path);
    let done = write_store(&partial, cube).map_err(|error| failed(&error));
    let done = done.and_then(|()| fs::rename(&partial, path).map_err(|error| failed(&error)));
    if done.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    done
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn write_store(path: &Path, cube: &Cube) -> Outcome<()> {
    fs::create_dir(path)?;
    let store = Arc::new(FilesystemStore::new(path)?);
    let mut groups: BTreeMap<&str, Vec<&Column>> = BTreeMap::new();
    for column in &cube.columns {
        let (group, _) = column.path.rsplit_once('/').unwrap_or(("", &column.path));
        groups.entry(group).or_default().push(column);
    }
    group(&store, "/", json!({ "Conventions": "CF-1.11", "product_ids": cube.product_ids() }))?;
    let mut parents: Vec<String> = Vec::new();
    for (name, columns) in &groups {
        for (at, _) in name.match_indices('/') {
            let parent = format!("/{}", name.get(..at).unwrap_or_default());
            if !parents.contains(&parent) {
                group(&store, &parent, json!({}))?;
                parents.push(parent);
            }
        }
        let Some(first) = columns.first() else { continue };
        let place = format!("/{name}");
        group(&store, &place, json!({ "proj:epsg": first.attributes.get("proj:epsg") }))?;
        coordinates::write(&store, &place, first, cube)?;
        for column in columns {
            coordinates::of_band(&store, &place, column, cube)?;
            pixels(&store, &place, column, cube)?;
        }
    }
    Ok(())
}

fn group(store: &Store, path: &str, attributes: Value) -> Outcome<()> {
    let Value::Object(attributes) = attributes else { return Ok(()) };
    let group = GroupBuilder::new().attributes(attributes).build(Arc::clone(store), path)?;
    Ok(group.store_metadata()?)
}

/// The pixels of a band.
fn pixels(store: &Store, group: &str, column: &Column, cube: &Cube) -> Outcome<()> {
    let (kind, fill) = match column.element_bytes {
        1 => (data_type::uint8(), FillValue::from(0_u8)),
        2 => (data_type::uint16(), FillValue::from(0_u16)),
        _ => (data_type::float32(), FillValue::from(f32::NAN)),
    };
    let mut dims = vec!["time", "y", "x"];
    let mut shape = vec![cube.steps.len() as u64, column.height as u64, column.width as u64];
    if column.planes > 1 {
        dims.insert(1, "band");
        shape.insert(1, column.planes as u64);
    }
    let mut chunk: Vec<u64> = shape.iter().map(|length| (*length).clamp(1, MAX_CHUNK)).collect();
    if let Some(steps) = chunk.first_mut() {
        *steps = 1;
    }
    let mut builder = ArrayBuilder::new(shape.clone(), chunk, kind, fill);
    builder.attributes(coordinates::band_attributes(column, cube)).dimension_names(Some(dims));
    builder.bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(ZSTD_LEVEL, false))]);
    let array = builder.build(Arc::clone(store), &format!("{group}/{}", column.name()))?;
    describe(&array)?;
    let extents = shape.get(1..).unwrap_or_default();
    for (step, bytes) in (0..).zip(column.pixels.chunks_exact(column.step_bytes().max(1))) {
        let ranges = extents.iter().map(|extent| 0..*extent);
        let place = ArraySubset::from(std::iter::once(step..step + 1).chain(ranges));
        array.store_array_subset(&place, ArrayBytes::new_flen(bytes))?;
    }
    Ok(())
}

/// Writes what is known of an array, without a word of the program that wrote it.
fn describe(array: &Array<FilesystemStore>) -> Outcome<()> {
    let options = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
    Ok(array.store_metadata_opt(&options)?)
}

/// Numbers along one dimension, or a single one.
fn numbers(
    store: &Store,
    path: &str,
    dim: Option<&str>,
    (kind, fill): (DataType, FillValue),
    bytes: &[u8],
    attributes: Map<String, Value>,
) -> Outcome<()> {
    let length = bytes.len() / fill.size().max(1);
    let shape = dim.map(|_| length as u64).into_iter().collect::<Vec<_>>();
    let chunk = shape.iter().map(|length| (*length).max(1)).collect::<Vec<_>>();
    let mut builder = ArrayBuilder::new(shape.clone(), chunk, kind, fill);
    builder.attributes(attributes).dimension_names(Some(dim.into_iter()));
    let array = builder.build(Arc::clone(store), path)?;
    describe(&array)?;
    if length > 0 {
        array.store_chunk(&vec![0; shape.len()], ArrayBytes::new_flen(bytes))?;
    }
    Ok(())
}

/// Texts of the time steps.
fn texts(
    store: &Store,
    path: &str,
    values: Vec<String>,
    attributes: Map<String, Value>,
) -> Outcome<()> {
    let length = values.len() as u64;
    let mut builder = ArrayBuilder::new(vec![length], vec![length.max(1)], data_type::string(), "");
    builder.attributes(attributes).dimension_names(Some(["time"]));
    let array = builder.build(Arc::clone(store), path)?;
    describe(&array)?;
    if length > 0 {
        array.store_chunk(&[0], values)?;
    }
    Ok(())
}
