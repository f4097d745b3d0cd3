//! `cubeflight tlm compact`.

use std::time::Duration;

use cubeflight_index::{Compaction, TableInfo};
use serde_json::{Value, json};

use super::stats::tables;
use crate::cli::TlmCompactArgs;
use crate::commands::{print, print_json};
use crate::error::CliError;

pub(crate) async fn run(args: TlmCompactArgs) -> Result<(), CliError> {
    let (index, tables) = tables(&args.tables).await?;
    let grace = Duration::from_secs(args.grace);
    let mut done: Vec<Value> = Vec::with_capacity(tables.len());
    for table in &tables {
        let compaction = index.compact(table.level, table.tile, grace).await?;
        if args.tables.json {
            done.push(as_json(table, &compaction));
        } else {
            print(&as_text(table, &compaction))?;
        }
    }
    if args.tables.json { print_json(&json!({ "tables": done })) } else { Ok(()) }
}

fn as_json(table: &TableInfo, compaction: &Compaction) -> Value {
    json!({
        "collection": table.level.collection(),
        "tile": table.tile.to_string(),
        "inputs": compaction.inputs,
        "records": compaction.records,
        "output": compaction.output.as_ref().map(ToString::to_string),
        "removed": compaction.removed,
    })
}

fn as_text(table: &TableInfo, compaction: &Compaction) -> String {
    let name = format!("{} {}", table.level.collection(), table.tile);
    let removed = compaction.removed;
    match &compaction.output {
        Some(output) => format!(
            "{name}: {} records of {} files in {output}; {removed} files removed",
            compaction.records, compaction.inputs
        ),
        None => format!("{name}: one file already; {removed} files removed"),
    }
}
