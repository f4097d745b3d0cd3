//! A cube in memory, filled row by row from a stream.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, TimestampMicrosecondType, UInt8Type, UInt16Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

use crate::commands::pull::promised;
use crate::error::CliError;

/// Most bytes of a cube that is assembled in memory.
const MAX_BYTES: usize = 64 << 30;

/// One band.
#[derive(Debug)]
pub(crate) struct Column {
    /// EOPF path.
    pub(crate) path: String,
    /// NumPy's name of the element.
    pub(crate) dtype: &'static str,
    pub(crate) element_bytes: usize,
    /// 3 for RGB, else 1.
    pub(crate) planes: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    block_rows: usize,
    /// First six numbers of proj:transform: pixel width, 0, left, 0, -pixel height, top.
    pub(crate) transform: [f64; 6],
    /// Steps, planes, rows, columns; little-endian.
    pub(crate) pixels: Vec<u8>,
}

/// One time step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Datatake start, microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) status: String,
    pub(crate) product_ids: String,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Cube {
    pub(crate) columns: Vec<Column>,
    pub(crate) steps: Vec<Step>,
    /// Column, code and message of what is fill.
    pub(crate) errors: Vec<(String, String, String)>,
    expected: usize,
    blocks: usize,
    next_block: usize,
}

impl Cube {
    /// An empty cube of `expected` time steps.
    pub(crate) fn new(schema: &Schema, expected: usize) -> Result<Self, CliError> {
        let columns: Vec<Column> = schema
            .fields()
            .iter()
            .filter(|field| field.metadata().contains_key("ARROW:extension:metadata"))
            .map(|field| Column::new(field))
            .collect::<Result<_, _>>()?;
        let bytes = columns.iter().map(Column::step_bytes).try_fold(0_usize, usize::checked_add);
        let bytes = bytes.and_then(|bytes| bytes.checked_mul(expected));
        if bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
            return Err(CliError::coded("CF-CLI-006", &"the cube does not fit in memory"));
        }
        let mut cube = Self {
            blocks: columns.iter().map(Column::blocks).max().unwrap_or(1).max(1),
            columns,
            steps: Vec::with_capacity(expected),
            errors: Vec::new(),
            expected,
            next_block: 0,
        };
        for column in &mut cube.columns {
            column.pixels = vec![0; column.step_bytes() * expected];
        }
        Ok(cube)
    }

    /// Takes the rows of a batch, in the order of the stream.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            self.add_row(batch, row)?;
        }
        Ok(())
    }

    fn add_row(&mut self, batch: &RecordBatch, row: usize) -> Result<(), CliError> {
        let head = Head::of(batch, row).ok_or_else(|| promised(&"a row lacks its step columns"))?;
        if head.block != self.next_block {
            return Err(promised(&format!("row-block {} came out of order", head.block)));
        }
        if self.next_block == 0 {
            self.steps.push(head.step);
        }
        if self.steps.len() > self.expected {
            return Err(promised(&"more time steps than were planned"));
        }
        self.errors.extend(head.errors);
        let step = self.steps.len() - 1;
        // one row stands for all row-blocks of a step that was skipped
        if self.steps.last().is_some_and(|step| step.status == "skipped") {
            self.columns.iter_mut().for_each(|column| column.fill(step));
            return Ok(());
        }
        for column in &mut self.columns {
            column.put(batch, row, step, head.block)?;
        }
        self.next_block = (self.next_block + 1) % self.blocks;
        Ok(())
    }

    /// Nothing may be missing at the end.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.steps.len() == self.expected && self.next_block == 0 {
            return Ok(());
        }
        let found = self.steps.len();
        Err(promised(&format!("the stream ended in step {found} of {}", self.expected)))
    }
}

/// What a row says besides its pixels.
struct Head {
    step: Step,
    block: usize,
    errors: Vec<(String, String, String)>,
}

impl Head {
    fn of(batch: &RecordBatch, row: usize) -> Option<Self> {
        let column = |name: &str| batch.column_by_name(name);
        let time = column("time")?.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
        let status = column("status")?.as_string_opt::<i32>()?.value(row).to_owned();
        let block = column("block")?.as_primitive_opt::<UInt16Type>()?.value(row);
        let ids = column("product_ids")?.as_list_opt::<i32>()?.value(row);
        let ids: Vec<&str> = ids.as_string_opt::<i32>()?.iter().flatten().collect();
        let errors = column("errors")?.as_list_opt::<i32>()?.value(row);
        let errors = errors.as_struct_opt()?;
        let text = |name: &str, at: usize| {
            Some(errors.column_by_name(name)?.as_string_opt::<i32>()?.value(at).to_owned())
        };
        let errors = (0..errors.len())
            .map(|at| Some((text("column", at)?, text("code", at)?, text("message", at)?)))
            .collect::<Option<_>>()?;
        let step = Step { time, status, product_ids: ids.join(" ") };
        Some(Self { step, block: usize::from(block), errors })
    }
}

