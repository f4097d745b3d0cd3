//! Footers: what a file holds and which of its blocks a lookup needs.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use super::{BLOCK_ROWS, FORMAT, FORMAT_KEY, REPLACES_KEY, SUMMARY_KEY, Summary, columns};
use crate::guard::guarded;

/// Rows of a file at most: a hundred times the whole mission over one tile with all assets.
const MAX_ROWS: u64 = 1 << 24;
/// Bytes of a column chunk before compression at most, and values in it. Row groups of 512 rows
/// with 10,000 packets each have 20 MB.
const MAX_CHUNK: i64 = 1 << 29;
const MAX_VALUES: i64 = 1 << 26;

/// Some rows that are read and kept together: block `block` of [`BLOCK_ROWS`] rows in row group
/// `group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Block {
    /// Row group in the file.
    pub(crate) group: usize,
    /// Block in the row group.
    pub(crate) block: usize,
}

/// What a lookup wants, as far as a footer can tell; `None` is everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Want {
    /// Names of assets.
    pub(crate) assets: Option<Vec<String>>,
    /// Datatake starts of products, microseconds, ascending.
    pub(crate) starts: Option<Vec<i64>>,
    /// First and last datatake start, microseconds.
    pub(crate) time: Option<(i64, i64)>,
}

impl Want {
    /// Whether rows with datatake starts from `first` to `last` may be wanted.
    fn meets(&self, (first, last): (i64, i64)) -> bool {
        let in_time = self.time.is_none_or(|(from, to)| first <= to && from <= last);
        let in_starts = self.starts.as_ref().is_none_or(|starts| {
            let at = starts.partition_point(|start| *start < first);
            starts.get(at).is_some_and(|start| *start <= last)
        });
        in_time && in_starts
    }
}

#[derive(Debug)]
struct Group {
    rows: usize,
    /// First and last asset name in it.
    bands: Option<(String, String)>,
    /// First and last datatake start of each block; `None` where unknown.
    blocks: Vec<Option<(i64, i64)>>,
}

/// The end of a file, understood.
#[derive(Debug)]
pub(crate) struct Footer {
    metadata: ArrowReaderMetadata,
    groups: Vec<Group>,
    /// Names of the files whose records this one holds.
    pub(crate) replaces: Vec<String>,
    /// Counts, where the file has them.
    pub(crate) summary: Option<Summary>,
    /// The file itself, where it was small enough to be read whole.
    pub(crate) whole: Option<Bytes>,
}

/// A footer, or how many bytes of the file's end it takes to read it.
pub(crate) enum Parsed {
    Footer(Box<Footer>),
    More(u64),
}

impl Footer {
    /// Reads the footer from the last bytes of a file of `size` bytes.
    pub(crate) fn parse(end: Bytes, size: u64) -> Result<Parsed, String> {
        guarded(|| parse(end, size))?
    }

    pub(super) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// Bytes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        let blocks: usize = self.groups.iter().map(|group| group.blocks.len() * 24 + 64).sum();
        self.metadata.metadata().memory_size() + blocks + self.whole.as_ref().map_or(0, Bytes::len)
    }

    /// Rows of a block.
    pub(crate) fn rows(&self, block: Block) -> Range<usize> {
        let rows = self.groups.get(block.group).map_or(0, |group| group.rows);
        let start = (block.block * BLOCK_ROWS).min(rows);
        start..(start + BLOCK_ROWS).min(rows)
    }

    pub(super) fn group_rows(&self, group: usize) -> usize {
        self.groups.get(group).map_or(0, |group| group.rows)
    }

    /// The assets in the file, where its statistics name each.
    pub(crate) fn assets(&self) -> Option<impl Iterator<Item = &str>> {
        let names = self.groups.iter().map(|group| {
            group.bands.as_ref().filter(|(first, last)| first == last).map(|(name, _)| &**name)
        });
        let names: Option<Vec<&str>> = names.collect();
        Some(names?.into_iter())
    }

    /// The blocks that may hold wanted rows, in file order.
    pub(crate) fn blocks(&self, want: &Want) -> Vec<Block> {
        let wanted_group = |group: &Group| match (&want.assets, &group.bands) {
            (Some(assets), Some((first, last))) => {
                assets.iter().any(|asset| first <= asset && asset <= last)
            }
            _ => true,
        };
        let mut found = Vec::new();
        for (at, group) in self.groups.iter().enumerate() {
            if !wanted_group(group) {
                continue;
            }
            let blocks = group.blocks.iter().enumerate();
            let wanted = blocks.filter(|(_, times)| times.is_none_or(|times| want.meets(times)));
            found.extend(wanted.map(|(block, _)| Block { group: at, block }));
        }
        found
    }
}

