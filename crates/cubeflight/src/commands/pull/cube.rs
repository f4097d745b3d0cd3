//! A cube in memory, filled row by row from a stream.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt8Type, UInt16Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde_json::{Map, Value};

use crate::commands::pull::promised;
use crate::commands::pull::step::{Head, Step, described};
use crate::error::CliError;

/// Most bytes of a cube that is assembled in memory.
const MAX_BYTES: usize = 64 << 30;

/// One band, or one window of it where the cube has a list of them.
#[derive(Debug)]
pub(crate) struct Column {
    /// EOPF path; of a list after the number of the window, `0/measurements/...`.
    pub(crate) path: String,
    /// Name of the column in the stream.
    field: String,
    /// The only row-block that has it.
    only: Option<usize>,
    /// NumPy's name of the element.
    pub(crate) dtype: &'static str,
    pub(crate) element_bytes: usize,
    /// 3 for RGB, else 1.
    pub(crate) planes: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    block_rows: usize,
    block_width: usize,
    /// First six numbers of proj:transform: pixel width, 0, left, 0, -pixel height, top.
    pub(crate) transform: [f64; 6],
    /// What the stream says of the band, as values.
    pub(crate) attributes: Map<String, Value>,
    /// Steps, planes, rows, columns; little-endian.
    pub(crate) pixels: Vec<u8>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Cube {
    pub(crate) columns: Vec<Column>,
    pub(crate) steps: Vec<Step>,
    /// Columns of the stream that describe time steps.
    pub(crate) described: Vec<Field>,
    /// Column, code and message of what is fill.
    pub(crate) errors: Vec<(String, String, String)>,
    expected: usize,
    blocks: usize,
    /// Position in `steps` of each time.
    positions: HashMap<i64, usize>,
    /// Which row-blocks have come, step by step.
    seen: Vec<bool>,
}

impl Cube {
    /// An empty cube of `expected` time steps.
    pub(crate) fn new(schema: &Schema, expected: usize) -> Result<Self, CliError> {
        let columns: Vec<Column> = schema
            .fields()
            .iter()
            .filter(|field| field.metadata().contains_key("ARROW:extension:metadata"))
            .map(|field| Column::of(field))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let bytes = columns.iter().map(Column::step_bytes).try_fold(0_usize, usize::checked_add);
        let bytes = bytes.and_then(|bytes| bytes.checked_mul(expected));
        if bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
            return Err(CliError::coded("CF-CLI-006", &"the cube does not fit in memory"));
        }
        let mut cube = Self {
            blocks: columns.iter().map(Column::blocks).max().unwrap_or(1).max(1),
            columns,
            steps: Vec::with_capacity(expected),
            described: described(schema),
            errors: Vec::new(),
            expected,
            positions: HashMap::new(),
            seen: Vec::new(),
        };
        for column in &mut cube.columns {
            column.pixels = vec![0; column.step_bytes() * expected];
        }
        Ok(cube)
    }

    /// Takes the rows of a batch; the rows of a stream may come in any order.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            self.add_row(batch, row)?;
        }
        Ok(())
    }

    fn add_row(&mut self, batch: &RecordBatch, row: usize) -> Result<(), CliError> {
        let head = Head::of(batch, row, &self.described)
            .ok_or_else(|| promised(&"a row lacks its step columns"))?;
        if head.block >= self.blocks {
            return Err(promised(&format!("row-block {} of {}", head.block, self.blocks)));
        }
        let Head { step: described, block, errors } = head;
        let (time, skipped) = (described.time, described.status == "skipped");
        let step = match self.positions.get(&time).copied() {
            Some(known) => {
                if let Some(step) = self.steps.get_mut(known) {
                    step.join(described);
                }
                known
            }
            None => self.begin(described)?,
        };
        self.errors.extend(errors);
        // one row stands for all row-blocks of a step that was skipped
        let came = if skipped { 0..self.blocks } else { block..block + 1 };
        let came = step * self.blocks + came.start..step * self.blocks + came.end;
        let seen = self.seen.get_mut(came).unwrap_or_default();
        if seen.iter().any(|seen| *seen) {
            return Err(promised(&format!("row-block {block} of a step came twice")));
        }
        seen.fill(true);
        for column in &mut self.columns {
            match skipped {
                true => column.fill(step),
                false => column.put(batch, row, step, block)?,
            }
        }
        Ok(())
    }

    /// Gives a place to a step whose first row has come.
    fn begin(&mut self, step: Step) -> Result<usize, CliError> {
        let position = self.steps.len();
        if position >= self.expected {
            return Err(promised(&"more time steps than were planned"));
        }
        self.positions.insert(step.time, position);
        self.steps.push(step);
        self.seen.resize(self.steps.len() * self.blocks, false);
        Ok(position)
    }

    /// The products of all steps, in time order.
    pub(crate) fn product_ids(&self) -> Vec<&str> {
        self.steps.iter().flat_map(|step| step.product_ids.split(' ')).collect()
    }

    /// Nothing may be missing at the end. Brings the steps into time order.
    pub(crate) fn finish(&mut self) -> Result<(), CliError> {
        let whole = self.seen.chunks(self.blocks).filter(|seen| seen.iter().all(|seen| *seen));
        let whole = whole.count();
        if whole != self.expected {
            let text = format!("the stream ended with {whole} of {} steps", self.expected);
            return Err(promised(&text));
        }
        // each step goes where it belongs at most once, and what was there takes its place
        for target in 0..self.steps.len() {
            let rest = self.steps.iter().enumerate().skip(target);
            let Some((earliest, _)) = rest.min_by_key(|(_, step)| step.time) else { break };
            if earliest == target {
                continue;
            }
            self.steps.swap(earliest, target);
            self.columns.iter_mut().for_each(|column| column.exchange(earliest, target));
        }
        Ok(())
    }
}

