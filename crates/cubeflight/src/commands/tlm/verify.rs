//! `cubeflight tlm verify`.

mod checksum;
mod compare;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use cubeflight_catalog::{AssetRef, Catalog as _, Query};
use cubeflight_engine::IndexCatalog;
use cubeflight_index::{Index, Selection};
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId, TimeRange};
use cubeflight_storage::{Options, Path, Root};
use cubeflight_tlm::TlmRecord;
use futures::StreamExt as _;
use serde_json::json;

use self::compare::{Depth, Finding, compare};
use crate::cli::{OwnerArgs, WebArgs};
use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::request::words;
use crate::stores::{self, Choice};

/// Records compared side by side; the store's own limits hold besides.
const SIDE_BY_SIDE: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Archive with the products: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_STORE")]
    store: String,

    /// Index: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    index: String,

    #[command(flatten)]
    owner: OwnerArgs,

    /// MGRS tile
    #[arg(long, value_name = "TILE")]
    tile: String,

    /// sentinel-2-l2a or sentinel-2-l1c
    #[arg(long, default_value = "sentinel-2-l2a", value_name = "ID")]
    collection: String,

    /// Only these assets, comma separated: B08, SCL_20m, ...
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    assets: Vec<String>,

    /// Records compared, evenly spread over time and assets
    #[arg(long, default_value_t = 20, value_name = "N", conflicts_with = "all")]
    sample: usize,

    /// Compare every record, and each of its tile-parts
    #[arg(long)]
    all: bool,

    /// Read and scan each file whole, and compare everything; with checksums where --catalog has
    /// them
    #[arg(long)]
    full: bool,

    /// STAC items with checksums: the root of a STAC API, a directory, bucket or file
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_CATALOG")]
    catalog: Option<String>,

    #[command(flatten)]
    web: WebArgs,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// One record with where its file is.
struct Task {
    record: Arc<TlmRecord>,
    path: Path,
    checksum: Option<String>,
}

pub(crate) async fn run(args: VerifyArgs) -> Result<(), CliError> {
    let (level, tile) = (Level::from_str(&args.collection)?, MgrsTile::from_str(&args.tile)?);
    let names = words(&args.assets);
    let assets = names.iter().map(|name| AssetId::parse(name, level));
    let assets = assets.collect::<Result<Vec<_>, _>>()?;
    let options = Options::from_env()?;
    let archive = Root::open(&args.store, &options)?;
    let index = args.owner.index(Root::open(&args.index, &options)?)?;

    let records = newest(index.records(level, tile, &Selection::default()).await?, &assets);
    let found = records.len();
    let records = if args.all { records } else { spread(records, args.sample) };
    if records.is_empty() {
        let text = format!("no records of {tile} in {} to verify", index.url());
        return Err(CliError::coded("CF-CLI-001", &text));
    }
    let query = Query { level, tile, time: TimeRange::default(), product_ids: Vec::new() };
    let tasks = tasks(&args, records, &archive, &index, &options, &query).await?;

    let depth = match (args.full, args.all) {
        (true, _) => Depth::Whole,
        (false, true) => Depth::EveryTilePart,
        (false, false) => Depth::Ends,
    };
    let results: Vec<Finding> = futures::stream::iter(&tasks)
        .map(|task| compare(&archive, &task.path, &task.record, task.checksum.as_deref(), depth))
        .buffered(SIDE_BY_SIDE)
        .collect()
        .await;
    report(&args, found, &tasks, &results)
}

/// The record of each asset that was written last: older file states are not read any more.
fn newest(records: Vec<Arc<TlmRecord>>, assets: &[AssetId]) -> Vec<Arc<TlmRecord>> {
    let mut newest = BTreeMap::new();
    for record in records {
        if assets.is_empty() || assets.contains(&record.asset) {
            let time = record.product.datatake_start();
            newest.insert((time, record.product.to_string(), record.asset), record);
        }
    }
    newest.into_values().collect()
}

/// At most `count` of the records, the first and the last among them.
fn spread<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let last = all.len().saturating_sub(1);
    let step = count.saturating_sub(1).max(1);
    let mut wanted: Vec<usize> = (0..count).map(|k| k.saturating_mul(last) / step).collect();
    wanted.dedup();
    let chosen = all.into_iter().enumerate().filter(|(at, _)| wanted.binary_search(at).is_ok());
    chosen.map(|(_, item)| item).collect()
}

