//! Reading blocks of a file: which bytes, and what they say.

use std::ops::Range;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelectionPolicy, RowSelector};
use parquet::arrow::push_decoder::{
    ParquetPushDecoder, ParquetPushDecoderBuilder, RowGroupSelection,
};

use super::columns as names;
use super::footer::{Block, Footer};
use super::rows::from_batch;
use super::{BLOCK_ROWS, Columns, Row};
use crate::guard::guarded;

/// The byte ranges that [`decode`] needs, each within the file of `size` bytes.
pub(crate) fn ranges(
    footer: &Footer,
    blocks: &[Block],
    columns: Columns,
    size: u64,
) -> Result<Vec<Range<u64>>, String> {
    guarded(|| {
        let decoder = decoder(footer, blocks, columns)?;
        let mut ranges = Vec::new();
        for planned in decoder.scan_plan() {
            let range = planned.range;
            if range.end > size || range.start > range.end {
                return Err("a page lies behind the end of the file".to_owned());
            }
            ranges.push(range);
        }
        Ok(ranges)
    })?
}

/// The rows of blocks, block by block. `body` gives the bytes of a range.
pub(crate) fn decode(
    footer: &Footer,
    blocks: &[Block],
    columns: Columns,
    body: impl Fn(&Range<u64>) -> Option<Bytes>,
) -> Result<Vec<Vec<Row>>, String> {
    let rows = guarded(|| decode_rows(footer, blocks, columns, body))??;
    let expected: usize = blocks.iter().map(|block| footer.rows(*block).len()).sum();
    if rows.len() != expected {
        return Err(format!("{} rows instead of {expected}", rows.len()));
    }
    let mut rows = rows.into_iter();
    let split = blocks.iter().map(|block| rows.by_ref().take(footer.rows(*block).len()).collect());
    Ok(split.collect())
}

fn decode_rows(
    footer: &Footer,
    blocks: &[Block],
    columns: Columns,
    body: impl Fn(&Range<u64>) -> Option<Bytes>,
) -> Result<Vec<Row>, String> {
    let mut decoder = decoder(footer, blocks, columns)?;
    let mut rows = Vec::new();
    loop {
        match decoder.try_decode().map_err(|error| error.to_string())? {
            DecodeResult::NeedsData(ranges) => {
                let bodies: Option<Vec<Bytes>> = ranges.iter().map(&body).collect();
                let bodies = bodies.ok_or("a page lies where none was planned")?;
                decoder.push_ranges(ranges, bodies).map_err(|error| error.to_string())?;
            }
            DecodeResult::Data(batch) => from_batch(&batch, &mut rows)?,
            DecodeResult::Finished => return Ok(rows),
        }
    }
}

fn decoder(
    footer: &Footer,
    blocks: &[Block],
    columns: Columns,
) -> Result<ParquetPushDecoder, String> {
    let metadata = footer.metadata().clone();
    let leaves = metadata.parquet_schema();
    let without: &[&str] = match columns {
        Columns::Count => &[names::HEADER, names::PACKET_LENGTHS],
        Columns::Tlm => &[names::PACKET_COUNTS, names::PACKET_LENGTHS],
        Columns::Packets => &[],
    };
    let wanted = names::READ.iter().filter(|name| !without.contains(name));
    let mask = ProjectionMask::columns(leaves, wanted.copied());
    let mut selections: Vec<RowGroupSelection> = Vec::new();
    for run in blocks.chunk_by(|a, b| a.group == b.group) {
        let Some(first) = run.first() else { continue };
        let mut selectors = Vec::new();
        let mut at = 0;
        for block in run {
            let rows = footer.rows(*block);
            if rows.start < at {
                return Err("blocks out of order".to_owned());
            }
            selectors.push(RowSelector::skip(rows.start - at));
            selectors.push(RowSelector::select(rows.len()));
            at = rows.end;
        }
        let all = at == footer.group_rows(first.group)
            && selectors.iter().all(|selector| !selector.skip || selector.row_count == 0);
        let selection = (!all).then(|| RowSelection::from(selectors));
        selections.push(RowGroupSelection::new(first.group, selection));
    }
    ParquetPushDecoderBuilder::new_with_metadata(metadata)
        .with_projection(mask)
        .with_row_selection_policy(RowSelectionPolicy::Selectors)
        .with_batch_size(BLOCK_ROWS * 4)
        .with_row_group_selections(selections)
        .build()
        .map_err(|error| error.to_string())
}
