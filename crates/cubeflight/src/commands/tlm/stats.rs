//! `cubeflight tlm stats`.

use std::str::FromStr;

use cubeflight_index::{Index, TableInfo};
use cubeflight_sentinel2::{Level, MgrsTile};
use cubeflight_storage::{Options, Root};
use serde_json::{Value, json};

use crate::cli::{TableArgs, TlmStatsArgs};
use crate::commands::{print, print_json};
use crate::error::CliError;

pub(crate) async fn run(args: TlmStatsArgs) -> Result<(), CliError> {
    let (_, tables) = tables(&args.tables).await?;
    if args.tables.json {
        let tables: Vec<Value> = tables.iter().map(as_json).collect();
        return print_json(&json!({ "tables": tables }));
    }
    for table in &tables {
        print(&as_text(table))?;
    }
    let records: u64 = tables.iter().map(|table| table.records).sum();
    print(&format!("{} tables, {records} records", tables.len()))
}

/// The index, and those of its tables that are meant.
pub(super) async fn tables(args: &TableArgs) -> Result<(Index, Vec<TableInfo>), CliError> {
    let level = args.collection.as_deref().map(Level::from_str).transpose()?;
    let tile = args.tile.as_deref().map(MgrsTile::from_str).transpose()?;
    let index = args.owner.index(Root::open(&args.index, &Options::from_env()?)?)?;
    let tables = match (level, tile) {
        // no other table need be looked at
        (Some(level), Some(tile)) => vec![index.table(level, tile).await?],
        _ => index.tables().await?,
    };
    let meant = tables.into_iter().filter(|table| {
        table.records > 0
            && level.is_none_or(|level| table.level == level)
            && tile.is_none_or(|tile| table.tile == tile)
    });
    let tables = meant.collect();
    Ok((index, tables))
}

fn as_json(table: &TableInfo) -> Value {
    let time = table.time.map(|(start, end)| [start.to_rfc3339(), end.to_rfc3339()]);
    json!({
        "collection": table.level.collection(),
        "tile": table.tile.to_string(),
        "records": table.records,
        "products": table.products,
        "with_packets": table.with_packets,
        "incomplete": table.incomplete,
        "time": time,
        "files": table.files,
        "bytes": table.bytes,
    })
}

fn as_text(table: &TableInfo) -> String {
    let time = table.time.map_or_else(String::new, |(start, end)| {
        format!(", {} to {}", start.date_naive(), end.date_naive())
    });
    format!(
        "{} {}: {} records ({} with packet lengths, {} incomplete) of {} products{time}; {} files, {} \
         bytes",
        table.level.collection(),
        table.tile,
        table.records,
        table.with_packets,
        table.incomplete,
        table.products,
        table.files,
        table.bytes,
    )
}
