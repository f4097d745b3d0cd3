//! One row of the stream.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{Int16Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array,
};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{DataType, Field, SchemaRef};
use chrono::{DateTime, Utc};
use cubeflight_plan::{Column, ElementType, Layout, StepMetadata};

use crate::schema::{error_fields, list_item};
use crate::{Error, Result};

/// How a row came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// All pixels are as in the files.
    Ok,
    /// Some columns are fill, see `errors`.
    Partial,
    /// All columns are fill, see `errors`.
    Failed,
    /// All columns are fill because too few pixels are valid.
    Skipped,
}

impl Status {
    /// As it travels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// How a row of so many columns came out. A column may be in `failed` several times, once for
    /// each product that was tried; `partial` tells whether further columns are fill in part.
    #[must_use]
    pub fn of(columns: usize, failed: &[usize], partial: bool) -> Self {
        let failed: HashSet<&usize> = failed.iter().collect();
        match failed.len() {
            0 if !partial => Self::Ok,
            all if all == columns => Self::Failed,
            _ => Self::Partial,
        }
    }
}

/// Why a column of a row is fill, all or in part, or what stands in for an image of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnError {
    /// EOPF path.
    pub column: String,
    /// Product.
    pub product_id: String,
    /// Stable code.
    pub code: String,
    /// For people.
    pub message: String,
}

/// One row-block of one time step.
#[derive(Debug, Clone)]
pub struct BlockRow {
    /// Datatake start.
    pub time: DateTime<Utc>,
    /// Products of the step.
    pub product_ids: Vec<String>,
    /// How the row came out.
    pub status: Status,
    /// Why, by column.
    pub errors: Vec<ColumnError>,
    /// Row-block.
    pub block: u16,
    /// Per-step metadata.
    pub metadata: StepMetadata,
    /// Share of window pixels that hold data, where known.
    pub valid_fraction: Option<f64>,
    /// Pixels, one buffer per column of the layout: planes, rows, columns; little-endian.
    pub pixels: Vec<Buffer>,
}

impl BlockRow {
    /// The row as a batch of the schema.
    ///
    /// # Errors
    /// Buffers that do not fit the layout.
    pub fn into_batch(self, layout: &Layout, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = vec![
            timestamps(Some(self.time)),
            string_list(&self.product_ids),
            Arc::new(StringArray::from(vec![self.status.as_str()])),
            error_list(&self.errors),
            Arc::new(UInt16Array::from(vec![self.block])),
        ];
        arrays.extend(metadata_arrays(&self.metadata, self.valid_fraction));
        for (column, buffer) in layout.columns.iter().zip(self.pixels) {
            arrays.push(tensor(column, buffer)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }
}

fn metadata_arrays(metadata: &StepMetadata, valid_fraction: Option<f64>) -> Vec<ArrayRef> {
    let number = |value: Option<f64>| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let text = |value: Option<String>| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    vec![
        text(metadata.platform.clone()),
        Arc::new(UInt16Array::from(vec![metadata.relative_orbit])),
        text(metadata.processing_baseline.map(|baseline| baseline.to_string())),
        offsets(metadata.radiometric_offset.as_deref()),
        number(metadata.cloud_cover),
        number(metadata.snow_cover),
        number(metadata.sun_azimuth),
        number(metadata.sun_elevation),
        number(metadata.view_azimuth),
        number(metadata.view_incidence),
        timestamps(metadata.sensing_time),
        number(valid_fraction),
    ]
}

fn timestamps(time: Option<DateTime<Utc>>) -> ArrayRef {
    let micros = time.map(|time| time.timestamp_micros());
    Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
}

fn string_list(values: &[String]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(list_item(DataType::Utf8));
    for value in values {
        builder.values().append_value(value);
    }
    builder.append(true);
    Arc::new(builder.finish())
}

fn offsets(values: Option<&[i16]>) -> ArrayRef {
    let mut builder = ListBuilder::new(Int16Builder::new()).with_field(list_item(DataType::Int16));
    if let Some(values) = values {
        builder.values().append_slice(values);
    }
    builder.append(values.is_some());
    Arc::new(builder.finish())
}

fn error_list(errors: &[ColumnError]) -> ArrayRef {
    let fields = error_fields();
    let item = list_item(DataType::Struct(fields.clone()));
    let mut builder =
        ListBuilder::new(StructBuilder::from_fields(fields, errors.len())).with_field(item);
    for error in errors {
        let row = builder.values();
        let texts = [&error.column, &error.product_id, &error.code, &error.message];
        for (position, text) in texts.into_iter().enumerate() {
            if let Some(field) = row.field_builder::<StringBuilder>(position) {
                field.append_value(text);
            }
        }
        row.append(true);
    }
    builder.append(true);
    Arc::new(builder.finish())
}

fn tensor(column: &Column, buffer: Buffer) -> Result<ArrayRef> {
    if buffer.len() as u64 != column.block_bytes() {
        return Err(Error::BufferSize {
            path: column.path.clone(),
            found: buffer.len(),
            expected: column.block_bytes(),
        });
    }
    let elements = column.block_elements();
    let too_large = |_| Error::TooLarge { path: column.path.clone(), elements };
    let size = i32::try_from(elements).map_err(too_large)?;
    let buffer = aligned(buffer, column.element);
    let values: ArrayRef = match column.element {
        ElementType::U8 => Arc::new(UInt8Array::new(ScalarBuffer::from(buffer), None)),
        ElementType::U16 => Arc::new(UInt16Array::new(ScalarBuffer::from(buffer), None)),
        ElementType::F32 => Arc::new(Float32Array::new(ScalarBuffer::from(buffer), None)),
    };
    let item = Arc::new(Field::new("item", values.data_type().clone(), false));
    Ok(Arc::new(FixedSizeListArray::try_new(item, size, values, None)?))
}

/// Typed arrays refuse buffers that do not begin at a multiple of their element: such are copied.
fn aligned(buffer: Buffer, element: ElementType) -> Buffer {
    let off = match element {
        ElementType::U8 => 0,
        ElementType::U16 => buffer.as_ptr().align_offset(align_of::<u16>()),
        ElementType::F32 => buffer.as_ptr().align_offset(align_of::<f32>()),
    };
    if off == 0 { buffer } else { Buffer::from(buffer.as_slice()) }
}
