//! Writing a file.

use chrono::Datelike as _;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::columns::{self, schema, to_batch};
use super::summary::Counting;
use super::{BLOCK_ROWS, FORMAT, FORMAT_KEY, GROUP_ROWS, REPLACES_KEY, Row, SUMMARY_KEY, Summary};
use crate::{Error, Result};

/// Level of zstd. Higher ones take long and gain little on what is mostly noise.
const ZSTD_LEVEL: i32 = 9;
/// A row group ends with a calendar year when it has so many rows: most lookups are for a season or
/// a year, and each row group takes a kilobyte of the footer.
const FULL_GROUP: usize = 128;

/// A finished file.
#[derive(Debug)]
pub(crate) struct Table {
    /// The file.
    pub(crate) bytes: Vec<u8>,
    /// Its last bytes that readers want first: page indexes and footer.
    pub(crate) tail: u64,
    /// What it holds.
    pub(crate) summary: Summary,
}

/// Writes one file, asset by asset.
pub(crate) struct Writer {
    writer: ArrowWriter<Vec<u8>>,
    counting: Counting,
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Write { reason: error.to_string() }
}

impl Writer {
    /// Begins a file that holds everything of the files named in `replaces`.
    pub(crate) fn new(replaces: &[String]) -> Result<Self> {
        let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        let mut metadata = vec![pair(FORMAT_KEY, FORMAT.to_owned())];
        if !replaces.is_empty() {
            let names = serde_json::to_string(replaces).map_err(|error| failed(&error))?;
            metadata.push(pair(REPLACES_KEY, names));
        }
        let options = ArrowWriterOptions::new()
            .with_properties(properties(metadata)?)
            // it would say again what the Parquet schema says
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema(), options)
            .map_err(|error| failed(&error))?;
        Ok(Self { writer, counting: Counting::default() })
    }

    /// Writes the rows of one asset, sorted by datatake start. Assets come in ascending order.
    pub(crate) fn asset(&mut self, rows: &[Row]) -> Result<()> {
        let mut group = 0..0;
        for year in rows.chunk_by(|a, b| year(a) == year(b)) {
            group.end += year.len();
            if group.len() >= FULL_GROUP {
                self.groups(rows.get(group.clone()).unwrap_or_default())?;
                group.start = group.end;
            }
        }
        self.groups(rows.get(group).unwrap_or_default())?;
        self.counting.add(rows);
        Ok(())
    }

    fn groups(&mut self, rows: &[Row]) -> Result<()> {
        for group in rows.chunks(GROUP_ROWS) {
            self.writer.write(&to_batch(group)?).map_err(|error| failed(&error))?;
            self.writer.flush().map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<Table> {
        let summary = self.counting.finish();
        let text = serde_json::to_string(&summary).map_err(|error| failed(&error))?;
        let pair = KeyValue::new(SUMMARY_KEY.to_owned(), text);
        self.writer.append_key_value_metadata(pair);
        let metadata = self.writer.finish().map_err(|error| failed(&error))?;
        // `into_inner` would end the file a second time
        let bytes = std::mem::take(self.writer.inner_mut());
        let size = u64::try_from(bytes.len()).map_err(|error| failed(&error))?;
        // a table without rows has no page indexes, and is small
        let tail = size.saturating_sub(index_start(&metadata).unwrap_or(0));
        Ok(Table { bytes, tail, summary })
    }
}

/// Where the page indexes begin, behind all row groups.
fn index_start(metadata: &ParquetMetaData) -> Option<u64> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let offsets =
        chunks.flat_map(|chunk| [chunk.column_index_offset(), chunk.offset_index_offset()]);
    offsets.flatten().filter_map(|offset| u64::try_from(offset).ok()).min()
}

fn year(row: &Row) -> i32 {
    row.record.product.datatake_start().year()
}

fn properties(metadata: Vec<KeyValue>) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(|error| failed(&error))?;
    let flat = |name: &str| ColumnPath::from(name);
    let list = |name: &str| {
        ColumnPath::new(vec![name.to_owned(), "list".to_owned(), "element".to_owned()])
    };
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("cubeflight ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        // pages end between batches only
        .set_write_batch_size(BLOCK_ROWS)
        .set_data_page_row_count_limit(GROUP_ROWS)
        .set_data_page_size_limit(16 * 1024 * 1024)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(false)
        // what prunes: row groups by asset and time, pages by time
        .set_column_statistics_enabled(flat(columns::BAND), EnabledStatistics::Chunk)
        .set_column_statistics_enabled(flat(columns::START), EnabledStatistics::Page)
        .set_column_encoding(flat(columns::START), Encoding::DELTA_BINARY_PACKED);
    for name in [columns::BAND, columns::STORE, columns::HEADER] {
        builder = builder.set_column_dictionary_enabled(flat(name), true);
    }
    for name in [columns::WRITTEN, columns::SIZE, columns::FIRST_SOT] {
        builder = builder.set_column_encoding(flat(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in [columns::PRODUCT, columns::PATH] {
        builder = builder.set_column_encoding(flat(name), Encoding::DELTA_BYTE_ARRAY);
    }
    for name in [columns::TILES, columns::OFFSETS] {
        builder = builder.set_column_encoding(list(name), Encoding::DELTA_BINARY_PACKED);
    }
    // Lengths are noise in their low bytes and alike in their high ones: byte by byte they take a
    // quarter less than as differences.
    for name in [columns::LENGTHS, columns::PACKET_COUNTS, columns::PACKET_LENGTHS] {
        builder = builder.set_column_encoding(list(name), Encoding::BYTE_STREAM_SPLIT);
    }
    for path in [flat(columns::START), list(columns::PACKET_COUNTS), list(columns::PACKET_LENGTHS)]
    {
        builder = builder.set_column_data_page_row_count_limit(path, BLOCK_ROWS);
    }
    Ok(builder.build())
}
