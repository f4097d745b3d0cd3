//! Footers: which row groups may hold what is wanted, and how to decode them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef, Fields, Schema, TimeUnit};
use bytes::Bytes;
use cubeflight_sentinel2::{TimeRange, Wanted};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter,
};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::{rows, text};

/// Columns that rows are chosen by.
pub(super) const ID: &str = "id";
pub(super) const DATETIME: &str = "datetime";
pub(super) const GRID_CODE: &str = "grid:code";
/// Columns that say nothing about a product.
const LEFT_OUT: [&str; 4] = ["geometry", "bbox", "links", "stac_extensions"];

/// Items of a file at most: Sentinel-2 has some 30 million products of level 2A.
const MAX_ROWS: u64 = 1 << 26;
/// Bytes of a row group at most, without the columns that are left out, and before compression.
const MAX_GROUP: u64 = 256 << 20;
const MAX_DECODED: u64 = 2 << 30;
/// Items decoded together. Some of CDSE have 40 kB of JSON.
const BATCH: usize = 256;

/// The date of an item may be another than the start of the datatake, but not by a day.
const MARGIN: i64 = 86_400 * 1_000_000;

/// The end of a file, understood.
#[derive(Debug)]
pub(crate) struct Footer {
    metadata: ArrowReaderMetadata,
    /// First and last `datetime` of each row group in microseconds, where known.
    times: Vec<Option<(i64, i64)>>,
}

/// A footer, or how many bytes of the file's end it takes to read it.
pub(super) enum Parsed {
    Footer(Box<Footer>),
    More(u64),
}

impl Footer {
    /// Reads the footer from the last bytes of a file of `size` bytes.
    pub(super) fn parse(end: &Bytes, size: u64) -> Result<Parsed, String> {
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(end, size) {
            Ok(()) => {}
            Err(ParquetError::NeedMoreData(needed)) => {
                let needed = u64::try_from(needed).unwrap_or(u64::MAX);
                if needed > size || u64::try_from(end.len()).is_ok_and(|have| needed <= have) {
                    return Err("its footer does not fit in the file".to_owned());
                }
                return Ok(Parsed::More(needed));
            }
            Err(error) => return Err(error.to_string()),
        }
        let metadata = Arc::new(reader.finish().map_err(text)?);
        check_bounds(&metadata, size)?;
        let options = ArrowReaderOptions::new;
        let stated = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options());
        let schema = Arc::new(in_utc(stated.map_err(text)?.schema()));
        let metadata = ArrowReaderMetadata::try_new(metadata, options().with_schema(schema));
        let metadata = metadata.map_err(text)?;
        for name in [ID, "assets"] {
            if metadata.schema().field_with_name(name).is_err() {
                return Err(format!("no STAC items: it has no column {name}"));
            }
        }
        let times = times(&metadata);
        Ok(Parsed::Footer(Box::new(Self { metadata, times })))
    }

    /// The row groups that may hold items of a time.
    pub(super) fn groups(&self, time: &TimeRange) -> Vec<usize> {
        let (from, to) = around(time);
        let meets = |times: &Option<(i64, i64)>| {
            times.is_none_or(|(first, last)| first <= to && from <= last)
        };
        (0..self.times.len()).filter(|group| self.times.get(*group).is_none_or(meets)).collect()
    }

    /// A decoder of the rows of a row group that may be wanted.
    pub(super) fn decoder(
        &self,
        group: usize,
        wanted: Wanted,
    ) -> Result<ParquetPushDecoder, String> {
        let schema = self.metadata.parquet_schema();
        let roots = schema.root_schema().get_fields();
        let at = |keep: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let kept = roots.iter().enumerate().filter(|(_, field)| keep(field.name()));
            kept.map(|(at, _)| at).collect()
        };
        let all = ProjectionMask::roots(schema, at(&|name| !LEFT_OUT.contains(&name)));
        self.check_group(group, &all)?;
        let chosen_by =
            ProjectionMask::roots(schema, at(&|name| [ID, DATETIME, GRID_CODE].contains(&name)));
        let time = around(&wanted.time);
        let predicate =
            ArrowPredicateFn::new(chosen_by, move |batch| Ok(rows::wanted(&batch, &wanted, time)));
        ParquetPushDecoderBuilder::new_with_metadata(self.metadata.clone())
            .with_projection(all)
            .with_row_groups(vec![group])
            .with_row_filter(RowFilter::new(vec![Box::new(predicate)]))
            .with_batch_size(BATCH)
            .build()
            .map_err(text)
    }

    fn check_group(&self, group: usize, mask: &ProjectionMask) -> Result<(), String> {
        let metadata = self.metadata.metadata();
        let columns = metadata.row_groups().get(group).map_or(&[][..], |group| group.columns());
        let read = columns.iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        let (stored, decoded) = read.fold((0_u64, 0_u64), |(stored, decoded), (_, column)| {
            let size = |bytes: i64| u64::try_from(bytes).unwrap_or(u64::MAX);
            (
                stored.saturating_add(size(column.compressed_size())),
                decoded.saturating_add(size(column.uncompressed_size())),
            )
        });
        if stored > MAX_GROUP || decoded > MAX_DECODED {
            return Err(format!(
                "row group {group} has {stored} bytes, {decoded} of them decoded; at most \
                 {MAX_GROUP} and {MAX_DECODED} are read: write smaller row groups"
            ));
        }
        Ok(())
    }
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
            if !fits || chunk.uncompressed_size() < 0 || chunk.num_values() < 0 {
                let path = chunk.column_path().string();
                return Err(format!("column {path} does not fit in the file"));
            }
        }
    }
    if total > MAX_ROWS {
        return Err(format!("{total} rows, at most {MAX_ROWS} are read"));
    }
    Ok(())
}

