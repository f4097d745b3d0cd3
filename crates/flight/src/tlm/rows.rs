//! Records as Arrow.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, PrimitiveBuilder};
use arrow_array::types::{ArrowPrimitiveType, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, ListArray, RecordBatch, StringArray, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use cubeflight_sentinel2::DEFAULT_MESSAGE_BYTES;
use cubeflight_tlm::TlmRecord;

use super::Query;

/// Version of the schema.
const SCHEMA_VERSION: &str = "1";
/// A message ends before it grows beyond this many bytes.
const MESSAGE_GOAL: u64 = 2 * 1024 * 1024;
/// What a message has besides its rows: header, and padding of some forty buffers.
const MESSAGE_OVERHEAD: u64 = 16 * 1024;
/// The largest row that fits a message which every client receives.
const MAX_ROW: u64 = DEFAULT_MESSAGE_BYTES as u64 - MESSAGE_OVERHEAD;

impl Query {
    /// Depends on the table and the detail alone.
    pub(crate) fn schema(&self) -> Schema {
        let mut fields = vec![
            Field::new("product_id", DataType::Utf8, false),
            Field::new("band_id", DataType::Utf8, false),
            Field::new("store", DataType::Utf8, true),
            Field::new("path", DataType::Utf8, false),
            Field::new("size", DataType::UInt64, false),
            Field::new("etag", DataType::Utf8, true),
            Field::new("first_sot", DataType::UInt64, false),
            Field::new("complete", DataType::Boolean, false),
            list("tile_part_tiles", DataType::UInt16, false),
            list("tile_part_offsets", DataType::UInt64, false),
            list("tile_part_lengths", DataType::UInt32, false),
            Field::new("main_header", DataType::Binary, true),
        ];
        if self.packets {
            fields.push(list("packet_counts", DataType::UInt32, true));
            fields.push(list("packet_lengths", DataType::UInt32, true));
        }
        let tile = self.tile.to_string();
        let metadata = [
            ("cubeflight:schema_version", SCHEMA_VERSION),
            ("cubeflight:server_version", env!("CARGO_PKG_VERSION")),
            ("cubeflight:collection", self.level.collection()),
            ("cubeflight:tile", &tile),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Schema::new_with_metadata(fields, HashMap::from(metadata))
    }
}

fn list(name: &str, values: DataType, nullable: bool) -> Field {
    Field::new(name, DataType::List(item(values)), nullable)
}

fn item(values: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", values, false))
}

/// A record as it will be sent.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    record: Arc<TlmRecord>,
    packets: bool,
    bytes: u64,
}

impl Row {
    /// A row, with packet lengths where they are wanted, known and fit a message. The record back
    /// if it fits none even without.
    pub(crate) fn new(record: Arc<TlmRecord>, packets: bool) -> Result<Self, Arc<TlmRecord>> {
        let plain = plain_bytes(&record);
        let bytes = plain.saturating_add(if packets { packet_bytes(&record) } else { 0 });
        match (bytes <= MAX_ROW, plain <= MAX_ROW) {
            (true, _) => Ok(Self { record, packets, bytes }),
            (false, true) => Ok(Self { record, packets: false, bytes: plain }),
            (false, false) => Err(record),
        }
    }
}

/// An upper bound of what a record takes in the body of a message, packet lengths apart.
fn plain_bytes(record: &TlmRecord) -> u64 {
    let text = |value: Option<&str>| value.map_or(0, str::len) as u64;
    // numbers, offsets of texts and lists, a byte for each validity bit
    let fixed = 128;
    let tile_part = 2 + 8 + 4;
    fixed
        + text(Some(&record.product.to_string()))
        + text(Some(&record.asset.to_string()))
        + text(record.store.as_deref())
        + text(Some(&record.key))
        + text(record.etag.as_deref())
        + tile_part * record.tile_parts.len() as u64
        + record.main_header.as_ref().map_or(0, |header| header.len() as u64)
}

fn packet_bytes(record: &TlmRecord) -> u64 {
    let values = |packets: &cubeflight_tlm::PacketLengths| {
        4 * (packets.counts.len() as u64 + packets.lengths.len() as u64)
    };
    record.packet_lengths.as_ref().map_or(0, values)
}

/// How many of the rows make up the next message; 0 only without rows.
pub(crate) fn next_message<'a>(rows: impl IntoIterator<Item = &'a Row>) -> usize {
    let mut total = MESSAGE_OVERHEAD;
    let fits = |row: &&Row| {
        let first = total == MESSAGE_OVERHEAD;
        total = total.saturating_add(row.bytes);
        first || total <= MESSAGE_GOAL
    };
    rows.into_iter().take_while(fits).count()
}