fn parse(end: Bytes, size: u64) -> Result<Parsed, String> {
    let whole = u64::try_from(end.len()) == Ok(size);
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    match reader.try_parse_sized(&end, size) {
        Ok(()) => {}
        Err(ParquetError::NeedMoreData(needed)) => {
            let needed = u64::try_from(needed).unwrap_or(u64::MAX);
            if needed > size || u64::try_from(end.len()).is_ok_and(|have| needed <= have) {
                return Err("footer does not fit in the file".to_owned());
            }
            return Ok(Parsed::More(needed));
        }
        Err(error) => return Err(error.to_string()),
    }
    let metadata = reader.finish().map_err(|error| error.to_string())?;
    check_bounds(&metadata, size)?;
    let pairs = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| -> Option<String> {
        pairs?.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone())
    };
    match value(FORMAT_KEY).as_deref() {
        Some(FORMAT) => {}
        Some(other) => return Err(format!("format {other:?} is not {FORMAT:?}")),
        None => return Err(format!("no {FORMAT_KEY} in its metadata")),
    }
    let replaces = match value(REPLACES_KEY) {
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| format!("{REPLACES_KEY} is no list of names: {error}"))?,
        None => Vec::new(),
    };
    let summary = match value(SUMMARY_KEY) {
        Some(text) => {
            Some(serde_json::from_str(&text).map_err(|error| format!("{SUMMARY_KEY}: {error}"))?)
        }
        None => None,
    };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options)
        .map_err(|error| error.to_string())?;
    check_schema(&metadata)?;
    let groups = groups(metadata.metadata())?;
    let whole = whole.then_some(end);
    Ok(Parsed::Footer(Box::new(Footer { metadata, groups, replaces, summary, whole })))
}

/// Refuses sizes that no file has before anything is allocated by them.
fn check_bounds(metadata: &ParquetMetaData, size: u64) -> Result<(), String> {
    let mut total = 0_u64;
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows()).map_err(|_| "negative row count".to_owned())?;
        total = total.saturating_add(rows);
        for chunk in group.columns() {
            let (start, length) = (chunk.data_page_offset(), chunk.compressed_size());
            let start = chunk.dictionary_page_offset().map_or(start, |at| at.min(start));
            let end = u64::try_from(start).ok().zip(u64::try_from(length).ok());
            let fits = end.is_some_and(|(start, length)| {
                start.checked_add(length).is_some_and(|end| end <= size)
            });
            let sound = (0..=MAX_CHUNK).contains(&chunk.uncompressed_size())
                && (0..=MAX_VALUES).contains(&chunk.num_values());
            if !fits || !sound {
                let path = chunk.column_path().string();
                return Err(format!("column {path} does not fit in the file"));
            }
        }
    }
    if total > MAX_ROWS || u64::try_from(metadata.file_metadata().num_rows()) != Ok(total) {
        return Err(format!("{total} rows"));
    }
    Ok(())
}

/// The columns are there and of their types. Others may be there as well.
fn check_schema(metadata: &ArrowReaderMetadata) -> Result<(), String> {
    for field in columns::schema().fields() {
        let name = field.name();
        let found = metadata
            .schema()
            .field_with_name(name)
            .map_err(|_| format!("column {name} is missing"))?;
        if !same_type(found.data_type(), field.data_type()) {
            return Err(format!("column {name} is {}", found.data_type()));
        }
    }
    Ok(())
}

