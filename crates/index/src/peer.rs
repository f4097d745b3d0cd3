//! Tables of the peer (Kayrros sentinel-2-jp2-tlm / jp2io): one Parquet file per level and MGRS
//! tile with the columns product_id, band_id, path and index, all of them text but the last.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use cubeflight_sentinel2::safe;
use cubeflight_tlm::{PeerCell, RecordSource, TlmRecord, decode_peer_cell, encode_peer_cell};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::guard::guarded;
use crate::{Error, Result};

/// One row of a peer's table.
#[derive(Debug, Clone)]
pub struct PeerRow {
    /// The product and the asset, from the file's path: `band_id` alone does not say which
    /// resolution is meant.
    pub source: RecordSource,
    /// As it stands in the table: `B03`, or `B03_60m` where a table lists every resolution.
    pub band_id: String,
    /// Where the tile-parts lie; `None` when the file has a TLM of its own.
    pub cell: Option<PeerCell>,
}

impl PeerRow {
    /// The record, without main header and packet lengths; `None` when the file has its own TLM.
    ///
    /// # Errors
    /// Tile-parts that end after the file.
    pub fn record(&self) -> Result<Option<TlmRecord>> {
        let Some(cell) = &self.cell else { return Ok(None) };
        let record =
            TlmRecord::from_tlm(self.source.clone(), cell.size, cell.first_sot, &cell.entries)?;
        Ok(Some(record))
    }
}

/// Reads a peer's table.
///
/// # Errors
/// Files that are no such table, and rows that contradict themselves.
pub fn read_peer(bytes: Bytes) -> Result<Vec<PeerRow>> {
    guarded(|| read_rows(bytes)).map_err(|reason| Error::BadPeerFile { reason })?
}

fn read_rows(bytes: Bytes) -> Result<Vec<PeerRow>> {
    let bad = |reason: String| Error::BadPeerFile { reason };
    // Text is text, whichever of Arrow's three layouts of it the writer had in memory.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .and_then(|builder| builder.build())
        .map_err(|error| bad(error.to_string()))?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| bad(error.to_string()))?;
        let column = |name: &str| {
            let array = batch.column_by_name(name);
            array.ok_or_else(|| bad(format!("column {name} is missing")))
        };
        let wrong = |name: &str| bad(format!("column {name} is of another type"));
        let bands = column("band_id")?.as_string_opt::<i32>().ok_or_else(|| wrong("band_id"))?;
        let paths = column("path")?.as_string_opt::<i32>().ok_or_else(|| wrong("path"))?;
        let cells = column("index")?.as_binary_opt::<i32>().ok_or_else(|| wrong("index"))?;
        for row in 0..batch.num_rows() {
            let path = paths.value(row);
            let key = safe::parse_key(path)
                .ok_or_else(|| bad(format!("row {row}: {path:?} is no asset of a SAFE product")))?;
            let source = RecordSource {
                product: key.product,
                asset: key.asset,
                key: safe::archive_key(path).to_owned(),
                store: None,
                etag: None,
            };
            let cell = if cells.is_null(row) { None } else { decode_peer_cell(cells.value(row))? };
            rows.push(PeerRow { source, band_id: bands.value(row).to_owned(), cell });
        }
    }
    Ok(rows)
}

/// Writes a peer's table. `band_id` is the band with its resolution; with `best_only` only the
/// finest resolution of each band is written and named by the band alone, as the peer does.
///
/// # Errors
/// Records with more tile-parts than 256 TLM segments can list.
pub fn write_peer(records: &[Arc<TlmRecord>], best_only: bool) -> Result<Vec<u8>> {
    let rows: Vec<&Arc<TlmRecord>> =
        records.iter().filter(|record| !best_only || is_best(record, records)).collect();
    let band = |record: &TlmRecord| match best_only {
        true => record.asset.to_string().rsplit_once('_').map(|(band, _)| band.to_owned()),
        false => Some(record.asset.to_string()),
    };
    let cells: Vec<Vec<u8>> =
        rows.iter().map(|record| encode_peer_cell(record)).collect::<Result<_, _>>()?;
    let arrays: Vec<(&str, ArrayRef)> = vec![
        (
            "product_id",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.product.to_string()))),
        ),
        ("band_id", Arc::new(StringArray::from_iter(rows.iter().map(|r| band(r))))),
        ("path", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.key.as_str())))),
        ("index", Arc::new(BinaryArray::from_iter_values(cells))),
    ];
    let fields: Vec<Field> = arrays
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let failed = |error: &dyn std::fmt::Display| Error::Write { reason: error.to_string() };
    let columns = arrays.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| failed(&error))?;
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), None).map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.into_inner().map_err(|error| failed(&error))
}

fn is_best(record: &TlmRecord, all: &[Arc<TlmRecord>]) -> bool {
    !all.iter().any(|other| {
        other.product == record.product
            && other.asset.band == record.asset.band
            && other.asset.resolution < record.asset.resolution
    })
}
