//! The columns, and rows as columns.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, ListBuilder, PrimitiveBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::{ArrowPrimitiveType, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use cubeflight_tlm::{PacketLengths, TlmRecord};

use super::Row;
use crate::{Error, Result};

pub(crate) const PRODUCT: &str = "product_id";
pub(crate) const BAND: &str = "band_id";
pub(crate) const START: &str = "datatake_start";
pub(crate) const STORE: &str = "store";
pub(crate) const PATH: &str = "path";
pub(crate) const SIZE: &str = "size";
pub(crate) const ETAG: &str = "etag";
pub(crate) const WRITTEN: &str = "written_at";
pub(crate) const FIRST_SOT: &str = "first_sot";
pub(crate) const LENGTHS: &str = "tile_part_lengths";
pub(crate) const TILES: &str = "tile_part_tiles";
pub(crate) const OFFSETS: &str = "tile_part_offsets";
pub(crate) const HEADER: &str = "main_header";
pub(crate) const PACKET_COUNTS: &str = "packet_counts";
pub(crate) const PACKET_LENGTHS: &str = "packet_lengths";

/// The columns that records are read from: all but the datatake start, which the product tells.
pub(crate) const READ: [&str; 14] = [
    PRODUCT,
    BAND,
    STORE,
    PATH,
    SIZE,
    ETAG,
    WRITTEN,
    FIRST_SOT,
    LENGTHS,
    TILES,
    OFFSETS,
    HEADER,
    PACKET_COUNTS,
    PACKET_LENGTHS,
];

/// The columns in the order in which they lie in a row group: what a lookup needs without packet
/// lengths is one run of bytes.
pub(crate) fn schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let list = |of: DataType| DataType::List(Arc::new(Field::new("element", of, false)));
    let required = |name: &str, of: DataType| Field::new(name, of, false);
    let optional = |name: &str, of: DataType| Field::new(name, of, true);
    Arc::new(Schema::new(vec![
        required(START, time()),
        required(PRODUCT, DataType::Utf8),
        required(BAND, DataType::Utf8),
        optional(STORE, DataType::Utf8),
        required(PATH, DataType::Utf8),
        required(SIZE, DataType::UInt64),
        optional(ETAG, DataType::Utf8),
        required(WRITTEN, time()),
        required(FIRST_SOT, DataType::UInt64),
        required(LENGTHS, list(DataType::UInt32)),
        optional(TILES, list(DataType::UInt16)),
        optional(OFFSETS, list(DataType::UInt64)),
        optional(HEADER, DataType::Binary),
        optional(PACKET_COUNTS, list(DataType::UInt32)),
        optional(PACKET_LENGTHS, list(DataType::UInt32)),
    ]))
}

/// Whether the tile-parts are tiles 0, 1, 2 ... in order: then they need not be written.
fn counted(record: &TlmRecord) -> bool {
    record.tile_parts.iter().enumerate().all(|(at, part)| u16::try_from(at) == Ok(part.tile))
}

pub(crate) fn to_batch(rows: &[Row]) -> Result<RecordBatch> {
    let records = || rows.iter().map(|row| &*row.record);
    let text = |value: fn(&TlmRecord) -> Option<String>| -> ArrayRef {
        let mut builder = StringBuilder::new();
        records().for_each(|record| builder.append_option(value(record)));
        Arc::new(builder.finish())
    };
    let number = |value: fn(&TlmRecord) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(records().map(value)))
    };
    let time = |value: fn(&Row) -> i64| -> ArrayRef {
        let mut builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
        rows.iter().for_each(|row| builder.append_value(value(row)));
        Arc::new(builder.finish())
    };
    let tiles = |r: &TlmRecord| -> Option<Vec<u16>> {
        (!counted(r)).then(|| r.tile_parts.iter().map(|part| part.tile).collect())
    };
    let offsets = |r: &TlmRecord| -> Option<Vec<u64>> {
        (!r.complete).then(|| r.tile_parts.iter().map(|part| part.offset).collect())
    };
    let packets = |value: fn(&PacketLengths) -> &Vec<u32>| {
        lists::<UInt32Type, _>(rows, |r| r.packet_lengths.as_ref().map(|p| value(p).as_slice()))
    };
    let mut headers = BinaryBuilder::new();
    records().for_each(|record| headers.append_option(record.main_header.as_deref()));
    let columns: Vec<ArrayRef> = vec![
        time(|row| row.record.product.datatake_start().timestamp_micros()),
        text(|r| Some(r.product.to_string())),
        text(|r| Some(r.asset.to_string())),
        text(|r| r.store.clone()),
        text(|r| Some(r.key.clone())),
        number(|r| r.size),
        text(|r| r.etag.clone()),
        time(|row| row.written_at),
        number(|r| r.first_sot),
        lists::<UInt32Type, _>(rows, |r| {
            Some(r.tile_parts.iter().map(|part| part.length).collect::<Vec<_>>())
        }),
        lists::<UInt16Type, _>(rows, tiles),
        lists::<UInt64Type, _>(rows, offsets),
        Arc::new(headers.finish()),
        packets(|p| &p.counts),
        packets(|p| &p.lengths),
    ];
    RecordBatch::try_new(schema(), columns)
        .map_err(|error| Error::Write { reason: error.to_string() })
}

fn lists<'a, T: ArrowPrimitiveType, L: AsRef<[T::Native]>>(
    rows: &'a [Row],
    value: impl Fn(&'a TlmRecord) -> Option<L>,
) -> ArrayRef {
    let element = Arc::new(Field::new("element", T::DATA_TYPE, false));
    let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new()).with_field(element);
    for row in rows {
        let values = value(&row.record);
        if let Some(values) = &values {
            builder.values().append_slice(values.as_ref());
        }
        builder.append(values.is_some());
    }
    Arc::new(builder.finish())
}