/// Names and nullability of list elements are of no matter.
fn same_type(found: &arrow_schema::DataType, wanted: &arrow_schema::DataType) -> bool {
    use arrow_schema::DataType::List;
    match (found, wanted) {
        (List(found), List(wanted)) => found.data_type() == wanted.data_type(),
        (found, wanted) => found == wanted,
    }
}

fn groups(metadata: &ParquetMetaData) -> Result<Vec<Group>, String> {
    let column = |name: &str| {
        let columns = metadata.file_metadata().schema_descr().columns();
        columns
            .iter()
            .position(|column| column.path().string() == name)
            .ok_or_else(|| format!("column {name} is missing"))
    };
    let (band, start) = (column(columns::BAND)?, column(columns::START)?);
    let groups = metadata.row_groups().iter().enumerate();
    groups
        .map(|(at, group)| {
            let rows = usize::try_from(group.num_rows()).map_err(|error| error.to_string())?;
            let times = times(group.column(start));
            let pages = pages(metadata, at, group, start);
            let blocks = (0..rows.div_ceil(BLOCK_ROWS))
                .map(|block| {
                    let from = block * BLOCK_ROWS;
                    let Some(pages) = &pages else { return times };
                    over(pages, from..(from + BLOCK_ROWS).min(rows)).or(times)
                })
                .collect();
            Ok(Group { rows, bands: bands(group.column(band)), blocks })
        })
        .collect()
}

/// First row, end and times of a page.
type Page = (Range<usize>, (i64, i64));

/// The pages of the column of datatake starts, if the file has an index of them.
fn pages(
    metadata: &ParquetMetaData,
    at: usize,
    group: &RowGroupMetaData,
    column: usize,
) -> Option<Vec<Page>> {
    let index = metadata.page_index()?;
    let locations = index.page_locations(at, column)?;
    let ColumnIndexMetaData::INT64(values) = index.column_index(at, column)? else { return None };
    let rows = usize::try_from(group.num_rows()).ok()?;
    let mut pages = Vec::with_capacity(locations.len());
    for (page, location) in locations.iter().enumerate() {
        let from = usize::try_from(location.first_row_index).ok()?;
        let next = locations.get(page + 1).map(|next| usize::try_from(next.first_row_index));
        let end = next.transpose().ok()?.unwrap_or(rows);
        let (first, last) = (values.min_values().get(page)?, values.max_values().get(page)?);
        pages.push((from..end, (*first, *last)));
    }
    Some(pages)
}

/// First and last time of the pages that rows lie in, if they lie in pages altogether.
fn over(pages: &[Page], rows: Range<usize>) -> Option<(i64, i64)> {
    let mut covered = rows.start;
    let mut times: Option<(i64, i64)> = None;
    for (page, (first, last)) in pages {
        if page.end <= rows.start || page.start >= rows.end {
            continue;
        }
        if page.start > covered {
            return None;
        }
        covered = covered.max(page.end);
        times = Some(times.map_or((*first, *last), |(a, b)| (a.min(*first), b.max(*last))));
    }
    times.filter(|_| covered >= rows.end)
}

fn times(chunk: &ColumnChunkMetaData) -> Option<(i64, i64)> {
    match chunk.statistics()? {
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}

fn bands(chunk: &ColumnChunkMetaData) -> Option<(String, String)> {
    let Statistics::ByteArray(values) = chunk.statistics()? else { return None };
    // a shortened bound is another name
    if !values.min_is_exact() || !values.max_is_exact() {
        return None;
    }
    let text =
        |bytes: &parquet::data_type::ByteArray| String::from_utf8(bytes.data().to_vec()).ok();
    Some((text(values.min_opt()?)?, text(values.max_opt()?)?))
}
