//! A cube as .npz: one array per band under its EOPF path (steps, rows, columns; RGB with the
//! plane after the step), `x` and `y` of each group, `time`, `status` and `product_ids`. Of a list of
//! windows the names of arrays begin with the number of the window, `0/measurements/...`.

use std::collections::BTreeSet;
use std::io::{Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::commands::pull::cube::{Column, Cube};
use crate::error::CliError;
use crate::output::npy;

pub(crate) fn write(file: impl Write + Seek, cube: &Cube) -> Result<(), CliError> {
    write_entries(file, cube).map_err(|error| CliError::write("write the .npz", &error))
}

fn write_entries(file: impl Write + Seek, cube: &Cube) -> std::io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let steps = cube.steps.len();
    for column in &cube.columns {
        let shape = [steps, column.planes, column.height, column.width];
        let shape =
            if column.planes == 1 { vec![steps, shape[2], shape[3]] } else { shape.to_vec() };
        array(&mut zip, &column.path, column.dtype, &shape, &column.pixels)?;
    }
    let mut groups = BTreeSet::new();
    for column in &cube.columns {
        let group = column.path.rsplit_once('/').map_or("", |(group, _)| group);
        if groups.insert(group) {
            coordinates(&mut zip, group, column)?;
        }
    }
    let times: Vec<u8> = cube.steps.iter().flat_map(|step| step.time.to_le_bytes()).collect();
    array(&mut zip, "time", "<M8[us]", &[steps], &times)?;
    texts(&mut zip, "status", cube.steps.iter().map(|step| step.status.as_str()))?;
    texts(&mut zip, "product_ids", cube.steps.iter().map(|step| step.product_ids.as_str()))?;
    zip.finish()?;
    Ok(())
}

/// Pixel centres.
fn coordinates<W: Write + Seek>(
    zip: &mut ZipWriter<W>,
    group: &str,
    column: &Column,
) -> std::io::Result<()> {
    let [width, _, left, _, height, top] = column.transform;
    let centres = |first: f64, step: f64, count: usize| -> Vec<u8> {
        (0..count).flat_map(|i| (first + (i as f64 + 0.5) * step).to_le_bytes()).collect()
    };
    let x = centres(left, width, column.width);
    let y = centres(top, height, column.height);
    array(zip, &format!("{group}/x"), "<f8", &[column.width], &x)?;
    array(zip, &format!("{group}/y"), "<f8", &[column.height], &y)
}

/// ASCII texts as an array of fixed length.
fn texts<'a, W: Write + Seek>(
    zip: &mut ZipWriter<W>,
    name: &str,
    values: impl Iterator<Item = &'a str> + Clone,
) -> std::io::Result<()> {
    let length = values.clone().map(str::len).max().unwrap_or(1).max(1);
    let count = values.clone().count();
    let mut bytes = Vec::with_capacity(length * count);
    for (position, value) in values.enumerate() {
        bytes.extend_from_slice(value.as_bytes());
        bytes.resize((position + 1) * length, 0);
    }
    array(zip, name, &format!("|S{length}"), &[count], &bytes)
}

fn array<W: Write + Seek>(
    zip: &mut ZipWriter<W>,
    name: &str,
    dtype: &str,
    shape: &[usize],
    bytes: &[u8],
) -> std::io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(bytes.len() as u64 > u64::from(u32::MAX / 2));
    zip.start_file(format!("{name}.npy"), options)?;
    npy::write_header(zip, dtype, shape)?;
    zip.write_all(bytes)
}
