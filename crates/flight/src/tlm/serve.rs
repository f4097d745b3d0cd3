//! The RPCs for records.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_flight::{FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use arrow_schema::SchemaRef;
use chrono::SecondsFormat;
use cubeflight_batch::encode_row;
use cubeflight_index::{Detail, Index, TableInfo};
use cubeflight_proto::v1::ticket::Content;
use cubeflight_sentinel2::{Level, MgrsTile, ProductId};
use futures::{StreamExt, stream};
use serde_json::json;
use tonic::Status;

use super::Query;
use super::rows::{Row, batch, next_message};
use super::source;
use crate::CubeFlight;
use crate::caller::Caller;
use crate::do_get::Rows;
use crate::endpoints::timestamp;
use crate::status::{NO_TABLE, RECORD_TOO_LARGE, from_batch, of_product, plain};
use crate::trailers::{ROWS, Trailers};

/// Products whose records are held at once. Those of 32 products with all their assets and packet
/// lengths take some 30 MB.
const PRODUCTS: usize = 32;

impl CubeFlight {
    pub(crate) async fn records_info(
        &self,
        caller: &Caller,
        descriptor: FlightDescriptor,
        query: Query,
    ) -> Result<FlightInfo, Status> {
        let index = self.engine().index();
        let table = source::table(index, query.level, query.tile).await?;
        if table.records == 0 {
            let (collection, tile) = (query.level.collection(), query.tile);
            let message = format!("the index has no records of {collection} {tile}");
            return Err(plain(NO_TABLE, &message));
        }
        let records = source::records(index, &query, &[], Detail::Tlm).await?.len();
        self.table_info(caller, &query, &table, descriptor, records as u64)
    }

    /// The tables of a collection and tile, or all, that have records.
    pub(crate) async fn tables(
        &self,
        level: Option<Level>,
        tile: Option<MgrsTile>,
    ) -> Result<Vec<TableInfo>, Status> {
        let index = self.engine().index();
        let tables = match (level, tile) {
            (Some(level), Some(tile)) => vec![source::table(index, level, tile).await?],
            _ => source::tables(index).await?,
        };
        let wanted = tables.into_iter().filter(move |table| {
            table.records > 0
                && level.is_none_or(|level| level == table.level)
                && tile.is_none_or(|tile| tile == table.tile)
        });
        Ok(wanted.collect())
    }

    /// A FlightInfo of some records of a table.
    pub(crate) fn table_info(
        &self,
        caller: &Caller,
        query: &Query,
        table: &TableInfo,
        descriptor: FlightDescriptor,
        records: u64,
    ) -> Result<FlightInfo, Status> {
        let content = Content::Tlm(query.to_wire());
        let (ticket, expires) = self.sealer().seal(&caller.tenant, content)?;
        let endpoint = FlightEndpoint::new()
            .with_ticket(Ticket::new(ticket))
            .with_expiration_time(timestamp(expires));
        let info = FlightInfo::new()
            .try_with_schema(&query.schema())
            .map_err(|error| from_batch(&error.into()))?
            .with_descriptor(descriptor)
            .with_endpoint(endpoint)
            .with_total_records(i64::try_from(records).unwrap_or(i64::MAX))
            .with_total_bytes(-1)
            .with_ordered(true)
            .with_app_metadata(summary(table).to_string());
        Ok(info)
    }

    /// Schema and messages of a ticket's records.
    pub(crate) async fn records(
        &self,
        query: Query,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        let schema = Arc::new(query.schema());
        let index = self.engine().index().clone();
        // Of the whole selection only the products are kept; the stream reads some of them at a time.
        let mut products: Vec<ProductId> = Vec::new();
        for record in source::records(&index, &query, &[], Detail::Tlm).await? {
            if products.last() != Some(&record.product) {
                products.push(record.product.clone());
            }
        }
        trailers.set(ROWS, 0);
        let reader = Reader {
            index,
            query,
            schema: Arc::clone(&schema),
            products: products.into(),
            rows: VecDeque::new(),
            trailers: trailers.clone(),
        };
        let messages = stream::try_unfold(reader, |mut reader| async {
            Ok(reader.next().await?.map(|message| (message, reader)))
        });
        Ok((schema, messages.boxed()))
    }
}

/// The table in numbers, whatever the filters.
pub(crate) fn summary(table: &TableInfo) -> serde_json::Value {
    let time = table.time.map(|(first, last)| {
        let text =
            |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        format!("{}/{}", text(first), text(last))
    });
    json!({
        "collection": table.level.collection(),
        "tile": table.tile.to_string(),
        "records": table.records,
        "products": table.products,
        "with_packets": table.with_packets,
        "incomplete": table.incomplete,
        "datetime": time,
    })
}

/// Reads the records of some products at a time and cuts them into messages.
#[derive(Debug)]
struct Reader {
    index: Index,
    query: Query,
    schema: SchemaRef,
    /// Those whose records are still to be read, in the order of the rows.
    products: VecDeque<ProductId>,
    /// Read and not yet sent.
    rows: VecDeque<Row>,
    trailers: Trailers,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<FlightData>, Status> {
        while self.rows.is_empty() && !self.products.is_empty() {
            self.read().await?;
        }
        let count = next_message(&self.rows);
        if count == 0 {
            return Ok(None);
        }
        let rows: Vec<Row> = self.rows.drain(..count).collect();
        let schema = Arc::clone(&self.schema);
        let message = move || {
            let batch = batch(&schema, &rows).map_err(|error| from_batch(&error.into()))?;
            encode_row(&batch, "{}").map_err(|error| from_batch(&error))
        };
        let joined = tokio::task::spawn_blocking(message).await;
        let message = joined.map_err(|error| plain("CF-ENG-002", &error.to_string()))??;
        self.trailers.add(ROWS, count as u64);
        Ok(Some(message))
    }

    async fn read(&mut self) -> Result<(), Status> {
        let next = self.products.len().min(PRODUCTS);
        let products: Vec<ProductId> = self.products.drain(..next).collect();
        let packets = self.query.packets;
        let detail = if packets { Detail::Packets } else { Detail::Tlm };
        for record in source::records(&self.index, &self.query, &products, detail).await? {
            let row = Row::new(record, packets).map_err(|record| {
                let message = format!("the record of {} is too large for a message", record.asset);
                of_product(RECORD_TOO_LARGE, &message, &record.product.to_string())
            })?;
            self.rows.push_back(row);
        }
        Ok(())
    }
}
