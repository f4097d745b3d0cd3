//! Records as a Parquet table.
//!
//! | column | type | |
//! |---|---|---|
//! | `product_id` | utf8 | canonical product id |
//! | `band_id` | utf8 | asset, `B02_10m` |
//! | `path` | utf8 | key of the file, bucket apart |
//! | `size` | uint64 | file size in bytes |
//! | `etag` | utf8, nullable | validator of the file |
//! | `first_sot` | uint64 | offset of the first SOT marker in the file |
//! | `tlm` | binary | TLM marker segment(s), marker included |
//! | `main_header` | binary, nullable | codestream main header without TLM |
//! | `packet_counts` | list of uint32, nullable | packets of each tile-part |
//! | `packet_lengths` | list of uint32, nullable | their lengths, all tile-parts |

use std::str::FromStr;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use cubeflight_sentinel2::{AssetId, ProductId};
use cubeflight_tlm::{PacketLengths, RecordSource, TlmRecord, parse_tlm_segments};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::guard::guarded;
use crate::{Error, Result};

/// The largest main header that is believed; ESA's have 193 to 218 bytes.
const MAX_HEADER: usize = 1024 * 1024;

pub(crate) fn write(records: &[TlmRecord]) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::Write { reason: error.to_string() };
    let batch = to_batch(records)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("cubeflight ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))
        .map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.into_inner().map_err(|error| failed(&error))
}

/// Reads a table; the error says what is wrong with it.
pub(crate) fn read(bytes: Bytes) -> Result<Vec<TlmRecord>, String> {
    guarded(|| read_batches(bytes))?
}

fn read_batches(bytes: Bytes) -> Result<Vec<TlmRecord>, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.build())
        .map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    for batch in reader {
        from_batch(&batch.map_err(|error| error.to_string())?, &mut records)?;
    }
    Ok(records)
}

fn to_batch(records: &[TlmRecord]) -> Result<RecordBatch> {
    let text = |value: fn(&TlmRecord) -> String| {
        Arc::new(StringArray::from_iter_values(records.iter().map(value))) as ArrayRef
    };
    let number = |value: fn(&TlmRecord) -> u64| {
        Arc::new(UInt64Array::from_iter_values(records.iter().map(value))) as ArrayRef
    };
    let tlm: Vec<Vec<u8>> =
        records.iter().map(TlmRecord::tlm_segments).collect::<Result<_, _>>()?;
    let list = |value: fn(&PacketLengths) -> &Vec<u32>| -> ArrayRef {
        let item = Arc::new(Field::new("item", DataType::UInt32, false));
        let mut builder = ListBuilder::new(UInt32Builder::new()).with_field(item);
        for record in records {
            let values = record.packet_lengths.as_ref().map(value);
            builder.values().append_slice(values.map_or(&[], Vec::as_slice));
            builder.append(values.is_some());
        }
        Arc::new(builder.finish())
    };
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("product_id", text(|r| r.product.to_string()), false),
        ("band_id", text(|r| r.asset.to_string()), false),
        ("path", text(|r| r.key.clone()), false),
        ("size", number(|r| r.size), false),
        ("etag", Arc::new(StringArray::from_iter(records.iter().map(|r| r.etag.as_deref()))), true),
        ("first_sot", number(|r| r.first_sot), false),
        ("tlm", Arc::new(BinaryArray::from_iter_values(tlm)), false),
        (
            "main_header",
            Arc::new(BinaryArray::from_iter(records.iter().map(|r| r.main_header.as_deref()))),
            true,
        ),
        ("packet_counts", list(|packets| &packets.counts), true),
        ("packet_lengths", list(|packets| &packets.lengths), true),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable))
        .collect();
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Error::Write { reason: error.to_string() })
}

fn from_batch(batch: &RecordBatch, records: &mut Vec<TlmRecord>) -> Result<(), String> {
    let column =
        |name: &str| batch.column_by_name(name).ok_or_else(|| format!("column {name} is missing"));
    let text = |name| column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name));
    let number = |name| column(name)?.as_primitive_opt::<UInt64Type>().ok_or_else(|| wrong(name));
    let binary = |name| column(name)?.as_binary_opt::<i32>().ok_or_else(|| wrong(name));
    let list = |name| column(name)?.as_list_opt::<i32>().ok_or_else(|| wrong(name));

    let (products, bands, paths) = (text("product_id")?, text("band_id")?, text("path")?);
    let (sizes, first_sots, etags) = (number("size")?, number("first_sot")?, text("etag")?);
    let (tlms, headers) = (binary("tlm")?, binary("main_header")?);
    let (counts, lengths) = (list("packet_counts")?, list("packet_lengths")?);
    for row in 0..batch.num_rows() {
        let at = |error: &dyn std::fmt::Display| format!("row {row}: {error}");
        let product = ProductId::from_str(products.value(row)).map_err(|error| at(&error))?;
        let asset =
            AssetId::parse(bands.value(row), product.level()).map_err(|error| at(&error))?;
        let source = RecordSource {
            product,
            asset,
            store: None,
            key: paths.value(row).to_owned(),
            etag: etags.is_valid(row).then(|| etags.value(row).to_owned()),
        };
        let entries = parse_tlm_segments(tlms.value(row)).map_err(|error| at(&error))?;
        let mut record =
            TlmRecord::from_tlm(source, sizes.value(row), first_sots.value(row), &entries)
                .map_err(|error| at(&error))?;
        if headers.is_valid(row) {
            let header = headers.value(row);
            if header.len() > MAX_HEADER {
                return Err(format!("row {row}: main header of {} bytes", header.len()));
            }
            record.main_header = Some(Bytes::copy_from_slice(header));
        }
        if counts.is_valid(row) && lengths.is_valid(row) {
            record.packet_lengths = Some(PacketLengths {
                counts: numbers(counts, row).ok_or_else(|| wrong("packet_counts"))?,
                lengths: numbers(lengths, row).ok_or_else(|| wrong("packet_lengths"))?,
            });
        }
        record.check().map_err(|error| at(&error))?;
        records.push(record);
    }
    Ok(())
}

fn numbers(list: &ListArray, row: usize) -> Option<Vec<u32>> {
    Some(list.value(row).as_primitive_opt::<UInt32Type>()?.values().to_vec())
}

fn wrong(name: &str) -> String {
    format!("column {name} is of another type")
}
