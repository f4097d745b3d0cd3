//! Kerchunk references as Parquet, in the layout that fsspec's `LazyReferenceMapper` reads:
//! `.zmetadata`, and `<array>/refs.<n>.parq` with the columns path, offset, size and raw for every
//! [`RECORD_SIZE`] chunks of an array.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::{AssetArray, References};
use crate::{Error, Result};

/// Chunks of one file; a reader fetches as many to know one.
pub const RECORD_SIZE: usize = 10_000;

/// What the codec reads as a chunk without data. No bytes at all would be what a read beyond the end of
/// a replaced file gives, and that must be an error.
const FILL: &[u8] = b"fill";

/// One file of the layout.
#[derive(Debug)]
pub struct ReferenceFile {
    /// Path below the folder of the references.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl References {
    /// The files one by one; `.zmetadata`, without which a reader sees nothing, comes last.
    pub fn parquet_files(&self) -> impl Iterator<Item = Result<ReferenceFile>> {
        let inline = self.inline();
        let metadata = inline.consolidated(json!({ "record_size": RECORD_SIZE })).to_string();
        let coordinates = inline.coordinates.into_iter().map(|(path, data)| {
            let raw: ArrayRef = Arc::new(BinaryArray::from_iter_values([data]));
            Ok(ReferenceFile { path: format!("{path}/refs.0.parq"), bytes: write([("raw", raw)])? })
        });
        let chunks = self.arrays.iter().flat_map(|array| {
            let path = array.asset.eopf_path(self.level);
            let chunks =
                array.tiles().saturating_mul(u64::try_from(self.steps.len()).unwrap_or(u64::MAX));
            let files = usize::try_from(chunks).unwrap_or(usize::MAX).div_ceil(RECORD_SIZE);
            (0..files).map(move |number| {
                let path = format!("{path}/refs.{number}.parq");
                Ok(ReferenceFile { path, bytes: record(array, number)? })
            })
        });
        let last = ReferenceFile { path: ".zmetadata".to_owned(), bytes: metadata.into_bytes() };
        coordinates.chain(chunks).chain([Ok(last)])
    }
}

/// The references of one file.
///
/// A chunk of a time step without file is the inline word [`FILL`]: readers tell a missing chunk by
/// a path that is Python's `None`, which pandas no longer makes of a null.
fn record(array: &AssetArray, number: usize) -> Result<Vec<u8>> {
    let first = number.saturating_mul(RECORD_SIZE);
    let chunks: Vec<_> = array.chunks().skip(first).take(RECORD_SIZE).collect();
    let complete = chunks.iter().all(Option::is_some);
    let far = |_| Error::Write { reason: "an offset is beyond 63 bits".to_owned() };
    let offsets: Vec<i64> = chunks
        .iter()
        .map(|chunk| i64::try_from(chunk.map_or(0, |(_, offset, _)| offset)).map_err(far))
        .collect::<Result<_>>()?;
    let paths = chunks.iter().map(|chunk| chunk.map_or("", |(href, ..)| href));
    let sizes = chunks.iter().map(|chunk| chunk.map_or(0, |(.., length)| i64::from(length)));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("path", Arc::new(StringArray::from_iter_values(paths))),
        ("offset", Arc::new(Int64Array::from(offsets))),
        ("size", Arc::new(Int64Array::from_iter_values(sizes))),
    ];
    if !complete {
        let raw = chunks.iter().map(|chunk| if chunk.is_some() { None } else { Some(FILL) });
        columns.push(("raw", Arc::new(BinaryArray::from_iter(raw))));
    }
    write(columns)
}

fn write<'a>(columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::Write { reason: error.to_string() };
    let batch = RecordBatch::try_from_iter(columns).map_err(|error| failed(&error))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("cubeflight ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))
        .map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.into_inner().map_err(|error| failed(&error))
}
