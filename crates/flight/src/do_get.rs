//! DoGet: streams the cube of a ticket, or of a bare request.

use std::sync::Arc;
use std::time::Instant;

use arrow_buffer::Buffer;
use arrow_flight::{FlightData, Ticket};
use arrow_schema::SchemaRef;
use cubeflight_batch::{
    BlockRow, ColumnError, Status as RowStatus, encode_empty, encode_row, encode_schema,
};
use cubeflight_engine::{Block, Pixels};
use cubeflight_plan::{Column, CostModel, Layout, PlannedStep};
use cubeflight_proto::{Redeemed, decode_ticket, product_ids, v1};
use cubeflight_sentinel2::ProductId;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, stream};
use serde_json::json;
use tokio::time::timeout;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::convert::domain;
use crate::get_schema::{check_offsets, schema};
use crate::life::{KeepAlive, late};
use crate::status::{PRODUCT_GONE, from_batch, from_engine, from_request, of_product, plain};
use crate::tlm::Query;
use crate::trailers::{Counted, DECODER, ENCODE_MS, PIXELS, PLAN_MS, ROWS, Trailers};

/// Row-blocks that are encoded side by side.
const ENCODING: usize = 2;

/// What a message says that has no rows.
const KEEP_ALIVE: &str = r#"{"keep_alive":true}"#;

/// What the encoder of a row needs to know of its cube.
#[derive(Debug)]
struct Cube {
    layout: Arc<Layout>,
    schema: SchemaRef,
    /// Steps without their reads.
    steps: Vec<PlannedStep>,
}

/// The messages of a stream after its schema.
pub(crate) type Rows = BoxStream<'static, Result<FlightData, Status>>;

/// The first message.
fn begin(schema: &SchemaRef) -> Rows {
    let message = encode_schema(schema);
    stream::once(async move { Ok(message) }).boxed()
}

impl CubeFlight {
    pub(crate) async fn get(&self, ticket: Ticket) -> Result<Response<Rows>, Status> {
        let trailers = Trailers::begin();
        let opened = self.open(&ticket, &trailers).await;
        let messages = opened.map_err(|status| trailers.failed(status))?;
        // An error ends the stream: nothing may follow it.
        let all = messages.scan(false, |failed, item| {
            let over = std::mem::replace(failed, item.is_err());
            std::future::ready((!over).then_some(item))
        });
        let mut response = Response::new(all.boxed());
        response.extensions_mut().insert(trailers);
        Ok(response)
    }

    /// All messages. Planning that takes longer than a stream may be silent goes on behind the
    /// schema, which depends on the request alone; else its errors are those of the call.
    async fn open(&self, ticket: &Ticket, trailers: &Trailers) -> Result<Rows, Status> {
        let redeemed = decode_ticket(&ticket.ticket).map_err(|error| from_request(&error))?;
        let (service, of_stream) = (self.clone(), trailers.clone());
        let wanted = redeemed.clone();
        let mut planning = async move { service.redeem(&wanted, &of_stream).await }.boxed();
        let Some(interval) = self.keep_alive() else {
            let (schema, rows) = planning.await?;
            return Ok(begin(&schema).chain(rows).boxed());
        };
        let (schema, rows) = match timeout(interval, &mut planning).await {
            Ok(planned) => planned?,
            Err(_) => {
                let schema = self.schema_of_ticket(&redeemed).await?;
                (schema, late(planning.map_ok(|(_, rows)| rows).boxed()))
            }
        };
        let empty = encode_empty(&schema, KEEP_ALIVE).map_err(|error| from_batch(&error))?;
        Ok(KeepAlive::new(begin(&schema).chain(rows), empty, interval).boxed())
    }

    async fn redeem(
        &self,
        redeemed: &Redeemed,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        match redeemed {
            Redeemed::Cube { request, product_ids, cost } => {
                self.cube(request, product_ids.as_deref(), *cost, trailers).await
            }
            Redeemed::Tlm(query) => self.records(Query::from_wire(query)?, trailers).await,
        }
    }

    /// What the stream of a ticket has, by the ticket alone.
    async fn schema_of_ticket(&self, redeemed: &Redeemed) -> Result<SchemaRef, Status> {
        let schema = match redeemed {
            Redeemed::Cube { request, .. } => {
                let request = domain(request)?;
                let layout = self.engine().layout(&request).await;
                schema(&*layout.map_err(|error| from_engine(&error))?, &request)?
            }
            Redeemed::Tlm(query) => Query::from_wire(query)?.schema(),
        };
        Ok(Arc::new(schema))
    }

