//! Rows out of columns.

use std::str::FromStr;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ListArray, RecordBatch};
use bytes::Bytes;
use cubeflight_sentinel2::{AssetId, ProductId};
use cubeflight_tlm::{PacketLengths, TilePartSpan, TlmRecord};

use super::{Row, columns};

/// The largest main header that is believed; ESA's have 193 to 218 bytes.
const MAX_HEADER: usize = 1024 * 1024;

/// Appends the rows of a batch. The columns of main headers and packets may be absent.
pub(crate) fn from_batch(batch: &RecordBatch, rows: &mut Vec<Row>) -> Result<(), String> {
    let column =
        |name: &str| batch.column_by_name(name).ok_or_else(|| format!("column {name} is missing"));
    let text = |name| column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name));
    let number = |name| column(name)?.as_primitive_opt::<UInt64Type>().ok_or_else(|| wrong(name));
    let list = |name| column(name)?.as_list_opt::<i32>().ok_or_else(|| wrong(name));

    let (products, bands) = (text(columns::PRODUCT)?, text(columns::BAND)?);
    let (stores, paths) = (text(columns::STORE)?, text(columns::PATH)?);
    let (sizes, etags) = (number(columns::SIZE)?, text(columns::ETAG)?);
    let written = column(columns::WRITTEN)?
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| wrong(columns::WRITTEN))?;
    let first_sots = number(columns::FIRST_SOT)?;
    let (lengths, tiles) = (list(columns::LENGTHS)?, list(columns::TILES)?);
    let offsets = list(columns::OFFSETS)?;
    let there = |name: &str| batch.column_by_name(name).is_some();
    let headers = match there(columns::HEADER) {
        true => Some(
            column(columns::HEADER)?
                .as_binary_opt::<i32>()
                .ok_or_else(|| wrong(columns::HEADER))?,
        ),
        false => None,
    };
    let optional = |name| if there(name) { list(name).map(Some) } else { Ok(None) };
    let counts = optional(columns::PACKET_COUNTS)?;
    let packet_lengths = optional(columns::PACKET_LENGTHS)?;
    let mut shared: Option<Bytes> = None;
    rows.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let at = |error: &dyn std::fmt::Display| format!("row {row}: {error}");
        let product = ProductId::from_str(products.value(row)).map_err(|error| at(&error))?;
        let asset =
            AssetId::parse(bands.value(row), product.level()).map_err(|error| at(&error))?;
        let first_sot = first_sots.value(row);
        let parts = Parts {
            lengths: &numbers::<UInt32Type>(lengths, row).ok_or_else(|| wrong(columns::LENGTHS))?,
            tiles: numbers::<UInt16Type>(tiles, row),
            offsets: numbers::<UInt64Type>(offsets, row),
        };
        let main_header = match headers.filter(|headers| headers.is_valid(row)) {
            Some(headers) => {
                Some(header(headers.value(row), &mut shared).map_err(|error| at(&error))?)
            }
            None => None,
        };
        let has_packets = counts.is_some_and(|counts| counts.is_valid(row));
        let packet_lengths = counts.zip(packet_lengths).and_then(|(counts, lengths)| {
            Some(PacketLengths {
                counts: numbers::<UInt32Type>(counts, row)?,
                lengths: numbers::<UInt32Type>(lengths, row)?,
            })
        });
        let record = TlmRecord {
            product,
            asset,
            store: stores.is_valid(row).then(|| stores.value(row).to_owned()),
            key: paths.value(row).to_owned(),
            size: sizes.value(row),
            etag: etags.is_valid(row).then(|| etags.value(row).to_owned()),
            first_sot,
            complete: parts.offsets.is_none(),
            tile_parts: parts.spans(first_sot).map_err(|error| at(&error))?,
            main_header,
            packet_lengths,
        };
        record.check().map_err(|error| at(&error))?;
        rows.push(Row { record: Arc::new(record), written_at: written.value(row), has_packets });
    }
    Ok(())
}

/// The columns of tile-parts of one row.
struct Parts<'a> {
    lengths: &'a [u32],
    tiles: Option<Vec<u16>>,
    offsets: Option<Vec<u64>>,
}

impl Parts<'_> {
    fn spans(&self, first_sot: u64) -> Result<Vec<TilePartSpan>, String> {
        let count = self.lengths.len();
        let fits = self.tiles.as_ref().is_none_or(|tiles| tiles.len() == count)
            && self.offsets.as_ref().is_none_or(|offsets| offsets.len() == count);
        if !fits {
            return Err("tiles, offsets and lengths are not equally many".to_owned());
        }
        let mut next = first_sot;
        let parts = self.lengths.iter().enumerate().map(|(at, length)| {
            let tile = match self.tiles.as_ref().and_then(|tiles| tiles.get(at)) {
                Some(tile) => *tile,
                None => u16::try_from(at).map_err(|_| "more tiles than a file has".to_owned())?,
            };
            let offset = self.offsets.as_ref().and_then(|offsets| offsets.get(at));
            let offset = offset.copied().unwrap_or(next);
            next = offset.saturating_add(u64::from(*length));
            Ok(TilePartSpan { tile, offset, length: *length })
        });
        parts.collect()
    }
}

/// Headers are mostly the same as that of the row before: then they share its memory.
fn header(bytes: &[u8], shared: &mut Option<Bytes>) -> Result<Bytes, String> {
    if bytes.len() > MAX_HEADER {
        return Err(format!("main header of {} bytes", bytes.len()));
    }
    if let Some(last) = shared.as_ref().filter(|last| last.as_ref() == bytes) {
        return Ok(last.clone());
    }
    let header = Bytes::copy_from_slice(bytes);
    *shared = Some(header.clone());
    Ok(header)
}

fn numbers<T: ArrowPrimitiveType>(list: &ListArray, row: usize) -> Option<Vec<T::Native>> {
    if !list.is_valid(row) {
        return None;
    }
    Some(list.value(row).as_primitive_opt::<T>()?.values().to_vec())
}

fn wrong(name: &str) -> String {
    format!("column {name} is of another type")
}
