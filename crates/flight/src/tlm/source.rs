//! What the index is asked for: the one place that knows its interface.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cubeflight_engine::Error;
use cubeflight_index::{Index, Selection};
use cubeflight_sentinel2::{Level, MgrsTile, ProductId};
use cubeflight_storage::{ObjectStore as _, Options, Root};
use cubeflight_tlm::TlmRecord;
use tonic::Status;

use super::Query;
use crate::status::from_engine;

/// A table in numbers.
#[derive(Debug, Clone)]
pub(crate) struct TableInfo {
    pub(crate) level: Level,
    pub(crate) tile: MgrsTile,
    pub(crate) records: u64,
    pub(crate) products: u64,
    pub(crate) with_packets: u64,
    pub(crate) incomplete: u64,
    /// First and last datatake start; `None` without records.
    pub(crate) time: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// How much of each record is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Tlm,
    Packets,
}

pub(crate) async fn tables(index: &Index) -> Result<Vec<TableInfo>, Status> {
    let failed = |error| from_engine(&Error::Index(cubeflight_index::Error::Storage(error)));
    let options = Options::from_env().map_err(failed)?;
    let root = Root::open(index.url(), &options).map_err(failed)?;
    let mut all = Vec::new();
    for level in [Level::L1C, Level::L2A] {
        let prefix = root.prefix().clone().join("v1").join(level.collection());
        let listing = root.store().list_with_delimiter(Some(&prefix)).await;
        let listing = listing
            .map_err(|error| failed(cubeflight_storage::Error::from_store(&prefix, error)))?;
        for folder in listing.common_prefixes {
            let Some(Ok(tile)) = folder.filename().map(MgrsTile::from_str) else { continue };
            all.push(table(index, level, tile).await?);
        }
    }
    Ok(all)
}

pub(crate) async fn table(
    index: &Index,
    level: Level,
    tile: MgrsTile,
) -> Result<TableInfo, Status> {
    let all = records(index, &Query::table(level, tile), &[], Detail::Tlm).await?;
    let count = |wanted: fn(&TlmRecord) -> bool| all.iter().filter(|record| wanted(record)).count();
    let start = |record: &Arc<TlmRecord>| record.product.datatake_start();
    let products: BTreeSet<String> = all.iter().map(|record| record.product.to_string()).collect();
    Ok(TableInfo {
        level,
        tile,
        records: all.len() as u64,
        products: products.len() as u64,
        with_packets: count(|record| record.packet_lengths.is_some()) as u64,
        incomplete: count(|record| !record.complete) as u64,
        time: all.iter().map(start).min().zip(all.iter().map(start).max()),
    })
}

/// The records of a query that are of these products, ordered by datatake start, product and asset.
/// No products means those of the query.
pub(crate) async fn records(
    index: &Index,
    query: &Query,
    products: &[ProductId],
    _detail: Detail,
) -> Result<Vec<Arc<TlmRecord>>, Status> {
    let products = if products.is_empty() { &query.products } else { products };
    let selection = Selection { products: products.to_vec(), assets: query.assets.clone() };
    let records = index.records(query.level, query.tile, &selection).await;
    let mut records = records.map_err(|error| from_engine(&Error::Index(error)))?;
    records.retain(|record| query.time.contains(record.product.datatake_start()));
    Ok(records)
}
