//! What the index is asked for.

use std::sync::Arc;

use cubeflight_engine::Error;
use cubeflight_index::{Detail, Index, Selection, TableInfo};
use cubeflight_sentinel2::{Level, MgrsTile, ProductId};
use cubeflight_tlm::TlmRecord;
use tonic::Status;

use super::Query;
use crate::status::from_engine;

pub(crate) async fn tables(index: &Index) -> Result<Vec<TableInfo>, Status> {
    index.tables().await.map_err(|error| from_engine(&Error::Index(error)))
}

pub(crate) async fn table(
    index: &Index,
    level: Level,
    tile: MgrsTile,
) -> Result<TableInfo, Status> {
    index.table(level, tile).await.map_err(|error| from_engine(&Error::Index(error)))
}

/// The records of a query that are of these products, ordered by datatake start, product and asset.
/// No products means those of the query.
pub(crate) async fn records(
    index: &Index,
    query: &Query,
    products: &[ProductId],
    detail: Detail,
) -> Result<Vec<Arc<TlmRecord>>, Status> {
    let products = if products.is_empty() { &query.products } else { products };
    let selection = Selection {
        products: products.to_vec(),
        assets: query.assets.clone(),
        time: Some(query.time),
        detail,
    };
    let records = index.records(query.level, query.tile, &selection).await;
    records.map_err(|error| from_engine(&Error::Index(error)))
}