    async fn cube(
        &self,
        request: &v1::CubeRequest,
        pins: Option<&[String]>,
        cost: Option<v1::ReadCost>,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        let request = domain(request)?;
        let pins = pins.map(product_ids).transpose().map_err(|error| from_request(&error))?;
        let current = self.engine().cost();
        let cost = cost.map_or(current, |cost| CostModel {
            latency: cost.request_seconds,
            bandwidth: cost.bytes_per_second,
            ..current
        });
        let resolved = self.engine().resolve_at(&request, pins.as_deref(), cost).await;
        let resolved = resolved.map_err(|error| from_engine(&error))?;
        check_pins(pins.as_deref().unwrap_or_default(), &resolved.pins)?;
        check_offsets(&request, &resolved.plan)?;

        let layout = Arc::clone(&resolved.plan.layout);
        let schema = Arc::new(schema(&layout, &request)?);
        let steps = resolved.plan.steps.iter().map(without_reads).collect();
        let cube = Arc::new(Cube { layout, schema: Arc::clone(&schema), steps });

        trailers.set(PLAN_MS, trailers.elapsed_ms());
        trailers.set(ROWS, 0);
        trailers.set(PIXELS, 0);
        trailers.set_text(DECODER, self.engine().decoder());
        let sent = trailers.clone();
        let encoded = trailers.clone();
        let blocks = self.engine().run(resolved.plan, request.on_error);
        let rows = Counted::new(blocks, trailers.clone())
            .map(move |block| encode(Arc::clone(&cube), block, encoded.clone()))
            .buffered(ENCODING)
            .inspect(move |row| sent.add(ROWS, u64::from(row.is_ok())));
        Ok((schema, rows.boxed()))
    }
}

/// A stream never holds less than its ticket promised.
fn check_pins(pins: &[ProductId], found: &[ProductId]) -> Result<(), Status> {
    match pins.iter().find(|pin| !found.contains(pin)) {
        Some(gone) => {
            let message = "the ticket names a product that the catalogue no longer has";
            Err(of_product(PRODUCT_GONE, message, &gone.to_string()))
        }
        None => Ok(()),
    }
}

fn without_reads(step: &PlannedStep) -> PlannedStep {
    PlannedStep {
        time: step.time,
        product_ids: step.product_ids.clone(),
        metadata: step.metadata.clone(),
        parts: Vec::new(),
        mask: None,
    }
}

/// Encoding copies the pixels once more, so it stays off the threads that answer calls.
async fn encode(
    cube: Arc<Cube>,
    block: cubeflight_engine::Result<Block>,
    trailers: Trailers,
) -> Result<FlightData, Status> {
    let block = block.map_err(|error| from_engine(&error))?;
    let work = move || {
        let begun = Instant::now();
        let pixels = pixels(&cube.layout, &block);
        let Some(step) = cube.steps.get(block.step) else {
            return Err(plain("CF-ENG-002", "a row-block of a step that was not planned"));
        };
        let note = json!({ "step": block.step, "steps": cube.steps.len(), "block": block.block });
        let batch = row_of(&cube.layout, step, block).into_batch(&cube.layout, &cube.schema);
        let batch = batch.map_err(|error| from_batch(&error))?;
        let message = encode_row(&batch, &note.to_string());
        trailers.add_time(ENCODE_MS, begun.elapsed());
        trailers.add(PIXELS, pixels);
        message.map_err(|error| from_batch(&error))
    };
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| plain("CF-ENG-002", &error.to_string()))?
}

/// Pixels of the windows that a row holds, of all bands; what is padded is none. A row that stands for
/// a skipped step has none.
fn pixels(layout: &Layout, block: &Block) -> u64 {
    let of_column = |column: &Column| column.block_window(u32::from(block.block)).pixels();
    if block.skipped { 0 } else { layout.columns.iter().map(of_column).sum() }
}

/// A row-block with what is known of its step.
#[must_use]
pub fn row_of(layout: &Layout, step: &PlannedStep, block: Block) -> BlockRow {
    let faults = block.faults.iter().chain(&block.partial).chain(&block.replaced);
    let errors = faults.map(|(column, fault)| ColumnError {
        column: layout.columns.get(*column).map_or_else(String::new, |c| c.path.clone()),
        product_id: fault.product.to_string(),
        code: fault.code.to_owned(),
        message: fault.message.clone(),
    });
    let failed: Vec<usize> = block.faults.iter().map(|(column, _)| *column).collect();
    let status = match block.skipped {
        true => RowStatus::Skipped,
        false => RowStatus::of(layout.columns.len(), &failed, !block.partial.is_empty()),
    };
    BlockRow {
        time: step.time,
        product_ids: step.product_ids.iter().map(ToString::to_string).collect(),
        status,
        errors: errors.collect(),
        block: block.block,
        metadata: step.metadata.clone(),
        valid_fraction: block.valid_fraction,
        pixels: block.pixels.into_iter().map(buffer_of).collect(),
    }
}

fn buffer_of(pixels: Pixels) -> Buffer {
    match pixels {
        Pixels::U8(values) => Buffer::from_vec(values),
        Pixels::U16(values) => Buffer::from_vec(values),
        Pixels::F32(values) => Buffer::from_vec(values),
    }
}