/// Finds the files of the records, and their checksums.
async fn tasks(
    args: &VerifyArgs,
    records: Vec<Arc<TlmRecord>>,
    archive: &Root,
    index: &Index,
    options: &Options,
    query: &Query,
) -> Result<Vec<Task>, CliError> {
    let failed = |error: cubeflight_catalog::Error| CliError::coded(error.code(), &error);
    let listing = stores::catalog(Choice::Archive, archive, index, options, &args.web)?;
    let files = IndexCatalog::new(index.clone(), archive.clone(), listing);
    let files = by_asset(files.search(query).await.map_err(failed)?.products);
    let mut checksums = BTreeMap::new();
    if let Some(choice) = args.catalog.as_deref().filter(|_| args.full) {
        let choice = stores::choice(Some(choice), archive);
        let catalog = stores::catalog(choice, archive, index, options, &args.web)?;
        checksums = by_asset(catalog.search(query).await.map_err(failed)?.products);
    }
    let mut tasks = Vec::with_capacity(records.len());
    for record in records {
        let key = (record.product.to_string(), record.asset);
        let href = files.get(&key).map_or(record.key.as_str(), |file| file.href.as_str());
        let path = archive.resolve(href)?;
        let checksum = checksums.get(&key).and_then(|file| file.checksum.clone());
        tasks.push(Task { record, path, checksum });
    }
    Ok(tasks)
}

fn by_asset(products: Vec<cubeflight_catalog::Product>) -> BTreeMap<(String, AssetId), AssetRef> {
    let of = |id: &ProductId, asset: AssetId| (id.to_string(), asset);
    let files = products.into_iter().flat_map(|product| {
        let id = product.id;
        product.assets.into_iter().map(move |(asset, file)| (of(&id, asset), file))
    });
    files.collect()
}

fn report(
    args: &VerifyArgs,
    found: usize,
    tasks: &[Task],
    results: &[Finding],
) -> Result<(), CliError> {
    let wrong: Vec<_> =
        tasks.iter().zip(results).filter(|(_, result)| !result.disagreements.is_empty()).collect();
    let sum = |value: fn(&Finding) -> u64| results.iter().map(value).sum::<u64>();
    let (tile_parts, bytes) = (sum(|it| it.tile_parts), sum(|it| it.bytes));
    let (requests, checksums) = (sum(|it| it.requests), sum(|it| u64::from(it.checksum)));
    if args.json {
        let disagreements: Vec<_> = wrong
            .iter()
            .map(|(task, result)| {
                json!({
                    "product": task.record.product.to_string(),
                    "asset": task.record.asset.to_string(),
                    "key": task.record.key,
                    "reasons": result.disagreements,
                })
            })
            .collect();
        print_json(&json!({
            "records": found,
            "compared": tasks.len(),
            "tile_parts": tile_parts,
            "checksums": checksums,
            "requests": requests,
            "bytes": bytes,
            "disagreements": disagreements,
        }))?;
    } else {
        for (task, result) in &wrong {
            for reason in &result.disagreements {
                print(&format!("{} {}: {reason}", task.record.product, task.record.asset))?;
            }
        }
        print(&format!(
            "{} of {found} records compared with their files: {} agree, {} do not; {tile_parts} \
             tile-parts, {checksums} checksums, {requests} requests, {bytes} bytes",
            tasks.len(),
            tasks.len() - wrong.len(),
            wrong.len()
        ))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} of {} records do not describe their files; index these again",
        wrong.len(),
        tasks.len()
    );
    Err(CliError::coded("CF-JP2-013", &text))
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn samples_are_spread_and_hold_both_ends() {
        assert_eq!(spread((0..10).collect(), 4), [0, 3, 6, 9]);
        assert_eq!(spread((0..3).collect(), 20), [0, 1, 2]);
        assert_eq!(spread((0..3).collect(), 1), [0]);
        assert!(spread((0..3).collect(), 0).is_empty());
        assert!(spread(Vec::<u8>::new(), 5).is_empty());
    }
}
