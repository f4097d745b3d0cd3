//! What a row of the stream says besides its pixels.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, TimestampMicrosecondType, UInt16Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde_json::{Map, Value};

/// Columns that say where a row belongs and what failed; the others that are no pixels describe its
/// time step.
const STRUCTURE: [&str; 3] = ["time", "block", "errors"];

/// One time step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Datatake start, microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) status: String,
    /// Separated by blanks.
    pub(crate) product_ids: String,
    /// What else the stream says of it, null where that is not known: times in microseconds since
    /// 1970, lists of text separated by blanks.
    pub(crate) properties: Map<String, Value>,
}

impl Step {
    /// Takes what another row-block of the step says: it may know more, and may have failed alone.
    pub(crate) fn join(&mut self, other: Self) {
        if self.status != other.status {
            "partial".clone_into(&mut self.status);
        }
        for (name, value) in other.properties {
            let known = self.properties.entry(name).or_insert(Value::Null);
            if known.is_null() {
                *known = value;
            }
        }
    }
}

/// A row without its pixels.
pub(crate) struct Head {
    pub(crate) step: Step,
    pub(crate) block: usize,
    /// Column, code and message of what is fill.
    pub(crate) errors: Vec<(String, String, String)>,
}

impl Head {
    /// None where columns that every stream has are missing.
    pub(crate) fn of(batch: &RecordBatch, row: usize, described: &[Field]) -> Option<Self> {
        let column = |name: &str| batch.column_by_name(name);
        let time = column("time")?.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
        let status = column("status")?.as_string_opt::<i32>()?.value(row).to_owned();
        let block = column("block")?.as_primitive_opt::<UInt16Type>()?.value(row);
        let ids = value(column("product_ids")?, row);
        let errors = column("errors")?.as_list_opt::<i32>()?.value(row);
        let errors = errors.as_struct_opt()?;
        let text = |name: &str, at: usize| {
            Some(errors.column_by_name(name)?.as_string_opt::<i32>()?.value(at).to_owned())
        };
        let errors = (0..errors.len())
            .map(|at| Some((text("column", at)?, text("code", at)?, text("message", at)?)))
            .collect::<Option<_>>()?;
        let properties = described
            .iter()
            .filter_map(|field| Some((field.name().clone(), value(column(field.name())?, row))));
        let step = Step {
            time,
            status,
            product_ids: ids.as_str()?.to_owned(),
            properties: properties.collect(),
        };
        Some(Self { step, block: usize::from(block), errors })
    }
}

/// The columns of a schema that describe time steps.
pub(crate) fn described(schema: &Schema) -> Vec<Field> {
    let fields = schema.fields().iter().filter(|field| {
        !STRUCTURE.contains(&field.name().as_str())
            && !field.metadata().contains_key("ARROW:extension:name")
    });
    fields.map(|field| field.as_ref().clone()).collect()
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let found = match array.data_type() {
        DataType::Utf8 => array.as_string_opt::<i32>().map(|it| it.value(row).into()),
        DataType::UInt16 => array.as_primitive_opt::<UInt16Type>().map(|it| it.value(row).into()),
        DataType::Int16 => array.as_primitive_opt::<Int16Type>().map(|it| it.value(row).into()),
        DataType::Float64 => array.as_primitive_opt::<Float64Type>().map(|it| it.value(row).into()),
        DataType::Timestamp(..) => {
            array.as_primitive_opt::<TimestampMicrosecondType>().map(|it| it.value(row).into())
        }
        DataType::List(_) => array.as_list_opt::<i32>().map(|it| list(&it.value(row))),
        _ => None,
    };
    found.unwrap_or_default()
}

fn list(items: &dyn Array) -> Value {
    if let Some(texts) = items.as_string_opt::<i32>() {
        return texts.iter().flatten().collect::<Vec<_>>().join(" ").into();
    }
    (0..items.len()).map(|at| value(items, at)).collect()
}