/// The schema with all times at the offset +00:00: what is stored is UTC whatever a zone's name says,
/// and names take a database of zones.
fn in_utc(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(field_in_utc).collect::<Fields>();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn field_in_utc(field: &FieldRef) -> FieldRef {
    use DataType::{LargeList, List, Struct, Timestamp};
    let data_type = match field.data_type() {
        Timestamp(unit, Some(_)) => Timestamp(*unit, Some(Arc::from("+00:00"))),
        Struct(fields) => Struct(fields.iter().map(field_in_utc).collect()),
        List(item) => List(field_in_utc(item)),
        LargeList(item) => LargeList(field_in_utc(item)),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// First and last microsecond that the date of an item of a time may be.
fn around(time: &TimeRange) -> (i64, i64) {
    let from = time.start.map_or(i64::MIN, |start| start.timestamp_micros().saturating_sub(MARGIN));
    let to = time.end.map_or(i64::MAX, |end| end.timestamp_micros().saturating_add(MARGIN));
    (from, to)
}

fn times(metadata: &ArrowReaderMetadata) -> Vec<Option<(i64, i64)>> {
    let groups = metadata.metadata().row_groups();
    let bounds = || {
        let schema = metadata.parquet_schema();
        let converter = StatisticsConverter::try_new(DATETIME, metadata.schema(), schema).ok()?;
        let first = microseconds(&converter.row_group_mins(groups).ok()?)?;
        let last = microseconds(&converter.row_group_maxes(groups).ok()?)?;
        let both = first.into_iter().zip(last).map(|(first, last)| first.zip(last));
        Some(both.collect::<Vec<_>>())
    };
    let known = bounds().filter(|known| known.len() == groups.len());
    // Rows without a date are of any.
    let mut times = known.unwrap_or_else(|| vec![None; groups.len()]);
    let column =
        metadata.parquet_schema().columns().iter().position(|c| c.path().string() == DATETIME);
    for (group, times) in groups.iter().zip(&mut times) {
        let statistics = column.and_then(|column| group.columns().get(column)?.statistics());
        if statistics.and_then(|statistics| statistics.null_count_opt()).is_none_or(|n| n > 0) {
            *times = None;
        }
    }
    times
}

/// Timestamps of any unit, or text; `None` where they are neither.
pub(super) fn microseconds(dates: &ArrayRef) -> Option<Vec<Option<i64>>> {
    let zone = match dates.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Arc::from("+00:00")),
        _ => return None,
    };
    let unit = DataType::Timestamp(TimeUnit::Microsecond, zone);
    let cast = arrow_cast::cast(dates, &unit).ok()?;
    Some(cast.as_primitive_opt::<TimestampMicrosecondType>()?.iter().collect())
}

/// Text of any layout; `None` where it is none.
pub(super) fn strings(texts: &ArrayRef) -> Option<ArrayRef> {
    let found = match texts.data_type() {
        DataType::Utf8 => Arc::clone(texts),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => {
            arrow_cast::cast(texts, &DataType::Utf8).ok()?
        }
        _ => return None,
    };
    (found.len() == texts.len()).then_some(found)
}