impl Column {
    fn new(field: &Field) -> Result<Self, CliError> {
        let wrong = || promised(&format!("column {} is not described as a tensor", field.name()));
        let json =
            |key: &str| -> Option<Value> { serde_json::from_str(field.metadata().get(key)?).ok() };
        let numbers = |value: &Value| -> Option<Vec<f64>> {
            value.as_array()?.iter().map(Value::as_f64).collect()
        };
        let tensor = json("ARROW:extension:metadata").ok_or_else(wrong)?;
        let extents = |value: &Value| -> Option<Vec<usize>> {
            let extents = value.as_array()?.iter();
            extents.map(|extent| usize::try_from(extent.as_u64()?).ok()).collect()
        };
        let shape = extents(&tensor["shape"]).ok_or_else(wrong)?;
        let (planes, block_rows, width) = match shape.as_slice() {
            [rows, width] => (1, *rows, *width),
            [planes, rows, width] => (*planes, *rows, *width),
            _ => return Err(wrong()),
        };
        let window = json("proj:shape").as_ref().and_then(extents).ok_or_else(wrong)?;
        let transform = json("proj:transform").as_ref().and_then(numbers).ok_or_else(wrong)?;
        let transform = transform.first_chunk::<6>().copied().ok_or_else(wrong)?;
        let [height, window_width] = window.as_slice() else { return Err(wrong()) };
        let DataType::FixedSizeList(item, _) = field.data_type() else { return Err(wrong()) };
        let (dtype, element_bytes) = match item.data_type() {
            DataType::UInt8 => ("|u1", 1),
            DataType::UInt16 => ("<u2", 2),
            DataType::Float32 => ("<f4", 4),
            _ => return Err(wrong()),
        };
        if *window_width != width || block_rows == 0 {
            return Err(wrong());
        }
        Ok(Self {
            path: field.name().clone(),
            dtype,
            element_bytes,
            planes,
            height: *height,
            width,
            block_rows,
            transform,
            pixels: Vec::new(),
        })
    }

    fn blocks(&self) -> usize {
        self.height.div_ceil(self.block_rows)
    }

    /// Bytes of one time step.
    pub(crate) fn step_bytes(&self) -> usize {
        self.planes * self.height * self.width * self.element_bytes
    }

    /// A step without pixels: 0, or NaN in floats.
    fn fill(&mut self, step: usize) {
        let bytes = self.step_bytes();
        let start = step * bytes;
        let pixels = self.pixels.get_mut(start..start + bytes).unwrap_or_default();
        match self.element_bytes {
            4 => {
                pixels.chunks_exact_mut(4).for_each(|v| v.copy_from_slice(&f32::NAN.to_le_bytes()))
            }
            _ => pixels.fill(0),
        }
    }

    /// Copies the valid rows of a row-block.
    fn put(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        step: usize,
        block: usize,
    ) -> Result<(), CliError> {
        let wrong = || promised(&format!("column {} is not what its schema says", self.path));
        let list =
            batch.column_by_name(&self.path).and_then(|array| array.as_fixed_size_list_opt());
        let values = list.ok_or_else(wrong)?.value(row);
        let bytes = match values.data_type() {
            DataType::UInt8 => values.as_primitive::<UInt8Type>().values().inner().clone(),
            DataType::UInt16 => values.as_primitive::<UInt16Type>().values().inner().clone(),
            DataType::Float32 => values.as_primitive::<Float32Type>().values().inner().clone(),
            _ => return Err(wrong()),
        };
        let row_bytes = self.width * self.element_bytes;
        let first = (block * self.block_rows).min(self.height);
        let rows = self.block_rows.min(self.height - first);
        for plane in 0..self.planes {
            let source = plane * self.block_rows * row_bytes;
            let target = step * self.step_bytes() + (plane * self.height + first) * row_bytes;
            let length = rows * row_bytes;
            let source = bytes.get(source..source + length).ok_or_else(wrong)?;
            let target = self.pixels.get_mut(target..target + length);
            let target = target.ok_or_else(|| promised(&"a row outside the cube"))?;
            target.copy_from_slice(source);
        }
        Ok(())
    }
}