/// What the stream says of a band: values in JSON, text that is none as it is.
fn attributes(field: &Field) -> Map<String, Value> {
    let told = field.metadata().iter();
    let told = told
        .filter(|(key, _)| !key.starts_with("ARROW:extension:") && !key.starts_with("cubeflight:"));
    told.map(|(key, text)| {
        let value = match key.as_str() {
            "units" | "long_name" | "standard_name" | "radiometry" => text.as_str().into(),
            _ => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        };
        (key.clone(), value)
    })
    .collect()
}

impl Column {
    /// The band of a field, or each of its windows.
    fn of(field: &Field) -> Result<Vec<Self>, CliError> {
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
        let DataType::FixedSizeList(item, _) = field.data_type() else { return Err(wrong()) };
        let (dtype, element_bytes) = match item.data_type() {
            DataType::UInt8 => ("|u1", 1),
            DataType::UInt16 => ("<u2", 2),
            DataType::Float32 => ("<f4", 4),
            _ => return Err(wrong()),
        };
        let list = json("cubeflight:windows");
        let transform =
            if list.is_some() { "cubeflight:windows_transform" } else { "proj:transform" };
        let transform = json(transform).as_ref().and_then(numbers).ok_or_else(wrong)?;
        let transform = transform.first_chunk::<6>().copied().ok_or_else(wrong)?;
        let column = Self {
            path: field.name().clone(),
            field: field.name().clone(),
            only: None,
            dtype,
            element_bytes,
            planes,
            height: block_rows,
            width,
            block_rows,
            block_width: width,
            transform,
            attributes: attributes(field),
            pixels: Vec::new(),
        };
        let Some(list) = list else {
            let window = json("proj:shape").as_ref().and_then(extents).ok_or_else(wrong)?;
            let [height, window_width] = window.as_slice() else { return Err(wrong()) };
            if *window_width != width || block_rows == 0 {
                return Err(wrong());
            }
            return Ok(vec![Self { height: *height, ..column }]);
        };
        let windows = list.as_array().ok_or_else(wrong)?.iter().enumerate();
        let windows = windows.map(|(number, window)| match extents(window).as_deref() {
            Some([top, left, height, width])
                if (1..=block_rows).contains(height) && (1..=column.width).contains(width) =>
            {
                Ok(column.window(number, [*top, *left], [*height, *width]))
            }
            _ => Err(wrong()),
        });
        windows.collect()
    }

    /// One window of a list, at row and column from where `self` is.
    fn window(&self, number: usize, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Self {
        let [pixel_width, a, x, b, pixel_height, y] = self.transform;
        let (x, y) = (x + left as f64 * pixel_width, y + top as f64 * pixel_height);
        Self {
            path: format!("{number}/{}", self.path),
            field: self.field.clone(),
            only: Some(number),
            dtype: self.dtype,
            element_bytes: self.element_bytes,
            planes: self.planes,
            height,
            width,
            block_rows: self.block_rows,
            block_width: self.block_width,
            transform: [pixel_width, a, x, b, pixel_height, y],
            attributes: self.attributes.clone(),
            pixels: Vec::new(),
        }
    }

    fn blocks(&self) -> usize {
        match self.only {
            Some(number) => number + 1,
            None => self.height.div_ceil(self.block_rows),
        }
    }

    /// The band's name in its group.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Bytes of one time step.
    pub(crate) fn step_bytes(&self) -> usize {
        self.planes * self.height * self.width * self.element_bytes
    }

    /// Exchanges two steps, the later one first.
    fn exchange(&mut self, later: usize, earlier: usize) {
        let bytes = self.step_bytes();
        let middle = (later * bytes).min(self.pixels.len());
        let (left, right) = self.pixels.split_at_mut(middle);
        let left = left.get_mut(earlier * bytes..(earlier + 1) * bytes).unwrap_or_default();
        let right = right.get_mut(..bytes).unwrap_or_default();
        if left.len() == right.len() {
            left.swap_with_slice(right);
        }
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
        if self.only.is_some_and(|only| only != block) {
            return Ok(());
        }
        let wrong = || promised(&format!("column {} is not what its schema says", self.field));
        let list =
            batch.column_by_name(&self.field).and_then(|array| array.as_fixed_size_list_opt());
        let values = list.ok_or_else(wrong)?.value(row);
        let bytes = match values.data_type() {
            DataType::UInt8 => values.as_primitive::<UInt8Type>().values().inner().clone(),
            DataType::UInt16 => values.as_primitive::<UInt16Type>().values().inner().clone(),
            DataType::Float32 => values.as_primitive::<Float32Type>().values().inner().clone(),
            _ => return Err(wrong()),
        };
        let (pitch, length) =
            (self.block_width * self.element_bytes, self.width * self.element_bytes);
        let first = if self.only.is_some() { 0 } else { block * self.block_rows };
        let first = first.min(self.height);
        let rows = self.block_rows.min(self.height - first);
        for (plane, line) in (0..self.planes).flat_map(|p| (0..rows).map(move |line| (p, line))) {
            let source = (plane * self.block_rows + line) * pitch;
            let target = step * self.step_bytes() + (plane * self.height + first + line) * length;
            let source = bytes.get(source..source + length).ok_or_else(wrong)?;
            let target = self.pixels.get_mut(target..target + length);
            let target = target.ok_or_else(|| promised(&"a row outside the cube"))?;
            target.copy_from_slice(source);
        }
        Ok(())
    }
}