/// Rows as one batch of the query's schema.
pub(crate) fn batch(schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let records = || rows.iter().map(|row| &*row.record);
    let parts = || records().map(|record| record.tile_parts.iter());
    let text = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
    let optional = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let numbers = |values: Vec<u64>| Arc::new(UInt64Array::from(values)) as ArrayRef;
    let headers: Vec<_> = records().map(|record| record.main_header.as_deref()).collect();
    let complete: Vec<_> = records().map(|record| record.complete).collect();
    let mut columns: Vec<ArrayRef> = vec![
        text(records().map(|record| record.product.to_string()).collect()),
        text(records().map(|record| record.asset.to_string()).collect()),
        optional(records().map(|record| record.store.as_deref()).collect()),
        text(records().map(|record| record.key.clone()).collect()),
        numbers(records().map(|record| record.size).collect()),
        optional(records().map(|record| record.etag.as_deref()).collect()),
        numbers(records().map(|record| record.first_sot).collect()),
        Arc::new(BooleanArray::from(complete)),
        Arc::new(lists::<UInt16Type, _>(parts().map(|all| Some(all.map(|part| part.tile))))),
        Arc::new(lists::<UInt64Type, _>(parts().map(|all| Some(all.map(|part| part.offset))))),
        Arc::new(lists::<UInt32Type, _>(parts().map(|all| Some(all.map(|part| part.length))))),
        Arc::new(BinaryArray::from(headers)),
    ];
    if schema.fields().len() > columns.len() {
        let packets =
            || rows.iter().map(|row| row.record.packet_lengths.as_ref().filter(|_| row.packets));
        let counts = packets().map(|packets| Some(packets?.counts.iter().copied()));
        let lengths = packets().map(|packets| Some(packets?.lengths.iter().copied()));
        columns.push(Arc::new(lists::<UInt32Type, _>(counts)));
        columns.push(Arc::new(lists::<UInt32Type, _>(lengths)));
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn lists<T: ArrowPrimitiveType, V: IntoIterator<Item = T::Native>>(
    rows: impl Iterator<Item = Option<V>>,
) -> ListArray {
    let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new()).with_field(item(T::DATA_TYPE));
    for row in rows {
        let known = row.is_some();
        builder.values().extend(row.into_iter().flatten().map(Some));
        builder.append(known);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cubeflight_batch::encode_row;
    use cubeflight_sentinel2::{AssetId, Level};
    use cubeflight_tlm::{PacketLengths, TilePartSpan};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    const ID: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";

    fn record(parts: usize, packets: Option<usize>, text: usize) -> Arc<TlmRecord> {
        let part = TilePartSpan { tile: 7, offset: 100, length: 20 };
        let lengths = packets
            .map(|packets| PacketLengths { counts: vec![1; parts], lengths: vec![9; packets] });
        Arc::new(TlmRecord {
            product: ID.parse().unwrap(),
            asset: AssetId::parse("B08", Level::L2A).unwrap(),
            store: text.is_multiple_of(2).then(|| "s".repeat(text)),
            key: "k".repeat(text),
            size: 1 << 40,
            etag: text.is_multiple_of(3).then(|| "e".repeat(text)),
            first_sot: 100,
            tile_parts: vec![part; parts],
            complete: false,
            main_header: (!text.is_multiple_of(5)).then(|| Bytes::from(vec![1; text])),
            packet_lengths: lengths,
        })
    }

    fn schema(packets: bool) -> SchemaRef {
        let query = Query::table(Level::L2A, "29UNU".parse().unwrap());
        Arc::new(Query { packets, ..query }.schema())
    }

    fn encoded(rows: &[Row], packets: bool) -> u64 {
        let batch = batch(&schema(packets), rows).unwrap();
        encode_row(&batch, "{}").unwrap().encoded_len() as u64
    }

    #[test]
    fn a_row_that_fits_only_without_packet_lengths_is_sent_so() {
        let row = Row::new(record(121, Some(2_000_000), 10), true).unwrap();
        assert!(!row.packets);
        let batch = batch(&schema(true), std::slice::from_ref(&row)).unwrap();
        assert!(batch.column(12).is_null(0) && batch.column(13).is_null(0));
        assert!(encoded(&[row], true) <= u64::from(DEFAULT_MESSAGE_BYTES));
        assert!(Row::new(record(400_000, None, 10), false).is_err());

        let most = (MAX_ROW - plain_bytes(&record(121, None, 10))) / 4 - 121;
        let row = Row::new(record(121, usize::try_from(most).ok(), 10), true).unwrap();
        assert!(row.packets);
        assert!(encoded(&[row], true) <= u64::from(DEFAULT_MESSAGE_BYTES));
    }

    #[test]
    fn a_message_has_a_row_if_there_are_any() {
        assert_eq!(next_message(&[]), 0);
        let row = |parts| Row::new(record(parts, None, 10), false).unwrap();
        assert_eq!(next_message(&[row(200_000), row(1)]), 1);
        assert_eq!(next_message(&[row(1), row(200_000)]), 1);
        assert_eq!(next_message(&[row(1), row(1)]), 2);
    }

    proptest! {
        #[test]
        fn no_message_is_larger_than_estimated(
            shapes in prop::collection::vec((0_usize..300, prop::option::of(0_usize..3000), 0_usize..200), 1..60),
            packets: bool,
        ) {
            let rows: Vec<Row> = shapes
                .into_iter()
                .map(|(parts, lengths, text)| Row::new(record(parts, lengths, text), packets).unwrap())
                .collect();
            let count = next_message(&rows);
            prop_assert!(count >= 1);
            let estimate: u64 = rows[..count].iter().map(|row| row.bytes).sum();
            prop_assert!(encoded(&rows[..count], packets) <= estimate + MESSAGE_OVERHEAD);
        }
    }
}
