//! Rows to items.

use std::str::FromStr;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use cubeflight_sentinel2::{MgrsTile, ProductId, Wanted};
use serde_json::{Map, Value, json};

use super::footer::{DATETIME, GRID_CODE, ID, microseconds, strings};
use super::text;
use crate::stac_item::{Entry, read_item};

/// Which rows may be wanted: an id of a product tells all; of other ids, date and tile. What is
/// unknown may be wanted.
pub(super) fn wanted(batch: &RecordBatch, wanted: &Wanted, time: (i64, i64)) -> BooleanArray {
    let column = |name: &str| batch.column_by_name(name);
    let ids = column(ID).and_then(strings);
    let tiles = column(GRID_CODE).and_then(strings);
    let dates = column(DATETIME).and_then(microseconds);
    let may_be = (0..batch.num_rows()).map(|row| {
        if let Some(Ok(id)) = value(ids.as_ref(), row).map(ProductId::from_str) {
            return wanted.matches(&id);
        }
        let date = dates.as_ref().and_then(|dates| dates.get(row).copied().flatten());
        let in_time = date.is_none_or(|date| (time.0..=time.1).contains(&date));
        let tile = value(tiles.as_ref(), row).and_then(|code| MgrsTile::from_str(code).ok());
        in_time && wanted.tile.zip(tile).is_none_or(|(wanted, tile)| wanted == tile)
    });
    may_be.map(Some).collect()
}

fn value(texts: Option<&ArrayRef>, row: usize) -> Option<&str> {
    let texts = texts?.as_string_opt::<i32>()?;
    texts.is_valid(row).then(|| texts.value(row))
}

/// The items of some rows.
pub(super) fn entries(batch: &RecordBatch, name: &str) -> Result<Vec<Entry>, String> {
    let mut lines = Vec::new();
    // Dates without a zone are in UTC.
    let mut writer = WriterBuilder::new()
        .with_timestamp_format("%Y-%m-%dT%H:%M:%S%.fZ".to_owned())
        .build::<_, LineDelimited>(&mut lines);
    writer.write(batch).and_then(|()| writer.finish()).map_err(text)?;
    drop(writer);
    let mut entries = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let row: Map<String, Value> = serde_json::from_slice(line).map_err(text)?;
        entries.extend(read_item(name, item(row)));
    }
    Ok(entries)
}

/// A row as an item: what are not parts of an item are its properties.
fn item(row: Map<String, Value>) -> Value {
    let mut item = Map::new();
    let mut properties = Map::new();
    for (key, value) in row {
        match key.as_str() {
            "id" | "collection" | "stac_version" => item.insert(key, value),
            "assets" => item.insert(key, assets(value)),
            "type" => None,
            _ => properties.insert(key, value),
        };
    }
    item.insert("type".to_owned(), json!("Feature"));
    item.entry("stac_version").or_insert_with(|| json!("1.0.0"));
    item.insert("geometry".to_owned(), Value::Null);
    item.insert("links".to_owned(), json!([]));
    item.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(item)
}

/// All rows have all assets; those that an item does not have are nothing, or have nothing in them.
fn assets(assets: Value) -> Value {
    let Value::Object(mut assets) = assets else { return json!({}) };
    assets.retain(|_, asset| asset.get("href").is_some_and(Value::is_string));
    Value::Object(assets)
}
